//! Owners that go in the foreground, and references to them that are not right.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::client::{Client, MERGE, server};

/// A ConfigMap that is owned by others, by name and uid, which block their deletion.
async fn map(client: &Client, name: &str, owners: &[(&str, &Value)]) -> Result<Value> {
    let metadata = json!({"name": name, "ownerReferences": references(owners)});
    let (status, made) = client.call("POST", MAPS, Some(json!({"metadata": metadata}))).await?;
    ensure!(status == 201, "{made}");
    Ok(made["metadata"]["uid"].clone())
}

fn references(owners: &[(&str, &Value)]) -> Vec<Value> {
    let reference = |(name, uid): &(&str, &Value)| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": true});
    owners.iter().map(reference).collect()
}

async fn give(client: &Client, name: &str, owners: &[(&str, &Value)]) -> Result<()> {
    let patch = json!({"metadata": {"ownerReferences": references(owners)}}).to_string();
    let (status, answer) = client.send("PATCH", &format!("{MAPS}/{name}"), MERGE, patch).await?;
    ensure!(status == 200, "{answer}");
    Ok(())
}

async fn all_go(client: &Client, first: &str, names: &[&str]) -> Result<()> {
    let path = format!("{MAPS}/{first}?propagationPolicy=Foreground");
    ensure!(client.call("DELETE", &path, None).await?.0 == 200);
    for name in names {
        client.until_gone(&format!("{MAPS}/{name}"), SOON).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_of_owners_goes_in_the_foreground() -> Result<()> {
    let (running, client) = server().await?;
    let one = map(&client, "one", &[]).await?;
    let two = map(&client, "two", &[("one", &one)]).await?;
    let three = map(&client, "three", &[("two", &two)]).await?;
    give(&client, "one", &[("three", &three)]).await?;
    all_go(&client, "one", &["one", "two", "three"]).await?;
    let own = map(&client, "own", &[]).await?;
    give(&client, "own", &[("own", &own)]).await?;
    all_go(&client, "own", &["own"]).await?;
    running.stop().await;
    Ok(())
}

/// As a name that is free again is another object, so is another name with the uid of this one.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_the_object_of_its_name() -> Result<()> {
    let (running, client) = server().await?;
    let owner = map(&client, "owner", &[]).await?;
    map(&client, "right", &[("owner", &owner)]).await?;
    map(&client, "wrong", &[("other", &owner)]).await?;
    client.until_gone(&format!("{MAPS}/wrong"), SOON).await?;
    ensure!(client.call("GET", &format!("{MAPS}/right"), None).await?.0 == 200);
    running.stop().await;
    Ok(())
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SOON: Duration = Duration::from_secs(10);
