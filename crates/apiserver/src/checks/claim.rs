//! The difference of two specs of claims, as a refusal shows it.
//!
//! Follows: the reference's differences, of JSON with the names that its own types have.

use std::collections::BTreeMap;

use serde::Serialize as _;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Serializer, Value, json};
use similar::TextDiff;

/// A unified difference with three lines around each change.
pub(super) fn difference(from: &Value, to: &Value) -> String {
    TextDiff::from_lines(shown(from), shown(to)).unified_diff().context_radius(3).to_string()
}

fn shown(spec: &Value) -> String {
    let mut text = Vec::new();
    let mut writer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
    // Values in memory can always be written.
    let _ = internal(spec).serialize(&mut writer);
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

fn internal(spec: &Value) -> Value {
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

/// Maps are written by their keys.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => json!(fields.iter().collect::<BTreeMap<_, _>>()),
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
        assert_eq!(difference(&spec("ReadWriteMany", "a"), &spec("ReadWriteOnce", "a")), wanted);
        let class = difference(&spec("ReadWriteOnce", "b"), &spec("ReadWriteOnce", "a"));
        assert!(
            class.starts_with(
                "@@ -10,7 +10,7 @@\n   }\n  },\n  \"VolumeName\": \"\",\n- \"StorageClassName\": \"b\",\n"
            ),
            "{class}"
        );
    }
}
