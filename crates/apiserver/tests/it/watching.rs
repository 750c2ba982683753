//! A list and a watch from its version lose no write that comes between.

use sealfast_apiserver::server::{Options, start};
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test(flavor = "multi_thread")]
async fn list_then_watch_sees_every_write() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let writer = client.clone();
    let writes = tokio::spawn(async move {
        for number in 0..200 {
            let body = json!({"metadata": {"name": format!("c{number}")}});
            let (status, _) = writer.call("POST", COLLECTION, Some(body)).await?;
            anyhow::ensure!(status == 201, "status {status}");
        }
        Ok::<_, anyhow::Error>(())
    });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let (_, list) = client.call("GET", COLLECTION, None).await?;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let mut seen: Vec<String> = names(list["items"].as_array().map(Vec::as_slice).unwrap_or_default());
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let mut watch = client.open(&format!("{COLLECTION}?watch=1&resourceVersion={version}")).await?;
    let mut rest = Vec::new();
    while seen.len() < 200 {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), watch.chunk()).await??;
        rest.extend_from_slice(&chunk.unwrap_or_default());
        while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=at).collect();
            let event: Value = serde_json::from_slice(&line)?;
            seen.extend(names(&[event["object"].clone()]));
        }
    }
    writes.await??;
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 200);
    running.stop().await;
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

fn names(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(|item| item["metadata"]["name"].as_str()).map(str::to_owned).collect()
}

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
