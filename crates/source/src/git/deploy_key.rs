//! What a deploy key is made of: a key pair, and the key that a host shows.
//!
//! Follows: `flux create secret git` of Flux 2.9: private keys are PKCS #8 in PEM, public ones `TYPE BASE64` without a
//! comment. Differs: RSA keys below 2048 bits are not made.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::Preferred;
use russh::client;
use russh::keys::ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData, RsaKeypair};
use russh::keys::ssh_key::rand_core::CryptoRngCore;
use russh::keys::ssh_key::{Algorithm, EcdsaCurve, HashAlg};
use russh::keys::{PrivateKey, PublicKey, decode_secret_key};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::ssh::{KeyState, key_state};
use crate::error::{Error, chain};

/// How long a host may take to show its key.
const LONGEST_SCAN: Duration = Duration::from_secs(30);
/// Shorter RSA keys are not made.
const SHORTEST_RSA: usize = 2048;
const HEAD: &str = "-----BEGIN PRIVATE KEY-----\n";
const FOOT: &str = "-----END PRIVATE KEY-----\n";
/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410).
const ED25519_HEAD: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

/// A key that a host gives access for.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The private key in PEM.
    pub identity: SecretString,
    /// The public key as in `authorized_keys`, with a newline.
    pub public: String,
}

/// Which kind of key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RSA with so many bits.
    Rsa(usize),
    /// ECDSA over P-256.
    P256,
    /// ECDSA over P-384.
    P384,
    /// ECDSA over P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyPair {
    /// Reads a private key in PEM, which stays as it is, and derives the public one.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::KeyLocked`], [`Error::KeyPassword`], and [`Error::KeyOpen`] for a password that nothing
    /// needs.
    pub fn load(identity: SecretString, password: Option<&str>) -> Result<Self, Error> {
        match (key_state(&identity), password) {
            (KeyState::Open, Some(_)) => return Err(Error::KeyOpen),
            (KeyState::Locked, None) => return Err(Error::KeyLocked),
            (KeyState::Unreadable, _) => return Err(Error::NoKey),
            _ => {}
        }
        let key = decode_secret_key(identity.expose_secret(), password)
            .map_err(|error| Error::KeyPassword { source: Box::new(error) })?;
        Ok(Self { public: public_line(key.public_key())?, identity })
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`Error::ShortKey`] when the wanted kind is too weak, [`Error::Setting`] when it cannot be made.
    pub fn generate(kind: Kind, rng: &mut impl CryptoRngCore) -> Result<Self, Error> {
        let curve = |curve, rng: &mut _| EcdsaKeypair::random(rng, curve).map(KeypairData::from);
        let made = match kind {
            Kind::Rsa(..SHORTEST_RSA) => return Err(Error::ShortKey { shortest: SHORTEST_RSA }),
            Kind::Rsa(bits) => RsaKeypair::random(rng, bits).map(KeypairData::from),
            Kind::P256 => curve(EcdsaCurve::NistP256, rng),
            Kind::P384 => curve(EcdsaCurve::NistP384, rng),
            Kind::P521 => curve(EcdsaCurve::NistP521, rng),
            Kind::Ed25519 => Ok(KeypairData::from(Ed25519Keypair::random(rng))),
        };
        let key = made.and_then(|data| PrivateKey::new(data, "")).map_err(failed)?;
        Ok(Self { public: public_line(key.public_key())?, identity: pem(&key)? })
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Setting { setting: "key pair", source: Box::new(error) }
}

/// `TYPE BASE64` and a newline.
fn public_line(key: &PublicKey) -> Result<String, Error> {
    let bare = PublicKey::new(key.key_data().clone(), "");
    Ok(format!("{}\n", bare.to_openssh().map_err(failed)?.trim_end()))
}

/// PKCS #8 in lines of 64 letters.
fn pem(key: &PrivateKey) -> Result<SecretString, Error> {
    let der = match key.key_data() {
        // As OpenSSL and Go write it: without the public key.
        KeypairData::Ed25519(pair) => {
            let seed = Zeroizing::new(pair.private.to_bytes());
            Zeroizing::new([ED25519_HEAD.as_slice(), seed.as_slice()].concat())
        }
        _ => Zeroizing::new(russh::keys::pkcs8::encode_pkcs8(key).map_err(failed)?),
    };
    let text = Zeroizing::new(STANDARD.encode(&*der));
    // Room for exactly that, so that no part stays behind where it grew out of or was cut from.
    let length = HEAD.len() + text.len() + text.len().div_ceil(64) + FOOT.len();
    let mut pem = String::with_capacity(length);
    pem.push_str(HEAD);
    for at in (0..text.len()).step_by(64) {
        pem.push_str(&text[at..text.len().min(at + 64)]);
        pem.push('\n');
    }
    pem.push_str(FOOT);
    Ok(pem.into())
}

/// Asks a host for its key, and returns the line of a `known_hosts` file for it, without a newline.
///
/// # Errors
/// [`Error::Protocol`] when the host cannot be reached, or shows no key in 30 seconds.
pub async fn scan(host: &str, port: u16) -> Result<String, Error> {
    let shown = tokio::time::timeout(LONGEST_SCAN, shown_key(host, port)).await;
    let key =
        shown.map_err(|_| Error::Protocol { text: format!("dial tcp {host}:{port}: i/o timeout") })??;
    let name = match port {
        22 => host.to_owned(),
        _ => format!("[{}]:{port}", unbracketed(host)),
    };
    Ok(format!("{name} {}", public_line(&key)?.trim_end()))
}

async fn shown_key(host: &str, port: u16) -> Result<PublicKey, Error> {
    let stream = TcpStream::connect((unbracketed(host), port)).await;
    let stream =
        stream.map_err(|error| Error::Protocol { text: format!("dial tcp {host}:{port}: {error}") })?;
    let preferred = Preferred { key: Cow::Borrowed(&ASKED), ..Preferred::DEFAULT };
    let config = client::Config { preferred, ..client::Config::default() };
    let shown = Arc::new(Mutex::new(None));
    let connected = client::connect_stream(Arc::new(config), stream, Looker(Arc::clone(&shown))).await;
    let key = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    key.ok_or_else(|| {
        let why = connected.err().map_or_else(|| "no host key".to_owned(), |error| chain(&error));
        Error::Protocol { text: format!("ssh: handshake failed: {why}") }
    })
}

/// The address itself has no brackets.
fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The order in which the reference asks for keys: what a host with several shows.
const ASKED: [Algorithm; 7] = [
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: None },
    Algorithm::Ed25519,
];

/// Keeps the key that is shown, and hangs up.
struct Looker(Arc<Mutex<Option<PublicKey>>>);

impl client::Handler for Looker {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKey) -> Result<bool, Self::Error> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown.clone());
        Ok(false)
    }
}
