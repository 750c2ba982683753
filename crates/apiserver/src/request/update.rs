//! PUT, and what every change of an existing object has in common.

use serde_json::{Value, json};

use crate::call::{Call, RETRIES, WriteOptions, Written};
use crate::causes::Cause;
use crate::convert;
use crate::deletion;
use crate::fields;
use crate::follow_ups;
use crate::http::Answer;
use crate::keys;
use crate::managed_fields::Operation;
use crate::objects;
use crate::owners::{self, Actor};
use crate::status_error::Status;
use crate::storage::{Expect, Refused, Stored};

/// Replaces the object of the path.
pub(crate) fn from_request(call: &Call<'_>) -> Result<Answer, Status> {
    let options = call.options("UpdateOptions")?;
    let mut decoded = objects::decode(call, &options)?;
    let mut object = decoded.object;
    decoded.warnings.extend(crate::checks::owners_once(&mut object, ""));
    check_identity(call, &mut object)?;
    let version = fields::meta(&object, "resourceVersion").to_owned();
    if !version.is_empty() && version.parse::<u64>().is_err() {
        return Err(Status::internal(format!("strconv.ParseUint: parsing \"{version}\": invalid syntax")));
    }
    let actor = Actor { manager: options.manager.clone(), operation: Operation::Update };
    let Some(stored) = call.app.store.get(&call.key()) else {
        let told = call.warnings(&object, None);
        return absent(call, object, &options, &actor)
            .map(|written| call.answer_written(201, written).warned(decoded.warnings).warned(told));
    };
    if matches!(version.as_str(), "" | "0") && needs_version(call) {
        let cause = Cause {
            reason: "FieldValueInvalid",
            message: "Invalid value: 0: must be specified for an update".into(),
            field: "metadata.resourceVersion".into(),
        };
        return Err(Status::invalid(&call.resource.group, &call.resource.plural, &call.name, vec![cause]));
    }
    let mut stored = stored;
    for _ in 0..RETRIES {
        let old = call.shown(stored.object());
        let told = call.warnings(&object, Some(&old));
        let change = Change { stored: &stored, old: &old, new: object.clone(), by: By::Put };
        match apply(call, change, &options, &actor)? {
            Outcome::Done(written) => {
                return Ok(call.answer_written(200, written).warned(decoded.warnings).warned(told));
            }
            Outcome::Raced if !version.is_empty() => return Err(call.conflict(&call.name)),
            Outcome::Raced => stored = call.existing()?,
        }
    }
    Err(call.conflict(&call.name))
}

/// A change that is about to be made.
pub(crate) struct Change<'a> {
    pub stored: &'a Stored,
    /// What is stored, in the version of the request.
    pub old: &'a Value,
    /// The wanted object, in the version of the request.
    pub new: Value,
    pub by: By,
}

/// How the change came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Put,
    Patch,
    Apply,
}

/// How the change went.
pub(crate) enum Outcome {
    /// It is made.
    Done(Written),
    /// Another write came between.
    Raced,
}

/// Checks a change and writes it.
///
/// # Errors
/// For whatever is wrong with it.
pub(crate) fn apply(
    call: &Call<'_>,
    change: Change<'_>,
    options: &WriteOptions,
    actor: &Actor,
) -> Result<Outcome, Status> {
    let _alone = call.app.addresses.alone(&call.resource);
    let old = change.old;
    let mut new = change.new;
    check_version(call, old, &new)?;
    keep_metadata(call, old, &mut new, change.by)?;
    keep_other_half(call, old, &mut new);
    let resource = &call.resource;
    objects::default(resource, &mut new, actor.operation);
    // An apply has said it already.
    let owners =
        (change.by != By::Apply).then(|| owners::after(resource, Some(old), &new, actor, &call.subresource));
    crate::admit::update(call, old, &mut new)?;
    let (causes, tolerated) = objects::validate_update(resource, &new, old, &call.subresource);
    *call.tolerated.lock() = tolerated;
    if !causes.is_empty() {
        return Err(call.invalid(&call.name, causes));
    }
    super::rights::check(call, &new, Some(old))?;
    raise_generation(call, old, &mut new);
    let mut written = convert::to_storage(new, resource);
    if let Some(custom) = &resource.custom {
        let _ = custom.storage_shape.prune(&mut written, &Default::default());
        // An applied `null` was judged by now, and is kept as little as others.
        custom.storage_shape.default(&mut written);
    }
    if let Some(owners) = owners {
        fields::put_meta(&mut written, "managedFields", owners);
    }
    let same = match &resource.shown_as_kept {
        Some(_) if old["apiVersion"] == written["apiVersion"] => is_same(old, &written),
        _ => is_same(&change.stored.object(), &written),
    };
    if same {
        return Ok(Outcome::Done(Written::Kept(change.stored.clone())));
    }
    finish(call, change.stored, written, options)
}

fn finish(call: &Call<'_>, stored: &Stored, new: Value, options: &WriteOptions) -> Result<Outcome, Status> {
    let unkept = |mut object: Value, revision: u64| {
        fields::set_meta(&mut object, "resourceVersion", revision.to_string().into());
        Outcome::Done(Written::Unkept(call.shown(object)))
    };
    if options.dry_run {
        return Ok(unkept(new, stored.revision));
    }
    let store = &call.app.store;
    let key = call.key();
    let raced = |refused: Refused| match refused {
        Refused::Changed => Ok(Outcome::Raced),
        other => Err(call.refused(other, &call.name)),
    };
    if deletion::is_gone(&call.resource.key, &new) {
        // Watches are told what was stored, with the finalizer that held it.
        let revision = match store.delete(&key, stored.revision) {
            Ok(revision) => revision,
            Err(refused) => return raced(refused),
        };
        follow_ups::deleted(call.app, &call.resource.key);
        return Ok(unkept(new, revision));
    }
    match store.put(&key, &new, Expect::Revision(stored.revision)) {
        Ok(stored) => {
            follow_ups::updated(call.app, &call.resource.key, &new);
            Ok(Outcome::Done(Written::Kept(stored)))
        }
        Err(refused) => raced(refused),
    }
}

/// Equal but for resourceVersions and the times of managed fields.
pub(crate) fn is_same(old: &Value, new: &Value) -> bool {
    let (before, after) = (&old["metadata"], &new["metadata"]);
    fields::equal_but(old, new, &["metadata"])
        && fields::equal_but(before, after, &["resourceVersion", "managedFields"])
        && same_entries(&before["managedFields"], &after["managedFields"])
}

fn same_entries(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len()
                && old.iter().zip(new).all(|(old, new)| fields::equal_but(old, new, &["time"]))
        }
        _ => old == new,
    }
}

/// Name and namespace of body and path agree.
pub(crate) fn check_identity(call: &Call<'_>, object: &mut Value) -> Result<(), Status> {
    super::create::check_namespace(call, object)?;
    let stated = fields::name(object);
    if stated.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        )));
    }
    if stated != call.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({stated}) does not match the name on the URL ({})",
            call.name
        )));
    }
    Ok(())
}

fn absent(call: &Call<'_>, object: Value, options: &WriteOptions, actor: &Actor) -> Result<Written, Status> {
    if !CREATED_BY_PUT.contains(&&*call.resource.key) || !call.subresource.is_empty() {
        return Err(call.not_found());
    }
    if !fields::meta(&object, "resourceVersion").is_empty() {
        return Err(call.not_found());
    }
    call.require_create()?;
    super::create::create(call, object, options, actor)
}

fn needs_version(call: &Call<'_>) -> bool {
    call.resource.custom.is_some() || NEED_VERSION.contains(&&*call.resource.key)
}

fn check_version(call: &Call<'_>, old: &Value, new: &Value) -> Result<(), Status> {
    let wanted = fields::meta(new, "resourceVersion");
    if wanted.is_empty() || wanted == "0" || wanted == fields::meta(old, "resourceVersion") {
        return Ok(());
    }
    if wanted.parse::<u64>().is_err() {
        return Err(Status::internal(format!("strconv.ParseUint: parsing \"{wanted}\": invalid syntax")));
    }
    Err(call.conflict(&call.name))
}

/// Metadata that a client cannot set.
fn keep_metadata(call: &Call<'_>, old: &Value, new: &mut Value, by: By) -> Result<(), Status> {
    check_fixed(call, old, new, by)?;
    let kept = [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
        "namespace",
        "selfLink",
    ];
    for key in kept {
        fields::copy_meta(new, old, key);
    }
    if fields::is_deleting(old) { check_finalizers(call, old, new) } else { Ok(()) }
}

/// Refuses other metadata than there is, where it is stated.
fn check_fixed(call: &Call<'_>, old: &Value, new: &Value, by: By) -> Result<(), Status> {
    let fixed = |field: &str, value: &Value| {
        let cause = Cause::invalid(field, value, "field is immutable");
        call.invalid(&call.name, vec![cause; crate::checks::rounds_over_changes(&call.resource)])
    };
    let (stated, uid) = (fields::uid(new), fields::uid(old));
    if !stated.is_empty() && stated != uid {
        if by != By::Put {
            return Err(fixed("metadata.uid", &json!(stated)));
        }
        let why = format!("Precondition failed: UID in precondition: {stated}, UID in object meta: {uid}");
        return Err(Status::conflict(&call.resource.group, &call.resource.plural, &call.name, &why));
    }
    let deletion = fields::meta(new, "deletionTimestamp");
    if !deletion.is_empty() && deletion != fields::meta(old, "deletionTimestamp") {
        return Err(fixed("metadata.deletionTimestamp", &json!(deletion)));
    }
    let grace = new["metadata"].get("deletionGracePeriodSeconds").filter(|grace| !grace.is_null());
    match grace.filter(|grace| **grace != old["metadata"]["deletionGracePeriodSeconds"]) {
        Some(grace) => Err(fixed("metadata.deletionGracePeriodSeconds", grace)),
        None => Ok(()),
    }
}

/// Refuses finalizers that come when an object is on its way out.
fn check_finalizers(call: &Call<'_>, old: &Value, new: &Value) -> Result<(), Status> {
    let held = fields::finalizers(old);
    let fresh = fields::finalizers(new).into_iter().filter(|name| !held.contains(name));
    let list: Vec<String> = fresh.map(|name| format!("\"{name}\"")).collect();
    if list.is_empty() {
        return Ok(());
    }
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        list.join(", ")
    );
    let cause = Cause::forbidden("metadata.finalizers", &why);
    Err(call.invalid(&call.name, vec![cause.clone(), cause]))
}

/// `/status` changes status alone, the object all but it.
fn keep_other_half(call: &Call<'_>, old: &Value, new: &mut Value) {
    let resource = &call.resource;
    match call.subresource.as_str() {
        "status" | "approval" => keep_but_status(call, old, new),
        "ephemeralcontainers" | "resize" => super::pods::keep_rest(&call.subresource, old, new),
        "finalize" => {
            let finalizers = fields::get(new, &["spec", "finalizers"]).cloned();
            *new = old.clone();
            match finalizers.filter(|list| list.as_array().is_some_and(|list| !list.is_empty())) {
                Some(list) => new["spec"]["finalizers"] = list,
                None => {
                    fields::child(new, "spec").shift_remove("finalizers");
                }
            }
        }
        _ => {
            if resource.subresource("status").is_some() {
                fields::copy_field(new, old, "status");
            }
            if &*resource.key == keys::NAMESPACES {
                fields::copy_field(new, old, "spec");
            }
        }
    }
    if &*resource.key == keys::CERTIFICATE_REQUESTS {
        crate::certificates::keep_rest(&call.subresource, old, new);
    }
}

fn keep_but_status(call: &Call<'_>, old: &Value, new: &mut Value) {
    let status = new.get("status").cloned();
    if call.resource.custom.is_some() {
        let managed = fields::get(new, &["metadata", "managedFields"]).cloned();
        *new = old.clone();
        if let Some(managed) = managed {
            fields::set_meta(new, "managedFields", managed);
        }
    } else {
        let metadata = new.get("metadata").cloned();
        *new = old.clone();
        if let Some(metadata) = metadata {
            new["metadata"] = metadata;
        }
    }
    match status {
        Some(status) => new["status"] = status,
        None => fields::remove(new, "status"),
    }
}

fn raise_generation(call: &Call<'_>, old: &Value, new: &mut Value) {
    if !call.resource.has_generation() {
        return;
    }
    // This is counted at its making alone.
    if &*call.resource.key == keys::PRIORITY_CLASSES {
        return;
    }
    let skipped = ["metadata", "apiVersion", "status"];
    let has_status = call.resource.subresource("status").is_some();
    // Annotations of a Deployment count as what is wanted of it.
    let noted = &*call.resource.key == keys::DEPLOYMENTS
        && call.subresource.is_empty()
        && old["metadata"]["annotations"] != new["metadata"]["annotations"];
    // So do labels of slices.
    let noted = noted
        || &*call.resource.key == "endpointslices.discovery.k8s.io"
            && old["metadata"]["labels"] != new["metadata"]["labels"];
    if noted || !fields::equal_but(old, new, if has_status { &skipped } else { &skipped[..2] }) {
        fields::raise_generation(new);
    }
}

const CREATED_BY_PUT: [&str; 11] = [
    "leases.coordination.k8s.io",
    "events",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "endpoints",
    "limitranges",
    "runtimeclasses.node.k8s.io",
    "podtemplates",
    "services",
];
const NEED_VERSION: [&str; 15] = [
    "poddisruptionbudgets.policy",
    "customresourcedefinitions.apiextensions.k8s.io",
    "apiservices.apiregistration.k8s.io",
    "runtimeclasses.node.k8s.io",
    "leases.coordination.k8s.io",
    "csidrivers.storage.k8s.io",
    "csistoragecapacities.storage.k8s.io",
    "volumeattachments.storage.k8s.io",
    "csinodes.storage.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
];
