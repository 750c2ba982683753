//! Schemas beside their structure: words, lists and maps, and rules.
//!
//! Follows: the schema checks of the apiextensions part of kube-apiserver 1.36.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::place::Place;
use super::rules::{self, Found};
use super::structural::{EMBEDDED, LIST_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE};
use crate::causes::{Cause, Causes};
use crate::checks::list;
use crate::fields::text;
use crate::path::Path;
use crate::validate::declared;

/// What every object has.
pub(super) const META: [&str; 3] = ["apiVersion", "kind", "metadata"];
const IN_META: [&str; 3] = ["in top-level apiVersion", "in top-level kind", "in top-level metadata"];

/// Whether words stand anywhere in a schema of which no structure can be made.
pub(super) fn is_unstructured(schema: &Value) -> bool {
    let values = |key: &str| schema[key].as_object().into_iter().flatten().map(|(_, value)| value);
    UNSTRUCTURED.iter().any(|key| schema.get(key).is_some_and(|value| !value.is_null() && *value != ""))
        || schema["items"].is_array()
        || ["items", "additionalProperties", "not"]
            .iter()
            .any(|key| schema[key].is_object() && is_unstructured(&schema[key]))
        || values("properties").any(is_unstructured)
        || ["allOf", "oneOf", "anyOf"].iter().any(|key| list(schema, key).iter().any(is_unstructured))
}

/// Gathers what is wrong with a schema and all below it; rules are looked at where the schema itself is `sound`.
pub(super) fn check(schema: &Value, path: &Path<'_>, sound: bool, causes: &mut Causes) {
    let place = Place {
        root: true,
        times: Some(1),
        rules: sound,
        in_meta: false,
        no_default: None,
        uncorrelated: None,
    };
    let mut found = Found::default();
    below(schema, path, &place, causes, &mut found);
    found.tell(path, causes);
}

fn below<'a>(schema: &Value, path: &'a Path<'a>, place: &Place<'a>, causes: &mut Causes, found: &mut Found) {
    if causes.is_full() {
        return;
    }
    let before = causes.len();
    causes.extend(words(schema, path, place));
    parts(schema, path, place, causes, found);
    causes.extend(lists_and_maps(schema, path));
    if schema[LIST_TYPE] == "map" {
        keyed_list(schema, path, causes);
    }
    items_that_are_told_apart(schema, path, causes);
    rules::words_of_all(schema, path, causes);
    if causes.len() == before && !causes.is_full() && place.rules {
        rules::check(schema, path, place, found);
    }
}

fn parts<'a>(schema: &Value, path: &'a Path<'a>, place: &Place<'a>, causes: &mut Causes, found: &mut Found) {
    let many =
        place.times.zip(declared::stated_items(schema)).map(|(times, items)| times.saturating_mul(items));
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        let mut inner = Place { times: many, ..place.within(false, path) };
        if place.in_meta {
            inner.no_default = Some("inside additionalProperties applying to object metadata");
        }
        below(values, &Path::Field(path, "additionalProperties"), &inner, causes, found);
    }
    let properties = Path::Field(path, "properties");
    for (name, known) in schema["properties"].as_object().into_iter().flatten() {
        let mut inner = place.within(schema[MAP_TYPE] == "atomic", path);
        let meta = META.iter().position(|known| known == name);
        if let Some(at) = meta.filter(|_| place.root || schema[EMBEDDED] == true) {
            inner.in_meta = true;
            inner.no_default = place.root.then_some(IN_META[at]).or(inner.no_default);
        }
        below(known, &Path::Entry(&properties, name), &inner, causes, found);
    }
    let junctor = Place { rules: false, root: false, ..*place };
    if let Some(not) = schema.get("not").filter(|not| not.is_object()) {
        below(not, &Path::Field(path, "not"), &junctor, causes, found);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        let junctors = Path::Field(path, key);
        for (at, one) in list(schema, key).iter().enumerate() {
            below(one, &Path::Item(&junctors, at), &junctor, causes, found);
        }
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        let inner = Place { times: many, ..place.within(schema[LIST_TYPE] != "map", path) };
        below(items, &Path::Field(path, "items"), &inner, causes, found);
    }
}

/// Words that may not stand in a schema, or not together.
fn words<'a>(schema: &Value, path: &'a Path<'a>, place: &Place<'a>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kind = text(schema, &["type"]);
    if !kind.is_empty() && !TYPES.contains(&kind) {
        causes.push(Cause::not_supported(format!("{path}.type"), &json!(kind), &TYPES));
    }
    let mut forbid = |key: &str, why: &str| causes.push(Cause::forbidden(format!("{path}.{key}"), why));
    if let Some(why) = place.no_default.filter(|_| !schema["default"].is_null()) {
        forbid("default", &format!("must not be set {why}"));
    }
    for key in UNKNOWN {
        if schema.get(key).is_some_and(|value| !value.is_null() && *value != false && *value != "") {
            forbid(key, &format!("{key} is not supported"));
        }
    }
    if kind == "null" {
        forbid("type", "type cannot be set to null, use nullable as an alternative");
    }
    if schema["items"].is_array() {
        forbid("items", "items must be a schema object and not an array");
    }
    if place.in_meta && schema[EMBEDDED] == true {
        forbid(EMBEDDED, "must not be used inside of resource meta");
    }
    if schema["uniqueItems"] == true {
        forbid(
            "uniqueItems",
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        );
    }
    let closed = schema["properties"].as_object().is_some_and(|properties| !properties.is_empty());
    if closed && matches!(schema["additionalProperties"], Value::Object(_) | Value::Bool(false)) {
        forbid("additionalProperties", "additionalProperties and properties are mutual exclusive");
    }
    if schema[PRESERVE] == false {
        let why = "must be true or undefined";
        causes.push(Cause::invalid(format!("{path}.{PRESERVE}"), &false.into(), why));
    }
    causes
}

/// How lists and maps merge.
fn lists_and_maps(schema: &Value, path: &Path<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let [map, list] = [MAP_TYPE, LIST_TYPE].map(|key| schema.get(key).filter(|stated| !stated.is_null()));
    causes.extend(map.and_then(|_| typed(schema, path, "object", MAP_TYPE)));
    if let Some(stated) = map.filter(|stated| **stated != "atomic" && **stated != "granular") {
        causes.push(Cause::not_supported(format!("{path}.{MAP_TYPE}"), stated, &["atomic", "granular"]));
    }
    match list.and_then(|_| typed(schema, path, "array", LIST_TYPE)) {
        Some(cause) => causes.push(cause),
        None if schema[LIST_TYPE] == "set" => causes.extend(atomic(&schema["items"], path)),
        None => {}
    }
    if let Some(stated) = list.filter(|stated| !LIST_TYPES.iter().any(|known| *stated == known)) {
        causes.push(Cause::not_supported(format!("{path}.{LIST_TYPE}"), stated, &LIST_TYPES));
    }
    if schema[LIST_TYPE] != "map" && schema[LIST_KEYS].as_array().is_some_and(|keys| !keys.is_empty()) {
        let why = format!("must be map if {LIST_KEYS} is non-empty");
        let field = format!("{path}.{LIST_TYPE}");
        causes.push(match list {
            None => Cause::required(field, &why),
            Some(stated) => Cause::invalid(field, stated, &why),
        });
    }
    causes
}

/// The type that goes with how a value merges.
fn typed(schema: &Value, path: &Path<'_>, wanted: &str, key: &str) -> Option<Cause> {
    let stated = text(schema, &["type"]);
    if stated == wanted {
        return None;
    }
    let (field, why) = (format!("{path}.type"), format!("must be {wanted} if {key} is specified"));
    match stated {
        "" => Some(Cause::required(field, &why)),
        stated => Some(Cause::invalid(field, &json!(stated), &why)),
    }
}

/// Items of a set are compared as a whole.
fn atomic(items: &Value, path: &Path<'_>) -> Option<Cause> {
    let why = format!("must be atomic as item of a list with {LIST_TYPE}=set");
    let stated = |key: &str| items.get(key).cloned().unwrap_or_default();
    let key = match text(items, &["type"]) {
        "array" if !stated(LIST_TYPE).is_null() && stated(LIST_TYPE) != "atomic" => LIST_TYPE,
        "object" if stated(MAP_TYPE) != "atomic" => MAP_TYPE,
        _ => return None,
    };
    // The reference shows the type of the list in both cases.
    Some(Cause::invalid(format!("{path}.items.{key}"), &stated(LIST_TYPE), &why))
}

/// A list whose items are told apart by fields.
fn keyed_list(schema: &Value, path: &Path<'_>, causes: &mut Causes) {
    let (items, keys) = (&schema["items"], list(schema, LIST_KEYS));
    let field = || format!("{path}.{LIST_KEYS}");
    if keys.is_empty() {
        causes.push(Cause::required(field(), &format!("must not be empty if {LIST_TYPE} is map")));
    }
    if items.is_null() {
        let why = format!("must have a schema if {LIST_TYPE} is map");
        causes.push(Cause::required(format!("{path}.items"), &why));
    } else if items.is_array() {
        let why = format!("must only have a single schema if {LIST_TYPE} is map");
        causes.push(Cause::invalid(format!("{path}.items"), items, &why));
    } else if items["type"] != "object" {
        let why = format!("must be object if parent array's {LIST_TYPE} is map");
        causes.push(Cause::invalid(format!("{path}.items.type"), &json!(text(items, &["type"])), &why));
    } else {
        let mut seen = HashSet::new();
        for key in keys {
            if causes.is_full() {
                return;
            }
            causes.extend(key_field(items, key, path).or_else(|| {
                let found = items["properties"].get(key.as_str().unwrap_or_default());
                let why = "entries must all be names of item properties";
                found.is_none().then(|| Cause::invalid(field(), &schema[LIST_KEYS], why))
            }));
            if !seen.insert(key) {
                let why = "must not contain duplicate entries";
                causes.push(Cause::invalid(field(), &schema[LIST_KEYS], why));
            }
        }
    }
}

/// A field that tells items apart is a plain value.
fn key_field(items: &Value, key: &Value, path: &Path<'_>) -> Option<Cause> {
    let name = key.as_str().unwrap_or_default();
    let kind = text(items["properties"].get(name)?, &["type"]);
    let why = format!("must be a scalar type if parent array's {LIST_TYPE} is map");
    let field = || format!("{path}.items.properties[{name}].type");
    matches!(kind, "array" | "object").then(|| Cause::invalid(field(), &items["type"], &why))
}

/// Items of sets and keyed lists, and the fields that tell them apart, are always there.
fn items_that_are_told_apart(schema: &Value, path: &Path<'_>, causes: &mut Causes) {
    let (items, kind) = (&schema["items"], text(schema, &[LIST_TYPE]));
    if !items.is_object() || !["map", "set"].contains(&kind) {
        return;
    }
    if items["nullable"] == true {
        let why = format!("cannot be nullable when {LIST_TYPE} is {kind}");
        causes.push(Cause::forbidden(format!("{path}.items.nullable"), &why));
    }
    if kind == "set" {
        return;
    }
    let required: HashSet<&Value> = list(items, "required").iter().collect();
    for key in list(schema, LIST_KEYS) {
        if causes.is_full() {
            return;
        }
        let name = key.as_str().unwrap_or_default();
        let Some(field) = items["properties"].get(name) else { continue };
        let place = || format!("{path}.items.properties[{name}]");
        if !required.contains(key) && field.get("default").is_none_or(Value::is_null) {
            let why = format!(
                "this property is in {LIST_KEYS}, so it must have a default or be a required property"
            );
            causes.push(Cause::required(format!("{}.default", place()), &why));
        }
        if field["nullable"] == true {
            let why = format!("this property is in {LIST_KEYS}, so it cannot be nullable");
            causes.push(Cause::forbidden(format!("{}.nullable", place()), &why));
        }
    }
}

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const LIST_TYPES: [&str; 3] = ["atomic", "set", "map"];
/// Words of JSON schemas that are not known here.
const UNSTRUCTURED: [&str; 6] =
    ["$ref", "additionalItems", "definitions", "dependencies", "id", "patternProperties"];
const UNKNOWN: [&str; 9] = [
    "$ref",
    "additionalItems",
    "definitions",
    "dependencies",
    "deprecated",
    "id",
    "patternProperties",
    "readOnly",
    "xml",
];
