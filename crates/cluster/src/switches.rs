//! The labels and annotations by which an object steers its apply.
//!
//! Each may be a label or an annotation with the prefix `kustomize.toolkit.fluxcd.io/`; values
//! are compared without regard to case.

use serde_json::Value;

/// The prefix of all switches and of the two owner labels.
pub const PREFIX: &str = "kustomize.toolkit.fluxcd.io/";

/// Whether the switch `key` (without prefix) has this value on the object.
pub fn has(object: &Value, key: &str, value: &str) -> bool {
    let key = format!("{PREFIX}{key}");
    ["labels", "annotations"].iter().any(|place| {
        object["metadata"][place][&key].as_str().is_some_and(|found| found.eq_ignore_ascii_case(value))
    })
}

/// Neither applied nor pruned.
pub fn ignored(object: &Value) -> bool {
    has(object, "ssa", "Ignore") || has(object, "reconcile", "disabled")
}

/// Applied only when it does not exist.
pub fn only_if_absent(object: &Value) -> bool {
    has(object, "ssa", "IfNotPresent")
}

/// Left alone: it is not applied, or is there and asks for nothing more.
pub(crate) fn skipped(object: &Value, live: Option<&Value>) -> bool {
    ignored(object) || live.is_some_and(|live| ignored(live) || only_if_absent(object))
}

/// Fields of others are left alone.
pub fn merged(object: &Value) -> bool {
    has(object, "ssa", "Merge")
}

/// Deleted and created again when a field cannot be changed.
pub fn forced(object: &Value) -> bool {
    has(object, "force", "enabled")
}

/// Never deleted.
pub fn kept(object: &Value) -> bool {
    ignored(object) || has(object, "prune", "disabled")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_or_annotation_in_any_case() {
        let object = json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/ssa": "ignore"},
            "labels": {"kustomize.toolkit.fluxcd.io/force": "Enabled"}}});
        assert!(ignored(&object) && forced(&object) && kept(&object));
        assert!(!merged(&object) && !only_if_absent(&object));
        assert!(!kept(&json!({"metadata": {}})));
    }
}
