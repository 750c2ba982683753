//! Request bodies in protobuf, as `kubectl create KIND` sends them -> JSON objects.
//!
//! A body is four magic bytes, then a `runtime.Unknown` message: the kind, and the object's own message. Field
//! numbers come from the facts about the built-in kinds. Pure; answers are always JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_k8s::schema;
use serde_json::{Map, Value, json};

const MAGIC: &[u8] = b"k8s\0";

/// Messages nested deeper than this are refused.
const MAX_DEPTH: usize = 100;

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The four bytes at the start are missing.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    /// The bytes are no message, or one cut short.
    #[error("unexpected EOF or malformed protobuf message")]
    Malformed,
    /// No field numbers are known for the kind.
    #[error("no protobuf form is known for this kind")]
    UnknownKind,
}

/// Reads a body.
///
/// # Errors
///
/// See [`Error`].
pub(crate) fn decode(body: &[u8]) -> Result<Value, Error> {
    let envelope = body.strip_prefix(MAGIC).ok_or(Error::Magic)?;
    let mut api_version = String::new();
    let mut kind = String::new();
    let mut raw: &[u8] = &[];
    for field in fields(envelope) {
        match field? {
            (1, Wire::Bytes(type_meta)) => {
                for field in fields(type_meta) {
                    match field? {
                        (1, Wire::Bytes(text)) => api_version = string(text)?,
                        (2, Wire::Bytes(text)) => kind = string(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let name = type_name(&api_version, &kind).ok_or(Error::UnknownKind)?;
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), Value::String(api_version));
    object.insert("kind".to_owned(), Value::String(kind));
    if let Value::Object(fields) = message(&name, raw, 0)? {
        object.extend(fields);
    }
    Ok(Value::Object(object))
}

/// Returns the name of a kind's message, such as `core.v1.Secret`.
fn type_name(api_version: &str, kind: &str) -> Option<String> {
    let gvk = sealfast_k8s::id::GroupVersionKind::from_api_version(api_version, kind);
    let group = match gvk.group.as_str() {
        "" => "core",
        group => group.split('.').next().unwrap_or(group),
    };
    let own = format!("{group}.{}.{kind}", gvk.version);
    let options = format!("meta.{kind}");
    [own, options].into_iter().find(|name| type_fields(name).is_some())
}

fn type_fields(name: &str) -> Option<&'static Map<String, Value>> {
    schema::protobuf_fields()["types"].get(name)?.as_object()
}

/// One value on the wire.
enum Wire<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

/// Iterates over the fields of a message: number and value.
fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<(u64, Wire<'_>), Error>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = one_field(&mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

fn one_field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Wire<'a>), Error> {
    let tag = varint(rest)?;
    let value = match tag & 7 {
        0 => Wire::Number(varint(rest)?),
        1 => {
            let bytes = take(rest, 8)?;
            Wire::Double(f64::from_le_bytes(bytes.try_into().map_err(|_| Error::Malformed)?))
        }
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| Error::Malformed)?;
            Wire::Bytes(take(rest, length)?)
        }
        _ => return Err(Error::Malformed),
    };
    Ok((tag >> 3, value))
}

fn varint(rest: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0u64;
    for place in 0..10 {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::Malformed)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Error> {
    let (taken, behind) = rest.split_at_checked(length).ok_or(Error::Malformed)?;
    *rest = behind;
    Ok(taken)
}

fn string(bytes: &[u8]) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::Malformed)
}

fn message(name: &str, bytes: &[u8], depth: usize) -> Result<Value, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::Malformed);
    }
    match name {
        "meta.Time" | "meta.MicroTime" => return time(bytes, name == "meta.MicroTime"),
        "util.intstr.IntOrString" => return int_or_string(bytes),
        "api.resource.Quantity" | "api.resource.QuantityValue" => return text_message(bytes),
        "runtime.RawExtension" | "apiextensions.v1.JSON" | "meta.FieldsV1" => return json_message(bytes),
        _ => {}
    }
    let known = type_fields(name).ok_or(Error::UnknownKind)?;
    let mut object = Map::new();
    for field in fields(bytes) {
        let (number, wire) = field?;
        let Some(facts) = known.get(&number.to_string()).and_then(Value::as_array) else { continue };
        let text = |at: usize| facts.get(at).and_then(Value::as_str).unwrap_or_default();
        let (field, kind, repeated) = (text(0), text(1), text(2) == "repeated");
        if let Some(of) = kind.strip_prefix("map:") {
            let Wire::Bytes(entry) = wire else { return Err(Error::Malformed) };
            let (key, value) = map_entry(of, entry, depth)?;
            child(&mut object, field, Map::new().into()).as_object_mut().map(|map| map.insert(key, value));
            continue;
        }
        let value = scalar_or_message(kind, wire, depth)?;
        if repeated {
            child(&mut object, field, json!([]))
                .as_array_mut()
                .map(|list| list.push(value))
                .unwrap_or_default();
        } else if is_inlined(field, kind) {
            object.extend(value.as_object().cloned().unwrap_or_default());
        } else if !is_zero(&value) || POINTERS.contains(&field) {
            object.insert(field.to_owned(), value);
        }
    }
    Ok(Value::Object(object))
}

fn child<'a>(object: &'a mut Map<String, Value>, field: &str, empty: Value) -> &'a mut Value {
    object.entry(field).or_insert(empty)
}

/// Structs that JSON writes in place, and protobuf as messages of their own.
fn is_inlined(field: &str, kind: &str) -> bool {
    matches!(
        field,
        "volumeSource"
            | "persistentVolumeSource"
            | "handler"
            | "ephemeralContainerCommon"
            | "localObjectReference"
            | "ingressRuleValue"
    ) && kind.starts_with('#')
        && !matches!(kind, "#core.v1.PersistentVolumeClaim")
}

/// Fields for which zero is not the same as absence.
const POINTERS: [&str; 12] = [
    "replicas",
    "parallelism",
    "completions",
    "backoffLimit",
    "terminationGracePeriodSeconds",
    "revisionHistoryLimit",
    "minReplicas",
    "immutable",
    "automountServiceAccountToken",
    "successfulJobsHistoryLimit",
    "failedJobsHistoryLimit",
    "ttlSecondsAfterFinished",
];

/// The zero value of a field means the same as its absence.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(truth) => !truth,
        _ => false,
    }
}

fn scalar_or_message(kind: &str, wire: Wire<'_>, depth: usize) -> Result<Value, Error> {
    Ok(match (kind, wire) {
        ("string", Wire::Bytes(bytes)) => Value::String(string(bytes)?),
        ("bytes", Wire::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        ("bool", Wire::Number(number)) => Value::Bool(number != 0),
        // Negative numbers are sent as their two's complement.
        ("int32" | "int64", Wire::Number(number)) => Value::from(number as i64),
        ("double", Wire::Double(number)) => json!(number),
        (kind, Wire::Bytes(bytes)) => match kind.strip_prefix('#') {
            Some(name) => message(name, bytes, depth + 1)?,
            None => return Err(Error::Malformed),
        },
        _ => return Err(Error::Malformed),
    })
}

fn map_entry(of: &str, bytes: &[u8], depth: usize) -> Result<(String, Value), Error> {
    let mut key = String::new();
    let mut value = match of {
        "string" | "bytes" => json!(""),
        _ => Value::Null,
    };
    for field in fields(bytes) {
        match field? {
            (1, Wire::Bytes(text)) => key = string(text)?,
            (2, wire) => value = scalar_or_message(of, wire, depth)?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn time(bytes: &[u8], micro: bool) -> Result<Value, Error> {
    let (mut seconds, mut nanos) = (None, 0i64);
    for field in fields(bytes) {
        match field? {
            (1, Wire::Number(number)) => seconds = Some(number as i64),
            (2, Wire::Number(number)) => nanos = number as i64,
            _ => {}
        }
    }
    let Some(seconds) = seconds else { return Ok(Value::Null) };
    let instant = jiff::Timestamp::new(seconds, i32::try_from(nanos).map_err(|_| Error::Malformed)?)
        .map_err(|_| Error::Malformed)?;
    let layout = if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(Value::String(instant.strftime(layout).to_string()))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, Error> {
    let (mut is_text, mut number, mut text) = (false, 0i64, String::new());
    for field in fields(bytes) {
        match field? {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(value)) => number = value as i64,
            (3, Wire::Bytes(value)) => text = string(value)?,
            _ => {}
        }
    }
    Ok(if is_text { Value::String(text) } else { Value::from(number) })
}

fn text_message(bytes: &[u8]) -> Result<Value, Error> {
    for field in fields(bytes) {
        if let (1, Wire::Bytes(text)) = field? {
            return Ok(Value::String(string(text)?));
        }
    }
    Ok(json!(""))
}

fn json_message(bytes: &[u8]) -> Result<Value, Error> {
    for field in fields(bytes) {
        if let (1, Wire::Bytes(text)) = field? {
            return serde_json::from_slice(text).map_err(|_| Error::Malformed);
        }
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_as_kubectl_sends_it() {
        let mut body = MAGIC.to_vec();
        body.extend(b"\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x1b\x0a\x06\x0a\x01s\x1a\x01n\x12\x09\x0a\x01k\x12\x04\x00\xff\x01\x02\x1a\x06Opaque");
        let secret = decode(&body);
        assert_eq!(
            secret,
            Ok(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": { "name": "s", "namespace": "n" },
                "data": { "k": "AP8BAg==" },
                "type": "Opaque",
            }))
        );
        assert_eq!(decode(b"{}"), Err(Error::Magic));
        assert_eq!(decode(b"k8s\0\x0a\xff"), Err(Error::Malformed));
    }
}
