//! Structural schemas: what they must say and what they may not.
//!
//! Follows: the structural checks of the apiextensions part of kube-apiserver 1.36.

use serde_json::{Value, json};

use super::rules;
use crate::checks::list;
use crate::fields::text;
use crate::status_error::Cause;
use crate::validate::checker;

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the root of the object.
    Root,
    /// A field, or a value of a map.
    Field,
    /// An item of a list.
    Item,
}

/// Gathers what is wrong with a schema and all below it.
pub(super) fn check(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    below(schema, path, Place::Root, 1, causes);
}

/// `times` is how many such values one object may have.
fn below(schema: &Value, path: &str, place: Place, times: u64, causes: &mut Vec<Cause>) {
    causes.extend(kind(schema, path, place));
    if place == Place::Root || schema[EMBEDDED] == true {
        causes.extend(resource(schema, path, place));
    }
    if schema[PRESERVE] == false {
        let why = "must be true or undefined";
        causes.push(Cause::invalid(format!("{path}.{PRESERVE}"), &false.into(), why));
    }
    causes.extend(forbidden(schema, path));
    causes.extend(lists_and_maps(schema, path));
    causes.extend(list_keys(schema, path));
    nested(schema, schema, path, causes);
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let field = format!("{path}.default");
        for problem in crate::validate::validate(schema, default, None) {
            // The place of a problem inside the default follows the place of the default.
            let inner = if problem.field == "<nil>" { String::new() } else { format!(".{}", problem.field) };
            causes.push(Cause {
                reason: problem.reason(),
                message: problem.message(),
                field: format!("{field}{inner}"),
            });
        }
    }
    rules::check(schema, path, place, times, causes);
    let many = times.saturating_mul(checker::most_items(schema));
    for (name, known) in schema["properties"].as_object().into_iter().flatten() {
        below(known, &format!("{path}.properties[{name}]"), Place::Field, times, causes);
    }
    if let Some(known) = schema.get("additionalProperties").filter(|known| known.is_object()) {
        below(known, &format!("{path}.additionalProperties"), Place::Field, many, causes);
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        below(items, &format!("{path}.items"), Place::Item, many, causes);
    }
}

/// The type, which every value must have, and what depends on it.
fn kind(schema: &Value, path: &str, place: Place) -> Option<Cause> {
    let kind = text(schema, &["type"]);
    let field = format!("{path}.type");
    let embedded = schema[EMBEDDED] == true;
    let free = schema[INT_OR_STRING] == true || schema[PRESERVE] == true;
    if embedded && kind != "object" {
        let why = format!("must be object if {EMBEDDED} is true");
        return Some(match kind {
            "" => Cause::required(field, &why),
            kind => Cause::invalid(field, &json!(kind), &why),
        });
    }
    if kind.is_empty() && !free {
        return Some(Cause::required(
            field,
            match place {
                Place::Root => "must not be empty at the root",
                Place::Item => "must not be empty for specified array items",
                Place::Field => "must not be empty for specified object fields",
            },
        ));
    }
    if place == Place::Root && !kind.is_empty() && kind != "object" {
        return Some(Cause::invalid(field, &json!(kind), "must be object at the root"));
    }
    let no_items = kind == "array" && schema.get("items").is_none_or(Value::is_null);
    no_items.then(|| Cause::required(format!("{path}.items"), "must be specified"))
}

/// Fields that every object has: little may be said about them.
fn resource(schema: &Value, path: &str, place: Place) -> Vec<Cause> {
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
        "type" | "description" => false,
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
fn nested(outer: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let pair = json!([{"type": "integer"}, {"type": "string"}]);
    let exempt = |schema: &Value| outer[INT_OR_STRING] == true && schema["anyOf"] == pair;
    for key in ["allOf", "anyOf", "oneOf"] {
        if key == "anyOf" && exempt(schema) {
            continue;
        }
        for (at, inner) in list(schema, key).iter().enumerate() {
            // The pattern of a number or text may stand in the first of several.
            let is_pattern = key == "allOf" && at == 0 && exempt(inner);
            let path = format!("{path}.{key}[{at}]");
            if !is_pattern {
                narrowing(outer, inner, &path, causes);
            }
        }
    }
    if let Some(inner) = schema.get("not").filter(|inner| inner.is_object()) {
        narrowing(outer, inner, &format!("{path}.not"), causes);
    }
}

fn narrowing(outer: &Value, inner: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (key, why) in STRUCTURE {
        let stated = inner.get(*key).filter(|value| !value.is_null() && **value != false && **value != "");
        if stated.is_some() {
            causes.push(Cause::forbidden(format!("{path}.{key}"), why));
        }
    }
    nested(outer, inner, path, causes);
    for (name, field) in inner["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.properties[{name}]");
        if name == "metadata" {
            causes.push(Cause::forbidden(path, "must not be specified in a nested context"));
            continue;
        }
        match outer["properties"].get(name) {
            Some(known) => narrowing(known, field, &path, causes),
            None => {
                let place = format!("{}.properties[{name}]", structure_of(&path));
                causes.push(Cause::required(place, &format!("because it is defined in {path}")));
            }
        }
    }
    if let Some(items) = inner.get("items").filter(|items| items.is_object()) {
        let path = format!("{path}.items");
        match outer.get("items").filter(|items| items.is_object()) {
            Some(known) => narrowing(known, items, &path, causes),
            None => {
                let place = format!("{}.items", structure_of(&path));
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

/// How lists and maps merge.
fn lists_and_maps(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let stated = text(schema, &[MAP_TYPE]);
    if !["", "atomic", "granular"].contains(&stated) {
        let field = format!("{path}.{MAP_TYPE}");
        causes.push(Cause::not_supported(field, &json!(stated), &["atomic", "granular"]));
    }
    if !stated.is_empty() && schema["type"] != "object" {
        let why = format!("must be object if {MAP_TYPE} is specified");
        causes.push(Cause::invalid(format!("{path}.type"), &json!(text(schema, &["type"])), &why));
    }
    let items = &schema["items"];
    if schema[LIST_TYPE] == "set" {
        if items["nullable"] == true {
            let why = format!("cannot be nullable when {LIST_TYPE} is set");
            causes.push(Cause::forbidden(format!("{path}.items.nullable"), &why));
        }
        let why = format!("must be atomic as item of a list with {LIST_TYPE}=set");
        for (kind, key) in [("object", MAP_TYPE), ("array", LIST_TYPE)] {
            let stated = text(items, &[key]);
            let fits = stated == "atomic" || (kind == "array" && stated.is_empty());
            if items["type"] == kind && !fits {
                causes.push(Cause::invalid(format!("{path}.items.{key}"), &json!(stated), &why));
            }
        }
    }
    if schema[LIST_TYPE] == "map" && items.is_object() && items["type"] != "object" {
        let why = format!("must be object if parent array's {LIST_TYPE} is map");
        causes.push(Cause::invalid(format!("{path}.items.type"), &json!(text(items, &["type"])), &why));
    }
    let keys = list(schema, LIST_KEYS);
    if schema[LIST_TYPE] == "map" && keys.is_empty() {
        let why = format!("must not be empty if {LIST_TYPE} is map");
        causes.push(Cause::required(format!("{path}.{LIST_KEYS}"), &why));
    }
    if schema[LIST_TYPE] != "map" && !keys.is_empty() {
        let why = format!("must be map if {LIST_KEYS} is non-empty");
        let stated = text(schema, &[LIST_TYPE]);
        causes.push(match stated {
            "" => Cause::required(format!("{path}.{LIST_TYPE}"), &why),
            stated => Cause::invalid(format!("{path}.{LIST_TYPE}"), &json!(stated), &why),
        });
    }
    causes
}

/// Words that a structural schema may not hold, or not together.
fn forbidden(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kind = text(schema, &["type"]);
    let mut forbid = |key: &str, why: &str| causes.push(Cause::forbidden(format!("{path}.{key}"), why));
    if schema["x-kubernetes-int-or-string"] == true && !kind.is_empty() {
        forbid("type", "must be empty if x-kubernetes-int-or-string is true");
    }
    let closed = schema["properties"].as_object().is_some_and(|properties| !properties.is_empty());
    let open = schema.get("additionalProperties").is_some_and(|values| values.is_object() || *values == true);
    if closed && open {
        forbid("additionalProperties", "additionalProperties and properties are mutual exclusive");
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        forbid("additionalProperties", "additionalProperties cannot be set to false");
    }
    if schema["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        forbid("uniqueItems", why);
    }
    for key in
        ["$ref", "definitions", "dependencies", "deprecated", "id", "patternProperties", "readOnly", "xml"]
    {
        if schema.get(key).is_some_and(|value| !value.is_null() && *value != false && *value != "") {
            forbid(key, &format!("{key} is not supported"));
        }
    }
    let kinds = ["array", "boolean", "integer", "number", "object", "string"];
    if !kind.is_empty() && !kinds.contains(&kind) {
        causes.push(Cause::not_supported(format!("{path}.type"), &json!(kind), &kinds));
    }
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

/// The keys of a list of type `map` are fields of its items, and always there.
fn list_keys(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kind = text(schema, &["x-kubernetes-list-type"]);
    if !["", "atomic", "map", "set"].contains(&kind) {
        let field = format!("{path}.x-kubernetes-list-type");
        causes.push(Cause::not_supported(field, &json!(kind), &["atomic", "map", "set"]));
    }
    if !kind.is_empty() && schema["type"] != "array" {
        let why = "must be array if x-kubernetes-list-type is specified";
        causes.push(Cause::invalid(format!("{path}.type"), &schema["type"], why));
    }
    let items = &schema["items"];
    for (at, key) in list(schema, "x-kubernetes-list-map-keys").iter().enumerate() {
        let name = key.as_str().unwrap_or_default();
        let Some(field) = items["properties"].get(name) else {
            let place = format!("{path}.x-kubernetes-list-map-keys[{at}]");
            causes.push(Cause::invalid(place, key, "entries must all be names of item properties"));
            continue;
        };
        let required = list(items, "required").contains(key);
        if !required && field.get("default").is_none() {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(Cause::required(format!("{path}.items.properties[{name}].default"), why));
        }
    }
    causes
}

const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const LIST_TYPE: &str = "x-kubernetes-list-type";
const LIST_KEYS: &str = "x-kubernetes-list-map-keys";
const MAP_TYPE: &str = "x-kubernetes-map-type";

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
