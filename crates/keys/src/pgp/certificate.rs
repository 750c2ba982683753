//! Which part of an OpenPGP key may encrypt at a given time, and why none may.

use ::pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use ::pgp::packet::{PublicKey, Signature, SignatureType};
use ::pgp::types::{KeyDetails, Tag};

use super::ring::{Found, digits};
use crate::error::Error;

/// The part of a key that encrypts.
pub(super) enum Part<'a> {
    Primary(&'a PublicKey),
    Subkey(&'a SignedPublicSubKey),
}

/// Chooses the part that encrypts: the newest subkey that may, else the primary key if it may.
pub(super) fn choose<'a>(found: &Found<'a>, now: i64) -> Result<Part<'a>, Error> {
    let certificate = found.certificate;
    let primary = &certificate.primary_key;
    let refuse = |reason: String| Error::PgpKey { fingerprint: digits(primary), reason };
    if certificate.details.revocation_signatures.iter().any(|sig| sig.verify_key(primary).is_ok()) {
        return Err(refuse("is revoked".to_owned()));
    }
    let own = newest(own_signatures(certificate));
    if let Some(end) = own.and_then(|signature| expiry(primary, signature)).filter(|end| *end <= now) {
        return Err(refuse(format!("expired on {}", day(end))));
    }
    let wanted =
        |key: &dyn KeyDetails| found.only.as_ref().is_none_or(|only| hex(key).ends_with(only.as_str()));
    let mut trouble = "can only sign, it has no part that encrypts".to_owned();
    let mut usable: Vec<&SignedPublicSubKey> = Vec::new();
    for subkey in certificate.public_subkeys.iter().filter(|subkey| wanted(&subkey.key)) {
        match state(subkey, primary, now) {
            State::Usable => usable.push(subkey),
            State::Refused(reason) => trouble = reason,
            State::OtherUse => {}
        }
    }
    if let Some(subkey) = usable.into_iter().max_by_key(|subkey| subkey.key.created_at()) {
        return Ok(Part::Subkey(subkey));
    }
    let may_encrypt = own.is_some_and(|signature| encrypts(signature, primary));
    if may_encrypt && wanted(primary) {
        return Ok(Part::Primary(primary));
    }
    Err(refuse(trouble))
}

enum State {
    Usable,
    OtherUse,
    Refused(String),
}

fn state(subkey: &SignedPublicSubKey, primary: &PublicKey, now: i64) -> State {
    let valid = |kind: SignatureType| {
        let signatures = subkey.signatures.iter().filter(move |signature| signature.typ() == Some(kind));
        signatures.filter(|signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok())
    };
    let Some(binding) = newest(valid(SignatureType::SubkeyBinding)) else {
        return State::Refused("has a subkey that is not bound to it by a valid signature".to_owned());
    };
    if !encrypts(binding, &subkey.key) {
        return State::OtherUse;
    }
    if valid(SignatureType::SubkeyRevocation).next().is_some() {
        return State::Refused("has only a revoked part that encrypts".to_owned());
    }
    match expiry(&subkey.key, binding) {
        Some(end) if end <= now => {
            State::Refused(format!("has a part that encrypts, but it expired on {}", day(end)))
        }
        _ => State::Usable,
    }
}

/// The signatures that the primary key made over its own user ids and itself.
fn own_signatures(certificate: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let primary = &certificate.primary_key;
    let users = certificate.details.users.iter().flat_map(move |user| {
        let own = move |signature: &&Signature| {
            signature.is_certification()
                && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        user.signatures.iter().filter(own)
    });
    let direct = certificate.details.direct_signatures.iter();
    users.chain(direct.filter(move |signature| signature.verify_key(primary).is_ok()))
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

/// Keys without flags, as old programs made them, may do what their algorithm can.
fn encrypts(signature: &Signature, key: &dyn KeyDetails) -> bool {
    let flags = signature.key_flags();
    let has_flags = flags.certify()
        || flags.sign()
        || flags.encrypt_comms()
        || flags.encrypt_storage()
        || flags.authentication();
    let allowed = flags.encrypt_comms() || flags.encrypt_storage() || !has_flags;
    allowed && key.algorithm().can_encrypt()
}

/// Seconds since 1970 at which the key ends; none for never.
fn expiry(key: &dyn KeyDetails, signature: &Signature) -> Option<i64> {
    let lifetime =
        signature.key_expiration_time().map(|lifetime| lifetime.as_secs()).filter(|secs| *secs > 0)?;
    Some(i64::from(key.created_at().as_secs()) + i64::from(lifetime))
}

fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "an unknown day".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

fn hex(key: &dyn KeyDetails) -> String {
    key.fingerprint().to_string().to_uppercase()
}
