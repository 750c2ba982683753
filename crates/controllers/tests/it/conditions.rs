//! What a status says in corners that the recorded cases do not reach.

use anyhow::{Result, ensure};
use sealfast_cluster::client::{Delete, Patch};
use sealfast_controllers::options::Options;
use serde_json::{Value, json};

use crate::house::{House, PATIENCE, config_map, kind, kustomization, kustomizations, ready};

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let all = object["status"]["conditions"].as_array();
    all.and_then(|all| all.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

/// Waits until the events of `default` satisfy a condition, and returns their messages.
async fn events_until(house: &House, holds: impl Fn(&[String]) -> bool) -> Result<Vec<String>> {
    let began = std::time::Instant::now();
    loop {
        let events = house.events("default").await?;
        if holds(&events) {
            return Ok(events);
        }
        ensure!(began.elapsed() < PATIENCE, "{events:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_itself() -> Result<()> {
    let own = kustomization("default", "app", json!({"wait": true}));
    let (house, handle) = House::lived_in(&[("own.yaml", &own.to_string())]).await?;
    house.app(json!({"wait": true}), "ReconciliationSucceeded").await?;
    let healthy = |object: &Value| condition(object, "Healthy")["reason"] == "Succeeded";
    house.until("default", "app", healthy).await?;
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_before_stays_to_be_seen_while_something_is_waited_for() -> Result<()> {
    let (house, handle) = House::lived_in(&[("broken.yaml", "a: [")]).await?;
    house.app(json!({}), "BuildFailed").await?;
    house.app(json!({"dependsOn": [{"name": "nobody"}]}), "DependencyNotReady").await?;
    let waits = house.until("default", "app", |_| true).await?;
    ensure!(condition(&waits, "Reconciling")["reason"] == "ProgressingWithRetry", "{waits}");
    let blocked = json!({"dependsOn": [{"name": "app", "readyExpr": "1 + 1"}]});
    house.apply(kustomization("default", "other", blocked)).await?;
    let stalled =
        house.until("default", "other", |object| condition(object, "Stalled")["status"] == "True").await?;
    let expected = "Reconciliation failed terminally due to configuration error: terminal error: failed to evaluate dependency app: CEL expression output type mismatch: expected bool, got int";
    ensure!(ready(&stalled)["message"] == expected, "{stalled}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_that_become_one_are_refused() -> Result<()> {
    let (a, b) = (config_map("${a}", "x"), config_map("${b}", "y"));
    let (house, handle) = House::lived_in(&[("a.yaml", &a), ("b.yaml", &b)]).await?;
    let spec = json!({"postBuild": {"substitute": {"a": "same", "b": "same"}}});
    let message = house.app(spec.clone(), "BuildFailed").await?;
    ensure!(message == "in Replace: id matched 2 resources", "{message}");
    // The name that another one left is free; only the server refuses it.
    house.write("b.yaml", &config_map("$${a}", "y"))?;
    house.publish(&handle, "default").await?;
    let message = house.app(spec, "ReconciliationFailed").await?;
    ensure!(message.contains("${a}"), "{message}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_repeats_no_secret() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("${value}", "x"))]).await?;
    let vars = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vars", "namespace": "default"},
        "stringData": {"value": "Hunter_Two"}});
    house.apply(vars).await?;
    let spec = json!({"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "vars"}]}});
    let message = house.app(spec, "ReconciliationFailed").await?;
    ensure!(message.contains("Invalid value: \"**SOPS**\""), "{message}");
    let failed = house.until("default", "app", |_| true).await?;
    ensure!(!failed["status"].to_string().contains("Hunter_Two"), "{failed}");
    let events = events_until(&house, |events| events.iter().any(|text| text.contains("**SOPS**"))).await?;
    ensure!(!events.concat().contains("Hunter_Two"), "{events:?}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_no_text_fails_where_it_is_put_in() -> Result<()> {
    let text = "${odd} ${odd2:-x}";
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", text))]).await?;
    let vars = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vars", "namespace": "default"},
        "data": {"odd": "//79/A==", "odd2": "w6k="}});
    house.apply(vars).await?;
    let spec = json!({"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "vars"}]}});
    let message = house.app(spec.clone(), "BuildFailed").await?;
    let told = "post build failed for 'ConfigMap.v1.[noGrp]/made': envsubst error: YAMLToJSON: ";
    ensure!(message.starts_with(told), "{message}");
    house.write("cm.yaml", &config_map("made", "${odd2}"))?;
    house.publish(&handle, "default").await?;
    house.app(spec, "ReconciliationSucceeded").await?;
    let made = house.client.get(&kind("", "ConfigMap"), "default", "made").await?;
    ensure!(made["data"]["key"] == "é", "{made}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_variables_that_goes_is_noticed_though_the_server_was_away() -> Result<()> {
    let (mut house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "${value}"))]).await?;
    let vars = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vars", "namespace": "default",
        "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}, "data": {"value": "x"}});
    house.apply(vars).await?;
    let spec = json!({"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]}});
    house.app(spec, "ReconciliationSucceeded").await?;
    house.client.delete(&kind("", "ConfigMap"), "default", "vars", &Delete::default()).await?;
    house.restart(std::time::Duration::from_millis(500)).await?;
    house.until("default", "app", |object| ready(object)["reason"] == "BuildFailed").await?;
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_run_of_what_was_ready_is_told_as_any_other_one() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    house.app(json!({}), "ReconciliationSucceeded").await?;
    let finished = |events: &[String]| {
        events.iter().filter(|text| text.starts_with("Reconciliation finished in ")).count()
    };
    let before = finished(&events_until(&house, |events| finished(events) > 0).await?);
    house.client.delete(&kustomizations(), "default", "app", &Delete::default()).await?;
    let deleted = |events: &[String]| events.iter().any(|text| text == "ConfigMap/default/made deleted");
    events_until(&house, |events| deleted(events) && finished(events) > before).await?;
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_of_somebody_else_stays() -> Result<()> {
    // Somebody has to say that it is healthy: until then there is time to write. News of the source may ask for a second
    // run right after the first one, which must not take that back: it would wait for ever.
    let slow = config_map("slow", "wait").replace(
        "metadata:\n",
        "metadata:\n  annotations:\n    kustomize.toolkit.fluxcd.io/ssa: IfNotPresent\n",
    );
    ensure!(slow.contains("IfNotPresent"), "{slow}");
    let (house, handle) = House::lived_in(&[("slow.yaml", &slow)]).await?;
    let healthy = json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": "data.key == 'go'"}]);
    let spec = json!({"wait": true, "healthCheckExprs": healthy});
    house.apply(kustomization("default", "app", spec)).await?;
    let waits = |object: &Value| condition(object, "Healthy")["status"] == "Unknown";
    let object = house.until("default", "app", waits).await?;
    let mut conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.push(json!({
        "type": "Audited", "status": "True", "reason": "Looked", "message": "by somebody else",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }));
    let client = &house.client;
    let body = json!({"status": {"conditions": conditions}});
    client.patch_status(&kustomizations(), "default", "app", &Patch::Merge(&body), "auditor").await?;
    let go = json!({"data": {"key": "go"}});
    client.patch(&kind("", "ConfigMap"), "default", "slow", &Patch::Merge(&go), "auditor").await?;
    let object = house.until("default", "app", |object| ready(object)["status"] == "True").await?;
    ensure!(condition(&object, "Audited")["message"] == "by somebody else", "{}", object["status"]);
    ensure!(condition(&object, "Reconciling").is_null(), "{}", object["status"]);
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_waits_for_a_namespace_holds_up_nobody() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, Options { concurrency: 1, ..house.options() }).await?;
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: stuck\n";
    house.write("waits/namespace.yaml", namespace)?;
    house.write("works/map.yaml", &config_map("map", "a"))?;
    house.publish(&handle, "default").await?;
    house.namespace("stuck").await?;
    let holds = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "holds", "namespace": "stuck", "finalizers": ["example.com/holds"]},
    });
    house.apply(holds).await?;
    house.client.delete(&kind("", "Namespace"), "", "stuck", &Delete::default()).await?;
    house.apply(kustomization("default", "waits", json!({"path": "./waits"}))).await?;
    house.until("default", "waits", |object| ready(object)["status"] == "Unknown").await?;
    house.apply(kustomization("default", "works", json!({"path": "./works"}))).await?;
    house.until("default", "works", |object| ready(object)["status"] == "True").await?;
    let waits = house.client.get(&kustomizations(), "default", "waits").await?;
    ensure!(
        ready(&waits)["status"] == "Unknown",
        "over before it could hold anybody up: {}",
        waits["status"]
    );
    drop(handle);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_up_a_deletion_is_seen_in_the_status() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    house.app(json!({}), "ReconciliationSucceeded").await?;
    handle.stop().await;
    let elsewhere = json!({"spec": {"kubeConfig": {"secretRef": {"name": "nobody"}}}});
    let client = &house.client;
    client.patch(&kustomizations(), "default", "app", &Patch::Merge(&elsewhere), "test").await?;
    client.delete(&kustomizations(), "default", "app", &Delete::default()).await?;
    let handle = house.start(client, house.options()).await?;
    let told = |object: &Value| {
        let message = condition(object, "Reconciling")["message"].as_str().unwrap_or_default();
        message.starts_with("Deleting what was applied: ") && message.contains("nobody")
    };
    house.until("default", "app", told).await?;
    handle.stop().await;
    Ok(())
}
