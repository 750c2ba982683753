//! What a snapshot should hold against what it holds, one line a difference.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

static VALUES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("=[^,]*").expect("the expression is well-formed"));

/// The differences, each with its place.
pub(crate) fn differences(want: &Value, got: &Value, path: &str) -> Vec<String> {
    if want == got {
        return Vec::new();
    }
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let absent = Value::from("(absent)");
            let of = |map: &serde_json::Map<String, Value>, key: &str| {
                map.get(key).cloned().unwrap_or_else(|| absent.clone())
            };
            keys.into_iter()
                .flat_map(|key| differences(&of(a, key), &of(b, key), &format!("{path}.{key}")))
                .collect()
        }
        (Value::Array(a), Value::Array(b)) if path.ends_with(".events") => events(a, b, path),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.flat_map(|(at, (a, b))| differences(a, b, &format!("{path}[{at}]"))).collect()
        }
        _ => vec![format!("{}: expected {want} got {got}", if path.is_empty() { "." } else { path })],
    }
}

/// A recorder may fold a repeated text into the first event and keep that one's annotations, or not.
fn events(want: &[Value], got: &[Value], path: &str) -> Vec<String> {
    let alike = |event: &Value| {
        let mut event = event.clone();
        let annotations = event["annotations"].as_str().unwrap_or_default();
        event["annotations"] = VALUES.replace_all(annotations, "").into_owned().into();
        event
    };
    let known: Vec<Value> = want.iter().map(alike).collect();
    let missing =
        want.iter().filter(|event| !got.contains(event)).map(|event| format!("{path}: missing {event}"));
    let extra = got.iter().filter(|event| !want.contains(event) && !known.contains(&alike(event)));
    missing.chain(extra.map(|event| format!("{path}: extra {event}"))).collect()
}
