//! Who owns which field: entries of `managedFields`, united and taken over.

use serde_json::{Map, Value, json};

/// One kind of field manager whose fields we take over.
struct Taken {
    prefix: &'static str,
    applies: bool,
    updates: bool,
}

/// Managers that wrote before us and must not keep what we no longer want.
const TAKEN: [Taken; 3] = [
    Taken { prefix: "kubectl", applies: true, updates: true },
    Taken { prefix: "before-first-apply", applies: false, updates: true },
    Taken { prefix: "kustomize-controller", applies: false, updates: true },
];
/// Annotations that earlier tools left behind.
const OLD_ANNOTATIONS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];
const OLD_LABELS: [&str; 1] = ["fluxcd.io/sync-gc-mark"];

/// The JSON patch that takes fields over for `manager` and removes what earlier tools left;
/// none when there is nothing to do.
pub fn takeover(live: &Value, manager: &str, also: &[String]) -> Option<Value> {
    let mut operations = Vec::new();
    for (place, keys) in [("annotations", &OLD_ANNOTATIONS[..]), ("labels", &OLD_LABELS[..])] {
        for key in keys.iter().filter(|key| live["metadata"][place].get(**key).is_some()) {
            let pointer = key.replace('~', "~0").replace('/', "~1");
            operations.push(json!({"op": "remove", "path": format!("/metadata/{place}/{pointer}")}));
        }
    }
    if let Some(entries) = merged_entries(live, manager, also) {
        operations.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": entries}));
    }
    if operations.is_empty() {
        return None;
    }
    if let Some(version) = live["metadata"]["resourceVersion"].as_str() {
        operations.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version}));
    }
    Some(Value::Array(operations))
}

/// The JSON patch that moves all entries to another version of the kind; none when they are there.
pub fn migration(live: &Value, api_version: &str) -> Option<Value> {
    let mut entries = live["metadata"]["managedFields"].as_array()?.clone();
    if entries.iter().all(|entry| entry["apiVersion"] == api_version) {
        return None;
    }
    for entry in &mut entries {
        entry["apiVersion"] = api_version.into();
    }
    Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]))
}

fn is_taken(entry: &Value, also: &[String]) -> bool {
    let name = entry["manager"].as_str().unwrap_or_default();
    let apply = entry["operation"] == "Apply";
    let main = entry["subresource"].as_str().unwrap_or_default().is_empty();
    let listed =
        TAKEN.iter().any(|t| name.starts_with(t.prefix) && if apply { t.applies } else { t.updates });
    main && (listed || also.iter().any(|prefix| name.starts_with(prefix.as_str())))
}

fn merged_entries(live: &Value, manager: &str, also: &[String]) -> Option<Vec<Value>> {
    let entries = live["metadata"]["managedFields"].as_array()?;
    let is_ours = |e: &Value| {
        e["manager"] == manager
            && e["operation"] == "Apply"
            && e["subresource"].as_str().unwrap_or_default().is_empty()
    };
    let (taken, mut kept): (Vec<Value>, Vec<Value>) =
        entries.iter().cloned().partition(|e| !is_ours(e) && is_taken(e, also));
    let first = taken.first()?.clone();
    let at = match kept.iter().position(is_ours) {
        Some(at) => at,
        None => {
            let mut ours = first;
            ours["manager"] = manager.into();
            ours["operation"] = "Apply".into();
            kept.push(ours);
            kept.len() - 1
        }
    };
    for entry in &taken {
        unite(&mut kept[at]["fieldsV1"], &entry["fieldsV1"]);
    }
    Some(kept)
}

/// Adds the fields of `more` to `fields`; both are field sets in their JSON form.
pub fn unite(fields: &mut Value, more: &Value) {
    let Value::Object(more) = more else { return };
    if !fields.is_object() {
        *fields = Value::Object(Map::new());
    }
    let Value::Object(fields) = fields else { return };
    for (key, inner) in more {
        unite(fields.entry(key.clone()).or_insert_with(|| Value::Object(Map::new())), inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_gives_way() {
        let live = json!({"metadata": {"resourceVersion": "7",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "managedFields": [
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:mine": {}}}},
                {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": {"f:data": {"f:key": {}}}},
                {"manager": "other", "operation": "Update", "fieldsV1": {"f:data": {"f:x": {}}}},
                {"manager": "kubectl", "operation": "Update", "subresource": "status", "fieldsV1": {}}]}});
        let patch = takeover(&live, "kustomize-controller", &[]).unwrap_or_default();
        assert_eq!(
            patch[0]["path"],
            "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
        );
        let entries = patch[1]["value"].as_array().cloned().unwrap_or_default();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0]["fieldsV1"], json!({"f:data": {"f:key": {}, "f:mine": {}}}));
        assert_eq!(patch[2]["value"], "7");
    }

    #[test]
    fn entries_move_to_the_applied_version() {
        let live = json!({"metadata": {"resourceVersion": "3", "managedFields": [
            {"manager": "a", "apiVersion": "x/v1beta1"}, {"manager": "b", "apiVersion": "x/v1"}]}});
        let patch = migration(&live, "x/v1").unwrap_or_default();
        assert_eq!(patch[0]["value"][0]["apiVersion"], "x/v1");
        assert_eq!(
            migration(&json!({"metadata": {"managedFields": [{"apiVersion": "x/v1"}]}}), "x/v1"),
            None
        );
    }

    #[test]
    fn nothing_to_do_is_no_patch() {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": {}},
            {"manager": "flux-client-side-apply", "operation": "Update", "fieldsV1": {}}]}});
        assert_eq!(takeover(&live, "kustomize-controller", &[]), None);
        assert!(takeover(&live, "kustomize-controller", &["flux".into()]).is_some());
    }
}
