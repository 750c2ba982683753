//! Documents: load, encrypt, decrypt, set, write. The front door of this crate.
//!
//! A [`Plain`] document becomes an [`Encrypted`] one with metadata and a data key, and back with the data key alone;
//! the types keep the two apart, so that plaintext is never written where ciphertext is meant.
//!
//! ```
//! use sealfast_sops::cipher::DataKey;
//! use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
//! use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
//! use sealfast_sops::store::{EmitOptions, Format};
//! use sealfast_sops::time::Time;
//!
//! # fn main() -> Result<(), sealfast_sops::error::Error> {
//! let mut rng = rand08::thread_rng();
//! let now = Time::parse("2026-01-02T03:04:05Z")?;
//! let key = DataKey::generate(&mut rng);
//! // Another crate wraps the data key for the recipient and fills in `enc`.
//! let groups = vec![KeyGroup { keys: MasterKey::age_list("age1example") }];
//!
//! let plain = Plain::load(br#"{"password": "hunter2"}"#, Format::Json)?;
//! let context = Context { now, rng: &mut rng, reuse: None };
//! let encrypted = plain.encrypt(Metadata::new(groups, now), &key, context)?;
//! let file = encrypted.emit(Format::Json, &EmitOptions::default())?;
//! assert!(!file.windows(7).any(|text| text == b"hunter2"));
//!
//! let decrypted = Encrypted::load(&file, Format::Json)?.decrypt(&key, MacCheck::Verify)?;
//! let output = decrypted.plain.emit(Format::Json, &EmitOptions::default())?;
//! assert_eq!(output.expose(), b"{\n\t\"password\": \"hunter2\"\n}\n");
//! # Ok(())
//! # }
//! ```
//!
//! Follows: `Encrypt`, `Decrypt` and `VerifyMAC` of sops 3.13.2. Differs: see `mac` and `walk`; an empty comment in a list
//! stays a comment.

use std::fmt;

use zeroize::Zeroizing;

use crate::cipher::{Nonces, Random};
use crate::error::{Error, TreePath};
use crate::store::{self, Whole, over};
pub use crate::store::{EmitOptions, Format};
use crate::time::Time;
use crate::tree::Value;

mod encrypted;
mod object;
mod plain;
mod state;

pub use encrypted::{ClearComment, Decrypted, Encrypted};
pub use object::{decrypt_object, is_encrypted_object, load_object};
pub use plain::Plain;
pub use state::{State, is_encrypted, state};

/// Plaintext on its way out: wiped on drop, not printable.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes, hidden)", self.0.len())
    }
}

/// What encryption takes from outside.
pub struct Context<'c> {
    /// Becomes `lastmodified`.
    pub now: Time,
    /// Source of nonces.
    pub rng: &'c mut dyn Random,
    /// Nonces of the same document before, so that unchanged values keep their ciphertext.
    pub reuse: Option<&'c Nonces>,
}

/// Whether the MAC must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacCheck {
    /// A document whose MAC does not fit is an error.
    Verify,
    /// Each value still authenticates itself; what stands in the clear may have been changed.
    Skip,
}

/// A text as it was read, into which a changed document can be written: what did not change keeps its bytes.
pub struct Original<'t>(over::Original<'t>);

impl<'t> Original<'t> {
    /// Looks at a text that was read before. [`Plain::read`] and [`Encrypted::read`] give one without reading twice.
    #[must_use]
    pub fn of(text: &'t [u8], format: Format) -> Self {
        Self(over::Original::of(text, format))
    }
}

impl fmt::Debug for Original<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Original(hidden)")
    }
}

/// Writes one value, as extracting it prints it: strings raw, others in the format's words.
///
/// # Errors
/// [`Error::Emit`] when the format cannot hold it.
pub fn emit_value(value: &Value, format: Format, options: &EmitOptions) -> Result<SecretBytes, Error> {
    if let Value::Str(text) = value {
        return Ok(SecretBytes::new(text.as_bytes().to_vec()));
    }
    store::emit_value(value, format, options).map(SecretBytes::new)
}

/// Reads one value, as it is set: JSON with nothing behind it.
///
/// # Errors
/// [`Error::Parse`] and [`Error::Unreadable`] when it is none, [`Error::Size`] and [`Error::Depth`] for hostile input.
pub fn read_value(json: &[u8]) -> Result<Value, Error> {
    store::load_value(json, Whole::AsTheyFit)
}

/// Reads one value as [`read_value`] does, and takes no whole number in it that would lose digits.
///
/// # Errors
/// Those of [`read_value`], and [`Error::Digits`].
pub fn read_exact_value(json: &[u8]) -> Result<Value, Error> {
    store::load_value(json, Whole::Exactly)
}

/// Returns the line, from 1, of a place in a text: that of its last key. Items of lists are not told apart.
#[must_use]
pub fn line_of(input: &[u8], format: Format, path: &TreePath) -> Option<usize> {
    store::line_of(input, format, &path.0)
}

#[cfg(test)]
mod tests {
    use super::SecretBytes;

    #[test]
    fn plaintext_is_not_printed() {
        assert_eq!(format!("{:?}", SecretBytes::new(b"hunter2".to_vec())), "SecretBytes(7 bytes, hidden)");
    }
}
