//! Requests for certificates: who asks, and what a verdict leaves as it was.
//!
//! Nobody signs them here.

use serde_json::{Value, json};

use crate::clock;
use crate::fields;
use crate::user::User;

/// What a new request says about itself.
pub(crate) fn prepare(user: &User, request: &mut Value) {
    let spec = fields::child(request, "spec");
    for field in ["username", "uid", "groups", "extra"] {
        spec.shift_remove(field);
    }
    spec.insert("username".into(), user.name.as_str().into());
    if !user.uid.is_empty() {
        spec.insert("uid".into(), user.uid.as_str().into());
    }
    if !user.groups.is_empty() {
        spec.insert("groups".into(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        spec.insert("extra".into(), json!(user.extra));
    }
}

/// The request itself stays as it is, a status keeps as many verdicts as it has, and an approval changes nothing but
/// conditions.
pub(crate) fn keep_rest(subresource: &str, old: &Value, new: &mut Value) {
    if let Some(spec) = old.get("spec") {
        new["spec"] = spec.clone();
    }
    let conditions = new.pointer(CONDITIONS).cloned();
    match subresource {
        "status" => {
            let kept: Vec<Value> = verdicts(&old["status"]).cloned().collect();
            let same = verdicts(&new["status"]).count() == kept.len();
            let places = conditions_of(new);
            for (place, kept) in places.filter(|one| is_verdict(one)).zip(kept).filter(|_| same) {
                *place = kept;
            }
        }
        "approval" => {
            new["status"] = old.get("status").cloned().unwrap_or_else(|| json!({}));
            new["status"]["conditions"] = conditions.filter(Value::is_array).unwrap_or_else(|| json!([]));
        }
        _ => {}
    }
    let before = old["status"]["conditions"].as_array().cloned().unwrap_or_default();
    for condition in conditions_of(new) {
        date(condition, &before);
    }
}

const CONDITIONS: &str = "/status/conditions";

fn conditions_of(request: &mut Value) -> impl Iterator<Item = &mut Value> {
    request.pointer_mut(CONDITIONS).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Fills in when a condition changed.
fn date(condition: &mut Value, before: &[Value]) {
    let twin = before.iter().find(|old| {
        ["type", "status"].iter().all(|key| old[key] == condition[key])
            && old["lastTransitionTime"].is_string()
    });
    let since = twin.map_or_else(|| clock::now().into(), |old| old["lastTransitionTime"].clone());
    for (field, value) in [("lastUpdateTime", clock::now().into()), ("lastTransitionTime", since)] {
        if condition[field].is_null() {
            condition[field] = value;
        }
    }
}

fn verdicts(status: &Value) -> impl Iterator<Item = &Value> {
    status["conditions"].as_array().into_iter().flatten().filter(|one| is_verdict(one))
}

fn is_verdict(condition: &Value) -> bool {
    condition["type"] == "Approved" || condition["type"] == "Denied"
}
