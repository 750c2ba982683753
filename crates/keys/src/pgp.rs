//! OpenPGP: keys held in memory, and the `gpg` program.
//!
//! Keys held here are tried first, in this process; what they cannot do is asked of `gpg`, if the keyring was given one.
//!
//! Follows: `pgp/keysource.go` of sops 3.13.2.

use std::path::Path;

use sealfast_sops::time::Time;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::local::aside;

mod certificate;
mod generate;
mod message;
mod program;
mod ring;
mod turn;

pub use generate::{GeneratedKey, PgpOptions, generate};
pub use program::GpgProgram;
pub use ring::Passphrases;
pub(crate) use ring::Ring;

/// Returns the fingerprints of the primary keys of a file, in capitals and in its order.
///
/// # Errors
/// [`Error::PgpKeys`] when there is none or one cannot be read.
pub fn fingerprints(keys: impl AsRef<[u8]>) -> Result<Vec<String>, Error> {
    let mut ring = Ring::default();
    ring.add(keys.as_ref())?;
    Ok(ring.fingerprints())
}

/// Opens a wrapped data key or share with the keys of the ring alone.
pub(crate) fn open_here(enc: &str, ring: &Ring) -> Result<Zeroizing<Vec<u8>>, Error> {
    message::decrypt(enc, ring).map_err(|reason| Error::PgpOpen { reason })
}

/// Opens a wrapped data key or share.
pub(crate) async fn unwrap(
    enc: &str,
    ring: &Ring,
    program: Option<&GpgProgram>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut reasons = Vec::new();
    let here = if ring.passphrases().is_some() {
        let (enc, ring) = (enc.to_owned(), ring.clone());
        aside(move || message::decrypt(&enc, &ring)).await
    } else {
        message::decrypt(enc, ring)
    };
    match here {
        Ok(key) => return Ok(key),
        Err(reason) if program.is_none() || !ring.is_empty() => reasons.push(reason),
        Err(_) => reasons.extend(ring.missing().map(missing_ring)),
    }
    if let Some(program) = program {
        match program.decrypt(enc).await {
            Ok(key) => return Ok(key),
            Err(words) => reasons.push(format!("GnuPG binary error: {words}")),
        }
    }
    Err(Error::PgpOpen { reason: reasons.join("; ") })
}

const LIBRARY: &str = "github.com/ProtonMail/go-crypto/openpgp error: ";

/// What `sops` says of the keyring that it looks into first.
fn missing_ring(path: &Path) -> String {
    format!("{LIBRARY}could not load secring: open {}: no such file or directory", path.display())
}

/// Wraps a data key or share for the key with this fingerprint.
pub(crate) async fn wrap(
    fingerprint: &str,
    secret: &[u8],
    ring: &Ring,
    program: Option<&GpgProgram>,
    now: Time,
) -> Result<String, Error> {
    let mut reasons = Vec::new();
    if let Some(found) = ring.find(fingerprint) {
        match message::encrypt(&found, secret, now) {
            Ok(text) => return Ok(text),
            Err(reason) => reasons.push(reason),
        }
    } else if program.is_none() {
        reasons.push(format!("there is no key with fingerprint {fingerprint}"));
    } else if ring.missing().is_some() {
        reasons.push(format!("{LIBRARY}key with fingerprint '{fingerprint}' is not available in keyring"));
    }
    if let Some(program) = program {
        match program.encrypt(fingerprint, secret).await {
            Ok(text) => return Ok(text),
            Err(words) => reasons.push(format!("GnuPG binary error: {words}")),
        }
    }
    Err(Error::PgpWrap { reason: reasons.join("; ") })
}
