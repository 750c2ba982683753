//! Value cipher: one scalar <-> one `ENC[AES256_GCM,…]` string.
//!
//! AES-256-GCM with a nonce of 32 bytes, the 16-byte tag kept apart from the ciphertext, additional data made of the
//! keys on the way to the value, each followed by a colon. All three parts are standard base64 with padding.
//!
//! Follows: `aes/cipher.go` of sops 3.13.2. Differs: a stored nonce is used again only when it has 32 bytes.

use std::collections::HashMap;
use std::fmt;

use aes_gcm::aead::consts::{U8, U12, U13, U16, U24, U32, U64};
use aes_gcm::aead::generic_array::{ArrayLength, GenericArray};
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand08::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{CipherError, Error};
use crate::number;
use crate::time::Time;
use crate::tree::{Comment, Text, Value};

mod decode;

use decode::decode;

const NONCE_LENGTH: usize = 32;
const TAG_LENGTH: usize = 16;

/// The key of one document: 32 bytes, wiped on drop and hidden by its `Debug`.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// Draws a new key.
    #[must_use]
    pub fn generate(rng: &mut (impl RngCore + CryptoRng + ?Sized)) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut());
        Self(key)
    }

    /// Takes 32 bytes.
    ///
    /// # Errors
    /// [`Error::DataKey`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(Error::DataKey { length: bytes.len() });
        }
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    /// Returns the bytes, for wrapping.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(hidden)")
    }
}

/// A random source that is fit for keys and nonces.
pub trait Random: RngCore + CryptoRng {}

impl<R: RngCore + CryptoRng + ?Sized> Random for R {}

/// Nonces of a decrypted document, so that unchanged values keep their ciphertext when it is encrypted again.
///
/// Values are filed under a digest of type, content and place: no plaintext is kept. Equal values in one list have one
/// place, and keep their nonces in order.
#[derive(Clone, Default)]
pub struct Nonces(HashMap<[u8; 32], Vec<[u8; NONCE_LENGTH]>>);

/// Nonces that are given out, each value's in order.
pub(crate) struct Reuse<'n> {
    nonces: &'n Nonces,
    given: HashMap<[u8; 32], usize>,
}

impl<'n> Reuse<'n> {
    pub(crate) fn new(nonces: &'n Nonces) -> Self {
        Self { nonces, given: HashMap::new() }
    }

    /// The last one serves all that follow: the same value in the same place gives the same ciphertext.
    fn find(&mut self, value: &Value, aad: &str) -> Option<[u8; NONCE_LENGTH]> {
        let place = place_of(value, aad)?;
        let kept = self.nonces.0.get(&place)?;
        let given = self.given.entry(place).or_default();
        let nonce = kept.get(*given).or(kept.last()).copied();
        *given += 1;
        nonce
    }
}

impl Nonces {
    fn keep(&mut self, value: &Value, aad: &str, nonce: &[u8]) {
        if let (Some(place), Ok(nonce)) = (place_of(value, aad), nonce.try_into()) {
            self.0.entry(place).or_default().push(nonce);
        }
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonces({})", self.0.len())
    }
}

fn place_of(value: &Value, aad: &str) -> Option<[u8; 32]> {
    let (label, content) = content(value)?;
    let mut digest = Sha256::new();
    digest.update([label.len() as u8]);
    digest.update(label);
    digest.update((aad.len() as u64).to_le_bytes());
    digest.update(aad);
    digest.update(&*content);
    Some(digest.finalize().into())
}

/// Returns the type label and the bytes that are encrypted and hashed; none for values without an encrypted form.
pub(crate) fn content(value: &Value) -> Option<(&'static str, Zeroizing<Vec<u8>>)> {
    let text = |text: String| Zeroizing::new(text.into_bytes());
    Some(match value {
        Value::Str(string) => ("str", Zeroizing::new(string.as_bytes().to_vec())),
        Value::Int(int) => ("int", text(int.to_string())),
        Value::Float(float) => ("float", text(number::positional(*float))),
        Value::Bool(true) => ("bool", text("True".to_owned())),
        Value::Bool(false) => ("bool", text("False".to_owned())),
        Value::Time(time) => ("time", text(time.to_string())),
        Value::Comment(comment) => ("comment", Zeroizing::new(comment.text.as_bytes().to_vec())),
        Value::Null | Value::Uint(_) | Value::List(_) | Value::Branch(_) => return None,
    })
}

/// Does this text have the form of an encrypted value?
pub(crate) fn is_sealed(text: &[u8]) -> bool {
    Parts::split(text).is_some()
}

/// The start of the tag of an encrypted value, which tells it from others.
pub(crate) fn mark(text: &[u8]) -> Option<String> {
    const LENGTH: usize = 10;
    let tag = Parts::split(text)?.tag;
    Some(String::from_utf8_lossy(&tag[..tag.len().min(LENGTH)]).into_owned())
}

/// Is this an encrypted comment?
pub(crate) fn is_sealed_comment(text: &[u8]) -> bool {
    Parts::split(text).is_some_and(|parts| parts.label == b"comment")
}

/// The nonce of an encrypted value, still encoded.
pub(crate) fn nonce_of(text: &[u8]) -> Option<&[u8]> {
    Parts::split(text).map(|parts| parts.nonce)
}

/// The cipher of one data key.
pub(crate) struct Cipher {
    block: Aes256,
    sealing: AesGcm<Aes256, U32>,
}

impl Cipher {
    pub(crate) fn new(key: &DataKey) -> Self {
        let block = <Aes256 as aes_gcm::aes::cipher::KeyInit>::new(GenericArray::from_slice(key.expose()));
        Self { sealing: AesGcm::new(GenericArray::from_slice(key.expose())), block }
    }

    /// Encrypts one scalar. The empty string stays empty; `None` means the value has no encrypted form.
    pub(crate) fn encrypt(
        &self,
        value: &Value,
        aad: &str,
        rng: &mut dyn Random,
        reuse: Option<&mut Reuse<'_>>,
    ) -> Option<String> {
        let (label, mut buffer) = content(value)?;
        if buffer.is_empty() {
            return Some(String::new());
        }
        let nonce = reuse.and_then(|reuse| reuse.find(value, aad)).unwrap_or_else(|| {
            let mut nonce = [0; NONCE_LENGTH];
            rng.fill_bytes(&mut nonce);
            nonce
        });
        let tag = self
            .sealing
            .encrypt_in_place_detached(GenericArray::from_slice(&nonce), aad.as_bytes(), &mut buffer)
            .ok()?;
        let mut text = String::with_capacity(buffer.len() * 4 / 3 + 120);
        text.push_str("ENC[AES256_GCM,data:");
        STANDARD.encode_string(&*buffer, &mut text);
        text.push_str(",iv:");
        STANDARD.encode_string(nonce, &mut text);
        text.push_str(",tag:");
        STANDARD.encode_string(tag, &mut text);
        text.push_str(",type:");
        text.push_str(label);
        text.push(']');
        Some(text)
    }

    /// Decrypts one string and notes its nonce where that is asked for. The empty string stays empty.
    pub(crate) fn decrypt(
        &self,
        text: &[u8],
        aad: &str,
        nonces: Option<&mut Nonces>,
    ) -> Result<Value, CipherError> {
        if text.is_empty() {
            return Ok(Value::Str(Text::default()));
        }
        let parts = Parts::split(text).ok_or_else(|| CipherError::Format { found: Text::new(text) })?;
        let decode = |part, text| decode(text).map_err(|at| CipherError::Base64 { part, at });
        let mut buffer = Zeroizing::new(decode("data", parts.data)?);
        let nonce = decode("iv", parts.nonce)?;
        let tag = decode("tag", parts.tag)?;
        self.open(&mut buffer, &nonce, &tag, aad)?;
        let value = typed(parts.label, buffer)?;
        if let Some(nonces) = nonces {
            nonces.keep(&value, aad, &nonce);
        }
        Ok(value)
    }

    fn open(&self, buffer: &mut [u8], nonce: &[u8], tag: &[u8], aad: &str) -> Result<(), CipherError> {
        if tag.len() != TAG_LENGTH {
            return Err(CipherError::Authentication);
        }
        match nonce.len() {
            NONCE_LENGTH => open(&self.sealing, buffer, nonce, tag, aad),
            8 => open(&AesGcm::<_, U8>::from(self.block.clone()), buffer, nonce, tag, aad),
            12 => open(&AesGcm::<_, U12>::from(self.block.clone()), buffer, nonce, tag, aad),
            13 => open(&AesGcm::<_, U13>::from(self.block.clone()), buffer, nonce, tag, aad),
            16 => open(&AesGcm::<_, U16>::from(self.block.clone()), buffer, nonce, tag, aad),
            24 => open(&AesGcm::<_, U24>::from(self.block.clone()), buffer, nonce, tag, aad),
            64 => open(&AesGcm::<_, U64>::from(self.block.clone()), buffer, nonce, tag, aad),
            length => Err(CipherError::Nonce { length }),
        }
    }
}

fn open<N: ArrayLength<u8>>(
    cipher: &AesGcm<Aes256, N>,
    buffer: &mut [u8],
    nonce: &[u8],
    tag: &[u8],
    aad: &str,
) -> Result<(), CipherError> {
    cipher
        .decrypt_in_place_detached(
            GenericArray::from_slice(nonce),
            aad.as_bytes(),
            buffer,
            Tag::from_slice(tag),
        )
        .map_err(|_| CipherError::Authentication)
}

/// The four parts of an encrypted value, still encoded.
struct Parts<'t> {
    data: &'t [u8],
    nonce: &'t [u8],
    tag: &'t [u8],
    label: &'t [u8],
}

impl<'t> Parts<'t> {
    /// Splits `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]` from the right, each part as long as it can be; what
    /// follows the last bracket of the first line is ignored.
    fn split(text: &'t [u8]) -> Option<Self> {
        let line = text.split(|&byte| byte == b'\n').next()?;
        let rest = line.strip_prefix(b"ENC[AES256_GCM,data:")?;
        let rest = &rest[..rest.iter().rposition(|&byte| byte == b']')?];
        let (rest, label) = split_last(rest, b",type:")?;
        let (rest, tag) = split_last(rest, b",tag:")?;
        let (data, nonce) = split_last(rest, b",iv:")?;
        Some(Self { data, nonce, tag, label })
    }
}

/// Splits at the last separator that leaves both sides non-empty.
fn split_last<'t>(text: &'t [u8], separator: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let last = text.len().checked_sub(separator.len() + 1)?;
    let at = (1..=last).rev().find(|&at| text[at..].starts_with(separator))?;
    Some((&text[..at], &text[at + separator.len()..]))
}

fn typed(label: &[u8], content: Zeroizing<Vec<u8>>) -> Result<Value, CipherError> {
    let wrong = |label| CipherError::Content { label };
    let text = || std::str::from_utf8(&content).ok();
    Ok(match label {
        b"str" | b"bytes" => Value::Str(Text::from(content)),
        b"comment" => Value::Comment(Comment::line(Text::from(content))),
        b"int" => Value::Int(text().and_then(|text| text.parse().ok()).ok_or_else(|| wrong("int"))?),
        b"float" => Value::Float(text().and_then(number::parse).ok_or_else(|| wrong("float"))?),
        b"bool" => match content.as_slice() {
            b"1" | b"t" | b"T" | b"true" | b"True" | b"TRUE" => Value::Bool(true),
            b"0" | b"f" | b"F" | b"false" | b"False" | b"FALSE" => Value::Bool(false),
            _ => return Err(wrong("bool")),
        },
        b"time" => Value::Time(text().and_then(|text| Time::parse(text).ok()).ok_or_else(|| wrong("time"))?),
        label => return Err(CipherError::Type { label: String::from_utf8_lossy(label).into_owned() }),
    })
}

#[cfg(test)]
mod tests {
    use super::{Cipher, DataKey, Nonces, Parts, Reuse};
    use crate::tree::{Comment, Value};

    #[test]
    fn parts_are_as_long_as_they_can_be() {
        let parts = Parts::split(b"ENC[AES256_GCM,data:a,iv:b,iv:c,tag:d,type:str]x]y").map(|parts| {
            [parts.data, parts.nonce, parts.tag, parts.label]
                .map(|part| String::from_utf8_lossy(part).into_owned())
        });
        assert_eq!(parts, Some(["a,iv:b", "c", "d", "str]x"].map(str::to_owned)));
        assert!(Parts::split(b"ENC[AES256_GCM,data:,iv:b,tag:d,type:str]").is_none());
        assert!(Parts::split(b"x ENC[AES256_GCM,data:a,iv:b,tag:d,type:str]").is_none());
    }

    #[test]
    fn a_value_opens_only_in_its_place_and_keeps_its_nonce() {
        let mut rng = rand08::thread_rng();
        let cipher = Cipher::new(&DataKey::generate(&mut rng));
        let value = Value::from("secret");
        let text = cipher.encrypt(&value, "a:b:", &mut rng, None).unwrap_or_default();
        let mut nonces = Nonces::default();
        assert_eq!(cipher.decrypt(text.as_bytes(), "a:b:", Some(&mut nonces)).ok(), Some(value.clone()));
        assert!(cipher.decrypt(text.as_bytes(), "a:c:", Some(&mut nonces)).is_err());
        assert_eq!(cipher.encrypt(&value, "a:b:", &mut rng, Some(&mut Reuse::new(&nonces))), Some(text));
    }

    #[test]
    fn every_byte_of_ciphertext_counts() {
        let mut rng = rand08::thread_rng();
        let cipher = Cipher::new(&DataKey::generate(&mut rng));
        let comment = Value::Comment(Comment::line(" why"));
        for value in [Value::from("four"), Value::Int(-5), Value::Float(1.5), Value::Bool(true), comment] {
            let text = cipher.encrypt(&value, "a:", &mut rng, None).unwrap_or_default().into_bytes();
            assert!(text.len() > 100);
            for (at, other) in (0..text.len()).flat_map(|at| (0..=255).map(move |other| (at, other))) {
                let mut bad = text.clone();
                bad[at] = other;
                // A letter of base64 may have bits that mean nothing.
                let opened = cipher.decrypt(&bad, "a:", None);
                assert!(opened.is_err() || opened.is_ok_and(|opened| opened == value), "{at}: {other}");
            }
        }
    }

    #[test]
    fn keys_print_nothing() {
        let key = DataKey::generate(&mut rand08::thread_rng());
        assert_eq!(format!("{key:?}"), "DataKey(hidden)");
    }
}
