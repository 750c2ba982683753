//! Structural schemas: what they must say and what they may not.
//!
//! Follows: the structural checks of the apiextensions part of kube-apiserver 1.36.

use serde_json::{Value, json};

use crate::causes::{Cause, Causes};
use crate::checks::list;
use crate::fields::text;
use crate::path::Path;

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the root of the object.
    Root,
    /// A field, or a value of a map.
    Field,
    /// An item of a list.
    Item,
}

/// Gathers what is wrong with a schema and all below it.
pub(super) fn check(schema: &Value, path: &Path<'_>, causes: &mut Causes) {
    below(schema, path, Place::Root, causes);
}

fn below(schema: &Value, path: &Path<'_>, place: Place, causes: &mut Causes) {
    if causes.is_full() {
        return;
    }
    causes.extend(kind(schema, path, place));
    if place == Place::Root || schema[EMBEDDED] == true {
        causes.extend(resource(schema, path, place));
    }
    causes.extend(forbidden(schema, path));
    nested(schema, schema, path, causes);
    let properties = Path::Field(path, "properties");
    for (name, known) in schema["properties"].as_object().into_iter().flatten() {
        below(known, &Path::Entry(&properties, name), Place::Field, causes);
    }
    if let Some(known) = schema.get("additionalProperties").filter(|known| known.is_object()) {
        below(known, &Path::Field(path, "additionalProperties"), Place::Field, causes);
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        below(items, &Path::Field(path, "items"), Place::Item, causes);
    }
}

/// The type, which every value must have, and what depends on it.
fn kind(schema: &Value, path: &Path<'_>, place: Place) -> Option<Cause> {
    let kind = text(schema, &["type"]);
    let field = || format!("{path}.type");
    let embedded = schema[EMBEDDED] == true;
    let free = schema[INT_OR_STRING] == true || schema[PRESERVE] == true;
    if embedded && kind != "object" {
        let why = format!("must be object if {EMBEDDED} is true");
        return Some(match kind {
            "" => Cause::required(field(), &why),
            kind => Cause::invalid(field(), &json!(kind), &why),
        });
    }
    if kind.is_empty() && !free {
        return Some(Cause::required(
            field(),
            match place {
                Place::Root => "must not be empty at the root",
                Place::Item => "must not be empty for specified array items",
                Place::Field => "must not be empty for specified object fields",
            },
        ));
    }
    if place == Place::Root && !kind.is_empty() && kind != "object" {
        return Some(Cause::invalid(field(), &json!(kind), "must be object at the root"));
    }
    let no_items = kind == "array" && schema.get("items").is_none_or(Value::is_null);
    no_items.then(|| Cause::required(format!("{path}.items"), "must be specified"))
}

/// Fields that every object has: little may be said about them.
fn resource(schema: &Value, path: &Path<'_>, place: Place) -> Vec<Cause> {
    let mut causes = Vec::new();
    let properties = &schema["properties"];
    for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        if let Some(field) = properties.get(name).filter(|field| field["type"] != wanted) {
            let place = format!("{path}.properties[{name}].type");
            let stated = field.get("type").cloned().unwrap_or_else(|| json!(""));
            causes.push(Cause::invalid(place, &stated, &format!("must be {wanted}")));
        }
    }
    let restricts = |(key, value): (&String, &Value)| match key.as_str() {
        "type" | "default" => false,
        "properties" => value
            .as_object()
            .is_some_and(|names| names.keys().any(|name| name != "name" && name != "generateName")),
        _ => true,
    };
    let metadata = properties.get("metadata").and_then(Value::as_object);
    if place == Place::Root && metadata.is_some_and(|metadata| metadata.iter().any(restricts)) {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        causes.push(Cause::forbidden(format!("{path}.properties[metadata]"), why));
    }
    let values = schema.get("additionalProperties").filter(|values| !values.is_null());
    if values.is_some() && place == Place::Root {
        causes.push(Cause::forbidden(format!("{path}.additionalProperties"), "must not be used at the root"));
    }
    if values.is_some() && schema[EMBEDDED] == true {
        let why = format!("must not be used if {EMBEDDED} is set");
        causes.push(Cause::forbidden(format!("{path}.additionalProperties"), &why));
    }
    let empty = properties.as_object().is_none_or(serde_json::Map::is_empty);
    if schema[EMBEDDED] == true && schema[PRESERVE] != true && empty {
        let why = format!("must not be empty if {EMBEDDED} is true without {PRESERVE}");
        causes.push(Cause::required(format!("{path}.properties"), &why));
    }
    causes
}

/// What stands under `allOf`, `anyOf`, `oneOf` and `not` may only narrow what `outer` describes.
fn nested(outer: &Value, schema: &Value, path: &Path<'_>, causes: &mut Causes) {
    let pair = json!([{"type": "integer"}, {"type": "string"}]);
    let exempt = |schema: &Value| outer[INT_OR_STRING] == true && schema["anyOf"] == pair;
    for key in ["allOf", "anyOf", "oneOf"] {
        if key == "anyOf" && exempt(schema) {
            continue;
        }
        for (at, inner) in list(schema, key).iter().enumerate() {
            // The pattern of a number or text may stand in the first of several.
            let is_pattern = key == "allOf" && at == 0 && exempt(inner);
            let list = Path::Field(path, key);
            let path = Path::Item(&list, at);
            if !is_pattern {
                narrowing(outer, inner, &path, causes);
            }
        }
    }
    if let Some(inner) = schema.get("not").filter(|inner| inner.is_object()) {
        narrowing(outer, inner, &Path::Field(path, "not"), causes);
    }
}

fn narrowing(outer: &Value, inner: &Value, path: &Path<'_>, causes: &mut Causes) {
    if causes.is_full() {
        return;
    }
    for (key, why) in STRUCTURE {
        let stated = inner.get(*key).filter(|value| !value.is_null() && **value != false && **value != "");
        if stated.is_some() {
            causes.push(Cause::forbidden(format!("{path}.{key}"), why));
        }
    }
    nested(outer, inner, path, causes);
    let properties = Path::Field(path, "properties");
    for (name, field) in inner["properties"].as_object().into_iter().flatten() {
        let path = Path::Entry(&properties, name);
        if name == "metadata" {
            causes.push(Cause::forbidden(path.to_string(), "must not be specified in a nested context"));
            continue;
        }
        match outer["properties"].get(name) {
            Some(known) => narrowing(known, field, &path, causes),
            None => {
                let place = format!("{}.properties[{name}]", structure_of(&path.to_string()));
                causes.push(Cause::required(place, &format!("because it is defined in {path}")));
            }
        }
    }
    if let Some(items) = inner.get("items").filter(|items| items.is_object()) {
        let path = Path::Field(path, "items");
        match outer.get("items").filter(|items| items.is_object()) {
            Some(known) => narrowing(known, items, &path, causes),
            None => {
                let place = format!("{}.items", structure_of(&path.to_string()));
                causes.push(Cause::required(place, &format!("because it is defined in {path}")));
            }
        }
    }
}

/// The path of the structure that a nested path narrows, without its last step.
fn structure_of(path: &str) -> String {
    let parts: Vec<&str> = split(path);
    let words = ["allOf", "anyOf", "oneOf", "not"];
    let kept =
        |part: &&&str| !words.iter().any(|word| **part == *word || part.starts_with(&format!("{word}[")));
    let kept: Vec<&str> = parts.iter().filter(kept).copied().collect();
    kept[..kept.len().saturating_sub(1)].join(".")
}

/// The steps of a path; a point inside brackets is part of a name.
fn split(path: &str) -> Vec<&str> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, false);
    for (at, letter) in path.char_indices() {
        match letter {
            '[' => open = true,
            ']' => open = false,
            '.' if !open => {
                parts.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&path[start..]);
    parts
}

/// Extensions that do not go together, and patterns.
fn forbidden(schema: &Value, path: &Path<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    for key in [PRESERVE, EMBEDDED] {
        if schema[INT_OR_STRING] == true && schema[key] == true {
            let why = format!("must be false if {INT_OR_STRING} is true");
            causes.push(Cause::invalid(format!("{path}.{key}"), &json!(true), &why));
        }
    }
    let pattern = text(schema, &["pattern"]);
    if let Err(why) = sealfast_re2::check(pattern) {
        let why = format!("must be a valid regular expression, but isn't: error parsing regexp: {why}");
        causes.push(Cause::invalid(format!("{path}.pattern"), &json!(pattern), &why));
    }
    causes
}

pub(super) const EMBEDDED: &str = "x-kubernetes-embedded-resource";
pub(super) const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
pub(super) const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
pub(super) const LIST_TYPE: &str = "x-kubernetes-list-type";
pub(super) const LIST_KEYS: &str = "x-kubernetes-list-map-keys";
pub(super) const MAP_TYPE: &str = "x-kubernetes-map-type";

/// Words that describe a structure, which a nested schema must not.
const STRUCTURE: &[(&str, &str)] = &[
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("externalDocs", "must be undefined to be structural"),
    (PRESERVE, "must be false to be structural"),
    (EMBEDDED, "must be false to be structural"),
    (INT_OR_STRING, "must be false to be structural"),
    (LIST_KEYS, "must be empty to be structural"),
    (LIST_TYPE, "must be undefined to be structural"),
    (MAP_TYPE, "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];
