//! One data key <-> one armored OpenPGP message, in this process.
//!
//! Follows: `pgp/keysource.go` of sops 3.13.2.

use std::io::Read as _;

use ::pgp::composed::{
    ArmorOptions, DecryptionOptions, Esk, Message, MessageBuilder, SignedSecretKey, TheRing,
};
use ::pgp::crypto::sym::SymmetricKeyAlgorithm;
use ::pgp::types::{KeyDetails, Password, S2kParams, SecretParams, StringToKey};
use bytes::Bytes;
use rand08::rngs::OsRng;
use sealfast_sops::time::Time;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::certificate::{Part, choose};
use super::ring::{Found, Ring, digits};
use crate::local::{MOST_KEY_BYTES, USUAL_KEY_BYTES};

/// How often the passphrase of one key is asked for.
const MOST_TRIES: usize = 3;

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

/// Decrypts with the secret keys of the ring, or says in one line why that is not possible. Those without passphrase are
/// tried first.
pub(super) fn decrypt(enc: &str, ring: &Ring) -> Result<Zeroizing<Vec<u8>>, String> {
    let message = parse(enc)?;
    let Message::Encrypted { esk, .. } = &message else {
        return Err("reading PGP message failed: it is not encrypted".to_owned());
    };
    let fits = |key: &&SignedSecretKey| esk.iter().any(|esk| is_for(esk, key));
    let keys: Vec<&SignedSecretKey> = ring.secret_keys().filter(fits).collect();
    if keys.is_empty() {
        return Err(no_key(esk, ring));
    }
    let mut trouble = String::new();
    if keys.iter().any(|key| states(esk, key).any(|state| state == State::Open)) {
        match open(enc, &keys, Password::empty()) {
            Ok(secret) => return Ok(secret),
            Err(reason) => trouble = reason,
        }
    }
    for key in &keys {
        let name = digits(&key.primary_key);
        match states(esk, key).max() {
            Some(State::Locked) => match with_passphrase(enc, esk, key, &name, ring) {
                Ok(secret) => return Ok(secret),
                Err(reason) => trouble = reason,
            },
            Some(State::Stub) if trouble.is_empty() => {
                trouble = format!("the secret key {name} is kept elsewhere, what is at hand only names it");
            }
            _ => {}
        }
    }
    Err(trouble)
}

/// Asks for the passphrase of a key, again when it is wrong.
fn with_passphrase(
    enc: &str,
    esk: &[Esk],
    key: &SignedSecretKey,
    name: &str,
    ring: &Ring,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let locked = format!("the secret key {name} is protected by a passphrase");
    let Some(passphrases) = ring.passphrases() else { return Err(locked) };
    let mut reason = locked;
    for _ in 0..MOST_TRIES {
        let Some(given) = passphrases.ask(name) else { break };
        let password = Password::from(given.expose_secret());
        if unlocks(&password, esk, key) {
            return open(enc, &[key], password);
        }
        passphrases.was_wrong(name);
        reason = format!("the passphrase that was given does not open the secret key {name}");
    }
    Err(reason)
}

fn parse(enc: &str) -> Result<Message<'_>, String> {
    let parsed = Message::from_armor(enc.as_bytes());
    parsed.map(|(message, _)| message).map_err(|error| format!("reading PGP message failed: {error}"))
}

fn open(enc: &str, keys: &[&SignedSecretKey], password: Password) -> Result<Zeroizing<Vec<u8>>, String> {
    let tools = TheRing {
        secret_keys: keys.to_vec(),
        key_passwords: vec![&password],
        decrypt_options: DecryptionOptions::new().enable_gnupg_aead(),
        ..TheRing::default()
    };
    let damaged = |error: ::pgp::errors::Error| format!("the PGP message is damaged: {error}");
    let (mut message, _) = parse(enc)?.decrypt_the_ring(tools, true).map_err(damaged)?;
    if message.is_compressed() {
        message = message.decompress().map_err(damaged)?;
    }
    let mut secret = Zeroizing::new(Vec::with_capacity(USUAL_KEY_BYTES));
    message
        .take(MOST_KEY_BYTES)
        .read_to_end(&mut secret)
        .map_err(|error| format!("the PGP message is damaged: {error}"))?;
    Ok(secret)
}

/// How the secret part that a message is for is kept, the best one last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Not here: on a card or on another machine.
    Stub,
    Locked,
    Open,
}

/// Returns the states of the parts of a key that a message is for.
fn states<'a>(esk: &'a [Esk], key: &'a SignedSecretKey) -> impl Iterator<Item = State> + 'a {
    let is_meant = move |part: &dyn Fn(&Esk) -> bool| esk.iter().any(part);
    let primary = &key.primary_key;
    let own = is_meant(&|esk| names(esk, primary.public_key())).then(|| primary.secret_params());
    let subkeys = key.secret_subkeys.iter().map(|subkey| &subkey.key);
    let subkeys = subkeys.filter(move |subkey| is_meant(&|esk| names(esk, subkey.public_key())));
    own.into_iter().chain(subkeys.map(|subkey| subkey.secret_params())).map(|params| match params {
        SecretParams::Plain(_) => State::Open,
        SecretParams::Encrypted(params) => match params.string_to_key_params() {
            S2kParams::Cfb { s2k: StringToKey::Private { .. }, .. }
            | S2kParams::MalleableCfb { s2k: StringToKey::Private { .. }, .. } => State::Stub,
            _ => State::Locked,
        },
    })
}

/// Tells whether the passphrase opens a part of the key that the message is for.
fn unlocks(password: &Password, esk: &[Esk], key: &SignedSecretKey) -> bool {
    let primary = &key.primary_key;
    let of_primary = esk.iter().any(|esk| names(esk, primary.public_key()))
        && primary.unlock(password, |_, _| Ok(())).is_ok();
    let mut subkeys = key.secret_subkeys.iter().map(|subkey| &subkey.key);
    of_primary
        || subkeys.any(|subkey| {
            esk.iter().any(|esk| names(esk, subkey.public_key()))
                && subkey.unlock(password, |_, _| Ok(())).is_ok()
        })
}

fn names(esk: &Esk, part: &impl KeyDetails) -> bool {
    matches!(esk, Esk::PublicKeyEncryptedSessionKey(esk) if esk.match_identity(part))
}

fn is_for(esk: &Esk, key: &SignedSecretKey) -> bool {
    states(std::slice::from_ref(esk), key).next().is_some()
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
