//! Secrets without their values: what a comparison may show of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::drift;
use sealfast_k8s::object;
use serde_json::{Map, Value};

use crate::flux::local::mask::MASK;

/// A value that is the same on both sides, or stands on one side alone.
pub(super) const SAME: &str = "***";
pub(super) const BEFORE: &str = "*** (before)";
pub(super) const AFTER: &str = "*** (after)";
/// A value of a Secret that is encrypted in its file.
const UNKNOWN: &str = "*****";

/// Covers the values of a Secret on both sides; any other object stays as it is.
///
/// Returns whether there is anything to tell: of the data of a Secret that is encrypted in its file only the keys can be
/// compared.
pub(super) fn masked(built: &Value, live: &mut Value, merged: &mut Value) -> bool {
    if object::kind(merged) != "Secret" {
        return true;
    }
    cover(live, merged);
    if !is_encrypted(built) {
        return true;
    }
    for side in [&mut *live, &mut *merged] {
        let values = side.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten();
        values.for_each(|(_, value)| *value = UNKNOWN.into());
    }
    drift::differs(live, merged, &[])
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

fn cover(live: &mut Value, merged: &mut Value) {
    let (before, after) = (data(live).cloned(), data(merged).cloned());
    let cover = |own: &Map<String, Value>, other: Option<&Map<String, Value>>, changed: &str| -> Value {
        let covered = own.iter().map(|(key, value)| {
            let is_changed = other.and_then(|other| other.get(key)).is_some_and(|other| other != value);
            (key.clone(), Value::from(if is_changed { changed } else { SAME }))
        });
        Value::Object(covered.collect())
    };
    if let Some(own) = &before {
        live["data"] = cover(own, after.as_ref(), BEFORE);
    }
    if let Some(own) = &after {
        merged["data"] = cover(own, before.as_ref(), AFTER);
    }
    for side in [live, merged] {
        if let Some(texts) = side.get_mut("stringData").and_then(Value::as_object_mut) {
            texts.values_mut().for_each(|value| *value = SAME.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::masked;

    #[test]
    fn no_value_is_shown() {
        let built = json!({ "data": { "a": "Mg==", "new": "eA==" } });
        let mut live = json!({ "kind": "Secret", "data": { "a": "MQ==", "b": "Yg==", "old": "eQ==" } });
        let mut merged = json!({ "kind": "Secret", "data": { "a": "Mg==", "b": "Yg==", "new": "eA==" } });
        assert!(masked(&built, &mut live, &mut merged));
        assert_eq!(live["data"], json!({ "a": "*** (before)", "b": "***", "old": "***" }));
        assert_eq!(merged["data"], json!({ "a": "*** (after)", "b": "***", "new": "***" }));
    }

    #[test]
    fn of_encrypted_data_only_keys_count() {
        let built = json!({ "data": { "a": "KipTT1BTKio=" } });
        let mut live = json!({ "kind": "Secret", "data": { "a": "MQ==" }, "metadata": { "labels": {} } });
        let mut merged = json!({ "kind": "Secret", "data": { "a": "KipTT1BTKio=" } });
        assert!(!masked(&built, &mut live, &mut merged));
        assert_eq!(live["data"], json!({ "a": "*****" }));
        for (field, value) in [("type", json!("Opaque")), ("immutable", json!(true))] {
            let mut changed = merged.clone();
            changed[field] = value;
            assert!(masked(&built, &mut live, &mut changed), "{field}");
        }
        for place in ["labels", "annotations"] {
            let mut changed = merged.clone();
            changed["metadata"][place]["team"] = "a".into();
            assert!(masked(&built, &mut live, &mut changed), "{place}");
        }
        merged["data"]["b"] = "KipTT1BTKio=".into();
        assert!(masked(&built, &mut live, &mut merged));
    }
}
