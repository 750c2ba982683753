//! The status of one object, told from its content: the kstatus rules.
//!
//! Follows: kstatus of fluxcd/cli-utils 1.2.2, with Flux's own rule for Jobs.

use jiff::Timestamp;
use serde_json::Value;

/// How an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// As it should be.
    Current,
    /// On its way.
    InProgress,
    /// It will not get there by itself.
    Failed,
    /// On its way out.
    Terminating,
    /// Not there.
    NotFound,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// A Pod that found no node for this long has failed.
const UNSCHEDULABLE_SECONDS: i64 = 15;

/// Judges an object by the built-in rules; `now` matters for Pods that wait for a node.
pub fn status(object: &Value, now: Timestamp) -> Status {
    let group = group(object);
    // The reference's own rule for Jobs passes over what holds for all kinds.
    if (group, object["kind"].as_str()) == ("batch", Some("Job")) {
        return job(object);
    }
    if let Some(status) = common(object) {
        return status;
    }
    let current = |holds: bool| if holds { Status::Current } else { Status::InProgress };
    match (group, object["kind"].as_str().unwrap_or_default()) {
        ("apps" | "extensions", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => current(stateful_set(object)),
        ("apps" | "extensions", "DaemonSet") => current(daemon_set(object)),
        ("apps" | "extensions", "ReplicaSet") => current(replica_set(object)),
        ("", "Pod") => pod(object, now),
        ("", "PersistentVolumeClaim") => current(object["status"]["phase"] == "Bound"),
        ("", "Service") => current(
            object["spec"]["type"] != "LoadBalancer"
                || object["spec"]["clusterIP"].as_str().is_some_and(|ip| !ip.is_empty()),
        ),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("policy", "PodDisruptionBudget") | ("", "ConfigMap" | "Secret") | ("batch", "CronJob") => {
            Status::Current
        }
        _ => match condition(object, "Ready") {
            Some("False" | "Unknown") => Status::InProgress,
            _ => Status::Current,
        },
    }
}

fn group(object: &Value) -> &str {
    object["apiVersion"].as_str().and_then(|v| v.split_once('/')).map_or("", |(group, _)| group)
}

/// Whether an object that is not there yet has failed when one of its Pods has.
pub fn fails_with_its_pods(object: &Value) -> bool {
    group(object) == "apps" && (object["kind"] == "StatefulSet" || object["kind"] == "ReplicaSet")
}

/// Whether a Pod has failed for good: one that is going away or has no node yet may be replaced or get one.
pub fn has_failed_for_good(pod: &Value, now: Timestamp) -> bool {
    let has_no_node =
        find(pod, "PodScheduled").is_some_and(|c| c["status"] == "False" && c["reason"] == "Unschedulable");
    status(pod, now) == Status::Failed && !has_no_node
}

/// The rules for every kind; the first that holds decides.
fn common(object: &Value) -> Option<Status> {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Some(Status::Terminating);
    }
    if let Some(observed) = object["status"]["observedGeneration"].as_i64()
        && object["metadata"]["generation"].as_i64().is_some_and(|generation| generation != observed)
    {
        return Some(Status::InProgress);
    }
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().filter(|c| c["status"] == "True").find_map(|c| match c["type"].as_str()? {
        "Reconciling" => Some(Status::InProgress),
        "Stalled" => Some(Status::Failed),
        _ => None,
    })
}

fn find<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    find(object, kind)?["status"].as_str()
}

fn count(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or_default()
}

fn wanted(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn deployment(object: &Value) -> Status {
    let progressing = find(object, "Progressing");
    let reason = progressing.and_then(|c| c["reason"].as_str()).unwrap_or_default();
    if reason == "ProgressDeadlineExceeded" {
        return Status::Failed;
    }
    let has_deadline =
        object["spec"]["progressDeadlineSeconds"].as_i64().is_some_and(|s| s != i64::from(i32::MAX));
    let rolled_out = !has_deadline
        || (progressing.is_some_and(|c| c["status"] == "True") && reason == "NewReplicaSetAvailable");
    let wanted = wanted(object);
    let (replicas, updated) = (count(object, "replicas"), count(object, "updatedReplicas"));
    let (available, ready) = (count(object, "availableReplicas"), count(object, "readyReplicas"));
    let there = replicas >= wanted && updated >= wanted && available >= updated && ready >= wanted;
    let no_surplus = replicas <= wanted;
    if there && no_surplus && rolled_out && condition(object, "Available") == Some("True") {
        Status::Current
    } else {
        Status::InProgress
    }
}

fn stateful_set(object: &Value) -> bool {
    let strategy = &object["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" {
        return true;
    }
    let wanted = wanted(object);
    if count(object, "replicas") != wanted || count(object, "readyReplicas") < wanted {
        return false;
    }
    match strategy["rollingUpdate"]["partition"].as_i64() {
        Some(partition) => count(object, "updatedReplicas") >= wanted - partition,
        None => {
            let status = &object["status"];
            count(object, "currentReplicas") >= wanted
                && status["currentRevision"] == status["updateRevision"]
        }
    }
}

fn daemon_set(object: &Value) -> bool {
    let known = object["metadata"]["generation"].is_i64() && object["status"]["observedGeneration"].is_i64();
    let wanted = match object["status"]["desiredNumberScheduled"].as_i64() {
        Some(wanted) => wanted,
        None => return false,
    };
    known
        && ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"]
            .iter()
            .all(|field| count(object, field) >= wanted)
}

fn replica_set(object: &Value) -> bool {
    let wanted = wanted(object);
    condition(object, "ReplicaFailure") != Some("True")
        && ["fullyLabeledReplicas", "availableReplicas", "readyReplicas"]
            .iter()
            .all(|field| count(object, field) >= wanted)
        && count(object, "replicas") <= wanted
}

fn pod(object: &Value, now: Timestamp) -> Status {
    let containers = |field: &str| object["status"][field].as_array().cloned().unwrap_or_default();
    match object["status"]["phase"].as_str().unwrap_or_default() {
        "Succeeded" | "Failed" => Status::Current,
        "Running" if condition(object, "Ready") == Some("True") => Status::Current,
        "Running" => {
            let crashing = containers("containerStatuses")
                .iter()
                .any(|c| c["state"]["waiting"]["reason"] == "CrashLoopBackOff");
            if crashing { Status::Failed } else { Status::InProgress }
        }
        "Pending" if unschedulable(object, now) => Status::Failed,
        _ => Status::InProgress,
    }
}

fn unschedulable(object: &Value, now: Timestamp) -> bool {
    let Some(scheduled) = find(object, "PodScheduled") else { return false };
    let made = object["metadata"]["creationTimestamp"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    scheduled["status"] == "False"
        && scheduled["reason"] == "Unschedulable"
        && made.is_none_or(|made| now.as_second() - made.as_second() >= UNSCHEDULABLE_SECONDS)
}

fn job(object: &Value) -> Status {
    if object["spec"]["suspend"] == true {
        return Status::Current;
    }
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let over = conditions.filter(|c| c["status"] == "True").find_map(|c| match c["type"].as_str()? {
        "Complete" => Some(Status::Current),
        "Failed" => Some(Status::Failed),
        _ => None,
    });
    over.unwrap_or(Status::InProgress)
}

fn definition(object: &Value) -> Status {
    if condition(object, "NamesAccepted") == Some("False") {
        return Status::Failed;
    }
    match find(object, "Established") {
        Some(c) if c["status"] == "True" => Status::Current,
        Some(c) if c["status"] == "False" && c["reason"] != "Installing" => Status::Failed,
        _ => Status::InProgress,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(object: Value) -> Status {
        status(&object, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn generic_rules_come_first() {
        assert_eq!(judged(json!({"metadata": {"deletionTimestamp": "x"}})), Status::Terminating);
        assert_eq!(
            judged(json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}})),
            Status::InProgress
        );
        let stalled = json!({"status": {"conditions": [{"type": "Stalled", "status": "True"}]}});
        assert_eq!(judged(stalled), Status::Failed);
        let ready = |s: &str| json!({"kind": "Widget", "apiVersion": "a/v1", "status": {"conditions": [{"type": "Ready", "status": s}]}});
        assert_eq!(judged(ready("True")), Status::Current);
        assert_eq!(judged(ready("False")), Status::InProgress);
        assert_eq!(judged(json!({"kind": "Widget", "apiVersion": "a/v1"})), Status::Current);
    }

    #[test]
    fn a_deployment_has_to_roll_out() {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"generation": 1},
            "spec": {"replicas": 2, "progressDeadlineSeconds": 600},
            "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
                "readyReplicas": 2, "conditions": [{"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]}});
        assert_eq!(judged(object.clone()), Status::Current);
        object["status"]["readyReplicas"] = 1.into();
        assert_eq!(judged(object.clone()), Status::InProgress);
        object["status"]["conditions"][1]["reason"] = "ProgressDeadlineExceeded".into();
        assert_eq!(judged(object), Status::Failed);
    }

    #[test]
    fn a_surplus_of_replicas_has_to_go() {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1},
            "status": {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2,
                "conditions": [{"type": "Available", "status": "True"}]}});
        assert_eq!(judged(object.clone()), Status::InProgress);
        object["spec"]["replicas"] = 2.into();
        assert_eq!(judged(object), Status::Current);
    }

    #[test]
    fn a_partition_of_zero_is_one() {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "spec": {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 0}}},
            "status": {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "currentRevision": "a", "updateRevision": "b"}});
        assert_eq!(judged(object.clone()), Status::Current);
        object["status"]["updatedReplicas"] = 1.into();
        assert_eq!(judged(object.clone()), Status::InProgress);
        object["spec"]["updateStrategy"] = json!({"type": "RollingUpdate"});
        assert_eq!(judged(object), Status::InProgress);
    }

    #[test]
    fn pods_fail_for_good_or_for_now() {
        let pod = |status: Value| json!({"apiVersion": "v1", "kind": "Pod", "status": status});
        let crashing = pod(json!({"phase": "Running", "containerStatuses":
            [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}));
        let homeless = pod(json!({"phase": "Pending", "conditions":
            [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}));
        assert_eq!(judged(homeless.clone()), Status::Failed);
        let for_good = |pod: &Value| has_failed_for_good(pod, Timestamp::UNIX_EPOCH);
        assert!(for_good(&crashing) && !for_good(&homeless));
        let mut going = crashing;
        going["metadata"]["deletionTimestamp"] = "x".into();
        assert!(!for_good(&going));
    }

    #[test]
    fn a_job_that_rests_is_current_whatever_else() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generation": 2}, "spec": {"suspend": true},
            "status": {"observedGeneration": 1, "conditions": [{"type": "Failed", "status": "True"}]}});
        assert_eq!(judged(job), Status::Current);
    }

    #[test]
    fn jobs_and_definitions() {
        let job = |c: &str| json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions": [{"type": c, "status": "True"}]}});
        assert_eq!(judged(job("Complete")), Status::Current);
        assert_eq!(judged(job("Failed")), Status::Failed);
        assert_eq!(judged(json!({"apiVersion": "batch/v1", "kind": "Job"})), Status::InProgress);
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"});
        assert_eq!(judged(crd), Status::InProgress);
    }
}
