//! Sources that others fetch: missing, not ready, undefined, of another namespace.

use anyhow::{Context as _, Result, ensure};
use sealfast_cluster::client::Patch;
use sealfast_controllers::gates::Gates;
use sealfast_controllers::options::{CrossNamespace, Options};
use sealfast_k8s::flux;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

use crate::house::{House, config_map, is_applied, kind, kustomization, ready};

const GROUP: &str = "source.toolkit.fluxcd.io";
const ORIGIN: &str = "org.opencontainers.image.revision";
const COMMIT: &str = "main@sha1:b8e362c206e3d0cbb7ed22ced771a0056455a2fb";
const KINDS: [&str; 3] = ["OCIRepository", "Bucket", "ExternalArtifact"];

fn source(kind: &str, namespace: &str) -> Value {
    let spec = match kind {
        "OCIRepository" => json!({"interval": "1h", "url": "oci://registry.example.com/app"}),
        "Bucket" => json!({"interval": "1h", "bucketName": "app", "endpoint": "s3.example.com"}),
        _ => json!({"sourceRef": {"kind": "Other", "name": "app"}}),
    };
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind,
        "metadata": {"name": "outside", "namespace": namespace}, "spec": spec})
}

fn built_from(kind: &str, namespace: &str) -> Value {
    json!({"sourceRef": {"kind": kind, "name": "outside", "namespace": namespace}})
}

/// Tells of what is published as the source-controller would that had fetched it.
async fn fetched(house: &House, of: &GroupVersionKind, namespace: &str, revision: &str) -> Result<()> {
    let published = house.client.get(&kind(GROUP, "ExternalArtifact"), "default", "repo").await?;
    let mut artifact = published["status"]["artifact"].clone();
    artifact["revision"] = revision.into();
    artifact["metadata"] = json!({ORIGIN: COMMIT});
    let body = json!({"status": {"artifact": artifact}});
    house.client.patch_status(of, namespace, "outside", &Patch::Merge(&body), "other").await?;
    Ok(())
}

fn message(object: &Value) -> &str {
    ready(object)["message"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_of_every_kind_are_awaited_followed_and_built_from() -> Result<()> {
    let (house, handle) = House::lived_in(&[("a.yaml", &config_map("a", "one"))]).await?;
    for kind in KINDS {
        let of = GroupVersionKind::new(GROUP, "v1", kind);
        let app = kind.to_lowercase();
        let (first, second) = (format!("{kind}@sha256:1"), format!("{kind}@sha256:2"));
        house.apply(kustomization("default", &app, built_from(kind, "default"))).await?;
        let missing = format!("{kind}.{GROUP} \"outside\" not found");
        house.until("default", &app, |app| message(app) == missing).await?;

        house.apply(source(kind, "default")).await?;
        // Whoever asks is told that there is nothing to fetch yet.
        let spec = json!({"sourceRef": {"kind": kind, "name": "outside"}, "timeout": "4m"});
        house.apply(kustomization("default", &app, spec)).await?;
        let empty = "Source artifact not found, retrying in 2s";
        let waits = house.until("default", &app, |app| message(app) == empty).await?;
        ensure!(ready(&waits)["reason"] == "ArtifactFailed", "{}", waits["status"]);

        for revision in [&first, &second] {
            fetched(&house, &of, "default", revision).await?;
            let done = house.until("default", &app, |app| is_applied(app, revision)).await?;
            let status = &done["status"];
            ensure!(status["lastAppliedOriginRevision"] == COMMIT, "{status}");
            ensure!(status["inventory"]["entries"][0]["id"] == "default_a__ConfigMap", "{status}");
        }

        house.client.delete(&of, "default", "outside", &Default::default()).await?;
        let body = json!({"metadata": {"annotations": {flux::REQUESTED_AT: "now"}}});
        let apps = crate::house::kustomizations();
        house.client.patch(&apps, "default", &app, &Patch::Merge(&body), "test").await?;
        let gone = house.until("default", &app, |app| message(app) == missing).await?;
        ensure!(gone["status"]["lastAppliedRevision"] == *second, "{}", gone["status"]);
        house.client.delete(&apps, "default", &app, &Default::default()).await?;
    }
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_of_other_namespaces_are_for_those_who_may_name_them() -> Result<()> {
    for cross_namespace in [CrossNamespace::Allowed, CrossNamespace::Blocked] {
        let house = House::new().await?;
        let handle = house.start(&house.client, Options { cross_namespace, ..house.options() }).await?;
        house.write("a.yaml", &config_map("a", "one"))?;
        house.publish(&handle, "default").await?;
        house.namespace("other").await?;
        for kind in KINDS {
            let (of, app) = (GroupVersionKind::new(GROUP, "v1", kind), kind.to_lowercase());
            house.apply(source(kind, "other")).await?;
            fetched(&house, &of, "other", kind).await?;
            house.apply(kustomization("default", &app, built_from(kind, "other"))).await?;
            if cross_namespace == CrossNamespace::Allowed {
                house.until("default", &app, |app| is_applied(app, kind)).await?;
                continue;
            }
            let refused = house.until("default", &app, |app| ready(app)["reason"] == "AccessDenied").await?;
            let told =
                format!("can't access '{kind}/other/outside', cross-namespace references have been blocked");
            ensure!(message(&refused) == told, "{}", refused["status"]);
            let stalled = refused["status"]["conditions"][0]["type"] == "Stalled";
            ensure!(stalled, "{}", refused["status"]);
            // In its own namespace there is one, too, and nobody minds.
            house.apply(source(kind, "default")).await?;
            fetched(&house, &of, "default", kind).await?;
            house.apply(kustomization("default", &app, built_from(kind, "default"))).await?;
            house.until("default", &app, |app| is_applied(app, kind)).await?;
        }
        handle.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_of_others_are_used_when_that_is_switched_on() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, Options { gates: Gates::default(), ..house.options() }).await?;
    house.write("a.yaml", &config_map("a", "one"))?;
    house.publish(&handle, "default").await?;
    let told = house.app(json!({}), "AccessDenied").await?;
    ensure!(
        told == "can't access 'ExternalArtifact/default/repo', ExternalArtifact feature gate is disabled",
        "{told}"
    );
    handle.stop().await;
    let handle = house.start(&house.client, house.options()).await?;
    house.app(json!({}), "ReconciliationSucceeded").await?;
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_of_source_without_a_definition_is_missed_and_then_found() -> Result<()> {
    let house = House::new().await?;
    let definitions = kind("apiextensions.k8s.io", "CustomResourceDefinition");
    house.client.delete(&definitions, "", &format!("buckets.{GROUP}"), &Default::default()).await?;
    house.client.forget_kinds();
    let handle = house.start(&house.client, house.options()).await?;
    house.write("a.yaml", &config_map("a", "one"))?;
    house.publish(&handle, "default").await?;
    // The other kinds are followed all the same.
    house.app(json!({}), "ReconciliationSucceeded").await?;
    house.apply(kustomization("default", "bucket", built_from("Bucket", "default"))).await?;
    let missing = format!("Bucket.{GROUP} \"outside\" not found");
    house.until("default", "bucket", |app| message(app) == missing).await?;

    let definition = flux::crds().into_iter().find(|found| found["spec"]["names"]["kind"] == "Bucket");
    house.client.create(&definition.context("the definition is known")?, "test").await?;
    house.client.forget_kinds();
    let buckets = kind(GROUP, "Bucket");
    house.apply(source("Bucket", "default")).await?;
    fetched(&house, &buckets, "default", "sha256:1").await?;
    house.until("default", "bucket", |app| is_applied(app, "sha256:1")).await?;
    handle.stop().await;
    Ok(())
}
