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
    let mut merged = target.as_object().cloned().unwrap_or_default();
    for (name, value) in fields {
        if value.is_null() {
            merged.shift_remove(name);
            continue;
        }
        let value = merge_patch(merged.get(name).unwrap_or(&Value::Null), value);
        merged.insert(name.clone(), value);
    }
    Value::Object(merged)
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
    }
}
