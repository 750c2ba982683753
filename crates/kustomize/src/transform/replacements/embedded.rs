//! Values inside a string that is itself YAML or JSON.
//!
//! The text is parsed with its comments, changed, and written again: JSON as JSON, else as YAML.

use sealfast_yaml::emit;
use sealfast_yaml::node::{Kind, Node};
use sealfast_yaml::scalar;
use serde_json::Value;

use crate::error::Error;
use crate::hash::write_json;
use crate::loose::held_mut;
use crate::resource::Step;
use crate::transform::replacements::path::{self, Segment, wrong_kind};
use crate::transform::replacements::walk::{Found, Missing, Shape, Visitor, visit};

/// What is written inside a text.
#[derive(Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) value: &'a Value,
    /// A scalar as it was written.
    pub(crate) text: &'a str,
    /// Whether its text decides what it is.
    pub(crate) is_open: bool,
}

/// Sets a value inside the first string on the path that holds YAML or JSON; returns that string, if there is one.
///
/// The string stays as it is where the value does not fit a field in it, or is looked for in a text inside the text.
pub(crate) fn set(target: &mut Value, path: &[Segment], new: New<'_>, missing: Missing) -> Option<String> {
    let (way, found) = path::follow(target, path.split_last()?.1, Value::is_string).ok()??;
    let changed = set_in_text(found.as_str()?, &path[way.len()..], new, missing)?;
    *held_mut(target, &way)? = Value::String(changed.clone());
    Some(changed)
}

/// Returns how many places a path leads to in a text, which stays as it is.
///
/// # Errors
/// When the text is no YAML, or the path does not fit what is in it.
pub(crate) fn count(text: &str, path: &[Segment], missing: Missing) -> Result<usize, Error> {
    let document = sealfast_yaml::parse::first(text.as_bytes());
    let document = document.map_err(|error| Error::Replacement(error.to_string()))?;
    match document.and_then(|document| document.content.into_iter().next()) {
        Some(mut root) => visit(&mut root, path, missing, &mut Inside(None)),
        None => Err(wrong_kind("MappingNode", Shape::Null)),
    }
}

fn set_in_text(text: &str, path: &[Segment], new: New<'_>, missing: Missing) -> Option<String> {
    let mut document = sealfast_yaml::parse::first(text.as_bytes()).ok()??;
    let root = document.content.first_mut()?;
    visit(root, path, missing, &mut Inside(Some(new))).ok().filter(|found| *found > 0)?;
    let written = emit::documents(&[document], &LAYOUT).ok()?;
    if !text.trim_start().starts_with(['{', '[']) {
        return Some(written.trim().to_owned());
    }
    // Read once more, by which a value that does not fit its field is found out.
    let document = sealfast_yaml::parse::first(written.as_bytes()).ok()??;
    let root = document.content.first().filter(|root| has_text_keys(root))?;
    let value = sealfast_yaml::json::from_node(root).ok()?;
    let is_pretty = text.contains('\n') && text.contains("  ");
    Some(if is_pretty { pretty(&value) } else { compact(&value) })
}

/// How the original writes texts.
const LAYOUT: emit::Options = emit::Options { indent: 2, compact_sequences: true };

/// Whether all keys are texts, as JSON wants them.
fn has_text_keys(node: &Node) -> bool {
    let is_text = |key: &Node| matches!(key.tag.as_ref(), "!!str" | "!!merge");
    node.pairs().all(|(key, _)| is_text(key)) && node.content.iter().all(has_text_keys)
}

/// Puts a value into a node; a scalar keeps its type and quotes, and gets no text from a mapping or list.
fn write(node: &mut Node, new: New<'_>) {
    let is_container = new.value.is_array() || new.value.is_object();
    if node.kind == Kind::Scalar && !(node.tag.is_empty() && is_container) {
        new.text.clone_into(&mut node.value);
        return;
    }
    let comments = node.comments.take();
    *node = if new.is_open {
        Node::scalar(scalar::plain_tag(new.text), new.text)
    } else {
        sealfast_yaml::json::node_from(new.value)
    };
    node.comments = comments;
}

/// Puts a value into the nodes of a text, or leaves them as they are.
struct Inside<'a>(Option<New<'a>>);

impl Visitor<Node> for Inside<'_> {
    fn text(&self, _: &[Step], scalar: &Node) -> String {
        scalar.value.clone()
    }

    fn shown(&self, _: &str, part: &Node) -> String {
        let document = Node::document(part.clone());
        emit::documents(&[document], &LAYOUT).unwrap_or_else(|_| part.value.clone())
    }

    fn scalar(&mut self, _: &[Step], text: &str) -> Node {
        Node::scalar("", text)
    }

    fn arrive(&mut self, found: Found<'_, Node>) -> Result<(), Error> {
        if let Some(new) = self.0 {
            write(found.place, new);
        }
        Ok(())
    }
}

fn compact(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, &mut text);
    text
}

/// Writes JSON indented by two, keys sorted.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_pretty(value, 0, &mut text);
    text
}

fn write_pretty(value: &Value, depth: usize, out: &mut String) {
    let pad = |depth: usize| "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (position, key) in keys.into_iter().enumerate() {
                out.push_str(if position > 0 { ",\n" } else { "\n" });
                out.push_str(&pad(depth + 1));
                write_json(&Value::String(key.clone()), out);
                out.push_str(": ");
                write_pretty(&map[key], depth + 1, out);
            }
            out.push('\n');
            out.push_str(&pad(depth));
            out.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                out.push_str(if position > 0 { ",\n" } else { "\n" });
                out.push_str(&pad(depth + 1));
                write_pretty(item, depth + 1, out);
            }
            out.push('\n');
            out.push_str(&pad(depth));
            out.push(']');
        }
        other => write_json(other, out),
    }
}
