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

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_that_become_one_are_refused() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    house.write("a.yaml", &config_map("${a}", "x"))?;
    house.write("b.yaml", &config_map("${b}", "y"))?;
    house.publish(&handle, "default").await?;
    let spec = json!({"postBuild": {"substitute": {"a": "same", "b": "same"}}});
    house.apply(kustomization("default", "app", spec)).await?;
    let failed = house.until("default", "app", |object| ready(object)["status"] == "False").await?;
    ensure!(ready(&failed)["message"] == "in Replace: id matched 2 resources", "{}", ready(&failed));
    ensure!(ready(&failed)["reason"] == "BuildFailed");
    // A name that another one left is free.
    // The name that another one left is free; only the server refuses it.
    house.write("b.yaml", &config_map("$${a}", "y"))?;
    house.publish(&handle, "default").await?;
    let refused = |object: &Value| ready(object)["reason"] == "ReconciliationFailed";
    let failed = house.until("default", "app", refused).await?;
    ensure!(ready(&failed)["message"].to_string().contains("${a}"), "{}", ready(&failed));
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_repeats_no_secret() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    house
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vars", "namespace": "default"},
        "stringData": {"value": "Hunter_Two"}}),
        )
        .await?;
    house.write("cm.yaml", &config_map("${value}", "x"))?;
    house.publish(&handle, "default").await?;
    let spec = json!({"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "vars"}]}});
    house.apply(kustomization("default", "app", spec)).await?;
    let failed = house.until("default", "app", |object| ready(object)["status"] == "False").await?;
    let message = ready(&failed)["message"].as_str().unwrap_or_default();
    ensure!(message.contains("Invalid value: \"**SOPS**\""), "{message}");
    ensure!(!failed["status"].to_string().contains("Hunter_Two"), "{failed}");
    let mut events = Vec::new();
    let began = std::time::Instant::now();
    while !events.iter().any(|text: &String| text.contains("**SOPS**")) {
        ensure!(began.elapsed() < crate::house::PATIENCE, "{events:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        events = house.events("default").await?;
    }
    ensure!(!events.concat().contains("Hunter_Two"), "{events:?}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_variables_that_goes_is_noticed_though_the_server_was_away() -> Result<()> {
    let mut house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    let vars = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vars", "namespace": "default",
        "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}, "data": {"value": "x"}});
    house.apply(vars).await?;
    house.write("cm.yaml", &config_map("made", "${value}"))?;
    let revision = house.publish(&handle, "default").await?;
    let spec = json!({"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]}});
    house.apply(kustomization("default", "app", spec)).await?;
    house.until("default", "app", |object| is_applied(object, &revision)).await?;
    house.client.delete(&crate::house::kind("", "ConfigMap"), "default", "vars", &Default::default()).await?;
    house.restart(std::time::Duration::from_millis(500)).await?;
    house.until("default", "app", |object| ready(object)["reason"] == "BuildFailed").await?;
    handle.stop().await;
    Ok(())
}
