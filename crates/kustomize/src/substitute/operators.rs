//! The operators of expansions: case, substring, removal by pattern, replacement.

use crate::error::Error;

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
const WRITTEN: [(&str, Operator); 18] = [
    (":-", Operator::Default),
    (":=", Operator::Default),
    (":?", Operator::Default),
    (":+", Operator::Default),
    (":", Operator::Substring),
    ("=", Operator::Default),
    ("^^", Operator::Case(Case::UpperAll)),
    ("^", Operator::Case(Case::UpperFirst)),
    (",,", Operator::Case(Case::LowerAll)),
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
    }
}

/// Returns bytes from an offset; arguments that are no plain numbers change nothing.
pub(super) fn substring(value: &str, arguments: &[String]) -> Result<String, Error> {
    let Some(numbers) = arguments.iter().map(|text| text.parse::<i64>().ok()).collect::<Option<Vec<i64>>>()
    else {
        return Ok(value.to_owned());
    };
    let bytes = value.as_bytes();
    let negative = || Error::Substitution("bad substitution".to_owned());
    let start = numbers.first().map_or(Ok(0), |&start| usize::try_from(start)).map_err(|_| negative())?;
    let start = start.min(bytes.len());
    let end = match numbers.get(1) {
        None => bytes.len(),
        Some(&len) => start.saturating_add(usize::try_from(len).map_err(|_| negative())?).min(bytes.len()),
    };
    Ok(String::from_utf8_lossy(&bytes[start..end]).into_owned())
}

/// Removes a prefix or suffix that matches a glob.
pub(super) fn remove(value: &str, pattern: &str, which: Remove) -> String {
    let cuts: Vec<usize> = (0..=value.len()).filter(|&at| value.is_char_boundary(at)).collect();
    let prefix = |at: &usize| matches(pattern.as_bytes(), &value.as_bytes()[..*at]);
    let suffix = |at: &usize| matches(pattern.as_bytes(), &value.as_bytes()[*at..]);
    let cut = match which {
        Remove::ShortestPrefix => cuts.iter().find(|at| prefix(at)),
        Remove::LongestPrefix => cuts.iter().rev().find(|at| prefix(at)),
        Remove::ShortestSuffix => cuts.iter().rev().find(|at| suffix(at)),
        Remove::LongestSuffix => cuts.iter().find(|at| suffix(at)),
    };
    match (cut, which) {
        (None, _) => value.to_owned(),
        (Some(&at), Remove::ShortestPrefix | Remove::LongestPrefix) => value[at..].to_owned(),
        (Some(&at), Remove::ShortestSuffix | Remove::LongestSuffix) => value[..at].to_owned(),
    }
}

/// Whether a whole text matches a glob: `*`, `?`, `[…]`, and `\` before a special character.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if t == text.len() {
            return p == pattern.len();
        }
        match one(&pattern[p..], text[t]) {
            Some(width) => {
                p += width;
                t += 1;
            }
            None => match star {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
}

/// Matches one byte against the front of a pattern; returns how much of the pattern that took.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', rest @ ..] => {
            let end = rest.iter().skip(1).position(|&letter| letter == b']')? + 1;
            let (set, is_negated) = match &rest[..end] {
                [b'!' | b'^', set @ ..] => (set, true),
                set => (set, false),
            };
            (in_set(set, byte) != is_negated).then_some(end + 2)
        }
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

fn in_set(set: &[u8], byte: u8) -> bool {
    match set {
        [low, b'-', high, rest @ ..] => (*low..=*high).contains(&byte) || in_set(rest, byte),
        [literal, rest @ ..] => *literal == byte || in_set(rest, byte),
        [] => false,
    }
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
