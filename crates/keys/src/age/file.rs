//! The armored age file around one data key.
//!
//! Written here and not by the age crate, which adds a random stanza to every header: a file of ours has exactly the
//! stanzas of its one recipient, as the reference writes it.
//!
//! Follows: C2SP `age.md` for the header, its MAC and the payload; `armor` of age 1.3 for the lines.

use ::age::secrecy::ExposeSecret as _;
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::hkdf as derive;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::hmac::{self, Hmac, Mac as _};
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::Error;

pub(super) const COLUMNS: usize = 64;
pub(super) const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
pub(super) const END: &str = "-----END AGE ENCRYPTED FILE-----";
/// A payload of up to this many bytes is a single chunk.
const CHUNK_BYTES: usize = 65_536;
/// Eleven bytes of counter, then the mark of the last chunk.
const ONLY_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Writes an armored age file for one recipient.
pub(super) fn write(recipient: &dyn ::age::Recipient, content: &[u8]) -> Result<String, Error> {
    let failed = |reason: String| Error::AgeWrap { reason };
    if content.len() > CHUNK_BYTES {
        return Err(failed("a data key is not as long as this".to_owned()));
    }
    let file_key = FileKey::init_with_mut(|key: &mut [u8; FILE_KEY_BYTES]| OsRng.fill_bytes(key));
    let (stanzas, _) = recipient.wrap_file_key(&file_key).map_err(|error| failed(error.to_string()))?;
    let mut file = header(&stanzas, &file_key).map_err(failed)?.into_bytes();
    let mut salt = [0; 16];
    OsRng.fill_bytes(&mut salt);
    file.extend_from_slice(&salt);
    let key = Zeroizing::new(derive(&salt, b"payload", file_key.expose_secret()));
    let payload = ChaCha20Poly1305::new(Key::from_slice(key.as_slice()))
        .encrypt(&Nonce::from(ONLY_CHUNK), content)
        .map_err(|_| failed("the data key cannot be sealed".to_owned()))?;
    file.extend_from_slice(&payload);
    Ok(armor(&file))
}

fn header(stanzas: &[Stanza], file_key: &FileKey) -> Result<String, String> {
    let mut text = "age-encryption.org/v1\n".to_owned();
    for Stanza { tag, args, body } in stanzas {
        text.push_str(&format!("-> {tag}"));
        for arg in args {
            text.push_str(&format!(" {arg}"));
        }
        text.push('\n');
        // The last line of a body is shorter than the others, and empty if need be.
        let body = STANDARD_NO_PAD.encode(body);
        text.push_str(&lines(&body));
        if body.len().is_multiple_of(COLUMNS) {
            text.push('\n');
        }
    }
    text.push_str("---");
    let key = Zeroizing::new(derive(b"", b"header", file_key.expose_secret()));
    let mut mac =
        <Hmac<Sha256> as hmac::Mac>::new_from_slice(key.as_slice()).map_err(|error| error.to_string())?;
    mac.update(text.as_bytes());
    text.push_str(&format!(" {}\n", STANDARD_NO_PAD.encode(mac.finalize().into_bytes())));
    Ok(text)
}

pub(super) fn armor(file: &[u8]) -> String {
    let content = lines(&STANDARD.encode(file));
    format!("{BEGIN}\n{content}{END}\n")
}

/// Breaks base64 into lines, each with a line break.
fn lines(base64: &str) -> String {
    let mut text = String::with_capacity(base64.len() + base64.len() / COLUMNS + 1);
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(COLUMNS));
        text.push_str(line);
        text.push('\n');
        rest = behind;
    }
    text
}
