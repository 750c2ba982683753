//! Field paths of replacements, and the walk along them.

use regex::Regex;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::expression;
use crate::resource::scalar_text;

/// One part of a path.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// A key of a mapping, or an index of a list; in a target a number is only ever an index.
    Key(String),
    /// Elements of a list with a field like this, or scalars like this when there is no field.
    Match {
        /// The field.
        key: String,
        /// Its text as written, for elements that are made.
        text: String,
        /// What its text has to match somewhere.
        expression: Regex,
    },
    /// Every element of a list.
    Every,
}

/// What happens where a field is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing.
    Skip,
    /// It is made.
    Make,
}

/// Splits a path at dots outside brackets.
///
/// # Errors
/// When an expression in it is not well formed.
pub(crate) fn parse(path: &str) -> Result<Vec<Segment>, Error> {
    split(path).into_iter().map(|part| segment(&part)).collect()
}

fn split(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut letters = path.chars().peekable();
    let mut in_brackets = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&'.') => {
                part.push('.');
                letters.next();
            }
            '[' if part.is_empty() => {
                in_brackets = true;
                part.push('[');
            }
            ']' if in_brackets => {
                in_brackets = false;
                part.push(']');
            }
            '.' if !in_brackets => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

fn segment(part: &str) -> Result<Segment, Error> {
    if part == "*" {
        return Ok(Segment::Every);
    }
    let Some(inner) = part.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(Segment::Key(part.to_owned()));
    };
    let Some((key, text)) = inner.split_once('=') else {
        return Ok(Segment::Key(inner.to_owned()));
    };
    Ok(Segment::Match { key: key.to_owned(), text: text.to_owned(), expression: expression::compile(text)? })
}

impl Segment {
    /// Whether a list is what this part looks into.
    fn wants_list(&self) -> bool {
        match self {
            Self::Key(key) => key.parse::<usize>().is_ok(),
            Self::Match { .. } | Self::Every => true,
        }
    }
}

/// Whether an element of a list has the field, or is the scalar, that a part asks for.
fn is_match(item: &Value, key: &str, expression: &Regex) -> bool {
    let field = if key.is_empty() { Some(item) } else { item.get(key) };
    field.and_then(scalar_text).is_some_and(|text| expression.is_match(&text))
}

/// Returns the value at the end of a path, the first one where several match.
pub(crate) fn find<'a>(value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, segment| match (segment, value) {
        (Segment::Key(key), Value::Object(map)) => map.get(key),
        (Segment::Key(key), Value::Array(items)) => items.get(key.parse::<usize>().ok()?),
        (Segment::Match { key, text, .. }, Value::Array(items)) => items.iter().find(|item| {
            let field = if key.is_empty() { Some(*item) } else { item.get(key.as_str()) };
            field.and_then(scalar_text).as_deref() == Some(text)
        }),
        _ => None,
    })
}

/// Calls `change` on every place that a path leads to, with whether it was made for that.
///
/// # Errors
/// When `change` fails.
pub(crate) fn visit(
    value: &mut Value,
    path: &[Segment],
    missing: Missing,
    change: &mut dyn FnMut(&mut Value, bool) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some((segment, rest)) = path.split_first() else {
        return change(value, false);
    };
    match (segment, value) {
        (Segment::Key(key), Value::Object(map)) => in_mapping(map, key, rest, missing, change),
        (Segment::Key(key), Value::Array(items)) => {
            let Ok(index) = key.parse::<usize>() else { return Ok(()) };
            if index == items.len() && missing == Missing::Make {
                let mut made = container(rest);
                enter_made(&mut made, rest, change)?;
                items.push(made);
                return Ok(());
            }
            let count = items.len();
            let item = items.get_mut(index).ok_or_else(|| {
                let what = format!("index {index} specified but only {count} elements found");
                Error::Replacement(what)
            })?;
            visit(item, rest, missing, change)
        }
        (Segment::Every, Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| visit(item, rest, missing, change))
        }
        (Segment::Match { key, text, expression }, Value::Array(items)) => {
            if missing == Missing::Make && !items.iter().any(|item| is_match(item, key, expression)) {
                items.push(if key.is_empty() {
                    Value::String(text.clone())
                } else {
                    Value::Object(Map::from_iter([(key.clone(), Value::String(text.clone()))]))
                });
            }
            let mut found = items.iter_mut().filter(|item| is_match(item, key, expression));
            found.try_for_each(|item| visit(item, rest, missing, change))
        }
        _ => Ok(()),
    }
}

fn in_mapping(
    map: &mut Map<String, Value>,
    key: &str,
    rest: &[Segment],
    missing: Missing,
    change: &mut dyn FnMut(&mut Value, bool) -> Result<(), Error>,
) -> Result<(), Error> {
    if key.parse::<usize>().is_ok() {
        let what = "wrong node kind: expected SequenceNode but got MappingNode";
        return Err(Error::Replacement(what.to_owned()));
    }
    let is_missing = map.get(key).is_none_or(Value::is_null);
    if !is_missing {
        return map.get_mut(key).map_or(Ok(()), |child| visit(child, rest, missing, change));
    }
    if let Some(child) = map.get_mut(key)
        && rest.is_empty()
    {
        return change(child, false);
    }
    if missing == Missing::Skip {
        return Ok(());
    }
    let mut made = container(rest);
    enter_made(&mut made, rest, change)?;
    map.insert(key.to_owned(), made);
    Ok(())
}

/// Returns what has to be made for the rest of a path.
fn container(rest: &[Segment]) -> Value {
    match rest.first() {
        None => Value::Null,
        Some(segment) if segment.wants_list() => Value::Array(Vec::new()),
        Some(_) => Value::Object(Map::new()),
    }
}

fn enter_made(
    made: &mut Value,
    rest: &[Segment],
    change: &mut dyn FnMut(&mut Value, bool) -> Result<(), Error>,
) -> Result<(), Error> {
    if rest.is_empty() { change(made, true) } else { visit(made, rest, Missing::Make, change) }
}
