//! What follows from a workload: ReplicaSets, Pods, its status, its budgets.
//!
//! Nothing runs here. With `ready_workloads` the status says that everything does, and no Pods are made; without,
//! Pods stay pending until somebody writes their status.

pub(crate) mod budget;
mod deployment;
mod finished;
mod ready;
mod replica_set;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::clock;
use crate::fields;
use crate::grammar;
use crate::keys::{DEPLOYMENTS, JOBS, PODS, REPLICA_SETS, SERVICES};
use crate::kin::Kin;
use crate::kinds::Resource;
use crate::managed_fields::Operation;
use crate::owners::{self, Actor};
use crate::storage::{Expect, Key, Stored};

/// Brings what belongs to a changed object into line with it.
pub(crate) fn settle(app: &Arc<App>, kin: &mut Kin, key: &Key, stored: &Stored) {
    match &*key.resource {
        DEPLOYMENTS => deployment::settle(app, kin, key),
        REPLICA_SETS => {
            replica_set::settle(app, kin, key);
            owner_of(kin, stored, DEPLOYMENTS, |owner, kin| deployment::settle(app, kin, owner));
        }
        PODS => {
            owner_of(kin, stored, REPLICA_SETS, |owner, kin| replica_set::settle(app, kin, owner));
            say_ready(app, key);
        }
        "statefulsets.apps" | "daemonsets.apps" | JOBS | "persistentvolumeclaims" => say_ready(app, key),
        // The others never have a status to write, so that nothing is read for them.
        SERVICES if stored.object()["spec"]["type"] == "LoadBalancer" => say_ready(app, key),
        _ => {}
    }
}

/// Writes the status that an object has where everything is said to be ready.
fn say_ready(app: &App, key: &Key) {
    if !app.ready_workloads {
        return;
    }
    let Some((stored, object)) = alive(app, key) else { return };
    if let Some(status) = ready::status(&key.resource, &object) {
        write_status(app, key, &stored, status);
    }
}

fn owner_of(kin: &mut Kin, stored: &Stored, resource: &str, then: impl FnOnce(&Key, &mut Kin)) {
    let owner = stored.bonds().owners().find_map(|uid| kin.living(uid).cloned());
    if let Some(owner) = owner.filter(|owner| &*owner.resource == resource) {
        then(&owner, kin);
    }
}

/// The current state of an object that is not on its way out.
fn alive(app: &App, key: &Key) -> Option<(Stored, Value)> {
    let stored = app.store.get(key)?;
    let object = stored.object();
    (!fields::is_deleting(&object)).then_some((stored, object))
}

/// The dependents of one kind that a workload controls.
fn children(app: &App, kin: &Kin, owner: &Value, resource: &str) -> Vec<(Key, Value)> {
    let keys = kin.dependents(fields::uid(owner)).into_iter().filter(|key| &*key.resource == resource);
    keys.filter_map(|key| alive(app, &key).map(|(_, object)| (key, object))).collect()
}

/// Makes a dependent, with the defaults of its kind.
fn make(app: &Arc<App>, kin: &mut Kin, resource: &str, mut object: Value) {
    let Some(resource) = app.kinds.current().stored_under(resource).cloned() else { return };
    // A name that was made longer may be none.
    if !is_name(fields::name(&object)) {
        return;
    }
    fields::stamp(&mut object);
    fields::set_meta(&mut object, "generation", 1.into());
    resource.shape.default(&mut object);
    if crate::admit::create(app, &resource, &mut object).is_err() {
        return;
    }
    let owners = owners::after(&resource, None, &object, &controller(), "");
    fields::put_meta(&mut object, "managedFields", owners);
    let key = Key::new(&resource.key, fields::meta(&object, "namespace"), fields::name(&object));
    if let Ok(stored) = app.store.put(&key, &object, Expect::Absent) {
        // The change comes by later; what follows now must know of it already.
        kin.remember(&key, &stored.bonds());
    }
}

fn is_name(name: &str) -> bool {
    grammar::subdomain(name).is_empty()
}

/// Writes a changed object, unless another write came between.
fn write(app: &App, key: &Key, stored: &Stored, mut new: Value, subresource: &str) {
    let old = stored.object();
    if old == new {
        return;
    }
    if let Some(resource) = app.kinds.current().stored_under(&key.resource) {
        track(resource, &old, &mut new, subresource);
    }
    let _ = app.store.put(key, &new, Expect::Revision(stored.revision));
}

fn write_status(app: &App, key: &Key, stored: &Stored, status: Value) {
    let mut new = stored.object();
    new["status"] = status;
    write(app, key, stored, new, "status");
}

fn track(resource: &Resource, old: &Value, new: &mut Value, subresource: &str) {
    let owners = owners::after(resource, Some(old), new, &controller(), subresource);
    fields::put_meta(new, "managedFields", owners);
}

fn controller() -> Actor {
    Actor { manager: "kube-controller-manager".into(), operation: Operation::Update }
}

/// A reference by which a workload controls what it makes.
fn reference(kind: &str, owner: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "name": fields::name(owner), "uid": fields::uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// A condition whose times move only when it changes.
fn condition(old: &Value, kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let known =
        old["conditions"].as_array().into_iter().flatten().find(|condition| condition["type"] == kind);
    let same = |known: &&Value| {
        known["status"] == status && known["reason"] == reason && known["message"] == message
    };
    if let Some(known) = known.filter(same) {
        return known.clone();
    }
    let now = clock::now();
    let since = known.filter(|known| known["status"] == status).map(|known| &known["lastTransitionTime"]);
    let since = since.and_then(Value::as_str).unwrap_or(&now);
    json!({
        "type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": since,
        "reason": reason, "message": message,
    })
}

/// Ten letters that stand for a pod template.
fn template_hash(template: &Value) -> String {
    use sha2::{Digest, Sha256};
    const LETTERS: &[u8] = b"456789bcdf";
    let digest = Sha256::digest(fields::sorted(template).to_string());
    digest[..10].iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

const AVAILABLE: &str = "Deployment has minimum availability.";

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_that_grew_too_long_are_none() {
        assert!(is_name(&format!("{}-5d4f8c7b9d", "a".repeat(242))));
        assert!(!is_name(&format!("{}-5d4f8c7b9d", "a".repeat(253))));
    }
}
