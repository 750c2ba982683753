//! OpenPGP signatures (RFC 9580, detached, armored).

use ::pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use ::pgp::crypto::hash::HashAlgorithm;
use ::pgp::packet::{PublicKey, Signature, SignatureType};
use ::pgp::types::{KeyDetails, Tag};
use jiff::Timestamp;

/// How an armored signature begins.
pub(super) const BEGIN: &str = "-----BEGIN PGP SIGNATURE-----";

const KEYS_BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Returns the key id (16 upper-case hex digits) of the first certificate whose key made the signature.
pub(super) fn verify(
    armored: &str,
    payload: &[u8],
    rings: &[String],
    now: Timestamp,
) -> Result<String, String> {
    let none = || "unable to verify payload with any of the given key rings: no matching key".to_owned();
    let (signature, _) = DetachedSignature::from_string(armored).map_err(|_| none())?;
    let signature = signature.signature;
    if !is_sound(&signature) || ended(signature.created(), signature.signature_expiration_time(), now) {
        return Err(none());
    }
    let (mut trouble, mut read_any) = (None, false);
    for ring in rings {
        match certificates(ring) {
            Ok(found) => {
                read_any = true;
                let made = found.iter().find(|certificate| made_by(certificate, &signature, payload, now));
                if let Some(certificate) = made {
                    return Ok(id(&certificate.primary_key));
                }
            }
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    match trouble {
        Some(error) if !read_any => Err(format!("unable to read armored key ring: {error}")),
        _ => Err(none()),
    }
}

/// Documents alone are signed here, and by no hash that can be forged.
fn is_sound(signature: &Signature) -> bool {
    let of_data = matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text));
    let weak = matches!(
        signature.hash_alg(),
        None | Some(HashAlgorithm::Md5 | HashAlgorithm::Sha1 | HashAlgorithm::Ripemd160)
    );
    of_data && !weak
}

/// Reads every block of a text.
fn certificates(text: &str) -> Result<Vec<SignedPublicKey>, String> {
    let starts: Vec<usize> = text.match_indices(KEYS_BEGIN).map(|(at, _)| at).collect();
    if starts.is_empty() {
        return Err("no armored data found".to_owned());
    }
    let mut found = Vec::new();
    for start in starts {
        let (block, _) =
            SignedPublicKey::from_string_many(&text[start..]).map_err(|error| error.to_string())?;
        for certificate in block {
            found.push(certificate.map_err(|error| error.to_string())?);
        }
    }
    Ok(found)
}

/// Returns true when a key of the certificate that may sign made the signature and is valid now.
fn made_by(certificate: &SignedPublicKey, signature: &Signature, payload: &[u8], now: Timestamp) -> bool {
    let primary = &certificate.primary_key;
    let revoked = certificate.details.revocation_signatures.iter().any(|sig| sig.verify_key(primary).is_ok());
    let Some(own) = newest(own_signatures(certificate)).filter(|_| !revoked) else { return false };
    if ended(Some(primary.created_at()), own.key_expiration_time(), now) {
        return false;
    }
    let by_primary = may_sign(own) && signature.verify(primary, payload).is_ok();
    by_primary
        || certificate
            .public_subkeys
            .iter()
            .any(|subkey| is_valid(subkey, primary, now) && signature.verify(&subkey.key, payload).is_ok())
}

/// A subkey that signs is bound by a signature of the primary key, which holds one of the subkey over the primary key.
fn is_valid(subkey: &SignedPublicSubKey, primary: &PublicKey, now: Timestamp) -> bool {
    let of_kind = |kind: SignatureType| {
        let signatures = subkey.signatures.iter().filter(move |signature| signature.typ() == Some(kind));
        signatures.filter(|signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok())
    };
    let Some(binding) = newest(of_kind(SignatureType::SubkeyBinding)) else { return false };
    let bound_back = binding
        .embedded_signature()
        .is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
    binding.key_flags().sign()
        && bound_back
        && of_kind(SignatureType::SubkeyRevocation).next().is_none()
        && !ended(Some(subkey.key.created_at()), binding.key_expiration_time(), now)
}

/// The signatures that the primary key made over itself and its user ids, without revoked ids.
fn own_signatures(certificate: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let primary = &certificate.primary_key;
    let users = certificate.details.users.iter().flat_map(move |user| {
        let own = move |signature: &&Signature| {
            signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        let revoked =
            user.signatures.iter().any(|sig| sig.typ() == Some(SignatureType::CertRevocation) && own(&sig));
        user.signatures.iter().filter(move |sig| !revoked && sig.is_certification() && own(sig))
    });
    let direct = certificate.details.direct_signatures.iter();
    users.chain(direct.filter(move |signature| signature.verify_key(primary).is_ok()))
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

/// Keys without flags, as old programs made them, may sign.
fn may_sign(own: &Signature) -> bool {
    let flags = own.key_flags();
    let has_flags =
        flags.certify() || flags.encrypt_comms() || flags.encrypt_storage() || flags.authentication();
    flags.sign() || !has_flags
}

/// Returns true when a lifetime that began at a time is over.
fn ended(
    begin: Option<::pgp::types::Timestamp>,
    lifetime: Option<::pgp::types::Duration>,
    now: Timestamp,
) -> bool {
    let lifetime = lifetime.map_or(0, |lifetime| i64::from(lifetime.as_secs()));
    let begin = begin.map_or(0, |begin| i64::from(begin.as_secs()));
    lifetime > 0 && begin + lifetime <= now.as_second()
}

fn id(key: &PublicKey) -> String {
    key.legacy_key_id().to_string().to_uppercase()
}
