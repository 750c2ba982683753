//! A list and a watch from its version lose no write that comes between.

use std::time::Duration;

use anyhow::Context;
use sealfast_apiserver::server::{Limits, Options, start};
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test(flavor = "multi_thread")]
async fn list_then_watch_sees_every_write_once() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for (round, before) in [0, 1, 20, 100, 180].into_iter().enumerate() {
        list_amid_writes(&client, round, before).await.with_context(|| format!("after {before} writes"))?;
    }
    running.stop().await;
    Ok(())
}

/// Lists once so many writes of a round were acknowledged, and watches from there while the others come.
async fn list_amid_writes(client: &Client, round: usize, before: usize) -> anyhow::Result<()> {
    let selected = format!("labelSelector=round%3D{round}");
    let writer = client.clone();
    let (sender, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let writes = tokio::spawn(async move {
        for number in 0..WRITES {
            let metadata =
                json!({"name": format!("c{round}-{number}"), "labels": {"round": round.to_string()}});
            let (status, _) = writer.call("POST", COLLECTION, Some(json!({"metadata": metadata}))).await?;
            anyhow::ensure!(status == 201, "status {status}");
            let _ = sender.send(());
        }
        Ok::<_, anyhow::Error>(())
    });
    for _ in 0..before {
        acknowledged.recv().await.context("a write")?;
    }
    let (_, list) = client.call("GET", &format!("{COLLECTION}?{selected}"), None).await?;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let mut seen: Vec<String> = names(list["items"].as_array().map(Vec::as_slice).unwrap_or_default());
    let listed = seen.len();
    anyhow::ensure!(listed >= before, "{listed} are listed");
    let watch = format!("{COLLECTION}?watch=1&resourceVersion={version}&{selected}");
    let mut watch = client.open(&watch).await?;
    let mut rest = Vec::new();
    // The last object is made when all others are told of, so that what is told twice comes before it.
    let mut is_last = false;
    while !is_last {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), watch.chunk()).await??;
        rest.extend_from_slice(&chunk.context("the watch ended")?);
        while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=at).collect();
            let event: Value = serde_json::from_slice(&line)?;
            anyhow::ensure!(event["type"] == "ADDED", "{event}");
            let name = names(&[event["object"].clone()]);
            is_last |= name[0] == format!("c{round}-last");
            seen.extend(name);
        }
        if seen.len() == WRITES {
            let metadata = json!({"name": format!("c{round}-last"), "labels": {"round": round.to_string()}});
            let made = client.call("POST", COLLECTION, Some(json!({"metadata": metadata}))).await?;
            anyhow::ensure!(made.0 == 201, "{made:?}");
        }
    }
    writes.await??;
    anyhow::ensure!(listed < WRITES, "all was listed, and nothing was left to be told");
    let mut wanted: Vec<String> = (0..WRITES).map(|number| format!("c{round}-{number}")).collect();
    wanted.push(format!("c{round}-last"));
    seen.sort();
    wanted.sort();
    assert_eq!(seen, wanted);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_may_ask_for_any_time() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for seconds in [i64::MAX, i64::MAX / 1_000_000_000, u32::MAX.into(), i64::MIN, -1, 0] {
        let path = format!(
            "{COLLECTION}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds={seconds}"
        );
        let mut watch = client.open(&path).await?;
        assert_eq!(watch.status(), 200, "{seconds}");
        let first = tokio::time::timeout(std::time::Duration::from_secs(20), watch.chunk()).await??;
        let first: Value = serde_json::from_slice(&first.unwrap_or_default())?;
        assert_eq!(first["type"], "BOOKMARK", "{seconds}: {first}");
    }
    running.stop().await;
    Ok(())
}

/// Whether the four large objects come.
async fn takes_all(watch: &mut reqwest::Response) -> anyhow::Result<bool> {
    let reading = async {
        let mut length = 0;
        while let Ok(Some(chunk)) = watch.chunk().await {
            length += chunk.len();
            if length > 4_000_000 {
                return true;
            }
        }
        false
    };
    Ok(tokio::time::timeout(Duration::from_secs(10), reading).await?)
}

fn names(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(|item| item["metadata"]["name"].as_str()).map(str::to_owned).collect()
}

/// Objects of a round.
const WRITES: usize = 200;
const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_its_definition() -> anyhow::Result<()> {
    let (running, client) = crate::client::server().await?;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let define = |plural: &str, kind: &str| {
        json!({
            "metadata": {"name": format!("{plural}.example.org")},
            "spec": {
                "group": "example.org", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
            },
        })
    };
    assert_eq!(client.call("POST", definitions, Some(define("things", "Thing"))).await?.0, 201);
    let mut watch = client.open("/apis/example.org/v1/namespaces/default/things?watch=1").await?;
    assert_eq!(client.call("POST", definitions, Some(define("others", "Other"))).await?.0, 201);
    let early = tokio::time::timeout(Duration::from_millis(300), watch.chunk()).await;
    assert!(early.is_err(), "another definition ends no watch");
    let thing = json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a"}});
    client.call("POST", "/apis/example.org/v1/namespaces/default/things", Some(thing)).await?;
    client.call("DELETE", &format!("{definitions}/things.example.org"), None).await?;
    let mut told = Vec::new();
    let end = async {
        while let Some(chunk) = watch.chunk().await? {
            told.extend_from_slice(&chunk);
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(Duration::from_secs(20), end).await??;
    let events: Vec<Value> =
        told.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds, ["ADDED", "DELETED"]);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_list_is_not_older_than_what_is_asked_for() -> anyhow::Result<()> {
    let (running, client) = crate::client::server().await?;
    let streamed =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let (status, answer) =
        client.call("GET", &format!("{COLLECTION}?{streamed}&resourceVersion=900000"), None).await?;
    assert_eq!((status, answer["reason"].as_str()), (504, Some("Timeout")), "{answer}");
    running.stop().await;
    Ok(())
}

/// Each in a connection of its own, that nobody reads from.
#[tokio::test(flavor = "multi_thread")]
async fn unread_watches_of_one_user_have_a_share_of_the_memory() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.event = Duration::from_secs(2);
    let running = start(Options::default().with_limits(limits)).await?;
    let client = Client::of(&running)?;
    // More than a socket holds.
    for number in 0..4 {
        let large =
            json!({"metadata": {"name": format!("large-{number}")}, "data": {"k": "x".repeat(1_000_000)}});
        assert_eq!(client.call("POST", COLLECTION, Some(large)).await?.0, 201);
    }
    let mut unread = Vec::new();
    for _ in 0..60 {
        unread.push(Client::of(&running)?.open(&format!("{COLLECTION}?watch=1")).await?);
    }
    // Those that hold room are cut off, and those that waited for it have given up or come after them.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut another = Client::of(&running)?.open(&format!("{COLLECTION}?watch=1")).await?;
    assert!(
        takes_all(&mut another).await?,
        "the room comes back while the others hold on to their connections"
    );
    let mut cut = 0;
    for mut watch in unread {
        cut += usize::from(!takes_all(&mut watch).await?);
    }
    assert!(cut >= 20, "32 of 240 megabytes are one user's share, and {cut} watches were cut off");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_his_events_is_not_cut_off() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.event = Duration::from_millis(500);
    let running = start(Options::default().with_limits(limits)).await?;
    let client = Client::of(&running)?;
    let make = |name: &str| json!({"metadata": {"name": name}});
    assert_eq!(client.call("POST", COLLECTION, Some(make("first"))).await?.0, 201);
    let mut watch = client.open(&format!("{COLLECTION}?watch=1")).await?;
    let mut told = String::new();
    while !told.contains("\"first\"") {
        told.push_str(&String::from_utf8_lossy(&watch.chunk().await?.unwrap_or_default()));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.call("POST", COLLECTION, Some(make("second"))).await?.0, 201);
    while !told.contains("\"second\"") {
        let chunk = tokio::time::timeout(Duration::from_secs(5), watch.chunk()).await??;
        told.push_str(&String::from_utf8_lossy(&chunk.expect("the watch goes on")));
    }
    running.stop().await;
    Ok(())
}
