//! What schemas tell of values: their types, and how large they may be.

use std::collections::{BTreeMap, HashSet};

use sealfast_k8s::expression::kind::Type;
use serde_json::Value;

use super::names::escaped;

/// What a schema tells of its values.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) kind: Type,
    /// How many letters, items or entries a value may have; zero of what has no size.
    pub(crate) most: u64,
    /// The fewest bytes that a value is written in.
    least: u64,
    pub(crate) parts: Parts,
}

/// What the values of a schema hold.
#[derive(Debug, Clone)]
pub(crate) enum Parts {
    None,
    Items(Box<Declared>),
    Values(Box<Declared>),
    Fields(BTreeMap<String, Declared>),
}

impl Declared {
    fn plain(kind: Type, most: u64, least: u64) -> Declared {
        Declared { kind, most, least, parts: Parts::None }
    }

    /// How many such values a request has room for.
    pub(crate) fn most_in_a_request(&self) -> u64 {
        LARGEST_REQUEST / (self.least + 1)
    }
}

/// How many items a list or map of a schema is said to have at most; 1 for other values.
pub(crate) fn stated_items(schema: &Value) -> Option<u64> {
    match schema["type"].as_str() {
        Some("array") => stated(schema, "maxItems"),
        Some("object") if !schema["additionalProperties"].is_null() => stated(schema, "maxProperties"),
        _ => Some(1),
    }
}

fn stated(schema: &Value, key: &str) -> Option<u64> {
    schema[key].as_i64().map(|most| u64::try_from(most).unwrap_or(0))
}

/// What a schema tells; `None` of values that rules cannot reach. Types of objects begin with the `name`.
pub(crate) fn declared(schema: &Value, resource: bool, name: &str) -> Option<Declared> {
    if schema["x-kubernetes-int-or-string"] == true {
        let most = stated(schema, "maxLength").map_or(LARGEST_REQUEST - 2, |most| most.saturating_mul(4));
        return Some(Declared::plain(Type::Dyn, most, 1));
    }
    let embedded = |schema: &Value| schema["x-kubernetes-embedded-resource"] == true;
    Some(match schema["type"].as_str()? {
        "array" => {
            let items = schema.get("items").filter(|items| items.is_object())?;
            let of = declared(items, embedded(items), &format!("{name}.@idx"))?;
            let most = stated(schema, "maxItems").unwrap_or_else(|| (LARGEST_REQUEST - 2) / (of.least + 1));
            let kind = Type::list(of.kind.clone());
            Declared { kind, most, least: 2, parts: Parts::Items(Box::new(of)) }
        }
        "object" => match schema.get("additionalProperties").filter(|values| values.is_object()) {
            Some(values) => {
                let of = declared(values, embedded(values), &format!("{name}.@elem"))?;
                let most =
                    stated(schema, "maxProperties").unwrap_or_else(|| (LARGEST_REQUEST - 2) / (of.least + 6));
                let kind = Type::map(Type::String, of.kind.clone());
                Declared { kind, most, least: 2, parts: Parts::Values(Box::new(of)) }
            }
            None => object(schema, resource, name),
        },
        "boolean" => Declared::plain(Type::Bool, 0, 4),
        "integer" => Declared::plain(Type::Int, 0, 1),
        "number" => Declared::plain(Type::Double, 0, 1),
        "string" => text(schema),
        _ => return None,
    })
}

fn text(schema: &Value) -> Declared {
    let longest = stated(schema, "maxLength");
    match schema["format"].as_str().unwrap_or_default() {
        "byte" => Declared::plain(Type::Bytes, longest.unwrap_or(LARGEST_REQUEST - 2), 2),
        "duration" => Declared::plain(Type::Duration, 32, 3),
        "date" => Declared::plain(Type::Timestamp, 12, 12),
        "date-time" => Declared::plain(Type::Timestamp, 32, 21),
        _ => {
            let values = schema["enum"].as_array().filter(|values| !values.is_empty());
            let longest_value = values.map(|values| {
                values.iter().filter_map(Value::as_str).map(|text| text.len() as u64).max().unwrap_or(0)
            });
            // A letter may take four bytes.
            let most = longest.map(|most| most.saturating_mul(4)).or(longest_value);
            Declared::plain(Type::String, most.unwrap_or(LARGEST_REQUEST - 2), 2)
        }
    }
}

fn object(schema: &Value, resource: bool, name: &str) -> Declared {
    let required: HashSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields = BTreeMap::new();
    let mut least = 2;
    let known = schema["properties"].as_object().into_iter().flatten();
    let has_meta = ["/properties/kind/type", "/properties/apiVersion/type"]
        .into_iter()
        .chain([
            "/properties/metadata/properties/name/type",
            "/properties/metadata/properties/generateName/type",
        ])
        .all(|at| schema.pointer(at).is_some_and(|kind| kind == "string"));
    let meta = (resource && !has_meta).then(meta);
    let meta = meta.iter().flatten().map(|(name, schema)| (*name, schema));
    let known = known.map(|(name, schema)| (name.as_str(), schema));
    for (field, schema) in known.chain(meta) {
        let embedded = schema["x-kubernetes-embedded-resource"] == true;
        let Some(found) =
            declared(schema, embedded, &format!("{name}.{}", escaped(field).unwrap_or_default()))
        else {
            continue;
        };
        if required.contains(field) && schema.get("default").is_none_or(Value::is_null) {
            least += field.len() as u64 + found.least + 4;
        }
        if let Some(field) = escaped(field) {
            fields.insert(field, found);
        }
    }
    let kind = Type::object(name, fields.iter().map(|(name, field)| (name.clone(), field.kind.clone())));
    Declared { kind, most: 0, least, parts: Parts::Fields(fields) }
}

/// What every object has.
fn meta() -> [(&'static str, Value); 3] {
    let text = || serde_json::json!({"type": "string"});
    let metadata =
        serde_json::json!({"type": "object", "properties": {"name": text(), "generateName": text()}});
    [("apiVersion", text()), ("kind", text()), ("metadata", metadata)]
}

const LARGEST_REQUEST: u64 = 3 << 20;
