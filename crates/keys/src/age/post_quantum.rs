//! Post-quantum hybrid recipients and identities: `age1pq1…`.
//!
//! The file key is sealed by HPKE (RFC 9180, base mode) with the KEM MLKEM768-X25519, HKDF-SHA256 and ChaCha20Poly1305.
//! An identity is a seed of 32 bytes; SHAKE256 stretches it to the seeds of both keys.
//!
//! Follows: the `mlkem768x25519` stanza of C2SP `age.md`, draft-ietf-hpke-pq-03. Differs: none.

use std::collections::HashSet;
use std::fmt;

use ::age::secrecy::ExposeSecret as _;
use ::age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::{bech32_decode, bech32_encode_to_fmt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bech32::Hrp;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use ml_kem::kem::{Decapsulate as _, DecapsulationKey, Encapsulate as _, EncapsulationKey};
use ml_kem::{EncodedSizeUser as _, KemCore as _, MlKem768, MlKem768Params};
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use sha2::Sha256;
use sha3::digest::{ExtendableOutput as _, Update as _, XofReader as _};
use sha3::{Digest as _, Sha3_256, Shake256};
use x25519_dalek::{EphemeralSecret, PublicKey, StaticSecret};
use zeroize::Zeroizing;

const TAG: &str = "mlkem768x25519";
const INFO: &[u8] = b"age-encryption.org/mlkem768x25519";
const LABEL: &str = "postquantum";
const RECIPIENT: Hrp = Hrp::parse_unchecked("age1pq");
const IDENTITY: Hrp = Hrp::parse_unchecked("AGE-SECRET-KEY-PQ-");

/// What the combiner of the KEM adds to its hash.
const COMBINER: &[u8] = br"\.//^\";
/// HPKE's numbers of the KEM, HKDF-SHA256 and ChaCha20Poly1305.
const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x03";

const PUBLIC_BYTES: usize = 1184;
const CIPHERTEXT_BYTES: usize = 1088;
const BODY_BYTES: usize = FILE_KEY_BYTES + 16;

/// A post-quantum identity.
#[derive(Clone)]
pub(super) struct Identity(Zeroizing<[u8; 32]>);

/// A post-quantum recipient.
#[derive(Clone)]
pub(super) struct Recipient {
    lattice: EncapsulationKey<MlKem768Params>,
    curve: PublicKey,
}

impl Identity {
    pub(super) fn generate() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(seed.as_mut());
        Self(seed)
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let is_identity = |hrp: Hrp| (hrp == IDENTITY).then_some(()).ok_or("unknown type");
        bech32_decode(
            text,
            |_| "invalid Bech32 encoding",
            is_identity,
            |_, bytes| {
                let bytes = Zeroizing::new(bytes.collect::<Vec<u8>>());
                let seed = bytes.as_slice().try_into().map_err(|_| "invalid MLKEM768-X25519 secret key")?;
                Ok(Self(Zeroizing::new(seed)))
            },
        )
    }

    /// Returns the text of the identity, in capitals.
    pub(super) fn text(&self) -> Zeroizing<String> {
        struct Text<'a>(&'a Identity);
        impl fmt::Display for Text<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                bech32_encode_to_fmt(f, IDENTITY, &*self.0.0)
            }
        }
        Zeroizing::new(Zeroizing::new(Text(self).to_string()).to_uppercase())
    }

    pub(super) fn recipient(&self) -> Recipient {
        let (_, lattice, curve) = self.expand();
        Recipient { lattice, curve: PublicKey::from(&curve) }
    }

    fn expand(&self) -> (DecapsulationKey<MlKem768Params>, EncapsulationKey<MlKem768Params>, StaticSecret) {
        let mut stream = Shake256::default().chain(self.0.as_slice()).finalize_xof();
        let mut seeds = [(); 3].map(|()| Zeroizing::new([0; 32]));
        for seed in &mut seeds {
            stream.read(seed.as_mut());
        }
        let [d, z, curve] = seeds;
        let (secret, public) = MlKem768::generate_deterministic(&(*d).into(), &(*z).into());
        (secret, public, StaticSecret::from(*curve))
    }

    fn open(&self, stanza: &Stanza) -> Result<Option<FileKey>, DecryptError> {
        let [enc] = stanza.args.as_slice() else { return Err(DecryptError::InvalidHeader) };
        let enc = STANDARD_NO_PAD.decode(enc).map_err(|_| DecryptError::InvalidHeader)?;
        if enc.len() != CIPHERTEXT_BYTES + 32 || stanza.body.len() != BODY_BYTES {
            return Err(DecryptError::InvalidHeader);
        }
        let (ciphertext, share) = enc.split_at(CIPHERTEXT_BYTES);
        let ciphertext: [u8; CIPHERTEXT_BYTES] =
            ciphertext.try_into().map_err(|_| DecryptError::InvalidHeader)?;
        let share: [u8; 32] = share.try_into().map_err(|_| DecryptError::InvalidHeader)?;
        let (lattice, _, curve) = self.expand();
        let lattice_secret =
            lattice.decapsulate(&ciphertext.into()).map_err(|()| DecryptError::InvalidHeader)?;
        let curve_secret = curve.diffie_hellman(&PublicKey::from(share));
        if !curve_secret.was_contributory() {
            return Err(DecryptError::InvalidHeader);
        }
        let shared =
            combine(&lattice_secret, curve_secret.as_bytes(), &share, PublicKey::from(&curve).as_bytes());
        let (cipher, nonce) = schedule(&shared);
        // A key that does not fit shows only here.
        let Ok(plain) = cipher.decrypt(&nonce, stanza.body.as_slice()).map(Zeroizing::new) else {
            return Ok(None);
        };
        Ok((plain.len() == FILE_KEY_BYTES).then(|| FileKey::init_with_mut(|key| key.copy_from_slice(&plain))))
    }
}

impl ::age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != TAG {
            return None;
        }
        self.open(stanza).transpose()
    }
}

impl Recipient {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let is_recipient = |hrp: Hrp| (hrp == RECIPIENT).then_some(()).ok_or("unknown type");
        bech32_decode(
            text,
            |_| "invalid Bech32 encoding",
            is_recipient,
            |_, bytes| {
                let bytes: Vec<u8> = bytes.collect();
                Self::from_bytes(&bytes).ok_or("invalid MLKEM768-X25519 public key")
            },
        )
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (lattice, curve) = bytes.split_at_checked(PUBLIC_BYTES)?;
        let encoded: [u8; PUBLIC_BYTES] = lattice.try_into().ok()?;
        let curve: [u8; 32] = curve.try_into().ok()?;
        let lattice = EncapsulationKey::<MlKem768Params>::from_bytes(&encoded.into());
        // Numbers that are not reduced come back otherwise (FIPS 203, 7.2).
        (lattice.as_bytes().as_slice() == encoded).then(|| Self { lattice, curve: PublicKey::from(curve) })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.lattice.as_bytes().as_slice(), self.curve.as_bytes()].concat();
        bech32_encode_to_fmt(f, RECIPIENT, &bytes)
    }
}

impl ::age::Recipient for Recipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let refuse = |words: &str| EncryptError::Io(std::io::Error::other(words.to_owned()));
        let (ciphertext, lattice_secret) =
            self.lattice.encapsulate(&mut OsRng).map_err(|()| refuse("the recipient cannot be used"))?;
        let ephemeral = EphemeralSecret::random_from_rng(OsRng);
        let share = PublicKey::from(&ephemeral);
        let curve_secret = ephemeral.diffie_hellman(&self.curve);
        if !curve_secret.was_contributory() {
            return Err(refuse("the recipient is a weak key"));
        }
        let shared =
            combine(&lattice_secret, curve_secret.as_bytes(), share.as_bytes(), self.curve.as_bytes());
        let (cipher, nonce) = schedule(&shared);
        let body = cipher
            .encrypt(&nonce, file_key.expose_secret().as_slice())
            .map_err(|_| refuse("the file key cannot be sealed"))?;
        let enc = [ciphertext.as_slice(), share.as_bytes()].concat();
        let stanza = Stanza { tag: TAG.to_owned(), args: vec![STANDARD_NO_PAD.encode(enc)], body };
        Ok((vec![stanza], HashSet::from([LABEL.to_owned()])))
    }
}

/// Joins both shared secrets into the one of the KEM.
fn combine(lattice: &[u8], curve: &[u8], share: &[u8], public: &[u8]) -> Zeroizing<[u8; 32]> {
    let parts = [lattice, curve, share, public, COMBINER];
    let hash = parts.iter().fold(Sha3_256::new(), |hash, part| hash.chain_update(part));
    Zeroizing::new(hash.finalize().into())
}

/// HPKE's key schedule in base mode: the key and the nonce of the first message.
fn schedule(shared: &[u8; 32]) -> (ChaCha20Poly1305, Nonce) {
    let extract = |salt: &[u8], label: &[u8], secret: &[u8]| {
        Hkdf::<Sha256>::extract(Some(salt), &[b"HPKE-v1", SUITE, label, secret].concat())
    };
    let mut context = vec![0];
    context.extend_from_slice(&extract(b"", b"psk_id_hash", b"").0);
    context.extend_from_slice(&extract(b"", b"info_hash", INFO).0);
    let (_, secret) = extract(shared, b"secret", b"");
    let expand = |label: &[u8], out: &mut [u8]| {
        let length = [0, out.len() as u8];
        secret
            .expand_multi_info(&[&length, b"HPKE-v1", SUITE, label, &context], out)
            .expect("holds because 32 bytes are less than 255 blocks");
    };
    let mut key = Zeroizing::new([0; 32]);
    expand(b"key", key.as_mut());
    let mut nonce = Nonce::default();
    expand(b"base_nonce", &mut nonce);
    (ChaCha20Poly1305::new(Key::from_slice(key.as_slice())), nonce)
}

#[cfg(test)]
mod tests {
    use super::{Identity, Recipient};

    #[test]
    fn texts_are_read_back() {
        let identity = Identity::generate();
        let text = identity.text();
        assert!(text.starts_with("AGE-SECRET-KEY-PQ-1"));
        assert!(Identity::parse(&text).is_ok_and(|again| again.0 == identity.0));
        let recipient = identity.recipient().to_string();
        assert!(recipient.starts_with("age1pq1"));
        assert_eq!(Recipient::parse(&recipient).map(|again| again.to_string()), Ok(recipient));
    }
}
