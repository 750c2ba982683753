//! OpenPGP keys in memory: read from files, found by fingerprint.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::pgp::composed::{PublicOrSecret, SignedPublicKey, SignedSecretKey};
use ::pgp::types::{KeyDetails, SecretParams};
use secrecy::SecretString;

use crate::error::Error;

const BEGIN: &[u8] = b"-----BEGIN PGP ";
const END: &[u8] = b"-----END PGP ";
/// Fewer hexadecimal digits than these do not name a key: they are easy to forge.
const LEAST_DIGITS: usize = 16;

/// Asks a person, or an agent, for the passphrases of secret keys; it may wait.
pub trait Passphrases: Send + Sync {
    /// Returns the passphrase of the key with this fingerprint; none when nobody gives it.
    fn ask(&self, fingerprint: &str) -> Option<SecretString>;

    /// Is told that the last one does not open the key.
    fn was_wrong(&self, fingerprint: &str);
}

/// Keys in the order in which they were given.
#[derive(Clone, Default)]
pub(crate) struct Ring {
    secret: Vec<Arc<SignedSecretKey>>,
    public: Vec<Arc<SignedPublicKey>>,
    passphrases: Option<Arc<dyn Passphrases>>,
    /// A file that was looked for, and which failures shall name.
    missing: Option<PathBuf>,
}

/// A key that was asked for by fingerprint, and which of its parts was meant.
pub(super) struct Found<'a> {
    pub(super) certificate: &'a SignedPublicKey,
    /// Digits of the subkey that alone may be used.
    pub(super) only: Option<String>,
}

impl Ring {
    pub(crate) fn is_empty(&self) -> bool {
        self.secret.is_empty() && self.public.is_empty()
    }

    pub(crate) fn ask(&mut self, passphrases: Arc<dyn Passphrases>) {
        self.passphrases = Some(passphrases);
    }

    pub(crate) fn note_missing(&mut self, path: PathBuf) {
        self.missing = Some(path);
    }

    pub(super) fn missing(&self) -> Option<&Path> {
        self.missing.as_deref()
    }

    pub(super) fn passphrases(&self) -> Option<&dyn Passphrases> {
        self.passphrases.as_deref()
    }

    /// Reads the keys of a file, armored or binary.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut keys = Vec::new();
        for block in blocks(bytes)? {
            read(block, &mut keys)?;
        }
        if keys.is_empty() {
            return Err(refuse("there is no key in it"));
        }
        for key in keys {
            match key {
                PublicOrSecret::Secret(key) => {
                    self.public.push(Arc::new(key.to_public_key()));
                    self.secret.push(Arc::new(key));
                }
                PublicOrSecret::Public(key) => self.public.push(Arc::new(key)),
            }
        }
        Ok(())
    }

    pub(crate) fn fingerprints(&self) -> Vec<String> {
        self.public.iter().map(|key| digits(&key.primary_key)).collect()
    }

    pub(crate) fn secret_fingerprints(&self) -> Vec<String> {
        self.secret.iter().map(|key| digits(&key.primary_key)).collect()
    }

    pub(crate) fn locked_fingerprints(&self) -> Vec<String> {
        let locked = self.secret.iter().filter(|key| !is_open(key));
        locked.map(|key| digits(&key.primary_key)).collect()
    }

    pub(super) fn secret_keys(&self) -> impl Iterator<Item = &SignedSecretKey> {
        self.secret.iter().map(|key| &**key)
    }

    /// Finds a key by the fingerprint (or its last 16 digits or more) of any of its parts; `!` at the end means exactly
    /// that part.
    pub(super) fn find(&self, fingerprint: &str) -> Option<Found<'_>> {
        let wanted = fingerprint.replace(' ', "").to_uppercase();
        let (wanted, exactly) = match wanted.strip_suffix('!') {
            Some(wanted) => (wanted, true),
            None => (wanted.as_str(), false),
        };
        let wanted = wanted.strip_prefix("0X").unwrap_or(wanted);
        if wanted.len() < LEAST_DIGITS {
            return None;
        }
        let names = |key: &dyn KeyDetails| digits(key).ends_with(wanted);
        let fits = |key: &&Arc<SignedPublicKey>| {
            names(&key.primary_key) || key.public_subkeys.iter().any(|subkey| names(&subkey.key))
        };
        let certificate = self.public.iter().find(fits)?;
        Some(Found { certificate, only: exactly.then(|| wanted.to_owned()) })
    }
}

/// Tells whether a subkey, or the key itself when there is none, can be used as it is.
fn is_open(key: &SignedSecretKey) -> bool {
    let is_plain = |params: &SecretParams| matches!(params, SecretParams::Plain(_));
    match key.secret_subkeys.as_slice() {
        [] => is_plain(key.primary_key.secret_params()),
        subkeys => subkeys.iter().any(|subkey| is_plain(subkey.key.secret_params())),
    }
}

/// Returns the fingerprint in capitals.
pub(super) fn digits(key: &dyn KeyDetails) -> String {
    key.fingerprint().to_string().to_uppercase()
}

fn read(block: &[u8], keys: &mut Vec<PublicOrSecret>) -> Result<(), Error> {
    let (found, _) = PublicOrSecret::from_reader_many(block).map_err(|error| refuse(&error.to_string()))?;
    for key in found {
        keys.push(key.map_err(|error| refuse(&error.to_string()))?);
    }
    Ok(())
}

/// Splits a file into its armored blocks; a binary file is one block.
fn blocks(bytes: &[u8]) -> Result<Vec<&[u8]>, Error> {
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Ok(vec![bytes]);
    }
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while let Some(start) = position(rest, BEGIN) {
        rest = &rest[start..];
        let end = position(rest, END).ok_or_else(|| refuse("an armored block has no end"))?;
        let line =
            rest[end..].iter().position(|byte| *byte == b'\n').map_or(rest.len(), |line| end + line + 1);
        let (block, behind) = rest.split_at(line);
        let is_key = [&b"PRIVATE KEY BLOCK"[..], b"PUBLIC KEY BLOCK"];
        if !is_key.iter().any(|kind| block[BEGIN.len()..].starts_with(kind)) {
            return Err(refuse("an armored block is not a key block"));
        }
        blocks.push(block);
        rest = behind;
    }
    if blocks.is_empty() {
        return Err(refuse("the file is neither armored nor binary OpenPGP"));
    }
    Ok(blocks)
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn refuse(reason: &str) -> Error {
    Error::PgpKeys { reason: reason.to_owned() }
}
