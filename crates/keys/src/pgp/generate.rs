//! A new OpenPGP key pair: RSA to sign, a subkey to encrypt.

use std::fmt;

use ::pgp::composed::{
    ArmorOptions, EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SubkeyParamsBuilder,
};
use ::pgp::crypto::hash::HashAlgorithm;
use ::pgp::crypto::sym::SymmetricKeyAlgorithm;
use ::pgp::types::{CompressionAlgorithm, Timestamp};
use rand08::rngs::OsRng;
use sealfast_sops::time::Time;
use secrecy::SecretString;

use super::ring::digits;
use crate::error::Error;

/// What a new key is called and how strong it is; without passphrase and without end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgpOptions {
    /// Name of the user id.
    pub name: String,
    /// Comment of the user id, in parentheses; empty for none.
    pub comment: String,
    /// Mail address of the user id; empty for none.
    pub email: String,
    /// Bits of both RSA keys, at least 2048.
    pub bits: u32,
}

impl PgpOptions {
    /// Returns options for a name with the strength that people are told to use: 4096 bits.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), comment: String::new(), email: String::new(), bits: 4096 }
    }

    /// Returns the user id: `NAME (COMMENT) <EMAIL>`.
    #[must_use]
    pub fn user_id(&self) -> String {
        let mut parts = vec![self.name.clone()];
        if !self.comment.is_empty() {
            parts.push(format!("({})", self.comment));
        }
        if !self.email.is_empty() {
            parts.push(format!("<{}>", self.email));
        }
        parts.join(" ")
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |reason: &str| Err(Error::PgpGenerate { reason: reason.to_owned() });
        if self.name.is_empty() {
            return refuse("the name is empty");
        }
        if !(2048..=16384).contains(&self.bits) || !self.bits.is_multiple_of(8) {
            return refuse("RSA keys have between 2048 and 16384 bits, a multiple of 8");
        }
        let strange = |text: &str, banned: &[char]| {
            text.chars().any(|letter| letter.is_control() || banned.contains(&letter))
        };
        if strange(&self.name, &['<', '>', '(', ')']) || strange(&self.comment, &['(', ')', '<', '>']) {
            return refuse("name and comment must not contain any of `<>()` or control characters");
        }
        if strange(&self.email, &['<', '>', '(', ')', ' ']) {
            return refuse("the mail address must not contain blanks or any of `<>()`");
        }
        Ok(())
    }
}

/// A new key; its secret part cannot be printed by accident.
pub struct GeneratedKey {
    /// The whole key, armored.
    pub armored_secret: SecretString,
    /// Its public part, armored.
    pub armored_public: String,
    /// Fingerprint of the primary key in capitals.
    pub fingerprint: String,
}

impl fmt::Debug for GeneratedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GeneratedKey({})", self.fingerprint)
    }
}

/// Makes a new key; 4096 bits take some seconds.
///
/// # Errors
/// [`Error::PgpGenerate`] when an option is unusable.
pub fn generate(options: &PgpOptions, created: Time) -> Result<GeneratedKey, Error> {
    options.check()?;
    let failed = |reason: String| Error::PgpGenerate { reason };
    let packet = |error: ::pgp::errors::Error| failed(error.to_string());
    let seconds = created.to_string().parse().map(jiff::Timestamp::as_second).unwrap_or_default();
    let created = Timestamp::from_secs(u32::try_from(seconds).unwrap_or_default());
    let subkey = SubkeyParamsBuilder::default()
        .key_type(KeyType::Rsa(options.bits))
        .can_encrypt(EncryptionCaps::All)
        .created_at(created)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let params = SecretKeyParamsBuilder::default()
        .key_type(KeyType::Rsa(options.bits))
        .can_certify(true)
        .can_sign(true)
        .created_at(created)
        .primary_user_id(options.user_id())
        .preferred_symmetric_algorithms(
            [SymmetricKeyAlgorithm::AES256, SymmetricKeyAlgorithm::AES192, SymmetricKeyAlgorithm::AES128]
                .into_iter()
                .collect(),
        )
        .preferred_hash_algorithms(
            [HashAlgorithm::Sha512, HashAlgorithm::Sha384, HashAlgorithm::Sha256].into_iter().collect(),
        )
        .preferred_compression_algorithms(
            [CompressionAlgorithm::ZLIB, CompressionAlgorithm::ZIP, CompressionAlgorithm::Uncompressed]
                .into_iter()
                .collect(),
        )
        .subkeys(vec![subkey])
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let key = params.generate(OsRng).map_err(packet)?;
    let public: SignedPublicKey = key.to_public_key();
    Ok(GeneratedKey {
        armored_secret: key.to_armored_string(ArmorOptions::default()).map_err(packet)?.into(),
        armored_public: public.to_armored_string(ArmorOptions::default()).map_err(packet)?,
        fingerprint: digits(&public.primary_key),
    })
}
