//! What informers and reflectors do: list in pages, watch, resume, and begin again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, server};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

async fn make(client: &Client, name: &str, value: &str) -> anyhow::Result<Value> {
    let (status, made) =
        client.call("POST", MAPS, Some(json!({"metadata": {"name": name}, "data": {"k": value}}))).await?;
    anyhow::ensure!(status == 201, "{name}: {status}");
    Ok(made)
}

/// The events of a watch until it ends or nothing comes for a while.
async fn events(client: &Client, query: &str) -> anyhow::Result<Vec<Value>> {
    let mut watch = client.open(&format!("{MAPS}?watch=true&{query}")).await?;
    anyhow::ensure!(watch.status() == 200, "{}", watch.status());
    let mut text = Vec::new();
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout(Duration::from_secs(5), watch.chunk()).await {
        text.extend_from_slice(&chunk);
    }
    text.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| Ok(serde_json::from_slice(line)?))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_resumes_where_another_ended() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    make(&client, "a", "1").await?;
    let (_, list) = client.call("GET", MAPS, None).await?;
    let mut seen: BTreeMap<String, String> =
        list["items"].as_array().into_iter().flatten().map(|item| (name(item), version(item))).collect();
    make(&client, "b", "1").await?;
    let first = events(
        &client,
        &format!("resourceVersion={}&timeoutSeconds=1&allowWatchBookmarks=true", version(&list)),
    )
    .await?;
    let kinds: Vec<&str> = first.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds, ["ADDED", "BOOKMARK"], "{first:?}");
    let mark = &first[1]["object"];
    assert_eq!(
        (&mark["kind"], &mark["apiVersion"], mark.get("data")),
        (&json!("ConfigMap"), &json!("v1"), None)
    );
    // While nobody watches, one comes, one changes and one goes.
    make(&client, "c", "1").await?;
    let changed = json!({"metadata": {"name": "a"}, "data": {"k": "2"}});
    client.call("PUT", &format!("{MAPS}/a"), Some(changed)).await?;
    client.call("DELETE", &format!("{MAPS}/b"), None).await?;
    let second = events(&client, &format!("resourceVersion={}&timeoutSeconds=1", version(mark))).await?;
    let told: Vec<(&str, String)> = second
        .iter()
        .map(|event| (event["type"].as_str().unwrap_or_default(), name(&event["object"])))
        .collect();
    assert_eq!(told, [("ADDED", "c".to_owned()), ("MODIFIED", "a".to_owned()), ("DELETED", "b".to_owned())]);
    for event in first.iter().chain(&second).filter(|event| event["type"] != "BOOKMARK") {
        let object = &event["object"];
        match event["type"].as_str() {
            Some("DELETED") => seen.remove(&name(object)),
            _ => seen.insert(name(object), version(object)),
        };
    }
    let (_, list) = client.call("GET", MAPS, None).await?;
    let there =
        list["items"].as_array().into_iter().flatten().map(|item| (name(item), version(item))).collect();
    assert_eq!(seen, there);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_too_long_begins_again() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let old = version(&make(&client, "a", "1").await?);
    for number in 0..3 {
        make(&client, &format!("page-{number}"), "1").await?;
    }
    let (_, page) = client.call("GET", &format!("{MAPS}?limit=1"), None).await?;
    let token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    assert!(!token.is_empty());
    // More than the history holds.
    let large = "x".repeat(900 << 10);
    for number in 0..20 {
        let body = json!({"metadata": {"name": "a"}, "data": {"k": format!("{number}{large}")}});
        let (status, _) = client.call("PUT", &format!("{MAPS}/a"), Some(body)).await?;
        anyhow::ensure!(status == 200, "{status}");
    }
    let told = events(&client, &format!("resourceVersion={old}&timeoutSeconds=2")).await?;
    assert_eq!(told.len(), 1, "{:?}", told.len());
    let status = &told[0]["object"];
    assert_eq!(
        (&told[0]["type"], &status["code"], &status["reason"]),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
    let (code, answer) = client.call("GET", &format!("{MAPS}?limit=1&continue={token}"), None).await?;
    assert_eq!((code, &answer["reason"]), (410, &json!("Expired")), "{answer}");
    // The token that comes with the refusal goes on with what is there now.
    let rest = answer["metadata"]["continue"].as_str().unwrap_or_default();
    let (code, page) = client.call("GET", &format!("{MAPS}?limit=5&continue={rest}"), None).await?;
    assert_eq!(code, 200, "{page}");
    let names: Vec<String> = page["items"].as_array().into_iter().flatten().map(name).collect();
    assert_eq!(names, ["page-0", "page-1", "page-2"]);
    let (_, list) = client.call("GET", &format!("{MAPS}?resourceVersion=0"), None).await?;
    let fresh = events(&client, &format!("resourceVersion={}&timeoutSeconds=1", version(&list))).await?;
    assert!(fresh.is_empty(), "{}", fresh.len());
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_one_state_while_objects_change() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    for number in 0..10 {
        make(&client, &format!("m{number}"), "old").await?;
    }
    let (_, mut page) = client.call("GET", &format!("{MAPS}?limit=3"), None).await?;
    let first = version(&page);
    assert_eq!(page["metadata"]["remainingItemCount"], 7);
    let mut seen = Vec::new();
    let mut turn = 0;
    loop {
        seen.extend(page["items"].as_array().cloned().unwrap_or_default());
        assert_eq!(version(&page), first, "every page is of the same state");
        let token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            break;
        }
        // One that is still to come changes, one goes, and one comes in between.
        let changed = json!({"metadata": {"name": "m9"}, "data": {"k": format!("new-{turn}")}});
        client.call("PUT", &format!("{MAPS}/m9"), Some(changed)).await?;
        client.call("DELETE", &format!("{MAPS}/m{}", 8 - turn), None).await?;
        make(&client, &format!("m{turn}x"), "new").await?;
        turn += 1;
        page = client.call("GET", &format!("{MAPS}?limit=3&continue={token}"), None).await?.1;
    }
    let names: Vec<String> = seen.iter().map(name).collect();
    let wanted: Vec<String> = (0..10).map(|number| format!("m{number}")).collect();
    assert_eq!(names, wanted);
    assert!(seen.iter().all(|item| item["data"]["k"] == "old"));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_count_in_one_object_lose_no_count() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let start = version(&make(&client, "counter", "0").await?);
    let path = format!("{MAPS}/counter");
    let workers: Vec<_> = (0..6)
        .map(|_| {
            let (client, path) = (client.clone(), path.clone());
            tokio::spawn(async move {
                let mut done = 0;
                while done < 10 {
                    let (_, mut object) = client.call("GET", &path, None).await?;
                    let count: u64 = object["data"]["k"].as_str().unwrap_or_default().parse()?;
                    object["data"]["k"] = (count + 1).to_string().into();
                    let (status, answer) = client.call("PUT", &path, Some(object)).await?;
                    match status {
                        200 => done += 1,
                        409 => {
                            let told = "Operation cannot be fulfilled on configmaps \"counter\": the object has been modified; please apply your changes to the latest version and try again";
                            anyhow::ensure!(answer["message"] == told && answer["reason"] == "Conflict", "{answer}");
                        }
                        other => anyhow::bail!("{other}: {answer}"),
                    }
                }
                Ok::<_, anyhow::Error>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    let (_, object) = client.call("GET", &path, None).await?;
    assert_eq!(object["data"]["k"], "60");
    // Every count was seen once, and in order.
    let seen = events(&client, &format!("resourceVersion={start}&timeoutSeconds=1")).await?;
    let counts = seen.iter().filter(|event| name(&event["object"]) == "counter");
    let counts: Vec<&str> = counts.filter_map(|event| event["object"]["data"]["k"].as_str()).collect();
    assert_eq!(counts, (1..=60).map(|count| count.to_string()).collect::<Vec<_>>());
    running.stop().await;
    Ok(())
}
