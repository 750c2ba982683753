//! Built-in objects against the facts about their kinds.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealfast_k8s::schema::{Field, Type, builtin};
use serde_json::{Map, Value, json};

/// Checks a whole object and drops what is unknown or empty; says what was unknown or stood twice, in order.
///
/// # Errors
/// The first value whose type is wrong, in words.
pub(crate) fn check(
    kind: &Type,
    object: &mut Value,
    doubled: &HashSet<String>,
) -> Result<Vec<String>, String> {
    let mut walk = Walk { doubled, complaints: Vec::new() };
    if let Some(map) = object.as_object_mut() {
        walk.fields(kind, map, "")?;
    }
    Ok(walk.complaints)
}

/// The same for the metadata of a custom object, or of an object embedded in one.
pub(crate) fn check_metadata(metadata: &mut Value, path: &str) -> Result<Vec<String>, String> {
    let mut walk = Walk { doubled: &HashSet::new(), complaints: Vec::new() };
    if let (Some(kind), Some(map)) = (builtin().named("meta.ObjectMeta"), metadata.as_object_mut()) {
        walk.fields(kind, map, path)?;
    }
    Ok(walk.complaints)
}

struct Walk<'a> {
    doubled: &'a HashSet<String>,
    complaints: Vec<String>,
}

impl Walk<'_> {
    fn fields(&mut self, kind: &Type, map: &mut Map<String, Value>, path: &str) -> Result<(), String> {
        let names: Vec<String> = map.keys().cloned().collect();
        for name in names {
            let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if self.doubled.contains(&place) {
                self.complaints.push(format!("duplicate field \"{place}\""));
            }
            let Some(field) = kind.fields.get(&name) else {
                if !(path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind")) {
                    self.complaints.push(format!("unknown field \"{place}\""));
                    map.shift_remove(&name);
                }
                continue;
            };
            let Some(value) = map.get_mut(&name) else { continue };
            self.value(field, value, &place)?;
            let required = kind.required.contains(&name);
            if path.is_empty() && name == "rules" && field.kind == "list" && is_empty(value) {
                // RBAC states that there are none.
                *value = Value::Null;
            } else if vanishes(&name, field, value, required) {
                map.shift_remove(&name);
            } else if required && field.kind == "list" && is_empty(value) {
                *value = Value::Null;
            }
        }
        Ok(())
    }

    fn value(&mut self, field: &Field, value: &mut Value, path: &str) -> Result<(), String> {
        if value.is_null() {
            return Ok(());
        }
        if let Some(kind) = builtin().type_of(field) {
            let map = value.as_object_mut().ok_or_else(|| wrong(path, "an object"))?;
            return self.fields(kind, map, path);
        }
        match field.kind.as_str() {
            "list" => {
                let items = value.as_array_mut().ok_or_else(|| wrong(path, "a list"))?;
                let Some(of) = &field.of else { return Ok(()) };
                for (at, item) in items.iter_mut().enumerate() {
                    self.value(of, item, &format!("{path}[{at}]"))?;
                }
                Ok(())
            }
            "map" => self.map(field, value, path),
            kind => scalar(kind, value, path),
        }
    }

    fn map(&mut self, field: &Field, value: &mut Value, path: &str) -> Result<(), String> {
        let map = value.as_object_mut().ok_or_else(|| wrong(path, "an object"))?;
        let Some(of) = &field.of else { return Ok(()) };
        for (name, value) in map {
            let place = format!("{path}.{name}");
            if self.doubled.contains(&place) {
                self.complaints.push(format!("duplicate field \"{place}\""));
            }
            if value.is_null() && matches!(of.kind.as_str(), "string" | "bytes") {
                *value = json!("");
            }
            self.value(of, value, &place)?;
        }
        Ok(())
    }
}

fn scalar(kind: &str, value: &mut Value, path: &str) -> Result<(), String> {
    let fits = match kind {
        "string" => value.is_string(),
        "bool" => value.is_boolean(),
        "int32" | "int64" => return whole(kind, value, path),
        "float" => value.is_number(),
        "quantity" => {
            if value.is_number() {
                *value = value.to_string().into();
            }
            value.is_string()
        }
        "int-or-string" => value.is_string() || value.is_i64() || value.is_u64(),
        "bytes" => return bytes(value, path),
        "time" => return time(value, path),
        "microtime" => return micro_time(value, path),
        _ => true,
    };
    if fits { Ok(()) } else { Err(wrong(path, kind)) }
}

fn whole(kind: &str, value: &mut Value, path: &str) -> Result<(), String> {
    if let Some(number) = value.as_f64().filter(|_| value.is_f64()) {
        if number.fract() != 0.0 || number.abs() >= 9.0e15 {
            return Err(wrong(path, kind));
        }
        *value = json!(number as i64);
    }
    let number = value.as_i64().ok_or_else(|| wrong(path, kind))?;
    if kind == "int32" && i32::try_from(number).is_err() {
        return Err(wrong(path, kind));
    }
    Ok(())
}

fn bytes(value: &Value, path: &str) -> Result<(), String> {
    let text = value.as_str().ok_or_else(|| wrong(path, "string"))?;
    let plain: String = text.chars().filter(|letter| !matches!(letter, '\n' | '\r')).collect();
    if STANDARD.decode(&plain).is_ok() {
        return Ok(());
    }
    let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=');
    let at = text.find(|found| !letter(found)).unwrap_or(text.len() / 4 * 4);
    Err(format!("illegal base64 data at input byte {at}"))
}

fn time(value: &mut Value, path: &str) -> Result<(), String> {
    let text = value.as_str().ok_or_else(|| wrong(path, "a time"))?;
    if text.is_empty() {
        *value = Value::Null;
        return Ok(());
    }
    let parsed: jiff::Timestamp =
        text.parse().map_err(|_| format!("{path}: \"{text}\" is not a time of RFC 3339"))?;
    *value = parsed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    Ok(())
}

/// Exactly six digits after the point.
fn micro_time(value: &mut Value, path: &str) -> Result<(), String> {
    let text = value.as_str().ok_or_else(|| wrong(path, "a time"))?;
    if text.is_empty() {
        *value = Value::Null;
        return Ok(());
    }
    let tail = text.get(19..).unwrap_or_default();
    let digits = tail.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if digits != 6 {
        let layout = "2006-01-02T15:04:05.000000Z07:00";
        return Err(format!(
            "parsing time \"{text}\" as \"{layout}\": cannot parse \"{tail}\" as \".000000\""
        ));
    }
    let parsed: jiff::Timestamp =
        text.parse().map_err(|_| format!("{path}: \"{text}\" is not a time of RFC 3339"))?;
    *value = parsed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into();
    Ok(())
}

fn wrong(path: &str, wanted: &str) -> String {
    format!("{path} must be of type {wanted}")
}

/// Empty values that the server does not write back.
fn vanishes(name: &str, field: &Field, value: &Value, required: bool) -> bool {
    match value {
        Value::Null => true,
        _ if required => false,
        Value::Array(_) => is_empty(value),
        Value::Object(map) => map.is_empty() && field.kind == "map",
        Value::String(text) => text.is_empty() && !POINTERS.contains(&name),
        Value::Bool(false) | Value::Number(_) => is_zero(value) && PLAIN.contains(&name),
        Value::Bool(true) => false,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

fn is_zero(value: &Value) -> bool {
    value == &Value::Bool(false) || value.as_i64() == Some(0)
}

/// Texts for which empty is not the same as absent.
const POINTERS: [&str; 5] =
    ["storageClassName", "volumeAttributesClassName", "ingressClassName", "appProtocol", "volumeMode"];
/// Numbers and truths for which zero is the same as absent.
const PLAIN: [&str; 24] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "stdin",
    "stdinOnce",
    "tty",
    "readOnly",
    "paused",
    "publishNotReadyAddresses",
    "initialDelaySeconds",
    "minReadySeconds",
    "nodePort",
    "hostPort",
    "readyReplicas",
    "availableReplicas",
    "updatedReplicas",
    "unavailableReplicas",
    "observedGeneration",
    "deprecated",
    "nullable",
    "uniqueItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "x-kubernetes-embedded-resource",
];
