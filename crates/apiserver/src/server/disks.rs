//! A running server on disks that lose their power or refuse writes for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::power::{Image, Machine};
use super::{Options, Running, State, Sync, start_on};
use crate::gc;
use crate::storage::disk::{Disk, Step};
use crate::storage::records::length_of_mark;

/// The administrator.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    server: String,
    token: String,
}

impl Client {
    pub(super) fn of(running: &Running) -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = running.kubeconfig();
        let word = |key: &str| {
            let mut words = kubeconfig.split_whitespace().skip_while(|word| *word != key);
            words.nth(1).unwrap_or_default().to_owned()
        };
        let ca = STANDARD.decode(word("certificate-authority-data:"))?;
        let http = reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&ca)?]);
        Ok(Self { http: http.no_proxy().build()?, server: word("server:"), token: word("token:") })
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let request = self.http.request(method.parse()?, format!("{}{path}", self.server));
        let mut request = request.bearer_auth(&self.token);
        if !body.is_null() {
            let media = if method == "PATCH" { "merge-patch+json" } else { "json" };
            request = request.header("Content-Type", format!("application/{media}")).body(body.to_string());
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(&response.bytes().await?).unwrap_or_default()))
    }

    /// Puts the uid of its owner, a ConfigMap, into an object that has one.
    pub(super) async fn name_owner(&self, object: &mut Value) -> anyhow::Result<()> {
        if let Some(owner) = object.pointer_mut("/metadata/ownerReferences/0") {
            let path = format!("{MAPS}/{}", owner["name"].as_str().unwrap_or_default());
            owner["uid"] = self.call("GET", &path, &Value::Null).await?.1["metadata"]["uid"].take();
        }
        Ok(())
    }
}

/// A ConfigMap with an owner, whose uid is still to be put in.
pub(super) fn owned(name: &str, owner: &str) -> Value {
    let reference =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "blockOwnerDeletion": true});
    json!({"metadata": {"name": name, "ownerReferences": [reference]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_with_commit_survives_a_power_cut_at_once() -> anyhow::Result<()> {
    let machine = Arc::new(Machine::holding(&Image::new()));
    let options = Options::default().with_state(State::Dir(machine.state())).with_sync(Sync::Commit);
    let running = start_on(&machine.disk(), options).await?;
    let client = Client::of(&running)?;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let (client, machine) = (client.clone(), Arc::clone(&machine));
        writers.spawn(async move {
            for number in 0..4 {
                let name = format!("c{writer}-{number}");
                let (status, answer) =
                    client.call("POST", MAPS, &json!({"metadata": {"name": name}})).await?;
                anyhow::ensure!(status == 201, "{answer}");
                machine.acknowledge(&name);
            }
            anyhow::Ok(())
        });
    }
    for done in writers.join_all().await {
        done?;
    }
    drop(running);
    assert_eq!(machine.lost(), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_soon_on_the_disk_and_all_of_it_after_a_stop() -> anyhow::Result<()> {
    let machine = Machine::holding(&Image::new());
    let options = Options::default().with_state(State::Dir(machine.state()));
    let running = start_on(&machine.disk(), options).await?;
    let client = Client::of(&running)?;
    let make = async |name: &str| client.call("POST", MAPS, &json!({"metadata": {"name": name}})).await;
    assert_eq!(make("a").await?.0, 201);
    let end = Instant::now() + SOON;
    while !machine.holds("a") {
        anyhow::ensure!(Instant::now() < end, "it is not on the disk");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(make("b").await?.0, 201);
    running.stop().await;
    assert!(machine.holds("b"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_state_file_ends_the_refusals_of_an_old_one() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let refuses = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&refuses);
    let disk = Disk::watched(move |step| match step {
        Step::Sync(_) if asked.swap(false, Ordering::Relaxed) => Err(std::io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    });
    let options = Options::default().with_state(State::Dir(dir.path().to_owned())).with_sync(Sync::Commit);
    let running = start_on(&disk, options).await?;
    let client = Client::of(&running)?;
    let make = async |path: &str, name: &str| {
        Ok::<_, anyhow::Error>(client.call("POST", path, &named(name)).await?.0)
    };
    // What the start wrote is flushed, and nothing else is to be.
    assert_eq!(make(MAPS, "first").await?, 201);
    refuses.store(true, Ordering::Relaxed);
    assert_eq!(make(MAPS, "second").await?, 500);
    let end = Instant::now() + SOON;
    while make(&format!("{MAPS}?dryRun=All"), "third").await? != 201 {
        anyhow::ensure!(Instant::now() < end, "it is refused for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await;
    Ok(())
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

/// Lets so many more objects be written, and counts those that it refuses.
#[derive(Default)]
struct Gate {
    left: Option<usize>,
    refused: usize,
}

impl Gate {
    fn pass(&mut self) -> std::io::Result<()> {
        match &mut self.left {
            None => Ok(()),
            Some(0) => {
                self.refused += 1;
                Err(std::io::ErrorKind::StorageFull.into())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

/// A request whose consequences are refused by the disk at first.
struct Case {
    before: Vec<(&'static str, Value)>,
    method: &'static str,
    path: &'static str,
    body: Value,
    /// Paths, places in what is found there, and what they hold once all has followed; without a place, the code.
    then: Vec<(&'static str, &'static str, Value)>,
    /// So many objects are written before the disk refuses.
    taken: usize,
}

impl Case {
    async fn holds(&self, client: &Client) -> anyhow::Result<bool> {
        for (path, place, wanted) in &self.then {
            let (status, found) = client.call("GET", path, &Value::Null).await?;
            let found = match *place {
                "" => json!(status),
                place => found.pointer(place).cloned().unwrap_or_default(),
            };
            if found != *wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Nothing else is written meanwhile that would wake the collector.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_a_write_follows_once_the_disk_takes_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let gate = Arc::new(Mutex::new(Gate::default()));
    let asked = Arc::clone(&gate);
    let mark = length_of_mark();
    let disk = Disk::watched(move |step| match step {
        Step::Write(_, _, bytes) if bytes.len() > mark => asked.lock().pass(),
        _ => Ok(()),
    });
    let running = start_on(&disk, Options::default().with_state(State::Dir(dir.path().to_owned()))).await?;
    let client = Client::of(&running)?;
    for case in cases() {
        let name = format!("{} {}", case.method, case.path);
        for (path, object) in &case.before {
            let mut object = object.clone();
            client.name_owner(&mut object).await?;
            let (status, answer) = client.call("POST", path, &object).await?;
            anyhow::ensure!(status == 201, "{name}: {answer}");
        }
        // Until the collector has nothing left that would wake it.
        tokio::time::sleep(gc::PAUSE + Duration::from_millis(300)).await;
        *gate.lock() = Gate { left: Some(case.taken), refused: 0 };
        let (status, answer) = client.call(case.method, case.path, &case.body).await?;
        anyhow::ensure!(status < 300, "{name}: {answer}");
        let end = Instant::now() + SOON;
        while gate.lock().refused == 0 {
            anyhow::ensure!(Instant::now() < end, "{name}: nothing follows");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The collector has seen all of it.
        tokio::time::sleep(Duration::from_millis(300)).await;
        anyhow::ensure!(!case.holds(&client).await?, "{name}: nothing could be written");
        gate.lock().left = None;
        let end = Instant::now() + SOON;
        while !case.holds(&client).await? {
            anyhow::ensure!(Instant::now() < end, "{name}: {:?} does not follow", case.then);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    running.stop().await;
    Ok(())
}

/// The definition of a kind that is in no other test's way.
pub(super) fn things() -> Value {
    json!({
        "metadata": {"name": "things.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    })
}

/// A Deployment whose pods have these labels.
pub(super) fn web(labels: &Value) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    })
}

fn cases() -> Vec<Case> {
    let definition = things();
    let thing = json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t"}});
    let claim = json!({
        "metadata": {"name": "claim"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let labels = json!({"app": "web"});
    let deployment = web(&labels);
    let budget = json!({
        "metadata": {"name": "web"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
    });
    let role = json!({
        "metadata": {"name": "more", "labels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}},
        "rules": [{"verbs": ["get"], "apiGroups": ["example.org"], "resources": ["things"]}],
    });
    vec![
        Case {
            before: vec![],
            method: "POST",
            path: NAMESPACES,
            body: named("one"),
            taken: 1,
            then: vec![("/api/v1/namespaces/one/serviceaccounts/default", "", json!(200))],
        },
        Case {
            before: vec![],
            method: "DELETE",
            path: "/api/v1/namespaces/one/serviceaccounts/default",
            body: Value::Null,
            taken: 1,
            then: vec![("/api/v1/namespaces/one/serviceaccounts/default", "", json!(200))],
        },
        Case {
            before: vec![("/api/v1/namespaces/one/configmaps", named("inside"))],
            method: "DELETE",
            path: "/api/v1/namespaces/one",
            body: Value::Null,
            taken: 1,
            then: vec![("/api/v1/namespaces/one", "", json!(404))],
        },
        Case {
            before: vec![
                (NAMESPACES, named("two")),
                (
                    "/api/v1/namespaces/two/configmaps",
                    json!({"metadata": {"name": "held", "finalizers": ["example.org/hold"]}}),
                ),
            ],
            method: "DELETE",
            path: "/api/v1/namespaces/two",
            body: Value::Null,
            // The marks of both, and the deletion of the account.
            taken: 3,
            then: vec![(
                "/api/v1/namespaces/two",
                "/status/conditions/3/type",
                json!("NamespaceContentRemaining"),
            )],
        },
        Case {
            before: vec![],
            method: "POST",
            path: DEFINITIONS,
            body: definition,
            taken: 1,
            then: vec![("/apis/example.org/v1/things", "", json!(200))],
        },
        Case {
            before: vec![("/apis/example.org/v1/namespaces/default/things", thing)],
            method: "DELETE",
            path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.org",
            body: Value::Null,
            taken: 1,
            then: vec![(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.org",
                "",
                json!(404),
            )],
        },
        Case {
            before: vec![(MAPS, named("owner")), (MAPS, owned("dependent", "owner"))],
            method: "DELETE",
            path: "/api/v1/namespaces/default/configmaps/owner",
            body: Value::Null,
            taken: 1,
            then: vec![("/api/v1/namespaces/default/configmaps/dependent", "", json!(404))],
        },
        Case {
            before: vec![(MAPS, named("before")), (MAPS, owned("behind", "before"))],
            method: "DELETE",
            path: "/api/v1/namespaces/default/configmaps/before?propagationPolicy=Foreground",
            body: Value::Null,
            taken: 1,
            then: vec![
                ("/api/v1/namespaces/default/configmaps/behind", "", json!(404)),
                ("/api/v1/namespaces/default/configmaps/before", "", json!(404)),
            ],
        },
        Case {
            before: vec![(MAPS, named("parent")), (MAPS, owned("orphan", "parent"))],
            method: "DELETE",
            path: "/api/v1/namespaces/default/configmaps/parent?propagationPolicy=Orphan",
            body: Value::Null,
            taken: 1,
            then: vec![
                ("/api/v1/namespaces/default/configmaps/parent", "", json!(404)),
                ("/api/v1/namespaces/default/configmaps/orphan", "", json!(200)),
                ("/api/v1/namespaces/default/configmaps/orphan", "/metadata/ownerReferences", Value::Null),
            ],
        },
        Case {
            before: vec![("/api/v1/namespaces/default/persistentvolumeclaims", claim)],
            method: "DELETE",
            path: "/api/v1/namespaces/default/persistentvolumeclaims/claim",
            body: Value::Null,
            taken: 1,
            then: vec![("/api/v1/namespaces/default/persistentvolumeclaims/claim", "", json!(404))],
        },
        Case {
            before: vec![],
            method: "POST",
            path: "/apis/apps/v1/namespaces/default/deployments",
            body: deployment,
            taken: 1,
            then: vec![(
                "/apis/apps/v1/namespaces/default/deployments/web",
                "/status/readyReplicas",
                json!(1),
            )],
        },
        Case {
            before: vec![],
            method: "POST",
            path: "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
            body: budget,
            taken: 1,
            then: vec![(
                "/apis/policy/v1/namespaces/default/poddisruptionbudgets/web",
                "/status/expectedPods",
                json!(1),
            )],
        },
        Case {
            before: vec![],
            method: "POST",
            path: "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            body: role,
            taken: 1,
            then: vec![(
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin",
                "/rules/0/apiGroups/0",
                json!("example.org"),
            )],
        },
    ]
}

pub(super) const SOON: Duration = Duration::from_secs(20);
const NAMESPACES: &str = "/api/v1/namespaces";
pub(super) const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
