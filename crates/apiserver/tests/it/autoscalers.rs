//! Autoscalers in two versions: writes of the older one lose nothing.
//!
//! The annotations are as kube-apiserver 1.36.3 shows them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::client::{Client, MERGE, message, server};

fn autoscaler(name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec,
    });
    object["spec"]["scaleTargetRef"] = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
    object["spec"]["maxReplicas"] = 5.into();
    object
}

async fn get(client: &Client, path: &str) -> Result<Value> {
    let (status, found) = client.call("GET", path, None).await?;
    ensure!(status == 200, "{found}");
    Ok(found)
}

fn metrics() -> Value {
    let share = |name: &str, share: u8| json!({"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": share}}});
    let selector = json!({"matchLabels": {"a": "b"}});
    let average = |value: &str| json!({"type": "AverageValue", "averageValue": value});
    json!([
        share("memory", 70),
        share("cpu", 60),
        {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 50}}},
        {"type": "Pods", "pods": {"metric": {"name": "rps", "selector": selector}, "target": average("1k")}},
        {"type": "Object", "object": {"describedObject": {"kind": "Service", "name": "i"}, "metric": {"name": "hits"}, "target": average("10")}},
        {"type": "External", "external": {"metric": {"name": "q", "selector": selector}, "target": {"type": "Value", "value": "30"}}},
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_the_older_version_loses_nothing() -> Result<()> {
    let (running, client) = server().await?;
    let policy = json!({"type": "Percent", "value": 10, "periodSeconds": 60});
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 100, "policies": [policy]}});
    let made = autoscaler("all", json!({"metrics": metrics(), "behavior": behavior}));
    ensure!(client.call("POST", NEWER, Some(made)).await?.0 == 201);
    let (newer, older) = (format!("{NEWER}/all"), format!("{OLDER}/all"));
    let before = get(&client, &newer).await?;

    let mut shown = get(&client, &older).await?;
    let annotations = &shown["metadata"]["annotations"];
    assert_eq!(annotations[METRICS], METRICS_NOTED);
    assert_eq!(annotations[BEHAVIOR], BEHAVIOR_NOTED);
    assert_eq!(shown["spec"]["targetCPUUtilizationPercentage"], 60);
    shown["metadata"]["annotations"]["a"] = "b".into();
    ensure!(client.call("PUT", &older, Some(shown)).await?.0 == 200);
    let after = get(&client, &newer).await?;
    assert_eq!(after["metadata"]["annotations"], json!({"a": "b"}));
    assert_eq!(after["spec"]["behavior"], before["spec"]["behavior"]);
    let mut wanted: Vec<Value> = before["spec"]["metrics"].as_array().cloned().unwrap_or_default();
    // The one that has a field of its own comes last.
    let cpu = wanted.remove(1);
    wanted.push(cpu);
    assert_eq!(after["spec"]["metrics"], Value::from(wanted.clone()));

    let same = get(&client, &older).await?;
    let (_, again) = client.call("PUT", &older, Some(same.clone())).await?;
    assert_eq!(again["metadata"]["resourceVersion"], same["metadata"]["resourceVersion"], "nothing changed");

    let without = json!({"spec": {"targetCPUUtilizationPercentage": null}}).to_string();
    ensure!(client.send("PATCH", &older, MERGE, without).await?.0 == 200);
    wanted.pop();
    assert_eq!(get(&client, &newer).await?["spec"]["metrics"], Value::from(wanted), "none by default");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_outlives_the_older_version() -> Result<()> {
    let (running, client) = server().await?;
    ensure!(client.call("POST", NEWER, Some(autoscaler("s", json!({})))).await?.0 == 201);
    let (newer, older) = (format!("{NEWER}/s"), format!("{OLDER}/s"));
    let mut object = get(&client, &newer).await?;
    let condition = json!({"type": "AbleToScale", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "R", "message": "m"});
    let current = json!([
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageValue": "100m", "averageUtilization": 10}}},
        {"type": "Object", "object": {"metric": {"name": "hits"}, "current": {"value": "5", "averageValue": "7"}, "describedObject": {"kind": "Service", "name": "i"}}},
        {"type": "External", "external": {"metric": {"name": "q"}, "current": {"value": "3", "averageValue": "4"}}},
    ]);
    object["status"] = json!({"currentReplicas": 1, "desiredReplicas": 2, "conditions": [condition], "currentMetrics": current});
    ensure!(client.call("PUT", &format!("{newer}/status"), Some(object)).await?.0 == 200);
    let mut shown = get(&client, &older).await?;
    assert_eq!(
        shown["status"],
        json!({"currentReplicas": 1, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 10})
    );
    shown["status"]["desiredReplicas"] = 4.into();
    ensure!(client.call("PUT", &format!("{older}/status"), Some(shown)).await?.0 == 200);
    let after = get(&client, &newer).await?;
    assert_eq!(after["status"]["conditions"], json!([condition]));
    assert_eq!(after["status"]["currentMetrics"], current);
    assert_eq!(after["status"]["desiredReplicas"], 4);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_of_the_older_version_are_judged_as_fields() -> Result<()> {
    let (running, client) = server().await?;
    let noted = |name: &str, notes: Value| {
        let mut object = autoscaler(name, json!({}));
        object["apiVersion"] = "autoscaling/v1".into();
        object["metadata"]["annotations"] = notes;
        object
    };
    let empty = noted("empty", json!({BEHAVIOR: r#"{"ScaleDown":{"StabilizationWindowSeconds":5}}"#}));
    let (status, refused) = client.call("POST", OLDER, Some(empty)).await?;
    let why = "spec.behavior.scaleDown.policies: Required value: must specify at least one Policy";
    assert!(status == 422 && message(&refused).contains(why), "{refused}");
    let odd = r#"[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":"x"}}]"#;
    for (name, text) in [("broken", "{not"), ("odd", odd), ("odder", r#"["x"]"#)] {
        let (status, made) = client.call("POST", OLDER, Some(noted(name, json!({METRICS: text})))).await?;
        assert_eq!((status, &made["spec"]["targetCPUUtilizationPercentage"]), (201, &json!(80)), "{made}");
        assert_eq!(made["metadata"]["annotations"], Value::Null);
        let metrics = get(&client, &format!("{NEWER}/{name}")).await?["spec"]["metrics"].take();
        assert_eq!(metrics[0]["resource"]["name"], "cpu", "{metrics}");
    }
    running.stop().await;
    Ok(())
}

const NEWER: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
const OLDER: &str = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const METRICS_NOTED: &str = r#"[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":70}},{"type":"ContainerResource","containerResource":{"name":"cpu","targetAverageUtilization":50,"container":"c"}},{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"1k","selector":{"matchLabels":{"a":"b"}}}},{"type":"Object","object":{"target":{"kind":"Service","name":"i"},"metricName":"hits","targetValue":"0","averageValue":"10"}},{"type":"External","external":{"metricName":"q","metricSelector":{"matchLabels":{"a":"b"}},"targetValue":"30"}}]"#;
const BEHAVIOR_NOTED: &str = r#"{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15},{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":{"StabilizationWindowSeconds":100,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":10,"PeriodSeconds":60}],"Tolerance":null}}"#;
