//! The difference of two specs, as a refusal shows it.
//!
//! Follows: the reference's differences, of JSON with the names that its own types have. Differs: pods are shown by the
//! names of the API, and nothing is where that would be long.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize as _;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Serializer, Value, json};
use similar::TextDiff;

/// The longest text that is compared, in bytes, and how long that may take.
const LONGEST: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_millis(100);

/// The difference of two specs of claims.
pub(super) fn of_claims(from: &Value, to: &Value) -> String {
    unified(&claim(from), &claim(to))
}

/// The difference of two specs of pods, or of two of their containers.
pub(super) fn of_pods(from: &Value, to: &Value) -> String {
    unified(&sorted(from), &sorted(to))
}

/// A unified difference with three lines around each change.
fn unified(from: &Value, to: &Value) -> String {
    let (from, to) = (shown(from), shown(to));
    if from.len().max(to.len()) > LONGEST {
        return String::new();
    }
    let mut settings = TextDiff::configure();
    settings.timeout(PATIENCE).diff_lines(from, to).unified_diff().context_radius(3).to_string()
}

fn shown(value: &Value) -> String {
    let mut text = Vec::new();
    let mut writer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
    // Values in memory can always be written.
    let _ = value.serialize(&mut writer);
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

fn claim(spec: &Value) -> Value {
    let resources = &spec["resources"];
    json!({
        "AccessModes": spec["accessModes"],
        "Selector": selector(&spec["selector"]),
        "Resources": {"Limits": sorted(&resources["limits"]), "Requests": sorted(&resources["requests"])},
        "VolumeName": spec["volumeName"].as_str().unwrap_or_default(),
        "StorageClassName": spec["storageClassName"],
        "VolumeMode": spec["volumeMode"],
        "DataSource": source(&spec["dataSource"], &["APIGroup", "Kind", "Name"]),
        "DataSourceRef": source(&spec["dataSourceRef"], &["APIGroup", "Kind", "Name", "Namespace"]),
        "VolumeAttributesClassName": spec["volumeAttributesClassName"],
    })
}

/// This type is the only one with names for JSON, and leaves out what is empty.
fn selector(selector: &Value) -> Value {
    let Value::Object(given) = selector else { return Value::Null };
    let fields = ["matchLabels", "matchExpressions"].into_iter();
    fields.filter_map(|name| Some((name.to_owned(), sorted(given.get(name)?)))).collect::<Map<_, _>>().into()
}

fn source(source: &Value, names: &[&str]) -> Value {
    let Value::Object(given) = source else { return Value::Null };
    let field = |name: &str| match name {
        "APIGroup" => given.get("apiGroup"),
        name => given.get(&name.to_lowercase()),
    };
    let field = |name: &&str| ((*name).to_owned(), field(name).cloned().unwrap_or_default());
    names.iter().map(field).collect::<Map<_, _>>().into()
}

/// Written by the order of keys, whatever order they came in.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().map(|(name, value)| (name, sorted(value))).collect();
            json!(sorted)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_what_stands_around_them() {
        let spec = |mode: &str, class: &str| json!({"accessModes": [mode], "storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}});
        let wanted = "@@ -1,6 +1,6 @@\n {\n  \"AccessModes\": [\n-  \"ReadWriteMany\"\n+  \"ReadWriteOnce\"\n  ],\n  \"Selector\": null,\n  \"Resources\": {\n";
        assert_eq!(of_claims(&spec("ReadWriteMany", "a"), &spec("ReadWriteOnce", "a")), wanted);
        let class = of_claims(&spec("ReadWriteOnce", "b"), &spec("ReadWriteOnce", "a"));
        let wanted =
            "@@ -10,7 +10,7 @@\n   }\n  },\n  \"VolumeName\": \"\",\n- \"StorageClassName\": \"b\",\n";
        assert!(class.starts_with(wanted), "{class}");
    }

    #[test]
    fn order_is_no_difference_and_long_texts_are_not_compared() {
        let (one, other) =
            (json!({"a": 1, "b": {"c": 2, "d": [3]}}), json!({"b": {"d": [3], "c": 2}, "a": 1}));
        assert_eq!(of_pods(&one, &other), "");
        assert_eq!(of_pods(&one, &json!({"a": 1})).lines().next(), Some("@@ -1,9 +1,3 @@"));
        assert_eq!(of_pods(&one, &json!({"a": "x".repeat(LONGEST)})), "");
    }
}
