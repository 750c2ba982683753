//! A ReplicaSet and its Pods.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{alive, children, make, ready, reference, write_status};
use crate::app::App;
use crate::clock;
use crate::fields::{self, get};
use crate::keys::PODS;
use crate::kin::Kin;
use crate::storage::Key;

/// Makes and deletes Pods until there are as many as wanted, and counts them.
pub(super) fn settle(app: &Arc<App>, kin: &mut Kin, key: &Key) {
    let Some((_, set)) = alive(app, key) else { return };
    if !app.ready_workloads {
        adjust(app, kin, key, &set);
    }
    let Some((stored, set)) = alive(app, key) else { return };
    let status = match app.ready_workloads {
        true => ready::status(&key.resource, &set),
        false => Some(count(&set, &children(app, kin, &set, PODS))),
    };
    if let Some(status) = status {
        write_status(app, key, &stored, status);
    }
}

fn adjust(app: &Arc<App>, kin: &mut Kin, key: &Key, set: &Value) {
    let pods = children(app, kin, set, PODS);
    let wanted = get(set, &["spec", "replicas"]).and_then(Value::as_u64).unwrap_or(1);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(MOST_PODS);
    for _ in pods.len()..wanted {
        make(app, kin, PODS, pod(key, set));
    }
    for (key, _) in pods.iter().skip(wanted) {
        if let Some(stored) = app.store.get(key) {
            crate::deletion::delete(app, key, &stored, "Background");
        }
    }
}

fn pod(key: &Key, set: &Value) -> Value {
    let mut metadata = json!({
        "name": format!("{}-{}", key.name, clock::suffix(5)), "generateName": format!("{}-", key.name),
        "namespace": key.namespace, "ownerReferences": [reference("ReplicaSet", set)],
    });
    for part in ["labels", "annotations"] {
        if let Some(value) = get(set, &["spec", "template", "metadata", part]) {
            metadata[part] = value.clone();
        }
    }
    let spec = get(set, &["spec", "template", "spec"]).cloned().unwrap_or_else(|| json!({}));
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec})
}

fn count(set: &Value, pods: &[(Key, Value)]) -> Value {
    let ready = pods.iter().filter(|(_, pod)| crate::conditions::holds(pod, "Ready")).count();
    let mut status = json!({"replicas": pods.len(), "terminatingReplicas": 0});
    for (name, number) in
        [("fullyLabeledReplicas", pods.len()), ("readyReplicas", ready), ("availableReplicas", ready)]
    {
        if number > 0 {
            status[name] = number.into();
        }
    }
    if let Some(generation) = get(set, &["metadata", "generation"]) {
        status["observedGeneration"] = generation.clone();
    }
    status
}

/// Nothing runs, so more would only fill the memory.
const MOST_PODS: usize = 100;

/// How many replicas are wanted, and how many are there, ready and available.
pub(super) fn counts(set: &Value) -> [i64; 3] {
    let number = |path: &[&str]| fields::get(set, path).and_then(Value::as_i64).unwrap_or(0);
    [
        number(&["status", "replicas"]),
        number(&["status", "readyReplicas"]),
        number(&["status", "availableReplicas"]),
    ]
}
