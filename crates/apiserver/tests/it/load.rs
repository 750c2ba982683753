//! Many writers of one object, and watches that are not read.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sealfast_apiserver::server::{Limits, Options, start};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::bounds::{connect_narrowly, rest, token};
use crate::client::Client;

#[tokio::test(flavor = "multi_thread")]
async fn many_may_apply_and_patch_one_new_object_at_once() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for round in 0..5 {
        let path = format!("/api/v1/namespaces/default/configmaps/c{round}");
        let mut writers = Vec::new();
        for writer in 0..16 {
            let (client, path) = (client.clone(), format!("{path}?fieldManager=m{writer}"));
            writers.push(tokio::spawn(async move {
                let body = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{round}")},
                    "data": {format!("k{writer}"): "v"},
                });
                let applied =
                    client.send("PATCH", &path, "application/apply-patch+yaml", body.to_string()).await?;
                let mark = json!({"metadata": {"labels": {format!("l{writer}"): "v"}}}).to_string();
                let patched = client.send("PATCH", &path, "application/merge-patch+json", mark).await?;
                anyhow::Ok((applied, patched))
            }));
        }
        for writer in writers {
            let (applied, patched) = writer.await??;
            assert!([200, 201].contains(&applied.0), "{applied:?}");
            assert_eq!(patched.0, 200, "{patched:?}");
        }
        let (_, kept) = client.call("GET", &path, None).await?;
        let count = |part: &Value| part.as_object().map(serde_json::Map::len);
        assert_eq!((count(&kept["data"]), count(&kept["metadata"]["labels"])), (Some(16), Some(16)));
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_watch_sees_every_event_in_order_and_slow_ones_are_cut() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.event = Duration::from_secs(2);
    let running = start(Options::default().with_limits(limits)).await?;
    let client = Client::of(&running)?;
    let version = version(&client).await?;
    let everything = format!("{COLLECTION}?watch=1&resourceVersion={version}");
    let mut watches = Vec::new();
    for number in 0..WATCHES {
        // Five see everything, the others a shard each.
        let (path, wanted) = match number {
            0..5 => (everything.clone(), None),
            shard => (format!("{everything}&labelSelector=shard%3D{shard}"), Some(shard)),
        };
        let watch = client.open(&path).await?;
        watches.push(tokio::spawn(async move { follow(watch, wanted).await }));
    }
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        let mut stream = connect_narrowly(&running).await?;
        let head = format!(
            "GET {everything} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
            token(&running)?
        );
        stream.write_all(head.as_bytes()).await?;
        stuck.push(stream);
    }
    create_all(&client).await?;
    for watch in watches {
        tokio::time::timeout(Duration::from_secs(120), watch).await???;
    }
    for mut stream in stuck {
        let seen = rest(&mut stream).await;
        anyhow::ensure!(!seen.contains(&format!("\"c{}\"", OBJECTS - 1)), "who took nothing was not cut off");
    }
    running.stop().await;
    Ok(())
}

async fn version(client: &Client) -> anyhow::Result<String> {
    let (_, list) = client.call("GET", &format!("{COLLECTION}?limit=1"), None).await?;
    Ok(list["metadata"]["resourceVersion"].as_str().context("a version")?.to_owned())
}

/// Several writers at a time; the last object is made when all others are there.
async fn create_all(client: &Client) -> anyhow::Result<()> {
    let numbers = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut writers = tokio::task::JoinSet::<anyhow::Result<()>>::new();
    for _ in 0..4 {
        let (client, numbers) = (client.clone(), Arc::clone(&numbers));
        writers.spawn(async move {
            loop {
                let number = numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= OBJECTS - WATCHES {
                    return Ok(());
                }
                create(&client, number).await?;
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    // One more for each shard, which tells its watch that all is over.
    for number in OBJECTS - WATCHES..OBJECTS {
        create(client, number).await?;
    }
    Ok(())
}

async fn create(client: &Client, number: usize) -> anyhow::Result<()> {
    let labels = json!({"shard": (number % WATCHES).to_string()});
    let body = json!({"metadata": {"name": format!("c{number}"), "labels": labels}, "data": {"x": "x".repeat(6000)}});
    let (status, _) = client.call("POST", COLLECTION, Some(body)).await?;
    anyhow::ensure!(status == 201, "status {status}");
    Ok(())
}

/// Reads a watch up to the last event it must see.
async fn follow(mut watch: reqwest::Response, shard: Option<usize>) -> anyhow::Result<()> {
    let wanted = if shard.is_some() { OBJECTS / WATCHES } else { OBJECTS };
    let (mut last, mut names) = (0_u64, std::collections::HashSet::new());
    let mut text = Vec::new();
    while names.len() < wanted {
        text.extend_from_slice(&watch.chunk().await?.context("the watch ended early")?);
        while let Some(at) = text.iter().position(|&byte| byte == b'\n') {
            let event: Value = serde_json::from_slice(&text[..at])?;
            text.drain(..=at);
            let metadata = &event["object"]["metadata"];
            let version: u64 = metadata["resourceVersion"].as_str().context("a version")?.parse()?;
            anyhow::ensure!(event["type"] == "ADDED" && version > last, "out of order: {event}");
            last = version;
            let label = metadata["labels"]["shard"].as_str().context("a label")?;
            anyhow::ensure!(shard.is_none_or(|shard| label == shard.to_string()), "another shard: {event}");
            names.insert(metadata["name"].as_str().context("a name")?.to_owned());
        }
    }
    Ok(())
}

const OBJECTS: usize = 2000;
const WATCHES: usize = 50;
const STUCK: usize = 5;
const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
