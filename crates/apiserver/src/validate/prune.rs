//! Fields that a schema does not know go; fields that it has a default for come.

use serde_json::{Map, Value};

use crate::causes::{self, Complaints};
use crate::fields;
use crate::path::Path;

/// Removes what the schema does not know; returns the paths of what went, in order.
pub(crate) fn prune(schema: &Value, object: &mut Value) -> Vec<String> {
    gone(schema, object).paths()
}

/// The same for an object that a client sent.
///
/// # Errors
/// The metadata of an embedded resource that is none.
pub(crate) fn pruned(schema: &Value, object: &mut Value) -> Result<Vec<String>, String> {
    let mut gone = gone(schema, object);
    gone.fault.take().map_or_else(|| Ok(gone.paths()), Err)
}

fn gone(schema: &Value, object: &mut Value) -> Gone {
    let mut gone = Gone::default();
    if let Value::Object(fields) = object {
        prune_fields(Known::by(Some(schema)), fields, &Path::Root, &mut gone);
    }
    gone
}

/// Does something with each resource within an object and its path.
pub(crate) fn each_embedded(
    schema: &Value,
    value: &Value,
    path: &Path<'_>,
    told: &mut impl FnMut(&Path<'_>, &Value),
) {
    if !path.is_root() && schema["x-kubernetes-embedded-resource"] == true && value.is_object() {
        told(path, value);
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                if let Some(known) = known {
                    each_embedded(known, value, &Path::Field(path, name), told);
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                each_embedded(&schema["items"], item, &Path::Item(path, at), told);
            }
        }
        _ => {}
    }
}

/// Whether a value, of a field, has fields that its schema does not know.
pub(crate) fn prunes(schema: &Value, value: &Value) -> bool {
    let (mut value, mut gone) = (value.clone(), Gone::default());
    walk(Known::by(Some(schema)), &mut value, &Path::Field(&Path::Root, "value"), &mut gone);
    !gone.fields.is_empty() || !gone.metadata.is_empty()
}

/// What is known of a value.
#[derive(Clone, Copy)]
struct Known<'a> {
    /// `None` knows nothing.
    schema: Option<&'a Value>,
    /// Whether fields stay that the schema does not know.
    preserves: bool,
}

impl<'a> Known<'a> {
    fn by(schema: Option<&'a Value>) -> Self {
        let preserves = schema.is_some_and(|schema| schema["x-kubernetes-preserve-unknown-fields"] == true);
        Self { schema, preserves }
    }

    fn get(&self, word: &str) -> Option<&'a Value> {
        self.schema.and_then(|schema| schema.get(word))
    }
}

/// What went: by the schema, and of the metadata of embedded resources.
#[derive(Default)]
struct Gone {
    fields: Complaints,
    metadata: Complaints,
    /// Metadata that is none, or a kind that is no text: the last of them, and of very many an earlier one.
    fault: Option<String>,
    faults: usize,
}

impl Gone {
    fn fault(&mut self, text: impl FnOnce() -> String) {
        self.faults += 1;
        if self.faults <= causes::MOST {
            self.fault = Some(text());
        }
    }

    fn paths(self) -> Vec<String> {
        let mut paths = self.fields.told();
        paths.sort();
        paths.extend(self.metadata.told().iter().map(|text| bare(text).to_owned()));
        paths
    }
}

fn walk(known: Known<'_>, value: &mut Value, path: &Path<'_>, gone: &mut Gone) {
    match value {
        Value::Object(fields) => prune_fields(known, fields, path, gone),
        Value::Array(items) => {
            let below = known.get("items");
            if below.is_none() && known.preserves {
                return;
            }
            let mut item_known = Known::by(below);
            // What is kept whatever it is stays so in the items of a list.
            item_known.preserves |= known.preserves;
            for (at, item) in items.iter_mut().enumerate() {
                walk(item_known, item, &Path::Item(path, at), gone);
            }
        }
        _ => {}
    }
}

fn prune_fields(known: Known<'_>, fields: &mut Map<String, Value>, path: &Path<'_>, gone: &mut Gone) {
    let at_root = path.is_root();
    let embedded = known.get("x-kubernetes-embedded-resource").is_some_and(|word| *word == true);
    let resource = at_root || embedded;
    let properties = known.get("properties").and_then(Value::as_object);
    let values = known.get("additionalProperties");
    fields.retain(|name, value| {
        let below = Path::Field(path, name);
        if resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            if name == "metadata" && !at_root {
                let before = gone.metadata.len();
                if crate::typed::check_metadata(value, &below, &mut gone.metadata).is_err() {
                    gone.metadata.truncate(before);
                }
                if !value.is_object() && !value.is_null() {
                    let word = crate::typed::go_word(value);
                    gone.fault(|| {
                        format!(
                            "{below}: Invalid value: {value}: json: cannot unmarshal {word} into Go value of type v1.ObjectMeta"
                        )
                    });
                }
            }
            if name != "metadata" && !at_root && !value.is_string() {
                gone.fault(|| format!("{below}: Invalid value: {value}: must be a string"));
            }
            return true;
        }
        if let Some(own) = properties.and_then(|properties| properties.get(name)) {
            walk(Known::by(Some(own)), value, &below, gone);
            return true;
        }
        match values {
            Some(own @ Value::Object(_)) => walk(Known::by(Some(own)), value, &below, gone),
            // Any value fits; of one that has fields none is known.
            Some(Value::Bool(true)) => walk(Known::by(None), value, &below, gone),
            _ if known.preserves => {}
            _ => {
                gone.fields.note(|| below.to_string());
                return false;
            }
        }
        true
    });
}

/// The path in a complaint about a field.
fn bare(complaint: &str) -> &str {
    complaint.split('"').nth(1).unwrap_or(complaint)
}

/// True when some value of a schema may have a default.
pub(crate) fn has_defaults(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("default") || fields.values().any(has_defaults),
        Value::Array(items) => items.iter().any(has_defaults),
        _ => false,
    }
}

/// Drops what is `null` where that is not allowed and has no default, and fills in defaults.
pub(crate) fn default(schema: &Value, value: &mut Value) {
    drop_nulls(schema, value);
    fill_in(schema, value);
}

fn drop_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                let Some(known) = of_field(schema, name) else { return true };
                if value.is_null() {
                    return known["nullable"] == true || known.get("default").is_some();
                }
                drop_nulls(known, value);
                true
            });
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_nulls(&schema["items"], item)),
        _ => {}
    }
}

/// The schema of a field, by its name or as one of a map.
pub(super) fn of_field<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    named.or_else(|| schema.get("additionalProperties").filter(|known| known.is_object()))
}

/// Fills in defaults for fields that are absent, or `null` where that is not allowed.
///
/// A default of many items takes many times its bytes: what was filled in ends where the object is too large to be kept,
/// so that nobody keeps what is not complete.
pub(crate) fn fill_in(schema: &Value, value: &mut Value) {
    fill(schema, value, &mut Room { left: MOST_FILLED });
}

/// Bytes that defaults may take yet.
struct Room {
    left: usize,
}

impl Room {
    /// Takes the room of a value under a name.
    fn takes(&mut self, name: &str, value: &Value) -> bool {
        let bytes = name.len() + LEAST + fields::written(value, self.left);
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

fn fill(schema: &Value, value: &mut Value, room: &mut Room) {
    match value {
        Value::Object(fields) => {
            let named = schema.get("properties").and_then(Value::as_object);
            for (name, known) in named.into_iter().flatten() {
                if let Some(wanted) = known.get("default").filter(|_| !fields.contains_key(name))
                    && room.takes(name, wanted)
                {
                    fields.insert(name.clone(), wanted.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    fill_in_one(known, value, room);
                }
            }
            if let Some(known) = schema.get("additionalProperties").filter(|known| known.is_object()) {
                let others = fields
                    .iter_mut()
                    .filter(|(name, _)| !named.is_some_and(|named| named.contains_key(*name)));
                others.for_each(|(_, value)| fill_in_one(known, value, room));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in_one(&schema["items"], item, room)),
        _ => {}
    }
}

/// The same for one value that is there.
fn fill_in_one(known: &Value, value: &mut Value, room: &mut Room) {
    if let Some(wanted) = known.get("default").filter(|_| value.is_null() && known["nullable"] != true)
        && room.takes("", wanted)
    {
        *value = wanted.clone();
    }
    fill(known, value, room);
}

/// The bytes of the largest object.
const MOST_FILLED: usize = 3 << 20;
/// Bytes of a field beside its name and value.
const LEAST: usize = r#""":"#.len();

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_end_where_an_object_is_too_large() {
        let text = "d".repeat(64 << 10);
        let fields = json!({"type": "object", "properties": {"a": {"type": "string", "default": text}}});
        let schema = json!({"type": "array", "items": fields});
        let mut list = json!(vec![json!({}); 1_000]);
        fill_in(&schema, &mut list);
        let filled = |list: &Value| {
            list.as_array().map_or(0, |list| list.iter().filter(|item| item["a"].is_string()).count())
        };
        assert_eq!(filled(&list), MOST_FILLED / (text.len() + "\"\"\"a\":".len()));
        let mut short = json!(vec![json!({}); 10]);
        fill_in(&schema, &mut short);
        assert_eq!(filled(&short), 10);
    }
}
