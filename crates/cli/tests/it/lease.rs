//! Two real replicas, and a leader that loses its Lease while it applies.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use http::Method;
use sealfast_testkit::relay::{Delay, Relay, Seen, Trouble};
use serde_json::{Value, json};

use crate::person::SEALFAST;
use crate::stage::{PATIENCE, Stage, kind, until};

const APPS: usize = 3;
/// The first one is looked after again and again.
const INTERVALS: [&str; APPS] = ["10s", "10m", "10m"];
/// So many that applying them slowly takes longer than a Lease holds.
const MAPS: usize = 40;
const LEASE: Duration = Duration::from_secs(6);
const DEADLINE: Duration = Duration::from_secs(4);
/// The end of the path of a map.
const HELD: &str = "/configmaps/map-0-7";

/// Kustomizations of a repository.
struct Fleet {
    stage: Stage,
}

impl Deref for Fleet {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// A `sealfast run` behind a relay of its own.
struct Replica {
    child: Child,
    relay: Relay,
    log: PathBuf,
}

fn is_lease(path: &str) -> bool {
    path.contains("/leases/")
}

fn is_success(seen: &Seen) -> bool {
    seen.answered.is_some_and(|(_, status)| status.is_success())
}

/// What changes an object that is applied, or a status.
fn is_write(seen: &Seen) -> bool {
    let about = ["/configmaps", "/kustomizations", "/gitrepositories"];
    seen.method != Method::GET && !seen.is_dry_run && about.iter().any(|part| seen.path.contains(part))
}

impl Fleet {
    async fn new() -> Result<Fleet> {
        let stage = Stage::new().await?;
        for (app, interval) in (0..APPS).zip(INTERVALS) {
            stage.kustomize(&format!("app-{app}"), interval).await?;
        }
        Ok(Fleet { stage })
    }

    /// Has a replica apply the first commit, with its requests delayed, and waits until it is in the middle of that.
    async fn put_to_work(&self, leader: &Replica, delay: fn(&Seen) -> Delay, path: &str) -> Result<String> {
        let at_work = Instant::now();
        leader.relay.misbehave(Trouble::Late(delay));
        let revision = self.push(1).await?;
        leader.writes_after(at_work, path).await?;
        Ok(revision)
    }

    /// Every map changes from commit to commit, and one of each app is another; returns the revision.
    async fn push(&self, commit: usize) -> Result<String> {
        let mut files = Vec::new();
        for app in 0..APPS {
            let names = (0..MAPS).map(|map| format!("map-{app}-{map}")).chain([turn(app, commit)]);
            let objects: Vec<String> = names
                .map(|name| {
                    format!(
                        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{commit: \"{commit}\"}}\n"
                    )
                })
                .collect();
            files.push((format!("app-{app}/maps.yaml"), objects.join("---\n")));
        }
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        let hash = self.git.commit("fleet", "main", &files, &format!("commit {commit}"))?;
        Ok(format!("main@sha1:{hash}"))
    }

    async fn map(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.client.find(&kind("", "ConfigMap"), "default", name).await?)
    }

    /// Waits until everything is Ready at a revision, and looks whether all of it is there and nothing else.
    async fn is_at(&self, revision: &str, commit: usize) -> Result<()> {
        for app in 0..APPS {
            self.applied(&format!("app-{app}"), revision).await?;
            for name in (0..MAPS).map(|map| format!("map-{app}-{map}")).chain([turn(app, commit)]) {
                let map = self.map(&name).await?.with_context(|| format!("{name} is missing"))?;
                ensure!(map["data"] == json!({"commit": commit.to_string()}), "{name}: {}", map["data"]);
            }
            if let Some(before) = commit.checked_sub(1) {
                ensure!(self.map(&turn(app, before)).await?.is_none(), "not pruned in app-{app}");
            }
        }
        Ok(())
    }

    async fn uids(&self) -> Result<Vec<Value>> {
        let mut uids = Vec::new();
        for name in (0..APPS).flat_map(|app| (0..MAPS).map(move |map| format!("map-{app}-{map}"))) {
            uids.push(self.map(&name).await?.with_context(|| name)?["metadata"]["uid"].clone());
        }
        Ok(uids)
    }

    async fn holder(&self) -> Result<String> {
        let gvk = kind("coordination.k8s.io", "Lease");
        let lease = self.client.find(&gvk, "flux-system", "kustomize-controller-leader-election").await?;
        Ok(lease.unwrap_or_default()["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a replica leads.
    async fn led_by(&self, name: &str) -> Result<()> {
        until(|| async { Ok(self.holder().await?.starts_with(name)) })
            .await
            .with_context(|| format!("{name} does not lead"))
    }

    fn replica(&self, name: &str) -> Result<Replica> {
        let relay = Relay::start(&self.address, &self.token)?;
        let file = self.scratch.write(format!("{name}.kubeconfig"), self.kubeconfig(&relay.url()))?;
        let log = self.scratch.join(format!("{name}.log"));
        let child = Command::new(SEALFAST)
            .env_clear()
            .env("HOSTNAME", name)
            .env("TMPDIR", self.scratch.path())
            .args(["run", "--log-encoding", "console", "--enable-leader-election"])
            .args(["--leader-election-lease-duration", &format!("{}s", LEASE.as_secs())])
            .args(["--leader-election-renew-deadline", &format!("{}s", DEADLINE.as_secs())])
            .args(["--leader-election-retry-period", "500ms", "--interval-jitter-percentage", "0"])
            .args(["--metrics-addr", "0", "--health-addr", "0", "--storage-addr", "127.0.0.1:0"])
            .arg("--storage-path")
            .arg(self.scratch.join(format!("{name}-artifacts")))
            .arg("--kubeconfig")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        Ok(Replica { child, relay, log })
    }

    /// A leader that has applied commit 0, and a second replica that waits.
    async fn two(&self) -> Result<(Replica, Replica)> {
        let revision = self.push(0).await?;
        let first = self.replica("first")?;
        self.led_by("first").await?;
        let second = self.replica("second")?;
        self.is_at(&revision, 0).await.with_context(|| first.log())?;
        Ok((first, second))
    }
}

fn turn(app: usize, commit: usize) -> String {
    format!("turn-{app}-{commit}")
}

impl Replica {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        ensure!(status.success(), "{status}");
        Ok(())
    }

    async fn ended(&mut self) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(began.elapsed() < PATIENCE, "still there:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// It ended as one does who lost its Lease.
    async fn lost_its_lease(&mut self) -> Result<()> {
        let status = self.ended().await?;
        ensure!(status.code() == Some(1), "{status}\n{}", self.log());
        ensure!(self.log().contains("leader election lost"), "{}", self.log());
        Ok(())
    }

    fn writes(&self) -> Vec<Seen> {
        self.relay.seen().into_iter().filter(is_write).collect()
    }

    /// Waits for a write to such a path that came after a moment.
    async fn writes_after(&self, moment: Instant, path: &str) -> Result<Seen> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(seen) =
                self.writes().into_iter().find(|seen| seen.at > moment && seen.path.contains(path))
            {
                return Ok(seen);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("nothing was written:\n{}", self.log())
    }

    /// When it asked for the last renewal that succeeded.
    fn renewed(&self) -> Result<Instant> {
        let seen = self.relay.seen().into_iter();
        let mut renewals = seen.filter(|seen| is_renewal(seen) && is_success(seen));
        Ok(renewals.next_back().context("nothing was renewed")?.at)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_renewal(seen: &Seen) -> bool {
    seen.method == Method::PUT && is_lease(&seen.path)
}

/// Each request about a map takes a while.
fn slowly(seen: &Seen) -> Delay {
    let is_slow = seen.method == Method::PATCH && seen.path.contains("/configmaps/");
    if is_slow { Delay::For(Duration::from_millis(300)) } else { Delay::None }
}

fn slowly_without_renewals(seen: &Seen) -> Delay {
    if is_renewal(seen) { Delay::UntilOver } else { slowly(seen) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_renew_stops_in_the_middle_of_its_work() -> Result<()> {
    let fleet = Fleet::new().await?;
    let (mut first, second) = fleet.two().await?;
    let uids = fleet.uids().await?;
    let revision = fleet.put_to_work(&first, slowly, "/configmaps/").await?;
    first.relay.misbehave(Trouble::Late(slowly_without_renewals));
    first.lost_its_lease().await?;
    let ended = Instant::now();
    let renewed = first.renewed()?;
    fleet.led_by("second").await?;
    // A renewal that comes after the Lease is another's changes nothing.
    first.relay.relent();
    fleet.is_at(&revision, 1).await.with_context(|| second.log())?;
    ensure!(fleet.holder().await?.starts_with("second"), "the old leader took the Lease back");
    ensure!(fleet.uids().await? == uids, "an object was made anew");

    ensure!(ended - renewed < LEASE, "it was there {:?} after it renewed", ended - renewed);
    let took_over = second.writes_after(renewed, "").await?.at;
    let writes: Vec<Seen> = first.writes().into_iter().filter(|seen| seen.at > renewed).collect();
    let last = writes.last().context("it was not at work")?;
    ensure!(last.at - renewed > DEADLINE / 2, "it had nothing left to do {:?} after", last.at - renewed);
    for seen in &writes {
        ensure!(seen.at < took_over, "both wrote: {seen:?}");
        ensure!(seen.passed.is_none_or(|passed| passed < took_over), "both wrote: {seen:?}");
    }
    Ok(())
}

/// One of the maps does not arrive.
fn held(seen: &Seen) -> Delay {
    if is_write(seen) && seen.path.ends_with(HELD) { Delay::UntilOver } else { Delay::None }
}

fn held_with_renewals(seen: &Seen) -> Delay {
    if is_renewal(seen) { Delay::UntilOver } else { held(seen) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_in_the_air_is_put_right() -> Result<()> {
    let fleet = Fleet::new().await?;
    let (mut first, second) = fleet.two().await?;
    let uids = fleet.uids().await?;
    let revision = fleet.put_to_work(&first, held, HELD).await?;
    first.relay.misbehave(Trouble::Late(held_with_renewals));
    first.lost_its_lease().await?;
    let (ended, renewed) = (Instant::now(), first.renewed()?);
    fleet.led_by("second").await?;
    fleet.is_at(&revision, 1).await.with_context(|| second.log())?;
    let revision = fleet.push(2).await?;
    fleet.is_at(&revision, 2).await.with_context(|| second.log())?;
    let late = first.writes().into_iter().find(|seen| seen.at > renewed + LEASE);
    ensure!(late.is_none(), "it wrote when its Lease was over: {late:?}");
    first.relay.relent();
    // It comes now, is taken as everything that may be written, and is of an older commit.
    let is_taken = |seen: &Seen| {
        seen.path.ends_with(HELD) && seen.passed.is_some_and(|passed| passed > ended) && is_success(seen)
    };
    until(|| async { Ok(first.writes().iter().any(is_taken)) }).await.context("it did not arrive")?;
    until(|| async { Ok(fleet.map("map-0-7").await?.context("a map")?["data"]["commit"] == "2") })
        .await
        .with_context(|| format!("it was not put right\n{}", second.log()))?;
    fleet.is_at(&revision, 2).await?;
    ensure!(fleet.uids().await? == uids, "an object was made anew");
    ensure!(fleet.holder().await?.starts_with("second"), "the old leader took the Lease back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stood_still_writes_nothing_when_it_moves_again() -> Result<()> {
    let fleet = Fleet::new().await?;
    let (mut first, second) = fleet.two().await?;
    let uids = fleet.uids().await?;
    let revision = fleet.put_to_work(&first, slowly, "/configmaps/").await?;
    first.signal("-STOP")?;
    let stopped = Instant::now();
    fleet.led_by("second").await?;
    let took_over = second.writes_after(stopped, "").await?.at;
    first.signal("-CONT")?;
    first.lost_its_lease().await?;
    fleet.is_at(&revision, 1).await.with_context(|| second.log())?;
    ensure!(fleet.uids().await? == uids, "an object was made anew");
    let late: Vec<Seen> = first.writes().into_iter().filter(|seen| seen.at > took_over).collect();
    ensure!(late.is_empty(), "both wrote: {late:?}");
    Ok(())
}
