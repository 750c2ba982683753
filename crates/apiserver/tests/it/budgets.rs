//! What disruption budgets say of their pods, where workloads are said to be ready.

use std::time::Duration;

use sealfast_apiserver::server::{Options, start};
use serde_json::{Value, json};

use crate::client::{Client, MERGE, message};

const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const PODS: &str = "/api/v1/namespaces/default/pods";
const APPS: &str = "/apis/apps/v1/namespaces/default";

/// Allowed, healthy, desired and expected pods.
fn counts(budget: &Value) -> [i64; 4] {
    ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"]
        .map(|name| budget["status"][name].as_i64().unwrap_or(-1))
}

async fn wait(client: &Client, name: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let mut budget = Value::Null;
    for _ in 0..200 {
        budget = client.call("GET", &format!("{BUDGETS}/{name}"), None).await?.1;
        if fits(&budget) {
            return Ok(budget);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("{name} stays {}", budget["status"])
}

async fn make(client: &Client, path: &str, name: &str, spec: Value) -> anyhow::Result<()> {
    let labels = json!({"app": "a", "of": name});
    let (status, answer) = client
        .call("POST", path, Some(json!({"metadata": {"name": name, "labels": labels}, "spec": spec})))
        .await?;
    anyhow::ensure!(status == 201, "{answer}");
    Ok(())
}

fn workload(name: &str, more: Value) -> Value {
    let labels = json!({"app": "a", "of": name});
    let mut spec = json!({
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    });
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_count_what_workloads_say() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    make(&client, &format!("{APPS}/deployments"), "d", workload("d", json!({"replicas": 4}))).await?;
    make(&client, &format!("{APPS}/daemonsets"), "ds", workload("ds", json!({}))).await?;
    let of = |name: &str| json!({"matchLabels": {"of": name}});
    make(&client, BUDGETS, "share", json!({"maxUnavailable": "30%", "selector": of("d")})).await?;
    make(&client, BUDGETS, "least", json!({"minAvailable": 4, "selector": of("d")})).await?;
    make(&client, BUDGETS, "none", json!({"minAvailable": 1, "selector": of("nobody")})).await?;
    make(&client, BUDGETS, "failed", json!({"maxUnavailable": 1, "selector": of("ds")})).await?;
    let share = wait(&client, "share", |budget| counts(budget) == [2, 4, 2, 4]).await?;
    let status = &share["status"];
    assert_eq!(status["observedGeneration"], 1);
    let condition = &status["conditions"][0];
    let said = ["type", "status", "reason", "message"].map(|name| &condition[name]);
    assert_eq!(said, ["DisruptionAllowed", "True", "SufficientPods", ""], "{condition}");
    let managers = share["metadata"]["managedFields"].as_array().into_iter().flatten();
    let keeper =
        managers.filter(|entry| entry["subresource"] == "status").map(|entry| entry["manager"].clone());
    assert_eq!(keeper.collect::<Vec<_>>(), ["kube-controller-manager"]);
    let least = wait(&client, "least", |budget| counts(budget) == [0, 4, 4, 4]).await?;
    assert_eq!(least["status"]["conditions"][0]["reason"], "InsufficientPods");
    wait(&client, "none", |budget| counts(budget) == [0, 0, 1, 0]).await?;
    let failed = wait(&client, "failed", |budget| budget["status"]["conditions"].is_array()).await?;
    let condition = &failed["status"]["conditions"][0];
    assert_eq!(condition["reason"], "SyncFailed");
    assert_eq!(condition["message"], "daemonsets.apps does not implement the scale subresource");
    client
        .send("PATCH", &format!("{APPS}/deployments/d"), MERGE, r#"{"spec":{"replicas":10}}"#.into())
        .await?;
    wait(&client, "share", |budget| counts(budget) == [3, 10, 7, 10]).await?;
    client
        .send("PATCH", &format!("{BUDGETS}/least"), MERGE, r#"{"spec":{"minAvailable":"50%"}}"#.into())
        .await?;
    let least = wait(&client, "least", |budget| counts(budget) == [5, 10, 5, 10]).await?;
    assert_eq!(least["status"]["observedGeneration"], 2);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_count_pods_that_go() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    make(&client, BUDGETS, "b", json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}))
        .await?;
    for name in ["x", "y"] {
        make(&client, PODS, name, json!({"containers": [{"name": "c", "image": "i"}]})).await?;
    }
    wait(&client, "b", |budget| counts(budget) == [1, 2, 1, 2]).await?;
    let evict = async |name: &str| {
        client
            .call("POST", &format!("{PODS}/{name}/eviction"), Some(json!({"metadata": {"name": name}})))
            .await
    };
    assert_eq!(evict("x").await?.0, 201);
    let budget = wait(&client, "b", |budget| counts(budget) == [0, 1, 1, 1]).await?;
    assert_eq!(budget["status"].get("disruptedPods"), None, "{budget}");
    let (status, answer) = evict("y").await?;
    assert_eq!(
        (status, message(&answer)),
        (429, "Cannot evict pod as it would violate the pod's disruption budget.")
    );
    running.stop().await;
    Ok(())
}
