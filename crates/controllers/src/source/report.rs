//! Result of a run over a source -> conditions, status patch, events.
//!
//! Follows: the summary of source-controller: Ready is derived from the other conditions, the worst first.

use sealfast_k8s::condition::{self, Condition};
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::git_repository::{GitRepository, Spec, Status};
use sealfast_source::verify::Mode;
use serde_json::Value;

use crate::clock::Clock;
use crate::events::{Recorder, Severity};
use crate::report::{Reported, Retry};
use crate::source::fetch::Fetched;

/// Prefix of the annotations on events.
const PREFIX: &str = "source.toolkit.fluxcd.io/";
/// The longest subject of a commit in an event, in characters.
const LONGEST_SUBJECT: usize = 50;

/// Conditions that Ready is made from, the most telling first; true when `True` is good.
const DEPENDENCIES: [(&str, bool); 8] = [
    ("StorageOperationFailed", false),
    ("FetchFailed", false),
    ("IncludeUnavailable", false),
    ("ArtifactOutdated", false),
    ("ArtifactInStorage", true),
    ("SourceVerified", true),
    ("Stalled", false),
    ("Reconciling", false),
];

/// True when a signature is good, False when it is not.
const VERIFIED: &str = "SourceVerified";

/// Those that a failure sets.
const FAILURES: [&str; 3] = ["StorageOperationFailed", "FetchFailed", "IncludeUnavailable"];

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The condition that it sets.
    pub condition: &'static str,
    /// One word.
    pub reason: &'static str,
    /// For people, as the reference words it.
    pub message: String,
    /// When it is tried again.
    pub retry: Retry,
    /// The revision that was found, when it got that far.
    pub revision: Option<String>,
    /// Whether what is included is other than it was when this failed.
    pub includes_changed: bool,
}

impl Failure {
    /// Something that may pass.
    pub fn new(condition: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { condition, reason, message, retry: Retry::BackOff, revision: None, includes_changed: false }
    }

    /// Something about the fetch that may pass.
    pub fn fetch(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new("FetchFailed", reason, message)
    }

    /// Something about credentials that may pass.
    pub fn authentication(message: impl Into<String>) -> Self {
        Self::fetch("AuthenticationFailed", message)
    }

    /// Something about our own disk, after a revision was found.
    pub fn storage(reason: &'static str, message: impl Into<String>, revision: &str) -> Self {
        Self { revision: Some(revision.to_owned()), ..Self::new("StorageOperationFailed", reason, message) }
    }

    /// A signature that is missing or not trusted.
    pub fn signature(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(VERIFIED, reason, message)
    }

    /// Somebody has to change the object.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self { retry: Retry::Terminal, ..Self::fetch(reason, message) }
    }
}

/// The state of one run as others will see it.
pub(crate) type Report = crate::report::Report<Status>;

/// What the report of a source keeps beside the status.
pub(crate) struct Beside {
    failed_before: bool,
    artifact_before: Option<Artifact>,
}

impl Reported for Status {
    type Beside = Beside;
}

impl Report {
    /// A report that starts from what the object says.
    pub(crate) fn new(object: &Value, typed: &GitRepository, recorder: Recorder, clock: Clock) -> Self {
        let conditions = &typed.status.conditions;
        let beside = Beside {
            failed_before: FAILURES.iter().any(|kind| condition::is_true(conditions, kind)),
            artifact_before: typed.status.artifact.clone(),
        };
        Self::starting(object, typed.metadata.generation, typed.status.clone(), recorder, clock, beside)
    }

    /// The run begins; true when that is to be shown at once: for a new generation or a new request.
    pub(crate) fn begin(&mut self, token: Option<&String>) -> bool {
        let (old, new) = (self.status.observed_generation, self.generation);
        let changed = old > 0 && old != new;
        let asked = token.is_some_and(|token| *token != self.status.last_handled_reconcile_at);
        let message = if changed {
            format!("processing object: new generation {old} -> {new}")
        } else {
            "reconciliation in progress".to_owned()
        };
        self.set("Reconciling", "True", "Progressing", &message);
        self.remove("StorageOperationFailed");
        // A signature that was good stays so for what is stored; a bad one is looked at again.
        if condition::find(&self.status.conditions, VERIFIED).is_some_and(|known| known.status == "False") {
            self.remove(VERIFIED);
        }
        let known = condition::find(&self.status.conditions, "Ready").map(|ready| ready.status.as_str());
        if !matches!(known, Some("True" | "False")) {
            self.set("Ready", "Unknown", "Progressing", &message);
        }
        changed || asked
    }

    /// There is no artifact, or no longer.
    pub(crate) fn no_artifact(&mut self, message: &str) {
        self.remove("ArtifactInStorage");
        self.set("Reconciling", "True", "Progressing", message);
        self.set("Ready", "Unknown", "Progressing", message);
    }

    /// The artifact is there, under this address.
    pub(crate) fn served_at(&mut self, url: String) {
        if let Some(artifact) = &mut self.status.artifact {
            artifact.url = url;
        }
    }

    /// Returns true when the last run stored what the status says.
    pub(crate) fn is_settled(&self) -> bool {
        condition::is_true(&self.status.conditions, "ArtifactInStorage")
    }

    /// A run has its artifact: new, or the one that was there.
    pub(crate) fn keep(&mut self, spec: &Spec, fetched: &Fetched) {
        for kind in FAILURES.iter().chain(&["ArtifactOutdated"]) {
            self.remove(kind);
        }
        self.status.artifact = Some(fetched.artifact.clone());
        self.status.included_artifacts.clone_from(&fetched.included);
        self.status.observed_ignore.clone_from(&spec.ignore);
        self.status.observed_include.clone_from(&spec.include);
        self.status.observed_sparse_checkout.clone_from(&spec.sparse_checkout);
        self.status.observed_recurse_submodules = spec.recurse_submodules;
        // Without a commit nothing was looked at, and what was known before stays.
        if fetched.subject.is_some() {
            self.keep_verified(spec, fetched);
        }
        let message = format!("stored artifact for revision '{}'", fetched.artifact.revision);
        self.set("ArtifactInStorage", "True", "Succeeded", &message);
    }

    fn keep_verified(&mut self, spec: &Spec, fetched: &Fetched) {
        let mode = spec.verify.as_ref().map(|verify| verify.mode.as_deref().unwrap_or("HEAD"));
        let Some(mode) = mode.and_then(Mode::parse) else {
            self.status.source_verification_mode = None;
            self.remove(VERIFIED);
            return;
        };
        if let Some(message) = &fetched.verified {
            self.status.source_verification_mode = Some(mode.name().to_owned());
            self.set(VERIFIED, "True", "Succeeded", message);
        }
    }

    /// Derives what the outcome means for Reconciling, Stalled and Ready.
    pub(crate) fn summary(&mut self, failure: Option<&Failure>) {
        match failure {
            None => {
                self.remove("Reconciling");
                self.remove("Stalled");
                self.status.observed_generation = self.generation;
            }
            Some(failure) => self.failed(failure),
        }
        if let Some((status, reason, message)) = self.ready() {
            self.set("Ready", status, &reason, &message);
        }
    }

    fn failed(&mut self, failure: &Failure) {
        self.forget_what_passed(failure);
        let status = if failure.condition == VERIFIED { "False" } else { "True" };
        self.set(failure.condition, status, failure.reason, &failure.message);
        if failure.retry == Retry::Terminal {
            self.set("Stalled", "True", failure.reason, &failure.message);
            self.status.observed_generation = self.generation;
            return;
        }
        let stored = self.status.artifact.as_ref().map(|artifact| artifact.revision.as_str());
        let news = failure.revision.as_ref().filter(|revision| stored != Some(revision.as_str()));
        let news = news.map(|revision| format!("new upstream revision '{revision}'"));
        if let Some(news) = news.as_ref().filter(|_| self.status.artifact.is_some()) {
            self.set("ArtifactOutdated", "True", "NewRevision", news);
        }
        let under_way = self.message_of("Reconciling");
        let anew = "building artifact: included artifacts differ from last observed includes";
        let under_way = failure.includes_changed.then(|| anew.to_owned()).or(under_way);
        let under_way = news.map(|news| format!("building artifact: {news}")).or(under_way);
        if let Some(message) = under_way {
            self.set("Reconciling", "True", "ProgressingWithRetry", &message);
        }
    }

    /// A step that was reached takes back what an earlier run said about those before it.
    fn forget_what_passed(&mut self, failure: &Failure) {
        let reached_remote = matches!(failure.reason, "GitOperationFailed" | "EmptyGitRepository");
        let has_commit = failure.condition == VERIFIED || failure.condition == "StorageOperationFailed";
        if has_commit {
            self.remove("FetchFailed");
        }
        if has_commit || reached_remote {
            self.remove("IncludeUnavailable");
            self.remove("ArtifactOutdated");
        }
    }

    /// The first condition of the best group decides: bad things that are, good things that are not, good things that
    /// are, bad things that are not.
    ///
    /// But what is stored is not ready when a signature is bad, whatever else there is.
    fn ready(&self) -> Option<(&'static str, String, String)> {
        let verified = condition::find(&self.status.conditions, VERIFIED);
        if let Some(bad) = verified.filter(|known| known.status == "False") {
            return Some(("False", bad.reason.clone(), bad.message.clone()));
        }
        let found: Vec<(&Condition, bool)> = DEPENDENCIES
            .iter()
            .filter_map(|(kind, good)| {
                condition::find(&self.status.conditions, kind).map(|found| (found, *good))
            })
            .collect();
        let groups = [
            ("True", false, "False"),
            ("False", true, "False"),
            ("True", true, "True"),
            ("False", false, "True"),
        ];
        groups.iter().find_map(|(status, good, ready)| {
            let (first, _) =
                found.iter().find(|(found, is_good)| found.status == *status && is_good == good)?;
            Some((*ready, first.reason.clone(), first.message.clone()))
        })
    }

    /// Nothing is done, but the generation is taken note of, and what is known is summed up anew.
    pub(crate) fn suspended(&mut self) {
        if self.status.conditions.is_empty() {
            return;
        }
        self.remove("Stalled");
        self.status.observed_generation = self.generation;
        if let Some(message) = self.message_of("Reconciling") {
            self.set("Reconciling", "True", "ProgressingWithRetry", &message);
        }
        if let Some((status, reason, message)) = self.ready() {
            self.set("Ready", status, &reason, &message);
        }
    }

    /// Records the event of an outcome.
    pub(crate) fn tell(&self, result: Result<&Fetched, &Failure>) {
        match result {
            Err(failure) => {
                let severity = match failure.retry {
                    Retry::Dependency => Severity::Info,
                    _ => Severity::Error,
                };
                self.record(severity, failure.reason, &failure.message, Vec::new());
            }
            Ok(fetched) => self.tell_success(fetched),
        }
    }

    fn tell_success(&self, fetched: &Fetched) {
        if let Some(message) = &fetched.verified {
            self.record(Severity::Trace, "Succeeded", message, Vec::new());
        }
        let artifact = &fetched.artifact;
        let is_new = self.status_before().is_none_or(|known| known != artifact.digest);
        if is_new || self.beside.failed_before {
            let annotations = [("revision", &artifact.revision), ("digest", &artifact.digest)];
            let annotations =
                annotations.map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).to_vec();
            let reason = if is_new { "NewArtifact" } else { "Succeeded" };
            let what = fetched.subject.as_deref().map_or(artifact.revision.clone(), shortened);
            let message = format!("stored artifact for commit '{what}'");
            self.record(Severity::Info, reason, &message, annotations);
        }
        if !is_new {
            let (reason, message) = match fetched.subject {
                Some(_) => ("ArtifactUpToDate", "artifact up-to-date with remote revision:"),
                None => ("GitOperationSucceeded", "no changes since last reconciliation: observed revision"),
            };
            let message = format!("{message} '{}'", artifact.revision);
            self.record(Severity::Trace, reason, &message, Vec::new());
        }
    }

    /// Says that old files were removed.
    pub(crate) fn collected(&self, count: usize) {
        if count > 0 {
            let message = format!("garbage collected {count} artifacts");
            self.record(Severity::Trace, "GarbageCollectionSucceeded", &message, Vec::new());
        }
    }

    fn status_before(&self) -> Option<&str> {
        self.beside.artifact_before.as_ref().map(|artifact| artifact.digest.as_str())
    }

    /// Says at once that something is wrong.
    pub(crate) fn warn(&self, reason: &str, message: &str) {
        self.record(Severity::Error, reason, message, Vec::new());
    }
}

fn shortened(subject: &str) -> String {
    if subject.chars().count() <= LONGEST_SUBJECT {
        return subject.to_owned();
    }
    let head: String = subject.chars().take(LONGEST_SUBJECT).collect();
    format!("{head}...")
}
