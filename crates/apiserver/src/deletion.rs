//! Deletion: marks, finalizers and policies, whoever asks for it.

use serde_json::Value;

use crate::app::{App, TRIES};
use crate::clock;
use crate::crds;
use crate::fields;
use crate::follow_ups;
use crate::keys;
use crate::namespaces;
use crate::storage::{Expect, Key, Refused, Stored};

/// What a deletion asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub dry_run: bool,
    /// `Background`, `Foreground`, `Orphan`, or empty.
    pub propagation: String,
    pub uid: String,
    pub version: String,
}

/// Deletes an object on the server's own account, unless it changed hands; false when it could not be written.
pub(crate) fn delete(app: &App, key: &Key, stored: &Stored, policy: &str) -> bool {
    let options = DeleteOptions { propagation: policy.into(), ..DeleteOptions::default() };
    let mut current = Some(stored.clone());
    for _ in 0..TRIES {
        let same = |current: &Stored| {
            let (now, then) = (current.bonds(), stored.bonds());
            now.uid() == then.uid() && now.owners().eq(then.owners())
        };
        let Some(found) = current.filter(same) else { return true };
        match step(app, key, &found, &options) {
            Ok(_) => return true,
            Err(Refused::Changed) => current = app.store.get(key),
            Err(_) => return false,
        }
    }
    false
}

/// How far one deletion got.
pub(crate) enum Progress {
    /// The object is gone; its last state.
    Gone(Value),
    /// It is marked and waits for finalizers.
    Waits(Value),
}

/// One step of a deletion with what follows from it, whoever asks.
pub(crate) fn step(
    app: &App,
    key: &Key,
    stored: &Stored,
    options: &DeleteOptions,
) -> Result<Progress, Refused> {
    let progress = advance(app, key, stored, options)?;
    if !options.dry_run {
        match &progress {
            Progress::Gone(_) => follow_ups::deleted(app, &key.resource),
            Progress::Waits(object) => follow_ups::updated(app, &key.resource, object),
        }
    }
    Ok(progress)
}

fn advance(app: &App, key: &Key, stored: &Stored, options: &DeleteOptions) -> Result<Progress, Refused> {
    let store = &app.store;
    let has_generation =
        || app.kinds.current().stored_under(&key.resource).is_some_and(|kind| kind.has_generation());
    let mut object = stored.object();
    let was_deleting = fields::is_deleting(&object);
    let mut finalizers: Vec<String> = fields::finalizers(&object).into_iter().map(str::to_owned).collect();
    propagate(&mut finalizers, &options.propagation);
    if &*key.resource == keys::DEFINITIONS
        && !finalizers.iter().any(|name| name == crds::CLEANUP)
        && !was_deleting
    {
        finalizers.push(crds::CLEANUP.into());
    }
    let held = !finalizers.is_empty() || &*key.resource == keys::NAMESPACES;
    if !held {
        if &*key.resource == keys::PODS && !was_deleting {
            mark_deleted(&mut object, has_generation());
        }
        if !options.dry_run {
            let revision = store.delete_with(key, &object, stored.revision)?;
            fields::set_meta(&mut object, "resourceVersion", revision.to_string().into());
        }
        return Ok(Progress::Gone(object));
    }
    let before = object.clone();
    fields::set_finalizers(&mut object, finalizers);
    if !was_deleting {
        mark_deleted(&mut object, has_generation());
        namespaces::terminating(&key.resource, &mut object);
        crds::terminating(&key.resource, &mut object);
    }
    if options.dry_run || object == before {
        return Ok(Progress::Waits(object));
    }
    let stored = store.put(key, &object, Expect::Revision(stored.revision))?;
    Ok(Progress::Waits(stored.object()))
}

/// The finalizer that a propagation policy stands for; the other one goes.
fn propagate(finalizers: &mut Vec<String>, policy: &str) {
    let (wanted, other) = match policy {
        "Foreground" => (Some(FOREGROUND), ORPHAN),
        "Orphan" => (Some(ORPHAN), FOREGROUND),
        "Background" => {
            finalizers.retain(|name| name != FOREGROUND && name != ORPHAN);
            return;
        }
        _ => return,
    };
    finalizers.retain(|name| name != other);
    if let Some(wanted) = wanted
        && !finalizers.iter().any(|name| name == wanted)
    {
        finalizers.push(wanted.into());
    }
}

/// Takes one finalizer off; the object goes with its last. False when it could not be written.
pub(crate) fn drop_finalizer(app: &App, key: &Key, finalizer: &str) -> bool {
    let taken_off = take_off(app, key, finalizer);
    if let Ok(true) = taken_off {
        follow_ups::deleted(app, &key.resource);
    }
    taken_off.is_ok()
}

/// Takes a finalizer off and leaves what follows to the caller; false when it was not there.
pub(crate) fn take_off(app: &App, key: &Key, finalizer: &str) -> Result<bool, Refused> {
    for _ in 0..TRIES {
        let Some(stored) = app.store.get(key) else { return Ok(false) };
        let mut object = stored.object();
        let mut kept: Vec<String> = fields::finalizers(&object).into_iter().map(str::to_owned).collect();
        if !kept.iter().any(|name| name == finalizer) {
            return Ok(false);
        }
        kept.retain(|name| name != finalizer);
        fields::set_finalizers(&mut object, kept);
        let written = if is_gone(&key.resource, &object) {
            app.store.delete(key, stored.revision).map(|_| ())
        } else {
            app.store.put(key, &object, Expect::Revision(stored.revision)).map(|_| ())
        };
        match written {
            Ok(()) => return Ok(true),
            Err(Refused::Changed) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Refused::Changed)
}

/// True when nothing holds the object any more.
pub(crate) fn is_gone(key: &str, object: &Value) -> bool {
    let held = key == keys::NAMESPACES
        && fields::get(object, &["spec", "finalizers"])
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty());
    fields::is_deleting(object) && fields::finalizers(object).is_empty() && !held
}

/// Marks an object as on its way out.
pub(crate) fn mark_deleted(object: &mut Value, has_generation: bool) {
    fields::set_meta(object, "deletionTimestamp", clock::now().into());
    fields::set_meta(object, "deletionGracePeriodSeconds", 0.into());
    if has_generation && object["kind"] != "CustomResourceDefinition" {
        fields::raise_generation(object);
    }
}

/// Held until dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Held until dependents are let go.
pub(crate) const ORPHAN: &str = "orphan";
