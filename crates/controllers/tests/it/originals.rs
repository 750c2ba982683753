//! What the own tests of kustomize-controller assert and no recorded case shows.

use anyhow::{Result, ensure};
use sealfast_cluster::client::Patch;
use sealfast_controllers::gates::Gate;
use sealfast_controllers::options::Options;
use sealfast_k8s::flux;
use serde_json::{Value, json};

use crate::house::{House, config_map, is_applied, kind, kustomization, ready};

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.and_then(|all| all.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

fn inventory(object: &Value) -> Vec<&str> {
    let entries = object["status"]["inventory"]["entries"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["id"].as_str()).collect()
}

fn check(version: &str, kind: &str, name: &str) -> Value {
    json!({"apiVersion": version, "kind": kind, "name": name, "namespace": "default"})
}

/// Lets the account `app` do this with ConfigMaps.
async fn may(house: &House, verbs: &[&str]) -> Result<()> {
    let rights = "rbac.authorization.k8s.io";
    let place = json!({"name": "app", "namespace": "default"});
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place}),
        json!({"apiVersion": format!("{rights}/v1"), "kind": "Role", "metadata": place,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]}),
        json!({"apiVersion": format!("{rights}/v1"), "kind": "RoleBinding", "metadata": place,
            "roleRef": {"apiGroup": rights, "kind": "Role", "name": "app"},
            "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "default"}]}),
    ] {
        house.apply(object).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_pruned_stays_in_the_inventory_until_it_is() -> Result<()> {
    const WRITE: [&str; 4] = ["get", "create", "patch", "update"];
    let files = [("a.yaml", &*config_map("a", "one")), ("b.yaml", &config_map("b", "one"))];
    let (house, handle) = House::lived_in(&files).await?;
    may(&house, &WRITE).await?;
    let spec = json!({"serviceAccountName": "app", "retryInterval": "1s"});
    house.app(spec, "ReconciliationSucceeded").await?;

    std::fs::remove_file(house.scratch.join("tree/b.yaml"))?;
    let revision = house.publish(&handle, "default").await?;
    let failed = house.until("default", "app", |object| ready(object)["reason"] == "PruneFailed").await?;
    let message = ready(&failed)["message"].as_str().unwrap_or_default();
    ensure!(message.starts_with("delete failed, errors: ConfigMap/default/b delete failed: "), "{message}");
    ensure!(inventory(&failed) == ["default_a__ConfigMap", "default_b__ConfigMap"], "{failed}");
    ensure!(failed["status"]["lastAttemptedRevision"] == *revision, "{}", failed["status"]);
    ensure!(failed["status"]["lastAppliedRevision"] != *revision, "{}", failed["status"]);
    let last = &failed["status"]["history"][0];
    ensure!(last["lastReconciledStatus"] == "PruneFailed", "{last}");

    may(&house, &[&WRITE[..], &["delete"]].concat()).await?;
    let done = house.until("default", "app", |object| is_applied(object, &revision)).await?;
    ensure!(inventory(&done) == ["default_a__ConfigMap"], "{done}");
    ensure!(house.client.find(&kind("", "ConfigMap"), "default", "b").await?.is_none());
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_deletion_fails_has_a_status_until_it_goes() -> Result<()> {
    const WRITE: [&str; 4] = ["get", "create", "patch", "update"];
    let (house, handle) = House::lived_in(&[("a.yaml", &config_map("a", "one"))]).await?;
    may(&house, &WRITE).await?;
    house.app(json!({"serviceAccountName": "app"}), "ReconciliationSucceeded").await?;
    let apps = crate::house::kustomizations();
    let asked = json!({"metadata": {"annotations": {flux::REQUESTED_AT: "last"}}});
    house.client.patch(&apps, "default", "app", &Patch::Merge(&asked), "test").await?;
    house.client.delete(&apps, "default", "app", &Default::default()).await?;
    let kept = house
        .until("default", "app", |app| {
            !app["metadata"]["deletionTimestamp"].is_null()
                && app["status"]["observedGeneration"] == app["metadata"]["generation"]
                && app["status"]["lastHandledReconcileAt"] == "last"
        })
        .await?;
    ensure!(kept["metadata"]["generation"] == 2 && ready(&kept)["status"] == "True", "{kept}");

    may(&house, &[&WRITE[..], &["delete"]].concat()).await?;
    let began = std::time::Instant::now();
    while house.client.find(&apps, "default", "app").await?.is_some() {
        ensure!(began.elapsed() < crate::house::PATIENCE, "it stays");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    ensure!(house.client.find(&kind("", "ConfigMap"), "default", "a").await?.is_none());
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_request_is_handled_with_the_finalizer() -> Result<()> {
    let (house, handle) = House::lived_in(&[("a.yaml", &config_map("a", "one"))]).await?;
    let late = json!({"timeout": "10m", "healthChecks": [check("v1", "ConfigMap", "late")]});
    let mut app = kustomization("default", "app", late);
    app["metadata"]["annotations"] = json!({flux::REQUESTED_AT: "first"});
    house.apply(app).await?;
    let waits = house.until("default", "app", |app| condition(app, "Healthy")["status"] == "Unknown").await?;
    ensure!(waits["status"]["lastHandledReconcileAt"] == "first", "{}", waits["status"]);
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_health_ends_when_there_is_something_new() -> Result<()> {
    let house = House::new().await?;
    let gates = house.options().gates.with(Gate::CancelHealthCheckOnNewRevision);
    let handle = house.start(&house.client, Options { gates, ..house.options() }).await?;
    house.write("map.yaml", &config_map("map", "one"))?;
    let first = house.publish(&handle, "default").await?;
    let late = json!({"timeout": "10m", "healthChecks": [check("v1", "ConfigMap", "late")]});
    house.apply(kustomization("default", "app", late)).await?;
    // News of the source that come late begin the wait anew.
    let is_waiting = |app: &Value| {
        [condition(app, "Healthy"), ready(app)].iter().all(|known| known["status"] == "Unknown")
    };
    let waits = house.until("default", "app", is_waiting).await?;
    for kind in ["Reconciling", "Healthy"] {
        let told = format!("Running health checks for revision {first} with a timeout of 10m0s");
        ensure!(condition(&waits, kind)["message"] == told, "{}", waits["status"]);
    }

    house.write("late.yaml", &config_map("late", "one"))?;
    let second = house.publish(&handle, "default").await?;
    let done = house.until("default", "app", |app| is_applied(app, &second)).await?;
    ensure!(condition(&done, "Healthy")["reason"] == "Succeeded", "{}", done["status"]);
    let history = done["status"]["history"].as_array().map(Vec::len);
    ensure!(history == Some(1), "a wait that was given up is no outcome: {}", done["status"]);
    handle.stop().await;
    let told = "Health checks canceled due to new reconciliation triggered by ExternalArtifact/default/repo";
    let events = house.events("default").await?;
    ensure!(events.iter().any(|event| event == told), "{events:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_went_after_it_was_done_is_healthy() -> Result<()> {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "default"},
        "spec": {"ttlSecondsAfterFinished": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}});
    let (house, handle) = House::lived_in(&[("job.yaml", &*job.to_string())]).await?;
    let checks = [check("batch/v1", "Job", "once"), check("v1", "ConfigMap", "late")];
    house.apply(kustomization("default", "app", json!({"timeout": "10m", "healthChecks": checks}))).await?;
    house.until("default", "app", |app| condition(app, "Healthy")["status"] == "Unknown").await?;
    // What the cluster does with a Job of this kind.
    house.client.delete(&kind("batch", "Job"), "default", "once", &Default::default()).await?;
    let late = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": "default"}});
    house.apply(late).await?;
    house.until("default", "app", |app| condition(app, "Healthy")["status"] == "True").await?;
    handle.stop().await;
    Ok(())
}
