//! Waiting until objects are what they should be.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use sealfast_k8s::id::ObjectId;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::Client;
use crate::health::Status;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const AT_A_TIME: usize = 8;

/// How a live object is judged. An error counts as "not known".
pub type Judge = dyn Fn(&Value) -> Result<Status, String> + Send + Sync;

/// How to wait.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Give up after this.
    pub timeout: Duration,
    /// Never ask less often than this.
    pub longest_pause: Duration,
    /// End at the first object that failed.
    pub fail_fast: FailFast,
}

/// Whether one failed object ends the wait for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailFast {
    /// The first failure ends it.
    Yes,
    /// All get their time.
    No,
}

/// Waits until every object is current.
///
/// # Errors
/// A message that lists the objects which are not, as Flux words it.
pub async fn until_current(
    client: &Client,
    objects: &[ObjectId],
    judge: &Judge,
    options: Options,
) -> Result<(), String> {
    let until = Instant::now() + options.timeout;
    let mut pause = FIRST_PAUSE;
    let mut pending: Vec<ObjectId> = objects.to_vec();
    let mut failed: Vec<(ObjectId, Status)> = Vec::new();
    let passing = Passing::default();
    loop {
        let seen = look(client, &pending, judge, &passing).await;
        pending.clear();
        let mut waiting = Vec::new();
        for (object, status) in seen {
            match status {
                Ok(Status::Current) => {}
                Ok(Status::Failed) => failed.push((object, Status::Failed)),
                other => {
                    pending.push(object.clone());
                    waiting.push((object, other));
                }
            }
        }
        if !failed.is_empty() && (options.fail_fast == FailFast::Yes || pending.is_empty()) {
            return Err(format!("failed early due to stalled resources: [{}]", listed(&failed)));
        }
        if pending.is_empty() {
            return Ok(());
        }
        if Instant::now() + pause > until {
            tokio::time::sleep_until(until).await;
            return Err(late(waiting, failed));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(options.longest_pause);
    }
}

async fn look(
    client: &Client,
    objects: &[ObjectId],
    judge: &Judge,
    passing: &Passing,
) -> Vec<(ObjectId, Result<Status, String>)> {
    // Boxed in a list first: the compiler cannot see through a stream of borrowing closures.
    let looks: Vec<_> =
        objects.iter().map(|object| look_at(client, object, judge, passing).boxed()).collect();
    futures::stream::iter(looks).buffered(AT_A_TIME).collect().await
}

/// Jobs that were seen and go away by themselves once they are done.
type Passing = Mutex<HashSet<ObjectId>>;

async fn look_at(
    client: &Client,
    object: &ObjectId,
    judge: &Judge,
    passing: &Passing,
) -> (ObjectId, Result<Status, String>) {
    let passing = || passing.lock().unwrap_or_else(PoisonError::into_inner);
    let status = match client.find(&object.gvk, &object.namespace, &object.name).await {
        Ok(Some(live)) => {
            if object.gvk.kind == "Job" && !live["spec"]["ttlSecondsAfterFinished"].is_null() {
                passing().insert(object.clone());
            }
            judge(&live)
        }
        Ok(None) if passing().contains(object) => Ok(Status::Current),
        Ok(None) => Ok(Status::NotFound),
        Err(error) => Err(error.chain()),
    };
    (object.clone(), status)
}

fn late(waiting: Vec<(ObjectId, Result<Status, String>)>, failed: Vec<(ObjectId, Status)>) -> String {
    let mut known = failed;
    let mut unknown = Vec::new();
    for (object, status) in waiting {
        match status {
            Ok(status) => known.push((object, status)),
            Err(why) => unknown.push(format!("can't determine status for {}: {why}", object)),
        }
    }
    if known.is_empty() { unknown.join(", ") } else { format!("timeout waiting for: [{}]", listed(&known)) }
}

fn listed(objects: &[(ObjectId, Status)]) -> String {
    let each = objects.iter().map(|(object, status)| format!("{} status: '{status}'", object));
    each.collect::<Vec<_>>().join(", ")
}
