//! A certificate of an application, and what it signs to say who asks.
//!
//! Follows: "Certificate credentials" of the Microsoft identity platform (PS256, thumbprint by SHA-256), and
//! `ClientCertificateCredential` of azidentity. Differs: a private key under a passphrase (PKCS#8) in a PEM file, and
//! PKCS#12 files that are protected by PBES2, are taken, too.

use azure_core::Error as AzureError;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_core::time::OffsetDateTime;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand08::rngs::OsRng;
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::pkcs5::EncryptionScheme;
use rsa::pkcs8::pkcs5::pbes2::Kdf;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _, EncryptedPrivateKeyInfo};
use rsa::pss::BlindedSigningKey;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Chain, pkcs12};

const BEGIN: &str = "-----BEGIN ";
/// What every PKCS#12 file starts with.
const DER_SEQUENCE: u8 = 0x30;
/// What a passphrase may cost, since the file tells it. Memory in bytes: usual libraries ask for all of it.
const MOST_MEMORY: u64 = 128 << 20;
const MOST_LANES: u16 = 16;
pub(super) const MOST_ITERATIONS: u32 = 10_000_000;
/// How long an assertion holds, in seconds.
const LIFETIME: i64 = 600;

/// A certificate of an application, ready to say who asks.
pub(super) struct Certificate {
    key: RsaPrivateKey,
    /// DER; that of the key comes first.
    chain: Vec<Vec<u8>>,
}

impl Certificate {
    /// Reads the PEM or PKCS#12 file, or says in words what is wrong with it.
    pub(super) fn read(file: &[u8], passphrase: Option<&SecretString>) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(file).ok().filter(|text| text.contains(BEGIN));
        let (keys, mut chain) = match text {
            Some(text) => of_pem(text, passphrase)?,
            None if file.first() == Some(&DER_SEQUENCE) => of_pkcs12(file, passphrase)?,
            None => return Err("the client certificate is neither a PEM nor a PKCS#12 file"),
        };
        let mut keys = keys.into_iter();
        let key = keys.next().ok_or("the file of the client certificate has no private key")?;
        if keys.next().is_some() {
            return Err("the file of the client certificate has more than one private key");
        }
        let public = key.to_public_key().to_public_key_der().map_err(|_| "the private key cannot be used")?;
        // A certificate holds the public key as it stands.
        let is_of_key =
            |der: &Vec<u8>| der.windows(public.as_bytes().len()).any(|part| part == public.as_bytes());
        let own =
            chain.iter().position(is_of_key).ok_or("none of the certificates is that of the private key")?;
        chain[..=own].rotate_right(1);
        Ok(Self { key, chain })
    }

    /// Says who asks the token endpoint, and signs it.
    fn assertion(&self, who: &Who, now: i64) -> Result<String, rsa::signature::Error> {
        let mut header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(Sha256::digest(&self.chain[0])) });
        if who.chain == Chain::Sent {
            header["x5c"] = self.chain.iter().map(|der| STANDARD.encode(der)).collect();
        }
        let claims = json!({
            "aud": who.audience, "iss": who.client, "sub": who.client, "jti": URL_SAFE_NO_PAD.encode(rand08::random::<[u8; 16]>()),
            "iat": now, "nbf": now, "exp": now + LIFETIME,
        });
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = BlindedSigningKey::<Sha256>::new(self.key.clone())
            .try_sign_with_rng(&mut OsRng, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }
}

/// The application, and whom it tells.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) client: String,
    /// The URL of the token endpoint.
    pub(super) audience: String,
    pub(super) chain: Chain,
}

/// What the SDK asks for an assertion.
pub(super) struct Assertion {
    pub(super) certificate: Certificate,
    pub(super) who: Who,
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assertion").field("who", &self.who).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl ClientAssertion for Assertion {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> Result<String, AzureError> {
        let signed = self.certificate.assertion(&self.who, OffsetDateTime::now_utc().unix_timestamp());
        signed.map_err(|_| {
            AzureError::with_message(
                ErrorKind::Credential,
                "the private key of the client certificate cannot sign",
            )
        })
    }
}

/// Private keys and certificates of a file.
type Parts = (Vec<RsaPrivateKey>, Vec<Vec<u8>>);

fn of_pem(text: &str, passphrase: Option<&SecretString>) -> Result<Parts, &'static str> {
    let (mut keys, mut chain) = (Vec::new(), Vec::new());
    for (label, content) in blocks(text)? {
        if label == "CERTIFICATE" {
            chain.push(content.to_vec());
        } else if label.ends_with("PRIVATE KEY") {
            keys.push(private_key(label, &content, passphrase)?);
        }
    }
    Ok((keys, chain))
}

fn of_pkcs12(file: &[u8], passphrase: Option<&SecretString>) -> Result<Parts, &'static str> {
    let content = pkcs12::Content::read(file, passphrase)?;
    let keys = content.keys.iter().map(|key| private_key("PRIVATE KEY", key, None));
    Ok((keys.collect::<Result<_, _>>()?, content.certificates))
}

fn private_key(
    label: &str,
    der: &[u8],
    passphrase: Option<&SecretString>,
) -> Result<RsaPrivateKey, &'static str> {
    match (label, passphrase) {
        ("PRIVATE KEY", _) => RsaPrivateKey::from_pkcs8_der(der).map_err(|_| "the private key is no RSA key"),
        ("RSA PRIVATE KEY", _) => RsaPrivateKey::from_pkcs1_der(der)
            .map_err(|_| "the private key cannot be read; it may be encrypted in an old way"),
        ("ENCRYPTED PRIVATE KEY", Some(passphrase)) => {
            let info =
                EncryptedPrivateKeyInfo::try_from(der).map_err(|_| "the private key cannot be read")?;
            check_cost(&info.encryption_algorithm)?;
            RsaPrivateKey::from_pkcs8_encrypted_der(der, passphrase.expose_secret())
                .map_err(|_| "the password does not open the private key, or it is no RSA key")
        }
        ("ENCRYPTED PRIVATE KEY", None) => Err("the private key needs a password"),
        _ => Err("the private key is no RSA key"),
    }
}

/// Refuses a file whose passphrase would cost more memory or time than any honest one.
pub(super) fn check_cost(scheme: &EncryptionScheme<'_>) -> Result<(), &'static str> {
    let kdf = scheme.pbes2().map(|parameters| &parameters.kdf);
    let is_cheap = match kdf {
        Some(Kdf::Scrypt(scrypt)) => {
            let memory = scrypt.cost_parameter.saturating_mul(128 * u64::from(scrypt.block_size));
            memory <= MOST_MEMORY && scrypt.parallelization <= MOST_LANES
        }
        Some(Kdf::Pbkdf2(pbkdf2)) => pbkdf2.iteration_count <= MOST_ITERATIONS,
        _ => return Err("the private key is encrypted in a way that is not known"),
    };
    if is_cheap {
        Ok(())
    } else {
        Err("the password of the private key costs too much memory or time to check")
    }
}

/// A block of a PEM file: its label and what it holds.
type Block<'a> = (&'a str, Zeroizing<Vec<u8>>);

fn blocks(text: &str) -> Result<Vec<Block<'_>>, &'static str> {
    let broken = "the PEM file of the client certificate is broken";
    let mut found = Vec::new();
    for block in text.split(BEGIN).skip(1) {
        let (label, rest) = block.split_once("-----").ok_or(broken)?;
        let (content, _) = rest.split_once("-----END ").ok_or(broken)?;
        let mut base64 = Zeroizing::new(String::with_capacity(content.len()));
        base64.extend(content.chars().filter(|char| !char.is_ascii_whitespace()));
        // What has headers is no plain PEM; its label tells whether it is wanted.
        match STANDARD.decode(base64.as_bytes()) {
            Ok(content) => found.push((label, Zeroizing::new(content))),
            Err(_) => found.push((label, Zeroizing::new(Vec::new()))),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rsa::pkcs8::EncryptedPrivateKeyInfo;
    use rsa::pkcs8::der::Encode as _;
    use rsa::pkcs8::pkcs5::EncryptionScheme;
    use rsa::pkcs8::pkcs5::pbes2::Parameters;
    use rsa::pkcs8::pkcs5::scrypt;
    use secrecy::SecretString;

    use super::{Certificate, private_key};

    #[test]
    fn a_pkcs12_file_gives_key_and_certificate() {
        let file = include_bytes!("../../tests/files/legacy.p12");
        let read = |passphrase: &str| Certificate::read(file, Some(&SecretString::from(passphrase)));
        assert_eq!(read("correct").map(|certificate| certificate.chain.len()).ok(), Some(1));
        assert!(read("wrong").err().is_some_and(|told| told.contains("the password does not open")));
        let neither = Certificate::read(b"hello", None).err();
        assert_eq!(neither, Some("the client certificate is neither a PEM nor a PKCS#12 file"));
    }

    fn reason(parameters: Parameters<'_>) -> &'static str {
        let encryption_algorithm = EncryptionScheme::Pbes2(parameters);
        let file = EncryptedPrivateKeyInfo { encryption_algorithm, encrypted_data: &[0; 32] };
        let der = file.to_der().expect("it encodes");
        let refused = private_key("ENCRYPTED PRIVATE KEY", &der, Some(&SecretString::from("p")));
        refused.expect_err("there is no key in it")
    }

    #[test]
    fn a_file_does_not_say_what_a_passphrase_costs_us() {
        let scrypt = |log_n, block, lanes| {
            let costs = scrypt::Params::new(log_n, block, lanes, 32).expect("they are valid");
            reason(Parameters::scrypt_aes256cbc(costs, &[1; 8], &[2; 16]).expect("they are valid"))
        };
        let pbkdf2 = |iterations| {
            reason(
                Parameters::pbkdf2_sha256_aes256cbc(iterations, &[1; 8], &[2; 16]).expect("they are valid"),
            )
        };
        for told in
            [scrypt(30, 8, 1), scrypt(18, 8, 1), scrypt(4, 8, 17), pbkdf2(10_000_001), pbkdf2(100_000_000)]
        {
            assert!(told.contains("costs too much"), "{told}");
        }
        for told in [scrypt(10, 8, 1), pbkdf2(2048)] {
            assert!(told.contains("the password does not open"), "{told}");
        }
    }
}
