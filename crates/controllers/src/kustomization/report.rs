//! Error or result of a run -> conditions, status, events, delay.
//!
//! Follows: the conditions and texts of kustomize-controller 1.9. Differs: a phase that is over
//! quickly is never written; only its message stays when the run fails in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sealfast_k8s::condition;
use sealfast_k8s::flux::inventory::Inventory;
use sealfast_k8s::flux::kustomization::{Kustomization, Snapshot, Status};
use sealfast_k8s::{duration, flux};
use serde_json::Value;

use crate::events::{Recorder, Severity};
use crate::kustomization::mask::Masks;
use crate::kustomization::witness::Witness;
use crate::options::{Hints, Options};
use crate::report::{Reported, Retry};
use crate::shape;

/// Prefix of the annotations on events.
const PREFIX: &str = "kustomize.toolkit.fluxcd.io/";
/// How many outcomes a status remembers.
const LONGEST_HISTORY: usize = 5;
/// Bytes of decrypted values, in all their forms, that are known for as long as they must not be shown: what searches a
/// message for them takes twenty times as much.
const MOST_WITNESSED: usize = 2 << 20;
/// The shortest budget of a phase.
const LEAST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the Ready condition calls the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Reason {
    AccessDenied,
    ArtifactFailed,
    BuildFailed,
    DependencyNotReady,
    FeatureGateDisabled,
    /// The wait ended because there is something new. It leaves no trace in the history.
    HealthCheckCanceled,
    HealthCheckFailed,
    InvalidExpression,
    InvalidObject,
    PruneFailed,
    ReconciliationFailed,
}

impl Reason {
    /// The word of the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::ArtifactFailed => "ArtifactFailed",
            Self::BuildFailed => "BuildFailed",
            Self::DependencyNotReady => "DependencyNotReady",
            Self::FeatureGateDisabled => "FeatureGateDisabled",
            Self::HealthCheckCanceled => "HealthCheckCanceled",
            Self::HealthCheckFailed => "HealthCheckFailed",
            Self::InvalidExpression => "InvalidCELExpression",
            Self::InvalidObject => shape::INVALID,
            Self::PruneFailed => "PruneFailed",
            Self::ReconciliationFailed => "ReconciliationFailed",
        }
    }
}

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One word for the Ready condition.
    pub reason: Reason,
    /// For people, as the reference words it.
    pub message: String,
    /// The place and the remedy, in our words.
    pub hint: Option<Hint>,
    /// When it is tried again.
    pub retry: Retry,
    /// What the event says in front of the message.
    pub event_prefix: &'static str,
    /// Whether an event is worth it; the message of the event when it is another one.
    pub event: EventText,
}

/// What a failure says of the way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// The place and the remedy.
    Place(String),
    /// That `render` shows it as well: no file is known to be the place.
    Render,
}

impl From<String> for Hint {
    fn from(place: String) -> Hint {
        Hint::Place(place)
    }
}

impl From<&str> for Hint {
    fn from(place: &str) -> Hint {
        Hint::Place(place.to_owned())
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::Place(place) => out.write_str(place),
            Hint::Render => out.write_str("`sealfast render` in the repository shows the same error"),
        }
    }
}

/// What the event of a failure says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventText {
    /// The message, as a warning.
    Message,
    /// This text, as a notice.
    Notice(String),
    /// Nothing.
    None,
}

impl Failure {
    /// A failure that is tried again after the retry interval.
    pub fn new(reason: Reason, message: impl Into<String>) -> Failure {
        Failure {
            reason,
            message: message.into(),
            hint: None,
            retry: Retry::Interval,
            event_prefix: "",
            event: EventText::Message,
        }
    }

    /// Adds the place and the remedy.
    pub fn hint(mut self, hint: impl Into<Hint>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// A failure that stays until somebody changes the object.
    pub fn terminal(reason: Reason, message: impl Into<String>) -> Failure {
        Failure { retry: Retry::Terminal, ..Failure::new(reason, message) }
    }

    /// The same, tried again soon when the API server alone is to blame.
    pub fn blame(self, error: &sealfast_cluster::error::Error) -> Failure {
        if error.is_transient() { self.soon() } else { self }
    }

    /// Tried again with growing pauses instead of at the next interval.
    pub fn soon(self) -> Failure {
        Failure { retry: Retry::BackOff, ..self }
    }

    /// Something that is not there yet.
    pub fn waiting(reason: Reason, message: impl Into<String>, event: EventText) -> Failure {
        Failure { retry: Retry::Dependency, event, ..Failure::new(reason, message) }
    }
}

/// The durations of a Kustomization.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Between successful runs.
    pub interval: Duration,
    /// After a failed run.
    pub retry: Duration,
    /// Budget of a phase.
    pub timeout: Duration,
}

impl Times {
    /// Reads the durations; what is not said follows from the interval.
    pub fn of(spec: &flux::kustomization::Spec) -> Times {
        let read = |text: &Option<String>| text.as_deref().and_then(|t| duration::parse(t).ok());
        let interval = duration::parse(&spec.interval).unwrap_or(Duration::from_secs(60));
        let timeout = read(&spec.timeout).unwrap_or(interval.saturating_sub(Duration::from_secs(30)));
        Times {
            interval,
            retry: read(&spec.retry_interval).unwrap_or(interval),
            timeout: timeout.max(LEAST_TIMEOUT),
        }
    }
}

/// The state of one run as others will see it.
pub(crate) type Report = crate::report::Report<Status>;

/// What the report of a Kustomization keeps beside the status.
pub(crate) struct Beside {
    hints: Hints,
    annotations: Vec<(String, String)>,
    witness: Arc<Mutex<Witness>>,
}

impl Reported for Status {
    type Beside = Beside;
}

impl Report {
    /// A report that starts from what the object says.
    pub(crate) fn new(
        object: &Value,
        typed: &Kustomization,
        recorder: Recorder,
        options: &Options,
    ) -> Report {
        let beside = Beside {
            hints: options.hints,
            annotations: Vec::new(),
            witness: Arc::new(Mutex::new(Witness::within(MOST_WITNESSED))),
        };
        let (generation, status) = (typed.metadata.generation, typed.status.clone());
        Report::starting(object, generation, status, recorder, options.clock.clone(), beside)
    }

    /// Takes note of values that no failure may show.
    pub(crate) fn witness(&self) -> Arc<Mutex<Witness>> {
        Arc::clone(&self.beside.witness)
    }

    /// Nothing is said any more that could repeat a value: all of them are wiped.
    pub(crate) fn dismiss_witness(&self) {
        *self.beside.witness.lock() = Witness::default();
    }

    /// What a server says about objects may repeat what was decrypted.
    fn masked(&self, text: &str) -> String {
        Masks::of(&self.beside.witness.lock()).message(text)
    }

    /// Notes the revision that events are about.
    pub(crate) fn about_revision(&mut self, revision: &str, origin: Option<&str>) {
        self.beside.annotations = vec![(format!("{PREFIX}revision"), revision.to_owned())];
        if let Some(origin) = origin {
            self.beside.annotations.push((format!("{PREFIX}originRevision"), origin.to_owned()));
        }
    }

    /// A phase begins.
    pub(crate) fn phase(&mut self, message: &str) {
        self.set("Reconciling", "True", "Progressing", message);
        self.set("Ready", "Unknown", "Progressing", "Reconciliation in progress");
    }

    /// Health checks begin.
    pub(crate) fn checking_health(&mut self, message: &str) {
        self.phase(message);
        self.set("Healthy", "Unknown", "Progressing", message);
    }

    /// Health checks are over; true when that is news.
    pub(crate) fn healthy(&mut self, message: &str, was_healthy: bool, new_revision: bool) {
        self.set("Healthy", "True", "Succeeded", message);
        if !was_healthy || new_revision {
            self.event(Severity::Info, message, &[]);
        }
    }

    /// Health checks failed.
    pub(crate) fn unhealthy(&mut self, message: &str) {
        self.set("Healthy", "False", "HealthCheckFailed", message);
    }

    /// No health checks are asked for.
    pub(crate) fn no_health(&mut self) {
        self.remove("Healthy");
    }

    /// Whether a condition is true.
    pub(crate) fn is_true(&self, kind: &str) -> bool {
        condition::is_true(&self.status.conditions, kind)
    }

    /// The run failed, or did not begin because something is not there; what it was at stays to be seen.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.ready_false(failure);
        self.will_retry();
        self.failure_event(failure);
    }

    fn will_retry(&mut self) {
        if let Some(message) = self.message_of("Reconciling") {
            self.set("Reconciling", "True", "ProgressingWithRetry", &message);
        }
    }

    /// A run is over that had nothing to say of whether all is applied.
    pub(crate) fn settled(&mut self) {
        if self.is_true("Ready") {
            self.remove("Reconciling");
            self.status.observed_generation = self.generation;
        } else if condition::find(&self.status.conditions, "Ready")
            .is_some_and(|found| found.status == "False")
        {
            self.will_retry();
        }
    }

    /// It is to be deleted, and what it has applied cannot be deleted yet.
    pub(crate) fn deletion_waits(&mut self, why: &str) {
        let message = format!("Deleting what was applied: {why}");
        self.set("Reconciling", "True", "ProgressingWithRetry", &message);
    }

    /// The object is wrong and has to be changed.
    pub(crate) fn stalled(&mut self, failure: &Failure) {
        let message = self.masked(&failure.message);
        self.set("Stalled", "True", failure.reason.as_str(), &message);
        self.ready_false(failure);
        if failure.reason == Reason::InvalidExpression {
            self.status.observed_generation = self.generation;
        }
        self.failure_event(failure);
    }

    fn ready_false(&mut self, failure: &Failure) {
        let text = self.with_hint(failure, "");
        self.set("Ready", "False", failure.reason.as_str(), &text);
    }

    fn with_hint(&self, failure: &Failure, prefix: &str) -> String {
        let message = self.masked(&failure.message);
        match (&failure.hint, self.beside.hints) {
            (Some(hint), Hints::Append) => {
                format!("{prefix}{}\nhint: {hint}", message.trim_end_matches('\n'))
            }
            _ => format!("{prefix}{message}"),
        }
    }

    fn failure_event(&mut self, failure: &Failure) {
        match &failure.event {
            EventText::Message => {
                let text = self.with_hint(failure, failure.event_prefix);
                self.event(Severity::Error, &text, &[]);
            }
            EventText::Notice(text) => self.event(Severity::Info, text, &[]),
            EventText::None => {}
        }
    }

    /// The run succeeded.
    pub(crate) fn succeeded(&mut self, message: &str) {
        self.remove("Reconciling");
        self.remove("Stalled");
        self.set("Ready", "True", "ReconciliationSucceeded", message);
        self.status.observed_generation = self.generation;
    }

    /// Tells that a run is over and when the next one is.
    pub(crate) fn finished(&mut self, took: Duration, interval: Duration) {
        let message = format!(
            "Reconciliation finished in {}, next run in {}",
            duration::format(took),
            duration::format(interval)
        );
        let update = (format!("{PREFIX}commit_status"), "update".to_owned());
        self.event(Severity::Info, &message, &[update]);
    }

    /// Objects were created, configured or deleted: a line for each.
    pub(crate) fn changed(&self, lines: &str) {
        self.event(Severity::Info, lines, &[]);
    }

    /// The run went well, but for something that somebody should look at.
    pub(crate) fn warned(&self, warning: &str) {
        self.event(Severity::Error, warning, &[]);
    }

    /// The object goes, and what it owns stays.
    pub(crate) fn not_pruned(&self, why: &str) {
        self.event(Severity::Error, &format!("unable to prune objects: {why}"), &[]);
    }

    /// The object is to go, and not all that it owns could be deleted.
    pub(crate) fn deletion_failed(&self) {
        self.event(Severity::Error, "pruning for deleted resource failed", &[]);
    }

    /// What was deleted is still there, and is not waited for any longer.
    pub(crate) fn termination_late(&self) {
        self.event(Severity::Error, "failed to wait for resources termination", &[]);
    }

    /// Says something about the object.
    fn event(&self, severity: Severity, message: &str, more: &[(String, String)]) {
        let ready = condition::find(&self.status.conditions, "Ready");
        let fallback = if severity == Severity::Info { "info" } else { "error" };
        let reason = ready.map_or(fallback, |c| c.reason.as_str());
        self.record(severity, reason, message, self.beside.annotations.iter().chain(more).cloned());
    }

    /// Notes an outcome in the history.
    pub(crate) fn remember(
        &mut self,
        digest: &str,
        outcome: &str,
        took: Duration,
        revision: &str,
        origin: Option<&str>,
    ) {
        let now = self.clock.stamp();
        let history = &mut self.status.history;
        let known = history.iter().position(|h| h.digest == digest && h.last_reconciled_status == outcome);
        let mut entry = match known {
            Some(at) => history.remove(at),
            None => Snapshot {
                digest: digest.to_owned(),
                first_reconciled: now.clone(),
                last_reconciled_status: outcome.to_owned(),
                ..Snapshot::default()
            },
        };
        entry.last_reconciled = now;
        entry.last_reconciled_duration = duration::format(took);
        entry.total_reconciliations += 1;
        entry.metadata = [("revision".to_owned(), revision.to_owned())].into();
        if let Some(origin) = origin {
            entry.metadata.insert("originRevision".to_owned(), origin.to_owned());
        }
        history.insert(0, entry);
        history.truncate(LONGEST_HISTORY);
    }

    /// The server has this inventory now; the next write puts that of the status in its place.
    pub(crate) fn claimed(&mut self, inventory: Inventory) {
        self.differs_on_server(|status| status.inventory = Some(inventory));
    }
}
