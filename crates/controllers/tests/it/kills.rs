//! Replicas killed at any moment, a clock that moves, a disk that is full.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use rand08::rngs::StdRng;
use rand08::{Rng as _, SeedableRng as _};
use sealfast_cluster::client::{Delete, Patch};
use sealfast_testkit::git::Server;
use serde_json::{Value, json};

use crate::house::{House, PATIENCE, config_map, is_applied, kind, kustomization, kustomizations, ready};
use crate::replica::{Disk, PATIENT, Replica};

const APPS: usize = 6;
/// What CI has time for; a run by hand may take more, of a seed that failed: `KILLS=200 KILLS_SEED=7`.
const KILLS: usize = 50;
/// A Kustomization comes, goes and is looked for once in so many kills.
const KILLS_A_VISITOR: usize = 3;
/// A Lease that is soon free again, so that somebody leads most of the time.
const SHORT: Duration = Duration::from_millis(600);
/// The longest time between the beginning of work and a kill; shorter while kills come too late.
const SPAN: Duration = Duration::from_millis(400);

/// A fleet from a real Git repository.
struct Fleet {
    house: House,
    git: Server,
}

/// What a commit holds: each app has one map that stays, one that changes, and one that comes and goes.
fn files(commit: usize) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for app in 0..APPS {
        let mut put = |name: &str, value: &str| {
            let text = config_map(&format!("{name}-{app}"), value);
            files.push((format!("app-{app}/{name}.yaml"), text.into_bytes()));
        };
        put("stays", "always");
        put("changes", &format!("commit-{commit}"));
        if is_there(commit, app) {
            put("visits", "sometimes");
        }
    }
    files.push(("visitor/visitor.yaml".into(), config_map("visitor", "not for long").into_bytes()));
    files
}

fn is_there(commit: usize, app: usize) -> bool {
    (commit + app).is_multiple_of(2)
}

impl Fleet {
    async fn new() -> Result<Fleet> {
        let fleet = Fleet { house: House::new().await?, git: Server::start()? };
        fleet.git.create("fleet")?;
        let source = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": {"namespace": "default", "name": "fleet"},
            "spec": {"interval": "1s", "url": fleet.git.url("fleet"), "ref": {"branch": "main"}},
        });
        fleet.house.apply(source).await?;
        for app in 0..APPS {
            let more = json!({
                "path": format!("./app-{app}"), "interval": "10m", "retryInterval": "1s",
                "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            });
            fleet.house.apply(kustomization("default", &format!("app-{app}"), more)).await?;
        }
        Ok(fleet)
    }

    /// Pushes a commit, with further files; returns its revision.
    fn push(&self, commit: usize, more: Vec<(String, Vec<u8>)>) -> Result<String> {
        let mut files = files(commit);
        files.extend(more);
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        let message = format!("commit {commit}");
        let mut hash = self.git.commit("fleet", "main", &files, &message)?;
        if commit > 0 {
            let left = (0..APPS).filter(|app| !is_there(commit, *app));
            let left: Vec<String> = left.map(|app| format!("app-{app}/visits.yaml")).collect();
            let left: Vec<&str> = left.iter().map(String::as_str).collect();
            hash = self.git.remove("fleet", "main", &left, &message)?;
        }
        Ok(format!("main@sha1:{hash}"))
    }

    /// A replica with its own disk. As another pod it has another name each time.
    fn replica(&self, disk_name: &str, disk: Disk) -> Result<Replica> {
        self.short_lived(disk_name, disk, PATIENT)
    }

    fn short_lived(&self, disk_name: &str, disk: Disk, lease: Duration) -> Result<Replica> {
        let storage = self.house.scratch.join(format!("storage-{disk_name}"));
        let name = format!("{disk_name}-{:08x}", rand08::random::<u32>());
        Replica::start(&self.house.kubeconfig, &storage, &name, disk, lease)
    }

    async fn holder(&self) -> Result<String> {
        let leases = kind("coordination.k8s.io", "Lease");
        let lease = self.house.client.find(&leases, "default", "controllers").await?.unwrap_or_default();
        Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until one of the living leads, and returns which one.
    async fn leader(&self, living: &[Replica]) -> Result<usize> {
        let began = Instant::now();
        loop {
            let holder = self.holder().await?;
            if let Some(leads) = living.iter().position(|replica| replica.name == holder) {
                return Ok(leads);
            }
            ensure!(began.elapsed() < PATIENCE, "nobody leads");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Has the source looked at now.
    async fn hurry(&self, token: usize) -> Result<()> {
        let token =
            json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token.to_string()}}});
        let gvk = kind("source.toolkit.fluxcd.io", "GitRepository");
        self.house.client.patch(&gvk, "default", "fleet", &Patch::Merge(&token), "test").await?;
        Ok(())
    }

    /// Whether all is applied already.
    async fn is_done(&self, revision: &str) -> Result<bool> {
        for app in 0..APPS {
            let found = self.house.client.get(&kustomizations(), "default", &format!("app-{app}")).await?;
            if !is_applied(&found, revision) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A Kustomization comes, goes while work is done, and has left nothing by the next turn.
    async fn visitor(&self, round: usize) -> Result<()> {
        match round % KILLS_A_VISITOR {
            0 => {
                let more = json!({"path": "./visitor", "retryInterval": "1s",
                    "sourceRef": {"kind": "GitRepository", "name": "fleet"}});
                self.house.apply(kustomization("default", "visitor", more)).await?;
            }
            1 => {
                let is_there = |object: &Value| object["status"]["inventory"]["entries"][0].is_object();
                self.house.until("default", "visitor", is_there).await?;
                let how = Delete::default();
                self.house.client.delete(&kustomizations(), "default", "visitor", &how).await?;
            }
            _ => {
                let began = Instant::now();
                while self.house.client.find(&kustomizations(), "default", "visitor").await?.is_some() {
                    ensure!(began.elapsed() < PATIENCE, "the visitor does not leave");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                let left = self.house.client.find(&kind("", "ConfigMap"), "default", "visitor").await?;
                ensure!(left.is_none(), "the visitor's map was orphaned");
            }
        }
        Ok(())
    }

    async fn map(&self, name: &str, app: usize) -> Result<Option<Value>> {
        Ok(self.house.client.find(&kind("", "ConfigMap"), "default", &format!("{name}-{app}")).await?)
    }

    /// Everything is as a commit says, and what stays is what it was.
    async fn is_at(&self, revision: &str, commit: usize, uids: &mut BTreeMap<usize, Value>) -> Result<()> {
        for app in 0..APPS {
            let name = format!("app-{app}");
            self.house.until("default", &name, |object| is_applied(object, revision)).await?;
            let changes = self.map("changes", app).await?.context("a map is missing")?;
            ensure!(changes["data"]["key"] == format!("commit-{commit}"), "{}", changes["data"]);
            let visits = self.map("visits", app).await?.is_some();
            ensure!(visits == is_there(commit, app), "visits-{app} at commit {commit}: {visits}");
        }
        self.stays(uids).await
    }

    /// What should live lives, and was never made anew.
    async fn stays(&self, uids: &mut BTreeMap<usize, Value>) -> Result<()> {
        for app in 0..APPS {
            let found = self.map("stays", app).await?;
            match (found, uids.get(&app)) {
                (Some(map), Some(uid)) => ensure!(map["metadata"]["uid"] == *uid, "stays-{app} is another"),
                (Some(map), None) => {
                    uids.insert(app, map["metadata"]["uid"].clone());
                }
                (None, Some(_)) => anyhow::bail!("stays-{app} was pruned"),
                (None, None) => {}
            }
        }
        Ok(())
    }

    async fn until_source(&self, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let gvk = kind("source.toolkit.fluxcd.io", "GitRepository");
        self.house.until_any(&gvk, "default", "fleet", holds).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_two_replicas_lose_nothing() -> Result<()> {
    let count = setting("KILLS")?.map_or(Ok(KILLS), usize::try_from)?;
    let seed = setting("KILLS_SEED")?.unwrap_or_else(rand08::random);
    kills(count, seed).await.with_context(|| format!("{count} kills with seed {seed}"))
}

#[expect(clippy::disallowed_methods, reason = "who runs it by hand says for how long, and of which seed")]
fn setting(name: &str) -> Result<Option<u64>> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    text.parse().map(Some).with_context(|| format!("{name} is no number: {text}"))
}

async fn kills(count: usize, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let fleet = Fleet::new().await?;
    let mut revision = fleet.push(0, Vec::new())?;
    let start = |name: &str| fleet.short_lived(name, Disk::Roomy, SHORT);
    let names = ["one", "two"];
    let mut replicas = vec![start(names[0])?, start(names[1])?];
    let mut uids = BTreeMap::new();
    let (mut span, mut at_work) = (SPAN, 0);
    for round in 0..count {
        fleet.leader(&replicas).await?;
        revision = fleet.push(round + 1, Vec::new())?;
        fleet.visitor(round).await?;
        fleet.hurry(round).await?;
        // Some die while they fetch, most while they build, apply and prune.
        if !round.is_multiple_of(4) {
            fleet.until_source(|source| source["status"]["artifact"]["revision"] == revision).await?;
        }
        tokio::time::sleep(span.mul_f64(random.gen_range(0.0..1.0))).await;
        let which = fleet.leader(&replicas).await?;
        let fresh = start(names[which])?;
        let dead = std::mem::replace(&mut replicas[which], fresh);
        let name = dead.name.clone();
        dead.kill()?;
        let led = fleet.holder().await? == name;
        if fleet.is_done(&revision).await? {
            span /= 2;
        } else if led {
            at_work += 1;
        }
        fleet.stays(&mut uids).await?;
    }
    fleet.is_at(&revision, count, &mut uids).await?;
    ensure!(at_work > count / 2, "{at_work} of {count} kills hit a leader at work");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_the_old_artifact() -> Result<()> {
    let fleet = Fleet::new().await?;
    let revision = fleet.push(0, Vec::new())?;
    let replica = fleet.replica("one", Disk::Full)?;
    let mut uids = BTreeMap::new();
    fleet.is_at(&revision, 0, &mut uids).await?;
    // Git keeps equal files once, an archive does not: only the archive is too large.
    let mut noise = vec![0; 40 << 10];
    StdRng::seed_from_u64(1).fill(&mut noise[..]);
    let copies = (0..5).map(|copy| (format!("noise-{copy}.bin"), noise.clone())).collect();
    let next = fleet.push(1, copies)?;
    let failed = fleet.until_source(|source| ready(source)["status"] == "False").await?;
    ensure!(ready(&failed)["reason"] == "ArchiveOperationFailed", "{}", ready(&failed));
    ensure!(failed["status"]["artifact"]["revision"] == revision, "{}", failed["status"]["artifact"]);
    // Whoever builds now builds from the old artifact.
    let token = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}});
    let patch = Patch::Merge(&token);
    fleet.house.client.patch(&kustomizations(), "default", "app-0", &patch, "test").await?;
    let handled = |object: &Value| object["status"]["lastHandledReconcileAt"] == "now";
    fleet.house.until("default", "app-0", handled).await?;
    fleet.is_at(&revision, 0, &mut uids).await?;
    let left = std::fs::read_dir(fleet.house.scratch.join("storage-one/gitrepository/default/fleet"))?;
    let half = left.filter_map(Result::ok).filter(|f| f.file_name().to_string_lossy().starts_with(".new"));
    ensure!(half.count() == 0, "half an artifact is left");
    replica.kill()?;
    let _replica = fleet.replica("one", Disk::Roomy)?;
    fleet.is_at(&next, 1, &mut uids).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_moved_clock_leaves_behind_does_no_harm() -> Result<()> {
    let fleet = Fleet::new().await?;
    let mut revision = fleet.push(0, Vec::new())?;
    let mut uids = BTreeMap::new();
    let leases = kind("coordination.k8s.io", "Lease");
    let sources = kind("source.toolkit.fluxcd.io", "GitRepository");
    let year = Duration::from_secs(365 * 24 * 3600);
    for (commit, (time, file_time)) in [
        ("2099-01-01T00:00:00Z", SystemTime::now() + year),
        ("1999-01-01T00:00:00Z", SystemTime::now() - year),
    ]
    .into_iter()
    .enumerate()
    {
        let replica = fleet.replica("one", Disk::Roomy)?;
        fleet.is_at(&revision, commit, &mut uids).await?;
        replica.kill()?;
        // As if it all had been written by another clock.
        let lease = json!({"spec": {"renewTime": time.replace('Z', ".000000Z"), "acquireTime": time.replace('Z', ".000000Z")}});
        fleet.house.client.patch(&leases, "default", "controllers", &Patch::Merge(&lease), "test").await?;
        let source = fleet.house.client.get(&sources, "default", "fleet").await?;
        let mut status = json!({"status": {"artifact": {"lastUpdateTime": time}, "conditions": source["status"]["conditions"]}});
        for condition in status["status"]["conditions"].as_array_mut().into_iter().flatten() {
            condition["lastTransitionTime"] = time.into();
        }
        fleet.house.client.patch_status(&sources, "default", "fleet", &Patch::Merge(&status), "test").await?;
        let folder = fleet.house.scratch.join("storage-one/gitrepository/default/fleet");
        for file in std::fs::read_dir(folder)? {
            std::fs::File::options().append(true).open(file?.path())?.set_modified(file_time)?;
        }
        revision = fleet.push(commit + 1, Vec::new())?;
    }
    let _replica = fleet.replica("two", Disk::Roomy)?;
    fleet.is_at(&revision, 2, &mut uids).await
}
