//! PATCH: JSON, merge, strategic merge, and server-side apply.

use serde_json::Value;

use super::update::{self, By, Change, Outcome};
use crate::call::{Call, RETRIES, WriteOptions, Written};
use crate::fields;
use crate::http::{APPLY_TYPE, Answer};
use crate::managed_fields::Operation;
use crate::objects::{self, Patch, PatchKind};
use crate::owners::Actor;
use crate::status_error::{Details, Status};

/// Patches the object of the path.
pub(crate) fn from_request(call: &Call<'_>) -> Result<Answer, Status> {
    let patch = kind(call)?;
    let options = call.options("PatchOptions")?;
    if patch == PatchKind::Apply {
        return apply(call, &options);
    }
    let patch = objects::decode_patch(call, patch)?;
    let actor = Actor { manager: options.manager.clone(), operation: Operation::Update };
    for _ in 0..RETRIES {
        let stored = call.existing()?;
        let old = call.shown(stored.object());
        let (new, warnings) = patched(call, &old, &patch, &options)?;
        let told = call.warnings(&new, Some(&old));
        let change = Change { stored: &stored, old: &old, new, by: By::Patch };
        if let Outcome::Done(written) = update::apply(call, change, &options, &actor)? {
            return Ok(call.answer_written(200, written).warned(warnings).warned(told));
        }
        if patch.states_version() {
            break;
        }
    }
    Err(call.conflict(&call.name))
}

/// The kind of patch that a body is.
///
/// # Errors
/// 415 for others.
pub(crate) fn kind(call: &Call<'_>) -> Result<PatchKind, Status> {
    match call.request.content_type().as_str() {
        JSON => Ok(PatchKind::Json),
        MERGE => Ok(PatchKind::Merge),
        STRATEGIC if call.resource.custom.is_none() => Ok(PatchKind::Strategic),
        APPLY_TYPE => Ok(PatchKind::Apply),
        _ if call.resource.custom.is_some() => Err(Status::plain(
            415,
            "UnsupportedMediaType",
            format!("{UNKNOWN_FORMAT}: {JSON}, {MERGE}, {APPLY_TYPE}"),
        )),
        _ => Err(Status {
            code: 415,
            reason: "UnsupportedMediaType",
            message: "415: Unsupported Media Type".into(),
            details: Some(Details::default()),
        }),
    }
}

fn patched(
    call: &Call<'_>,
    old: &Value,
    patch: &Patch,
    options: &WriteOptions,
) -> Result<(Value, Vec<String>), Status> {
    let mut new = objects::patched(call, old, patch)?;
    objects::check_same_kind(call, &new, patch.kind())?;
    fields::identify(&mut new, &call.resource.api_version(), &call.resource.kind);
    let mut warnings = objects::check_fields(&call.resource.shape, &mut new, patch, options)?;
    call.tell(&warnings);
    update::check_identity(call, &mut new)?;
    let when = " after mutating admission happens";
    warnings.extend(crate::checks::owners_once(&mut new, when));
    Ok((new, warnings))
}

fn apply(call: &Call<'_>, options: &WriteOptions) -> Result<Answer, Status> {
    let configuration = objects::decode_apply(call)?;
    let config = &configuration.object;
    check_kind(call, config)?;
    if fields::get(config, &["metadata", "managedFields"]).is_some_and(|entries| !entries.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let warnings = objects::judge_apply(call, &configuration, options)?;
    let actor = Actor { manager: options.manager.clone(), operation: Operation::Apply };
    for _ in 0..RETRIES {
        let Some(stored) = call.app.store.get(&call.key()) else {
            if !call.subresource.is_empty() {
                return Err(call.not_found());
            }
            call.require_create()?;
            match applied_new(call, config, options, &actor) {
                // Another came first, so it is changed instead.
                Err(refused) if refused.reason == "AlreadyExists" => continue,
                written => {
                    let (written, told) = written?;
                    return Ok(call.answer_written(201, written).warned(warnings).warned(told));
                }
            }
        };
        let old = call.shown(stored.object());
        let mut new = objects::applied(call, Some(&old), config, options, &actor)?;
        update::check_identity(call, &mut new)?;
        let told = call.warnings(&new, Some(&old));
        let change = Change { stored: &stored, old: &old, new, by: By::Apply };
        if let Outcome::Done(written) = update::apply(call, change, options, &actor)? {
            return Ok(call.answer_written(200, written).warned(warnings).warned(told));
        }
    }
    Err(call.conflict(&call.name))
}

/// Makes what a configuration states, and says what is odd about it.
fn applied_new(
    call: &Call<'_>,
    config: &Value,
    options: &WriteOptions,
    actor: &Actor,
) -> Result<(Written, Vec<String>), Status> {
    let mut config = config.clone();
    if config["metadata"].is_object() {
        fields::metadata(&mut config).shift_remove("resourceVersion");
    }
    let mut object = objects::applied(call, None, &config, options, actor)?;
    let uid = fields::uid(&config);
    if !uid.is_empty() {
        let stated = format!("the provided object specified uid {uid}, and no existing object was found");
        let resource = &call.resource;
        let why = format!("uid mismatch: {stated}");
        return Err(Status::conflict(&resource.group, &resource.plural, &call.name, &why));
    }
    update::check_identity(call, &mut object)?;
    let told = call.warnings(&object, None);
    Ok((super::create::create(call, object, options, actor)?, told))
}

fn check_kind(call: &Call<'_>, config: &Value) -> Result<(), Status> {
    let (api_version, kind) = (fields::text(config, &["apiVersion"]), fields::text(config, &["kind"]));
    if api_version == call.resource.api_version() && kind == call.resource.kind {
        return Ok(());
    }
    Err(wrong_kind(config))
}

/// A configuration of another kind than the path's.
pub(crate) fn wrong_kind(config: &Value) -> Status {
    let (api_version, kind) = (fields::text(config, &["apiVersion"]), fields::text(config, &["kind"]));
    let shown = if api_version.is_empty() || api_version.contains('/') {
        api_version.to_owned()
    } else {
        format!("/{api_version}")
    };
    let shown = if shown.is_empty() { "/".to_owned() } else { shown };
    Status::bad_request(format!("invalid object type: {shown}, Kind={kind}"))
}

const UNKNOWN_FORMAT: &str =
    "the body of the request was in an unknown format - accepted media types include";
const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
