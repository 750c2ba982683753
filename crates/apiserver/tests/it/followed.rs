//! What follows from a write, whatever comes between or after it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sealfast_apiserver::server::{Options, State, start};
use serde_json::{Value, json};

use crate::client::{Client, MERGE, message, server};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/f.example.com/v1/namespaces/default/widgets";
/// Bytes of the mark behind what was flushed.
const MARK: usize = 49;

/// Waits until a path is answered with a status.
async fn until(client: &Client, path: &str, wanted: u16) -> anyhow::Result<Value> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, answer) = client.call("GET", path, None).await?;
        if status == wanted {
            return Ok(answer);
        }
        anyhow::ensure!(Instant::now() < end, "{path}: {status} {answer}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn map(name: &str, owner: Option<&Value>) -> Value {
    let mut map = json!({"metadata": {"name": name}});
    if let Some(owner) = owner {
        let metadata = &owner["metadata"];
        map["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": metadata["uid"]}]);
    }
    map
}

fn widgets() -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
    let names = json!({"plural": "widgets", "kind": "Widget"});
    let spec =
        json!({"group": "f.example.com", "scope": "Namespaced", "names": names, "versions": [version]});
    json!({"metadata": {"name": "widgets.f.example.com"}, "spec": spec})
}

fn widget(name: &str) -> Value {
    json!({"apiVersion": "f.example.com/v1", "kind": "Widget", "metadata": {"name": name}})
}

/// The collector loses many of its races here, and lets the owner go only once it has won the last one.
#[tokio::test(flavor = "multi_thread")]
async fn dependents_that_are_written_all_the_time_are_orphaned() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    for round in 0..12 {
        let (_, owner) = client.call("POST", MAPS, Some(map("owner", None))).await?;
        let names: Vec<String> = (0..8).map(|number| format!("c{round}-{number}")).collect();
        for name in &names {
            assert_eq!(client.call("POST", MAPS, Some(map(name, Some(&owner)))).await?.0, 201);
        }
        let over = Arc::new(AtomicBool::new(false));
        let writers = (0..6).map(|writer: usize| {
            let (client, over, names) = (client.clone(), Arc::clone(&over), names.clone());
            tokio::spawn(async move {
                for count in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let name = &names[(writer + count) % names.len()];
                    let change = json!({"data": {"count": format!("{writer} {count}")}}).to_string();
                    let (status, answer) =
                        client.send("PATCH", &format!("{MAPS}/{name}"), MERGE, change).await?;
                    anyhow::ensure!(status == 200, "{name}: {answer}");
                }
                Ok(())
            })
        });
        let writers: Vec<_> = writers.collect();
        let path = format!("{MAPS}/owner");
        client.call("DELETE", &path, Some(json!({"propagationPolicy": "Orphan"}))).await?;
        until(&client, &path, 404).await?;
        over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await??;
        }
        for name in &names {
            let dependent = until(&client, &format!("{MAPS}/{name}"), 200).await?;
            assert!(dependent["metadata"]["ownerReferences"].is_null(), "{dependent}");
        }
    }
    running.stop().await;
    Ok(())
}

/// Cuts the last write off the file, as a kill between two writes would have left it.
fn cut(dir: &Path) -> anyhow::Result<()> {
    let path = dir.join("state");
    let bytes = std::fs::read(&path)?;
    std::fs::write(&path, &bytes[..bytes.len() - MARK - 5])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_a_write_and_what_follows_is_made_good_at_the_start() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options =
        Options::default().with_state(State::Dir(dir.path().to_owned())).with_ready_workloads(false);
    let running = start(options.clone()).await?;
    let client = Client::of(&running)?;
    client.call("POST", "/api/v1/namespaces", Some(json!({"metadata": {"name": "n"}}))).await?;
    running.stop().await;
    cut(dir.path())?;

    let running = start(options.clone()).await?;
    let client = Client::of(&running)?;
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let pod = json!({"metadata": {"name": "p"}, "spec": spec});
    let (status, answer) = client.call("POST", "/api/v1/namespaces/n/pods", Some(pod)).await?;
    assert_eq!(status, 201, "{answer}");
    client.call("POST", DEFINITIONS, Some(widgets())).await?;
    running.stop().await;
    cut(dir.path())?;

    let running = start(options).await?;
    let client = Client::of(&running)?;
    let (status, answer) = client.call("POST", WIDGETS, Some(widget("w"))).await?;
    assert_eq!(status, 201, "{answer}");
    let (_, definition) = client.call("GET", &format!("{DEFINITIONS}/widgets.f.example.com"), None).await?;
    assert_eq!(definition["status"]["acceptedNames"]["kind"], "Widget", "{definition}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_do_not_outlive_their_definition_over_a_start() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::default().with_state(State::Dir(dir.path().to_owned()));
    let running = start(options.clone()).await?;
    let client = Client::of(&running)?;
    client.call("POST", DEFINITIONS, Some(widgets())).await?;
    let mut held = widget("held");
    held["metadata"]["finalizers"] = json!(["f.example.com/hold"]);
    assert_eq!(client.call("POST", WIDGETS, Some(held)).await?.0, 201);
    let path = format!("{DEFINITIONS}/widgets.f.example.com");
    client.call("DELETE", &path, None).await?;
    let freed = json!({"metadata": {"finalizers": null}}).to_string();
    assert_eq!(client.send("PATCH", &path, MERGE, freed).await?.0, 200);
    until(&client, &path, 404).await?;
    running.stop().await;
    let running = start(options).await?;
    let client = Client::of(&running)?;
    assert_eq!(client.call("POST", DEFINITIONS, Some(widgets())).await?.0, 201);
    let list = until(&client, WIDGETS, 200).await?;
    assert_eq!(list["items"], json!([]));
    running.stop().await;
    Ok(())
}

/// Creates that overlap the end of a definition come too early or too late, and leave nothing for the next one.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_under_a_definition_that_goes() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let path = format!("{DEFINITIONS}/widgets.f.example.com");
    for round in 0..8 {
        assert_eq!(client.call("POST", DEFINITIONS, Some(widgets())).await?.0, 201);
        let list = until(&client, WIDGETS, 200).await?;
        assert_eq!(list["items"], json!([]), "round {round}");
        let writers = (0..4).map(|writer| {
            let client = client.clone();
            tokio::spawn(async move {
                for count in 0.. {
                    let object = widget(&format!("w{writer}-{count}"));
                    let (status, answer) = client.call("POST", WIDGETS, Some(object)).await?;
                    match status {
                        201 => {}
                        403 => anyhow::ensure!(message(&answer).contains("is terminating"), "{answer}"),
                        404 => break,
                        _ => anyhow::bail!("{status} {answer}"),
                    }
                }
                Ok(())
            })
        });
        let writers: Vec<_> = writers.collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.call("DELETE", &path, None).await?;
        until(&client, &path, 404).await?;
        for writer in writers {
            writer.await??;
        }
    }
    running.stop().await;
    Ok(())
}

/// Whoever deletes a pod, watches are told the same of its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_ends_alike_by_itself_and_with_its_namespace() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    client.call("POST", "/api/v1/namespaces", Some(json!({"metadata": {"name": "n"}}))).await?;
    let pods = "/api/v1/namespaces/n/pods";
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let mut version = String::new();
    for name in ["alone", "along"] {
        let (status, pod) =
            client.call("POST", pods, Some(json!({"metadata": {"name": name}, "spec": spec}))).await?;
        assert_eq!(status, 201, "{pod}");
        version = pod["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    }
    client.call("DELETE", &format!("{pods}/alone"), None).await?;
    client.call("DELETE", "/api/v1/namespaces/n", None).await?;
    until(&client, "/api/v1/namespaces/n", 404).await?;
    let mut watch =
        client.open(&format!("{pods}?watch=1&resourceVersion={version}&timeoutSeconds=2")).await?;
    let mut text = Vec::new();
    while let Some(chunk) = watch.chunk().await? {
        text.extend_from_slice(&chunk);
    }
    let events: Vec<Value> =
        serde_json::Deserializer::from_slice(&text).into_iter().collect::<Result<_, _>>()?;
    let ends: Vec<&Value> = events.iter().filter(|event| event["type"] == "DELETED").collect();
    assert_eq!(ends.len(), 2, "{events:?}");
    for end in ends {
        let metadata = &end["object"]["metadata"];
        assert!(
            metadata["deletionTimestamp"].is_string() && metadata["deletionGracePeriodSeconds"] == 0,
            "{end}"
        );
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_deleted_under_the_conditions_of_the_request() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    assert_eq!(client.call("POST", MAPS, Some(map("c", None))).await?.0, 201);
    let other = json!({"preconditions": {"uid": "x"}});
    let (status, answer) = client.call("DELETE", MAPS, Some(other)).await?;
    assert_eq!(status, 409, "{answer}");
    let uid = until(&client, &format!("{MAPS}/c"), 200).await?["metadata"]["uid"].clone();
    let (status, answer) = client.call("DELETE", MAPS, Some(json!({"preconditions": {"uid": uid}}))).await?;
    assert_eq!(status, 200, "{answer}");
    until(&client, &format!("{MAPS}/c"), 404).await?;
    running.stop().await;
    Ok(())
}
