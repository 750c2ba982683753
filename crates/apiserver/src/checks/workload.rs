//! Workloads: selectors that fit, containers, fields that never change.

use serde_json::{Value, json};

use super::pod;
use crate::fields::{self, get, text};
use crate::status_error::Cause;

/// Deployments, StatefulSets and their like.
pub(super) fn controller(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    if spec["replicas"].as_i64().is_some_and(|count| count < 0) {
        causes.push(Cause::invalid("spec.replicas", &spec["replicas"], "must be greater than or equal to 0"));
    }
    let selector = &spec["selector"];
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if is_empty(selector) {
        causes.push(Cause::invalid("spec.selector", &json!({}), "empty selector is invalid for deployment"));
    }
    let labels = get(spec, &["template", "metadata", "labels"]);
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let fits = wanted.is_some_and(|wanted| {
        wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    });
    let by_expression = selector.get("matchExpressions").is_some_and(|list| !list.is_null());
    if !fits && !by_expression {
        let shown = labels.cloned().unwrap_or(Value::Null);
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            &shown,
            "`selector` does not match template `labels`",
        ));
    }
    let mut template = spec["template"]["spec"].clone();
    if let (Some(template), Some(claims)) = (template.as_object_mut(), spec.get("volumeClaimTemplates")) {
        // Mounts may name these too.
        template.insert("volumeClaimTemplates".into(), claims.clone());
    }
    causes.extend(pod::spec(&template, "spec.template.spec"));
    if template["restartPolicy"].as_str().is_some_and(|policy| ["Never", "OnFailure"].contains(&policy)) {
        let field = "spec.template.spec.restartPolicy";
        causes.push(Cause::not_supported(field, &template["restartPolicy"], &["Always"]));
    }
    if object["kind"] == "Deployment" {
        causes.extend(strategy(spec));
    }
    causes
}

/// The strategy of a Deployment.
fn strategy(spec: &Value) -> Vec<Cause> {
    let strategy = &spec["strategy"];
    let rolling = strategy.get("rollingUpdate").filter(|rolling| !rolling.is_null());
    match (text(strategy, &["type"]), rolling) {
        ("Recreate", Some(_)) => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            vec![Cause::forbidden("spec.strategy.rollingUpdate", why)]
        }
        ("RollingUpdate", Some(rolling)) => {
            let none = |key: &str| rolling[key] == 0 || rolling[key] == "0%";
            if !(none("maxSurge") && none("maxUnavailable")) {
                return Vec::new();
            }
            let why = "may not be 0 when `maxSurge` is 0";
            let field = "spec.strategy.rollingUpdate.maxUnavailable";
            vec![Cause::invalid(field, &rolling["maxUnavailable"], why)]
        }
        ("Recreate" | "RollingUpdate" | "", _) => Vec::new(),
        _ => vec![Cause::not_supported(
            "spec.strategy.type",
            &strategy["type"],
            &["Recreate", "RollingUpdate"],
        )],
    }
}

/// What may not change.
pub(super) fn changed(key: &str, new: &Value, old: &Value) -> Vec<Cause> {
    match key {
        "statefulsets.apps" => {
            let fixed = |object: &Value| {
                let mut spec = object["spec"].clone();
                if let Some(map) = spec.as_object_mut() {
                    map.retain(|name, _| !FREE.contains(&name.as_str()));
                }
                spec
            };
            if fixed(new) == fixed(old) { Vec::new() } else { vec![Cause::forbidden("spec", STATEFUL)] }
        }
        "jobs.batch" => {
            let fields = ["completions", "selector", "template", "completionMode"];
            let moved = fields.iter().filter(|field| new["spec"][**field] != old["spec"][**field]);
            moved
                .map(|field| {
                    Cause::invalid(format!("spec.{field}"), &new["spec"][*field], "field is immutable")
                })
                .collect()
        }
        "pods" => {
            let names = |object: &Value| -> Vec<String> {
                let list = object["spec"]["containers"].as_array().into_iter().flatten();
                list.map(|container| text(container, &["name"]).to_owned()).collect()
            };
            if names(new) == names(old) {
                let same = free_of_changes(new) == free_of_changes(old);
                return if same { Vec::new() } else { vec![Cause::forbidden("spec", POD_UPDATE)] };
            }
            let why = "pod updates may not add or remove containers";
            vec![Cause::forbidden("spec.containers", why)]
        }
        _ if new["spec"]["selector"] != old["spec"]["selector"] => {
            vec![Cause::invalid("spec.selector", &new["spec"]["selector"], "field is immutable")]
        }
        _ => Vec::new(),
    }
}

/// The spec of a Pod without what may change.
fn free_of_changes(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for field in ["activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates"]
    {
        fields::remove(&mut spec, field);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            fields::remove(container, "image");
        }
    }
    spec
}

const POD_UPDATE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn is_empty(selector: &Value) -> bool {
    let empty = |key: &str| match &selector[key] {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => true,
    };
    empty("matchLabels") && empty("matchExpressions")
}

const FREE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];
const STATEFUL: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
