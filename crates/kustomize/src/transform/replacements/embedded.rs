//! Values inside a string that is itself YAML or JSON.
//!
//! The text is parsed with its comments, changed, and written again: JSON as JSON, else as YAML.

use sealfast_yaml::emit;
use sealfast_yaml::node::{Kind, Node, Style};
use serde_json::Value;

use crate::hash::write_json;
use crate::resource::scalar_text;
use crate::transform::replacements::path::{Missing, Segment, find};

/// Sets a value inside the first string on the path that holds YAML or JSON; false when there is none.
pub(crate) fn set(target: &mut Value, path: &[Segment], value: &Value, missing: Missing) -> bool {
    for end in 1..path.len() {
        let Some(found) = find(target, &path[..end]) else { continue };
        if found.is_array() || found.is_object() {
            continue;
        }
        let Some(text) = scalar_text(found) else { continue };
        let Some(changed) = set_in_text(&text, &path[end..], value, missing) else { return false };
        return replace(target, &path[..end], changed);
    }
    false
}

fn replace(target: &mut Value, path: &[Segment], text: String) -> bool {
    let mut text = Some(text);
    let done = super::path::visit(target, path, Missing::Skip, &mut |place, _| {
        if let Some(text) = text.take() {
            *place = Value::String(text);
        }
        Ok(())
    });
    done.is_ok() && text.is_none()
}

fn set_in_text(text: &str, path: &[Segment], value: &Value, missing: Missing) -> Option<String> {
    let mut documents = sealfast_yaml::parse::documents(text.as_bytes()).ok()?;
    documents.truncate(1);
    let root = documents.first_mut()?.content.first_mut()?;
    let mut count = 0;
    visit(root, path, missing, &mut |node| {
        count += 1;
        write(node, value);
    });
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

/// Puts a value into a node; a scalar keeps its type and quotes.
fn write(node: &mut Node, value: &Value) {
    match (node.kind, scalar_text(value)) {
        (Kind::Scalar, Some(text)) => node.value = text,
        _ => {
            let comments = node.comments.take();
            *node = sealfast_yaml::json::node_from(value);
            node.comments = comments;
        }
    }
}

fn visit(node: &mut Node, path: &[Segment], missing: Missing, change: &mut dyn FnMut(&mut Node)) {
    let Some((segment, rest)) = path.split_first() else {
        change(node);
        return;
    };
    match (segment, node.kind) {
        (Segment::Key(key), Kind::Mapping) => {
            let place = (0..node.content.len()).step_by(2).find(|&at| node.content[at].value == *key);
            match place {
                Some(at) => visit(&mut node.content[at + 1], rest, missing, change),
                None if missing == Missing::Make => {
                    let mut made = container(rest);
                    visit(&mut made, rest, missing, change);
                    node.content.push(Node::scalar("!!str", key.clone()));
                    node.content.push(made);
                }
                None => {}
            }
        }
        (Segment::Key(key), Kind::Sequence) => {
            if let Some(item) = key.parse::<usize>().ok().and_then(|at| node.content.get_mut(at)) {
                visit(item, rest, missing, change);
            }
        }
        (Segment::Every, Kind::Sequence) => {
            for item in &mut node.content {
                visit(item, rest, missing, change);
            }
        }
        (Segment::Match { key, expression, .. }, Kind::Sequence) => {
            for item in &mut node.content {
                let field = if key.is_empty() { Some(&*item) } else { item.field(key) };
                let is_match = field
                    .is_some_and(|field| field.kind == Kind::Scalar && expression.is_match(&field.value));
                if is_match {
                    visit(item, rest, missing, change);
                }
            }
        }
        _ => {}
    }
}

fn container(rest: &[Segment]) -> Node {
    match rest.first() {
        None => Node { style: Style::Plain, ..Node::scalar("", "") },
        Some(Segment::Match { .. } | Segment::Every) => Node::sequence(),
        Some(Segment::Key(_)) => Node::mapping(),
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
