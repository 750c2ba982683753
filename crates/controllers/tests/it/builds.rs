//! What a status says when a directory cannot be built, in the order of the steps.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::house::{House, config_map, ready};

fn sops() -> Value {
    json!({"decryption": {"provider": "sops", "secretRef": {"name": "nobody"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn generator_inputs_that_are_missing_are_named_before_the_build() -> Result<()> {
    let generator = "secretGenerator:\n- name: s\n  envs: [gone.env]\n";
    let (house, handle) = House::lived_in(&[("app/kustomization.yaml", generator)]).await?;
    let spec = json!({"path": "./app", "decryption": {"provider": "sops"}});
    let message = house.app(spec, "BuildFailed").await?;
    ensure!(
        message == "error decrypting sources: lstat app/gone.env: no such file or directory",
        "{message}"
    );
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_kustomization_is_told_bare_and_before_keys_are_asked_for() -> Result<()> {
    let (house, handle) = House::lived_in(&[("kustomization.yaml", "a: b: c\n")]).await?;
    let message = house.app(sops(), "BuildFailed").await?;
    let yaml = "error converting YAML to JSON: yaml: mapping values are not allowed in this context";
    ensure!(message == yaml, "{message}");
    house.write("kustomization.yaml", "resources: cm.yaml\n")?;
    house.write("cm.yaml", &config_map("made", "x"))?;
    house.publish(&handle, "default").await?;
    let json = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field Kustomization.resources of type []string";
    house.until("default", "app", |object| ready(object)["message"] == json).await?;
    // Only then is it noticed that there are no keys.
    house.write("kustomization.yaml", "resources: [cm.yaml]\nnonsense: 1\n")?;
    house.publish(&handle, "default").await?;
    let keys = |object: &Value| ready(object)["message"].to_string().contains("nobody");
    house.until("default", "app", keys).await?;
    house.apply(crate::house::kustomization("default", "other", json!({}))).await?;
    house.until("default", "other", |object| ready(object)["status"] == "True").await?;
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_kustomization_applies_nothing() -> Result<()> {
    let files = [("kustomization.yaml", ""), ("cm.yaml", &config_map("made", "x"))];
    let (house, handle) = House::lived_in(&files).await?;
    house.app(json!({}), "ReconciliationSucceeded").await?;
    let done = house.until("default", "app", |object| ready(object)["status"] == "True").await?;
    ensure!(done["status"]["inventory"]["entries"].as_array().is_none_or(Vec::is_empty), "{done}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_below_is_read_for_encrypted_files_as_the_outermost_is() -> Result<()> {
    let files =
        [("kustomization.yaml", "resources: [below]\n"), ("below/kustomization.yaml", "patches: 5\n")];
    let (house, handle) = House::lived_in(&files).await?;
    let message = house.app(json!({"decryption": {"provider": "sops"}}), "BuildFailed").await?;
    ensure!(
        message.starts_with("error decrypting sources: failed to unmarshal kustomization file from '"),
        "{message}"
    );
    ensure!(
        message.contains("/below/kustomization.yaml': error unmarshaling JSON: while decoding JSON: "),
        "{message}"
    );
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn components_that_may_be_missing_are_no_concern_of_decryption() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    let spec =
        json!({"components": ["gone"], "ignoreMissingComponents": true, "decryption": {"provider": "sops"}});
    house.app(spec, "ReconciliationSucceeded").await?;
    handle.stop().await;
    Ok(())
}
