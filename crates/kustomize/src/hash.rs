//! The suffix that a generated name gets: a digest of the object's content.
//!
//! Only data and type count, never name, labels or annotations. The digest is taken over JSON as
//! Go writes it, so `<`, `>` and `&` are escaped.

use std::fmt::Write as _;

use sealfast_yaml::json::quote;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::resource::{Resource, text};

/// Returns the ten characters for an object.
#[must_use]
pub fn suffix(resource: &Resource) -> String {
    let value = &resource.value;
    let mut json = String::new();
    match resource.kind() {
        "ConfigMap" => {
            json.push('{');
            if let Some(binary) = value.get("binaryData").filter(|binary| binary.is_object()) {
                json.push_str("\"binaryData\":");
                write_json(binary, &mut json);
                json.push(',');
            }
            json.push_str("\"data\":");
            write_data(value, &mut json);
            json.push_str(",\"kind\":\"ConfigMap\",\"name\":\"\"}");
        }
        "Secret" => {
            json.push_str("{\"data\":");
            write_data(value, &mut json);
            json.push_str(",\"kind\":\"Secret\",\"name\":\"\"");
            if let Some(plain) = value.get("stringData").filter(|plain| plain.is_object()) {
                json.push_str(",\"stringData\":");
                write_json(plain, &mut json);
            }
            json.push_str(",\"type\":");
            quote(text(value, "type"), &mut json);
            json.push('}');
        }
        _ => {
            write_json(value, &mut json);
            json.push('\n');
        }
    }
    encode(&json)
}

fn write_data(value: &Value, json: &mut String) {
    match value.get("data") {
        Some(data) if !data.is_null() => write_json(data, json),
        _ => json.push_str("\"\""),
    }
}

/// Hashes and spells the first digits so that they make no words.
fn encode(json: &str) -> String {
    let digest = Sha256::digest(json.as_bytes());
    let mut hex = String::new();
    for byte in &digest[..5] {
        let _ = write!(hex, "{byte:02x}");
    }
    hex.chars()
        .map(|digit| match digit {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        })
        .collect()
}

/// Writes JSON with sorted keys and no white space, escaped as Go's encoder does.
pub(crate) fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (position, key) in keys.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                write_json(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Value::String(text) => quote(text, out),
        Value::Number(number) if number.is_f64() => write_float(number.as_f64().unwrap_or_default(), out),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Writes a float as Go's encoder does: with an exponent only where it is very small or very large.
fn write_float(number: f64, out: &mut String) {
    let size = number.abs();
    let _ = if number == 0.0 || (1e-6..1e21).contains(&size) {
        write!(out, "{number}")
    } else {
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(out, "{digits}e+{exponent}"),
            _ => write!(out, "{text}"),
        }
    };
}

#[cfg(test)]
mod tests {
    use super::write_json;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (number, expected) in [
            (1.5, "1.5"),
            (1.234_567_890_123_456_8e20, "123456789012345680000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-2.5e-9, "-2.5e-9"),
        ] {
            let mut text = String::new();
            write_json(&serde_json::json!(number), &mut text);
            assert_eq!(text, expected);
        }
    }
}
