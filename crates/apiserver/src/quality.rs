//! The class of service that a pod is in.

use serde_json::Value;

/// The class that a pod's requests and limits put it in.
pub(crate) fn quality(spec: &Value) -> &'static str {
    let containers = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let part = |container: &Value, key: &str, resource: &str| container["resources"][key][resource].clone();
    let stated = |container: &Value| {
        ["cpu", "memory"].iter().any(|resource| {
            ["requests", "limits"].iter().any(|key| !part(container, key, resource).is_null())
        })
    };
    let bound = |container: &Value| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = part(container, "limits", resource);
            let request = part(container, "requests", resource);
            !limit.is_null() && (request.is_null() || request == limit)
        })
    };
    if !containers.iter().any(stated) {
        "BestEffort"
    } else if containers.iter().all(bound) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
