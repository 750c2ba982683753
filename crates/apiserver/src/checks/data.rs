//! ConfigMaps and Secrets: keys, sizes, and what each type of Secret holds.

use serde_json::{Value, json};

use crate::causes::Cause;
use crate::fields::{get, text};
use crate::grammar::config_key;

/// What is wrong with a ConfigMap.
pub(super) fn config_map(object: &Value) -> Vec<Cause> {
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
        causes.push(Cause::too_long("[]", LARGEST));
    }
    causes
}

/// What is wrong with a Secret.
pub(super) fn secret(object: &Value) -> Vec<Cause> {
    let mut causes = data_keys(object, "data");
    let data = get(object, &["data"]).and_then(Value::as_object);
    if size_of(data, decoded) > LARGEST {
        causes.push(Cause::too_long("data", LARGEST));
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
        "kubernetes.io/ssh-auth"
            if data.is_none_or(|data| data.get("ssh-privatekey").is_none_or(|key| key == "")) =>
        {
            causes.push(Cause::required("data[ssh-privatekey]", ""));
        }
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

/// `immutable: true` holds data and itself.
pub(super) fn frozen(new: &Value, old: &Value) -> Vec<Cause> {
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

fn data_keys(object: &Value, field: &str) -> Vec<Cause> {
    let map = get(object, &[field]).and_then(Value::as_object);
    let mut keys: Vec<&String> = map.into_iter().flat_map(|map| map.keys()).collect();
    keys.sort();
    let faults = |key: &String| {
        let place = format!("{field}[{key}]");
        config_key(key)
            .into_iter()
            .map(|why| Cause::invalid(place.clone(), &json!(key), &why))
            .collect::<Vec<_>>()
    };
    keys.into_iter().flat_map(faults).collect()
}

fn size_of(map: Option<&serde_json::Map<String, Value>>, size: fn(&str) -> usize) -> usize {
    map.into_iter().flatten().map(|(_, value)| size(value.as_str().unwrap_or_default())).sum()
}

/// Bytes that base64 text stands for.
fn decoded(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|&byte| byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

const LARGEST: usize = 1 << 20;
