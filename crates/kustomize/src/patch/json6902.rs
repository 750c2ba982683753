//! JSON patch (RFC 6902) with the habits of the library that the original uses.
//!
//! Negative indexes count from the end, `add` needs a parent, `replace` needs none of what it
//! replaces in a mapping, a null is the same as nothing, and the messages are the library's.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::clock::Clock;
use crate::error::Error;
use crate::manifest;
use crate::spec::decode;

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    kind: String,
    path: Option<String>,
    from: Option<String>,
    value: Value,
    /// The value as JSON text, where a test compares that.
    text: Option<Box<RawValue>>,
}

/// Reads a patch: JSON when it begins with a bracket, else YAML.
///
/// # Errors
/// When it is no list of operations.
pub fn parse(text: &str) -> Result<Vec<Operation>, Error> {
    let wrong = |reason: String| Error::Patch(reason);
    if text.is_empty() {
        return Err(wrong("empty json patch operations".to_owned()));
    }
    let is_json = text.starts_with('[');
    let value: Value = if is_json {
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?
    } else {
        sealfast_yaml::json::from_yaml(text.as_bytes()).map_err(|error| wrong(error.to_string()))?
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            let mut operations: Vec<Operation> = items.iter().map(operation).collect::<Result<_, _>>()?;
            if is_json && operations.iter().any(|operation| operation.kind == "test") {
                note_texts(text, &mut operations);
            }
            Ok(operations)
        }
        other => Err(wrong(format!(
            "json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
            decode::kind(&other)
        ))),
    }
}

/// Whether the annotations come away as a whole, and with them what the original records there.
pub(crate) fn replace_annotations(operations: &[Operation]) -> bool {
    let is_whole = |path: &Option<String>| {
        path.as_deref().is_some_and(|path| matches!(path, "/metadata" | "/metadata/annotations"))
    };
    operations.iter().any(|operation| match operation.kind.as_str() {
        "move" => is_whole(&operation.path) || is_whole(&operation.from),
        "add" | "replace" | "remove" | "copy" => is_whole(&operation.path),
        _ => false,
    })
}

/// Returns a patch as messages show it: as JSON, whatever it was written in.
pub(crate) fn shown(text: &str) -> String {
    match sealfast_yaml::json::from_yaml(text.as_bytes()) {
        Ok(value) if !text.starts_with('[') => sealfast_yaml::json::text(&value),
        _ => text.to_owned(),
    }
}

fn operation(item: &Value) -> Result<Operation, Error> {
    let Value::Object(fields) = item else {
        return Err(Error::Patch(
            "json: cannot unmarshal value into Go value of type jsonpatch.Operation".to_owned(),
        ));
    };
    let part = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Operation {
        kind: part("op").unwrap_or_else(|| "unknown".to_owned()),
        path: part("path"),
        from: part("from"),
        value: fields.get("value").cloned().unwrap_or(Value::Null),
        text: None,
    })
}

/// Keeps the texts of the values that a patch in JSON tests.
fn note_texts(text: &str, operations: &mut [Operation]) {
    let Ok(items) = serde_json::from_str::<Vec<BTreeMap<String, Box<RawValue>>>>(text) else { return };
    for (operation, mut fields) in operations.iter_mut().zip(items) {
        if operation.kind == "test" {
            operation.text = fields.remove("value");
        }
    }
}

/// Applies all operations in order.
///
/// All numbers of the document become floating point numbers on the way, so large ones lose digits.
///
/// # Errors
/// When one does not apply, or the time of the build is over.
pub fn apply(document: &mut Value, operations: &[Operation], clock: Clock) -> Result<(), Error> {
    let mut copied = 0;
    for operation in operations {
        clock.check()?;
        operation.apply(document, &mut copied).map_err(Error::Patch)?;
    }
    round(document);
    Ok(())
}

/// How much the copies of one patch may add to an object, in bytes: each could double it.
pub(crate) const MAX_COPIED: usize = 64 << 20;

/// How deep the values of an object may lie, as far as patches put them there: copies of copies would exhaust the stack.
const MAX_DEPTH: usize = 500;

/// Refuses a value that is nested too deeply for its place.
fn fits(path: &str, value: &Value) -> Result<(), String> {
    if path.matches('/').count() + depth(value) > MAX_DEPTH {
        let place: String = path.chars().take(80).collect();
        return Err(format!("the values at '{place}' would be nested deeper than {MAX_DEPTH} levels"));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Returns about how many bytes a value takes.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| 32 + key.len() + weight(value)).sum::<usize>() + 32
        }
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 32,
        Value::String(text) => 32 + text.len(),
        _ => 32,
    }
}

/// Returns about how many bytes the values of a patch take.
pub(crate) fn weight_of(operations: &[Operation]) -> usize {
    operations.iter().map(|operation| weight(&operation.value)).sum()
}

/// Gives numbers the precision that they have as floating point numbers.
fn round(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(round),
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Number(number) => {
            const EXACT: u64 = 1 << 53;
            let is_exact = number.as_i64().is_some_and(|whole| whole.unsigned_abs() <= EXACT);
            let rounded = number.as_f64().filter(|_| !is_exact).map(manifest::float);
            if let Some(Ok(rounded)) = rounded {
                *value = rounded;
            }
        }
        _ => {}
    }
}

impl Operation {
    fn apply(&self, document: &mut Value, copied: &mut usize) -> Result<(), String> {
        match self.kind.as_str() {
            "add" => self.add(document),
            "remove" => self.remove(document),
            "replace" => self.replace(document),
            "move" => self.move_value(document),
            "copy" => self.copy(document, copied),
            "test" => self.test(document),
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    fn path(&self) -> Result<&str, String> {
        let missing = || format!("{} operation failed to decode path: missing value", self.kind);
        self.path.as_deref().ok_or_else(missing)
    }

    fn from(&self) -> Result<&str, String> {
        let missing = || {
            format!(
                "{} operation failed to decode from: operation, missing from field: missing value",
                self.kind
            )
        };
        self.from.as_deref().ok_or_else(missing)
    }

    /// Says that there is nothing that could hold what a path names.
    fn no_parent(&self, what: &str, path: &str) -> String {
        format!("{} operation does not apply: {what}: {path}: missing value", self.kind)
    }

    fn add(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path()?;
        let quoted = format!("\"{path}\"");
        fits(path, &self.value)?;
        let (parent, key) =
            parent(document, path).ok_or_else(|| self.no_parent("doc is missing path", &quoted))?;
        insert(parent, &key, self.value.clone())
            .map_err(|why| format!("error in add for path: '{path}': {why}"))
    }

    fn remove(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path()?;
        let quoted = format!("\"{path}\"");
        let (parent, key) =
            parent(document, path).ok_or_else(|| self.no_parent("doc is missing path", &quoted))?;
        take(parent, &key).map(drop).map_err(|why| format!("error in remove for path: '{path}': {why}"))
    }

    fn replace(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path()?;
        if path.is_empty() {
            if !self.value.is_object() && !self.value.is_array() {
                return Err("replace operation value must be object or array".to_owned());
            }
            *document = self.value.clone();
            return Ok(());
        }
        fits(path, &self.value)?;
        let (parent, key) =
            parent(document, path).ok_or_else(|| self.no_parent("doc is missing path", path))?;
        match parent {
            Value::Array(items) => match index(&key, items.len()).ok().and_then(|at| items.get_mut(at)) {
                Some(place) => *place = self.value.clone(),
                None => return Err(self.no_parent("doc is missing key", path)),
            },
            _ => insert(parent, &key, self.value.clone())?,
        }
        Ok(())
    }

    fn move_value(&self, document: &mut Value) -> Result<(), String> {
        let from = self.from()?;
        let (old, key) =
            parent(document, from).ok_or_else(|| self.no_parent("doc is missing from path", from))?;
        let value = take(old, &key).map_err(|why| format!("error in move for path: '{key}': {why}"))?;
        let path = self.path()?;
        fits(path, &value)?;
        let (new, key) =
            parent(document, path).ok_or_else(|| self.no_parent("doc is missing destination path", path))?;
        insert(new, &key, value).map_err(|why| format!("error in move for path: '{path}': {why}"))
    }

    fn copy(&self, document: &mut Value, copied: &mut usize) -> Result<(), String> {
        let from = self.from()?;
        let (old, key) =
            parent(document, from).ok_or_else(|| self.no_parent("doc is missing from path", from))?;
        let value = get(old, &key).map_err(|why| format!("error in copy for from: '{from}': {why}"))?.clone();
        *copied += weight(&value);
        if *copied > MAX_COPIED {
            return Err(format!(
                "copy operations from '{from}' make the object larger than {MAX_COPIED} bytes"
            ));
        }
        let path = self.path()?;
        fits(path, &value)?;
        let (new, key) =
            parent(document, path).ok_or_else(|| self.no_parent("doc is missing destination path", path))?;
        insert(new, &key, value).map_err(|why| format!("error while adding value during copy: {why}"))
    }

    fn test(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path()?;
        let is_equal = |found: &Value| match &self.text {
            Some(text) => is_written(found, text),
            None => is_equal(found, &self.value),
        };
        let is_as_wanted = if path.is_empty() {
            is_equal(document)
        } else {
            let (parent, key) =
                parent(document, path).ok_or_else(|| self.no_parent("is missing path", path))?;
            let found =
                get(parent, &key).map_err(|why| format!("error in test for path: '{path}': {why}"))?;
            is_equal(found)
        };
        if is_as_wanted { Ok(()) } else { Err(format!("testing value {path} failed: test failed")) }
    }
}

/// Returns what holds the place that a pointer names, and the place's key in it.
///
/// What stands before the first slash counts for nothing.
fn parent<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (_, rest) = path.split_once('/')?;
    let (way, key) = match rest.rsplit_once('/') {
        Some((way, key)) => (way.split('/').map(unescape).collect(), key),
        None => (Vec::new(), rest),
    };
    let mut value = document;
    for part in way {
        value = match value {
            Value::Object(map) => map.get_mut(&part)?,
            Value::Array(items) => {
                let at = index(&part, items.len()).ok()?;
                items.get_mut(at)?
            }
            _ => return None,
        };
    }
    (value.is_object() || value.is_array()).then(|| (value, unescape(key)))
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// Reads the index of a place in a list of a length; negative ones count from the end.
fn index(key: &str, len: usize) -> Result<usize, String> {
    let number: i64 = key.parse().map_err(|_| format!("strconv.Atoi: parsing \"{key}\": invalid syntax"))?;
    let from_start =
        if number < 0 { number.saturating_add(i64::try_from(len).unwrap_or(i64::MAX)) } else { number };
    let at = usize::try_from(from_start).ok().filter(|&at| at < len);
    at.ok_or_else(|| format!("Unable to access invalid index: {number}: invalid index referenced"))
}

fn get<'a>(parent: &'a Value, key: &str) -> Result<&'a Value, String> {
    match parent {
        Value::Array(items) => index(key, items.len()).map(|at| &items[at]),
        _ => Ok(parent.get(key).unwrap_or(&Value::Null)),
    }
}

fn insert(parent: &mut Value, key: &str, value: Value) -> Result<(), String> {
    match parent {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            if key.parse::<i64>().is_err() {
                return Err(format!(
                    "value was not a proper array index: '{key}': strconv.Atoi: parsing \"{key}\": invalid syntax"
                ));
            }
            items.insert(index(key, items.len() + 1)?, value);
        }
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        _ => {}
    }
    Ok(())
}

fn take(parent: &mut Value, key: &str) -> Result<Value, String> {
    let missing = || format!("Unable to remove nonexistent key: {key}: missing value");
    match parent {
        Value::Array(items) => index(key, items.len()).map(|at| items.remove(at)),
        Value::Object(map) => map.shift_remove(key).ok_or_else(missing),
        _ => Err(missing()),
    }
}

/// Whether a value is written like a JSON text: the original compares the scalars of both letter by letter.
fn is_written(value: &Value, text: &RawValue) -> bool {
    match value {
        Value::Array(items) => serde_json::from_str::<Vec<&RawValue>>(text.get()).is_ok_and(|texts| {
            items.len() == texts.len() && items.iter().zip(texts).all(|(a, b)| is_written(a, b))
        }),
        Value::Object(map) => {
            serde_json::from_str::<BTreeMap<String, &RawValue>>(text.get()).is_ok_and(|texts| {
                let is_same = |(key, text): (&String, &&RawValue)| {
                    map.get(key).is_some_and(|value| is_written(value, text))
                };
                map.len() == texts.len() && texts.iter().all(is_same)
            })
        }
        // What an earlier operation has brought is still written as it was there.
        Value::Number(number) if number.is_f64() && number.to_string() == text.get() => true,
        Value::Number(number) if number.as_f64().is_some_and(|float| number.is_f64() && is_short(float)) => {
            false
        }
        scalar => sealfast_yaml::json::text(scalar) == text.get(),
    }
}

/// Whether a float is one that an object does not have: it would be a whole number there.
fn is_short(float: f64) -> bool {
    float.fract() == 0.0 && float.abs() < 1e18
}

/// Compares values; numbers by what they are worth.
fn is_equal(a: &Value, b: &Value) -> bool {
    let all = |a: &Map<String, Value>, b: &Map<String, Value>| {
        a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_equal(value, other)))
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && all(a, b),
        _ => a == b,
    }
}
