//! Paths into a tree: `["key"][0]`, to read, set and remove.
//!
//! Follows: `parseTreePath` and `Truncate`, `Set`, `Unset` of sops 3.13.2.

use std::fmt;

use crate::error::Error;
use crate::tree::{Branch, Key, Value};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An entry of a mapping.
    Key(String),
    /// An item of a list, comments counted.
    Index(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Reads `["key"]`, `['key']` and `[0]` in a row.
///
/// # Errors
/// [`Error::Path`] when a piece does not end with `]` or its key not with the quote it starts with, and [`Error::Index`]
/// when it holds neither a quoted key nor an index. Keys that contain `[` cannot be written.
pub fn parse(text: &str) -> Result<Vec<Step>, Error> {
    parse_with(text, closed)
}

/// Reads as `sops` does, which takes the last character of a key for the quote that closes it, whatever it is.
///
/// # Errors
/// As [`parse`], but for a key that ends with another character.
pub fn parse_leniently(text: &str) -> Result<Vec<Step>, Error> {
    parse_with(text, without_last)
}

fn parse_with(text: &str, key: fn(&str, char) -> Option<&str>) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for piece in text.split('[').filter(|piece| !piece.is_empty()) {
        let Some(inner) = piece.strip_suffix(']') else {
            return Err(Error::Path { message: format!("component {piece} doesn't end with ]") });
        };
        let mut characters = inner.chars();
        steps.push(match characters.next() {
            Some(quote @ ('"' | '\'')) => match key(characters.as_str(), quote) {
                Some(key) => Step::Key(key.to_owned()),
                None => return Err(Error::Path { message: "a key has no closing quote".to_owned() }),
            },
            _ => Step::Index(index(inner)?),
        });
    }
    Ok(steps)
}

fn closed(key: &str, quote: char) -> Option<&str> {
    key.strip_suffix(quote)
}

fn without_last(key: &str, _quote: char) -> Option<&str> {
    let mut characters = key.chars();
    characters.next_back().map(|_| characters.as_str())
}

fn index(text: &str) -> Result<usize, Error> {
    text.parse().map_err(|wrong: std::num::ParseIntError| {
        let is_too_large = *wrong.kind() == std::num::IntErrorKind::PosOverflow;
        Error::Index { text: text.to_owned(), is_too_large }
    })
}

/// Whether a change changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The tree is another one.
    Changed,
    /// The value was there already.
    Unchanged,
}

/// Finds what a path leads to.
///
/// # Errors
/// [`Error::Path`] in the reference's words when a step does not fit.
pub fn find<'t>(branch: &'t Branch, path: &[Step]) -> Result<Found<'t>, Error> {
    let refuse = |message: String| Err(Error::Path { message });
    let mut current = Found::Branch(branch);
    for step in path {
        current = match (step, current.list(), current.branch()) {
            (Step::Key(key), _, Some(branch)) => match branch.get(key) {
                Some(value) => Found::Value(value),
                None => return refuse(format!("component ['{key}'] not found")),
            },
            (Step::Key(key), ..) => return refuse(format!("component ['{key}'] not found")),
            (Step::Index(index), Some(items), _) => match place_of(items, *index) {
                Some(at) => Found::Value(&items[at]),
                None => return refuse(format!("component [{index}] accesses out of bounds")),
            },
            (Step::Index(index), ..) => {
                return refuse(format!("component [{index}] is integer, but tree part is not a slice"));
            }
        };
    }
    Ok(current)
}

/// Where an item stands. Comments count, as the reference counts them, but for those that it does not read.
fn place_of(items: &[Value], index: usize) -> Option<usize> {
    let counts = |item: &Value| !matches!(item, Value::Comment(comment) if comment.stray);
    items.iter().enumerate().filter(|(_, item)| counts(item)).map(|(at, _)| at).nth(index)
}

/// A part of a tree.
#[derive(Clone, Copy, Debug)]
pub enum Found<'t> {
    /// The document itself.
    Branch(&'t Branch),
    /// A value in it.
    Value(&'t Value),
}

impl<'t> Found<'t> {
    fn list(self) -> Option<&'t [Value]> {
        if let Self::Value(Value::List(items)) = self { Some(items) } else { None }
    }

    /// Returns the mapping, when it is one.
    #[must_use]
    pub fn branch(self) -> Option<&'t Branch> {
        match self {
            Self::Branch(branch) | Self::Value(Value::Branch(branch)) => Some(branch),
            Self::Value(_) => None,
        }
    }
}

/// Sets a value; steps that are missing are made, a scalar in the way is replaced, an index behind the end appends.
///
/// # Errors
/// [`Error::Path`] for an empty path or a key step into a list, [`Error::NoList`] for an index step into a mapping.
pub fn set(branch: &mut Branch, path: &[Step], value: Value) -> Result<Change, Error> {
    let Some((first, rest)) = path.split_first() else {
        return Err(Error::Path { message: "the path is empty".to_owned() });
    };
    set_in_branch(branch, first, rest, value)
}

fn set_in_branch(branch: &mut Branch, first: &Step, rest: &[Step], value: Value) -> Result<Change, Error> {
    let Step::Key(key) = first else {
        return Err(Error::NoList { step: first.to_string() });
    };
    if let Some(found) = branch.get_mut(key) {
        return set_value(found, rest, value);
    }
    branch.push(key.clone(), grown(rest, value));
    Ok(Change::Changed)
}

fn set_value(place: &mut Value, path: &[Step], value: Value) -> Result<Change, Error> {
    let Some((first, rest)) = path.split_first() else { return Ok(replace(place, value)) };
    match (place, first) {
        (Value::Branch(branch), first) => set_in_branch(branch, first, rest, value),
        (Value::List(items), Step::Index(index)) => match place_of(items, *index) {
            Some(at) => set_value(&mut items[at], rest, value),
            None => {
                items.push(grown(rest, value));
                Ok(Change::Changed)
            }
        },
        (Value::List(_), Step::Key(key)) => {
            Err(Error::Path { message: format!("key '{key}' used on a list") })
        }
        (scalar, _) => Ok(replace(scalar, grown(path, value))),
    }
}

fn replace(place: &mut Value, value: Value) -> Change {
    let change = if *place == value { Change::Unchanged } else { Change::Changed };
    *place = value;
    change
}

/// A value below the steps that lead to it.
fn grown(path: &[Step], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, step| match step {
        Step::Index(_) => Value::List(vec![inner]),
        Step::Key(key) => {
            let mut branch = Branch::new();
            branch.push(key.clone(), inner);
            branch.into()
        }
    })
}

/// Removes what a path leads to.
///
/// # Errors
/// [`Error::NotFound`] and [`Error::OutOfBounds`] when a key or index is not there, [`Error::NoList`] for an index into a
/// mapping, [`Error::NoContainer`] when a step goes into a scalar.
pub fn unset(branch: &mut Branch, path: &[Step]) -> Result<(), Error> {
    let Some((first, rest)) = path.split_first() else {
        return Err(Error::Path { message: "the path is empty".to_owned() });
    };
    unset_in_branch(branch, first, rest)
}

fn unset_in_branch(branch: &mut Branch, first: &Step, rest: &[Step]) -> Result<(), Error> {
    let Step::Key(key) = first else {
        return Err(Error::NoList { step: first.to_string() });
    };
    let missing = || Error::NotFound { component: first.to_string() };
    let is_it = |entry: &crate::tree::Entry| matches!(&entry.key, Key::Name(name) if name == key);
    let at = branch.entries.iter().position(is_it).ok_or_else(missing)?;
    if rest.is_empty() {
        branch.entries.remove(at);
        return Ok(());
    }
    unset_value(&mut branch.entries[at].value, rest)
}

fn unset_value(value: &mut Value, path: &[Step]) -> Result<(), Error> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    match (value, first) {
        (Value::Branch(branch), first) => unset_in_branch(branch, first, rest),
        (Value::List(items), Step::Index(index)) => {
            let at = place_of(items, *index).ok_or(Error::OutOfBounds { index: *index })?;
            if rest.is_empty() {
                items.remove(at);
                return Ok(());
            }
            unset_value(&mut items[at], rest)
        }
        (other, first) => {
            let kind = if let Value::Null = other { "<nil>" } else { other.type_name() };
            let is_index = matches!(first, Step::Index(_));
            Err(Error::NoContainer { kind, step: first.to_string(), is_index })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Step, find, parse, parse_leniently, set, unset};
    use crate::tree::{Branch, Value};

    fn path(text: &str) -> Vec<Step> {
        parse(text).unwrap_or_default()
    }

    #[test]
    fn paths_are_split_at_brackets() {
        assert_eq!(
            path("[\"a.b\"]['c'][0]"),
            [Step::Key("a.b".into()), Step::Key("c".into()), Step::Index(0)]
        );
        assert!(parse("[\"a").is_err() && parse("str").is_err() && parse("[x]").is_err());
        assert!(parse("[\"a\"] [\"b\"]").is_err() && parse("[\"]").is_err() && parse("[]").is_err());
    }

    #[test]
    fn only_the_lenient_reading_takes_any_character_for_the_closing_quote() {
        assert!(parse("[\"b\"]]").is_err() && parse("[\"abx]").is_err());
        assert_eq!(parse_leniently("[\"b\"]]").ok(), Some(vec![Step::Key("b\"".into())]));
        assert_eq!(parse_leniently("[\"abx]").ok(), Some(vec![Step::Key("ab".into())]));
    }

    #[test]
    fn setting_makes_what_is_missing() {
        let mut branch = Branch::new();
        assert_eq!(set(&mut branch, &path("[\"a\"][5][\"b\"]"), Value::Int(1)).ok(), Some(Change::Changed));
        assert_eq!(set(&mut branch, &path("[\"a\"][0][\"b\"]"), Value::Int(1)).ok(), Some(Change::Unchanged));
        assert!(find(&branch, &path("[\"a\"][0][\"b\"]")).is_ok());
        assert!(unset(&mut branch, &path("[\"a\"][0]")).is_ok());
        assert_eq!(branch.get("a"), Some(&Value::List(Vec::new())));
    }
}
