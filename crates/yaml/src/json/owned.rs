//! The short way from a tree to a value: texts are moved, not copied.
//!
//! It is open to trees without aliases, merge keys, odd keys and infinity, which is what manifests are; it gives the same
//! values as [`crate::decode`] would.

use serde_json::{Map, Value};

use super::{Floats, float_key, float_value, text};
use crate::error::Error;
use crate::node::{Kind, Node};
use crate::scalar::{self, Scalar, Words};

/// Tells trees that the short way is open to.
pub(super) fn fits(root: &Node) -> bool {
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        let keys_fit = || {
            node.content.chunks_exact(2).all(|pair| pair[0].kind == Kind::Scalar && pair[0].tag == "!!str")
        };
        match node.kind {
            // Infinity, or what is no number: an error, unless a later key takes its place.
            Kind::Scalar
                if node.tag == "!!float" && !node.value.bytes().any(|byte| byte.is_ascii_digit()) =>
            {
                return false;
            }
            Kind::Scalar => continue,
            Kind::Alias => return false,
            Kind::Mapping if !keys_fit() => return false,
            _ => waiting.extend(&node.content),
        }
    }
    true
}

/// Returns the value of a tree, by v2's rules.
pub(super) fn value(node: Node, floats: Floats) -> Result<Value, Error> {
    match node.kind {
        Kind::Scalar => scalar_value(node, floats),
        Kind::Sequence => items(node.content, floats),
        Kind::Mapping => fields(node.content, floats),
        Kind::Document => node.content.into_iter().next().map_or(Ok(Value::Null), |root| value(root, floats)),
        Kind::Alias => Err(Error::unknown_anchor(&node.value, node.start.line())),
    }
}

/// A loop, and not a chain of iterators, whose frames would fill small stacks in deep trees.
fn items(content: Vec<Node>, floats: Floats) -> Result<Value, Error> {
    let mut items = Vec::with_capacity(content.len());
    for item in content {
        items.push(value(item, floats)?);
    }
    Ok(Value::Array(items))
}

fn fields(content: Vec<Node>, floats: Floats) -> Result<Value, Error> {
    let mut fields = Map::with_capacity(content.len() / 2);
    let mut content = content.into_iter();
    while let (Some(key), Some(item)) = (content.next(), content.next()) {
        fields.insert(name(key)?, value(item, floats)?);
    }
    Ok(Value::Object(fields))
}

fn scalar_value(node: Node, floats: Floats) -> Result<Value, Error> {
    if scalar::is_text(&node, Words::V2) {
        return Ok(Value::String(node.value));
    }
    Ok(match scalar::resolve_as(&node, Words::V2)? {
        Scalar::Null => Value::Null,
        Scalar::Bool(truth) => Value::Bool(truth),
        Scalar::Int(number) => Value::from(number),
        Scalar::Uint(number) => Value::from(number),
        Scalar::Float(number) => float_value(number, floats),
        Scalar::Time(text) | Scalar::Str(text) => Value::String(text),
        Scalar::Binary(bytes) => Value::String(text::lossy(&bytes)),
        Scalar::Merge => Value::String(node.value),
    })
}

fn name(key: Node) -> Result<String, Error> {
    if scalar::is_text(&key, Words::V2) {
        return Ok(key.value);
    }
    Ok(match scalar::resolve_as(&key, Words::V2)? {
        Scalar::Bool(truth) => truth.to_string(),
        Scalar::Float(number) => float_key(number),
        _ => key.value,
    })
}
