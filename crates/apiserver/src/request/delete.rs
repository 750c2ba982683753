//! DELETE of one object or of a collection, and eviction.

use serde_json::{Value, json};

use super::update::mark_deleted;
use super::{Call, dry_run};
use crate::fields;
use crate::http::Answer;
use crate::objects;
use crate::select::Selection;
use crate::status_error::{Cause, Status, success};
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

/// Deletes the object of the path.
pub(crate) fn one(call: &Call<'_>) -> Result<Answer, Status> {
    let options = options(call)?;
    delete(call, &options)
}

fn delete(call: &Call<'_>, options: &DeleteOptions) -> Result<Answer, Status> {
    for _ in 0..super::update::RETRIES {
        let stored = call.existing()?;
        check_preconditions(call, &stored, options)?;
        crate::admit::delete(call, &stored.object())?;
        match step(call, &call.key(), &stored, options) {
            Ok(Step::Gone(object)) => {
                let kind = &call.resource;
                if &*kind.key == "pods" {
                    return Ok(call.answer(200, call.shown(object)));
                }
                return Ok(
                    call.encoded(200, success(&kind.group, &kind.plural, &call.name, fields::uid(&object)))
                );
            }
            Ok(Step::Waits(object)) => return Ok(call.answer(200, call.shown(object))),
            Err(Refused::Changed) => {}
            Err(other) => return Err(call.refused(other, &call.name)),
        }
    }
    Err(call.conflict(&call.name))
}

/// Deletes every object that the selectors choose; answers what they were.
pub(crate) fn collection(call: &Call<'_>) -> Result<Answer, Status> {
    let options = options(call)?;
    let query = &call.request.query;
    let selection =
        Selection::parse(query.text("labelSelector"), query.text("fieldSelector"), &call.resource)?;
    let namespace = Some(call.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let listing = call.app.store.list(&call.resource.key, namespace);
    let mut shown = Vec::new();
    for stored in listing.items {
        let object = stored.object();
        if !selection.matches(&call.shown(object.clone())) {
            continue;
        }
        let key = Key::new(&call.resource.key, fields::meta(&object, "namespace"), fields::name(&object));
        let mut current = Some(stored);
        while let Some(stored) = current {
            match step(call, &key, &stored, &options) {
                Ok(_) => {
                    shown.push(call.shown(object.clone()));
                    break;
                }
                Err(Refused::Changed) => current = call.app.store.get(&key),
                Err(other) => return Err(call.refused(other, &key.name)),
            }
        }
    }
    let metadata = json!({"resourceVersion": call.app.store.revision().to_string()});
    Ok(super::list::shaped(call, metadata, shown))
}

/// Deletes a Pod as an Eviction asks.
pub(crate) fn eviction(call: &Call<'_>) -> Result<Answer, Status> {
    call.existing()?;
    let options = DeleteOptions::default();
    delete(call, &options)?;
    Ok(Answer::json(
        201,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    ))
}

/// How far one deletion got.
pub(crate) enum Step {
    /// The object is gone; its last state.
    Gone(Value),
    /// It is marked and waits for finalizers.
    Waits(Value),
}

fn step(call: &Call<'_>, key: &Key, stored: &Stored, options: &DeleteOptions) -> Result<Step, Refused> {
    let step = advance(call, key, stored, options)?;
    if !options.dry_run {
        match &step {
            Step::Gone(_) => call.app.deleted(&call.resource),
            Step::Waits(object) => call.app.updated(&call.resource, object),
        }
    }
    Ok(step)
}

fn advance(call: &Call<'_>, key: &Key, stored: &Stored, options: &DeleteOptions) -> Result<Step, Refused> {
    let store = &call.app.store;
    let mut object = stored.object();
    let was_deleting = fields::is_deleting(&object);
    let mut finalizers: Vec<String> = fields::finalizers(&object).into_iter().map(str::to_owned).collect();
    propagate(&mut finalizers, &options.propagation);
    if &*key.resource == crate::crds::KEY
        && !finalizers.iter().any(|name| name == crate::crds::CLEANUP)
        && !was_deleting
    {
        finalizers.push(crate::crds::CLEANUP.into());
    }
    let held = !finalizers.is_empty() || &*key.resource == "namespaces";
    if !held {
        if &*key.resource == "pods" && !was_deleting {
            mark_deleted(&mut object, call.resource.has_generation());
        }
        if !options.dry_run {
            let revision = store.delete_with(key, &object, stored.revision)?;
            fields::set_meta(&mut object, "resourceVersion", revision.to_string().into());
        }
        return Ok(Step::Gone(object));
    }
    let before = object.clone();
    fields::set_finalizers(&mut object, finalizers);
    if !was_deleting {
        mark_deleted(&mut object, call.resource.has_generation());
        crate::namespaces::terminating(&key.resource, &mut object);
    }
    if options.dry_run || object == before {
        return Ok(Step::Waits(object));
    }
    let stored = store.put(key, &object, Expect::Revision(stored.revision))?;
    Ok(Step::Waits(stored.object()))
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

fn check_preconditions(call: &Call<'_>, stored: &Stored, options: &DeleteOptions) -> Result<(), Status> {
    let object = stored.object();
    let checks = [
        ("UID", &options.uid, fields::uid(&object)),
        ("ResourceVersion", &options.version, fields::meta(&object, "resourceVersion")),
    ];
    for (word, wanted, found) in checks {
        if !wanted.is_empty() && wanted != found {
            let why = format!(
                "Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {found}"
            );
            return Err(Status::conflict(&call.resource.group, &call.resource.kind, &call.name, &why));
        }
    }
    Ok(())
}

fn options(call: &Call<'_>) -> Result<DeleteOptions, Status> {
    let query = &call.request.query;
    let body = if call.request.body.is_empty() { Value::Null } else { objects::decode_options(call)? };
    let mut causes = Vec::new();
    let mut dry: Vec<&str> = query.all("dryRun");
    dry.extend(body["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str));
    let propagation =
        body["propagationPolicy"].as_str().or(query.get("propagationPolicy")).unwrap_or_default().to_owned();
    if !["", "Foreground", "Background", "Orphan"].contains(&propagation.as_str()) {
        causes.push(Cause::not_supported(
            "propagationPolicy",
            &json!(propagation),
            &["Foreground", "Background", "Orphan", "nil"],
        ));
    }
    let orphan = body["orphanDependents"]
        .as_bool()
        .or_else(|| query.get("orphanDependents").map(|_| query.flag("orphanDependents")));
    if !propagation.is_empty() && orphan.is_some() {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        causes.push(Cause::invalid("propagationPolicy", &json!(propagation), why));
    }
    let dry_run = dry_run(&dry, &mut causes);
    if !causes.is_empty() {
        return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", causes));
    }
    let propagation = match (propagation.as_str(), orphan) {
        ("", Some(true)) => "Orphan".into(),
        ("", Some(false)) => "Background".into(),
        _ => propagation,
    };
    Ok(DeleteOptions {
        dry_run,
        propagation,
        uid: fields::text(&body, &["preconditions", "uid"]).into(),
        version: fields::text(&body, &["preconditions", "resourceVersion"]).into(),
    })
}

/// Held until dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Held until dependents are let go.
pub(crate) const ORPHAN: &str = "orphan";
