//! `flux create secret sops`: the private keys that a Kustomization decrypts with.
//!
//! Differs: flux has no such command; entries are named as its library names them, by the Adler-32 of the key.

use sealfast_keys::keyring::Keyring;
use zeroize::Zeroizing;

use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::{self, Secret};
use crate::flux::{Failed, labels, told};

pub(super) const FLAGS: &[Flag] =
    &[Flag::long("age-key-file", Kind::List), Flag::long("gpg-key-file", Kind::List)];

pub(super) const HELP: &str = "\
Create a Secret with the private keys of age and OpenPGP that a Kustomization decrypts with.

Usage:
  flux create secret sops NAME [--age-key-file FILE]… [--gpg-key-file FILE]… [flags]

Flags:
      --age-key-file FILE   age identities, /dev/stdin for standard input
      --gpg-key-file FILE   OpenPGP secret key, armored, without a passphrase
      --label KEY=VALUE
      --export              print the Secret instead of creating it

Examples:
  flux create secret sops sops-age --namespace=flux-system --age-key-file=age.agekey
  gpg --export-secret-keys --armor my-key | flux create secret sops sops-gpg --gpg-key-file=/dev/stdin
";

pub(super) fn make(args: &Args, secret: Secret) -> Result<Secret, Failed> {
    let mut secret = secret.labelled(labels(args)?);
    for path in args.list("age-key-file") {
        let text = key(path)?;
        let mut keyring = Keyring::empty();
        keyring.add_age_identities(&text).map_err(|error| refused(path, &error))?;
        if !keyring.has_age_identities() {
            return Err(format!("{path}: there is no age identity in it").into());
        }
        secret.set(&format!("{}.agekey", adler32(text.as_bytes())), &text);
    }
    for path in args.list("gpg-key-file") {
        let text = key(path)?;
        let mut keyring = Keyring::empty();
        keyring.add_pgp_armored(text.as_bytes()).map_err(|error| refused(path, &error))?;
        opens(&keyring).map_err(|why| format!("{path}: {why}"))?;
        secret.set(&format!("{}.asc", adler32(text.as_bytes())), &text);
    }
    if secret.is_empty() {
        return Err("at least one key must be provided: name it with --age-key-file or --gpg-key-file".into());
    }
    Ok(secret.typed("Opaque"))
}

/// Checks that OpenPGP keys decrypt as they are: nobody is there to give a passphrase.
fn opens(keyring: &Keyring) -> Result<(), String> {
    if keyring.pgp_fingerprints().is_empty() {
        return Err("there are only public keys in it: export with gpg --export-secret-keys --armor".into());
    }
    match keyring.locked_pgp_fingerprints().first() {
        Some(locked) => Err(format!(
            "the key {locked} is locked by a passphrase, or not all there: take the passphrase off before you export it"
        )),
        None => Ok(()),
    }
}

fn key(path: &str) -> Result<Zeroizing<String>, Failed> {
    let text = secret::file(path, "unable to read key file")?;
    text.ok_or_else(|| format!("{path}: the key is empty").into())
}

fn refused(path: &str, error: &(dyn std::error::Error + 'static)) -> Failed {
    format!("{path}: {}", told(error)).into()
}

/// The checksum of RFC 1950.
fn adler32(bytes: &[u8]) -> u32 {
    const PRIME: u32 = 65521;
    let (low, high) = bytes.iter().fold((1, 0), |(low, high): (u32, u32), byte| {
        let low = (low + u32::from(*byte)) % PRIME;
        (low, (high + low) % PRIME)
    });
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::adler32;

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(&[0xff; 6000]), {
            let low = (1 + 6000 * 255) % 65521;
            let high = (0..6000u64).fold(0, |high, at| (high + 1 + (at + 1) * 255) % 65521);
            ((high as u32) << 16) | low
        });
    }
}
