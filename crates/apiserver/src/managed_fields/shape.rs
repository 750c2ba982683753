//! How a value merges: one view of built-in types, CRDs and neither.

use sealfast_k8s::schema::{Field, ListKind, Type, builtin};
use serde_json::{Value, json};

/// The shape of one value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// A built-in struct.
    Struct(&'a Type),
    /// A field of a built-in struct, or an item of a list or map.
    Field(&'a Field),
    /// A structural schema of a CRD, and whether it, or one above it, keeps fields that it does not know.
    Schema(&'a Value, bool),
    /// The root of a custom object: like its schema, with Kubernetes' own `metadata`.
    CustomRoot(&'a Value),
    /// No schema: maps merge, lists are owned as a whole.
    Deduced,
    /// Owned as a whole.
    Leaf,
}

/// What a value of some shape is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Parts {
    /// Nothing that is owned apart.
    Whole,
    /// Named fields.
    Fields,
    /// Named fields of a map without schema: the map itself is a member too.
    DeducedFields,
    /// Items by value.
    Set,
    /// Items by the values of these keys.
    Keyed(Vec<String>),
}

/// The type that a schema asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Map,
    List,
    Text,
    Truth,
    Number,
}

impl<'a> Shape<'a> {
    /// Returns the type of the values of this shape, where there is only one.
    pub(super) fn expected(&self) -> Option<Expected> {
        match self {
            Self::Struct(_) | Self::CustomRoot(_) => Some(Expected::Map),
            Self::Field(field) => match field.kind.as_str() {
                "map" => Some(Expected::Map),
                "list" => Some(Expected::List),
                "string" | "bytes" | "time" | "microtime" => Some(Expected::Text),
                "bool" => Some(Expected::Truth),
                "int32" | "int64" | "float" => Some(Expected::Number),
                _ => builtin().type_of(field).map(|_| Expected::Map),
            },
            Self::Schema(schema, _) if schema["x-kubernetes-int-or-string"] == true => None,
            Self::Schema(schema, _) => match schema["type"].as_str()? {
                "object" => Some(Expected::Map),
                "array" => Some(Expected::List),
                "string" => Some(Expected::Text),
                "boolean" => Some(Expected::Truth),
                "integer" | "number" => Some(Expected::Number),
                _ => None,
            },
            Self::Deduced | Self::Leaf => None,
        }
    }

    /// Tells what a value of this shape is made of.
    pub(super) fn parts(&self, value: &Value) -> Parts {
        match value {
            Value::Object(_) => self.map_parts(),
            Value::Array(_) => self.list_parts(),
            _ => Parts::Whole,
        }
    }

    fn map_parts(&self) -> Parts {
        match self {
            Self::Struct(kind) if !kind.atomic => Parts::Fields,
            Self::Field(field) if !field.atomic => match field.kind.as_str() {
                "map" => Parts::Fields,
                "any" => Parts::DeducedFields,
                _ if field.granular => Parts::Fields,
                _ => builtin().type_of(field).map_or(Parts::Whole, |kind| Self::Struct(kind).map_parts()),
            },
            Self::CustomRoot(_) => Parts::Fields,
            Self::Schema(schema, _) => {
                if schema["x-kubernetes-map-type"] == "atomic" {
                    Parts::Whole
                } else if is_deduced(schema) {
                    Parts::DeducedFields
                } else {
                    Parts::Fields
                }
            }
            Self::Deduced => Parts::DeducedFields,
            Self::Struct(_) | Self::Field(_) | Self::Leaf => Parts::Whole,
        }
    }

    fn list_parts(&self) -> Parts {
        match self {
            Self::Field(field) if !field.atomic => match &field.list {
                ListKind::Atomic => Parts::Whole,
                ListKind::Set => Parts::Set,
                ListKind::Map(keys) => Parts::Keyed(keys.clone()),
            },
            Self::Schema(schema, _) => match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => Parts::Set,
                Some("map") => {
                    let keys = schema["x-kubernetes-list-map-keys"].as_array();
                    Parts::Keyed(
                        keys.into_iter()
                            .flatten()
                            .filter_map(|key| key.as_str().map(str::to_owned))
                            .collect(),
                    )
                }
                _ => Parts::Whole,
            },
            _ => Parts::Whole,
        }
    }

    /// Returns the shape of a field; `None` when the schema does not declare it.
    pub(super) fn field(&self, name: &str) -> Option<Shape<'a>> {
        match self {
            Self::Struct(kind) => kind.fields.get(name).map(Self::Field),
            Self::Field(field) => match field.kind.as_str() {
                "map" => Some(field.of.as_deref().map_or(Self::Leaf, Self::Field)),
                "any" => Some(Self::Deduced),
                _ => match builtin().type_of(field) {
                    Some(kind) => Self::Struct(kind).field(name),
                    None => Some(Self::Deduced),
                },
            },
            Self::CustomRoot(schema) => match name {
                "apiVersion" | "kind" => Some(Self::Leaf),
                "metadata" => builtin().named("meta.ObjectMeta").map(Self::Struct),
                _ => declared(schema, name, keeps_unknown(schema)),
            },
            Self::Schema(schema, keeps) => declared(schema, name, *keeps || is_bare(schema)),
            Self::Deduced => Some(Self::Deduced),
            Self::Leaf => Some(Self::Leaf),
        }
    }

    /// Tells whether a field is one of a struct, and not an entry of a map.
    pub(super) fn declares(&self, name: &str) -> bool {
        match self {
            Self::Struct(kind) => kind.fields.contains_key(name),
            Self::Field(field) => builtin().type_of(field).is_some_and(|kind| kind.fields.contains_key(name)),
            Self::CustomRoot(schema) => {
                ["apiVersion", "kind", "metadata"].contains(&name)
                    || Self::Schema(schema, false).declares(name)
            }
            Self::Schema(schema, _) => {
                schema["properties"].get(name).is_some()
                    || (schema["x-kubernetes-embedded-resource"] == true
                        && ["apiVersion", "kind", "metadata"].contains(&name))
            }
            Self::Deduced | Self::Leaf => false,
        }
    }

    /// Returns an object as it is before anybody set a field of it.
    pub(super) fn unset(&self) -> Value {
        match self {
            Self::Struct(kind) => builtin().unset(kind),
            _ => json!({}),
        }
    }

    /// Returns the shape of a list's items.
    pub(super) fn item(&self) -> Shape<'a> {
        match self {
            Self::Field(field) => field.of.as_deref().map_or(Self::Leaf, Self::Field),
            Self::Schema(schema, keeps) => {
                schema.get("items").map_or(Self::Deduced, |item| below(item, *keeps))
            }
            _ => Self::Deduced,
        }
    }

    /// Returns the default of a key of a list's items.
    pub(super) fn key_default(&self, key: &str) -> Option<Value> {
        match self.item() {
            // The name of an object nearby may be left out.
            Self::Field(item) if item.kind == "#core.v1.LocalObjectReference" => Some(json!("")),
            Self::Field(item) => builtin().type_of(item)?.fields.get(key)?.default.clone(),
            Self::Schema(item, _) => item["properties"][key].get("default").cloned(),
            _ => None,
        }
    }

    /// Whether a key that is left out counts as empty: in all built-in items but references to objects, whose names may be
    /// left out. What is empty is refused later.
    pub(super) fn keys_are_always_there(&self) -> bool {
        matches!(self.item(), Self::Field(item) if item.kind != "#core.v1.ObjectReference")
    }

    /// Returns what a `null` in a configuration is stored as: the empty value in maps, nothing in structs.
    pub(super) fn empty_value(&self) -> Option<Value> {
        match self {
            Self::Field(field) if field.kind == "map" => match field.of.as_deref().map(|of| of.kind.as_str())
            {
                Some("string" | "bytes" | "quantity") => Some(json!("")),
                _ => None,
            },
            _ => None,
        }
    }
}

fn is_deduced(schema: &Value) -> bool {
    let says_more = schema.get("properties").is_some() || schema.get("additionalProperties").is_some();
    keeps_unknown(schema) && !says_more || is_bare(schema)
}

/// An object of which nothing is said takes any field, though none of them is kept.
fn is_bare(schema: &Value) -> bool {
    let named = schema["properties"].as_object().is_some_and(|properties| !properties.is_empty());
    schema["type"] == "object"
        && !named
        && schema.get("additionalProperties").is_none()
        && schema["x-kubernetes-embedded-resource"] != true
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// A part of a schema; what keeps fields that it does not know is passed down, though such fields are not kept there.
fn below(part: &Value, keeps: bool) -> Shape<'_> {
    Shape::Schema(part, keeps || keeps_unknown(part))
}

/// The shape of a field that a schema, or a rule for all that it does not name, is there for.
fn declared<'a>(schema: &'a Value, name: &str, keeps: bool) -> Option<Shape<'a>> {
    if schema["x-kubernetes-embedded-resource"] == true {
        match name {
            "apiVersion" | "kind" => return Some(Shape::Leaf),
            "metadata" => return builtin().named("meta.ObjectMeta").map(Shape::Struct),
            _ => {}
        }
    }
    if let Some(property) = schema.get("properties").and_then(|properties| properties.get(name)) {
        return Some(below(property, keeps));
    }
    match schema.get("additionalProperties") {
        Some(values @ Value::Object(_)) => return Some(below(values, keeps)),
        Some(Value::Bool(true)) => return Some(Shape::Deduced),
        _ => {}
    }
    keeps.then_some(Shape::Deduced)
}
