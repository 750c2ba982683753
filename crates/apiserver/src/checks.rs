//! What is wrong with an object, in the reference's words.

mod batch;
mod definition;
mod metadata;
mod pod;
mod rights;
mod small;
mod workload;

use serde_json::{Value, json};

use crate::fields::{self, get, text};
use crate::kinds::Resource;
use crate::status_error::Cause;

pub(crate) use definition::schemas_of;
pub(crate) use metadata::{label_value, qualified as label_key};

/// What is wrong with a new object.
pub(crate) fn create(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = metadata::name(resource, object);
    causes.extend(metadata::rest(object));
    causes.extend(of_kind(resource, object));
    causes
}

/// What is wrong with a change.
pub(crate) fn update(resource: &Resource, new: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = metadata::rest(new);
    if resource.custom.is_none() {
        // The reference checks metadata four times on its way through an update, and says so.
        causes = causes.into_iter().flat_map(|cause| std::iter::repeat_n(cause, 4)).collect();
    }
    causes.extend(of_kind(resource, new));
    if resource.custom.is_none() {
        causes.extend(changed(resource, new, old));
    }
    causes
}

fn of_kind(resource: &Resource, object: &Value) -> Vec<Cause> {
    match &*resource.key {
        "configmaps" => config_map(object),
        "secrets" => secret(object),
        "services" => service(object),
        "events" => event(object),
        "leases.coordination.k8s.io" => small::lease(object),
        "ingresses.networking.k8s.io" => small::ingress(object),
        "persistentvolumeclaims" => small::claim(object),
        "poddisruptionbudgets.policy" => small::budget(object),
        "horizontalpodautoscalers.autoscaling" => small::autoscaler(object),
        "storageclasses.storage.k8s.io" => small::storage_class(object),
        "jobs.batch" => batch::job(&object["spec"], "spec"),
        "cronjobs.batch" => batch::cron_job(object),
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => rights::role(object),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            rights::binding(object)
        }
        "deployments.apps" | "statefulsets.apps" | "daemonsets.apps" | "replicasets.apps" => {
            workload::controller(object)
        }
        "pods" => pod::spec(&object["spec"], "spec"),
        crate::crds::KEY => definition::check(object),
        _ => Vec::new(),
    }
}

fn changed(resource: &Resource, new: &Value, old: &Value) -> Vec<Cause> {
    match &*resource.key {
        "secrets" | "configmaps" => {
            let mut causes = Vec::new();
            if resource.kind == "Secret" && new["type"] != old["type"] {
                causes.push(Cause::invalid("type", &new["type"], "field is immutable"));
            }
            causes.extend(frozen(new, old));
            causes
        }
        "statefulsets.apps" | "deployments.apps" | "daemonsets.apps" | "replicasets.apps" | "jobs.batch"
        | "pods" => workload::changed(&resource.key, new, old),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io"
            if new["roleRef"] != old["roleRef"] =>
        {
            let role = |key: &str| text(new, &["roleRef", key]).to_owned();
            let shown = json!({"APIGroup": role("apiGroup"), "Kind": role("kind"), "Name": role("name")});
            vec![Cause::invalid("roleRef", &shown, "cannot change roleRef")]
        }
        _ => Vec::new(),
    }
}

/// `immutable: true` holds data and itself.
fn frozen(new: &Value, old: &Value) -> Vec<Cause> {
    if old["immutable"] != true {
        return Vec::new();
    }
    let why = "field is immutable when `immutable` is set";
    let mut causes = Vec::new();
    if new["immutable"] != true {
        causes.push(Cause::forbidden("immutable", why));
    }
    let empty = json!({});
    for key in ["data", "binaryData"] {
        let part = |object: &Value| {
            object.get(key).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| empty.clone())
        };
        if part(new) != part(old) {
            causes.push(Cause::forbidden(key, why));
        }
    }
    causes
}

fn config_map(object: &Value) -> Vec<Cause> {
    let mut causes = data_keys(object, "data");
    causes.extend(data_keys(object, "binaryData"));
    let keys = |key: &str| get(object, &[key]).and_then(Value::as_object);
    if let (Some(data), Some(binary)) = (keys("data"), keys("binaryData")) {
        for key in data.keys().filter(|key| binary.contains_key(*key)) {
            causes.push(Cause::invalid(
                format!("data[{key}]"),
                &json!(key),
                "duplicate of key present in binaryData",
            ));
        }
    }
    let size = size_of(keys("data"), |text| text.len()) + size_of(keys("binaryData"), decoded);
    if size > LARGEST {
        causes.push(too_long("[]"));
    }
    causes
}

fn secret(object: &Value) -> Vec<Cause> {
    let mut causes = data_keys(object, "data");
    let data = get(object, &["data"]).and_then(Value::as_object);
    if size_of(data, decoded) > LARGEST {
        causes.push(too_long("data"));
    }
    let has = |key: &str| data.is_some_and(|data| data.contains_key(key));
    let mut need = |keys: &[&str]| {
        causes.extend(
            keys.iter().filter(|key| !has(key)).map(|key| Cause::required(format!("data[{key}]"), "")),
        );
    };
    match text(object, &["type"]) {
        "kubernetes.io/dockerconfigjson" => {
            need(&[".dockerconfigjson"]);
            causes.extend(json_in(object, ".dockerconfigjson"));
        }
        "kubernetes.io/dockercfg" => {
            need(&[".dockercfg"]);
            causes.extend(json_in(object, ".dockercfg"));
        }
        "kubernetes.io/tls" => need(&["tls.crt", "tls.key"]),
        "kubernetes.io/ssh-auth" => need(&["ssh-privatekey"]),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => need(&["password", "username"]),
        "kubernetes.io/service-account-token" => {
            let name = get(object, &["metadata", "annotations", "kubernetes.io/service-account.name"]);
            if name.and_then(Value::as_str).unwrap_or_default().is_empty() {
                causes.push(Cause::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
            }
        }
        _ => {}
    }
    causes
}

fn json_in(object: &Value, key: &str) -> Option<Cause> {
    use base64::Engine;
    let text = get(object, &["data", key])?.as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    let why = crate::json_fault::describe(&bytes)?;
    Some(Cause {
        reason: "FieldValueInvalid",
        message: format!("Invalid value: \"<secret contents redacted>\": {why}"),
        field: format!("data[{key}]"),
    })
}

fn data_keys(object: &Value, field: &str) -> Vec<Cause> {
    let map = get(object, &[field]).and_then(Value::as_object);
    let wrong = |key: &String| {
        let why = if key.as_str() == "." || key.as_str() == ".." {
            format!("must not be '{key}'")
        } else if key.len() > 253 {
            "must be no more than 253 bytes".into()
        } else if key.is_empty()
            || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        {
            CONFIG_KEY.into()
        } else {
            return None;
        };
        Some(Cause::invalid(format!("{field}[{key}]"), &json!(key), &why))
    };
    let mut keys: Vec<&String> = map.into_iter().flat_map(|map| map.keys()).collect();
    keys.sort();
    keys.into_iter().filter_map(wrong).collect()
}

fn service(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    let ports = spec["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = text(spec, &["type"]);
    let external = kind == "ExternalName";
    if ports.is_empty() && !external && spec["clusterIP"] != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (at, port) in ports.iter().enumerate() {
        if ports.len() > 1 && text(port, &["name"]).is_empty() {
            causes.push(Cause::required(format!("spec.ports[{at}].name"), ""));
        }
        let range = |value: &Value| value.as_i64().is_some_and(|port| !(1..=65535).contains(&port));
        for key in ["port", "targetPort"] {
            if range(&port[key]) {
                causes.push(Cause::invalid(
                    format!("spec.ports[{at}].{key}"),
                    &port[key],
                    "must be between 1 and 65535, inclusive",
                ));
            }
        }
        if !["TCP", "UDP", "SCTP"].contains(&text(port, &["protocol"])) {
            causes.push(Cause::not_supported(
                format!("spec.ports[{at}].protocol"),
                &port["protocol"],
                &["SCTP", "TCP", "UDP"],
            ));
        }
        if ports[..at]
            .iter()
            .any(|other| other["port"] == port["port"] && other["protocol"] == port["protocol"])
        {
            causes.push(Cause::duplicate(format!("spec.ports[{at}]"), port));
        }
        let name = text(port, &["name"]);
        let whys = if name.is_empty() { Vec::new() } else { metadata::label(name) };
        causes.extend(
            whys.iter().map(|why| Cause::invalid(format!("spec.ports[{at}].name"), &json!(name), why)),
        );
        if !name.is_empty() && ports[..at].iter().any(|other| other["name"] == name) {
            causes.push(Cause::duplicate(format!("spec.ports[{at}].name"), &json!(name)));
        }
        if port["nodePort"].as_i64().is_some_and(|number| number != 0 && !(30000..=32767).contains(&number)) {
            let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
            causes.push(Cause::invalid(format!("spec.ports[{at}].nodePort"), &port["nodePort"], why));
        }
    }
    if external && text(spec, &["externalName"]).is_empty() {
        causes.push(Cause::required("spec.externalName", "must be specified"));
    }
    if !["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"].contains(&kind) {
        causes.push(Cause::not_supported(
            "spec.type",
            &spec["type"],
            &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        ));
    }
    causes
}

fn event(object: &Value) -> Vec<Cause> {
    let about = if object.get("regarding").is_some() { "regarding" } else { "involvedObject" };
    let stated = text(object, &[about, "namespace"]);
    let home = fields::meta(object, "namespace");
    let fits = if stated.is_empty() { home == "default" || home.is_empty() } else { stated == home };
    if fits {
        return Vec::new();
    }
    vec![Cause::invalid("involvedObject.namespace", &json!(stated), "does not match event.namespace")]
}

/// The items of a list field.
fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn size_of(map: Option<&serde_json::Map<String, Value>>, size: fn(&str) -> usize) -> usize {
    map.into_iter().flatten().map(|(_, value)| size(value.as_str().unwrap_or_default())).sum()
}

/// Bytes that base64 text stands for.
fn decoded(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|&byte| byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

fn too_long(field: &str) -> Cause {
    let message = format!("Too long: may not be more than {LARGEST} bytes");
    Cause { reason: "FieldValueTooLong", message, field: field.into() }
}

const LARGEST: usize = 1 << 20;
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
