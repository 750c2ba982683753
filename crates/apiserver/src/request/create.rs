//! POST: a new object, from the bytes of a request to the store.

use serde_json::Value;

use crate::call::{Call, WriteOptions, Written};
use crate::clock;
use crate::convert;
use crate::fields;
use crate::follow_ups;
use crate::http::Answer;
use crate::keys;
use crate::managed_fields::Operation;
use crate::objects;
use crate::owners::{self, Actor};
use crate::status_error::Status;
use crate::storage::{Expect, Stored};

/// Creates what the body holds.
pub(crate) fn from_request(call: &Call<'_>) -> Result<Answer, Status> {
    let options = call.options("CreateOptions")?;
    let mut decoded = objects::decode(call, &options)?;
    decoded.warnings.extend(crate::checks::owners_once(&mut decoded.object, ""));
    decoded.warnings.extend(call.warnings(&decoded.object, None));
    let actor = Actor { manager: options.manager.clone(), operation: Operation::Update };
    let written = create(call, decoded.object, &options, &actor)?;
    Ok(call.answer_written(201, written).warned(decoded.warnings))
}

/// Creates an object; where the server is to find its name, with another one when that is taken.
pub(crate) fn create(
    call: &Call<'_>,
    object: Value,
    options: &WriteOptions,
    actor: &Actor,
) -> Result<Written, Status> {
    let base = fields::meta(&object, "generateName").to_owned();
    if base.is_empty() || !fields::name(&object).is_empty() {
        return named(call, object, options, actor);
    }
    with_new_names(|| {
        let base: String = base.chars().take(NAME - SUFFIX).collect();
        let mut object = object.clone();
        fields::set_meta(&mut object, "name", format!("{base}{}", clock::suffix(SUFFIX)).into());
        named(call, object, options, actor)
    })
}

/// Tries until a name is free, but not for ever.
fn with_new_names<T>(mut create: impl FnMut() -> Result<T, Status>) -> Result<T, Status> {
    let is_taken = |status: &Status| status.reason == "AlreadyExists";
    for _ in 1..NAMES {
        match create() {
            Err(status) if is_taken(&status) => {}
            done => return done,
        }
    }
    create().map_err(|mut status| {
        if is_taken(&status) {
            status.message.push_str(", the server was not able to generate a unique name for the object");
        }
        status
    })
}

fn named(call: &Call<'_>, object: Value, options: &WriteOptions, actor: &Actor) -> Result<Written, Status> {
    let _alone = call.app.addresses.alone(&call.resource);
    if !fields::meta(&object, "resourceVersion").is_empty() && !options.dry_run {
        return Err(Status::internal("resourceVersion should not be set on objects to be created"));
    }
    let object = filled(call, object)?;
    let object = prepared(call, object, actor)?;
    super::rights::check(call, &object, None)?;
    let stored = store(call, &object, options)?;
    if options.dry_run {
        let mut shown = stored.object();
        fields::metadata(&mut shown).shift_remove("resourceVersion");
        return Ok(Written::Unkept(call.shown(shown)));
    }
    follow_ups::created(call.app, &call.resource.key, &object);
    Ok(Written::Kept(stored))
}

/// Identity: namespace, name, uid and time.
fn filled(call: &Call<'_>, mut object: Value) -> Result<Value, Status> {
    check_namespace(call, &mut object)?;
    check_definition(call, fields::name(&object))?;
    crate::namespaces::take(call.app, &call.namespace, &call.resource, fields::name(&object))?;
    for key in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        fields::metadata(&mut object).shift_remove(key);
    }
    fields::stamp(&mut object);
    Ok(object)
}

/// A definition that is gone, or on its way out, gets no new objects.
fn check_definition(call: &Call<'_>, name: &str) -> Result<(), Status> {
    if call.resource.custom.is_none() {
        return Ok(());
    }
    let resource = &call.resource;
    let kinds = call.app.kinds.current();
    let standing = kinds.stored_under(&resource.key).and_then(|standing| standing.custom.as_ref());
    match standing {
        None => Err(Status::no_resource()),
        Some(custom) if custom.terminating => {
            let why = "create not allowed while custom resource definition is terminating";
            Err(Status::forbidden(&resource.group, &resource.plural, name, why))
        }
        Some(_) => Ok(()),
    }
}

/// An empty namespace is filled in; another one is refused.
pub(crate) fn check_namespace(call: &Call<'_>, object: &mut Value) -> Result<(), Status> {
    let stated = fields::meta(object, "namespace");
    if !call.resource.namespaced {
        fields::metadata(object).shift_remove("namespace");
        return Ok(());
    }
    if stated.is_empty() {
        fields::set_meta(object, "namespace", call.namespace.as_str().into());
    } else if stated != call.namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// Defaults, generation, status, checks, managed fields; in the stored version.
fn prepared(call: &Call<'_>, mut object: Value, actor: &Actor) -> Result<Value, Status> {
    let resource = &call.resource;
    // A node says what it has when it comes.
    if resource.subresource("status").is_some() && &*resource.key != "nodes" {
        fields::remove(&mut object, "status");
    }
    if &*resource.key == keys::CERTIFICATE_REQUESTS {
        crate::certificates::prepare(&call.request.user, &mut object);
    }
    // Changes of these are counted alone.
    if resource.has_generation() && &*resource.key != "csidrivers.storage.k8s.io" {
        fields::set_meta(&mut object, "generation", 1.into());
    }
    let labels = fields::get(&object, &["metadata", "labels"]).and_then(Value::as_object);
    let is_labelled = labels.is_some_and(|labels| !labels.is_empty());
    objects::default(resource, &mut object, actor.operation);
    let owners = owners::after(resource, None, &object, actor, "");
    crate::gates::drop_disabled(&resource.key, None, &mut object);
    crate::admit::create(call.app, resource, &mut object)?;
    let name = fields::name(&object).to_owned();
    if &*resource.key == keys::JOBS && !is_labelled {
        // A Job without labels has those of its pods.
        let labels = object["spec"]["template"]["metadata"]["labels"].clone();
        fields::set_meta(&mut object, "labels", labels);
    }
    let causes = objects::validate_create(resource, &object);
    if !causes.is_empty() {
        return Err(call.invalid(&name, causes));
    }
    let mut object = convert::to_storage(object, resource);
    if let Some(custom) = &resource.custom {
        let _ = custom.storage_shape.prune(&mut object, &Default::default());
        custom.storage_shape.default(&mut object);
    }
    fields::put_meta(&mut object, "managedFields", owners);
    Ok(object)
}

fn store(call: &Call<'_>, object: &Value, options: &WriteOptions) -> Result<Stored, Status> {
    let name = fields::name(object);
    let mut key = call.key();
    key.name = name.into();
    if options.dry_run {
        return match call.app.store.get(&key) {
            Some(stored) => Err(crate::call::exists(&call.resource, name, &stored)),
            None => call.app.store.unwritten(object).map_err(|refused| call.refused(refused, name)),
        };
    }
    // Who lets a definition go looks whether anything is left of it while nothing of its kind is made.
    let _standing = call.resource.custom.is_some().then(|| call.app.definitions.read());
    check_definition(call, name)?;
    call.app.store.put(&key, object, Expect::Absent).map_err(|refused| call.refused(refused, name))
}

const NAME: usize = 63;
const SUFFIX: usize = 5;
/// How many names are tried.
const NAMES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status_error::Deleting;

    #[test]
    fn a_name_that_is_taken_is_followed_by_another() {
        let taken = || Status::already_exists("", "events", "e", Deleting::No);
        let mut tried = 0;
        let third = with_new_names(|| {
            tried += 1;
            if tried < 3 { Err(taken()) } else { Ok(tried) }
        });
        assert_eq!(third.ok(), Some(3));
        let never = with_new_names::<()>(|| {
            tried += 1;
            Err(taken())
        });
        let message = never.expect_err("all are taken").message;
        assert!(
            message.ends_with("the server was not able to generate a unique name for the object"),
            "{message}"
        );
        assert_eq!(tried, 3 + NAMES);
        let refused = with_new_names::<()>(|| {
            tried += 1;
            Err(Status::internal("something else"))
        });
        assert!(refused.is_err() && tried == 4 + NAMES);
    }
}
