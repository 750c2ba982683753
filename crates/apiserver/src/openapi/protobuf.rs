//! The v2 document in protobuf, the only form in which older clients take it.
//!
//! Follows: the messages of gnostic's `openapi.v2`. What a client does not need is left out.

use serde_json::Value;

/// Encodes a document with its definitions.
pub(super) fn document(document: &Value) -> Vec<u8> {
    let mut info = Vec::new();
    put_text(&mut info, 1, &document["info"]["title"]);
    put_text(&mut info, 2, &document["info"]["version"]);
    let mut definitions = Vec::new();
    for (name, schema) in document["definitions"].as_object().into_iter().flatten() {
        put(&mut definitions, 1, &named(name, &self::schema(schema)));
    }
    let mut out = Vec::new();
    put_text(&mut out, 1, &document["swagger"]);
    put(&mut out, 2, &info);
    put(&mut out, 8, &[]);
    put(&mut out, 9, &definitions);
    out
}

fn schema(schema: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in schema.as_object().into_iter().flatten() {
        match key.as_str() {
            "$ref" => put_text(&mut out, 1, value),
            "format" => put_text(&mut out, 2, value),
            "title" => put_text(&mut out, 3, value),
            "description" => put_text(&mut out, 4, value),
            "default" => put(&mut out, 5, &any(value)),
            "pattern" => put_text(&mut out, 13, value),
            "required" => texts(&mut out, 19, value),
            "enum" => items(value).iter().for_each(|item| put(&mut out, 20, &any(item))),
            "additionalProperties" => put(&mut out, 21, &additional(value)),
            "type" => {
                let mut kinds = Vec::new();
                put_text(&mut kinds, 1, value);
                put(&mut out, 22, &kinds);
            }
            "items" => {
                let mut of = Vec::new();
                put(&mut of, 1, &self::schema(value));
                put(&mut out, 23, &of);
            }
            "allOf" => items(value).iter().for_each(|part| put(&mut out, 24, &self::schema(part))),
            "properties" => {
                let mut properties = Vec::new();
                for (name, value) in value.as_object().into_iter().flatten() {
                    put(&mut properties, 1, &named(name, &self::schema(value)));
                }
                put(&mut out, 25, &properties);
            }
            name if name.starts_with("x-") => put(&mut out, 31, &named(name, &any(value))),
            _ => {}
        }
    }
    out
}

fn additional(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Bool(truth) => {
            varint(&mut out, 2 << 3);
            varint(&mut out, u64::from(*truth));
        }
        schema => put(&mut out, 1, &self::schema(schema)),
    }
    out
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn texts(out: &mut Vec<u8>, number: u64, value: &Value) {
    items(value).iter().for_each(|item| put_text(out, number, item));
}

/// A name with a message.
fn named(name: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, 1, name.as_bytes());
    put(&mut out, 2, message);
    out
}

/// Any value, as YAML text.
fn any(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, 2, sealfast_yaml::json::to_yaml(value).as_bytes());
    out
}

fn put_text(out: &mut Vec<u8>, number: u64, value: &Value) {
    if let Some(text) = value.as_str() {
        put(out, number, text.as_bytes());
    }
}

fn put(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, (number << 3) | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_small_document_has_the_known_bytes() {
        let made = super::document(&json!({
            "swagger": "2.0", "info": {"title": "K", "version": "1"},
            "definitions": {"a": {"type": "string"}},
        }));
        let wanted =
            b"\x0a\x032.0\x12\x06\x0a\x01K\x12\x011\x42\x00\x4a\x12\x0a\x10\x0a\x01a\x12\x0b\xb2\x01\x08\x0a\x06string";
        assert_eq!(made, wanted);
    }
}
