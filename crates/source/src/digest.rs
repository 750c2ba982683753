//! Digests of archives: `<algorithm>:<hex>`.
//!
//! Follows: the algorithms of source-controller (`--artifact-digest-algo`).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::archive::hex;
use crate::error::Error;

/// How archives are digested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// BLAKE3, 32 bytes.
    Blake3,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 4] = [Self::Sha256, Self::Sha384, Self::Sha512, Self::Blake3];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        found.ok_or_else(|| Error::DigestAlgorithm { name: text.to_owned() })
    }
}

/// A digest in the making.
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
    /// BLAKE3.
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Begins.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
            Algorithm::Blake3 => Self::Blake3(Box::new(blake3::Hasher::new())),
        }
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
            Self::Blake3(hash) => {
                hash.update(bytes);
            }
        }
    }

    /// Returns the digest with its algorithm in front.
    #[must_use]
    pub fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => format!("sha256:{}", hex(&hash.finalize())),
            Self::Sha384(hash) => format!("sha384:{}", hex(&hash.finalize())),
            Self::Sha512(hash) => format!("sha512:{}", hex(&hash.finalize())),
            Self::Blake3(hash) => format!("blake3:{}", hash.finalize().to_hex()),
        }
    }
}

/// Begins a digest by the algorithm of another one.
///
/// # Errors
/// [`Error::DigestAlgorithm`].
pub fn like(digest: &str) -> Result<Hasher, Error> {
    let name = digest.split_once(':').map_or(digest, |(name, _)| name);
    Ok(Hasher::new(name.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_nothing_are_the_published_ones() {
        for (algorithm, start) in [
            (Algorithm::Sha256, "sha256:e3b0c44298fc1c14"),
            (Algorithm::Sha384, "sha384:38b060a751ac9638"),
            (Algorithm::Sha512, "sha512:cf83e1357eefb8bd"),
            (Algorithm::Blake3, "blake3:af1349b9f5f9a1a6"),
        ] {
            let digest = Hasher::new(algorithm).finish();
            assert!(digest.starts_with(start), "{digest}");
            assert_eq!(like(&digest).map(Hasher::finish).unwrap_or_default(), digest);
        }
        assert!(like("md5:00").is_err() && "SHA256".parse::<Algorithm>().is_err());
    }
}
