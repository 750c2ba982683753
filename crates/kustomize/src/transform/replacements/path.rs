//! Field paths of replacements, and the walk along them.

use regex::Regex;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::expression;
use crate::field::split_path;
use crate::resource::{Step, scalar_text};

/// Levels that a path may have, and what is copied to its end: as many as a file may have.
pub(super) const MAX_DEPTH: usize = 500;

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
    /// Brackets around a name alone, which name neither a key nor an element.
    Unclear,
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
/// When it has too many parts, or an expression in it is not well formed.
pub(crate) fn parse(path: &str) -> Result<Vec<Segment>, Error> {
    let parts = split(path);
    if parts.len() > MAX_DEPTH {
        let start: String = path.chars().take(40).collect();
        return Err(Error::Limit(format!("the field path `{start}…` has more than {MAX_DEPTH} parts")));
    }
    parts.iter().map(|part| segment(part)).collect()
}

/// Returns the parts of a path; brackets around a name with dots are taken away.
fn split(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut pieces = split_path(path, '.').into_iter();
    while let Some(mut part) = pieces.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            parts.push(part);
            continue;
        }
        for piece in pieces.by_ref() {
            part.push('.');
            part.push_str(&piece);
            if piece.ends_with(']') {
                break;
            }
        }
        let is_match = part.contains('=');
        parts.push(if is_match { part } else { part.trim_matches(['[', ']']).to_owned() });
    }
    parts.retain(|part| !part.trim().is_empty());
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
        return Ok(Segment::Unclear);
    };
    Ok(Segment::Match { key: key.to_owned(), text: text.to_owned(), expression: expression::compile(text)? })
}

impl Segment {
    /// Whether this part is a key of a mapping.
    pub(crate) fn is_key(&self, name: &str) -> bool {
        matches!(self, Self::Key(key) if key == name)
    }

    /// Whether a list is what this part looks into.
    pub(crate) fn wants_list(&self) -> bool {
        match self {
            Self::Key(key) => index(key).is_some(),
            Self::Match { .. } | Self::Unclear => true,
            Self::Every => false,
        }
    }
}

/// Returns the position that a part of a path is.
pub(crate) fn index(key: &str) -> Option<usize> {
    key.parse().ok()
}

fn unclear() -> Error {
    let what = "list path element must contain fieldName=fieldValue for element to match";
    Error::Replacement(what.to_owned())
}

fn wrong_kind(wanted: &str, found: &Value) -> Error {
    let found = match found {
        Value::Object(_) => "MappingNode",
        Value::Array(_) => "SequenceNode",
        _ => "ScalarNode",
    };
    Error::Replacement(format!("wrong node kind: expected {wanted} but got {found}"))
}

/// Whether an element of a list has the field, or is the scalar, that a part asks for.
fn is_match(item: &Value, key: &str, expression: &Regex) -> bool {
    let field = if key.is_empty() { Some(item) } else { item.get(key) };
    field.and_then(scalar_text).is_some_and(|text| expression.is_match(&text))
}

/// Returns the value at the end of a path, the first one where several match, and the way to it.
///
/// # Errors
/// When a part of the path does not fit what is there.
pub(crate) fn find<'a>(value: &'a Value, path: &[Segment]) -> Result<Option<(Vec<Step>, &'a Value)>, Error> {
    let mut found = (Vec::with_capacity(path.len()), value);
    for segment in path {
        let Some((step, value)) = next(found.1, segment)? else { return Ok(None) };
        found.0.push(step);
        found.1 = value;
    }
    Ok(Some(found))
}

/// Returns what the next part of a path leads to.
///
/// # Errors
/// When it does not fit what is there.
pub(crate) fn next<'a>(value: &'a Value, segment: &Segment) -> Result<Option<(Step, &'a Value)>, Error> {
    let at = match segment {
        Segment::Every => {
            return Err(Error::Replacement("wildcard is not supported in PathGetter".to_owned()));
        }
        Segment::Unclear => return Err(unclear()),
        _ if value.is_null() => None,
        Segment::Key(key) if key == "-" => list(value)?.len().checked_sub(1),
        Segment::Key(key) => match index(key) {
            Some(at) => list(value).map(|_| Some(at))?,
            None => {
                let map = value.as_object().ok_or_else(|| wrong_kind("MappingNode", value))?;
                return Ok(map.get(key).map(|child| (Step::Key(key.clone()), child)));
            }
        },
        Segment::Match { key, text, .. } => list(value)?.iter().position(|item| {
            let field = if key.is_empty() { Some(item) } else { item.get(key) };
            field.and_then(scalar_text).as_deref() == Some(text)
        }),
    };
    Ok(at.and_then(|at| Some((Step::Index(at), value.get(at)?))))
}

fn list(value: &Value) -> Result<&Vec<Value>, Error> {
    value.as_array().ok_or_else(|| wrong_kind("SequenceNode", value))
}

/// What is done with each place that a path leads to.
pub(crate) type Change<'a> = &'a mut dyn FnMut(Found<'_>) -> Result<(), Error>;

/// A place at the end of a path.
pub(crate) struct Found<'a> {
    /// What is there.
    pub(crate) place: &'a mut Value,
    /// Whether it was made for that.
    pub(crate) is_new: bool,
    /// The way to it.
    pub(crate) steps: &'a [Step],
}

/// Calls `change` on every place that a path leads to.
///
/// # Errors
/// When `change` fails, or a part of the path does not fit what is there.
pub(crate) fn visit(
    value: &mut Value,
    path: &[Segment],
    missing: Missing,
    change: Change<'_>,
) -> Result<(), Error> {
    Walk { missing, change, steps: Vec::new() }.enter(value, path)
}

struct Walk<'a> {
    missing: Missing,
    change: Change<'a>,
    /// The way to where the walk is.
    steps: Vec<Step>,
}

impl Walk<'_> {
    fn enter(&mut self, value: &mut Value, path: &[Segment]) -> Result<(), Error> {
        let Some((segment, rest)) = path.split_first() else {
            return (self.change)(Found { place: value, is_new: false, steps: &self.steps });
        };
        match (segment, value) {
            (Segment::Unclear, _) => Err(unclear()),
            (_, Value::Null) => Ok(()),
            (Segment::Key(key), value) => match (index(key), value) {
                (Some(index), Value::Array(items)) => self.in_list(items, index, rest),
                (None, Value::Object(map)) => self.in_mapping(map, key, rest),
                (Some(_), other) => Err(wrong_kind("SequenceNode", other)),
                (None, other) => Err(wrong_kind("MappingNode", other)),
            },
            (Segment::Every, Value::Array(items)) => self.each(items, rest, |_| true),
            (Segment::Match { key, text, expression }, Value::Array(items)) => {
                if self.missing == Missing::Make && !items.iter().any(|item| is_match(item, key, expression))
                {
                    items.push(element(key, text));
                }
                self.each(items, rest, |item| is_match(item, key, expression))
            }
            (_, other) => Err(wrong_kind("SequenceNode", other)),
        }
    }

    /// Enters the elements that the test accepts.
    fn each(
        &mut self,
        items: &mut [Value],
        rest: &[Segment],
        accepts: impl Fn(&Value) -> bool,
    ) -> Result<(), Error> {
        for (at, item) in items.iter_mut().enumerate().filter(|(_, item)| accepts(item)) {
            self.step(Step::Index(at), |walk| walk.enter(item, rest))?;
        }
        Ok(())
    }

    fn in_list(&mut self, items: &mut Vec<Value>, index: usize, rest: &[Segment]) -> Result<(), Error> {
        let count = items.len();
        if index == count && self.missing == Missing::Make {
            let made = self.step(Step::Index(index), |walk| walk.made(rest))?;
            items.push(made);
            return Ok(());
        }
        let item = items.get_mut(index).ok_or_else(|| {
            Error::Replacement(format!("index {index} specified but only {count} elements found"))
        })?;
        self.step(Step::Index(index), |walk| walk.enter(item, rest))
    }

    fn in_mapping(&mut self, map: &mut Map<String, Value>, key: &str, rest: &[Segment]) -> Result<(), Error> {
        let step = Step::Key(key.to_owned());
        match map.get_mut(key) {
            Some(child) if rest.is_empty() || !child.is_null() => {
                self.step(step, |walk| walk.enter(child, rest))
            }
            _ if self.missing == Missing::Skip => Ok(()),
            _ => {
                let made = self.step(step, |walk| walk.made(rest))?;
                map.insert(key.to_owned(), made);
                Ok(())
            }
        }
    }

    /// Makes what the rest of a path needs, and enters it.
    fn made(&mut self, rest: &[Segment]) -> Result<Value, Error> {
        let mut made = match rest.first() {
            None => Value::Null,
            Some(segment) if segment.wants_list() => Value::Array(Vec::new()),
            Some(_) => Value::Object(Map::new()),
        };
        if rest.is_empty() {
            (self.change)(Found { place: &mut made, is_new: true, steps: &self.steps })?;
        } else {
            self.enter(&mut made, rest)?;
        }
        Ok(made)
    }

    fn step<T>(&mut self, step: Step, go: impl FnOnce(&mut Self) -> T) -> T {
        self.steps.push(step);
        let done = go(self);
        self.steps.pop();
        done
    }
}

/// Returns the element that is made where none has a field like this.
fn element(key: &str, text: &str) -> Value {
    if key.is_empty() {
        return Value::String(text.to_owned());
    }
    Value::Object(Map::from_iter([(key.to_owned(), Value::String(text.to_owned()))]))
}
