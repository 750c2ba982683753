//! The `scale` subresource: the replicas of a bigger object.

use serde_json::{Value, json};

use super::update::{self, By, Change, Outcome};
use super::{Call, Options, patch};
use crate::fields;
use crate::http::{Answer, Form};
use crate::objects::{self, Actor, Operation};
use crate::status_error::{Cause, Status};

/// GET, PUT and PATCH of `…/scale`.
pub(crate) fn serve(call: &Call<'_>, verb: &str) -> Result<Answer, Status> {
    if verb == "get" {
        let object = call.shown(call.existing()?.object());
        return answer(call, &object);
    }
    let kind = if verb == "update" { "UpdateOptions" } else { "PatchOptions" };
    let options = call.options(kind)?;
    if patch::is_apply(call.request) {
        return apply(call, &options);
    }
    for _ in 0..update::RETRIES {
        let stored = call.existing()?;
        let object = call.shown(stored.object());
        let scale = scale_of(call, &object)?;
        let wanted = wanted(call, &scale, verb)?;
        check(call, &scale, &wanted)?;
        if let Outcome::Done(written) = write(call, &stored, object, &wanted, &options)? {
            return answer(call, &call.written(written));
        }
    }
    Err(call.conflict(&call.name))
}

/// An apply to a Scale owns the replicas of the bigger object.
fn apply(call: &Call<'_>, options: &Options) -> Result<Answer, Status> {
    let wanted = objects::decode_apply(call)?;
    if wanted["apiVersion"] != "autoscaling/v1" || wanted["kind"] != "Scale" {
        return Err(Status::bad_request("the configuration is not a Scale of autoscaling/v1"));
    }
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
    for _ in 0..update::RETRIES {
        let stored = call.existing()?;
        let object = call.shown(stored.object());
        check(call, &scale_of(call, &object)?, &wanted)?;
        let new = objects::applied(call, Some(&object), &config, options, &actor, &config)?;
        let change = Change { stored: &stored, old: &object, new, by: By::Apply };
        if let Outcome::Done(written) = update::apply(call, change, options, &actor)? {
            return answer(call, &call.written(written));
        }
    }
    Err(call.conflict(&call.name))
}

fn answer(call: &Call<'_>, object: &Value) -> Result<Answer, Status> {
    let scale = scale_of(call, object)?;
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
    options: &Options,
) -> Result<Outcome, Status> {
    let mut new = object.clone();
    let replicas = wanted["spec"]["replicas"].clone();
    let replicas = if replicas.is_null() { json!(0) } else { replicas };
    set(&mut new, &paths(call).spec, replicas);
    let actor = Actor { manager: options.manager.clone(), operation: Operation::Update };
    update::apply(call, Change { stored, old: &object, new, by: By::Patch }, options, &actor)
}

fn wanted(call: &Call<'_>, scale: &Value, verb: &str) -> Result<Value, Status> {
    if verb == "update" {
        let body = objects::decode_plain(call)?;
        if body["kind"].as_str().is_some_and(|kind| kind != "Scale") {
            return Err(Status::bad_request("the body is not a Scale"));
        }
        return Ok(body);
    }
    let kind = match call.request.content_type().as_str() {
        "application/json-patch+json" => patch::Kind::Json,
        _ => patch::Kind::Merge,
    };
    let patch = objects::decode_patch(call, kind)?;
    objects::patched(call, scale, &patch)
}

fn check(call: &Call<'_>, scale: &Value, wanted: &Value) -> Result<(), Status> {
    let version = fields::meta(wanted, "resourceVersion");
    if !version.is_empty() && version != fields::meta(scale, "resourceVersion") {
        return Err(call.conflict(&call.name));
    }
    if wanted["spec"]["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        let cause = Cause::invalid(
            "spec.replicas",
            &wanted["spec"]["replicas"],
            "must be greater than or equal to 0",
        );
        return Err(Status::invalid("autoscaling", "Scale", &call.name, vec![cause]));
    }
    Ok(())
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

fn scale_of(call: &Call<'_>, object: &Value) -> Result<Value, Status> {
    let paths = paths(call);
    let replicas = at(object, &paths.spec).cloned();
    if replicas.is_none() && call.resource.custom.is_some() {
        return Err(Status::internal(format!("the spec replicas field \"{}\" does not exist", paths.spec)));
    }
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
    let selector = selector_text(at(object, &paths.selector));
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    Ok(
        json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}),
    )
}

/// A label selector as text.
pub(crate) fn selector_text(selector: Option<&Value>) -> String {
    let Some(selector) = selector else { return String::new() };
    if let Some(text) = selector.as_str() {
        return text.into();
    }
    let labels = selector.get("matchLabels").unwrap_or(selector);
    let mut out: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| value.as_str().map(|value| format!("{key}={value}")))
        .collect();
    out.sort();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = fields::text(expression, &["key"]);
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        out.push(match fields::text(expression, &["operator"]) {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    out.join(",")
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
