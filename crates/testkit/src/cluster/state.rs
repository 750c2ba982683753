//! What a command has changed in a cluster, as lines of text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Place;

/// The parts of an object that a person would call its content.
const KEPT: [&str; 8] = [
    "/metadata/labels",
    "/metadata/annotations",
    "/metadata/finalizers",
    "/spec",
    "/data",
    "/type",
    "/subjects",
    "/roleRef",
];

/// Object by object, the parts that count, times replaced by `<TIME>`.
pub type Facts = BTreeMap<String, BTreeMap<String, Value>>;

/// Reads the facts of objects.
#[must_use]
pub fn facts(objects: &BTreeMap<Place, Value>) -> Facts {
    let name = |(group, plural, namespace, name): &Place| {
        let plural = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
        let parts = [plural.as_str(), namespace.as_str(), name.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    };
    objects.iter().map(|(place, object)| (name(place), parts(object))).collect()
}

fn parts(object: &Value) -> BTreeMap<String, Value> {
    let counts = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    KEPT.iter()
        .filter_map(|path| {
            let value = object.pointer(path).filter(counts)?;
            let empty = value.as_object().is_some_and(|map| map.is_empty());
            (!empty).then(|| (path[1..].replace('/', "."), without_times(value)))
        })
        .collect()
}

fn without_times(value: &Value) -> Value {
    match value {
        Value::String(text) if is_time(text) => "<TIME>".into(),
        Value::Array(list) => list.iter().map(without_times).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), without_times(value))).collect(),
        other => other.clone(),
    }
}

/// `2026-01-02T03:04:05`, perhaps with a fraction, and a zone.
fn is_time(text: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let bytes = text.as_bytes();
    let fits =
        |(wanted, found): (&u8, &u8)| if *wanted == b'd' { found.is_ascii_digit() } else { wanted == found };
    bytes.len() > shape.len()
        && shape.iter().zip(bytes).all(fits)
        && (text.ends_with('Z') || text[shape.len()..].contains(['+', '-']))
}

/// Lists what is new (`+`), gone (`-`) or different (`~`).
#[must_use]
pub fn difference(before: &Facts, after: &Facts) -> String {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut lines = String::new();
    for name in names {
        match (before.get(name), after.get(name)) {
            (_, None) => lines.push_str(&format!("- {name}\n")),
            (None, Some(now)) => lines.push_str(&format!("+ {name} {}\n", spaced(&serde_json::json!(now)))),
            (Some(was), Some(now)) => {
                let fields: BTreeSet<&String> = was.keys().chain(now.keys()).collect();
                for field in fields.into_iter().filter(|field| was.get(*field) != now.get(*field)) {
                    let value = now.get(field).map_or("null".to_owned(), spaced);
                    lines.push_str(&format!("~ {name} {field} {value}\n"));
                }
            }
        }
    }
    lines
}

/// JSON with sorted keys and a blank behind each comma and colon.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let entries = sorted
                .into_iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), spaced(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
