//! What differs between two runs of a case becomes a placeholder.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a fixed expression")
}

static UUID: LazyLock<Regex> =
    LazyLock::new(|| regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
static MICRO: LazyLock<Regex> = LazyLock::new(|| regex(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| regex(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"));
static AGE: LazyLock<Regex> = LazyLock::new(|| regex(r"^(<invalid>|(\d+y)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?)$"));
static OLD: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(too old resource version: \d+ )\(\d+\)|(Too large resource version: \d+, current: )\d+")
});
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| regex(r"^10\.\d+\.\d+\.\d+$"));

/// Times and ids of a text.
pub(crate) fn volatile(text: &str) -> String {
    let text = UUID.replace_all(text, "<uid>");
    let text = MICRO.replace_all(&text, "<microtime>");
    TIME.replace_all(&text, "<time>").into_owned()
}

/// A text with captured values, run letters, times and ids replaced.
pub(crate) fn text(text: &str, run: &str, captured: &BTreeMap<String, Value>) -> String {
    let mut out = text.to_owned();
    let mut known: Vec<(&String, &str)> =
        captured.iter().filter_map(|(key, value)| Some((key, value.as_str()?))).collect();
    known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    for (key, value) in known {
        if value.len() > 7 && !value.bytes().all(|byte| byte.is_ascii_digit()) {
            out = out.replace(value, &format!("{{{{{key}}}}}"));
        }
    }
    let out = volatile(&out.replace(run, "{{run}}"));
    OLD.replace_all(&out, |found: &regex::Captures<'_>| {
        format!("{}<rv>", found.get(1).or(found.get(2)).map_or("", |part| part.as_str()))
    })
    .into_owned()
}

/// A value with all that replaced.
pub(crate) fn value(value: &Value, key: &str, run: &str, captured: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::Object(map) => object(value, map, run, captured),
        Value::Array(items) => {
            let key = if key == "cells" { "" } else { key };
            items.iter().map(|item| self::value(item, key, run, captured)).collect()
        }
        Value::String(found) => string(found, key, run, captured),
        Value::Number(number) if matches!(key, "nodePort" | "healthCheckNodePort") => match number.as_i64() {
            Some(30000..=32767) => json!("<port>"),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

fn object(whole: &Value, map: &Map<String, Value>, run: &str, captured: &BTreeMap<String, Value>) -> Value {
    let mut out = Map::new();
    for (key, found) in map {
        out.insert(text(key, run, captured), value(found, key, run, captured));
    }
    if whole["kind"] == "Table" {
        for row in out.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
            for cell in row.get_mut("cells").and_then(Value::as_array_mut).into_iter().flatten() {
                if cell.as_str().is_some_and(|cell| !cell.is_empty() && AGE.is_match(cell)) {
                    *cell = json!("<age>");
                }
            }
        }
    }
    if whole["kind"] == "Status" {
        sort_status(&mut out);
    }
    if let (Some(base), Some(name)) = (whole["generateName"].as_str(), whole["name"].as_str())
        && !base.is_empty()
        && name.starts_with(base)
    {
        out.insert("name".into(), json!(format!("{}<rand>", text(base, run, captured))));
    }
    Value::Object(out)
}

fn string(found: &str, key: &str, run: &str, captured: &BTreeMap<String, Value>) -> Value {
    let digits = !found.is_empty() && found.bytes().all(|byte| byte.is_ascii_digit());
    json!(match key {
        "resourceVersion" if digits && found != "0" => "<rv>".to_owned(),
        "resourceVersion" if digits => found.to_owned(),
        "continue" if !found.is_empty() => "<continue>".to_owned(),
        "token" if found.matches('.').count() == 2 => "<token>".to_owned(),
        "clusterIP" | "clusterIPs" if ADDRESS.is_match(found) => "<ip>".to_owned(),
        "pod-template-hash" => "<hash>".to_owned(),
        _ => text(found, run, captured),
    })
}

/// Errors gathered from maps have no fixed order: causes and lists inside messages are sorted.
fn sort_status(status: &mut Map<String, Value>) {
    let causes = status.get("details").and_then(|details| details["causes"].as_array()).cloned();
    if let (Some(causes), Some(message)) = (&causes, status.get("message").and_then(Value::as_str))
        && let Some(open) = message.find('[')
        && message.ends_with(']')
    {
        let mut items: Vec<String> = causes
            .iter()
            .map(|cause| {
                format!(
                    "{}: {}",
                    cause["field"].as_str().unwrap_or("None"),
                    cause["message"].as_str().unwrap_or("None")
                )
            })
            .collect();
        let letters = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        if letters(&message[open + 1..message.len() - 1]) == letters(&items.join(", ")) {
            items.sort();
            let sorted = format!("{}[{}]", &message[..open], items.join(", "));
            status.insert("message".into(), json!(sorted));
        }
    }
    sort_lines(status);
    if let Some(list) =
        status.get_mut("details").and_then(|details| details.get_mut("causes")?.as_array_mut())
    {
        list.iter_mut().filter_map(Value::as_object_mut).for_each(sort_lines);
        list.sort_by_key(|cause| json!([cause["field"], cause["message"]]).to_string());
    }
}

fn sort_lines(map: &mut Map<String, Value>) {
    let Some(message) = map.get("message").and_then(Value::as_str) else { return };
    if let Some((head, tail)) = message.split_once("errors:\n  ") {
        let mut lines: Vec<&str> = tail.split("\n  ").collect();
        lines.sort_unstable();
        let sorted = format!("{head}errors:\n  {}", lines.join("\n  "));
        map.insert("message".into(), json!(sorted));
    }
}
