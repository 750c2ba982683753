//! Watches the Flux objects until they come to rest, and tells what was applied.

use std::time::{Duration, Instant};

use sealfast_cluster::client::Client;
use sealfast_k8s::flux::inventory::Entry;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use super::progress::Progress;
use crate::diagnostic::Failure;
use crate::output::{self, Spinner};

/// How often the objects are looked at.
const PAUSE: Duration = Duration::from_millis(40);

/// Objects that wait for a failed one are given up after this.
const PATIENCE: Duration = Duration::from_secs(3);

fn sources() -> GroupVersionKind {
    GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", "GitRepository")
}

fn kustomizations() -> GroupVersionKind {
    GroupVersionKind::new("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
}

/// Waits until every source and Kustomization is Ready; fails with the reasons when that cannot be.
pub(super) async fn until_rest(client: &Client, limit: Duration) -> Result<(), Failure> {
    let start = Instant::now();
    let mut progress = Progress::default();
    let spinner = Spinner::start();
    let mut stuck_since: Option<Instant> = None;
    loop {
        let objects = look(client).await?;
        for line in progress.look(&objects) {
            spinner.talk(&line);
        }
        spinner.waits_for(&progress.summary());
        if progress.at_rest() {
            break;
        }
        let stuck = if progress.stuck() { stuck_since.or(Some(Instant::now())) } else { None };
        stuck_since = stuck;
        if stuck.is_some_and(|since| since.elapsed() > PATIENCE) {
            break;
        }
        if start.elapsed() > limit {
            let mut failure = Failure::new(format!("not everything is ready after {limit:?}"));
            for (label, why) in progress.unfinished() {
                failure = failure.cause(format!("{label}: {why}"));
            }
            return Err(failure.hint("wait longer with `--timeout 10m`"));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let failures: Vec<String> = progress.failures().map(|(label, why)| format!("{label}: {why}")).collect();
    if failures.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new("not everything could be applied");
    for why in failures {
        failure = failure.cause(why);
    }
    Err(failure)
}

/// Prints each change until the end of the process.
pub(super) async fn changes(client: &Client) {
    let mut progress = Progress::default();
    if let Ok(objects) = look(client).await {
        progress.look(&objects);
    }
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Ok(objects) = look(client).await else { continue };
        for line in progress.look(&objects) {
            output::talk(&line);
        }
    }
}

async fn look(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut objects = Vec::new();
    for kind in [sources(), kustomizations()] {
        let listed = client.list(&kind, "", &Default::default()).await;
        let listed =
            listed.map_err(|error| Failure::because(format!("failed to list {}", kind.kind), &error))?;
        objects.extend(listed.items);
    }
    Ok(objects)
}

/// Returns every object of every inventory, as it is in the cluster.
pub(super) async fn applied(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut applied = Vec::new();
    for kustomization in look(client).await? {
        let entries = kustomization["status"]["inventory"]["entries"].as_array().cloned().unwrap_or_default();
        for entry in entries {
            let Ok(entry) = serde_json::from_value::<Entry>(entry) else { continue };
            let Ok(id) = entry.object_id() else { continue };
            if let Ok(Some(object)) = client.find(&id.gvk, &id.namespace, &id.name).await {
                applied.push(object);
            }
        }
    }
    Ok(applied)
}
