//! Objects, such as built Kubernetes resources, as encrypted documents.

use zeroize::Zeroizing;

use crate::cipher::DataKey;
use crate::document::{Encrypted, MacCheck};
use crate::error::Error;
use crate::store::{EmitOptions, Format};

/// Returns true when an object carries a `sops` block with a MAC.
#[must_use]
pub fn is_encrypted_object(object: &serde_json::Value) -> bool {
    object
        .get("sops")
        .and_then(|block| block.get("mac"))
        .is_some_and(|mac| mac.as_str().is_some_and(|mac| !mac.is_empty()))
}

/// Reads an object (a built Kubernetes resource, say) as an encrypted document.
///
/// # Errors
/// As [`Encrypted::load`].
pub fn load_object(object: &serde_json::Value) -> Result<Encrypted, Error> {
    let text = Zeroizing::new(
        serde_json::to_vec(object).map_err(|wrong| Error::Parse { message: wrong.to_string() })?,
    );
    Encrypted::load(&text, Format::Json)
}

/// Decrypts an object in memory; the `sops` block is gone in the result.
///
/// # Errors
/// As [`Encrypted::load`] and [`Encrypted::decrypt`].
pub fn decrypt_object(
    object: &serde_json::Value,
    key: &DataKey,
    check: MacCheck,
) -> Result<serde_json::Value, Error> {
    let decrypted = load_object(object)?.decrypt(key, check)?;
    let text = decrypted.plain.emit(Format::Json, &EmitOptions::default())?;
    serde_json::from_slice(text.expose()).map_err(|wrong| Error::Emit { message: wrong.to_string() })
}
