//! Values that are encrypted by SOPS, which a build copies but does not open.

use serde_json::Value;

use crate::resource::Resource;

/// How a value that is encrypted begins.
const BEGINNING: &str = "ENC[AES256_GCM,";

/// Returns what is to be said where a field is copied, if something in it is encrypted.
pub(crate) fn told(value: &Value, field: &str, owner: &Resource) -> Option<String> {
    is_sealed(value).then(|| {
        format!(
            "field `{field}` of {} is encrypted, and what a build copies is not decrypted: what is copied is ciphertext",
            owner.id()
        )
    })
}

fn is_sealed(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(BEGINNING),
        Value::Array(items) => items.iter().any(is_sealed),
        Value::Object(map) => map.values().any(is_sealed),
        _ => false,
    }
}
