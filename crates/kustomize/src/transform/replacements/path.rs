//! Field paths of replacements, and what the path of a source leads to.

use regex::Regex;
use serde_json::Value;

use crate::error::Error;
use crate::expression;
use crate::field::split_path;
use crate::resource::{Step, scalar_text};
use crate::transform::replacements::walk::{Shape, Tree};

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

/// Says that brackets name neither a key nor an element.
pub(super) fn unclear() -> Error {
    let what = "list path element must contain fieldName=fieldValue for element to match";
    Error::Replacement(what.to_owned())
}

/// Says that a part of a path does not fit what is there.
pub(super) fn wrong_kind(wanted: &str, found: Shape) -> Error {
    let found = match found {
        Shape::Mapping => "MappingNode",
        Shape::List => "SequenceNode",
        Shape::Alias => "AliasNode",
        Shape::Null | Shape::Scalar => "ScalarNode",
    };
    Error::Replacement(format!("wrong node kind: expected {wanted} but got {found}"))
}

/// Returns the value at the end of a path, the first one where several match, and the way to it.
///
/// # Errors
/// When a part of the path does not fit what is there.
pub(crate) fn find<'a>(value: &'a Value, path: &[Segment]) -> Result<Option<(Vec<Step>, &'a Value)>, Error> {
    follow(value, path, |_| false)
}

/// Returns the first value on a path that ends it, else the one at its end, and the way to it.
///
/// # Errors
/// When a part of the path does not fit what is there.
pub(crate) fn follow<'a>(
    value: &'a Value,
    path: &[Segment],
    ends: impl Fn(&Value) -> bool,
) -> Result<Option<(Vec<Step>, &'a Value)>, Error> {
    let mut found = (Vec::with_capacity(path.len()), value);
    for segment in path {
        let Some((step, value)) = next(found.1, segment)? else { return Ok(None) };
        found.0.push(step);
        found.1 = value;
        if ends(value) {
            break;
        }
    }
    Ok(Some(found))
}

/// Returns what the next part of a path leads to.
///
/// # Errors
/// When it does not fit what is there.
fn next<'a>(value: &'a Value, segment: &Segment) -> Result<Option<(Step, &'a Value)>, Error> {
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
                let map = value.as_object().ok_or_else(|| wrong_kind("MappingNode", value.shape()))?;
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
    value.as_array().ok_or_else(|| wrong_kind("SequenceNode", value.shape()))
}
