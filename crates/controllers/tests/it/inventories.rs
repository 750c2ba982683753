//! An object is in the inventory before it is made and until it is gone.
//!
//! Whoever dies between two writes then leaves nothing that nobody prunes.

use anyhow::{Context as _, Result};
use sealfast_cluster::client::{Client, Delete, Patch, Select, watch};
use sealfast_controllers::kustomization::claim::LEFT;
use sealfast_controllers::run::Handle;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::{Value, json};

use crate::house::{House, PATIENCE, config_map, is_applied, kind, kustomization, kustomizations, ready};

/// The versions of one object in the order of the server, from now on.
struct Versions {
    watch: watch::Watch,
    name: &'static str,
}

impl Versions {
    async fn of(client: &Client, gvk: &GroupVersionKind, name: &'static str) -> Versions {
        let mut watch = client.watch(gvk, "default", Select::default());
        watch.next().await;
        Versions { watch, name }
    }

    /// The number of the first change that satisfies a condition.
    async fn first(&mut self, holds: impl Fn(&watch::Event) -> bool) -> Result<u64> {
        let seen = async {
            loop {
                let event = self.watch.next().await;
                let (watch::Event::Applied(changed) | watch::Event::Deleted(changed)) = &event else {
                    continue;
                };
                if object::name(changed) == self.name && holds(&event) {
                    return object::metadata_text(changed, "resourceVersion").parse();
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, seen).await;
        Ok(waited.with_context(|| format!("waited in vain for a change of {}", self.name))??)
    }
}

fn names(object: &Value, id: &str) -> bool {
    let entries = object["status"]["inventory"]["entries"].as_array();
    entries.is_some_and(|entries| entries.iter().any(|entry| entry["id"] == id))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_in_the_inventory_before_it_is_made_and_until_it_is_gone() -> Result<()> {
    let files = [("stays.yaml", &*config_map("stays", "a")), ("leaves.yaml", &config_map("leaves", "a"))];
    let (house, handle) = House::lived_in(&files).await?;
    let mut inventory = Versions::of(&house.client, &kustomizations(), "app").await;
    let mut map = Versions::of(&house.client, &kind("", "ConfigMap"), "leaves").await;
    house.app(json!({}), "ReconciliationSucceeded").await?;
    let id = "default_leaves__ConfigMap";
    let is_named = |event: &watch::Event| matches!(event, watch::Event::Applied(app) if names(app, id));
    let named = inventory.first(is_named).await?;
    let made = map.first(|event| matches!(event, watch::Event::Applied(_))).await?;
    assert!(named < made, "made as {made}, in the inventory since {named}");

    std::fs::remove_file(house.scratch.join("tree/leaves.yaml"))?;
    let revision = house.publish(&handle, "default").await?;
    house.until("default", "app", |app| is_applied(app, &revision)).await?;
    let is_forgotten = |event: &watch::Event| matches!(event, watch::Event::Applied(app) if !names(app, id));
    let forgotten = inventory.first(is_forgotten).await?;
    let gone = map.first(|event| matches!(event, watch::Event::Deleted(_))).await?;
    assert!(gone < forgotten, "gone as {gone}, out of the inventory since {forgotten}");
    handle.stop().await;
    Ok(())
}

/// The class `early`, which goes before all that is of no class.
fn class() -> String {
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "early"}, "value": 1,
    });
    class.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_leader_claims_during_a_run_is_pruned_by_it() -> Result<()> {
    let files = [("class.yaml", &*class()), ("map.yaml", &config_map("map", "a"))];
    let (house, handle) = House::lived_in(&files).await?;
    let (classes, maps) = (kind("scheduling.k8s.io", "PriorityClass"), kind("", "ConfigMap"));
    // The run waits for the class, and has the map still to claim.
    let goes = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "current": "has(metadata.annotations) && 'go' in metadata.annotations"});
    house.apply(kustomization("default", "app", json!({"healthCheckExprs": [goes]}))).await?;
    house.until_any(&classes, "", "early", |_| true).await?;
    let labels = json!({"kustomize.toolkit.fluxcd.io/name": "app", "kustomize.toolkit.fluxcd.io/namespace": "default"});
    let theirs = json!({"name": "theirs", "namespace": "default", "labels": labels});
    house.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": theirs})).await?;
    let id = "default_theirs__ConfigMap";
    let claimed = json!({"status": {"inventory": {"entries": [{"id": id, "v": "v1"}]}}});
    let claimed = Patch::Merge(&claimed);
    house.client.patch_status(&kustomizations(), "default", "app", &claimed, "other").await?;
    let go = json!({"metadata": {"annotations": {"go": ""}}});
    house.client.patch(&classes, "", "early", &Patch::Merge(&go), "test").await?;
    let app = house.until("default", "app", |app| ready(app)["status"] == "True").await?;
    assert!(names(&app, "default_map__ConfigMap") && !names(&app, id), "{app}");
    assert!(house.client.find(&maps, "default", "theirs").await?.is_none(), "nobody pruned it");
    handle.stop().await;
    Ok(())
}

/// An apply that wrote the class `early` and was then refused an object of a kind that nobody knows.
async fn refused_in_part() -> Result<(House, Handle)> {
    let stranger = json!({"apiVersion": "example.com/v1", "kind": "Stranger", "metadata": {"name": "no", "namespace": "default"}});
    let files = [("class.yaml", &*class()), ("stranger.yaml", &stranger.to_string())];
    let (house, handle) = House::lived_in(&files).await?;
    house.app(json!({"retryInterval": "1h"}), "ReconciliationFailed").await?;
    Ok((house, handle))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_refused_apply_had_made_is_pruned_by_whoever_leads_later() -> Result<()> {
    let (house, handle) = refused_in_part().await?;
    let classes = kind("scheduling.k8s.io", "PriorityClass");
    house.client.get(&classes, "", "early").await.context("an earlier stage was written")?;
    // Whoever comes next remembers nothing.
    handle.stop().await;
    let handle = house.start(&house.client, house.options()).await?;
    std::fs::remove_file(house.scratch.join("tree/class.yaml"))?;
    std::fs::remove_file(house.scratch.join("tree/stranger.yaml"))?;
    house.write("map.yaml", &config_map("map", "a"))?;
    let revision = house.publish(&handle, "default").await?;
    let app = house.until("default", "app", |app| is_applied(app, &revision)).await?;
    assert!(ready(&app)["status"] == "True" && !names(&app, "_early_scheduling.k8s.io_PriorityClass"));
    assert!(house.client.find(&classes, "", "early").await?.is_none(), "nobody pruned it");
    house.until("default", "app", |app| app["metadata"]["annotations"][LEFT].is_null()).await?;
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_refused_apply_had_made_goes_with_its_kustomization() -> Result<()> {
    let (house, handle) = refused_in_part().await?;
    let noted = |app: &Value| {
        app["metadata"]["annotations"][LEFT].as_str().is_some_and(|text| text.contains("_early_"))
    };
    house.until("default", "app", noted).await?;
    handle.stop().await;
    house.client.delete(&kustomizations(), "default", "app", &Delete::default()).await?;
    let handle = house.start(&house.client, house.options()).await?;
    let began = std::time::Instant::now();
    while house.client.find(&kustomizations(), "default", "app").await?.is_some() {
        assert!(began.elapsed() < PATIENCE, "it stays");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let classes = kind("scheduling.k8s.io", "PriorityClass");
    assert!(house.client.find(&classes, "", "early").await?.is_none(), "nobody deleted it");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_version_is_no_longer_served_is_pruned_in_another() -> Result<()> {
    let version = |name: &str, storage: bool| {
        let schema =
            json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        json!({"name": name, "served": true, "storage": storage, "schema": schema})
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [version("v1", true), version("v1beta1", false)],
        },
    });
    let widget = json!({
        "apiVersion": "example.com/v1beta1", "kind": "Widget", "metadata": {"name": "w", "namespace": "default"},
    });
    let files = [("widget.yaml", &*widget.to_string()), ("map.yaml", &config_map("map", "a"))];
    let (house, handle) = House::lived_in(&files).await?;
    house.apply(definition.clone()).await?;
    house
        .until_any(
            &kind("apiextensions.k8s.io", "CustomResourceDefinition"),
            "",
            "widgets.example.com",
            established,
        )
        .await?;
    house.app(json!({"retryInterval": "1s"}), "ReconciliationSucceeded").await?;
    let mut without = definition;
    without["spec"]["versions"][1]["served"] = false.into();
    house.apply(without).await?;
    std::fs::remove_file(house.scratch.join("tree/widget.yaml"))?;
    let revision = house.publish(&handle, "default").await?;
    house.until("default", "app", |app| is_applied(app, &revision)).await?;
    house.client.forget_kinds();
    assert!(
        house.client.find(&kind("example.com", "Widget"), "default", "w").await?.is_none(),
        "nobody pruned it"
    );
    handle.stop().await;
    Ok(())
}

fn established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Established" && c["status"] == "True"))
}
