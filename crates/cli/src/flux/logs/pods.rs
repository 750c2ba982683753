//! The pods whose controllers are listened to: one of each Deployment of Flux.

use std::cmp::Reverse;

use jiff::Timestamp;
use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use crate::flux::wait::condition;
use crate::flux::{Failed, labelled};
use crate::in_process;

/// Finds the pods, the most useful one of each Deployment.
pub(super) async fn of_flux(client: &Client, namespace: &str) -> Result<Vec<Value>, Failed> {
    let deployments = GroupVersionKind::new("apps", "v1", "Deployment");
    let mut pods = Vec::new();
    for deployment in labelled::list(client, &deployments, namespace, labelled::PART_OF).await? {
        let labels = deployment["spec"]["template"]["metadata"]["labels"].as_object().into_iter().flatten();
        let labels = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        let labels = labels.collect::<Vec<_>>().join(",");
        let found =
            labelled::list(client, &GroupVersionKind::new("", "v1", "Pod"), namespace, &labels).await?;
        pods.extend(found.into_iter().min_by_key(rank));
    }
    if pods.is_empty() && in_process::version(client).await.is_some() {
        let whose = "the controllers run inside `sealfast up`";
        return Err(format!("{whose}: it shows what they say with `--log-level info`").into());
    }
    if pods.is_empty() {
        return Err(format!("no Flux pods found in namespace {namespace:?}").into());
    }
    Ok(pods)
}

/// Where a pod stands among others, as kubectl ranks them for logs: on a node, running, ready, ready for long, restarted
/// often, old.
type Rank = (bool, u8, bool, (bool, Option<Timestamp>), Reverse<i64>, Option<Timestamp>);

fn rank(pod: &Value) -> Rank {
    let phase = match pod["status"]["phase"].as_str() {
        Some("Unknown") => 1,
        Some("Pending") => 2,
        _ => 0,
    };
    let ready = condition(pod, "Ready").filter(|ready| ready["status"] == "True");
    let since = ready.and_then(|ready| ready["lastTransitionTime"].as_str()?.parse().ok());
    let restarts = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    let restarts = restarts.filter_map(|status| status["restartCount"].as_i64()).max();
    (
        pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty(),
        phase,
        ready.is_none(),
        (since.is_none(), since),
        Reverse(restarts.unwrap_or_default()),
        object::metadata_text(pod, "creationTimestamp").parse().ok(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_pod_that_says_most_comes_first() {
        let ready =
            json!([{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
        let pods = [
            json!({ "metadata": { "name": "steady" }, "spec": { "nodeName": "n" }, "status": { "phase": "Running", "conditions": ready } }),
            json!({ "metadata": { "name": "starting" }, "spec": { "nodeName": "n" }, "status": { "phase": "Running" } }),
            json!({ "metadata": { "name": "pending" }, "spec": { "nodeName": "n" }, "status": { "phase": "Pending" } }),
            json!({ "metadata": { "name": "nowhere" }, "spec": {}, "status": { "phase": "Pending" } }),
        ];
        let mut sorted: Vec<&Value> = pods.iter().rev().collect();
        sorted.sort_by_key(|pod| rank(pod));
        let names: Vec<&str> = sorted.into_iter().map(object::name).collect();
        assert_eq!(names, ["steady", "starting", "pending", "nowhere"]);
    }
}
