//! The halves of the controllers in two processes, and who is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::http::HeaderMap;
use parking_lot::Mutex;
use sealfast_testkit::git::Server;
use serde_json::{Value, json};

use crate::house::{House, PATIENCE, config_map, is_applied, kind, kustomization};
use crate::replica::{Half, Replica};

/// The requests that a receiver of events got.
type Told = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// Listens at a port of its own; returns its address.
async fn receiver(told: &Told) -> Result<String> {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/", socket.local_addr()?);
    let told = Arc::clone(told);
    let take = move |headers: HeaderMap, body: String| {
        let body = serde_json::from_str(&body).unwrap_or_default();
        told.lock().push((headers, body));
        async {}
    };
    let router = axum::Router::new().route("/", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(socket, router).await });
    Ok(address)
}

/// Waits for a request whose body satisfies a condition.
async fn heard(told: &Told, holds: impl Fn(&Value) -> bool) -> Result<(HeaderMap, Value)> {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = told.lock().iter().find(|(_, body)| holds(body)) {
            return Ok(found.clone());
        }
        ensure!(began.elapsed() < PATIENCE, "not told; what was: {:?}", told.lock());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn shard(mut object: Value) -> Value {
    object["metadata"]["labels"] = json!({"sharding.fluxcd.io/key": "one"});
    object["metadata"]["annotations"] = json!({"event.toolkit.fluxcd.io/team": "a", "other": "b"});
    object
}

fn source(url: &str, name: &str) -> Value {
    json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"interval": "1s", "url": url, "ref": {"branch": "main"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn two_halves_work_on_their_shard_and_tell_the_receiver() -> Result<()> {
    let (house, git, told) = (House::new().await?, Server::start()?, Told::default());
    git.create("app")?;
    let first = git.commit("app", "main", &[("cm.yaml", config_map("made", "one").as_bytes())], "first")?;
    let more = json!({"sourceRef": {"kind": "GitRepository", "name": "app"}});
    for object in [
        shard(source(&git.url("app"), "app")),
        source(&git.url("app"), "foreign"),
        shard(kustomization("default", "app", more.clone())),
        kustomization("default", "foreign", more),
    ] {
        house.apply(object).await?;
    }
    let events = receiver(&told).await?;
    let half = |only| Half { only, labels: "sharding.fluxcd.io/key=one", events: &events };
    let replica = |name: &str, only| {
        Replica::half(&house.kubeconfig, &house.scratch.join(format!("storage-{name}")), name, &half(only))
    };
    let sources = replica("sources", "source")?;
    let _builder = replica("builder", "kustomize")?;
    let first = format!("main@sha1:{first}");
    let app = house.until("default", "app", |object| is_applied(object, &first)).await?;
    ensure!(!house.scratch.join("storage-builder/gitrepository").exists(), "both halves fetch");

    // Without its other half each goes on from what there is.
    sources.kill()?;
    let second = git.commit("app", "main", &[("cm.yaml", config_map("made", "two").as_bytes())], "second")?;
    let _sources = replica("sources", "source")?;
    let second = format!("main@sha1:{second}");
    house.until("default", "app", |object| is_applied(object, &second)).await?;
    let map = house.client.get(&kind("", "ConfigMap"), "default", "made").await?;
    ensure!(map["data"]["key"] == "two", "{map}");

    for gvk in [crate::house::kustomizations(), kind("source.toolkit.fluxcd.io", "GitRepository")] {
        let other = house.client.get(&gvk, "default", "foreign").await?;
        ensure!(
            other["metadata"]["finalizers"].is_null() && other["status"]["conditions"].is_null(),
            "{other}"
        );
    }
    forwarded(&told, &app, &first).await
}

/// What the receiver was told is what the guide of notification-controller says.
async fn forwarded(told: &Told, app: &Value, revision: &str) -> Result<()> {
    const PREFIX: &str = "kustomize.toolkit.fluxcd.io/";
    let finished = |body: &Value| {
        body["message"].as_str().is_some_and(|text| text.starts_with("Reconciliation finished in "))
            && body["metadata"][format!("{PREFIX}revision")] == revision
    };
    let (headers, body) = heard(told, finished).await?;
    ensure!(headers["content-type"] == "application/json", "{headers:?}");
    let metadata = json!({format!("{PREFIX}revision"): revision, format!("{PREFIX}commit_status"): "update",
        "event.toolkit.fluxcd.io/team": "a"});
    for (field, wanted) in [
        ("severity", json!("info")),
        ("reason", json!("ReconciliationSucceeded")),
        ("reportingController", json!("kustomize-controller")),
        ("reportingInstance", json!("builder")),
        ("metadata", metadata),
    ] {
        ensure!(body[field] == wanted, "{field}: {}", body[field]);
    }
    let about = &body["involvedObject"];
    for field in ["name", "namespace", "uid"] {
        ensure!(about[field] == app["metadata"][field], "{field}: {about}");
    }
    ensure!(about["kind"] == "Kustomization" && about["apiVersion"] == app["apiVersion"], "{about}");
    let time = body["timestamp"].as_str().context("a timestamp")?;
    ensure!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    let keys: BTreeSet<&str> = body.as_object().context("an object")?.keys().map(String::as_str).collect();
    ensure!(keys.len() == 8 && keys.contains("message"), "{keys:?}");

    let (_, body) = heard(told, |body| body["reason"] == "NewArtifact").await?;
    ensure!(
        body["reportingController"] == "source-controller" && body["reportingInstance"] == "sources",
        "{body}"
    );
    ensure!(body["metadata"]["source.toolkit.fluxcd.io/revision"] == revision, "{body}");
    let silent = ["GitOperationSucceeded", "ArtifactUpToDate", "GarbageCollectionSucceeded"];
    let said = told.lock().iter().any(|(_, body)| silent.iter().any(|reason| body["reason"] == *reason));
    ensure!(!said, "what is of no use to anybody was forwarded");
    Ok(())
}
