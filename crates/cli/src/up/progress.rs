//! How far the Flux objects are: one line a change.

use std::collections::BTreeMap;

use sealfast_controllers::kustomization::missing::Missing;
use serde_json::Value;

/// State of one GitRepository or Kustomization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A run is under way, or none has begun.
    Working(String),
    /// Cannot go on before something else is there.
    Waiting(String),
    /// Ready for the current generation.
    Ready(String),
    /// Failed for the current generation.
    Failed(String),
    /// Suspended by its owner.
    Suspended,
}

/// Reads the state from an object's conditions.
pub(super) fn state(object: &Value) -> State {
    let status = &object["status"];
    if object["spec"]["suspend"] == true {
        // Nothing waits in vain for a source that stands still but has something to build from.
        return match status["artifact"]["revision"].as_str() {
            Some(revision) => State::Ready(format!("suspended at {revision}")),
            None => State::Suspended,
        };
    }
    let Some(ready) = condition(status, "Ready") else {
        return State::Working("waiting for its first run".into());
    };
    let message = ready["message"].as_str().unwrap_or_default().to_owned();
    let current = ready["observedGeneration"] == object["metadata"]["generation"];
    let running = condition(status, "Reconciling").filter(|running| running["reason"] == "Progressing");
    let doing = running.and_then(|running| running["message"].as_str()).unwrap_or_default();
    match (ready["status"].as_str(), ready["reason"].as_str()) {
        (Some("True"), _) if current && running.is_none() => State::Ready(message),
        (Some("False"), Some("DependencyNotReady")) => State::Waiting(message),
        (Some("False"), Some("ArtifactFailed")) => match Missing::told(&message) {
            Some(Missing::Path(_)) if current => State::Failed(message),
            Some(Missing::Path(_)) => State::Working(message),
            _ => State::Waiting(message),
        },
        // Everything is applied; the rest lies with the objects that it waits for.
        (Some("Unknown"), _) if doing.starts_with("Running health checks") => {
            State::Waiting(doing.to_owned())
        }
        (Some("False"), _) if current => State::Failed(message),
        _ => State::Working(message),
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Returns `kind/namespace/name` in the words of the command line.
pub(super) fn label(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let metadata = &object["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    format!("{kind} {}/{}", text("namespace"), text("name"))
}

/// What was seen of every object so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    seen: BTreeMap<String, State>,
}

impl Progress {
    /// Takes a fresh look; returns a line for each object whose state has changed.
    pub(super) fn look<'a>(&mut self, objects: impl Iterator<Item = &'a Value>) -> Vec<String> {
        let now: BTreeMap<String, State> = objects.map(|object| (label(object), state(object))).collect();
        let lines = now
            .iter()
            .filter(|(label, state)| self.seen.get(*label) != Some(state))
            .map(|(label, state)| format!("{} {label}: {}", sign(state), words(state)))
            .collect();
        self.seen = now;
        lines
    }

    /// Returns true when no object has anything left to do by itself.
    pub(super) fn at_rest(&self) -> bool {
        !self.seen.values().any(|state| matches!(state, State::Working(_) | State::Waiting(_)))
    }

    /// Returns true when only objects are left that wait for a failed, suspended or missing one.
    pub(super) fn stuck(&self) -> bool {
        let any = |wanted: fn(&State) -> bool| self.seen.values().any(wanted);
        let in_the_way = any(|state| matches!(state, State::Failed(_) | State::Suspended))
            || self.missing_repository().is_some();
        in_the_way
            && any(|state| matches!(state, State::Waiting(_)))
            && !any(|state| matches!(state, State::Working(_)))
    }

    /// Returns the name of a GitRepository that is waited for and does not exist.
    pub(super) fn missing_repository(&self) -> Option<String> {
        self.failures().find_map(|(_, why)| match Missing::told(why)? {
            Missing::Source { kind, name } if kind == "GitRepository" => Some(name),
            _ => None,
        })
    }

    /// Says how many objects are ready, and names one that is not.
    pub(super) fn summary(&self) -> String {
        let ready = self.seen.values().filter(|state| matches!(state, State::Ready(_))).count();
        let count = format!("{ready} of {} ready", self.seen.len());
        match self.unfinished().next() {
            Some((label, _)) => format!("{count}, next {label}"),
            None => count,
        }
    }

    /// Iterates over the objects that failed, wait or still work, with what they say.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.seen.iter().filter_map(|(label, state)| match state {
            State::Failed(why) | State::Waiting(why) => Some((label.as_str(), why.as_str())),
            _ => None,
        })
    }

    /// Iterates over everything that is not Ready yet.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (&str, &str)> {
        self.seen.iter().filter_map(|(label, state)| match state {
            State::Failed(why) | State::Waiting(why) | State::Working(why) => {
                Some((label.as_str(), why.as_str()))
            }
            State::Ready(_) | State::Suspended => None,
        })
    }
}

fn sign(state: &State) -> char {
    match state {
        State::Ready(_) => '✔',
        State::Failed(_) => '✗',
        State::Working(_) | State::Waiting(_) => '◎',
        State::Suspended => '‖',
    }
}

fn words(state: &State) -> String {
    match state {
        State::Ready(message) => format!("ready: {message}"),
        State::Failed(message) => format!("failed: {message}"),
        State::Waiting(message) => format!("waiting: {message}"),
        State::Working(message) if message.is_empty() => "working".to_owned(),
        State::Working(message) => format!("working: {message}"),
        State::Suspended => "suspended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(status: &str, reason: &str, observed: i64) -> Value {
        json!({
            "kind": "Kustomization",
            "metadata": { "namespace": "flux-system", "name": "a", "generation": 2 },
            "status": { "conditions": [{
                "type": "Ready", "status": status, "reason": reason, "message": "m", "observedGeneration": observed,
            }] },
        })
    }

    #[test]
    fn ready_counts_only_for_the_current_generation() {
        assert_eq!(state(&object("True", "ReconciliationSucceeded", 2)), State::Ready("m".into()));
        assert_eq!(state(&object("True", "ReconciliationSucceeded", 1)), State::Working("m".into()));
        assert_eq!(state(&object("False", "BuildFailed", 2)), State::Failed("m".into()));
        assert_eq!(state(&object("False", "DependencyNotReady", 2)), State::Waiting("m".into()));
    }

    #[test]
    fn a_missing_path_is_not_waited_for() {
        let mut failed = object("False", "ArtifactFailed", 2);
        failed["status"]["conditions"][0]["message"] =
            "kustomization path not found: stat /x: no such file or directory".into();
        assert!(matches!(state(&failed), State::Failed(_)));
    }

    #[test]
    fn a_missing_repository_is_named_and_not_waited_for_long() {
        let mut waits = object("False", "ArtifactFailed", 2);
        waits["status"]["conditions"][0]["message"] =
            "GitRepository.source.toolkit.fluxcd.io \"fleet\" not found".into();
        let mut progress = Progress::default();
        progress.look([waits].iter());
        assert_eq!(progress.missing_repository().as_deref(), Some("fleet"));
        assert!(progress.stuck() && !progress.at_rest());
    }

    #[test]
    fn a_suspended_source_with_something_to_build_from_is_ready() {
        let mut source = json!({
            "kind": "GitRepository", "metadata": { "namespace": "flux-system", "name": "fleet" },
            "spec": { "suspend": true }, "status": { "artifact": { "revision": "local@sha256:0" } },
        });
        assert!(matches!(state(&source), State::Ready(_)));
        source["status"] = json!({});
        assert_eq!(state(&source), State::Suspended);
    }

    #[test]
    fn a_line_for_each_change_and_none_without() {
        let mut progress = Progress::default();
        let ready = [object("True", "ReconciliationSucceeded", 2)];
        assert_eq!(progress.look(ready.iter()), ["✔ kustomization flux-system/a: ready: m"]);
        assert!(progress.look(ready.iter()).is_empty());
        assert!(progress.at_rest());
        assert_eq!(progress.summary(), "1 of 1 ready");
    }
}
