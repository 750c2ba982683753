//! The digest over the tree: SHA-512 over all leaves in walk order.
//!
//! Comments and nulls are left out, keys are covered by the additional data of each value.
//!
//! Follows: `Encrypt` and `Decrypt` of sops 3.13.2. Differs: a value that is or decrypts to a comment is left out
//! when reading too, as 3.13.1 and 3.13.3 do.

use std::fmt::Write as _;

use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::cipher;
use crate::tree::Value;

/// Feeds on leaves, ends in the MAC.
pub(crate) struct Mac(Sha512);

impl Mac {
    /// Starts a digest; one over encrypted values only starts from a fixed value, so that the two never agree.
    pub(crate) fn new(only_encrypted: bool) -> Self {
        let mut digest = Sha512::new();
        if only_encrypted {
            digest.update(Sha256::digest(b"sops"));
        }
        Self(digest)
    }

    pub(crate) fn add(&mut self, leaf: &Value) {
        if let Value::Str(text) = leaf {
            self.0.update(text.as_bytes());
        } else if !matches!(leaf, Value::Comment(_))
            && let Some((_, content)) = cipher::content(leaf)
        {
            self.0.update(&*content);
        }
    }

    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(128), |mut hex, byte| {
            let _ = write!(hex, "{byte:02X}");
            hex
        })
    }
}

/// Compares in constant time.
pub(crate) fn agree(stored: &[u8], computed: &str) -> bool {
    stored.ct_eq(computed.as_bytes()).into()
}
