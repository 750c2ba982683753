//! Marks workloads ready: nothing runs here.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock;
use crate::fields::{self, get};
use crate::server::App;
use crate::storage::{Expect, Key};

/// Fills the status of a workload whose status is behind.
pub(crate) fn settle(app: &Arc<App>, key: &Key, object: &Value) {
    let Some(status) = wanted(&key.resource, object) else { return };
    if fields::is_deleting(object) || object.get("status") == Some(&status) {
        return;
    }
    let Some(stored) = app.store.get(key) else { return };
    let mut current = stored.object();
    if fields::meta(&current, "resourceVersion") != fields::meta(object, "resourceVersion") {
        // A later change comes by here as well.
        return;
    }
    current["status"] = status;
    let _ = app.store.put(key, &current, Expect::Revision(stored.revision));
}

fn wanted(resource: &str, object: &Value) -> Option<Value> {
    let generation = get(object, &["metadata", "generation"]).and_then(Value::as_i64).unwrap_or(1);
    let replicas = get(object, &["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(1);
    let old = &object["status"];
    let mut status = match resource {
        "deployments.apps" => {
            let mut status = json!({"observedGeneration": generation});
            counts(
                &mut status,
                &["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"],
                replicas,
            );
            let name = fields::name(object);
            let progress = format!("Deployment \"{name}\" has successfully progressed.");
            status["conditions"] = json!([
                condition(
                    old,
                    "Available",
                    "MinimumReplicasAvailable",
                    "Deployment has minimum availability."
                ),
                condition(old, "Progressing", "NewReplicaSetAvailable", &progress),
            ]);
            status
        }
        "statefulsets.apps" => {
            let revision = format!("{}-{}", fields::name(object), short_hash(&object["spec"]["template"]));
            let mut status = json!({"observedGeneration": generation, "replicas": replicas});
            counts(&mut status, &["readyReplicas", "currentReplicas", "updatedReplicas"], replicas);
            status["currentRevision"] = revision.as_str().into();
            status["updateRevision"] = revision.into();
            status["collisionCount"] = 0.into();
            status["availableReplicas"] = replicas.into();
            status
        }
        "daemonsets.apps" => json!({
            "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1, "numberReady": 1,
            "observedGeneration": generation, "updatedNumberScheduled": 1, "numberAvailable": 1,
        }),
        "replicasets.apps" => {
            let mut status = json!({"replicas": replicas, "observedGeneration": generation});
            counts(&mut status, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"], replicas);
            status
        }
        _ => return None,
    };
    if resource == "deployments.apps"
        && let Some(collisions) = old.get("collisionCount")
    {
        status["collisionCount"] = collisions.clone();
    }
    Some(status)
}

/// Counts of zero are left out.
fn counts(status: &mut Value, keys: &[&str], count: i64) {
    for key in keys.iter().filter(|_| count > 0) {
        status[*key] = count.into();
    }
}

fn condition(old: &Value, kind: &str, reason: &str, message: &str) -> Value {
    let known =
        old["conditions"].as_array().into_iter().flatten().find(|condition| condition["type"] == kind);
    if let Some(known) = known.filter(|known| known["status"] == "True" && known["reason"] == reason) {
        return known.clone();
    }
    let now = clock::now();
    json!({
        "type": kind, "status": "True", "lastUpdateTime": now, "lastTransitionTime": now,
        "reason": reason, "message": message,
    })
}

/// Ten letters that stand for a pod template.
fn short_hash(template: &Value) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(template.to_string());
    clock::hex(&digest[..5])
}
