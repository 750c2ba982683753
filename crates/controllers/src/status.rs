//! A status on its way to the server: what differs, for the version that we know.
//!
//! Nothing else is sent, and to no other version of the object. Whoever else writes meanwhile keeps the conditions that are not ours.

use sealfast_cluster::client::{Client, Patch};
use sealfast_cluster::error::Error;
use sealfast_k8s::condition::{self, Condition};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::{flux, object};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// How often somebody else may be quicker before that is an error.
pub(crate) const TRIES: usize = 8;

/// A status whose conditions we share with others.
pub(crate) trait Shared: Serialize + DeserializeOwned + Clone + Default {
    /// Types of the conditions that are ours.
    const OWN: &[&str];

    fn conditions(&mut self) -> &mut Vec<Condition>;
}

impl Shared for flux::kustomization::Status {
    const OWN: &[&str] = &["Ready", "Reconciling", "Stalled", "Healthy"];

    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}

impl Shared for flux::git_repository::Status {
    const OWN: &[&str] = &[
        "Ready",
        "Reconciling",
        "Stalled",
        "ArtifactInStorage",
        "ArtifactOutdated",
        "FetchFailed",
        "IncludeUnavailable",
        "SourceVerified",
        "StorageOperationFailed",
    ];

    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}

/// A status as the server has it.
pub(crate) struct Written<S> {
    /// The status.
    pub(crate) status: S,
    /// Version of the object that holds it; empty when somebody else wrote since.
    version: String,
    /// Generation of the object that holds it.
    generation: i64,
    uid: String,
}

impl<S> Written<S> {
    /// What was read with an object.
    pub(crate) fn with(object: &Value, status: S) -> Written<S> {
        let text = |field| object::metadata_text(object, field).to_owned();
        let generation = object::generation(object);
        Written { status, version: text("resourceVersion"), generation, uid: text("uid") }
    }

    /// The object has another version by now.
    pub(crate) fn is_outdated(&mut self) {
        self.version.clear();
    }
}

impl<S: Shared> Written<S> {
    /// What is new in conditions of ours is of the generation that takes it, though the run began with an older one: as
    /// the reference has it, whose conditions else would count as outdated on an object that was suspended meanwhile.
    fn stamp(&mut self, status: &mut S) {
        let known = self.status.conditions();
        let is_known = |new: &Condition| {
            let found = condition::find(known, &new.kind);
            found.is_some_and(|old| {
                (&old.status, &old.reason, &old.message) == (&new.status, &new.reason, &new.message)
            })
        };
        let ours = status.conditions().iter_mut().filter(|found| is_own::<S>(found));
        for new in ours.filter(|found| found.observed_generation < self.generation) {
            if !is_known(new) {
                new.observed_generation = self.generation;
            }
        }
    }
}

/// The object whose status it is.
pub(crate) struct Target<'a> {
    pub(crate) client: &'a Client,
    pub(crate) kind: GroupVersionKind,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) manager: &'static str,
}

impl Target<'_> {
    /// Brings the server up to date. What it does not take stays to be written with the next try; an object that is gone
    /// needs no status.
    pub(crate) async fn write<S: Shared>(
        &self,
        written: &mut Written<S>,
        status: &mut S,
    ) -> Result<(), Error> {
        for tries in (0..TRIES).rev() {
            written.stamp(status);
            let Some(mut patch) = difference(&written.status, status) else { return Ok(()) };
            if written.version.is_empty() {
                if !self.follow(written, status).await? {
                    return Ok(());
                }
                written.stamp(status);
                let Some(followed) = difference(&written.status, status) else { return Ok(()) };
                patch = followed;
            }
            if !written.version.is_empty() {
                patch["metadata"] = json!({"resourceVersion": written.version});
            }
            let Self { client, kind, namespace, name, manager } = self;
            match client.patch_status(kind, namespace, name, &Patch::Merge(&patch), manager).await {
                Ok(answer) => *written = Written::with(&answer, status.clone()),
                Err(error) if error.is_not_found() => written.status.clone_from(status),
                Err(error) if error.is_conflict() && tries > 0 => written.is_outdated(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sets fields of the status of this version of the object; returns what it is then.
    ///
    /// # Errors
    /// What the server says; a conflict when somebody else wrote meanwhile.
    pub(crate) async fn claim(&self, version: &str, fields: Value) -> Result<Value, Error> {
        let Self { client, kind, namespace, name, manager } = self;
        let body = json!({"metadata": {"resourceVersion": version}, "status": fields});
        client.patch_status(kind, namespace, name, &Patch::Merge(&body), manager).await
    }

    /// Somebody else wrote: their conditions are as they left them, all else is as we have it. False when the object is gone;
    /// another one of its name has a status of its own.
    async fn follow<S: Shared>(&self, written: &mut Written<S>, status: &mut S) -> Result<bool, Error> {
        let found = self.client.find(&self.kind, self.namespace, self.name).await?;
        let live = found.unwrap_or_default();
        if object::metadata_text(&live, "uid") != written.uid {
            written.status.clone_from(status);
            return Ok(false);
        }
        let mut now = S::deserialize(&live["status"]).unwrap_or_default();
        let theirs = now.conditions().iter().filter(|found| !is_own::<S>(found)).cloned();
        let ours = status.conditions().iter().filter(|found| is_own::<S>(found)).cloned();
        let both: Vec<Condition> = ours.chain(theirs).collect();
        *status.conditions() = both;
        *written.status.conditions() = std::mem::take(now.conditions());
        written.version = object::metadata_text(&live, "resourceVersion").to_owned();
        written.generation = object::generation(&live);
        Ok(true)
    }
}

fn is_own<S: Shared>(condition: &Condition) -> bool {
    S::OWN.contains(&condition.kind.as_str())
}

/// The patch that makes one status of another; none when they are alike.
fn difference<S: Serialize>(old: &S, new: &S) -> Option<Value> {
    let (old, new) = (fields(old), fields(new));
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let fresh = new.iter().filter(|(key, value)| old.get(*key) != Some(*value));
    let changed: Map<String, Value> =
        fresh.map(|(key, value)| (key.clone(), value.clone())).chain(gone).collect();
    (!changed.is_empty()).then(|| json!({"status": changed}))
}

fn fields(status: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_sent() {
        let (old, new) = (json!({"a": 1, "b": 2, "c": 3}), json!({"a": 1, "b": 4}));
        assert_eq!(difference(&old, &new), Some(json!({"status": {"b": 4, "c": null}})));
        assert_eq!(difference(&new, &new), None);
    }

    use sealfast_k8s::flux::kustomization::Status;

    use crate::stand_in::StandIn;

    fn told(kind: &str, message: &str) -> Value {
        json!({"type": kind, "status": "True", "reason": "R", "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    /// Writes a Ready condition that says `ours` to a status that was read as `read`.
    async fn write_ready(stand_in: &StandIn, read: &Value) -> Result<Status, Error> {
        let before: Status = serde_json::from_value(read["status"].clone()).unwrap_or_default();
        let mut written = Written::with(read, before.clone());
        let mut status = before;
        let ours = serde_json::from_value(told("Ready", "ours")).expect("is a condition");
        status.conditions.retain(|known| known.kind != "Ready");
        status.conditions.insert(0, ours);
        let kind = crate::kustomization::shared::kind();
        let target = Target { client: &stand_in.client, kind, namespace: "ns", name: "app", manager: "test" };
        target.write(&mut written, &mut status).await?;
        Ok(status)
    }

    #[tokio::test]
    async fn who_was_quicker_keeps_the_conditions_that_are_not_ours() {
        let stand_in =
            StandIn::with(json!({"conditions": [told("Ready", "old"), told("Theirs", "old")]})).await;
        let read = stand_in.object();
        let theirs = json!([told("Ready", "forged"), told("Theirs", "new"), told("More", "new")]);
        stand_in
            .scene
            .lock()
            .others
            .extend([json!({"status": {"conditions": theirs, "foreign": 1}}), json!({"spec": {}})]);
        let status = write_ready(&stand_in, &read).await.expect("is written");
        let told: Vec<(&str, &str)> =
            status.conditions.iter().map(|known| (known.kind.as_str(), known.message.as_str())).collect();
        assert_eq!(told, [("Ready", "ours"), ("Theirs", "new"), ("More", "new")]);
        let object = stand_in.object();
        assert_eq!(object["status"]["conditions"][0]["message"], "ours");
        assert_eq!(
            (&object["status"]["conditions"][2]["type"], &object["status"]["foreign"]),
            (&json!("More"), &json!(1))
        );
        // Two were refused, and the third was for the version that was there then.
        assert_eq!(stand_in.scene.lock().patches.len(), 3);
    }

    #[tokio::test]
    async fn what_is_new_is_of_the_generation_that_takes_it() {
        let stand_in =
            StandIn::with(json!({"conditions": [told("Ready", "old"), told("Healthy", "old")]})).await;
        let read = stand_in.object();
        stand_in.scene.lock().others.push_back(json!({"metadata": {"generation": 2}}));
        let status = write_ready(&stand_in, &read).await.expect("is written");
        let seen: Vec<(&str, i64)> =
            status.conditions.iter().map(|known| (known.kind.as_str(), known.observed_generation)).collect();
        assert_eq!(seen, [("Ready", 2), ("Healthy", 0)]);
        assert_eq!(stand_in.object()["status"]["conditions"][0]["observedGeneration"], 2);
    }

    #[tokio::test]
    async fn another_object_of_the_name_keeps_its_status_and_one_that_is_gone_needs_none() {
        for change in [json!({"metadata": {"uid": "other"}, "status": {"conditions": []}}), Value::Null] {
            let stand_in = StandIn::with(json!({})).await;
            let read = stand_in.object();
            stand_in.scene.lock().others.push_back(change.clone());
            assert!(write_ready(&stand_in, &read).await.is_ok(), "{change}");
            assert!(
                !stand_in.object().to_string().contains("ours") && stand_in.scene.lock().patches.len() == 1
            );
        }
    }

    #[tokio::test]
    async fn who_is_always_too_late_is_told() {
        let stand_in = StandIn::with(json!({})).await;
        let read = stand_in.object();
        stand_in.scene.lock().others.extend((0..TRIES).map(|number| json!({"status": {"number": number}})));
        assert!(write_ready(&stand_in, &read).await.is_err_and(|error| error.is_conflict()));
        assert_eq!(stand_in.scene.lock().patches.len(), TRIES);
    }
}
