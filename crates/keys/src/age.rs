//! age: recipients and identities of every kind, one data key a file.
//!
//! A data key is wrapped as an armored age file for exactly one recipient, with a line break at its end.
//!
//! Follows: `age/keysource.go` of sops 3.13.2, `age-keygen` of age 1.3.

use std::fmt;
use std::io::Read as _;

use ::age::armor::ArmoredReader;
use ::age::{Decryptor, x25519};
use sealfast_sops::time::Time;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::local::{MOST_KEY_BYTES, USUAL_KEY_BYTES};

mod armor;
mod file;
mod header;
mod identity;
mod post_quantum;
mod prompts;
mod recipient;

use armor::Content;
use header::Header;
pub(crate) use identity::Identities;
pub use prompts::{Nobody, Prompts};

const DAMAGED: &str =
    "failed to decrypt and authenticate payload chunk, file may be corrupted or tampered with";

/// The most bytes of an identity file.
const MOST_FILE_BYTES: u64 = 1 << 24;

/// A fresh identity; only [`AgeIdentity::file_text`] and [`AgeIdentity::secret`] show it.
pub struct AgeIdentity {
    secret: SecretString,
    recipient: String,
}

impl AgeIdentity {
    /// Returns the identity, `AGE-SECRET-KEY-1…`.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Returns the recipient, `age1…`.
    #[must_use]
    pub fn recipient(&self) -> &str {
        &self.recipient
    }

    /// Returns the text of the file that `age-keygen` writes.
    #[must_use]
    pub fn file_text(&self, created: Time) -> SecretString {
        let (created, recipient, secret) =
            (created.to_seconds(), &self.recipient, self.secret.expose_secret());
        SecretString::from(format!("# created: {created}\n# public key: {recipient}\n{secret}\n"))
    }
}

impl fmt::Debug for AgeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeIdentity({})", self.recipient)
    }
}

/// Draws a new X25519 identity.
#[must_use]
pub fn generate() -> AgeIdentity {
    let identity = x25519::Identity::generate();
    AgeIdentity { secret: identity.to_string(), recipient: identity.to_public().to_string() }
}

/// Draws a new post-quantum identity, `AGE-SECRET-KEY-PQ-1…`, whose recipient is `age1pq1…` and long.
#[must_use]
pub fn generate_post_quantum() -> AgeIdentity {
    let identity = post_quantum::Identity::generate();
    let secret = SecretString::from(identity.text().as_str());
    AgeIdentity { secret, recipient: identity.recipient().to_string() }
}

/// Tells whether an identity file is itself encrypted with age.
#[must_use]
pub fn is_encrypted(file: &[u8]) -> bool {
    file.starts_with(b"age-encryption") || file.starts_with(b"-----BEGIN AGE")
}

/// Checks that a text is a recipient for which a data key can be wrapped.
///
/// # Errors
/// [`Error::UnknownRecipient`] or [`Error::Recipient`], in the words of the reference.
pub fn check_recipient(text: &str) -> Result<(), Error> {
    recipient::Recipient::parse(text).map(drop)
}

/// Decrypts an identity file.
pub(crate) fn open_identity_file(file: &[u8], passphrase: SecretString) -> Result<Zeroizing<String>, Error> {
    let refuse = |reason| Error::Passphrase { what: "the identity file".to_owned(), reason };
    let identity = ::age::scrypt::Identity::new(passphrase);
    let decryptor =
        Decryptor::new_buffered(ArmoredReader::new(file)).map_err(|_| refuse("it is no age file"))?;
    let reader = decryptor
        .decrypt(std::iter::once(&identity as &dyn ::age::Identity))
        .map_err(|_| refuse("the one given does not open it"))?;
    let mut text = Zeroizing::new(String::new());
    reader
        .take(MOST_FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(|_| refuse("its content is damaged or no text"))?;
    Ok(text)
}

/// Wraps a data key or share for one recipient.
pub(crate) fn wrap(recipient: &str, key: &[u8], identities: &Identities) -> Result<String, Error> {
    let recipient = recipient::Recipient::parse(recipient)?;
    file::write(&*recipient.stanzas(identities.plugins())?, key)
}

/// Opens a wrapped data key or share.
pub(crate) fn unwrap(enc: &str, identities: &Identities) -> Result<Zeroizing<Vec<u8>>, Error> {
    if identities.is_empty() {
        return Err(Error::NoAgeIdentity { notes: identities.notes() });
    }
    let failed = |reason: String| Error::Age { reason, notes: identities.notes() };
    let mut content = Content::read(enc);
    let header = Header::read(&content).map_err(|flaw| failed(format!("failed to read header: {flaw}")))?;
    let cut = header.short_payload(&content);
    if cut.is_some() {
        // Whether an identity fits is told first.
        content.bytes.resize(content.bytes.len() + header::NONCE_BYTES, 0);
    }
    let decryptor = Decryptor::new_buffered(content.bytes.as_slice())
        .map_err(|error| failed(format!("failed to read header: {}", identity::words(&error))))?;
    let reader = decryptor
        .decrypt(identities.each())
        .map_err(|error| failed(identities.refusal(&header.stanzas, &error)))?;
    if let Some(why) = cut {
        return Err(failed(why));
    }
    let mut key = Zeroizing::new(Vec::with_capacity(USUAL_KEY_BYTES));
    reader.take(MOST_KEY_BYTES).read_to_end(&mut key).map_err(|_| Error::AgeContent {
        reason: match &content.flaw {
            Some(flaw) => flaw.clone(),
            None if header.is_without_payload() => "unexpected EOF".to_owned(),
            None => DAMAGED.to_owned(),
        },
    })?;
    content.flaw.map_or(Ok(key), |reason| Err(Error::AgeContent { reason }))
}
