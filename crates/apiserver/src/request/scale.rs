//! The `scale` subresource: the replicas of a bigger object.

use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

use super::patch;
use super::update::{self, By, Outcome};
use crate::call::{Call, RETRIES, WriteOptions};
use crate::causes::Cause;
use crate::fields;
use crate::http::{Answer, Form};
use crate::managed_fields::Operation;
use crate::objects::{self, Decoded, Patch, PatchKind};
use crate::owners::Actor;
use crate::select;
use crate::shape::Shape;
use crate::status_error::Status;

/// GET, PUT and PATCH of `…/scale`.
pub(crate) fn serve(call: &Call<'_>, verb: &str) -> Result<Answer, Status> {
    if verb == "get" {
        let object = call.shown(call.existing()?.object());
        return answer(call, &object);
    }
    let kind = if verb == "update" { "UpdateOptions" } else { "PatchOptions" };
    let options = call.options(kind)?;
    if call.request.is_apply() {
        return apply(call, &options);
    }
    let change = Change::read(call, verb, &options)?;
    for _ in 0..RETRIES {
        let stored = call.existing()?;
        let object = call.shown(stored.object());
        let (wanted, warnings) = change.over(call, &scale_of(call, &object), &options)?;
        check(call, &object, &wanted)?;
        if let Outcome::Done(written) = write(call, &stored, object, &wanted, &options)? {
            return Ok(answer(call, &call.written(written))?.warned(warnings));
        }
    }
    Err(call.conflict(&call.name))
}

/// What a request wants of a Scale.
enum Change {
    Whole(Decoded),
    Patch(Patch),
}

impl Change {
    fn read(call: &Call<'_>, verb: &str, options: &WriteOptions) -> Result<Self, Status> {
        if verb == "update" {
            let mut decoded = objects::decode_other(call, &[kind()], options)?;
            update::check_identity(call, &mut decoded.object)?;
            return Ok(Self::Whole(decoded));
        }
        let kind = match patch::kind(call)? {
            // A Scale has no lists.
            PatchKind::Strategic => PatchKind::Merge,
            kind => kind,
        };
        objects::decode_patch(call, kind).map(Self::Patch)
    }

    /// The wanted Scale, and warnings.
    fn over(
        &self,
        call: &Call<'_>,
        scale: &Value,
        options: &WriteOptions,
    ) -> Result<(Value, Vec<String>), Status> {
        match self {
            Self::Whole(decoded) => {
                let mut object = decoded.object.clone();
                if object["spec"]["replicas"].is_null() {
                    fields::child(&mut object, "spec").insert("replicas".into(), 0.into());
                }
                Ok((object, decoded.warnings.clone()))
            }
            Self::Patch(patch) => {
                let mut object = objects::patched(call, scale, patch)?;
                if object["apiVersion"] != scale["apiVersion"] || object["kind"] != scale["kind"] {
                    let why = "the result is not a Scale of autoscaling/v1";
                    let cause = Cause::invalid("patch", &object.to_string().into(), why);
                    return Err(Status::invalid("", "", "", vec![cause]));
                }
                let shape = Shape::Builtin(kind());
                let warnings = objects::check_fields(&shape, &mut object, patch, options)?;
                update::check_identity(call, &mut object)?;
                Ok((object, warnings))
            }
        }
    }
}

fn kind() -> GroupVersionKind {
    GroupVersionKind::new("autoscaling", "v1", "Scale")
}

/// An apply to a Scale owns the replicas of the bigger object.
fn apply(call: &Call<'_>, options: &WriteOptions) -> Result<Answer, Status> {
    let mut wanted = objects::decode_apply(call)?.object;
    if wanted["apiVersion"] != "autoscaling/v1" || wanted["kind"] != "Scale" {
        return Err(patch::wrong_kind(&wanted));
    }
    check_apply(&wanted)?;
    if fields::name(&wanted).is_empty() {
        fields::set_meta(&mut wanted, "name", call.name.as_str().into());
    }
    update::check_identity(call, &mut wanted)?;
    let resource = &call.resource;
    let mut config = json!({
        "apiVersion": resource.api_version(), "kind": resource.kind, "metadata": {"name": call.name},
    });
    if let Some(replicas) = wanted["spec"].get("replicas").filter(|replicas| !replicas.is_null()) {
        set(&mut config, &paths(call).spec, replicas.clone());
    }
    if resource.namespaced {
        fields::set_meta(&mut config, "namespace", call.namespace.as_str().into());
    }
    let actor = Actor { manager: options.manager.clone(), operation: Operation::Apply };
    for _ in 0..RETRIES {
        let stored = call.existing()?;
        let object = call.shown(stored.object());
        check(call, &object, &wanted)?;
        let new = objects::applied(call, Some(&object), &config, options, &actor)?;
        let change = update::Change { stored: &stored, old: &object, new, by: By::Apply };
        if let Outcome::Done(written) = update::apply(call, change, options, &actor)? {
            return answer(call, &call.written(written));
        }
    }
    Err(call.conflict(&call.name))
}

fn answer(call: &Call<'_>, object: &Value) -> Result<Answer, Status> {
    let scale = scale_of(call, object);
    if call.resource.custom.is_some() && at(object, &paths(call).spec).is_none() {
        let path = paths(call).spec;
        return Err(Status::internal_error(&format!("the spec replicas field \"{path}\" does not exist")));
    }
    Ok(match call.form {
        Form::Table(version) => call.encoded(200, crate::table::of_scale(version, &scale)),
        _ => call.answer(200, scale),
    })
}

fn write(
    call: &Call<'_>,
    stored: &crate::storage::Stored,
    object: Value,
    wanted: &Value,
    options: &WriteOptions,
) -> Result<Outcome, Status> {
    let mut new = object.clone();
    let replicas = wanted["spec"]["replicas"].clone();
    let replicas = match replicas {
        Value::Null if call.resource.custom.is_some() && at(&object, &paths(call).spec).is_none() => {
            let path = paths(call).spec;
            return Err(Status::bad_request(format!("the spec replicas field \"{path}\" cannot be empty")));
        }
        Value::Null => json!(0),
        replicas => replicas,
    };
    set(&mut new, &paths(call).spec, replicas);
    let actor = Actor { manager: options.manager.clone(), operation: Operation::Update };
    let version = fields::meta(wanted, "resourceVersion").to_owned();
    if !version.is_empty() {
        fields::set_meta(&mut new, "resourceVersion", version.into());
    }
    update::apply(call, update::Change { stored, old: &object, new, by: By::Patch }, options, &actor)
}

/// What is stated of the bigger object still holds, and the count can be.
fn check(call: &Call<'_>, object: &Value, wanted: &Value) -> Result<(), Status> {
    let replicas = &wanted["spec"]["replicas"];
    if replicas.as_i64().is_some_and(|count| count < 0) {
        if call.resource.custom.is_some() {
            let cause = Cause::invalid(paths(call).spec, replicas, "should be a non-negative integer");
            return Err(call.invalid(&call.name, vec![cause]));
        }
        let cause = Cause::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
        return Err(Status::invalid("autoscaling", "Scale", &call.name, vec![cause]));
    }
    let (stated, uid) = (fields::uid(wanted), fields::uid(object));
    if !stated.is_empty() && stated != uid {
        let why = format!("Precondition failed: UID in precondition: {stated}, UID in object meta: {uid}");
        let resource = &call.resource;
        return Err(Status::conflict(&resource.group, &resource.plural, &call.name, &why));
    }
    let version = fields::meta(wanted, "resourceVersion");
    if !version.is_empty() && version != fields::meta(object, "resourceVersion") {
        return Err(call.conflict(&call.name));
    }
    Ok(())
}

/// An applied Scale holds what a Scale can hold.
fn check_apply(wanted: &Value) -> Result<(), Status> {
    let misfit = |why: String| {
        let home = fields::meta(wanted, "namespace");
        let name = fields::name(wanted);
        Status::internal(format!(
            "failed to create typed patch object ({home}/{name}; autoscaling/v1, Kind=Scale): {why}"
        ))
    };
    let unknown = Shape::Builtin(kind()).prune(&mut wanted.clone(), &Default::default()).map_err(misfit)?;
    let path = unknown.first().map(|text| text.trim_start_matches("unknown field \"").trim_end_matches('"'));
    match path {
        Some(path) => Err(misfit(format!(".{path}: field not declared in schema"))),
        None => Ok(()),
    }
}

struct Paths {
    spec: String,
    status: String,
    selector: String,
}

fn paths(call: &Call<'_>) -> Paths {
    match call.resource.custom.as_ref().and_then(|custom| custom.scale.as_ref()) {
        Some(scale) => Paths {
            spec: fields::text(scale, &["specReplicasPath"]).into(),
            status: fields::text(scale, &["statusReplicasPath"]).into(),
            selector: fields::text(scale, &["labelSelectorPath"]).into(),
        },
        None => Paths {
            spec: ".spec.replicas".into(),
            status: ".status.replicas".into(),
            selector: ".spec.selector".into(),
        },
    }
}

fn scale_of(call: &Call<'_>, object: &Value) -> Value {
    let paths = paths(call);
    let replicas = at(object, &paths.spec).cloned();
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = fields::get(object, &["metadata", key]) {
            metadata[key] = value.clone();
        }
    }
    let mut spec = json!({});
    if let Some(count) = replicas.filter(|count| count != &json!(0)) {
        spec["replicas"] = count;
    }
    let mut status = json!({"replicas": at(object, &paths.status).cloned().unwrap_or_else(|| json!(0))});
    let selector = select::as_text(at(object, &paths.selector));
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return None;
    }
    path.split('.').filter(|key| !key.is_empty()).try_fold(object, |value, key| value.get(key))
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut keys: Vec<&str> = path.split('.').filter(|key| !key.is_empty()).collect();
    let Some(last) = keys.pop() else { return };
    let mut place = object;
    for key in keys {
        fields::child(place, key);
        place = &mut place[key];
    }
    if !place.is_object() {
        *place = json!({});
    }
    place[last] = value;
}
