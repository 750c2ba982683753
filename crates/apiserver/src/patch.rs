//! The three patches: JSON patch, merge patch, strategic merge patch.
//!
//! Pure: object and patch in, changed object out. Server-side apply is in [`crate::managed_fields`].

mod json;
mod strategic;

use serde_json::{Map, Value};

pub(crate) use json::json_patch;
pub(crate) use strategic::strategic_merge_patch;

/// Why a patch cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The patch is not of the form it must have (400).
    #[error("{0}")]
    Malformed(String),
    /// A JSON patch that does not fit the object (422).
    #[error("the server rejected our request due to an error in our request")]
    Rejected,
    /// A strategic patch that cannot be followed (500).
    #[error("{0}")]
    Strategic(String),
}

/// Merges by RFC 7386: `null` removes, objects merge, all else replaces.
pub(crate) fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(fields) = patch else { return patch.clone() };
    let nothing = Map::new();
    let live = target.as_object().unwrap_or(&nothing);
    let untouched = live.iter().map(|(name, value)| match (fields.get(name), value) {
        (None, value) => (name.clone(), value.clone()),
        (Some(patch), Value::Object(_)) => (name.clone(), merge_patch(value, patch)),
        (Some(patch), _) => (name.clone(), without_nulls(patch)),
    });
    let fresh = fields.iter().filter(|(name, _)| !live.contains_key(*name));
    let fresh = fresh.map(|(name, patch)| (name.clone(), without_nulls(patch)));
    // A `null` at the top of a patch is what it patches to; in a map it takes the field away.
    let kept = |name: &String| fields.get(name).is_none_or(|patch| !patch.is_null());
    Value::Object(untouched.chain(fresh).filter(|(name, _)| kept(name)).collect())
}

/// What a merge patch brings where no map was: the maps in it, those in lists too, have no `null`.
fn without_nulls(patch: &Value) -> Value {
    match patch {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// An empty map, for values that are not there yet.
fn nothing() -> Value {
    Value::Object(Map::new())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_patch_follows_its_rfc() {
        let merged =
            merge_patch(&json!({ "a": 1, "b": { "c": 2, "d": 3 } }), &json!({ "a": null, "b": { "c": 4 } }));
        assert_eq!(merged, json!({ "b": { "c": 4, "d": 3 } }));
        // As the reference has it, and not the RFC.
        let patch = json!({ "l": [1, null, { "a": null, "b": 2 }], "m": { "n": null } });
        assert_eq!(merge_patch(&json!({}), &patch), json!({ "l": [1, null, { "b": 2 }], "m": {} }));
    }
}
