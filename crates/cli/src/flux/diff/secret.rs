//! Secrets without their values: what a comparison may show of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::drift;
use sealfast_k8s::object;
use serde_json::{Map, Value};

use crate::flux::local::mask::MASK;
use crate::flux::secret::Secret;

/// A value that is the same on both sides, or stands on one side alone.
pub(super) const SAME: &str = "***";
pub(super) const BEFORE: &str = "*** (before)";
pub(super) const AFTER: &str = "*** (after)";
/// A value of a Secret that is encrypted in its file.
const UNKNOWN: &str = "*****";

/// Covers the values of a Secret on both sides; any other object stays as it is.
///
/// Nothing comes back when there is nothing to tell: of the data of a Secret that is encrypted in its file only the keys
/// can be compared.
pub(super) fn masked(built: &Value, mut live: Secret, mut merged: Secret) -> Option<(Secret, Secret)> {
    if object::kind(merged.value()) != "Secret" {
        return Some((live, merged));
    }
    let (before, after) = (covered(&live, &merged, BEFORE), covered(&merged, &live, AFTER));
    live.cover("data", before);
    merged.cover("data", after);
    let is_encrypted = is_encrypted(built);
    for side in [&mut live, &mut merged] {
        side.cover("stringData", same_for_all(side, "stringData", SAME));
        if is_encrypted {
            side.cover("data", same_for_all(side, "data", UNKNOWN));
        }
    }
    let is_told = !is_encrypted || drift::differs(live.value(), merged.value(), &[]);
    is_told.then_some((live, merged))
}

fn data(side: &Value) -> Option<&Map<String, Value>> {
    side.get("data").and_then(Value::as_object)
}

/// Whether a Secret holds masks, because its values are encrypted.
fn is_encrypted(built: &Value) -> bool {
    data(built).into_iter().flatten().any(|(_, value)| {
        let decoded = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
        decoded.windows(MASK.len()).any(|window| window == MASK.as_bytes())
    })
}

/// What is shown of the data of one side: whether each value is another one on the other side.
fn covered(own: &Secret, other: &Secret, changed: &str) -> Option<Map<String, Value>> {
    let (own, other) = (data(own.value())?, data(other.value()));
    let covered = own.iter().map(|(key, value)| {
        let is_changed = other.and_then(|other| other.get(key)).is_some_and(|other| other != value);
        (key.clone(), Value::from(if is_changed { changed } else { SAME }))
    });
    Some(covered.collect())
}

fn same_for_all(side: &Secret, field: &str, shown: &str) -> Option<Map<String, Value>> {
    let values = side.value().get(field)?.as_object()?;
    Some(values.keys().map(|key| (key.clone(), shown.into())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Secret, masked};
    use serde_json::Value;

    /// Both sides as they may be shown.
    fn shown(built: &Value, live: &Value, merged: &Value) -> Option<(Value, Value)> {
        let (live, merged) = (Secret::found(live.clone()), Secret::found(merged.clone()));
        masked(built, live, merged).map(|(live, merged)| (live.value().clone(), merged.value().clone()))
    }

    #[test]
    fn no_value_is_shown() {
        let built = json!({ "data": { "a": "Mg==", "new": "eA==" } });
        let live = json!({ "kind": "Secret", "data": { "a": "MQ==", "b": "Yg==", "old": "eQ==" } });
        let merged = json!({ "kind": "Secret", "data": { "a": "Mg==", "b": "Yg==", "new": "eA==" } });
        let (live, merged) = shown(&built, &live, &merged).unwrap_or_default();
        assert_eq!(live["data"], json!({ "a": "*** (before)", "b": "***", "old": "***" }));
        assert_eq!(merged["data"], json!({ "a": "*** (after)", "b": "***", "new": "***" }));
    }

    #[test]
    fn of_encrypted_data_only_keys_count() {
        let built = json!({ "data": { "a": "KipTT1BTKio=" } });
        let live = json!({ "kind": "Secret", "data": { "a": "MQ==" }, "metadata": { "labels": {} } });
        let mut merged = json!({ "kind": "Secret", "data": { "a": "KipTT1BTKio=" } });
        assert_eq!(shown(&built, &live, &merged), None);
        for (field, value) in [("type", json!("Opaque")), ("immutable", json!(true))] {
            let mut changed = merged.clone();
            changed[field] = value;
            let (live, _) = shown(&built, &live, &changed).unwrap_or_default();
            assert_eq!(live["data"], json!({ "a": "*****" }), "{field}");
        }
        for place in ["labels", "annotations"] {
            let mut changed = merged.clone();
            changed["metadata"][place]["team"] = "a".into();
            assert!(shown(&built, &live, &changed).is_some(), "{place}");
        }
        merged["data"]["b"] = "KipTT1BTKio=".into();
        assert!(shown(&built, &live, &merged).is_some());
    }
}
