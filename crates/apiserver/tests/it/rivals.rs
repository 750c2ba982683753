//! Rivals of what the server does by itself: none loses anything.
//!
//! The objects are large, so that the moments between a look and a write are long enough to be met.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Client, MERGE, server};

/// Time for what follows from a deletion.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn dependents_that_others_write_are_let_go_all_the_same() -> Result<()> {
    let (running, client) = server().await?;
    for _ in 0..5 {
        orphan(&client).await?;
    }
    running.stop().await;
    Ok(())
}

async fn orphan(client: &Client) -> Result<()> {
    let owner = json!({"metadata": {"name": "owner"}});
    let (_, owner) = client.call("POST", MAPS, Some(owner)).await?;
    let reference =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]});
    let path = |number: usize| format!("{MAPS}/dependent-{number}");
    for number in 0..DEPENDENTS {
        let name = format!("dependent-{number}");
        let metadata = json!({"name": name, "ownerReferences": [reference]});
        let dependent = json!({"metadata": metadata, "data": {"x": "x".repeat(LARGE)}});
        ensure!(client.call("POST", MAPS, Some(dependent)).await?.0 == 201);
    }
    let over = Arc::new(AtomicBool::new(false));
    let writes = Arc::new(AtomicUsize::new(0));
    let mut rivals = JoinSet::new();
    for number in 0..DEPENDENTS {
        let (client, over, writes) = (client.clone(), Arc::clone(&over), Arc::clone(&writes));
        rivals.spawn(async move {
            let mut last = 0;
            while !over.load(Ordering::Relaxed) {
                last += 1;
                let patch = json!({"metadata": {"labels": {"last": last.to_string()}}}).to_string();
                let (status, answer) = client.send("PATCH", &path(number), MERGE, patch).await?;
                ensure!(status == 200, "dependent {number}: {answer}");
                writes.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok((number, last))
        });
    }
    let end = Instant::now() + LONG;
    while writes.load(Ordering::Relaxed) < 2 * DEPENDENTS {
        if let Some(ended) = rivals.try_join_next() {
            let (number, last) = ended??;
            bail!("the rival of {number} stopped after {last} writes");
        }
        ensure!(Instant::now() < end, "the rivals are too slow");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let owner = format!("{MAPS}/owner");
    let (status, answer) = client.call("DELETE", &format!("{owner}?propagationPolicy=Orphan"), None).await?;
    ensure!(status == 200, "{answer}");
    client.until_gone(&owner, LONG).await?;
    // Those who still name it would be collected now.
    tokio::time::sleep(Duration::from_millis(300)).await;
    over.store(true, Ordering::Relaxed);
    for rival in rivals.join_all().await {
        let (number, last) = rival?;
        let (status, found) = client.call("GET", &path(number), None).await?;
        let metadata = &found["metadata"];
        ensure!(status == 200 && metadata["ownerReferences"].is_null(), "{number}: {status} {metadata}");
        ensure!(metadata["labels"]["last"].as_str() == Some(&last.to_string()), "{number}: {last} is lost");
        ensure!(client.call("DELETE", &path(number), None).await?.0 == 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_object_is_made_behind_the_back_of_a_definition_that_goes() -> Result<()> {
    let (running, client) = server().await?;
    let definition = json!({
        "metadata": {"name": "things.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    let one = format!("{DEFINITIONS}/things.example.org");
    let mut raced = 0;
    for round in 0..ROUNDS {
        let (status, answer) = client.call("POST", DEFINITIONS, Some(definition.clone())).await?;
        ensure!(status == 201, "{answer}");
        let (_, list) = client.call("GET", THINGS, None).await?;
        ensure!(list["items"] == json!([]), "{} are left of round {round}", count(&list));
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let client = client.clone();
            writers.spawn(async move {
                for number in 0.. {
                    let metadata = json!({"name": format!("t{writer}-{number}")});
                    let thing = json!({
                        "apiVersion": "example.org/v1", "kind": "Thing",
                        "metadata": metadata, "x": "x".repeat(LARGE),
                    });
                    match client.call("POST", THINGS, Some(thing)).await? {
                        (201, _) => {}
                        // It goes, or is gone.
                        (403 | 404, _) => return Ok(number),
                        (status, answer) => bail!("{status} {answer}"),
                    }
                }
                Ok(0)
            });
        }
        tokio::time::sleep(Duration::from_millis(30 + 7 * round)).await;
        ensure!(client.call("DELETE", &one, None).await?.0 == 200);
        client.until_gone(&one, LONG).await?;
        let mut made = 0;
        for writer in writers.join_all().await {
            made += writer?;
        }
        raced += u64::from(made > 0);
    }
    ensure!(raced > ROUNDS / 2, "nobody raced in {} of {ROUNDS} rounds", ROUNDS - raced);
    running.stop().await;
    Ok(())
}

fn count(list: &Value) -> usize {
    list["items"].as_array().map_or(0, Vec::len)
}

const DEPENDENTS: usize = 6;
const ROUNDS: u64 = 12;
/// Bytes of an object.
const LARGE: usize = 400_000;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const THINGS: &str = "/apis/example.org/v1/namespaces/default/things";
