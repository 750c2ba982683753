//! Fields that a schema does not know go; fields that it has a default for come.

use serde_json::{Map, Value};

/// Removes what the schema does not know; returns the paths of what went.
pub(crate) fn prune(schema: &Value, object: &mut Value) -> Vec<String> {
    let mut gone = Vec::new();
    if let Value::Object(fields) = object {
        prune_fields(schema, fields, "", true, &mut gone);
    }
    gone
}

fn walk(schema: &Value, value: &mut Value, path: &str, gone: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let embedded = schema["x-kubernetes-embedded-resource"] == true;
            prune_fields(schema, fields, path, embedded, gone);
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                walk(&schema["items"], item, &format!("{path}[{at}]"), gone);
            }
        }
        _ => {}
    }
}

fn prune_fields(
    schema: &Value,
    fields: &mut Map<String, Value>,
    path: &str,
    resource: bool,
    gone: &mut Vec<String>,
) {
    let preserves = schema["x-kubernetes-preserve-unknown-fields"] == true;
    let properties = schema.get("properties").and_then(Value::as_object);
    let values = schema.get("additionalProperties");
    fields.retain(|name, value| {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            if name == "metadata" && !path.is_empty() {
                let _ = crate::typed::check_metadata(value, &below);
            }
            return true;
        }
        if let Some(known) = properties.and_then(|properties| properties.get(name)) {
            walk(known, value, &below, gone);
            return true;
        }
        match values {
            Some(known @ Value::Object(_)) => {
                walk(known, value, &below, gone);
                true
            }
            Some(Value::Bool(true)) => true,
            _ if preserves => true,
            _ => {
                gone.push(below);
                false
            }
        }
    });
}

/// True when some value of a schema may have a default.
pub(crate) fn has_defaults(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("default") || fields.values().any(has_defaults),
        Value::Array(items) => items.iter().any(has_defaults),
        _ => false,
    }
}

/// Fills in defaults for fields that are absent, or `null` where that is not allowed.
pub(crate) fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, known) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let absent = match fields.get(name) {
                    None => true,
                    Some(Value::Null) => known["nullable"] != true,
                    Some(_) => false,
                };
                match known.get("default") {
                    Some(wanted) if absent => drop(fields.insert(name.clone(), wanted.clone())),
                    None if absent && fields.contains_key(name) => drop(fields.shift_remove(name)),
                    _ => {}
                }
                if let Some(value) = fields.get_mut(name) {
                    default(known, value);
                }
            }
            if let Some(known) = schema.get("additionalProperties").filter(|known| known.is_object()) {
                let named = schema.get("properties").and_then(Value::as_object);
                for (name, value) in fields {
                    if named.is_none_or(|named| !named.contains_key(name)) {
                        default(known, value);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                default(&schema["items"], item);
            }
        }
        _ => {}
    }
}
