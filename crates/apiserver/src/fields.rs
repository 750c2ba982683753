//! Reading and writing the metadata of a JSON object.

use serde_json::{Map, Value};

/// The text at a path; empty when absent or of another type.
pub(crate) fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    get(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// How many maps and lists stand inside each other.
pub(crate) fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Object(fields) => fields.values().map(depth).max(),
        Value::Array(items) => items.iter().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}

/// The bytes of a value as JSON; of one that takes more than `most`, some number above that.
pub(crate) fn written(value: &Value, most: usize) -> usize {
    let mut text = Counter { most, count: 0 };
    let _ = serde_json::to_writer(&mut text, value);
    text.count
}

/// Counts what is written, up to a little more than there is room for.
struct Counter {
    most: usize,
    count: usize,
}

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.count += bytes.len();
        if self.count > self.most { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How many values there are, with all that is in maps and lists.
pub(crate) fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// The most values that a body may hold: read, each takes many times the two bytes that it may be written in. Larger
/// definitions than any that is known hold ten thousand.
pub(crate) const MOST_VALUES: usize = 250_000;
/// The most values of an object that is kept, with what was added to what was sent.
pub(crate) const MOST_KEPT_VALUES: usize = 2 * MOST_VALUES;

/// The deepest objects that are kept; the reader of the store stops a little below.
pub(crate) const MOST_LEVELS: usize = 120;

/// The value at a path of object keys.
pub(crate) fn get<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

/// A text of `metadata`.
pub(crate) fn meta<'a>(object: &'a Value, key: &str) -> &'a str {
    text(object, &["metadata", key])
}

/// States what an object is.
pub(crate) fn identify(object: &mut Value, api_version: &str, kind: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".into(), api_version.into());
        fields.insert("kind".into(), kind.into());
    }
}

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> &str {
    meta(object, "name")
}

/// `metadata.uid`.
pub(crate) fn uid(object: &Value) -> &str {
    meta(object, "uid")
}

/// Writes numbers such as `1.0` and `1e3` as the whole numbers that they are.
pub(crate) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            // Up to here every whole number of this type is one of the other too.
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9.0e18);
            if let Some(whole) = whole {
                *value = (whole as i64).into();
            }
        }
        _ => {}
    }
}

/// True when two maps have the same fields, some of them left aside; other values are equal or not.
pub(crate) fn equal_but(left: &Value, right: &Value, skipped: &[&str]) -> bool {
    let (Value::Object(left), Value::Object(right)) = (left, right) else { return left == right };
    let counted = |fields: &Map<String, Value>| {
        fields.len() - skipped.iter().filter(|&&key| fields.contains_key(key)).count()
    };
    counted(left) == counted(right)
        && left
            .iter()
            .filter(|(key, _)| !skipped.contains(&key.as_str()))
            .all(|(key, value)| right.get(key) == Some(value))
}

/// True once the object has a deletionTimestamp.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !meta(object, "deletionTimestamp").is_empty()
}

/// The finalizers, in order.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    get(object, &["metadata", "finalizers"])
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// Replaces the finalizers; an empty list removes the field.
pub(crate) fn set_finalizers(object: &mut Value, list: Vec<String>) {
    if list.is_empty() {
        metadata(object).shift_remove("finalizers");
    } else {
        set_meta(object, "finalizers", list.into());
    }
}

/// `metadata` as a map, made when absent or of another type.
pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    child(object, "metadata")
}

/// A map-valued field, made when absent or of another type.
pub(crate) fn child<'a>(object: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    let map = as_map(object);
    as_map(map.entry(key).or_insert_with(|| Value::Object(Map::new())))
}

/// Sets a field of `metadata`.
pub(crate) fn set_meta(object: &mut Value, key: &str, value: Value) {
    metadata(object).insert(key.into(), value);
}

/// Sets a field of `metadata`, or removes it.
pub(crate) fn put_meta(object: &mut Value, key: &str, value: Option<Value>) {
    match value {
        Some(value) => set_meta(object, key, value),
        None => {
            metadata(object).shift_remove(key);
        }
    }
}

/// Puts `metadata.KEY` to what `from` has there, or removes it.
pub(crate) fn copy_meta(object: &mut Value, from: &Value, key: &str) {
    put_meta(object, key, get(from, &["metadata", key]).cloned());
}

/// Puts a top-level field to what `from` has there, or removes it.
pub(crate) fn copy_field(object: &mut Value, from: &Value, key: &str) {
    match from.get(key) {
        Some(value) => {
            as_map(object).insert(key.into(), value.clone());
        }
        None => remove(object, key),
    }
}

/// Removes a top-level field.
pub(crate) fn remove(object: &mut Value, key: &str) {
    if let Some(map) = object.as_object_mut() {
        map.shift_remove(key);
    }
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// Counts one more generation.
pub(crate) fn raise_generation(object: &mut Value) {
    let generation = get(object, &["metadata", "generation"]).and_then(Value::as_i64).unwrap_or(0);
    set_meta(object, "generation", generation.saturating_add(1).into());
}

/// Gives a new object its uid and the time of its making.
pub(crate) fn stamp(object: &mut Value) {
    set_meta(object, "uid", crate::clock::uuid().into());
    set_meta(object, "creationTimestamp", crate::clock::now().into());
}

/// The same value with its keys in order.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            Value::Object(keys.into_iter().map(|key| (key.clone(), sorted(&map[key]))).collect())
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
