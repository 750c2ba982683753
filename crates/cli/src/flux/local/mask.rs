//! Masks of encrypted values in Secrets: what `flux build` shows in their place.
//!
//! Follows: `flux` 2.9, also where it shows ciphertext: in other kinds than Secrets, and in dotenv files of a generator.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_k8s::object;
use sealfast_yaml::node::Node;
use sealfast_yaml::scalar;
use serde_json::{Map, Value};

use crate::flux::Failed;

/// What stands in the place of an encrypted value.
pub(in crate::flux) const MASK: &str = "**SOPS**";
/// The same for the value of a key that must hold JSON.
const JSON_MASK: &str = "{\"mask\":\"**SOPS**\"}";

/// Masks a Secret; leaves every other object alone.
///
/// A Secret with a `sops` block is masked whole. In any other one, values that are encrypted files are masked.
pub(super) fn secret(object: &mut Value) -> Result<(), Failed> {
    if object::kind(object) != "Secret" {
        return Ok(());
    }
    let text = sealfast_yaml::json::to_yaml(object);
    let is_encrypted = text.contains("sops:") && text.contains("mac: ENC[");
    let (mut data, mut texts) = (texts_of(object, "data"), texts_of(object, "stringData"));
    if is_encrypted {
        let is_json = object["type"] == "kubernetes.io/dockerconfigjson";
        let mask = if is_json { JSON_MASK } else { MASK };
        data.values_mut().for_each(|value| *value = STANDARD.encode(mask).into());
        texts.values_mut().for_each(|value| *value = mask.into());
    } else {
        mask_files(&mut data, &mut texts)
            .map_err(|why| format!("failed to mask secret {} sops data: {why}", object::name(object)))?;
    }
    let Some(fields) = object.as_object_mut() else { return Ok(()) };
    if is_encrypted {
        fields.shift_remove("sops");
    }
    fields.shift_remove("data");
    if !data.is_empty() {
        fields.insert("data".to_owned(), Value::Object(data));
    }
    if !texts.is_empty() {
        fields.insert("stringData".to_owned(), Value::Object(texts));
    }
    Ok(())
}

/// What flux prints of a Secret: it writes the texts of `stringData` without quotes, so that some of them read as
/// numbers, truth values or nothing.
pub(in crate::flux) fn unquote(object: &mut Value) {
    if object::kind(object) != "Secret" {
        return;
    }
    let texts = object.get_mut("stringData").and_then(Value::as_object_mut);
    for value in texts.into_iter().flat_map(Map::values_mut) {
        if let Some(text) = value.as_str() {
            *value = plain(text);
        }
    }
}

/// The value of a text without quotes.
fn plain(text: &str) -> Value {
    match scalar::plain_tag(text) {
        "!!str" | "!!merge" => text.into(),
        tag => sealfast_yaml::json::from_node(&Node::scalar(tag, text)).unwrap_or_else(|_| text.into()),
    }
}

/// The entries of a field as texts.
fn texts_of(object: &Value, field: &str) -> Map<String, Value> {
    let entries = object.get(field).and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    };
    entries.map(|(key, value)| (key.clone(), text(value).into())).collect()
}

fn mask_files(data: &mut Map<String, Value>, texts: &mut Map<String, Value>) -> Result<(), String> {
    for value in data.values_mut() {
        let text = value.as_str().unwrap_or_default().replace(['\n', '\r'], "");
        let content = STANDARD.decode(&text).map_err(|error| corrupt(&error, text.len()))?;
        if is_encrypted_file(&content) {
            *value = STANDARD.encode(MASK).into();
        }
    }
    for value in texts.values_mut() {
        if is_encrypted_file(value.as_str().unwrap_or_default().as_bytes()) {
            *value = STANDARD.encode(MASK).into();
        }
    }
    Ok(())
}

fn is_encrypted_file(content: &[u8]) -> bool {
    let holds = |part: &[u8]| content.windows(part.len()).any(|window| window == part);
    holds(b"sops") && holds(b"ENC[")
}

fn corrupt(error: &base64::DecodeError, length: usize) -> String {
    let at = match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => *at,
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => length,
    };
    format!("illegal base64 data at input byte {at}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{secret, unquote};

    #[test]
    fn texts_are_printed_as_they_read_without_quotes() {
        let mut object = json!({ "kind": "Secret", "stringData": {
            "a": "true", "b": "1.50", "c": "", "d": "~", "e": "0x1F", "f": "007", "g": "2020-01-01", "h": "yes",
            "i": "<<", "j": "1\n", "k": "**SOPS**", "l": "1_000",
        } });
        unquote(&mut object);
        let printed = json!({
            "a": true, "b": 1.5, "c": null, "d": null, "e": 31, "f": 7, "g": "2020-01-01T00:00:00Z", "h": "yes",
            "i": "<<", "j": "1\n", "k": "**SOPS**", "l": 1000,
        });
        assert_eq!(object["stringData"], printed);
    }

    fn masked(fields: &Value) -> Value {
        let mut object = json!({ "kind": "Secret", "metadata": { "name": "s" } });
        for (key, value) in fields.as_object().into_iter().flatten() {
            object[key] = value.clone();
        }
        if let Err(error) = secret(&mut object) {
            return error.0.into();
        }
        object
    }

    #[test]
    fn a_secret_with_a_sops_block_is_masked_whole() {
        let sops = json!({ "mac": "ENC[x]" });
        let plain = masked(&json!({ "data": { "a": 1 }, "stringData": { "b": "c" }, "sops": sops }));
        assert_eq!(plain["data"]["a"], "KipTT1BTKio=");
        assert_eq!(plain["stringData"]["b"], "**SOPS**");
        assert_eq!(plain.get("sops"), None);
        let docker = json!({ "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": "x" }, "sops": sops });
        assert_eq!(masked(&docker)["stringData"][".dockerconfigjson"], "{\"mask\":\"**SOPS**\"}");
    }

    #[test]
    fn of_a_plain_secret_only_encrypted_files_are_masked() {
        let file = "{\"sops\": 1, \"a\": \"ENC[x]\"}";
        let found =
            masked(&json!({ "data": { "a": "eA==" }, "stringData": { "b": file, "c": "d", "e": null } }));
        assert_eq!(found["data"], json!({ "a": "eA==" }));
        assert_eq!(found["stringData"], json!({ "b": "KipTT1BTKio=", "c": "d", "e": "" }));
        let bad = masked(&json!({ "data": { "a": "no base64!" } }));
        assert_eq!(bad, "failed to mask secret s sops data: illegal base64 data at input byte 2");
        assert_eq!(masked(&json!({ "data": {} })).get("data"), None);
    }
}
