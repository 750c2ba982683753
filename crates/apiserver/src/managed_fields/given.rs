//! How the reference shows a value of the wrong type: as its own program prints it.
//!
//! Follows: typed/validate.go and typed/helpers.go of structured-merge-diff 6.

use serde_json::Value;

use super::shape::Expected;

/// The value as the refusal for what was expected shows it.
pub(super) fn shown(expected: Expected, value: &Value) -> String {
    match expected {
        Expected::Number => kind(value).to_owned(),
        Expected::Text => format!("&value.valueUnstructured{{Value:{}}}", in_code(value)),
        Expected::Map | Expected::List | Expected::Truth => format!("&{{{}}}", plain(value)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// As it would be written in code.
fn in_code(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(in_code).collect();
            format!("{}{{{}}}", kind(value), items.join(", "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            let fields = fields.into_iter().map(|(key, value)| format!("{key:?}:{}", in_code(value)));
            format!("{}{{{}}}", kind(value), fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// As it is printed for people.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            let fields = fields.into_iter().map(|(key, value)| format!("{key}:{}", plain(value)));
            format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_shown_as_the_reference_prints_them() {
        for (expected, value, text) in [
            (Expected::Text, json!(1), "&value.valueUnstructured{Value:1}"),
            (Expected::Text, json!(true), "&value.valueUnstructured{Value:true}"),
            (
                Expected::Text,
                json!({"b": [1, "x", null], "a": 1.5}),
                "&value.valueUnstructured{Value:map[string]interface {}{\"a\":1.5, \"b\":[]interface {}{1, \"x\", interface {}(nil)}}}",
            ),
            (Expected::Map, json!(["a"]), "&{[a]}"),
            (Expected::List, json!({"b": 1, "a": "x"}), "&{map[a:x b:1]}"),
            (Expected::Truth, json!("yes"), "&{yes}"),
            (Expected::Number, json!("1"), "string"),
        ] {
            assert_eq!(shown(expected, &value), text);
        }
    }
}
