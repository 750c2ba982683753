//! The life of a CRD: names accepted, established, emptied, gone.

use serde_json::{Map, Value, json};

use crate::fields;
use crate::status_error::Cause;

/// True when a condition is `True`.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    fields::get(object, &["status", "conditions"]).and_then(Value::as_array).is_some_and(|list| {
        list.iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
    })
}

/// What the server fills in at creation.
pub(crate) fn prepare(definition: &mut Value) {
    default_names(definition);
    let storage: Vec<Value> = storage_version(definition).map(Value::from).into_iter().collect();
    definition["status"] =
        json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": storage});
}

/// What the server fills in at every write.
pub(crate) fn default_names(definition: &mut Value) {
    let spec = fields::child(definition, "spec");
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
        spec.shift_remove("preserveUnknownFields");
    }
    let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) else { return };
    let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    fill(names, "singular", || kind.to_lowercase());
    fill(names, "listKind", || format!("{kind}List"));
}

/// Accepts the names unless another definition of the group holds them, and establishes.
pub(crate) fn establish(definition: &mut Value, others: &[Value], now: &str) {
    let names = definition["spec"]["names"].clone();
    let conflict = others.iter().find_map(|other| name_conflict(definition, other));
    let accepted = match conflict {
        None => {
            definition["status"]["acceptedNames"] = names;
            ("True", "NoConflicts", "no conflicts found".to_owned())
        }
        Some((reason, message)) => ("False", reason, message),
    };
    set_condition(definition, "NamesAccepted", accepted.0, accepted.1, &accepted.2, now);
    if accepted.0 == "True" {
        let text = "the initial names have been accepted";
        set_condition(definition, "Established", "True", "InitialNamesAccepted", text, now);
    } else if !has_condition(definition, "Established") {
        set_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", now);
    }
    remember_storage(definition);
}

/// Sets a condition; the transition time moves only with the status.
pub(crate) fn set_condition(
    object: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) {
    let status_map = fields::child(object, "status");
    let conditions = status_map.entry("conditions").or_insert(Value::Null);
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(list) = conditions.as_array_mut() else { return };
    let made = |since: &str| json!({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message});
    match list.iter_mut().find(|condition| condition["type"] == kind) {
        Some(condition) => {
            let since = if condition["status"] == status {
                condition["lastTransitionTime"].as_str().unwrap_or(now).to_owned()
            } else {
                now.to_owned()
            };
            *condition = made(&since);
        }
        None => list.push(made(now)),
    }
}

/// Fields of a definition that never change.
pub(crate) fn immutable(new: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let established = has_condition(old, "Established");
    for path in
        [&["spec", "group"][..], &["spec", "names", "plural"], &["spec", "scope"], &["spec", "names", "kind"]]
    {
        let conditional = matches!(path, ["spec", "scope"] | ["spec", "names", "kind"]);
        let changed = fields::get(new, path) != fields::get(old, path);
        if changed && (established || !conditional) {
            let value = fields::get(new, path).cloned().unwrap_or(Value::Null);
            causes.push(Cause::invalid(path.join("."), &value, "field is immutable"));
        }
    }
    causes
}

/// The version that objects are stored in.
pub(crate) fn storage_version(definition: &Value) -> Option<String> {
    let versions = fields::get(definition, &["spec", "versions"])?.as_array()?;
    let storage = versions.iter().find(|version| version["storage"] == true)?;
    storage["name"].as_str().map(str::to_owned)
}

fn remember_storage(definition: &mut Value) {
    let Some(version) = storage_version(definition) else { return };
    let stored = fields::child(definition, "status").entry("storedVersions").or_insert_with(|| json!([]));
    if let Some(list) = stored.as_array_mut()
        && !list.iter().any(|known| known == &version)
    {
        list.push(version.into());
    }
}

fn name_conflict(definition: &Value, other: &Value) -> Option<(&'static str, String)> {
    if fields::name(definition) == fields::name(other)
        || definition["spec"]["group"] != other["spec"]["group"]
    {
        return None;
    }
    let (wanted, held) = (&definition["spec"]["names"], &other["status"]["acceptedNames"]);
    let words = |names: &Value| -> Vec<String> {
        let mut out: Vec<String> =
            ["plural", "singular"].iter().filter_map(|key| names[key].as_str()).map(str::to_owned).collect();
        let short = names["shortNames"].as_array().into_iter().flatten();
        out.extend(short.filter_map(Value::as_str).map(str::to_owned));
        out
    };
    let held_words = words(held);
    let taken = |name: &str| held_words.iter().any(|word| word == name);
    let text = |key: &str| wanted[key].as_str().unwrap_or_default().to_owned();
    if taken(&text("plural")) {
        return Some(("PluralConflict", format!("\"{}\" is already in use", text("plural"))));
    }
    if taken(&text("singular")) {
        return Some(("SingularConflict", format!("\"{}\" is already in use", text("singular"))));
    }
    let short = wanted["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(name) = short.into_iter().find(|name| taken(name)) {
        return Some(("ShortNamesConflict", format!("\"{name}\" is already in use")));
    }
    for (key, reason) in [("kind", "KindConflict"), ("listKind", "ListKindConflict")] {
        if held["kind"] == wanted[key] || held["listKind"] == wanted[key] {
            return Some((reason, format!("\"{}\" is already in use", text(key))));
        }
    }
    None
}

fn fill(names: &mut Map<String, Value>, key: &str, value: impl FnOnce() -> String) {
    if names.get(key).and_then(Value::as_str).unwrap_or_default().is_empty() {
        names.insert(key.into(), value().into());
    }
}

/// Kept on a definition that is going until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Where definitions are stored.
pub(crate) const KEY: &str = "customresourcedefinitions.apiextensions.k8s.io";
