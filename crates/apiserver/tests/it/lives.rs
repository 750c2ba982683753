//! SIGKILL at random moments of life: nothing is lost, and nothing is half done.
//!
//! What was acknowledged is there after each start; what was asked for and not answered is there as a whole or not at
//! all. What the server does by itself (emptying, collecting, letting go) is done in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use rand08::rngs::StdRng;
use rand08::{Rng as _, RngCore as _, SeedableRng as _};
use sealfast_apiserver::server::Sync;
use serde_json::{Value, json};

use crate::client::{Client, MERGE};
use crate::killed::Server;

/// What CI has time for; a run by hand may take more, of a seed that failed: `KILLS=500 KILLS_SEED=7`.
const KILLS: u64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn kills_amid_life_lose_nothing() -> Result<()> {
    kills(Sync::Second).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_amid_life_lose_nothing_with_commit() -> Result<()> {
    kills(Sync::Commit).await
}

async fn kills(sync: Sync) -> Result<()> {
    let count = setting("KILLS")?.unwrap_or(KILLS);
    let seed = setting("KILLS_SEED")?.unwrap_or_else(rand08::random);
    let done = rounds(sync, count, &mut StdRng::seed_from_u64(seed)).await;
    done.with_context(|| format!("{count} kills with seed {seed} and {sync:?}"))
}

#[expect(clippy::disallowed_methods, reason = "who runs it by hand says for how long, and of which seed")]
fn setting(name: &str) -> Result<Option<u64>> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    text.parse().map(Some).with_context(|| format!("{name} is no number: {text}"))
}

async fn rounds(sync: Sync, count: u64, random: &mut StdRng) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut world = World::default();
    let mut before = None;
    for round in 0..=count {
        let mut server = Server::spawn_with(dir.path(), sync)?;
        let client = Client::by(&server.kubeconfig().await?)?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        world.check(&client, before.as_ref(), &seen).await.with_context(|| format!("after {round} kills"))?;
        let mut dice: Vec<StdRng> = (0..4).map(|_| StdRng::seed_from_u64(random.next_u64())).collect();
        let (over, time) = (AtomicBool::new(false), random.gen_range(20..400));
        let end = async {
            tokio::time::sleep(Duration::from_millis(time)).await;
            if round < count {
                return server.kill();
            }
            over.store(true, Ordering::Relaxed);
            Ok(())
        };
        let (done, lived) = tokio::join!(end, world.live(&client, &over, &mut dice));
        done?;
        lived.with_context(|| format!("after {round} kills"))?;
        if round == count {
            world.check(&client, None, &seen).await.context("at the end")?;
        }
        let seen = std::mem::take(&mut *seen.lock());
        before = Some(seen.last);
    }
    Ok(())
}

/// What was told about something, and what was asked for since.
#[derive(Debug, Clone, Default)]
struct Cell<S> {
    told: S,
    asked: Option<S>,
}

impl<S: Clone + PartialEq + Debug> Cell<S> {
    fn ask(&mut self, state: S) {
        self.asked = Some(state);
    }

    fn tell(&mut self) {
        self.told = self.asked.take().unwrap_or_else(|| self.told.clone());
    }

    fn find(&mut self, state: S, what: &str) -> Result<()> {
        let is_fine = state == self.told || self.asked.as_ref() == Some(&state);
        ensure!(is_fine, "{what} is {state:?}, and this is known: {self:?}");
        (self.told, self.asked) = (state, None);
        Ok(())
    }
}

#[derive(Default)]
struct World {
    namespaces: Namespaces,
    definitions: Definitions,
    families: Families,
    held: Held,
    managers: [Cell<u64>; 3],
}

/// Nothing when the server died meanwhile.
async fn ask(
    client: &Client,
    method: &str,
    path: &str,
    body: Option<Value>,
    wanted: u16,
) -> Result<Option<Value>> {
    let Ok((status, answer)) = client.call(method, path, body).await else { return Ok(None) };
    ensure!(status == wanted, "{method} {path}: {status} {answer}");
    Ok(Some(answer))
}

async fn items(client: &Client, path: &str) -> Result<Vec<Value>> {
    let list = client.find(path).await?.with_context(|| format!("{path} is not served"))?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn goes(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

impl World {
    async fn live(&mut self, client: &Client, over: &AtomicBool, dice: &mut [StdRng]) -> Result<()> {
        let [first, second, third, fourth] = dice else { anyhow::bail!("four of them roll dice") };
        let [one, two, three] = &mut self.managers;
        let done = tokio::join!(
            self.namespaces.live(client, over, first),
            self.definitions.live(client, over, second),
            self.families.live(client, over, third),
            self.held.live(client, over, fourth),
            manage(client, over, 0, one),
            manage(client, over, 1, two),
            manage(client, over, 2, three),
        );
        done.0.and(done.1).and(done.2).and(done.3).and(done.4).and(done.5).and(done.6)
    }

    /// Looks at everything after a start; `before` is the last version that a watch saw before.
    async fn check(&mut self, client: &Client, before: Option<&u64>, seen: &Arc<Mutex<Seen>>) -> Result<()> {
        if let Some(before) = before {
            expired(client, *before).await?;
        }
        if seen.lock().last == 0 {
            let version = Seen::list(client, seen).await?;
            ensure!(before.is_none_or(|before| version > *before), "{version} after {before:?}");
            tokio::spawn(follow(client.clone(), version, Arc::clone(seen)));
        }
        self.namespaces.check(client).await?;
        self.definitions.check(client).await?;
        self.families.check(client).await?;
        self.held.check(client).await?;
        check_managers(client, &mut self.managers).await?;
        agree(client, seen).await
    }
}

/// Namespaces that come, are furnished and go.
#[derive(Default)]
struct Namespaces {
    known: BTreeMap<String, Cell<Stage>>,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Stage {
    #[default]
    Absent,
    There,
    Furnished,
}

impl Namespaces {
    async fn live(&mut self, client: &Client, over: &AtomicBool, dice: &mut StdRng) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            let there: Vec<String> = self.known.keys().cloned().collect();
            let name = if there.len() < 4 {
                self.count += 1;
                format!("n{}", self.count)
            } else {
                there[dice.gen_range(0..there.len())].clone()
            };
            let cell = self.known.entry(name.clone()).or_default();
            let path = format!("/api/v1/namespaces/{name}");
            let (next, answer) = match cell.told {
                Stage::Absent => {
                    cell.ask(Stage::There);
                    (None, ask(client, "POST", "/api/v1/namespaces", Some(named(&name)), 201).await?)
                }
                Stage::There => {
                    cell.ask(Stage::Furnished);
                    let maps = format!("{path}/configmaps");
                    (None, ask(client, "POST", &maps, Some(named("c")), 201).await?)
                }
                Stage::Furnished => {
                    cell.ask(Stage::Absent);
                    (Some(name), ask(client, "DELETE", &path, None, 200).await?)
                }
            };
            if answer.is_none() {
                return Ok(());
            }
            cell.tell();
            if let Some(gone) = next {
                // It is looked for in the end, with all that is in namespaces that are not there.
                self.known.remove(&gone);
            }
        }
        Ok(())
    }

    async fn check(&mut self, client: &Client) -> Result<()> {
        for (name, cell) in &mut self.known {
            let path = format!("/api/v1/namespaces/{name}");
            let found = match client.find(&path).await? {
                Some(namespace) if !goes(&namespace) => {
                    let account = client.find(&format!("{path}/serviceaccounts/default")).await?;
                    ensure!(account.is_some(), "{name} has no account");
                    let map = client.find(&format!("{path}/configmaps/c")).await?;
                    if map.is_some() { Stage::Furnished } else { Stage::There }
                }
                _ => Stage::Absent,
            };
            cell.find(found, name)?;
        }
        self.known.retain(|_, cell| cell.told != Stage::Absent);
        let end = Instant::now() + SOON;
        loop {
            let there = items(client, "/api/v1/namespaces").await?;
            let mut maps = items(client, "/api/v1/configmaps").await?;
            maps.extend(items(client, "/api/v1/serviceaccounts").await?);
            let names: BTreeSet<&str> = there.iter().map(name).collect();
            let strays: Vec<&Value> = maps
                .iter()
                .map(|object| &object["metadata"]["namespace"])
                .filter(|namespace| namespace.as_str().is_none_or(|name| !names.contains(name)))
                .collect();
            ensure!(strays.is_empty(), "objects in namespaces that are gone: {strays:?}");
            let own = |name: &&&str| name.starts_with('n') && name[1..].parse::<usize>().is_ok();
            let more: Vec<&&str> =
                names.iter().filter(own).filter(|name| !self.known.contains_key(**name)).collect();
            if more.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "these do not go: {more:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Definitions that come, change and go with objects of theirs.
#[derive(Default)]
struct Definitions {
    known: BTreeMap<&'static str, Definition>,
}

#[derive(Default)]
struct Definition {
    /// Its changes, while it is there.
    changes: Cell<Option<u64>>,
    objects: BTreeMap<String, Cell<bool>>,
    count: u64,
}

impl Definitions {
    async fn live(&mut self, client: &Client, over: &AtomicBool, dice: &mut StdRng) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            let plural = ["alphas", "betas"][dice.gen_range(0..2)];
            let definition = self.known.entry(plural).or_default();
            if definition.step(client, plural, dice.gen_range(0..100)).await?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn check(&mut self, client: &Client) -> Result<()> {
        for (plural, definition) in &mut self.known {
            definition.check(client, plural).await.with_context(|| (*plural).to_owned())?;
        }
        Ok(())
    }
}

impl Definition {
    /// Nothing when the server died meanwhile.
    async fn step(&mut self, client: &Client, plural: &str, chance: u32) -> Result<Option<()>> {
        let path = format!("{DEFINITIONS}/{plural}.example.org");
        let objects = format!("/apis/example.org/v1/namespaces/default/{plural}");
        let kind = plural[..1].to_uppercase() + &plural[1..];
        self.count += 1;
        let answer = match self.changes.told {
            None => {
                let names = json!({"plural": plural, "kind": kind, "shortNames": [format!("{plural}-0")]});
                let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}});
                let definition = json!({
                    "metadata": {"name": format!("{plural}.example.org"), "labels": {"change": "0"}},
                    "spec": {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]},
                });
                self.changes.ask(Some(0));
                let made = ask(client, "POST", DEFINITIONS, Some(definition), 201).await?;
                if made.is_some() {
                    self.changes.tell();
                    let Some(list) = ask(client, "GET", &objects, None, 200).await? else { return Ok(None) };
                    ensure!(list["items"] == json!([]), "a new definition has objects: {list}");
                }
                made
            }
            Some(changes) if chance < 25 => {
                let next = changes + 1;
                self.changes.ask(Some(next));
                let names = json!({"shortNames": [format!("{plural}-{next}")]});
                let patch =
                    json!({"metadata": {"labels": {"change": next.to_string()}}, "spec": {"names": names}});
                let Ok((status, answer)) = client.send("PATCH", &path, MERGE, patch.to_string()).await else {
                    return Ok(None);
                };
                ensure!(status == 200, "{answer}");
                self.changes.tell();
                Some(answer)
            }
            Some(_) if chance < 35 => {
                self.changes.ask(None);
                if ask(client, "DELETE", &path, None, 200).await?.is_none() {
                    return Ok(None);
                }
                self.changes.tell();
                self.objects.clear();
                // The name is free once it is gone.
                let end = Instant::now() + SOON;
                loop {
                    match client.call("GET", &path, None).await {
                        Err(_) => return Ok(None),
                        Ok((404, _)) => return Ok(Some(())),
                        Ok((status, found)) => {
                            ensure!(Instant::now() < end, "it does not go: {status} {found}");
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    }
                }
            }
            Some(_) => {
                let name = format!("o{}", self.count);
                let object =
                    json!({"apiVersion": "example.org/v1", "kind": kind, "metadata": {"name": name}});
                let cell = self.objects.entry(name).or_default();
                cell.ask(true);
                let made = ask(client, "POST", &objects, Some(object), 201).await?;
                if made.is_some() {
                    cell.tell();
                }
                made
            }
        };
        Ok(answer.map(|_| ()))
    }

    async fn check(&mut self, client: &Client, plural: &str) -> Result<()> {
        let path = format!("{DEFINITIONS}/{plural}.example.org");
        let found = client.find(&path).await?.filter(|definition| !goes(definition));
        let Some(definition) = found else {
            self.changes.find(None, "the definition")?;
            self.objects.clear();
            return client.until_gone(&path, SOON).await;
        };
        let change = definition["metadata"]["labels"]["change"].as_str().context("a label")?;
        self.changes.find(Some(change.parse()?), "the definition")?;
        let conditions = definition["status"]["conditions"].as_array();
        let established =
            |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
        ensure!(conditions.is_some_and(|list| list.iter().any(established)), "not established: {definition}");
        let (asked, accepted) = (&definition["spec"]["names"], &definition["status"]["acceptedNames"]);
        ensure!(asked == accepted, "asked for {asked}, has {accepted}");
        let there = items(client, &format!("/apis/example.org/v1/namespaces/default/{plural}")).await?;
        let names: BTreeSet<&str> = there.iter().map(name).collect();
        let unknown = names.iter().find(|name| !self.objects.contains_key(**name));
        ensure!(unknown.is_none(), "of an earlier definition: {unknown:?}");
        for (name, cell) in &mut self.objects {
            cell.find(names.contains(name.as_str()), name)?;
        }
        self.objects.retain(|_, cell| cell.told);
        Ok(())
    }
}

/// Owners and dependents.
#[derive(Default)]
struct Families {
    known: Vec<Family>,
    count: usize,
}

struct Family {
    number: usize,
    owner: Cell<bool>,
    /// Dependents of which a client was told.
    dependents: usize,
    policy: &'static str,
}

impl Family {
    fn owner(&self) -> String {
        format!("{MAPS}/owner-{}", self.number)
    }

    fn dependent(&self, at: usize) -> String {
        format!("{MAPS}/dependent-{}-{at}", self.number)
    }

    /// Nothing when the server died meanwhile.
    async fn make(&mut self, client: &Client) -> Result<Option<()>> {
        let owner_name = format!("owner-{}", self.number);
        self.owner.ask(true);
        let Some(owner) = ask(client, "POST", MAPS, Some(named(&owner_name)), 201).await? else {
            return Ok(None);
        };
        self.owner.tell();
        for at in 0..3 {
            let reference = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "name": owner_name,
                "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true,
            });
            let name = format!("dependent-{}-{at}", self.number);
            let dependent = json!({"metadata": {"name": name, "ownerReferences": [reference]}});
            if ask(client, "POST", MAPS, Some(dependent), 201).await?.is_none() {
                return Ok(None);
            }
            self.dependents += 1;
        }
        Ok(Some(()))
    }

    async fn check(&mut self, client: &Client) -> Result<()> {
        let found = client.find(&self.owner()).await?.filter(|owner| !goes(owner));
        self.owner.find(found.is_some(), "the owner")?;
        for at in 0..self.dependents {
            let path = self.dependent(at);
            match (self.owner.told, self.policy) {
                (true, _) => {
                    let found = client.find(&path).await?.with_context(|| format!("{path} is lost"))?;
                    ensure!(found["metadata"]["ownerReferences"][0].is_object(), "no owner: {found}");
                }
                (false, "Orphan") => {
                    let end = Instant::now() + SOON;
                    loop {
                        let found = client.find(&path).await?.with_context(|| format!("{path} is lost"))?;
                        if found["metadata"]["ownerReferences"].is_null() {
                            break;
                        }
                        ensure!(Instant::now() < end, "not let go: {found}");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
                (false, _) => client.until_gone(&path, SOON).await?,
            }
        }
        if self.owner.told { Ok(()) } else { client.until_gone(&self.owner(), SOON).await }
    }
}

impl Families {
    async fn live(&mut self, client: &Client, over: &AtomicBool, dice: &mut StdRng) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            if self.known.iter().filter(|family| family.owner.told).count() < 3 {
                self.count += 1;
                let policy = ["Background", "Foreground", "Orphan"][dice.gen_range(0..3)];
                let owner = Cell::default();
                let mut family = Family { number: self.count, owner, dependents: 0, policy };
                let made = family.make(client).await?;
                self.known.push(family);
                if made.is_none() {
                    return Ok(());
                }
            }
            let standing: Vec<&mut Family> =
                self.known.iter_mut().filter(|family| family.owner.told).collect();
            let count = standing.len();
            let Some(family) = standing.into_iter().nth(dice.gen_range(0..count)) else { continue };
            family.owner.ask(false);
            let path = format!("{}?propagationPolicy={}", family.owner(), family.policy);
            if ask(client, "DELETE", &path, None, 200).await?.is_none() {
                return Ok(());
            }
            family.owner.tell();
        }
        Ok(())
    }

    async fn check(&mut self, client: &Client) -> Result<()> {
        for family in &mut self.known {
            let what = format!("family {} ({})", family.number, family.policy);
            family.check(client).await.context(what)?;
        }
        self.known.retain(|family| family.owner.told);
        let maps = items(client, MAPS).await?;
        let uids: BTreeSet<&str> = maps.iter().filter_map(|map| map["metadata"]["uid"].as_str()).collect();
        for map in &maps {
            let owner = map["metadata"]["ownerReferences"][0]["uid"].as_str();
            ensure!(owner.is_none_or(|uid| uids.contains(uid)), "its owner is gone: {map}");
        }
        Ok(())
    }
}

/// Objects that wait for somebody to take a finalizer off.
#[derive(Default)]
struct Held {
    known: BTreeMap<String, Cell<Grip>>,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Grip {
    #[default]
    Absent,
    Held,
    Marked,
}

impl Held {
    async fn live(&mut self, client: &Client, over: &AtomicBool, dice: &mut StdRng) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            let there: Vec<String> = self.known.keys().cloned().collect();
            let name = if there.len() < 4 {
                self.count += 1;
                format!("held-{}", self.count)
            } else {
                there[dice.gen_range(0..there.len())].clone()
            };
            let cell = self.known.entry(name.clone()).or_default();
            let path = format!("{MAPS}/{name}");
            let answer = match cell.told {
                Grip::Absent => {
                    cell.ask(Grip::Held);
                    let body = json!({"metadata": {"name": name, "finalizers": ["example.org/hold"]}});
                    ask(client, "POST", MAPS, Some(body), 201).await?
                }
                Grip::Held => {
                    cell.ask(Grip::Marked);
                    ask(client, "DELETE", &path, None, 200).await?
                }
                Grip::Marked => {
                    cell.ask(Grip::Absent);
                    let patch = json!({"metadata": {"finalizers": null}}).to_string();
                    match client.send("PATCH", &path, MERGE, patch).await {
                        Err(_) => None,
                        Ok((status, answer)) => {
                            ensure!(status == 200, "{answer}");
                            Some(answer)
                        }
                    }
                }
            };
            if answer.is_none() {
                return Ok(());
            }
            cell.tell();
            if cell.told == Grip::Absent {
                let found = client.call("GET", &path, None).await;
                ensure!(
                    found.is_err() || found.is_ok_and(|(status, _)| status == 404),
                    "{name} is still there"
                );
                self.known.remove(&name);
            }
        }
        Ok(())
    }

    async fn check(&mut self, client: &Client) -> Result<()> {
        for (name, cell) in &mut self.known {
            let found = match client.find(&format!("{MAPS}/{name}")).await? {
                None => Grip::Absent,
                Some(object) => {
                    ensure!(object["metadata"]["finalizers"] == json!(["example.org/hold"]), "{object}");
                    if goes(&object) { Grip::Marked } else { Grip::Held }
                }
            };
            cell.find(found, name)?;
        }
        self.known.retain(|_, cell| cell.told != Grip::Absent);
        Ok(())
    }
}

/// Applies one field of an object that others apply to, too.
async fn manage(client: &Client, over: &AtomicBool, number: usize, cell: &mut Cell<u64>) -> Result<()> {
    while !over.load(Ordering::Relaxed) {
        let next = cell.told + 1;
        cell.ask(next);
        let applied = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"},
            "data": {format!("k{number}"): next.to_string()},
        });
        let path = format!("{MAPS}/shared?fieldManager=m{number}");
        let media = "application/apply-patch+yaml";
        let Ok((status, answer)) = client.send("PATCH", &path, media, applied.to_string()).await else {
            return Ok(());
        };
        ensure!([200, 201].contains(&status), "{answer}");
        cell.tell();
    }
    Ok(())
}

async fn check_managers(client: &Client, managers: &mut [Cell<u64>]) -> Result<()> {
    let shared = client.find(&format!("{MAPS}/shared")).await?.unwrap_or_default();
    for (number, cell) in managers.iter_mut().enumerate() {
        let (key, manager) = (format!("k{number}"), format!("m{number}"));
        let value = shared["data"][&key].as_str().map_or(Ok(0), str::parse)?;
        cell.find(value, &key)?;
        let entries = shared["metadata"]["managedFields"].as_array().into_iter().flatten();
        let own: Vec<&Value> = entries.filter(|entry| entry["manager"] == manager.as_str()).collect();
        let owned = own.iter().filter(|entry| {
            entry["operation"] == "Apply" && entry["fieldsV1"]["f:data"][format!("f:{key}")].is_object()
        });
        let wanted = usize::from(value > 0);
        ensure!(own.len() == wanted && owned.count() == wanted, "{manager} has {value}: {own:?}");
    }
    Ok(())
}

/// What a list and a watch from its version tell of ConfigMaps.
#[derive(Default)]
struct Seen {
    versions: BTreeMap<String, u64>,
    last: u64,
    wrong: Option<String>,
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn place(object: &Value) -> String {
    format!("{}/{}", object["metadata"]["namespace"].as_str().unwrap_or_default(), name(object))
}

impl Seen {
    async fn list(client: &Client, seen: &Mutex<Self>) -> Result<u64> {
        let list = client.find("/api/v1/configmaps").await?.context("a list")?;
        let mut seen = seen.lock();
        seen.last = version(&list);
        seen.versions =
            list["items"].as_array().into_iter().flatten().map(|item| (place(item), version(item))).collect();
        Ok(seen.last)
    }

    fn take(&mut self, event: &Value) {
        let (place, version) = (place(&event["object"]), version(&event["object"]));
        let known = match event["type"].as_str() {
            Some("DELETED") => self.versions.remove(&place),
            _ => self.versions.insert(place, version),
        };
        let fits = match event["type"].as_str() {
            Some("ADDED") => known.is_none(),
            Some("MODIFIED" | "DELETED") => known.is_some(),
            _ => false,
        };
        if !fits || version <= self.last {
            let known = format!("{event} after {}, {known:?} known", self.last);
            self.wrong.get_or_insert(known);
        }
        self.last = version;
    }
}

/// Follows a watch until the server dies.
async fn follow(client: Client, from: u64, seen: Arc<Mutex<Seen>>) {
    let Ok(mut watch) = client.open(&format!("/api/v1/configmaps?watch=1&resourceVersion={from}")).await
    else {
        return;
    };
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = watch.chunk().await {
        text.extend_from_slice(&chunk);
        while let Some(at) = text.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = text.drain(..=at).collect();
            seen.lock().take(&serde_json::from_slice(&line).unwrap_or_default());
        }
    }
}

/// Once nothing is written any more, a watch has told what a list says.
async fn agree(client: &Client, seen: &Mutex<Seen>) -> Result<()> {
    let end = Instant::now() + SOON;
    loop {
        let there: BTreeMap<String, u64> = items(client, "/api/v1/configmaps")
            .await?
            .iter()
            .map(|item| (place(item), version(item)))
            .collect();
        {
            let seen = seen.lock();
            ensure!(seen.wrong.is_none(), "{:?}", seen.wrong);
            if seen.versions == there {
                return Ok(());
            }
            ensure!(Instant::now() < end, "told {:?}, listed {there:?}", seen.versions);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A watch from before a start begins anew.
async fn expired(client: &Client, version: u64) -> Result<()> {
    let watch = client.open(&format!("/api/v1/configmaps?watch=1&resourceVersion={version}")).await?;
    let text = tokio::time::timeout(SOON, watch.text()).await.context("it ends")??;
    let event: Value = serde_json::from_str(&text)?;
    let status = (&event["type"], &event["object"]["code"], &event["object"]["reason"]);
    ensure!(status == (&json!("ERROR"), &json!(410), &json!("Expired")), "{event}");
    Ok(())
}

const SOON: Duration = Duration::from_secs(20);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
