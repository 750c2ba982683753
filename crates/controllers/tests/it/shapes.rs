//! Objects that their definition takes and we cannot read.

use anyhow::{Context as _, Result, ensure};
use sealfast_cluster::client::{Delete, Patch};
use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

use crate::house::{House, config_map, kind, kustomizations, ready};

/// Lets a definition take any spec, as one of another release may.
async fn loosen(house: &House, definition: &str) -> Result<()> {
    let definitions = kind("apiextensions.k8s.io", "CustomResourceDefinition");
    let object = house.client.get(&definitions, "", definition).await?;
    let mut versions = object["spec"]["versions"].clone();
    let schema = &mut versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    *schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let patch = json!({"spec": {"versions": versions}});
    house.client.patch(&definitions, "", definition, &Patch::Merge(&patch), "test").await?;
    Ok(())
}

async fn set(house: &House, gvk: &GroupVersionKind, name: &str, field: Value) -> Result<()> {
    let patch = json!({"spec": field});
    house.client.patch(gvk, "default", name, &Patch::Merge(&patch), "test").await?;
    Ok(())
}

async fn deleted(house: &House, gvk: &GroupVersionKind, name: &str) -> Result<()> {
    house.client.delete(gvk, "default", name, &Delete::default()).await?;
    let began = std::time::Instant::now();
    while house.client.find(gvk, "default", name).await?.is_some() {
        ensure!(began.elapsed() < crate::house::PATIENCE, "{name} is still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_cannot_be_read_is_named_and_holds_nothing_back() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    loosen(&house, "kustomizations.kustomize.toolkit.fluxcd.io").await?;
    let maps = kind("", "ConfigMap");
    for (field, is_left) in [
        (json!({"interval": 5}), false),
        // Nobody can tell who is to delete.
        (json!({"serviceAccountName": 5}), true),
    ] {
        house.app(json!({}), "ReconciliationSucceeded").await?;
        set(&house, &kustomizations(), "app", field.clone()).await?;
        let told = house.until("default", "app", |object| ready(object)["reason"] == "InvalidObject").await?;
        let name = field.as_object().and_then(|fields| fields.keys().next()).context("a field")?;
        let message = format!("spec.{name}: invalid type: integer `5`, expected a string");
        ensure!(ready(&told)["message"] == message, "{}", ready(&told));
        deleted(&house, &kustomizations(), "app").await?;
        let left = house.client.find(&maps, "default", "made").await?;
        ensure!(left.is_some() == is_left, "{field}: {left:?}");
    }
    let said = house.events("default").await?;
    ensure!(
        said.iter().any(|text| text.starts_with("unable to prune objects: spec.serviceAccountName: ")),
        "{said:?}"
    );
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_read_is_told_and_goes() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    loosen(&house, "gitrepositories.source.toolkit.fluxcd.io").await?;
    let repositories = kind("source.toolkit.fluxcd.io", "GitRepository");
    let source = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"name": "odd", "namespace": "default"},
        "spec": {"interval": "1h", "url": "https://127.0.0.1:1/x", "ref": {"branch": ["main"]}}});
    house.apply(source).await?;
    let told = house
        .until_any(&repositories, "default", "odd", |object| ready(object)["reason"] == "InvalidObject")
        .await?;
    let message = ready(&told)["message"].as_str().unwrap_or_default();
    ensure!(message == "spec.ref.branch: invalid type: sequence, expected a string", "{message}");
    deleted(&house, &repositories, "odd").await?;
    handle.stop().await;
    Ok(())
}
