//! The operators of expansions: case, substring, removal by pattern, replacement.

use crate::error::Error;
use crate::substitute::glob::Glob;

/// An operator behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// A text for an empty variable.
    Default,
    /// Upper or lower case.
    Case(Case),
    /// Bytes from an offset.
    Substring,
    /// The value without a prefix or suffix.
    Remove(Remove),
    /// The value with another text in it.
    Replace(Replace),
}

/// Which letters change how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    UpperFirst,
    UpperAll,
    LowerFirst,
    LowerAll,
    /// None: what two marks mean that do not belong together.
    Kept,
}

/// What is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remove {
    ShortestPrefix,
    LongestPrefix,
    ShortestSuffix,
    LongestSuffix,
}

/// What is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    First,
    All,
    Start,
    End,
}

/// Operators by how they are written, longer ones first.
const WRITTEN: [(&str, Operator); 20] = [
    (":-", Operator::Default),
    (":=", Operator::Default),
    (":?", Operator::Default),
    (":+", Operator::Default),
    (":", Operator::Substring),
    ("=", Operator::Default),
    ("^^", Operator::Case(Case::UpperAll)),
    ("^,", Operator::Case(Case::Kept)),
    ("^", Operator::Case(Case::UpperFirst)),
    (",,", Operator::Case(Case::LowerAll)),
    (",^", Operator::Case(Case::Kept)),
    (",", Operator::Case(Case::LowerFirst)),
    ("##", Operator::Remove(Remove::LongestPrefix)),
    ("#", Operator::Remove(Remove::ShortestPrefix)),
    ("%%", Operator::Remove(Remove::LongestSuffix)),
    ("%", Operator::Remove(Remove::ShortestSuffix)),
    ("//", Operator::Replace(Replace::All)),
    ("/#", Operator::Replace(Replace::Start)),
    ("/%", Operator::Replace(Replace::End)),
    ("/", Operator::Replace(Replace::First)),
];

impl Operator {
    /// Takes an operator off the front of a text.
    pub(super) fn take(rest: &mut &str) -> Option<Self> {
        for (written, operator) in &WRITTEN {
            if let Some(after) = rest.strip_prefix(written) {
                *rest = after;
                return Some(*operator);
            }
        }
        None
    }
}

/// Changes the case of the first letter or of all.
pub(super) fn case(value: &str, change: Case) -> String {
    let first = |upper: bool| {
        let mut letters = value.chars();
        letters.next().map_or_else(String::new, |letter| {
            let head: String =
                if upper { letter.to_uppercase().collect() } else { letter.to_lowercase().collect() };
            head + letters.as_str()
        })
    };
    match change {
        Case::UpperFirst => first(true),
        Case::UpperAll => value.to_uppercase(),
        Case::LowerFirst => first(false),
        Case::LowerAll => value.to_lowercase(),
        Case::Kept => value.to_owned(),
    }
}

/// Returns bytes from an offset, a negative one from the end; arguments that are no plain numbers change nothing.
pub(super) fn substring(value: &str, arguments: &[String]) -> Result<String, Error> {
    let Some(numbers) = arguments.iter().map(|text| text.parse::<i64>().ok()).collect::<Option<Vec<i64>>>()
    else {
        return Ok(value.to_owned());
    };
    let bytes = value.as_bytes();
    let size = |number: i64| usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
    let start = match numbers.first() {
        None => 0,
        Some(&offset) if offset < 0 => bytes.len().saturating_sub(size(offset)),
        Some(&offset) => size(offset).min(bytes.len()),
    };
    let end = match numbers.get(1) {
        None => bytes.len(),
        Some(&len) if len < 0 => return Err(Error::Substitution("bad substitution".to_owned())),
        Some(&len) => start.saturating_add(size(len)).min(bytes.len()),
    };
    Ok(String::from_utf8_lossy(&bytes[start..end]).into_owned())
}

/// Removes a prefix or suffix that matches a glob; never the empty one.
///
/// For a suffix, pattern and value are read from their ends: a set in brackets opens at its end.
pub(super) fn remove<'a>(value: &'a str, pattern: &str, which: Remove) -> &'a str {
    let is_suffix = matches!(which, Remove::ShortestSuffix | Remove::LongestSuffix);
    let is_shortest = matches!(which, Remove::ShortestPrefix | Remove::ShortestSuffix);
    let glob =
        if is_suffix { Glob::new(&pattern.chars().rev().collect::<String>()) } else { Glob::new(pattern) };
    let Some(mut glob) = glob else { return value };
    let mut letters = value.chars();
    let mut found = None;
    while let Some(letter) = if is_suffix { letters.next_back() } else { letters.next() } {
        glob.read(letter);
        if glob.is_match() {
            found = Some(letters.as_str());
            if is_shortest {
                break;
            }
        }
    }
    found.unwrap_or(value)
}

/// Returns how long a text will be once text in it has been replaced, at most.
pub(super) fn replaced_len(value: &str, pattern: &str, new: &str, which: Replace) -> usize {
    let count = match which {
        Replace::All => value.matches(pattern).count(),
        Replace::First | Replace::Start | Replace::End => 1,
    };
    let gone = pattern.len().saturating_mul(count);
    value.len().saturating_sub(gone).saturating_add(new.len().saturating_mul(count))
}

/// Replaces text.
pub(super) fn replace(value: &str, pattern: &str, new: &str, which: Replace) -> String {
    match which {
        Replace::First => value.replacen(pattern, new, 1),
        Replace::All => value.replace(pattern, new),
        Replace::Start => {
            value.strip_prefix(pattern).map_or_else(|| value.to_owned(), |rest| format!("{new}{rest}"))
        }
        Replace::End => {
            value.strip_suffix(pattern).map_or_else(|| value.to_owned(), |rest| format!("{rest}{new}"))
        }
    }
}
