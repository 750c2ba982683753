//! YAML for people: what was added or removed, with few quotes.
//!
//! Follows: `neat` 1.3 and `ytbx` 1.4 as `dyff` uses them. A text that only looks like a number has no quotes.

use serde_json::{Map, Value};

use super::compare::scalar;

/// Writes a value, with a line break at its end.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    node(&mut out, "", First::Indented, value);
    out
}

/// Whether the first line gets the indentation, or goes on behind what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Indented,
    Behind,
}

fn node(out: &mut String, prefix: &str, first: First, value: &Value) {
    let start = |out: &mut String, at: usize| {
        if at > 0 || first == First::Indented {
            out.push_str(prefix);
        }
    };
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                start(out, at);
                out.push_str("- ");
                node(out, &format!("{prefix}  "), First::Behind, item);
            }
        }
        Value::Object(fields) => {
            for (at, (key, value)) in fields.iter().enumerate() {
                start(out, at);
                out.push_str(&format!("{key}:"));
                field(out, prefix, value);
            }
        }
        value => single(out, prefix, value),
    }
}

fn field(out: &mut String, prefix: &str, value: &Value) {
    match value {
        Value::Object(fields) if fields.is_empty() => out.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Object(_) => {
            out.push('\n');
            node(out, &format!("{prefix}  "), First::Indented, value);
        }
        Value::Array(_) => {
            out.push('\n');
            node(out, prefix, First::Indented, value);
        }
        value => {
            out.push(' ');
            single(out, &format!("{prefix}  "), value);
        }
    }
}

fn single(out: &mut String, prefix: &str, value: &Value) {
    let text = scalar(value);
    if text.contains('\n') {
        out.push_str("|\n");
        let lines: Vec<String> = text.split('\n').map(|line| format!("{prefix}{line}")).collect();
        out.push_str(&lines.join("\n"));
    } else if value.is_string() && needs_quotes(&text) {
        out.push_str(&format!("{text:?}"));
    } else {
        out.push_str(&text);
    }
    out.push('\n');
}

fn needs_quotes(text: &str) -> bool {
    let is_word = matches!(text, "true" | "false" | "null");
    is_word || text.starts_with('-') || text.contains([' ', '*', '&', ':', ','])
}

/// Puts the fields into the order in which people read: what names a thing first, then what is flat.
pub(super) fn ordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(ordered).collect()),
        Value::Object(fields) => {
            let mut entries: Vec<(&String, &Value)> = fields.iter().collect();
            if let Some(known) = known_order(fields) {
                entries.sort_by_cached_key(|(key, value)| {
                    match known.iter().position(|other| other == key) {
                        Some(place) => (place, 0),
                        None => (known.len(), depth(value).unwrap_or_default()),
                    }
                });
            }
            entries.into_iter().map(|(key, value)| (key.clone(), ordered(value))).collect()
        }
        value => value.clone(),
    }
}

/// Orders of fields that are known; the one that has most of an object's fields holds for it.
const ORDERS: [&[&str]; 12] = [
    &["name", "director_uuid", "releases", "instance_groups", "networks", "resource_pools", "compilation"],
    &["name", "url", "version", "sha1"],
    &["jobs", "resources", "resource_types"],
    &["name", "type", "source"],
    &["get"],
    &["put"],
    &["task"],
    &["releases", "instance_groups", "configuration", "variables"],
    &["auth", "templates"],
    &["name"],
    &["key"],
    &["id"],
];

fn known_order(fields: &Map<String, Value>) -> Option<&'static [&'static str]> {
    let mut best: (usize, Option<&'static [&'static str]>) = (0, None);
    for order in ORDERS {
        let hits = order.iter().filter(|key| fields.contains_key(**key)).count();
        if hits > best.0 {
            best = (hits, Some(order));
        }
    }
    best.1
}

/// How far down the deepest scalar lies; none when there is none.
fn depth(value: &Value) -> Option<usize> {
    let deepest = match value {
        Value::Array(items) => {
            let has = |name: &&str| items.iter().all(|item| item.get(name).is_some());
            let name = ["name", "key", "id"].into_iter().find(has).unwrap_or_default();
            items.iter().filter_map(|item| without(item, name)).max()
        }
        Value::Object(fields) => fields.values().filter_map(depth).max(),
        _ => return Some(0),
    };
    deepest.map(|depth| depth + 1)
}

/// The depth of an item but for the field that names it.
fn without(item: &Value, name: &str) -> Option<usize> {
    let Value::Object(fields) = item else { return depth(item) };
    let others = fields.iter().filter(|(key, _)| *key != name);
    others.filter_map(|(_, value)| depth(value)).max().map(|depth| depth + 1)
}
