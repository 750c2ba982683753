//! Faults of the API server: afterwards everything is as it should be.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::house::{House, config_map, is_applied, kind, kustomization};
use crate::relay::Relay;

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
    let house = House::new().await?;
    let relay = Relay::start(&house.kubeconfig).await?;
    let handle = house.start(&relay.client, house.options()).await?;
    write(&house, "start")?;
    house.publish(&handle, "default").await?;
    fleet(&house).await?;
    let mut uids = Vec::new();
    for code in [500, 429, 409, 503] {
        relay.refuse(code);
        let value = format!("value-{code}");
        write(&house, &value)?;
        let revision = house.publish(&handle, "default").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        ensure!(relay.relent() > 0, "no request came while {code} was answered");
        relay.cut_watches();
        all_at(&house, &revision, &value, &mut uids).await?;
    }
    handle.stop().await;
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
