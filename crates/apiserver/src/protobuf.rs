//! Request bodies in protobuf, as `kubectl create KIND` sends them -> JSON objects.
//!
//! A body is four magic bytes, then a `runtime.Unknown` message: the kind, and the object's own message. Field
//! numbers come from the facts about the built-in kinds. Values that are empty stay: whoever knows which of them mean
//! something drops the others. Pure; answers are always JSON.
//!
//! Follows: the code that gogo's generator makes, in what it takes and in its words for the rest.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema;
use serde_json::{Map, Value, json};

const MAGIC: &[u8] = b"k8s\0";

/// Messages nested deeper than this are refused.
const MAX_DEPTH: usize = 100;

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("empty data")]
    Nothing,
    #[error("empty body")]
    NoBody,
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    #[error("unexpected EOF")]
    Short,
    #[error("proto: integer overflow")]
    Overflow,
    #[error("proto: negative length found during unmarshaling")]
    Negative,
    #[error("proto: {0}: wiretype end group for non-group")]
    NoGroup(String),
    #[error("proto: {0}: illegal tag {1} (wire type {2})")]
    Tag(String, i32, u64),
    #[error("proto: illegal wireType {0}")]
    WireType(u64),
    #[error("proto: wrong wireType = {0} for field {1}")]
    Wrong(u64, String),
    #[error("messages are nested too deeply")]
    Deep,
    #[error("a field does not hold JSON")]
    NoJson,
    #[error("no protobuf form is known for this kind")]
    UnknownKind,
}

/// What an object says it is, and its message.
pub(crate) struct Envelope<'a> {
    pub api_version: String,
    pub kind: String,
    pub raw: &'a [u8],
}

/// Opens a body.
///
/// # Errors
/// For what is no message, or one cut short.
pub(crate) fn open(body: &[u8]) -> Result<Envelope<'_>, Fault> {
    if body.is_empty() {
        return Err(Fault::Nothing);
    }
    let message = body.strip_prefix(MAGIC).ok_or(Fault::Magic)?;
    if message.is_empty() {
        return Err(Fault::NoBody);
    }
    let mut envelope = Envelope { api_version: String::new(), kind: String::new(), raw: &[] };
    for field in fields(message, "Unknown") {
        match field? {
            (1, Wire::Bytes(type_meta)) => {
                for field in fields(type_meta, "TypeMeta") {
                    match field? {
                        (1, Wire::Bytes(text)) => envelope.api_version = string(text),
                        (2, Wire::Bytes(text)) => envelope.kind = string(text),
                        (number @ 1..=2, wire) => {
                            return Err(wrong(&wire, ["apiVersion", "kind"][number - 1]));
                        }
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => envelope.raw = bytes,
            (3 | 4, Wire::Bytes(_)) => {}
            (number @ 1..=4, wire) => {
                return Err(wrong(&wire, ["typeMeta", "raw", "contentEncoding", "contentType"][number - 1]));
            }
            _ => {}
        }
    }
    Ok(envelope)
}

/// Reads a whole body of whatever kind it says it is.
///
/// # Errors
/// See [`Fault`].
pub(crate) fn decode(body: &[u8]) -> Result<Value, Fault> {
    let envelope = open(body)?;
    let kind = GroupVersionKind::from_api_version(&envelope.api_version, &envelope.kind);
    let message = message_of(&kind).ok_or(Fault::UnknownKind)?;
    let mut object = fields_of(message, envelope.raw)?;
    object.insert("apiVersion".to_owned(), Value::String(envelope.api_version));
    object.insert("kind".to_owned(), Value::String(envelope.kind));
    Ok(Value::Object(object))
}

/// The name of a kind's message, such as `core.v1.Secret`.
pub(crate) fn message_of(kind: &GroupVersionKind) -> Option<&'static str> {
    let group = match kind.group.as_str() {
        "" => "core",
        group => group.split('.').next().unwrap_or(group),
    };
    let (kind, version) = (&kind.kind, &kind.version);
    // An Eviction is the same in both of its versions.
    let own = [format!("{group}.{version}.{kind}"), format!("{group}.v1.{kind}"), format!("meta.{kind}")];
    let messages = schema::protobuf_fields()["types"].as_object()?;
    own.iter().find_map(|name| messages.get_key_value(name)).map(|(name, _)| name.as_str())
}

/// The fields of a message.
///
/// # Errors
/// See [`Fault`].
pub(crate) fn fields_of(name: &str, bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    let mut object = Map::new();
    merge(name, bytes, &mut object, 0)?;
    Ok(object)
}

fn type_fields(name: &str) -> Option<&'static Map<String, Value>> {
    schema::protobuf_fields()["types"].get(name)?.as_object()
}

/// One value on the wire.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
    /// A group or four bytes, which no kind has; their wire type.
    Other(u64),
}

impl Wire<'_> {
    fn number(&self) -> u64 {
        match self {
            Self::Number(_) => 0,
            Self::Double(_) => 1,
            Self::Bytes(_) => 2,
            Self::Other(number) => *number,
        }
    }
}

/// A field that is there in another form; Go calls it by a name that is much the same.
fn wrong(wire: &Wire<'_>, field: &str) -> Fault {
    let (first, rest) = field.split_at_checked(1).unwrap_or_default();
    Fault::Wrong(wire.number(), format!("{}{rest}", first.to_uppercase()))
}

/// Iterates over the fields of a message: number and value.
fn fields<'a>(bytes: &'a [u8], of: &str) -> impl Iterator<Item = Result<(usize, Wire<'a>), Fault>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = one_field(&mut rest, of);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

fn one_field<'a>(rest: &mut &'a [u8], of: &str) -> Result<(usize, Wire<'a>), Fault> {
    let tag = varint(rest)?;
    // The generated code takes 32 bits of the number.
    let (number, wire) = ((tag >> 3) as i32, tag & 7);
    let name = || of.rsplit('.').next().unwrap_or(of).to_owned();
    if wire == END_GROUP {
        return Err(Fault::NoGroup(name()));
    }
    let number =
        usize::try_from(number).ok().filter(|number| *number > 0).ok_or(Fault::Tag(name(), number, wire))?;
    let value = match wire {
        0 => Wire::Number(varint(rest)?),
        1 => {
            let bytes = take(rest, 8)?;
            Wire::Double(f64::from_le_bytes(bytes.try_into().map_err(|_| Fault::Short)?))
        }
        2 => Wire::Bytes(counted(rest)?),
        GROUP => {
            skip_group(rest)?;
            Wire::Other(GROUP)
        }
        5 => {
            take(rest, 4)?;
            Wire::Other(5)
        }
        other => return Err(Fault::WireType(other)),
    };
    Ok((number, value))
}

/// Passes a group over, with the groups in it.
fn skip_group(rest: &mut &[u8]) -> Result<(), Fault> {
    let mut open = 1;
    while open > 0 {
        match varint(rest)? & 7 {
            0 => {
                varint(rest)?;
            }
            1 => {
                take(rest, 8)?;
            }
            2 => {
                counted(rest)?;
            }
            GROUP => open += 1,
            END_GROUP => open -= 1,
            5 => {
                take(rest, 4)?;
            }
            other => return Err(Fault::WireType(other)),
        }
    }
    Ok(())
}

fn varint(rest: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0u64;
    for place in 0..10 {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Fault::Overflow)
}

/// As many bytes as the number before them says.
fn counted<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let length = i64::try_from(varint(rest)?).map_err(|_| Fault::Negative)?;
    take(rest, usize::try_from(length).map_err(|_| Fault::Short)?)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Fault> {
    let (taken, behind) = rest.split_at_checked(length).ok_or(Fault::Short)?;
    *rest = behind;
    Ok(taken)
}

/// Bytes that are no text are told apart only in JSON, which has no way to say them.
fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Adds the fields of a message to those that an earlier part of it had.
fn merge(name: &str, bytes: &[u8], object: &mut Map<String, Value>, depth: usize) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Deep);
    }
    let known = type_fields(name).ok_or(Fault::UnknownKind)?;
    for field in fields(bytes, name) {
        let (number, wire) = field?;
        let Some(facts) = known.get(&number.to_string()).and_then(Value::as_array) else { continue };
        let text = |at: usize| facts.get(at).and_then(Value::as_str).unwrap_or_default();
        let (field, kind, repeated) = (text(0), text(1), text(2) == "repeated");
        if let Some(of) = kind.strip_prefix("map:") {
            let Wire::Bytes(entry) = wire else { return Err(wrong(&wire, field)) };
            let (key, value) = map_entry(of, entry, depth)?;
            child(object, field, Map::new().into()).as_object_mut().map(|map| map.insert(key, value));
        } else if repeated {
            let list = child(object, field, json!([]));
            match wire {
                Wire::Bytes(mut packed) if matches!(kind, "int32" | "int64" | "bool") => {
                    while !packed.is_empty() {
                        add(list, scalar(kind, Wire::Number(varint(&mut packed)?), field)?);
                    }
                }
                wire => add(list, value(kind, wire, field, Value::Null, depth)?),
            }
        } else if let (Some(of), true, Wire::Bytes(bytes)) = (kind.strip_prefix('#'), field.is_empty(), wire)
        {
            merge(of, bytes, object, depth + 1)?;
        } else {
            let old = object.get_mut(field).map(Value::take).unwrap_or_default();
            let value = value(kind, wire, field, old, depth)?;
            if says_nothing(name, field, &value) {
                object.shift_remove(field);
            } else {
                object.insert(field.to_owned(), value);
            }
        }
    }
    Ok(())
}

/// An empty value in a schema, which may stand where nobody drops it later.
fn says_nothing(name: &str, field: &str, value: &Value) -> bool {
    let empty = matches!(value, Value::Bool(false)) || value.as_str().is_some_and(str::is_empty);
    let means = |kind: &schema::Type| kind.presence.zero.iter().any(|known| known == field);
    empty && name == SCHEMA && !schema::builtin().named(name).is_some_and(means)
}

fn child<'a>(object: &'a mut Map<String, Value>, field: &str, empty: Value) -> &'a mut Value {
    object.entry(field).or_insert(empty)
}

fn add(list: &mut Value, item: Value) {
    list.as_array_mut().map(|list| list.push(item)).unwrap_or_default();
}

/// One value; a message adds to what was there of it before.
fn value(kind: &str, wire: Wire<'_>, field: &str, old: Value, depth: usize) -> Result<Value, Fault> {
    let Some(name) = kind.strip_prefix('#') else { return scalar(kind, wire, field) };
    let Wire::Bytes(bytes) = wire else { return Err(wrong(&wire, field)) };
    if let Some(special) = special(name, bytes, depth)? {
        return Ok(special);
    }
    let mut object = match old {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    merge(name, bytes, &mut object, depth + 1)?;
    Ok(Value::Object(object))
}

fn scalar(kind: &str, wire: Wire<'_>, field: &str) -> Result<Value, Fault> {
    Ok(match (kind, wire) {
        ("string", Wire::Bytes(bytes)) => Value::String(string(bytes)),
        ("bytes", Wire::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        ("bool", Wire::Number(number)) => Value::Bool(number != 0),
        // Negative numbers are sent as their two's complement, of 64 bits even where 32 are kept.
        ("int32", Wire::Number(number)) => Value::from(number as i32),
        ("int64", Wire::Number(number)) => Value::from(number as i64),
        ("double", Wire::Double(number)) if number.fract() == 0.0 && number.abs() < 9.0e15 => {
            Value::from(number as i64)
        }
        ("double", Wire::Double(number)) => json!(number),
        (_, wire) => return Err(wrong(&wire, field)),
    })
}

/// Messages that are no object in JSON.
fn special(name: &str, bytes: &[u8], depth: usize) -> Result<Option<Value>, Fault> {
    Ok(Some(match name {
        "meta.Time" | "meta.MicroTime" => time(bytes, name == "meta.MicroTime")?,
        "util.intstr.IntOrString" => int_or_string(bytes)?,
        "api.resource.Quantity" | "api.resource.QuantityValue" => quantity(bytes)?,
        "runtime.RawExtension" | "apiextensions.v1.JSON" | "meta.FieldsV1" => json_message(bytes)?,
        "apiextensions.v1.JSONSchemaPropsOrArray"
        | "apiextensions.v1.JSONSchemaPropsOrBool"
        | "apiextensions.v1.JSONSchemaPropsOrStringArray" => either(name, bytes, depth)?,
        name if name.ends_with(".ExtraValue") => {
            let mut object = Map::new();
            merge(name, bytes, &mut object, depth)?;
            object.shift_remove("items").unwrap_or_else(|| json!([]))
        }
        _ => return Ok(None),
    }))
}

fn map_entry(of: &str, bytes: &[u8], depth: usize) -> Result<(String, Value), Fault> {
    let mut key = String::new();
    let mut found = match of {
        "string" | "bytes" => json!(""),
        "bool" => json!(false),
        "int32" | "int64" => json!(0),
        message => value(message, Wire::Bytes(&[]), "value", Value::Null, depth)?,
    };
    for field in fields(bytes, "entry") {
        match field? {
            (1, Wire::Bytes(text)) => key = string(text),
            (2, wire) => found = value(of, wire, "value", Value::Null, depth)?,
            _ => {}
        }
    }
    Ok((key, found))
}

/// A schema, or something simpler in its place.
fn either(name: &str, bytes: &[u8], depth: usize) -> Result<Value, Fault> {
    let mut object = Map::new();
    merge(name, bytes, &mut object, depth)?;
    let mut part = |name: &str| object.get_mut(name).map(Value::take);
    let (schema, schemas, words) = (part("schema"), part("jSONSchemas"), part("property"));
    Ok(match name {
        "apiextensions.v1.JSONSchemaPropsOrBool" => {
            schema.unwrap_or_else(|| part("allows").unwrap_or(Value::Bool(false)))
        }
        _ => schemas.or(words).or(schema).unwrap_or_default(),
    })
}

fn time(bytes: &[u8], micro: bool) -> Result<Value, Fault> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0, 0);
    for field in fields(bytes, "Timestamp") {
        match field? {
            (1, Wire::Number(number)) => seconds = number as i64,
            (2, Wire::Number(number)) => nanos = number as i32,
            (number @ 1..=2, wire) => return Err(wrong(&wire, ["seconds", "nanos"][number - 1])),
            _ => {}
        }
    }
    // Other times keep no fraction; what lies beyond the calendar is no time.
    let instant = jiff::Timestamp::new(seconds, if micro { nanos } else { 0 });
    let layout = if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(instant.map_or(Value::Null, |instant| Value::String(instant.strftime(layout).to_string())))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, Fault> {
    let (mut is_text, mut number, mut text) = (false, 0i32, String::new());
    for field in fields(bytes, "IntOrString") {
        match field? {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(value)) => number = value as i32,
            (3, Wire::Bytes(value)) => text = string(value),
            (at @ 1..=3, wire) => return Err(wrong(&wire, ["type", "intVal", "strVal"][at - 1])),
            _ => {}
        }
    }
    Ok(if is_text { Value::String(text) } else { Value::from(number) })
}

fn quantity(bytes: &[u8]) -> Result<Value, Fault> {
    let mut found = json!("0");
    for field in fields(bytes, "Quantity") {
        match field? {
            (1, Wire::Bytes(text)) => found = Value::String(string(text)),
            (1, wire) => return Err(wrong(&wire, "string")),
            _ => {}
        }
    }
    Ok(found)
}

fn json_message(bytes: &[u8]) -> Result<Value, Fault> {
    let mut found = Value::Null;
    for field in fields(bytes, "RawExtension") {
        match field? {
            (1, Wire::Bytes([])) => found = Value::Null,
            (1, Wire::Bytes(text)) => found = serde_json::from_slice(text).map_err(|_| Fault::NoJson)?,
            (1, wire) => return Err(wrong(&wire, "raw")),
            _ => {}
        }
    }
    Ok(found)
}

const SCHEMA: &str = "apiextensions.v1.JSONSchemaProps";
/// Wire types that begin and end a group of fields.
const GROUP: u64 = 3;
const END_GROUP: u64 = 4;

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
        assert_eq!(decode(b""), Err(Fault::Nothing));
        assert_eq!(decode(MAGIC), Err(Fault::NoBody));
        assert_eq!(decode(b"{}"), Err(Fault::Magic));
        assert_eq!(decode(b"k8s\0\x0a\xff"), Err(Fault::Short));
    }

    #[test]
    fn parts_of_a_message_add_up_and_unknown_ones_pass() {
        let read = |bytes: &[u8]| fields_of("core.v1.ConfigMap", bytes).map(Value::Object);
        let fault = |bytes: &[u8]| read(bytes).map_err(|fault| fault.to_string());
        let twice =
            b"\x0a\x03\x0a\x01a\x0a\x03\x1a\x01n\x12\x06\x0a\x01k\x12\x01v\x12\x06\x0a\x01k\x12\x01w\x20\x00";
        let whole =
            json!({"metadata": {"name": "a", "namespace": "n"}, "data": {"k": "w"}, "immutable": false});
        assert_eq!(read(twice), Ok(whole));
        assert_eq!(read(b"\x78\x05\x79\0\0\0\0\0\0\0\0\x7d\0\0\0\0\x7b\x7b\x7c\x7c"), Ok(json!({})));
        assert_eq!(read(b"\x7b"), Err(Fault::Short));
        assert_eq!(fault(b"\x7c"), Err("proto: ConfigMap: wiretype end group for non-group".to_owned()));
        assert_eq!(fault(b"\0\0"), Err("proto: ConfigMap: illegal tag 0 (wire type 0)".to_owned()));
        assert_eq!(fault(b"\x08\x01"), Err("proto: wrong wireType = 0 for field Metadata".to_owned()));
        assert_eq!(read(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Err(Fault::Negative));
        assert_eq!(read(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Err(Fault::Overflow));
    }

    #[test]
    fn schemas_have_their_own_names_and_forms() {
        // items: a schema whose list type is a map's; additionalProperties: a switch.
        let bytes = b"\xc2\x01\x0a\x0a\x08\xd2\x02\x03map\x0a\x00\xf2\x01\x02\x08\x01";
        let read = fields_of("apiextensions.v1.JSONSchemaProps", bytes).map(Value::Object);
        let wanted = json!({"items": {"x-kubernetes-list-type": "map"}, "additionalProperties": true});
        assert_eq!(read, Ok(wanted));
        let deep = (0..200).fold(Vec::new(), |below: Vec<u8>, _| {
            let mut above = vec![0xe2, 0x01];
            let mut length = below.len();
            while length >= 0x80 {
                above.push(length as u8 | 0x80);
                length >>= 7;
            }
            above.push(length as u8);
            above.extend(below);
            above
        });
        assert_eq!(fields_of("apiextensions.v1.JSONSchemaProps", &deep), Err(Fault::Deep));
    }
}
