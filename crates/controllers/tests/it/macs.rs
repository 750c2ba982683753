//! What a MAC that does not fit its file means.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_controllers::options::{Options, SopsMac};
use sealfast_testkit::place;
use serde_json::{Value, json};

use crate::house::{House, kustomization, ready};

/// The end of a run over the recorded case with a changed MAC, and the events about it.
async fn run(mac: SopsMac) -> Result<(Value, Vec<String>)> {
    let house = House::new().await?;
    let handle = house.start(&house.client, Options { sops_mac: mac, ..house.options() }).await?;
    let folder = place::golden("controllers").join("sops-tampered-mac");
    let objects = std::fs::read_to_string(folder.join("objects.yaml"))?;
    let identity =
        objects.lines().find(|line| line.contains("AGE-SECRET-KEY-")).unwrap_or_default().trim().to_owned();
    let secret = std::fs::read_to_string(folder.join("repo/s.yaml"))?;
    house.write("s.yaml", &secret.replace("${NS}", "default"))?;
    house
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "default"},
            "data": {"age.agekey": STANDARD.encode(identity)}}),
        )
        .await?;
    house.publish(&handle, "default").await?;
    let decryption = json!({"targetNamespace": "default", "decryption": {"provider": "sops", "secretRef": {"name": "keys"}}});
    house.apply(kustomization("default", "app", decryption)).await?;
    let done = house
        .until("default", "app", |object| ["True", "False"].iter().any(|s| ready(object)["status"] == *s))
        .await?;
    handle.stop().await;
    let events = house.events("default").await?;
    Ok((ready(&done).clone(), events))
}

#[tokio::test(flavor = "multi_thread")]
async fn enforced_it_fails_the_run() -> Result<()> {
    let (ready, _) = run(SopsMac::Enforce).await?;
    ensure!(ready["status"] == "False" && ready["reason"] == "BuildFailed", "{ready}");
    let message = ready["message"].as_str().unwrap_or_default();
    ensure!(message.contains("'s.yaml'") && message.contains("MAC mismatch"), "{message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_it_is_told() -> Result<()> {
    let (ready, events) = run(SopsMac::Warn).await?;
    ensure!(ready["status"] == "True", "{ready}");
    ensure!(
        ready["message"].as_str().unwrap_or_default().contains("\nwarning: failed to decrypt file 's.yaml'"),
        "{ready}"
    );
    ensure!(events.iter().any(|event| event.contains("MAC mismatch")), "{events:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_it_is_not_looked_at() -> Result<()> {
    let (ready, events) = run(SopsMac::Ignore).await?;
    ensure!(ready["status"] == "True", "{ready}");
    ensure!(!format!("{ready}{events:?}").contains("MAC"), "{ready} {events:?}");
    Ok(())
}
