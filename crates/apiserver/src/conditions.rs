//! The conditions in an object's status, one of each type.

use serde_json::{Value, json};

/// True when a condition is `True`.
pub(crate) fn holds(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// Sets a condition; the transition time moves only with the status.
pub(crate) fn set(object: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: &str) {
    let list = &mut object["status"]["conditions"];
    let known = list.as_array().into_iter().flatten().find(|known| known["type"] == kind);
    let since = known.filter(|known| known["status"] == status).map(|known| &known["lastTransitionTime"]);
    let since = since.and_then(Value::as_str).unwrap_or(now);
    let condition = json!({
        "type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message,
    });
    put(list, condition);
}

/// Puts a condition in the place of the one of its type.
pub(crate) fn put(conditions: &mut Value, condition: Value) {
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(conditions) = conditions.as_array_mut() else { return };
    match conditions.iter_mut().find(|known| known["type"] == condition["type"]) {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
}
