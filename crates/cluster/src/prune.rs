//! Deleting what left the build, and only what is ours to delete.

use std::time::Duration;

use sealfast_k8s::id::{GroupVersionKind, ObjectId};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::apply::{Action, Change, Owner};
use crate::client::{Client, Delete, discovery};
use crate::error::Error;
use crate::{order, switches};

/// What came of pruning.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Each entry, in the order tried: deleted or skipped.
    pub changes: Vec<Change>,
    /// Entries that could not be deleted.
    failed: Vec<Undeleted>,
    /// Entries that nobody tried after the server was away.
    untried: Vec<ObjectId>,
}

/// An entry that could not be deleted.
#[derive(Debug)]
struct Undeleted {
    object: ObjectId,
    /// What failed: looking for it or deleting it.
    what: &'static str,
    why: Error,
}

impl Pruned {
    /// The failures as one message; none when there are none.
    pub fn message(&self) -> Option<String> {
        if self.failed.is_empty() {
            return None;
        }
        let each = self
            .failed
            .iter()
            .map(|Undeleted { object, what, why }| format!("{object} {what} failed: {};", why.chain()));
        let untried = match self.untried.len() {
            0 => String::new(),
            more => format!(" {more} more were not tried"),
        };
        Some(format!("delete failed, errors: {}{untried}", each.collect::<String>()))
    }

    /// The entries that may still be there.
    pub fn left(&self) -> impl Iterator<Item = &ObjectId> {
        self.failed.iter().map(|failed| &failed.object).chain(&self.untried)
    }

    /// Whether the server may answer otherwise in a moment.
    pub fn is_transient(&self) -> bool {
        self.failed.iter().any(|failed| failed.why.is_transient())
    }
}

/// Deletes the entries in reverse order of application, for as long as they may take and a second more for each. An object
/// without both owner labels, or one that asks to be kept, is skipped.
pub async fn delete(client: &Client, entries: &[ObjectId], owner: &Owner, timeout: Duration) -> Pruned {
    let until = until(timeout, entries.len());
    let mut entries = entries.to_vec();
    order::sort_for_deletion(&mut entries);
    let mut entries = entries.into_iter();
    let mut pruned = Pruned::default();
    while let Some(entry) = entries.next() {
        let done = timeout_at(until, delete_one(client, &entry, owner)).await;
        match done.unwrap_or(Err(("delete", Error::Late))) {
            Ok(action) => pruned.changes.push(Change { object: entry, action }),
            Err((what, why)) => {
                if timeout_at(until, is_away(client, &why)).await.unwrap_or(true) {
                    pruned.untried = entries.by_ref().collect();
                }
                pruned.failed.push(Undeleted { object: entry, what, why });
            }
        }
    }
    pruned
}

/// Whether the others would have to wait as long, and hear the same.
async fn is_away(client: &Client, why: &Error) -> bool {
    match why {
        // One address alone may answer so, as that of an aggregated API whose server is away.
        Error::Astray { .. } => discovery::places(client).await.is_err(),
        why => why.is_about_server(),
    }
}

/// When work with so many objects is to be over. Its requests may have to stand in line with those of others, and what is
/// right for one is too little for thousands.
pub(crate) fn until(timeout: Duration, objects: usize) -> Instant {
    Instant::now() + timeout + Duration::from_secs(1) * u32::try_from(objects).unwrap_or(u32::MAX)
}

/// Deletes one, or says what failed and why.
async fn delete_one(
    client: &Client,
    entry: &ObjectId,
    owner: &Owner,
) -> Result<Action, (&'static str, Error)> {
    let found = find(client, entry).await.map_err(|error| ("query", error))?;
    let Some((gvk, live)) = found else { return Ok(Action::Deleted) };
    if !owner.owns(&live) || switches::kept(&live) {
        return Ok(Action::Skipped);
    }
    let how = Delete { uid: live["metadata"]["uid"].as_str().map(str::to_owned), ..Delete::default() };
    match client.delete(&gvk, &entry.namespace, &entry.name, &how).await {
        Err(error) if !error.is_not_found() => Err(("delete", error)),
        _ => Ok(Action::Deleted),
    }
}

/// An object in the version that it was applied in, else in one that the server still has; none when it, or its whole kind, is
/// gone.
async fn find(client: &Client, entry: &ObjectId) -> Result<Option<(GroupVersionKind, Value)>, Error> {
    match client.get(&entry.gvk, &entry.namespace, &entry.name).await {
        Ok(live) => return Ok(Some((entry.gvk.clone(), live))),
        Err(error) if error.is_not_found() => return Ok(None),
        // The version is no longer served, or was never known.
        Err(error) if error.is_no_match() => {}
        Err(error) => return Err(error),
    }
    let Some(gvk) = client.served(&entry.gvk).await? else { return Ok(None) };
    let found = client.find(&gvk, &entry.namespace, &entry.name).await?;
    Ok(found.map(|live| (gvk, live)))
}

/// Waits until all deleted entries are gone; false when the time was not enough.
pub async fn gone(client: &Client, entries: &[ObjectId], timeout: Duration) -> bool {
    let until = Instant::now() + timeout;
    let mut pause = Duration::from_millis(50);
    for entry in entries {
        while !matches!(timeout_at(until, find(client, entry)).await, Ok(Ok(None))) {
            if Instant::now() + pause > until {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
    true
}
