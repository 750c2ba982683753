//! A kill between any two writes: the next start finishes what was begun.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::disks::{Client, MAPS, SOON, owned, things, web};
use super::power::{Image, Machine};
use super::{Options, State, start_on};
use crate::conditions::holds;
use crate::fields;
use crate::keys;
use crate::storage::disk::Disk;
use crate::storage::{Key, Store};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kill_left_half_done_is_done_at_the_next_start() -> anyhow::Result<()> {
    let machine = Machine::holding(&Image::new());
    let options = |machine: &Machine| Options::default().with_state(State::Dir(machine.state()));
    let running = start_on(&machine.disk(), options(&machine)).await?;
    let from = machine.steps();
    let client = Client::of(&running)?;
    for (method, path, mut body) in life() {
        client.name_owner(&mut body).await?;
        let (status, answer) = client.call(method, path, &body).await?;
        anyhow::ensure!(status < 300, "{method} {path}: {answer}");
        until_at_rest(&running.app.store).await?;
    }
    running.stop().await;
    let images = machine.killed_since(from);
    assert!(images.len() > 40, "{} moments", images.len());
    for (moment, image) in images.iter().enumerate() {
        let again = Machine::holding(image);
        let orphans = orphans(&Machine::holding(image).start()?);
        let running = start_on(&Disk::default(), options(&again)).await?;
        let store = &running.app.store;
        assert_eq!(half_done(store), Vec::<String>::new(), "moment {moment}");
        let end = Instant::now() + SOON;
        loop {
            let undone = undone(store);
            if undone.is_empty() {
                break;
            }
            anyhow::ensure!(Instant::now() < end, "moment {moment}: {undone:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self::orphans(store), orphans, "moment {moment}");
    }
    Ok(())
}

fn life() -> Vec<(&'static str, &'static str, Value)> {
    let named = |name: &str| json!({"metadata": {"name": name}});
    let definition = things();
    let short = json!({"spec": {"names": {"shortNames": ["th"]}}});
    let thing =
        |name: &str| json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": name}});
    let labels = json!({"app": "web"});
    let deployment = web(&labels);
    let things = "/apis/example.org/v1/namespaces/default/things";
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let one = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.org";
    vec![
        ("POST", "/api/v1/namespaces", named("one")),
        ("POST", "/api/v1/namespaces/one/configmaps", named("inside")),
        ("DELETE", "/api/v1/namespaces/one", Value::Null),
        ("POST", definitions, definition),
        ("POST", things, thing("a")),
        ("POST", things, thing("b")),
        ("PATCH", one, short),
        ("DELETE", one, Value::Null),
        ("POST", MAPS, named("first")),
        ("POST", MAPS, owned("first-a", "first")),
        ("POST", MAPS, owned("first-b", "first")),
        ("DELETE", "/api/v1/namespaces/default/configmaps/first", Value::Null),
        ("POST", MAPS, named("second")),
        ("POST", MAPS, owned("second-a", "second")),
        ("POST", MAPS, owned("second-b", "second")),
        ("DELETE", "/api/v1/namespaces/default/configmaps/second?propagationPolicy=Foreground", Value::Null),
        ("POST", MAPS, named("third")),
        ("POST", MAPS, owned("orphan-a", "third")),
        ("POST", MAPS, owned("orphan-b", "third")),
        ("DELETE", "/api/v1/namespaces/default/configmaps/third?propagationPolicy=Orphan", Value::Null),
        ("POST", "/apis/apps/v1/namespaces/default/deployments", deployment),
    ]
}

/// Nothing more follows from what was written.
async fn until_at_rest(store: &Store) -> anyhow::Result<()> {
    let (mut last, end) = (0, Instant::now() + SOON);
    while store.revision() != last || !undone(store).is_empty() {
        anyhow::ensure!(Instant::now() < end, "{:?}", undone(store));
        last = store.revision();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn all(store: &Store, resource: &str) -> Vec<Value> {
    store.list(&resource.into(), None).items.iter().map(crate::storage::Stored::object).collect()
}

/// What nobody may ever see after a start.
fn half_done(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    for namespace in all(store, "namespaces") {
        let account = Key::new(&"serviceaccounts".into(), fields::name(&namespace), "default");
        if !fields::is_deleting(&namespace) && store.get(&account).is_none() {
            wrong.push(format!("{namespace} has no account"));
        }
    }
    for definition in all(store, keys::DEFINITIONS) {
        let named = definition["spec"]["names"] == definition["status"]["acceptedNames"];
        let settled = named && holds(&definition, "Established");
        if !fields::is_deleting(&definition) && !settled {
            wrong.push(format!("{definition} is not settled"));
        }
    }
    wrong
}

/// What is gone in the end.
fn undone(store: &Store) -> Vec<String> {
    let mut left = Vec::new();
    for resource in ["namespaces", keys::DEFINITIONS, "configmaps", "deployments.apps"] {
        let going = all(store, resource).into_iter().filter(fields::is_deleting);
        left.extend(going.map(|object| format!("{object} goes")));
    }
    let definition = Key::new(&keys::DEFINITIONS.into(), "", "things.example.org");
    if store.get(&definition).is_none() {
        left.extend(all(store, "things.example.org").iter().map(|thing| format!("{thing} is of nothing")));
    }
    let maps = all(store, "configmaps");
    let uids: BTreeSet<&str> = maps.iter().map(fields::uid).collect();
    for map in &maps {
        let owner = map["metadata"]["ownerReferences"][0]["uid"].as_str();
        if owner.is_some_and(|uid| !uids.contains(uid)) {
            left.push(format!("{map} has lost its owner"));
        }
    }
    let ready = |deployment: &Value| deployment["status"]["readyReplicas"] == 1;
    let deployments = all(store, "deployments.apps");
    left.extend(deployments.iter().filter(|one| !ready(one)).map(|one| format!("{one} is not ready")));
    left
}

/// The objects that outlive their owner.
fn orphans(store: &Store) -> Vec<String> {
    let names = all(store, "configmaps").into_iter().map(|map| fields::name(&map).to_owned());
    names.filter(|name| name.starts_with("orphan-")).collect()
}
