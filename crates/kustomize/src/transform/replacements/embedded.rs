//! Values inside a string that is itself YAML or JSON.
//!
//! The text is parsed with its comments, changed, and written again: JSON as JSON, else as YAML.

use sealfast_yaml::emit;
use sealfast_yaml::node::{Kind, Node, Style};
use serde_json::Value;

use crate::hash::write_json;
use crate::resource::scalar_text;
use crate::transform::replacements::path::{self, Missing, Segment};

/// What is written inside a text.
#[derive(Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) value: &'a Value,
    /// A scalar as it was written.
    pub(crate) text: &'a str,
}

/// Sets a value inside the first string on the path that holds YAML or JSON; returns that string, if there is one.
pub(crate) fn set(target: &mut Value, path: &[Segment], new: New<'_>, missing: Missing) -> Option<String> {
    let mut found = &*target;
    for end in 1..path.len() {
        found = path::next(found, &path[end - 1]).ok()??.1;
        let Some(text) = scalar_text(found) else { continue };
        let changed = set_in_text(&text, &path[end..], new, missing)?;
        return replace(target, &path[..end], changed.clone()).then_some(changed);
    }
    None
}

fn replace(target: &mut Value, path: &[Segment], text: String) -> bool {
    let mut text = Some(text);
    let done = path::visit(target, path, Missing::Skip, &mut |found| {
        if let Some(text) = text.take() {
            *found.place = Value::String(text);
        }
        Ok(())
    });
    done.is_ok() && text.is_none()
}

fn set_in_text(text: &str, path: &[Segment], new: New<'_>, missing: Missing) -> Option<String> {
    let mut documents = sealfast_yaml::parse::documents(text.as_bytes()).ok()?;
    documents.truncate(1);
    let root = documents.first_mut()?.content.first_mut()?;
    let mut count = 0;
    let mut walk = Walk {
        missing,
        leaf: if new.value.is_array() || new.value.is_object() { Kind::Mapping } else { Kind::Scalar },
        change: &mut |node| {
            count += 1;
            write(node, new);
        },
    };
    walk.enter(root, path)?;
    if count == 0 {
        return None;
    }
    if text.trim_start().starts_with(['{', '[']) {
        let value = sealfast_yaml::json::from_node(documents[0].content.first()?).ok()?;
        let is_pretty = text.contains('\n') && text.contains("  ");
        return Some(if is_pretty { pretty(&value) } else { compact(&value) });
    }
    let options = emit::Options { indent: 2, compact_sequences: true };
    Some(emit::documents(&documents, &options).ok()?.trim().to_owned())
}

/// Puts a value into a node; a scalar keeps its type and quotes, and gets no text from a mapping or list.
fn write(node: &mut Node, new: New<'_>) {
    if node.kind == Kind::Scalar {
        new.text.clone_into(&mut node.value);
        return;
    }
    let comments = node.comments.take();
    *node = sealfast_yaml::json::node_from(new.value);
    node.comments = comments;
}

/// The walk along a path through nodes; none where a part of the path does not fit.
struct Walk<'a> {
    missing: Missing,
    /// What is made at the end of a path.
    leaf: Kind,
    change: &'a mut dyn FnMut(&mut Node),
}

impl Walk<'_> {
    fn enter(&mut self, node: &mut Node, path: &[Segment]) -> Option<()> {
        let Some((segment, rest)) = path.split_first() else {
            (self.change)(node);
            return Some(());
        };
        match (segment, node.kind) {
            (Segment::Key(key), kind) => match (path::index(key), kind) {
                (Some(at), Kind::Sequence) => self.in_sequence(node, at, rest),
                (None, Kind::Mapping) => self.in_mapping(node, key, rest),
                _ => None,
            },
            (Segment::Every, Kind::Sequence) => {
                node.content.iter_mut().try_for_each(|item| self.enter(item, rest))
            }
            (Segment::Match { key, text, expression }, Kind::Sequence) => {
                let is_match = |item: &Node| {
                    let field = if key.is_empty() { Some(item) } else { item.field(key) };
                    field.is_some_and(|field| field.kind == Kind::Scalar && expression.is_match(&field.value))
                };
                if self.missing == Missing::Make && !node.content.iter().any(is_match) {
                    node.content.push(element(key, text));
                }
                let mut found = node.content.iter_mut().filter(|item| is_match(item));
                found.try_for_each(|item| self.enter(item, rest))
            }
            _ => None,
        }
    }

    fn in_sequence(&mut self, node: &mut Node, at: usize, rest: &[Segment]) -> Option<()> {
        if at == node.content.len() && self.missing == Missing::Make {
            node.content.push(self.container(rest));
        }
        self.enter(node.content.get_mut(at)?, rest)
    }

    fn in_mapping(&mut self, node: &mut Node, key: &str, rest: &[Segment]) -> Option<()> {
        let place = (0..node.content.len()).step_by(2).find(|&at| node.content[at].value == *key);
        match place {
            Some(at) => self.enter(&mut node.content[at + 1], rest),
            None if self.missing == Missing::Make => {
                let mut made = self.container(rest);
                self.enter(&mut made, rest)?;
                node.content.push(Node::scalar("!!str", key.to_owned()));
                node.content.push(made);
                Some(())
            }
            None => Some(()),
        }
    }

    /// Returns what is made for the rest of a path.
    fn container(&self, rest: &[Segment]) -> Node {
        match rest.first() {
            None if self.leaf == Kind::Scalar => Node { style: Style::Plain, ..Node::scalar("", "") },
            Some(segment) if segment.wants_list() => Node::sequence(),
            None | Some(_) => Node::mapping(),
        }
    }
}

/// Returns the element that is made where none has a field like this.
fn element(key: &str, text: &str) -> Node {
    let text = Node { style: Style::Plain, ..Node::scalar("", text) };
    if key.is_empty() {
        return text;
    }
    let mut made = Node::mapping();
    made.content = vec![Node::scalar("!!str", key), text];
    made
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
