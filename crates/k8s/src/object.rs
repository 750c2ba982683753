//! The common fields of a JSON object: identity, labels, annotations.

use serde_json::{Map, Value};

use crate::id::{GroupVersionKind, ObjectId};

/// Returns group, version and kind; missing parts are empty.
#[must_use]
pub fn gvk(object: &Value) -> GroupVersionKind {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    GroupVersionKind::from_api_version(text("apiVersion"), text("kind"))
}

/// Returns the kind, empty when missing.
#[must_use]
pub fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// Returns a text field of `metadata`, empty when missing.
#[must_use]
pub fn metadata_text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get(field))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Returns the name, empty when missing.
#[must_use]
pub fn name(object: &Value) -> &str {
    metadata_text(object, "name")
}

/// Returns the namespace, empty when missing.
#[must_use]
pub fn namespace(object: &Value) -> &str {
    metadata_text(object, "namespace")
}

/// Returns `metadata.generation`, 0 when missing.
#[must_use]
pub fn generation(object: &Value) -> i64 {
    object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default()
}

/// Returns the identity.
#[must_use]
pub fn id(object: &Value) -> ObjectId {
    ObjectId { gvk: gvk(object), namespace: namespace(object).to_owned(), name: name(object).to_owned() }
}

/// Returns a label's value.
#[must_use]
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// Returns an annotation's value.
#[must_use]
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// Returns `metadata` for writing, made when it is missing; `None` when the value is no object.
pub fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.as_object_mut()?.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    metadata.as_object_mut()
}

/// Sets a label.
pub fn set_label(object: &mut Value, key: &str, value: &str) {
    set_in(object, "labels", key, value);
}

/// Sets an annotation.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    set_in(object, "annotations", key, value);
}

fn set_in(object: &mut Value, field: &str, key: &str, value: &str) {
    let Some(metadata) = metadata_mut(object) else { return };
    let map = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !map.is_object() {
        *map = Value::Object(Map::new());
    }
    if let Some(map) = map.as_object_mut() {
        map.insert(key.to_owned(), Value::String(value.to_owned()));
    }
}
