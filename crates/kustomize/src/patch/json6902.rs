//! JSON patch (RFC 6902) with the habits of the library that the original uses.
//!
//! Negative indexes count from the end, `add` needs a parent, and the messages are the library's.

use serde_json::Value;

use crate::error::Error;

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    kind: Kind,
    path: String,
    from: String,
    value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
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
    let value: Value = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?
    } else {
        sealfast_yaml::json::from_yaml(text.as_bytes()).map_err(|error| wrong(error.to_string()))?
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(operation).collect(),
        _ => Err(wrong("json: cannot unmarshal object into Go value of type jsonpatch.Patch".to_owned())),
    }
}

fn operation(item: &Value) -> Result<Operation, Error> {
    let Value::Object(fields) = item else {
        return Err(Error::Patch(
            "json: cannot unmarshal value into Go value of type jsonpatch.Operation".to_owned(),
        ));
    };
    let part = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = match part("op").as_str() {
        "add" => Kind::Add,
        "remove" => Kind::Remove,
        "replace" => Kind::Replace,
        "move" => Kind::Move,
        "copy" => Kind::Copy,
        "test" => Kind::Test,
        other => return Err(Error::Patch(format!("Unexpected kind: {other}"))),
    };
    Ok(Operation { kind, path: part("path"), from: part("from"), value: fields.get("value").cloned() })
}

/// Applies all operations in order.
///
/// # Errors
/// When one does not apply.
pub fn apply(document: &mut Value, operations: &[Operation]) -> Result<(), Error> {
    let mut copied = 0;
    operations.iter().try_for_each(|operation| match operation.kind {
        Kind::Add => add(document, &operation.path, operation.value.clone().unwrap_or(Value::Null), "add"),
        Kind::Remove => remove(document, &operation.path, "remove").map(drop),
        Kind::Replace => replace(document, &operation.path, operation.value.clone().unwrap_or(Value::Null)),
        Kind::Move => {
            let value = remove(document, &operation.from, "move")?;
            add(document, &operation.path, value, "move")
        }
        Kind::Copy => {
            let value = get(document, &operation.from, "copy")?.clone();
            copied += weight(&value);
            if copied > MAX_COPIED {
                return Err(Error::Patch(format!(
                    "copy operations from '{}' make the object larger than {MAX_COPIED} bytes",
                    operation.from
                )));
            }
            add(document, &operation.path, value, "copy")
        }
        Kind::Test => test(document, operation),
    })
}

/// How much the copies of one patch may add to an object, in bytes: each could double it.
pub(crate) const MAX_COPIED: usize = 64 << 20;

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

fn missing(operation: &str, what: &str) -> Error {
    Error::Patch(format!("{operation} operation does not apply: doc is missing {what}: missing value"))
}

/// Splits a pointer into its parent and its last part.
fn split(path: &str) -> (&str, String) {
    let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
    (parent, unescape(last))
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn parent_mut<'a>(
    document: &'a mut Value,
    path: &str,
    operation: &str,
) -> Result<(&'a mut Value, String), Error> {
    let (parent, last) = split(path);
    let mut value = document;
    for part in parent.split('/').skip(1).map(unescape) {
        let next = match value {
            Value::Object(map) => map.get_mut(&part),
            Value::Array(items) => index(&part, items.len()).and_then(|at| items.get_mut(at)),
            _ => None,
        };
        value = next.ok_or_else(|| missing(operation, &format!("path: {path}")))?;
    }
    if !value.is_object() && !value.is_array() {
        return Err(missing(operation, &format!("path: {path}")));
    }
    Ok((value, last))
}

/// Reads a list index; negative ones count from the end.
fn index(part: &str, len: usize) -> Option<usize> {
    let number: i64 = part.parse().ok()?;
    let len = i64::try_from(len).ok()?;
    usize::try_from(if number < 0 { number + len } else { number }).ok()
}

fn add(document: &mut Value, path: &str, value: Value, operation: &str) -> Result<(), Error> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (parent, last) = parent_mut(document, path, operation)?;
    match parent {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(&last, items.len() + 1).filter(|&at| at <= items.len()).ok_or_else(|| {
                Error::Patch(format!(
                    "error in {operation} for path: '{path}': Unable to access invalid index: {last}: invalid index referenced"
                ))
            })?;
            items.insert(at, value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str, operation: &str) -> Result<Value, Error> {
    let (parent, last) = parent_mut(document, path, operation)?;
    let removed = match parent {
        Value::Object(map) => map.shift_remove(&last).ok_or("key"),
        Value::Array(items) => match index(&last, items.len()).filter(|&at| at < items.len()) {
            Some(at) => Ok(items.remove(at)),
            None => Err("index"),
        },
        _ => Err("key"),
    };
    removed.map_err(|what| {
        let reason = if what == "key" {
            format!("Unable to remove nonexistent key: {last}: missing value")
        } else {
            format!("Unable to access invalid index: {last}: invalid index referenced")
        };
        Error::Patch(format!(
            "{operation} operation does not apply: error in remove for path: '{path}': {reason}"
        ))
    })
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), Error> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (parent, last) = parent_mut(document, path, "replace")?;
    let place = match parent {
        Value::Object(map) => map.get_mut(&last),
        Value::Array(items) => index(&last, items.len()).and_then(|at| items.get_mut(at)),
        _ => None,
    };
    *place.ok_or_else(|| missing("replace", &format!("key: {path}")))? = value;
    Ok(())
}

fn get<'a>(document: &'a Value, path: &str, operation: &str) -> Result<&'a Value, Error> {
    find(document, path).ok_or_else(|| missing(operation, &format!("path: {path}")))
}

fn find<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').skip(1).map(unescape).try_fold(document, |value, part| match value {
        Value::Object(map) => map.get(&part),
        Value::Array(items) => index(&part, items.len()).and_then(|at| items.get(at)),
        _ => None,
    })
}

fn test(document: &Value, operation: &Operation) -> Result<(), Error> {
    let found = find(document, &operation.path).unwrap_or(&Value::Null);
    let wanted = operation.value.as_ref().unwrap_or(&Value::Null);
    if is_equal(found, wanted) {
        return Ok(());
    }
    Err(Error::Patch(format!("testing value {} failed: test failed", operation.path)))
}

/// Compares values; numbers by what they are worth.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_equal(value, other)))
        }
        _ => a == b,
    }
}
