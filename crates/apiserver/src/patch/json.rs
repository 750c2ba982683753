//! JSON patch, RFC 6902.
//!
//! Follows: `evanphx/json-patch` as kube-apiserver uses it: removing what is not there is an error, `-` appends.

use serde_json::Value;

use super::Error;
use crate::fields;

/// Operations beyond this are refused.
const MOST_OPERATIONS: usize = 10_000;
/// Bytes that the copies of one patch may add up to.
const MOST_COPIED: usize = 3 << 20;
/// Items and fields that the operations of one patch may put somewhere or move aside.
const MOST_MOVED: usize = 50_000_000;

/// Applies the operations in order.
///
/// # Errors
///
/// [`Error::Malformed`] when the patch is no list, [`Error::Rejected`] when an operation does not fit.
pub(crate) fn json_patch(object: &Value, patch: &Value) -> Result<Value, Error> {
    let Some(operations) = patch.as_array() else {
        return Err(Error::Malformed(
            "error decoding patch: a JSON patch is a list of operations".to_owned(),
        ));
    };
    if operations.len() > MOST_OPERATIONS {
        let count = operations.len();
        return Err(Error::Malformed(format!(
            "the allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {count}"
        )));
    }
    let mut object = object.clone();
    let mut left = Left { to_copy: MOST_COPIED, to_move: MOST_MOVED };
    for operation in operations {
        one(&mut object, operation, &mut left).ok_or(Error::Rejected)?;
    }
    Ok(object)
}

/// What a patch may still do.
struct Left {
    to_copy: usize,
    to_move: usize,
}

impl Left {
    /// Counts what stands behind a place and moves when something comes or goes there.
    fn moves(&mut self, count: usize) -> Option<()> {
        self.to_move = self.to_move.checked_sub(count)?;
        Some(())
    }
}

fn one(object: &mut Value, operation: &Value, left: &mut Left) -> Option<()> {
    let path = steps(operation.get("path")?.as_str()?)?;
    let from = || steps(operation.get("from")?.as_str()?);
    match operation.get("op")?.as_str()? {
        "add" => add(object, &path, operation.get("value").cloned().unwrap_or(Value::Null), left),
        "remove" => remove(object, &path, left).map(drop),
        "replace" => {
            let value = operation.get("value").cloned().unwrap_or(Value::Null);
            fits(&path, &value, left)?;
            replace(object, &path, value)
        }
        "move" => {
            let value = remove(object, &from()?, left)?;
            add(object, &path, value, left)
        }
        "copy" => {
            let value = copied(object, &from()?)?;
            // Copies of copies grow without end.
            left.to_copy = left.to_copy.checked_sub(value.to_string().len())?;
            let value = value.clone();
            add(object, &path, value, left)
        }
        "test" => {
            let wanted = operation.get("value").unwrap_or(&Value::Null);
            if path.last().is_some_and(|last| last == "-")
                && find(object, &path[..path.len() - 1])?.is_array()
            {
                return None;
            }
            let found = find(object, &path).unwrap_or(&Value::Null);
            same(found, wanted).then_some(())
        }
        _ => None,
    }
}

/// Numbers are the same by value.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

fn steps(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let rest = pointer.strip_prefix('/')?;
    Some(rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// An index into a list of some length; negative ones count from its end.
fn index(step: &str, length: usize) -> Option<usize> {
    let number: i64 = step.parse().ok()?;
    let place = if number < 0 { number + i64::try_from(length).ok()? } else { number };
    usize::try_from(place).ok()
}

fn find<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(index(step, items.len())?),
        _ => None,
    })
}

/// What is copied: of a map that does not have it, nothing.
fn copied<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    const NOTHING: &Value = &Value::Null;
    let (last, parents) = path.split_last()?;
    match find(object, parents)? {
        Value::Object(fields) => Some(fields.get(last).unwrap_or(NOTHING)),
        _ => find(object, path),
    }
}

fn find_mut<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get_mut(step),
        Value::Array(items) => {
            let place = index(step, items.len())?;
            items.get_mut(place)
        }
        _ => None,
    })
}

fn add(object: &mut Value, path: &[String], value: Value, left: &mut Left) -> Option<()> {
    fits(path, &value, left)?;
    let (last, parents) = path.split_last()?;
    match find_mut(object, parents)? {
        Value::Object(fields) => {
            fields.insert(last.clone(), value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let place = index(last, items.len() + 1).filter(|place| *place <= items.len())?;
            left.moves(items.len() - place)?;
            items.insert(place, value);
        }
        _ => return None,
    }
    Some(())
}

/// Nothing when a value would be too deep at a path. No step makes an object deeper than it may be: what is put into
/// what was moved would soon be too deep to be looked at, or dropped.
fn fits(path: &[String], value: &Value, left: &mut Left) -> Option<()> {
    left.moves(fields::count(value))?;
    (path.len() + fields::depth(value) <= fields::MOST_LEVELS).then_some(())
}

/// In a map, what is not there is set.
fn replace(object: &mut Value, path: &[String], value: Value) -> Option<()> {
    if let Some((last, parents)) = path.split_last()
        && let Value::Object(fields) = find_mut(object, parents)?
    {
        fields.insert(last.clone(), value);
        return Some(());
    }
    *find_mut(object, path)? = value;
    Some(())
}

fn remove(object: &mut Value, path: &[String], left: &mut Left) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    match find_mut(object, parents)? {
        Value::Object(fields) => {
            left.moves(fields.len())?;
            fields.shift_remove(last)
        }
        Value::Array(items) => {
            let place = index(last, items.len()).filter(|place| *place < items.len())?;
            left.moves(items.len() - place)?;
            Some(items.remove(place))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_in_order() {
        let object = json!({ "a": [1, 2], "b": { "c": 3 } });
        let patch = json!([
            { "op": "test", "path": "/b/c", "value": 3 },
            { "op": "add", "path": "/a/-", "value": 4 },
            { "op": "remove", "path": "/a/0" },
            { "op": "move", "from": "/b/c", "path": "/d" },
        ]);
        assert_eq!(json_patch(&object, &patch), Ok(json!({ "a": [2, 4], "b": {}, "d": 3 })));
        let absent = json!([{ "op": "remove", "path": "/x" }]);
        assert_eq!(json_patch(&object, &absent), Err(Error::Rejected));
    }

    #[test]
    fn nothing_nests_deeper_by_moves_and_replacements() {
        let deep = |levels: usize| (0..levels).fold(json!([]), |inner, _| json!([inner]));
        let path = "/0".repeat(99);
        let round = json!([
            { "op": "add", "path": "/w", "value": deep(100) },
            { "op": "move", "from": "/d", "path": format!("/w{path}/-") },
            { "op": "move", "from": "/w", "path": "/d" },
        ]);
        assert_eq!(json_patch(&json!({ "d": [] }), &round).map(|object| fields::depth(&object)), Ok(102));
        assert_eq!(json_patch(&json!({ "d": deep(100) }), &round), Err(Error::Rejected));
        let replaced = json!([
            { "op": "replace", "path": "/d", "value": deep(100) },
            { "op": "replace", "path": format!("/d{path}"), "value": deep(100) },
        ]);
        assert_eq!(json_patch(&json!({ "d": [] }), &replaced), Err(Error::Rejected));
    }

    #[test]
    fn what_is_moved_aside_is_bounded() {
        let object = json!({ "a": vec![0; 10_000] });
        let inserts = |count: usize| json!(vec![json!({ "op": "add", "path": "/a/0", "value": 1 }); count]);
        assert!(json_patch(&object, &inserts(4_000)).is_ok());
        assert_eq!(json_patch(&object, &inserts(6_000)), Err(Error::Rejected), "75 million moves");
        let appends = json!(vec![json!({ "op": "add", "path": "/a/-", "value": 1 }); 9_000]);
        assert!(json_patch(&object, &appends).is_ok(), "nothing is moved");
    }
}
