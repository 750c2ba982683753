//! SSH signatures (SSHSIG) in the namespace `git`.

use russh::keys::ssh_key::{Algorithm, AuthorizedKeys, HashAlg, PublicKey, SshSig};

/// How an armored signature begins.
pub(super) const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";

/// Signatures made for anything else do not count.
const NAMESPACE: &str = "git";

/// Returns the fingerprint of the first trusted key that made the signature.
pub(super) fn verify(armored: &str, payload: &[u8], trusted: &[String]) -> Result<String, String> {
    let signature =
        SshSig::from_pem(armored).map_err(|error| format!("unable to unarmor SSH signature: {error}"))?;
    // SHA-1 is not for signatures.
    if matches!(signature.signature().algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err("the signature uses SHA-1".to_owned());
    }
    let (mut trouble, mut read_any) = (None, false);
    for text in trusted {
        match keys(text) {
            Ok(keys) => {
                read_any = true;
                let made = keys.iter().find(|key| key.verify(NAMESPACE, payload, &signature).is_ok());
                if let Some(key) = made {
                    return Ok(key.fingerprint(HashAlg::Sha256).to_string());
                }
            }
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    match trouble {
        Some(error) if !read_any => Err(format!("unable to parse authorized keys: {error}")),
        _ => {
            Err("unable to verify payload with any of the given authorized keys: no matching key".to_owned())
        }
    }
}

fn keys(text: &str) -> Result<Vec<PublicKey>, String> {
    let entries = AuthorizedKeys::new(text);
    entries.map(|entry| entry.map(PublicKey::from).map_err(|error| error.to_string())).collect()
}
