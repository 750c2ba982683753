//! What a status says in corners that the recorded cases do not reach.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::house::{House, config_map, is_applied, kustomization, ready};

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let all = object["status"]["conditions"].as_array();
    all.and_then(|all| all.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_itself() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    let own = kustomization("default", "own", json!({"wait": true}));
    house.write("own.yaml", &own.to_string())?;
    let revision = house.publish(&handle, "default").await?;
    house.apply(own).await?;
    let done = house.until("default", "own", |object| is_applied(object, &revision)).await?;
    ensure!(condition(&done, "Healthy")["reason"] == "Succeeded", "{done}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_before_stays_to_be_seen_while_something_is_waited_for() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    house.write("broken.yaml", "a: [")?;
    house.publish(&handle, "default").await?;
    house.apply(kustomization("default", "app", json!({}))).await?;
    house.until("default", "app", |object| ready(object)["reason"] == "BuildFailed").await?;
    let depends = json!({"dependsOn": [{"name": "nobody"}]});
    house.apply(kustomization("default", "app", depends)).await?;
    let waits =
        house.until("default", "app", |object| ready(object)["reason"] == "DependencyNotReady").await?;
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
async fn generator_inputs_that_are_missing_are_named_before_the_build() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    house.write("app/kustomization.yaml", "secretGenerator:\n- name: s\n  envs: [gone.env]\n")?;
    house.write("app/cm.yaml", &config_map("c", "x"))?;
    house.publish(&handle, "default").await?;
    let spec = json!({"path": "./app", "decryption": {"provider": "sops"}});
    house.apply(kustomization("default", "app", spec)).await?;
    let failed = house.until("default", "app", |object| ready(object)["status"] == "False").await?;
    let expected = "error decrypting sources: lstat app/gone.env: no such file or directory";
    ensure!(ready(&failed)["message"] == expected, "{}", ready(&failed));
    handle.stop().await;
    Ok(())
}
