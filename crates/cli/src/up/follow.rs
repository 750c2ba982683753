//! Watches the Flux objects until they come to rest, and tells what was applied.

use std::collections::BTreeMap;
use std::time::Duration;

use sealfast_cluster::client::Client;
use sealfast_cluster::client::watch::Event;
use sealfast_k8s::flux::inventory::Entry;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::progress::Progress;
use crate::diagnostic::Failure;
use crate::output::{self, Spinner};

/// Objects that wait for a failed one are given up after this.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a build says that something lies outside of what was offered.
const OUTSIDE: &str = "is not in or below";

fn sources() -> GroupVersionKind {
    GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", "GitRepository")
}

/// The kind of a Kustomization.
pub(super) fn kustomizations() -> GroupVersionKind {
    GroupVersionKind::new("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
}

/// The Flux objects as they are now, kept by watches.
pub(super) struct Followed {
    seen: mpsc::UnboundedReceiver<(usize, Event)>,
    objects: [BTreeMap<(String, String), Value>; 2],
    listed: [bool; 2],
    progress: Progress,
    tasks: [JoinHandle<()>; 2],
}

impl Followed {
    /// Begins to watch.
    pub(super) fn start(client: &Client) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let mut number = 0;
        let tasks = [sources(), kustomizations()].map(|kind| {
            let mut watch = client.watch(&kind, "", Default::default());
            let (sender, index) = (sender.clone(), number);
            number += 1;
            tokio::spawn(async move { while sender.send((index, watch.next().await)).is_ok() {} })
        });
        Self { seen, objects: Default::default(), listed: [false; 2], progress: Progress::default(), tasks }
    }

    /// Waits until every source and Kustomization is Ready; fails with the reasons when that cannot be.
    pub(super) async fn until_rest(&mut self, limit: Duration) -> Result<(), Failure> {
        let spinner = Spinner::start();
        let end = Instant::now() + limit;
        let mut stuck_since: Option<Instant> = None;
        loop {
            let patience = stuck_since.map_or(end, |since| end.min(since + PATIENCE));
            let Ok(lines) = timeout_at(patience, self.change()).await else { break };
            for line in lines {
                spinner.talk(&line);
            }
            spinner.waits_for(&self.progress.summary());
            if self.listed == [true; 2] && self.progress.at_rest() {
                return self.verdict();
            }
            stuck_since =
                if self.progress.stuck() { stuck_since.or_else(|| Some(Instant::now())) } else { None };
        }
        match Instant::now() < end {
            true => self.verdict(),
            false => Err(self.late(limit)),
        }
    }

    /// Prints each change, without end.
    pub(super) async fn tell(&mut self) -> ! {
        loop {
            for line in self.change().await {
                output::talk(&line);
            }
        }
    }

    /// Waits for something to change; returns a line for each object whose state is another.
    async fn change(&mut self) -> Vec<String> {
        let Some((index, event)) = self.seen.recv().await else { return std::future::pending().await };
        let key = |object: &Value| (object::namespace(object).to_owned(), object::name(object).to_owned());
        let known = &mut self.objects[index];
        match event {
            Event::Listed(objects) => {
                *known = objects.into_iter().map(|object| (key(&object), object)).collect();
                self.listed[index] = true;
            }
            Event::Applied(object) => drop(known.insert(key(&object), object)),
            Event::Deleted(object) => drop(known.remove(&key(&object))),
        }
        self.progress.look(self.objects.iter().flat_map(BTreeMap::values))
    }

    fn verdict(&self) -> Result<(), Failure> {
        let mut failures = self.progress.failures().peekable();
        if failures.peek().is_none() {
            return Ok(());
        }
        let failure = Failure::new("not everything could be applied");
        let failure =
            failures.fold(failure, |failure, (label, why)| failure.cause(format!("{label}: {why}")));
        Err(match self.progress.missing_repository() {
            Some(name) => failure.hint(format!(
                "a folder can stand in for the GitRepository: `sealfast up DIR --stands-for {name}`"
            )),
            None if self.progress.failures().any(|(_, why)| why.contains(OUTSIDE)) => failure
                .hint("give the folder that holds all of it: `sealfast up ROOT --path ./overlays/demo`"),
            None => failure,
        })
    }

    fn late(&self, limit: Duration) -> Failure {
        let failure = Failure::new(format!("not everything is ready after {limit:?}"));
        let causes = self.progress.unfinished();
        causes
            .fold(failure, |failure, (label, why)| failure.cause(format!("{label}: {why}")))
            .hint("wait longer with `--timeout 10m`")
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn kustomizations_now(client: &Client) -> Result<Vec<Value>, Failure> {
    let listed = client.list(&kustomizations(), "", &Default::default()).await;
    Ok(listed.map_err(|error| Failure::because("failed to list Kustomizations", &error))?.items)
}

/// Returns every object of every inventory, as it is in the cluster; what has gone since is left out.
pub(super) async fn applied(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut applied = Vec::new();
    for kustomization in kustomizations_now(client).await? {
        let entries = kustomization["status"]["inventory"]["entries"].as_array().cloned().unwrap_or_default();
        for entry in entries {
            let failed = |error: &(dyn std::error::Error + 'static)| {
                Failure::because(
                    format!("failed to read the object `{}` of an inventory", entry["id"]),
                    error,
                )
            };
            let entry = serde_json::from_value::<Entry>(entry.clone()).map_err(|error| failed(&error))?;
            let id = entry.object_id().map_err(|error| failed(&error))?;
            let object = client.find(&id.gvk, &id.namespace, &id.name).await;
            applied.extend(object.map_err(|error| failed(&error))?);
        }
    }
    Ok(applied)
}
