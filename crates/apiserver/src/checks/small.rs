//! Kinds with a rule or two.

use serde_json::{Value, json};

use super::list;
use crate::fields::{get, text};
use crate::status_error::Cause;

/// Lease: positive durations.
pub(super) fn lease(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    causes.extend(at_least(spec, "spec", "leaseDurationSeconds", 1, "must be greater than 0"));
    causes.extend(at_least(spec, "spec", "leaseTransitions", 0, "must be greater than or equal to 0"));
    causes
}

/// Ingress: a backend or rules, whose paths are absolute and typed.
pub(super) fn ingress(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    if list(spec, "rules").is_empty() && spec.get("defaultBackend").is_none() {
        causes.push(Cause::invalid("spec", spec, "either `defaultBackend` or `rules` must be specified"));
    }
    for (at, rule) in list(spec, "rules").iter().enumerate() {
        let Some(http) = rule.get("http") else { continue };
        if list(http, "paths").is_empty() {
            causes.push(Cause::required(format!("spec.rules[{at}].http.paths"), ""));
        }
        for (number, path) in list(http, "paths").iter().enumerate() {
            causes.extend(ingress_path(path, &format!("spec.rules[{at}].http.paths[{number}]")));
        }
    }
    causes
}

fn ingress_path(path: &Value, place: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
    let (kind, stated) = (text(path, &["pathType"]), text(path, &["path"]));
    if kind.is_empty() {
        causes.push(Cause::required(format!("{place}.pathType"), "pathType must be specified"));
    } else if !kinds.contains(&kind) {
        causes.push(Cause::not_supported(format!("{place}.pathType"), &json!(kind), &kinds));
    } else if !stated.starts_with('/') && (kind != "ImplementationSpecific" || !stated.is_empty()) {
        causes.push(Cause::invalid(format!("{place}.path"), &json!(stated), "must be an absolute path"));
    }
    let service = get(path, &["backend", "service"]);
    if let Some(service) = service
        && text(service, &["name"]).is_empty()
    {
        causes.push(Cause::required(format!("{place}.backend.service.name"), ""));
    }
    causes
}

/// PersistentVolumeClaim: how it is used, and how large it is.
pub(super) fn claim(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    if list(spec, "accessModes").is_empty() {
        causes.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    for (at, mode) in list(spec, "accessModes").iter().enumerate() {
        let modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
        if mode.as_str().is_none_or(|mode| !modes.contains(&mode)) {
            causes.push(Cause::not_supported(format!("spec.accessModes[{at}]"), mode, &modes));
        }
    }
    if get(spec, &["resources", "requests", "storage"]).is_none() {
        causes.push(Cause::required("spec.resources[storage]", ""));
    }
    causes
}

/// PodDisruptionBudget: one bound.
pub(super) fn budget(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        return vec![Cause::invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")];
    }
    Vec::new()
}

/// HorizontalPodAutoscaler: bounds in order, and a target.
pub(super) fn autoscaler(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    let least = spec["minReplicas"].as_i64().unwrap_or(1);
    causes.extend(at_least(spec, "spec", "minReplicas", 1, "must be greater than or equal to 1"));
    let most = spec["maxReplicas"].as_i64().unwrap_or(0);
    if most < 1 {
        causes.push(Cause::invalid("spec.maxReplicas", &json!(most), "must be greater than 0"));
    }
    if most < least {
        let why = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid("spec.maxReplicas", &json!(most), why));
    }
    for key in ["kind", "name"] {
        if text(spec, &["scaleTargetRef", key]).is_empty() {
            causes.push(Cause::required(format!("spec.scaleTargetRef.{key}"), ""));
        }
    }
    causes
}

/// StorageClass: somebody who provides.
pub(super) fn storage_class(object: &Value) -> Vec<Cause> {
    let none = text(object, &["provisioner"]).is_empty();
    if none { vec![Cause::required("provisioner", "")] } else { Vec::new() }
}

fn at_least(spec: &Value, path: &str, key: &str, least: i64, why: &str) -> Option<Cause> {
    let value = &spec[key];
    let wrong = value.as_i64().is_some_and(|number| number < least);
    wrong.then(|| Cause::invalid(format!("{path}.{key}"), value, why))
}
