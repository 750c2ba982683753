//! One data key <-> one armored OpenPGP message, in this process.

use std::io::Read as _;

use ::pgp::composed::{
    ArmorOptions, DecryptionOptions, Esk, Message, MessageBuilder, SignedSecretKey, TheRing,
};
use ::pgp::crypto::sym::SymmetricKeyAlgorithm;
use ::pgp::types::Password;
use bytes::Bytes;
use rand08::rngs::OsRng;
use sealfast_sops::time::Time;
use zeroize::Zeroizing;

use super::certificate::{Part, choose};
use super::ring::{Found, Ring, digits};

/// The most bytes that a wrapped data key or share may have.
const MOST_KEY_BYTES: u64 = 1024;

/// Encrypts to the part of the key that may, as an armored message without a line break at its end, or says in one line why
/// that is not possible.
pub(super) fn encrypt(found: &Found<'_>, secret: &[u8], now: Time) -> Result<String, String> {
    let failed = |error: ::pgp::errors::Error| error.to_string();
    let seconds = now.to_string().parse().map(jiff::Timestamp::as_second).unwrap_or(i64::MAX);
    let part = choose(found, seconds).map_err(|error| error.to_string())?;
    let content = Bytes::from_owner(Zeroizing::new(secret.to_vec()));
    let mut builder = MessageBuilder::from_bytes("", content).seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
    match part {
        Part::Primary(key) => builder.encrypt_to_key(OsRng, &key),
        Part::Subkey(key) => builder.encrypt_to_key(OsRng, &key),
    }
    .map_err(failed)?;
    let text = builder.to_armored_string(OsRng, ArmorOptions::default()).map_err(failed)?;
    Ok(text.trim().to_owned())
}

/// Decrypts with the secret keys of the ring, or says in one line why that is not possible.
pub(super) fn decrypt(enc: &str, ring: &Ring) -> Result<Zeroizing<Vec<u8>>, String> {
    let (message, _) = Message::from_armor(enc.as_bytes())
        .map_err(|error| format!("reading PGP message failed: {error}"))?;
    let Message::Encrypted { esk, .. } = &message else {
        return Err("reading PGP message failed: it is not encrypted".to_owned());
    };
    let fits = |key: &&SignedSecretKey| esk.iter().any(|esk| is_for(esk, key));
    let keys: Vec<&SignedSecretKey> = ring.secret_keys().filter(fits).collect();
    if keys.is_empty() {
        return Err(no_key(esk, ring));
    }
    if let Some(key) = keys.iter().find(|key| is_locked(key)) {
        let fingerprint = digits(&key.primary_key);
        return Err(format!("the secret key {fingerprint} is protected by a passphrase"));
    }
    let password = Password::empty();
    let tools = TheRing {
        secret_keys: keys,
        key_passwords: vec![&password],
        decrypt_options: DecryptionOptions::new().enable_gnupg_aead(),
        ..TheRing::default()
    };
    let damaged = |error: ::pgp::errors::Error| format!("the PGP message is damaged: {error}");
    let (mut message, _) = message.decrypt_the_ring(tools, true).map_err(damaged)?;
    if message.is_compressed() {
        message = message.decompress().map_err(damaged)?;
    }
    let mut secret = Zeroizing::new(Vec::with_capacity(64));
    message
        .take(MOST_KEY_BYTES)
        .read_to_end(&mut secret)
        .map_err(|error| format!("the PGP message is damaged: {error}"))?;
    Ok(secret)
}

fn is_for(esk: &Esk, key: &SignedSecretKey) -> bool {
    let Esk::PublicKeyEncryptedSessionKey(esk) = esk else { return false };
    esk.match_identity(key.primary_key.public_key())
        || key.secret_subkeys.iter().any(|subkey| esk.match_identity(subkey.key.public_key()))
}

fn is_locked(key: &SignedSecretKey) -> bool {
    key.secret_subkeys.iter().any(|subkey| subkey.key.secret_params().is_encrypted())
        || key.primary_key.secret_params().is_encrypted()
}

fn no_key(esk: &[Esk], ring: &Ring) -> String {
    let ids: Vec<String> = esk
        .iter()
        .filter_map(|esk| match esk {
            Esk::PublicKeyEncryptedSessionKey(esk) => esk.id().ok().map(|id| id.to_string().to_uppercase()),
            Esk::SymKeyEncryptedSessionKey(_) => None,
        })
        .collect();
    let at_hand = ring.secret_fingerprints();
    let held = match at_hand.as_slice() {
        [] => "there is no OpenPGP secret key at hand".to_owned(),
        _ => format!("the secret keys at hand are {}", at_hand.join(", ")),
    };
    format!("the message is encrypted to key id {}, and {held}", ids.join(", "))
}
