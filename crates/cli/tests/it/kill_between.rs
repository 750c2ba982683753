//! Controllers that are killed between two of their writes, each of them in turn.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sealfast_cluster::client::{Delete, Patch, Select};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_testkit::relay::{Relay, Trouble};
use serde_json::{Value, json};

use crate::person::SEALFAST;
use crate::stage::{PATIENCE, Program, Stage, condition, kind, kustomizations, run, sources, until};

/// What a failed run left is noted here.
const LEFT: &str = "kustomize.sealfast.dev/left-behind";
/// Maps of those that come and go.
const MAPS: [&str; 3] = ["first", "second", "third"];

/// Something that is made at once, and something that nobody knows.
const BROKEN: &str = r#"---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: base-early}, value: 1}
---
{apiVersion: example.com/v1, kind: Stranger, metadata: {name: base-no, namespace: default}}
"#;

/// Controllers behind a relay that knows when they are to die.
struct Scene {
    stage: Stage,
    relay: Relay,
    running: Option<Program>,
    /// How many requests had come when it was said after which write to die.
    armed: usize,
    tokens: usize,
}

fn map(name: &str, value: usize) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{value: \"{value}\"}}\n"
    )
}

fn classes() -> GroupVersionKind {
    kind("scheduling.k8s.io", "PriorityClass")
}

fn entries(object: &Value) -> BTreeSet<String> {
    let entries = object["status"]["inventory"]["entries"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["id"].as_str().map(str::to_owned)).collect()
}

fn ids<'a>(maps: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    maps.into_iter().map(|name| format!("default_{name}__ConfigMap")).collect()
}

fn is_done(object: &Value, token: &str) -> bool {
    object["status"]["lastHandledReconcileAt"] == token
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && condition(object, "Ready")["status"] == "True"
}

impl Scene {
    async fn new() -> Result<Scene> {
        let stage = Stage::new().await?;
        let relay = Relay::start(&stage.address, &stage.token)?;
        let mut scene = Scene { stage, relay, running: None, armed: 0, tokens: 0 };
        scene.start()?;
        Ok(scene)
    }

    fn start(&mut self) -> Result<()> {
        let stage = &self.stage;
        let kubeconfig = stage.scratch.write("kubeconfig", stage.kubeconfig(&self.relay.url()))?;
        let mut command = Command::new(SEALFAST);
        run(&mut command, stage.scratch.path());
        command.args(["--max-retry-delay", "1s", "--min-retry-delay", "100ms"]);
        command
            .arg("--storage-path")
            .arg(stage.scratch.join("artifacts"))
            .arg("--kubeconfig")
            .arg(kubeconfig);
        self.running = Some(Program::start(command, stage.scratch.join("run.log"))?);
        Ok(())
    }

    fn log(&self) -> String {
        self.running.as_ref().map(Program::log).unwrap_or_default()
    }

    /// Pushes the maps of `base`: one that stays, one that changes, one that is there once; and what comes and goes.
    fn push(&self, commit: usize, more: &str) -> Result<String> {
        let maps =
            [map("base-stays", 0), map("base-changes", commit), map(&format!("base-turn-{commit}"), 0)];
        let base = maps.join("---\n") + more;
        let comer = MAPS.map(|name| map(name, 0)).join("---\n");
        let files = [("base/maps.yaml", base.as_bytes()), ("comer/maps.yaml", comer.as_bytes())];
        let hash = self.stage.git.commit("fleet", "main", &files, &format!("commit {commit}"))?;
        Ok(format!("main@sha1:{hash}"))
    }

    async fn find(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.stage.client.find(&kustomizations(), "default", name).await?)
    }

    /// The names of living maps that begin so.
    async fn living(&self, prefix: &str) -> Result<BTreeSet<String>> {
        let maps = self.stage.client.list(&kind("", "ConfigMap"), "default", &Select::default()).await?;
        let names = maps.items.iter().filter_map(|map| map["metadata"]["name"].as_str());
        Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
    }

    /// Has a Kustomization looked at, and returns it once that went well.
    async fn settled(&mut self, name: &str) -> Result<Value> {
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        let asked = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
        self.stage.client.patch(&kustomizations(), "default", name, &Patch::Merge(&asked), "test").await?;
        let settled = self.stage.until(&kustomizations(), name, |object| is_done(object, &token)).await;
        settled.with_context(|| self.log())
    }

    /// From now on the process dies after so many writes about what has a text in its name.
    fn dies_after(&mut self, writes: u32, about: &str) {
        self.armed = self.relay.seen().len();
        self.relay.misbehave(Trouble::EndAfter(writes, about.to_owned()));
    }

    /// Kills the process once its time has come; false when all is over before.
    async fn killed(&mut self, is_over: impl AsyncFn(&Scene) -> Result<bool>) -> Result<bool> {
        let is_time = || self.relay.seen()[self.armed..].iter().any(|seen| seen.is_kept_back);
        let began = Instant::now();
        while !is_time() {
            if is_over(self).await? {
                // The last write may be seen before the relay has noted it.
                tokio::time::sleep(Duration::from_millis(100)).await;
                break;
            }
            ensure!(began.elapsed() < PATIENCE, "neither killed nor over:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let is_time = is_time();
        if is_time {
            self.running = None;
        }
        self.relay.relent();
        Ok(is_time)
    }

    /// What lives of a Kustomization is known to it, for whoever comes to prune it.
    async fn nothing_is_orphaned(&self, name: &str) -> Result<()> {
        let living = self.living(&format!("{name}-")).await?;
        let mut living = ids(living.iter().map(String::as_str));
        if self.stage.client.find(&classes(), "", "base-early").await?.is_some() {
            living.insert("_base-early_scheduling.k8s.io_PriorityClass".to_owned());
        }
        let object = self.find(name).await?.unwrap_or_default();
        let noted = object["metadata"]["annotations"][LEFT].as_str().unwrap_or_default();
        let known = entries(&object);
        for id in living {
            ensure!(known.contains(&id) || noted.contains(&id), "nobody knows {id}: {}", object["status"]);
        }
        Ok(())
    }

    /// Everything is there that should be, nothing else, and the inventory names just that.
    async fn is_exact(&mut self, name: &str, maps: &[String]) -> Result<()> {
        let object = self.settled(name).await?;
        let wanted: BTreeSet<String> = maps.iter().cloned().collect();
        let living = self.living(&format!("{name}-")).await?;
        ensure!(living == wanted, "{name}: {living:?} live, wanted are {wanted:?}");
        let named = entries(&object);
        ensure!(named == ids(maps.iter().map(String::as_str)), "the inventory of {name}: {named:?}");
        ensure!(object["metadata"]["annotations"][LEFT].is_null(), "{}", object["metadata"]);
        let class = self.stage.client.find(&classes(), "", "base-early").await?;
        ensure!(class.is_none(), "what a failed run made is still there");
        Ok(())
    }

    async fn uid(&self, name: &str) -> Result<Value> {
        Ok(self.stage.client.get(&kind("", "ConfigMap"), "default", name).await?["metadata"]["uid"].clone())
    }

    async fn is_base_at(&mut self, commit: usize, revision: &str) -> Result<()> {
        self.stage.applied("base", revision).await.with_context(|| self.log())?;
        let maps = ["base-stays".to_owned(), "base-changes".to_owned(), format!("base-turn-{commit}")];
        self.is_exact("base", &maps).await?;
        let changes = self.stage.client.get(&kind("", "ConfigMap"), "default", "base-changes").await?;
        ensure!(changes["data"] == json!({"value": commit.to_string()}), "{}", changes["data"]);
        Ok(())
    }

    /// Has the source looked at now.
    async fn hurry(&mut self) -> Result<()> {
        self.tokens += 1;
        let token = self.tokens.to_string();
        let asked = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
        self.stage.client.patch(&sources(), "default", "fleet", &Patch::Merge(&asked), "test").await?;
        Ok(())
    }

    /// Runs of `base` that create, change and prune, killed after each of their writes in turn; returns how many there are.
    async fn changes(&mut self, commit: &mut usize) -> Result<u32> {
        let stays = self.uid("base-stays").await?;
        for writes in 1.. {
            *commit += 1;
            self.dies_after(writes, "base");
            let revision = self.push(*commit, "")?;
            self.hurry().await?;
            let over = async |scene: &Scene| {
                Ok(scene.find("base").await?.unwrap_or_default()["status"]["lastAppliedRevision"] == revision)
            };
            let killed = self.killed(over).await?;
            self.nothing_is_orphaned("base").await?;
            if killed {
                self.start()?;
            }
            let exact = self.is_base_at(*commit, &revision).await;
            exact.with_context(|| format!("changed, killed after {writes} writes"))?;
            ensure!(self.uid("base-stays").await? == stays, "what stays was made anew");
            if !killed {
                return Ok(writes - 1);
            }
        }
        bail!("there is no end")
    }

    /// Runs that fail after they made something, which the next commit does not want.
    async fn failures(&mut self, commit: &mut usize) -> Result<u32> {
        for writes in 1.. {
            *commit += 1;
            self.dies_after(writes, "base");
            let revision = self.push(*commit, BROKEN)?;
            self.hurry().await?;
            let over = async |scene: &Scene| {
                let base = scene.find("base").await?.unwrap_or_default();
                Ok(base["status"]["lastAttemptedRevision"] == revision
                    && condition(&base, "Ready")["status"] == "False")
            };
            let killed = self.killed(over).await?;
            self.nothing_is_orphaned("base").await?;
            if killed {
                self.start()?;
            }
            *commit += 1;
            let revision = self.push(*commit, "")?;
            self.hurry().await?;
            let exact = self.is_base_at(*commit, &revision).await;
            exact.with_context(|| format!("failed, killed after {writes} writes"))?;
            if !killed {
                return Ok(writes - 1);
            }
        }
        bail!("there is no end")
    }

    /// First runs of Kustomizations, each of one that is new; returns their names.
    async fn arrivals(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for letter in 'a'..='z' {
            let name = format!("comer-{letter}");
            self.dies_after(names.len() as u32 + 1, &name);
            self.stage
                .apply(json!({
                    "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
                    "metadata": {"namespace": "default", "name": name},
                    "spec": {"interval": "10m", "retryInterval": "1s", "prune": true, "path": "./comer",
                        "namePrefix": format!("{name}-"),
                        "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
                }))
                .await?;
            let over = async |scene: &Scene| {
                let found = scene.find(&name).await?.unwrap_or_default();
                Ok(condition(&found, "Ready")["status"] == "True")
            };
            let killed = self.killed(over).await?;
            self.nothing_is_orphaned(&name).await?;
            if killed {
                self.start()?;
            }
            let maps = MAPS.map(|map| format!("{name}-{map}"));
            self.is_exact(&name, &maps).await.with_context(|| format!("{name} arrived"))?;
            names.push(name);
            if !killed {
                return Ok(names);
            }
        }
        bail!("there is no end")
    }

    /// Last runs of Kustomizations that are deleted; returns how many writes they take.
    async fn departures(&mut self, names: &[String]) -> Result<usize> {
        for (before, name) in names.iter().enumerate() {
            // What it does at the start of a process is over.
            self.settled(name).await?;
            self.dies_after(before as u32 + 1, name);
            self.stage.client.delete(&kustomizations(), "default", name, &Delete::default()).await?;
            let over = async |scene: &Scene| Ok(scene.find(name).await?.is_none());
            let killed = self.killed(over).await?;
            self.nothing_is_orphaned(name).await?;
            if killed {
                self.start()?;
            }
            let gone = until(|| async { Ok(self.find(name).await?.is_none()) }).await;
            gone.with_context(|| format!("{name} does not leave:\n{}", self.log()))?;
            let left = self.living(&format!("{name}-")).await?;
            ensure!(left.is_empty(), "{name} left {left:?}");
            if !killed {
                return Ok(before);
            }
        }
        bail!("there is no end")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_writes_that_create_change_and_prune() -> Result<()> {
    let mut scene = Scene::new().await?;
    scene.stage.kustomize("base", "10m").await?;
    let (mut commit, revision) = (0, scene.push(0, "")?);
    scene.is_base_at(0, &revision).await?;
    let writes = scene.changes(&mut commit).await?;
    // The new map is claimed; it and another one are applied, a third one is pruned, and that is told.
    ensure!(writes >= 5, "a run made {writes} writes");
    let writes = scene.failures(&mut commit).await?;
    // The class is claimed, made and noted, and the failure is told.
    ensure!(writes >= 4, "a run that failed made {writes} writes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn between_writes_of_those_who_come_and_go() -> Result<()> {
    let mut scene = Scene::new().await?;
    scene.stage.kustomize("base", "10m").await?;
    let revision = scene.push(0, "")?;
    scene.is_base_at(0, &revision).await?;
    let names = scene.arrivals().await?;
    // A finalizer, claims, three maps and what is told of them; the last one came without a kill.
    ensure!(names.len() > 6, "{} writes", names.len() - 1);
    let writes = scene.departures(&names).await?;
    // Three maps and the finalizer.
    ensure!(writes >= 4, "{writes} writes");
    scene.is_base_at(0, &revision).await
}
