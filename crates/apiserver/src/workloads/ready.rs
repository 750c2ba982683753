//! The status of workloads that are said to be ready although nothing runs.

use serde_json::{Value, json};

use super::{AVAILABLE, condition, finished, template_hash};
use crate::fields::{self, get};
use crate::keys::{DEPLOYMENTS, JOBS, PODS, REPLICA_SETS, SERVICES};

/// The status that a ready workload has; `None` for kinds that have none.
pub(super) fn status(resource: &str, object: &Value) -> Option<Value> {
    let generation = get(object, &["metadata", "generation"]).and_then(Value::as_i64).unwrap_or(1);
    let replicas = get(object, &["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(1);
    Some(match resource {
        DEPLOYMENTS => deployment(object, generation, replicas),
        "statefulsets.apps" => stateful_set(object, generation, replicas),
        "daemonsets.apps" => json!({
            "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1, "numberReady": 1,
            "observedGeneration": generation, "updatedNumberScheduled": 1, "numberAvailable": 1,
        }),
        REPLICA_SETS => {
            let mut status =
                json!({"replicas": replicas, "observedGeneration": generation, "terminatingReplicas": 0});
            counts(&mut status, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"], replicas);
            status
        }
        PODS => return Some(finished::pod(object)),
        JOBS => return finished::job(object),
        "persistentvolumeclaims" => return Some(finished::claim(object)),
        SERVICES => return finished::balanced(object),
        _ => return None,
    })
}

fn deployment(object: &Value, generation: i64, replicas: i64) -> Value {
    let old = &object["status"];
    let mut status = json!({"observedGeneration": generation});
    counts(&mut status, &["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"], replicas);
    status["terminatingReplicas"] = 0.into();
    let progress = format!("Deployment \"{}\" has successfully progressed.", fields::name(object));
    status["conditions"] = json!([
        condition(old, "Available", "True", "MinimumReplicasAvailable", AVAILABLE),
        condition(old, "Progressing", "True", "NewReplicaSetAvailable", &progress),
    ]);
    if let Some(collisions) = old.get("collisionCount") {
        status["collisionCount"] = collisions.clone();
    }
    status
}

fn stateful_set(object: &Value, generation: i64, replicas: i64) -> Value {
    let revision = format!("{}-{}", fields::name(object), template_hash(&object["spec"]["template"]));
    let mut status = json!({"observedGeneration": generation, "replicas": replicas});
    counts(&mut status, &["readyReplicas", "currentReplicas", "updatedReplicas"], replicas);
    status["currentRevision"] = revision.as_str().into();
    status["updateRevision"] = revision.into();
    status["collisionCount"] = 0.into();
    status["availableReplicas"] = replicas.into();
    status
}

/// Counts of zero are left out.
fn counts(status: &mut Value, keys: &[&str], count: i64) {
    for key in keys.iter().filter(|_| count > 0) {
        status[*key] = count.into();
    }
}
