//! Faults of the API server: afterwards everything is as it should be.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::http::Method;
use sealfast_cluster::client::{Delete, Select};
use serde_json::{Value, json};

use crate::house::{House, PATIENCE, config_map, is_applied, kind, kustomization, kustomizations, ready};
use crate::relay::{Relay, Trouble};

const FLEET: usize = 8;

/// What fails tries again soon: a refusal in the middle of a run is a failed run, not a lost request.
async fn fleet(house: &House) -> Result<()> {
    for number in 0..FLEET {
        let mut more = json!({"path": format!("./app-{number}"), "retryInterval": "1s"});
        if number > 0 {
            more["dependsOn"] = json!([{"name": "k0"}]);
            more["wait"] = true.into();
        }
        let object = kustomization("default", &format!("k{number}"), more);
        house.apply(object).await?;
    }
    Ok(())
}

fn write(house: &House, value: &str) -> Result<()> {
    for number in 0..FLEET {
        house.write(&format!("app-{number}/cm.yaml"), &config_map(&format!("app-{number}"), value))?;
        house
            .write(&format!("app-{number}/stays.yaml"), &config_map(&format!("stays-{number}"), "always"))?;
        // Another object each time, so that the one before it is to be pruned.
        house.write(
            &format!("app-{number}/turn.yaml"),
            &config_map(&format!("turn-{number}-{value}"), value),
        )?;
    }
    Ok(())
}

/// Everything is applied at a revision, and nothing that should live was pruned.
async fn all_at(house: &House, revision: &str, value: &str, uids: &mut Vec<Value>) -> Result<()> {
    let mut found = Vec::new();
    for number in 0..FLEET {
        house.until("default", &format!("k{number}"), |object| is_applied(object, revision)).await?;
        let map = house.client.get(&kind("", "ConfigMap"), "default", &format!("app-{number}")).await?;
        ensure!(map["data"]["key"] == value, "app-{number} has {}", map["data"]["key"]);
        let stays = house.client.get(&kind("", "ConfigMap"), "default", &format!("stays-{number}")).await?;
        found.push(stays["metadata"]["uid"].clone());
    }
    ensure!(uids.is_empty() || *uids == found, "an object was made anew");
    let maps = house.client.list(&kind("", "ConfigMap"), "default", &Select::default()).await?.items;
    let mut turns: Vec<&str> = maps
        .iter()
        .filter_map(|map| map["metadata"]["name"].as_str())
        .filter(|name| name.starts_with("turn-"))
        .collect();
    turns.sort_unstable();
    let wanted: Vec<String> = (0..FLEET).map(|number| format!("turn-{number}-{value}")).collect();
    ensure!(turns == wanted, "pruned too much or too little: {turns:?}");
    *uids = found;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts() -> Result<()> {
    let mut house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    write(&house, "one")?;
    let revision = house.publish(&handle, "default").await?;
    fleet(&house).await?;
    let mut uids = Vec::new();
    house.restart(Duration::from_millis(300)).await?;
    all_at(&house, &revision, "one", &mut uids).await?;
    for (value, away) in [("two", 0), ("three", 1500)] {
        house.restart(Duration::from_millis(away)).await?;
        write(&house, value)?;
        let revision = house.publish(&handle, "default").await?;
        all_at(&house, &revision, value, &mut uids).await?;
    }
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_for_a_while() -> Result<()> {
    through([500, 429, 409, 503].map(Trouble::Second)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_everything_says_nothing_or_breaks_off() -> Result<()> {
    through([Trouble::All(503), Trouble::Hang, Trouble::Truncate, Trouble::All(500)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_before_a_server_says_not_found_for_a_while() -> Result<()> {
    through([Trouble::All(404)]).await
}

/// New files and a deletion while the server is in trouble; all is done when it no longer is.
async fn through<const N: usize>(troubles: [Trouble; N]) -> Result<()> {
    let house = House::new().await?;
    let relay = Relay::start(&house.kubeconfig).await?;
    let handle = house.start(&relay.client, house.options()).await?;
    write(&house, "start")?;
    house.write("leaves/cm.yaml", &config_map("leaves", "soon"))?;
    let mut revision = house.publish(&handle, "default").await?;
    fleet(&house).await?;
    let mut uids = Vec::new();
    for (round, trouble) in troubles.into_iter().enumerate() {
        let more = json!({"path": "./leaves", "retryInterval": "1s"});
        house.apply(kustomization("default", "leaves", more)).await?;
        house.until("default", "leaves", |object| is_applied(object, &revision)).await?;
        relay.misbehave(trouble.clone());
        house.client.delete(&kustomizations(), "default", "leaves", &Delete::default()).await?;
        let value = format!("round-{round}");
        write(&house, &value)?;
        revision = house.publish(&handle, "default").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        ensure!(relay.relent() > 0, "no request came: {trouble:?}");
        relay.cut_watches();
        all_at(&house, &revision, &value, &mut uids).await.with_context(|| format!("{trouble:?}"))?;
        gone(&house, "leaves").await.with_context(|| format!("{trouble:?}"))?;
        let left = house.client.find(&kind("", "ConfigMap"), "default", "leaves").await?;
        ensure!(left.is_none(), "{trouble:?}: it was orphaned");
    }
    handle.stop().await;
    Ok(())
}

/// Waits until a Kustomization that was deleted is gone.
async fn gone(house: &House, name: &str) -> Result<()> {
    let began = Instant::now();
    while house.client.find(&kustomizations(), "default", name).await?.is_some() {
        ensure!(began.elapsed() < PATIENCE, "{name} is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_break_again_and_again() -> Result<()> {
    let house = House::new().await?;
    let relay = Relay::start(&house.kubeconfig).await?;
    let handle = house.start(&relay.client, house.options()).await?;
    write(&house, "start")?;
    house.publish(&handle, "default").await?;
    fleet(&house).await?;
    let mut uids = Vec::new();
    for round in 0..5 {
        relay.cut_watches();
        let value = format!("round-{round}");
        write(&house, &value)?;
        let revision = house.publish(&handle, "default").await?;
        relay.cut_watches();
        all_at(&house, &revision, &value, &mut uids).await?;
    }
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_written_over() -> Result<()> {
    let house = House::new().await?;
    let relay = Relay::start(&house.kubeconfig).await?;
    let handle = house.start(&relay.client, house.options()).await?;
    let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keep", "namespace": "default"}, "data": {"a": "precious"}});
    house.apply(map.clone()).await?;
    map["data"]["a"] = "from Git".into();
    map["metadata"]["annotations"] = json!({"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"});
    house.write("keep.yaml", &map.to_string())?;
    relay.misbehave(Trouble::Only(500, Method::GET, "/configmaps/keep"));
    let revision = house.publish(&handle, "default").await?;
    house.apply(kustomization("default", "app", json!({"retryInterval": "1s"}))).await?;
    let failed = |object: &Value| ready(object)["status"] == "False";
    let object = house.until("default", "app", failed).await?;
    let message = ready(&object)["message"].as_str().unwrap_or_default();
    ensure!(message.starts_with("ConfigMap/default/keep could not be read: "), "{message}");
    ensure!(relay.relent() > 0, "nobody read it");
    house.until("default", "app", |object| is_applied(object, &revision)).await?;
    let map = house.client.get(&kind("", "ConfigMap"), "default", "keep").await?;
    ensure!(map["data"] == json!({"a": "precious"}), "it was written over");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_read_is_not_gone() -> Result<()> {
    let house = House::new().await?;
    let relay = Relay::start(&house.kubeconfig).await?;
    let handle = house.start(&relay.client, house.options()).await?;
    house.apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "default"}})).await?;
    house.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "app"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "default"}],
    }))
    .await?;
    house.write("cm.yaml", &config_map("owned", "here"))?;
    let revision = house.publish(&handle, "default").await?;
    house.apply(kustomization("default", "app", json!({"serviceAccountName": "app"}))).await?;
    house.until("default", "app", |object| is_applied(object, &revision)).await?;
    relay.misbehave(Trouble::Only(503, Method::GET, "/serviceaccounts/app"));
    house.client.delete(&kustomizations(), "default", "app", &Delete::default()).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    ensure!(
        house.client.find(&kustomizations(), "default", "app").await?.is_some(),
        "it went without its objects"
    );
    ensure!(relay.relent() > 0, "nobody looked for the account");
    gone(&house, "app").await?;
    ensure!(
        house.client.find(&kind("", "ConfigMap"), "default", "owned").await?.is_none(),
        "it was orphaned"
    );
    handle.stop().await;
    Ok(())
}
