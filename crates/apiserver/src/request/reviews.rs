//! Kinds that are asked, not stored: access reviews, token reviews, token requests.

use std::sync::Arc;

use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

use crate::auth::{self, Attributes, token};
use crate::call::Call;
use crate::causes::{Cause, Causes};
use crate::clock;
use crate::fields::{self, text};
use crate::grammar;
use crate::http::Answer;
use crate::kinds::Resource;
use crate::objects;
use crate::owners;
use crate::status_error::Status;
use crate::storage::Key;
use crate::user::User;

/// Kinds that have no store behind them.
pub(crate) fn is_review(resource: &Resource) -> bool {
    matches!(resource.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
        && resource.custom.is_none()
}

/// Answers a review.
pub(crate) fn create(call: &Call<'_>) -> Result<Answer, Status> {
    let options = call.options("CreateOptions")?;
    let decoded = objects::decode(call, &options)?;
    let mut review = decoded.object;
    let kind = call.resource.kind.as_str();
    if call.resource.namespaced && fields::meta(&review, "namespace").is_empty() {
        fields::set_meta(&mut review, "namespace", call.namespace.as_str().into());
    }
    let mut out = begun(&call.resource, &review);
    let user = &call.request.user;
    let resource = &call.resource;
    let gvk = GroupVersionKind::new(&*resource.group, &*resource.version, kind);
    let track = |out: &mut Value| owners::track_once(&gvk, &review, out, &options.manager, "");
    match kind {
        "SelfSubjectReview" => {
            out["metadata"] = json!({});
            fields::set_meta(&mut out, "creationTimestamp", clock::now().into());
            out["status"] = json!({"userInfo": user.to_json()});
        }
        "SelfSubjectRulesReview" => {
            let namespace = text(&review, &["spec", "namespace"]);
            if namespace.is_empty() {
                return Err(Status::bad_request("no namespace on request"));
            }
            out["metadata"] = json!({});
            out["spec"] = json!({});
            out["status"] = rules_status(&auth::rules(user, namespace, &call.app.store));
        }
        "TokenReview" => {
            track(&mut out);
            out["status"] = token_status(call, &review["spec"])?;
            out["spec"] = review["spec"].take();
        }
        _ => {
            track(&mut out);
            check(call, &review, &out["metadata"])?;
            out["status"] = access_status(call, &review["spec"]);
            out["spec"] = review["spec"].take();
        }
    }
    Ok(call.answer(201, out).warned(decoded.warnings))
}

/// The answer to a review, with the metadata that it states.
fn begun(resource: &Resource, review: &Value) -> Value {
    let mut out = json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": {}});
    if let Some(metadata) =
        review.get("metadata").filter(|metadata| metadata.as_object().is_some_and(|map| !map.is_empty()))
    {
        out["metadata"] = metadata.clone();
        fields::metadata(&mut out).retain(|_, value| !value.is_null());
    }
    out
}

/// Whether the user that is asked about may, and why.
fn access_status(call: &Call<'_>, spec: &Value) -> Value {
    let wanted = attributes(spec);
    let named = user_of(spec);
    let who = match call.resource.kind.as_str() {
        "SelfSubjectAccessReview" => &call.request.user,
        _ => &named,
    };
    let allowed = auth::allowed(who, &wanted, &call.app.store);
    let mut status = json!({"allowed": allowed});
    if let Some(reason) = auth::reason(who, &wanted, &call.app.store).filter(|_| allowed) {
        status["reason"] = reason.into();
    }
    status
}

/// Whose token it is.
fn token_status(call: &Call<'_>, spec: &Value) -> Result<Value, Status> {
    let token = text(spec, &["token"]);
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let audiences = audiences(spec);
    Ok(match call.app.auth.user_for(token, &audiences, &call.app.store) {
        Some((user, meant)) => json!({"authenticated": true, "user": user.to_json(), "audiences": meant}),
        None => json!({"user": {}, "error": "invalid bearer token"}),
    })
}

/// What is wrong with an access review.
fn check(call: &Call<'_>, review: &Value, metadata: &Value) -> Result<(), Status> {
    let (kind, spec) = (call.resource.kind.as_str(), &review["spec"]);
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let mut causes = Causes::default();
    if resource.is_null() && path.is_null() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        causes.push(Cause::invalid("spec.resourceAttributes", &Value::Null, why));
    } else if !resource.is_null() && !path.is_null() {
        let why = "cannot be specified in combination with resourceAttributes";
        causes.push(Cause::invalid("spec.nonResourceAttributes", path, why));
    }
    for key in ["fieldSelector", "labelSelector"] {
        selector(key, &resource[key], &mut causes);
    }
    let nobody = text(spec, &["user"]).is_empty() && texts(&spec["groups"]).is_empty();
    if kind != "SelfSubjectAccessReview" && nobody {
        causes.push(Cause::invalid(
            "spec.user",
            &json!(""),
            "at least one of user or group must be specified",
        ));
    }
    // Such an object is nothing that could have a name.
    let bare =
        |key: &String| key == "managedFields" || kind == "LocalSubjectAccessReview" && key == "namespace";
    if metadata.as_object().is_some_and(|map| !map.keys().all(bare)) {
        causes.push(Cause::invalid("metadata", metadata, "must be empty"));
    }
    if kind == "LocalSubjectAccessReview" {
        let home = fields::meta(review, "namespace");
        let stated = text(resource, &["namespace"]);
        if !resource.is_null() && stated != home {
            let why = "must match metadata.namespace";
            causes.push(Cause::invalid("spec.resourceAttributes.namespace", &json!(stated), why));
        }
        if !path.is_null() {
            let why = "disallowed on this kind of request";
            causes.push(Cause::invalid("spec.nonResourceAttributes", path, why));
        }
        if causes.is_empty() && home != call.namespace {
            let home = &call.namespace;
            return Err(Status::bad_request(format!(
                "spec.resourceAttributes.namespace must match namespace: {home}"
            )));
        }
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid("authorization.k8s.io", "", "", causes.told()))
    }
}

/// What is wrong with what is asked for by a selector. Roles know none, so that it changes no answer.
fn selector(key: &str, stated: &Value, causes: &mut Causes) {
    if stated.is_null() {
        return;
    }
    let field = format!("spec.resourceAttributes.{key}");
    let raw = text(stated, &["rawSelector"]);
    let requirements = stated["requirements"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !raw.is_empty() && !requirements.is_empty() {
        let why = "may not specified at the same time as requirements";
        causes.push(Cause::invalid(format!("{field}.rawSelector"), &json!(raw), why));
    }
    if raw.is_empty() && requirements.is_empty() {
        let why = format!("when {field} is specified, requirements or rawSelector is required");
        causes.push(Cause::required(format!("{field}.requirements"), &why));
    }
    for (at, requirement) in requirements.iter().enumerate() {
        if causes.is_full() {
            return;
        }
        let field = format!("{field}.requirements[{at}]");
        let name = text(requirement, &["key"]);
        if name.is_empty() && key == "fieldSelector" {
            causes.push(Cause::required(format!("{field}.key"), "must be specified"));
        }
        let has_values = requirement["values"].as_array().is_some_and(|values| !values.is_empty());
        match text(requirement, &["operator"]) {
            "In" | "NotIn" if !has_values => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                causes.push(Cause::required(format!("{field}.values"), why));
            }
            "Exists" | "DoesNotExist" if has_values => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                causes.push(Cause::forbidden(format!("{field}.values"), why));
            }
            _ => {}
        }
        if key == "labelSelector" {
            let whys = grammar::qualified(name).into_iter();
            causes.extend(whys.map(|why| Cause::invalid(format!("{field}.key"), &json!(name), &why)));
        }
    }
}

fn attributes(spec: &Value) -> Attributes {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_null() {
        let (verb, path) = (text(path, &["verb"]).into(), text(path, &["path"]).into());
        return Attributes { verb, path: Some(path), ..Attributes::default() };
    }
    let name = match text(resource, &["subresource"]) {
        "" => text(resource, &["resource"]).to_owned(),
        sub => format!("{}/{sub}", text(resource, &["resource"])),
    };
    Attributes {
        verb: text(resource, &["verb"]).into(),
        group: text(resource, &["group"]).into(),
        resource: name,
        namespace: text(resource, &["namespace"]).into(),
        name: text(resource, &["name"]).into(),
        path: None,
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn user_of(spec: &Value) -> User {
    let groups = texts(&spec["groups"]);
    User { name: text(spec, &["user"]).into(), uid: text(spec, &["uid"]).into(), groups, ..User::default() }
}

fn rules_status(rules: &[Value]) -> Value {
    let (paths, resources): (Vec<Value>, Vec<Value>) =
        rules.iter().cloned().partition(|rule| rule.get("nonResourceURLs").is_some());
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

/// Seconds that a token may be good for.
const LONGEST: i64 = 1 << 32;

/// A token for a service account.
pub(crate) fn token(call: &Call<'_>) -> Result<Answer, Status> {
    let options = call.options("CreateOptions")?;
    let kinds = [GroupVersionKind::new("authentication.k8s.io", "v1", "TokenRequest")];
    let decoded = objects::decode_other(call, &kinds, &options)?;
    let mut request = decoded.object;
    let name = fields::name(&request);
    if !name.is_empty() && name != call.name {
        let url = &call.name;
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({url})"
        )));
    }
    super::create::check_namespace(call, &mut request)?;
    let account = call.existing()?.object();
    let seconds = seconds(&request)?;
    fields::child(&mut request, "spec").insert("expirationSeconds".into(), seconds.into());
    let bound = bound(call, &request["spec"]["boundObjectRef"])?;
    let issued = clock::unix();
    let claims = token::Claims {
        namespace: call.namespace.clone(),
        name: call.name.clone(),
        uid: fields::uid(&account).into(),
        id: clock::uuid(),
        audiences: audiences(&request["spec"]),
        issued,
        expires: issued + seconds,
        bound,
    };
    let mut noted = json!({"metadata": {}});
    owners::track_once(&kinds[0], &request, &mut noted, &options.manager, "token");
    let mut metadata = request["metadata"].take();
    for (key, value) in [
        ("name", json!(call.name)),
        ("namespace", json!(call.namespace)),
        ("uid", json!(claims.uid)),
        ("creationTimestamp", clock::now().into()),
    ] {
        metadata[key] = value;
    }
    fields::copy_field(&mut metadata, &noted["metadata"], "managedFields");
    let reference = request["spec"]["boundObjectRef"].take();
    let answer = json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": metadata,
        "spec": {"audiences": claims.audiences, "expirationSeconds": seconds, "boundObjectRef": reference},
        "status": {"token": call.app.auth.issue(&claims), "expirationTimestamp": moment(claims.expires)},
    });
    Ok(Answer::json(201, answer).warned(decoded.warnings))
}

/// How long a token is asked to be good for.
fn seconds(request: &Value) -> Result<i64, Status> {
    let stated = fields::get(request, &["spec", "expirationSeconds"]).and_then(Value::as_i64);
    let seconds = stated.unwrap_or(3600);
    let why = match seconds {
        ..600 => "may not specify a duration less than 10 minutes",
        600..=LONGEST => return Ok(seconds),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let cause = Cause::invalid("spec.expirationSeconds", &json!(seconds), why);
    Err(Status::invalid("authentication.k8s.io", "TokenRequest", "", vec![cause]))
}

/// Whom a token is meant for; the server itself, when nobody is stated.
fn audiences(spec: &Value) -> Vec<String> {
    let stated = texts(&spec["audiences"]);
    if stated.is_empty() { vec![token::ISSUER.into()] } else { stated }
}

/// A time in seconds since 1970 as objects state it.
fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The object that a token is asked to be bound to.
fn bound(call: &Call<'_>, reference: &Value) -> Result<Option<token::Bound>, Status> {
    if reference.is_null() {
        return Ok(None);
    }
    let (api_version, kind) = (text(reference, &["apiVersion"]), text(reference, &["kind"]));
    let word = kind.to_lowercase();
    let known = api_version == "v1" && token::BINDABLE.contains(&word.as_str());
    if !known || !kind.starts_with(|letter: char| letter.is_ascii_uppercase()) {
        let (group, version) = crate::kinds::split_api_version(api_version);
        return Err(Status::bad_request(format!(
            "cannot bind token to object of type {group}/{version}, Kind={kind}"
        )));
    }
    let bound = token::Bound { kind: word, name: text(reference, &["name"]).into(), uid: String::new() };
    let namespace = if bound.kind == "node" { "" } else { call.namespace.as_str() };
    let key = Key::new(&Arc::from(bound.resource()), namespace, &bound.name);
    let absent = || Status::not_found("", &bound.resource(), &bound.name);
    let object = call.app.store.get(&key).ok_or_else(absent)?.object();
    let name = &call.name;
    if bound.kind == "pod" && text(&object, &["spec", "serviceAccountName"]) != name {
        return Err(Status::bad_request(format!(
            "cannot bind token for serviceaccount \"{name}\" to pod running with different serviceaccount name."
        )));
    }
    let (stated, uid) = (text(reference, &["uid"]), fields::uid(&object).to_owned());
    if !stated.is_empty() && stated != uid {
        let why = format!(
            "the UID in the bound object reference ({stated}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::conflict("", kind, &bound.name, &why));
    }
    Ok(Some(token::Bound { uid, ..bound }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_of_reviews_are_looked_at() {
        let lines = |key: &str, stated: Value| -> Vec<String> {
            let mut causes = Causes::default();
            selector(key, &stated, &mut causes);
            causes.told().iter().map(Cause::line).collect()
        };
        let one = json!({"key": "a", "operator": "In", "values": ["b"]});
        assert_eq!(lines("fieldSelector", json!({"requirements": [one]})), Vec::<String>::new());
        let both = lines("fieldSelector", json!({"rawSelector": "a=b", "requirements": [one]}));
        let why = "may not specified at the same time as requirements";
        assert_eq!(
            both,
            [format!("spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: \"a=b\": {why}")]
        );
        let none = lines("labelSelector", json!({}));
        assert!(none[0].ends_with("requirements or rawSelector is required"), "{none:?}");
        let odd = json!({"requirements": [{"operator": "Exists", "values": ["b"]}, {"key": "a", "operator": "In"}]});
        assert_eq!(lines("fieldSelector", odd).len(), 3);
    }
}
