//! What both kinds of report share: a status, its conditions, events.
//!
//! What sets them apart is in `kustomization/report.rs` and `source/report.rs`.

use std::time::Duration;

use sealfast_cluster::error::Error as ClusterError;
use sealfast_k8s::condition::{self, Condition};
use serde_json::Value;

use crate::clock::Clock;
use crate::events::{Event, Recorder, Severity};
use crate::status::{Shared, Target, Written};

/// A run, or a phase of one, that is over before this does not show itself as under way.
pub(crate) const SHOWN_AFTER: Duration = Duration::from_millis(400);

/// Does something; when that takes long, tells of it meanwhile, and returns what came of both.
///
/// Neither waits for the other: what is done may just have been given what telling needs, and would never give it back
/// while nobody lets it go on.
pub(crate) async fn shown<T, S>(
    work: impl Future<Output = T>,
    tell: impl Future<Output = S>,
) -> (T, Option<S>) {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(SHOWN_AFTER, &mut work).await {
        return (done, None);
    }
    let (done, told) = tokio::join!(work, tell);
    (done, Some(told))
}

/// When a failed run is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After the object's retry interval.
    Interval,
    /// After the wait for dependencies.
    Dependency,
    /// Not before the object changes.
    Terminal,
    /// After a pause that doubles.
    BackOff,
    /// Now.
    AtOnce,
}

/// A status that a report is about.
pub(crate) trait Reported: Shared {
    /// What the report of this kind keeps beside the status.
    type Beside;
}

/// The state of one run as others will see it.
pub(crate) struct Report<S: Reported> {
    /// The status as it will be written.
    pub(crate) status: S,
    pub(crate) beside: S::Beside,
    pub(crate) generation: i64,
    pub(crate) clock: Clock,
    written: Written<S>,
    about: Value,
    recorder: Recorder,
    own: Vec<(String, String)>,
}

impl<S: Reported> Report<S> {
    /// A report that starts from what the object says.
    pub(crate) fn starting(
        object: &Value,
        generation: i64,
        status: S,
        recorder: Recorder,
        clock: Clock,
        beside: S::Beside,
    ) -> Self {
        Self {
            written: Written::with(object, status.clone()),
            status,
            beside,
            generation,
            clock,
            about: crate::events::reference(object),
            recorder,
            own: crate::events::own_annotations(object),
        }
    }

    pub(crate) fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let found = Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: self.generation,
            last_transition_time: self.clock.stamp(),
        };
        condition::set(self.status.conditions(), found);
    }

    pub(crate) fn remove(&mut self, kind: &str) {
        condition::remove(self.status.conditions(), kind);
    }

    /// What a condition says.
    pub(crate) fn message_of(&mut self, kind: &str) -> Option<String> {
        condition::find(self.status.conditions(), kind).map(|found| found.message.clone())
    }

    /// Hands on an event about the object.
    pub(crate) fn record(
        &self,
        severity: Severity,
        reason: &str,
        message: &str,
        annotations: impl IntoIterator<Item = (String, String)>,
    ) {
        self.recorder.record(Event {
            about: self.about.clone(),
            severity,
            reason: reason.to_owned(),
            message: message.to_owned(),
            annotations: self.own.iter().cloned().chain(annotations).collect(),
        });
    }

    /// The server has another version of the status by now, of which this much is known.
    pub(crate) fn differs_on_server(&mut self, known: impl FnOnce(&mut S)) {
        known(&mut self.written.status);
        self.written.is_outdated();
    }

    /// Brings the server up to date with the status.
    pub(crate) async fn write(&mut self, target: &Target<'_>) -> Result<(), ClusterError> {
        target.write(&mut self.written, &mut self.status).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_tells_of_work_gets_what_the_work_was_given_first() {
        let lock = tokio::sync::Mutex::new(());
        let held = lock.lock().await;
        let work = async {
            drop(lock.lock().await);
            "done"
        };
        let tell = async {
            // It goes to the work, which stands in the row already.
            drop(held);
            drop(lock.lock().await);
            "told"
        };
        let both = tokio::time::timeout(Duration::from_secs(60), shown(work, tell)).await;
        assert_eq!(both.ok(), Some(("done", Some("told"))));
        let quick = shown(async { 1 }, std::future::pending::<()>()).await;
        assert_eq!(quick, (1, None), "what is over in a moment is not told of");
    }
}
