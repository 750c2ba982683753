//! Ten thousand objects that change, move and go under two hundred watches.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use sealfast_apiserver::server::Sync;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::client::{Client, MERGE};
use crate::killed::Server;

#[tokio::test(flavor = "multi_thread")]
async fn every_watch_ends_where_a_list_does() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = Server::spawn_with(dir.path(), Sync::Second)?;
    let client = Client::by(&server.kubeconfig().await?)?;
    let from = listed(&client, "").await?.0;
    let (hands, work) = hands();
    make_all(&client, 0..BEFORE, &hands).await?;
    let mut watches = Vec::new();
    for number in 0..WATCHES {
        // Five see everything, the others a shard each.
        let shard = (number >= EVERYTHING).then_some(number);
        let selector = shard.map(|shard| format!("labelSelector=shard%3D{shard}")).unwrap_or_default();
        let (last, there) = listed(&client, &selector).await?;
        let versions = there.into_iter().map(|(name, (version, _))| (name, version)).collect();
        let watch = client.open(&format!("{MAPS}?watch=1&resourceVersion={last}&{selector}")).await?;
        let seen = Arc::new(Mutex::new(Seen { versions, last, wrong: None }));
        tokio::spawn(follow(watch, Arc::clone(&seen)));
        watches.push((shard, seen));
    }
    live(&client, hands, work).await?;

    let (_, there) = listed(&client, "").await?;
    let gone = (0..OBJECTS).filter(|number| number / WATCHES % 20 == DELETED).count();
    assert_eq!(there.len(), OBJECTS - gone + client_made(&client).await?);
    let end = Instant::now() + Duration::from_secs(120);
    for (shard, seen) in watches {
        let wanted: BTreeMap<&String, u64> = there
            .iter()
            .filter(|(_, (_, label))| shard.is_none_or(|shard| *label == shard.to_string()))
            .map(|(name, (version, _))| (name, *version))
            .collect();
        while !seen.lock().is(&wanted)? {
            ensure!(
                Instant::now() < end,
                "{shard:?}: {} were told, {wanted:?} are listed",
                seen.lock().versions.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // The history does not reach back to the beginning: who comes too late is told so.
    let late = client.open(&format!("{MAPS}?watch=1&resourceVersion={from}")).await?;
    let text = tokio::time::timeout(Duration::from_secs(60), late.text()).await.context("it ends")??;
    let event: Value = serde_json::from_str(&text)?;
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    let most = server.most_memory()?;
    assert!(most < MOST_MEMORY, "{most} KiB");
    Ok(())
}

/// What was there before anybody made anything.
async fn client_made(client: &Client) -> Result<usize> {
    let (_, list) = client.call("GET", &format!("{MAPS}?labelSelector=!shard"), None).await?;
    Ok(list["items"].as_array().map_or(0, Vec::len))
}

/// To whom objects are handed that are to be changed, moved, deleted and applied to.
type Hands = [UnboundedSender<usize>; 4];

fn hands() -> (Hands, [UnboundedReceiver<usize>; 4]) {
    let [(a, one), (b, two), (c, three), (d, four)] = std::array::from_fn(|_| unbounded_channel());
    ([a, b, c, d], [one, two, three, four])
}

/// Makes the rest of the objects, while others change, move, delete, apply and list.
async fn live(client: &Client, hands: Hands, work: [UnboundedReceiver<usize>; 4]) -> Result<()> {
    let mut others = JoinSet::<Result<()>>::new();
    let [changing, moving, deleting, applying] = work;
    others.spawn(change(client.clone(), changing));
    others.spawn(move_over(client.clone(), moving));
    others.spawn(delete(client.clone(), deleting));
    others.spawn(apply(client.clone(), applying));
    let over = Arc::new(AtomicBool::new(false));
    let lists = tokio::spawn(list(client.clone(), Arc::clone(&over)));
    make_all(client, BEFORE..OBJECTS, &hands).await?;
    drop(hands);
    for done in others.join_all().await {
        done?;
    }
    over.store(true, Ordering::Relaxed);
    let count = lists.await??;
    ensure!(count > 0, "no list amid the writes");
    Ok(())
}

/// Makes objects, four at a time, and hands some of them over.
async fn make_all(client: &Client, numbers: Range<usize>, hands: &Hands) -> Result<()> {
    let numbers = Arc::new(Mutex::new(numbers));
    let mut makers = JoinSet::new();
    for _ in 0..4 {
        makers.spawn(make(client.clone(), Arc::clone(&numbers), hands.clone()));
    }
    for done in makers.join_all().await {
        done?;
    }
    Ok(())
}

fn path(number: usize) -> String {
    format!("{MAPS}/c{number}")
}

async fn make(client: Client, numbers: Arc<Mutex<Range<usize>>>, hands: Hands) -> Result<()> {
    loop {
        let Some(number) = numbers.lock().next() else { return Ok(()) };
        let metadata =
            json!({"name": format!("c{number}"), "labels": {"shard": (number % WATCHES).to_string()}});
        let object = json!({"metadata": metadata, "data": {"x": "x".repeat(1000)}});
        let (status, answer) = client.call("POST", MAPS, Some(object)).await?;
        ensure!(status == 201, "{answer}");
        if let Some(who) = hands.get(number / WATCHES % 20) {
            let _ = who.send(number);
        }
    }
}

async fn patch(client: &Client, path: &str, media: &str, patch: Value) -> Result<()> {
    let (status, answer) = client.send("PATCH", path, media, patch.to_string()).await?;
    ensure!(status == 200, "{path}: {answer}");
    Ok(())
}

async fn change(client: Client, mut numbers: UnboundedReceiver<usize>) -> Result<()> {
    while let Some(number) = numbers.recv().await {
        patch(&client, &path(number), MERGE, json!({"data": {"x": "changed"}})).await?;
    }
    Ok(())
}

/// To another shard: gone for one watch, and new to another.
async fn move_over(client: Client, mut numbers: UnboundedReceiver<usize>) -> Result<()> {
    while let Some(number) = numbers.recv().await {
        let shard = ((number + 7) % WATCHES).to_string();
        patch(&client, &path(number), MERGE, json!({"metadata": {"labels": {"shard": shard}}})).await?;
    }
    Ok(())
}

async fn delete(client: Client, mut numbers: UnboundedReceiver<usize>) -> Result<()> {
    while let Some(number) = numbers.recv().await {
        let (status, answer) = client.call("DELETE", &path(number), None).await?;
        ensure!(status == 200, "{answer}");
    }
    Ok(())
}

async fn apply(client: Client, mut numbers: UnboundedReceiver<usize>) -> Result<()> {
    while let Some(number) = numbers.recv().await {
        let applied = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{number}")},
            "data": {"applied": "yes"},
        });
        let path = format!("{}?fieldManager=applier", path(number));
        patch(&client, &path, "application/apply-patch+yaml", applied).await?;
    }
    Ok(())
}

/// Lists all of it in pages, again and again; how often.
async fn list(client: Client, over: Arc<AtomicBool>) -> Result<usize> {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let mut token = String::new();
        let mut names = std::collections::BTreeSet::new();
        loop {
            let (status, page) = client.call("GET", &format!("{MAPS}?limit=500{token}"), None).await?;
            // Who turns the pages slower than history goes begins again.
            if status == 410 {
                break;
            }
            ensure!(status == 200, "{page}");
            for item in page["items"].as_array().into_iter().flatten() {
                let name = item["metadata"]["name"].as_str().unwrap_or_default();
                ensure!(names.insert(name.to_owned()), "{name} is on two pages");
            }
            match page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
                Some(next) => token = format!("&continue={next}"),
                None => break,
            }
        }
        count += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(count)
}

/// The version of a list, and version and shard of each object, by name.
async fn listed(client: &Client, query: &str) -> Result<(u64, BTreeMap<String, (u64, String)>)> {
    let (status, list) = client.call("GET", &format!("{MAPS}?{query}"), None).await?;
    ensure!(status == 200, "{status}");
    let items = list["items"].as_array().into_iter().flatten().map(|item| {
        let label = item["metadata"]["labels"]["shard"].as_str().unwrap_or_default();
        (name(item), (version(item), label.to_owned()))
    });
    Ok((version(&list), items.collect()))
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// What a watch was told.
struct Seen {
    versions: BTreeMap<String, u64>,
    last: u64,
    wrong: Option<String>,
}

impl Seen {
    /// Whether it is these versions by now.
    fn is(&self, wanted: &BTreeMap<&String, u64>) -> Result<bool> {
        ensure!(self.wrong.is_none(), "{:?}", self.wrong);
        Ok(self.versions.iter().map(|(name, version)| (name, *version)).eq(wanted.clone()))
    }

    fn take(&mut self, event: &Value) {
        let (name, version) = (name(&event["object"]), version(&event["object"]));
        let fits = match event["type"].as_str() {
            Some("ADDED") => self.versions.insert(name, version).is_none(),
            Some("MODIFIED") => self.versions.insert(name, version).is_some(),
            Some("DELETED") => self.versions.remove(&name).is_some(),
            _ => false,
        };
        if !fits || version <= self.last {
            self.wrong.get_or_insert(format!("{event} after {}", self.last));
        }
        self.last = version;
    }
}

async fn follow(mut watch: reqwest::Response, seen: Arc<Mutex<Seen>>) -> Result<()> {
    let mut text = Vec::new();
    loop {
        let Some(chunk) = watch.chunk().await? else {
            seen.lock().wrong.get_or_insert("it ended".to_owned());
            return Ok(());
        };
        text.extend_from_slice(&chunk);
        let mut from = 0;
        while let Some(length) = text[from..].iter().position(|&byte| byte == b'\n') {
            let event: Value = serde_json::from_slice(&text[from..from + length]).context("an event")?;
            seen.lock().take(&event);
            from += length + 1;
        }
        text.drain(..from);
    }
}

const OBJECTS: usize = 10_000;
/// Those of them that are there before anybody watches.
const BEFORE: usize = 8000;
const WATCHES: usize = 200;
const EVERYTHING: usize = 5;
/// Which of twenty go again.
const DELETED: usize = 2;
/// In KiB: more than twice of what it takes.
const MOST_MEMORY: u64 = 150 << 10;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
