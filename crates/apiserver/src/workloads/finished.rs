//! What is said of Pods, Jobs and claims where nothing runs.

use serde_json::{Value, json};

use crate::fields::get;

/// A Pod whose containers all run.
pub(super) fn pod(pod: &Value) -> Value {
    let since = created(pod);
    let yes = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": since});
    let runs = |container: &Value| {
        let mut status = json!({
            "name": container["name"], "image": container["image"], "imageID": "", "ready": true, "started": true,
            "restartCount": 0, "state": {"running": {"startedAt": since}}, "lastState": {},
        });
        let resources = container.get("resources").filter(|stated| **stated != json!({}));
        resources.into_iter().for_each(|stated| status["resources"] = stated.clone());
        status
    };
    let list = |name: &str| get(pod, &["spec", name]).and_then(Value::as_array).into_iter().flatten();
    let mut status = pod["status"].clone();
    status["phase"] = "Running".into();
    status["startTime"] = since.clone();
    status["conditions"] =
        ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(yes).to_vec().into();
    status["containerStatuses"] = list("containers").map(runs).collect();
    let mut temporary = list("ephemeralContainers").map(runs).peekable();
    if temporary.peek().is_some() {
        status["ephemeralContainerStatuses"] = temporary.collect();
    }
    status
}

/// A Job that reached its completions; none of one that is suspended.
pub(super) fn job(job: &Value) -> Option<Value> {
    if job["spec"]["suspend"] == true {
        return None;
    }
    let since = created(job);
    let done = |kind: &str| {
        json!({
            "type": kind, "status": "True", "lastProbeTime": since, "lastTransitionTime": since,
            "reason": "CompletionsReached", "message": "Reached expected number of succeeded pods",
        })
    };
    let completions = get(job, &["spec", "completions"]).and_then(Value::as_i64).unwrap_or(1);
    let conditions = ["SuccessCriteriaMet", "Complete"].map(done);
    Some(json!({
        "startTime": since, "completionTime": since, "succeeded": completions, "ready": 0, "terminating": 0,
        "uncountedTerminatedPods": {}, "conditions": conditions,
    }))
}

/// A claim that has the volume it asks for.
pub(super) fn claim(claim: &Value) -> Value {
    let asked = get(claim, &["spec", "resources", "requests"]).cloned().unwrap_or_else(|| json!({}));
    json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": asked})
}

/// A Service whose load balancer has an address; none of other Services.
pub(super) fn balanced(service: &Value) -> Option<Value> {
    (service["spec"]["type"] == "LoadBalancer")
        .then(|| json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.1", "ipMode": "VIP"}]}}))
}

/// Nothing takes time here, so everything has been so from the start.
fn created(object: &Value) -> Value {
    object["metadata"]["creationTimestamp"].clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_done_unless_it_is_suspended() {
        let done = job(
            &json!({"spec": {"completions": 3}, "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}),
        );
        assert_eq!(done.map(|status| status["succeeded"].clone()), Some(json!(3)));
        assert_eq!(job(&json!({"spec": {"suspend": true}})), None);
    }

    #[test]
    fn a_pod_keeps_what_its_status_said() {
        let status = pod(&json!({
            "spec": {"containers": [{"name": "a", "image": "b"}]}, "status": {"qosClass": "BestEffort", "phase": "Pending"},
        }));
        assert_eq!((&status["qosClass"], &status["phase"]), (&json!("BestEffort"), &json!("Running")));
        assert_eq!(status["containerStatuses"][0]["name"], "a");
    }
}
