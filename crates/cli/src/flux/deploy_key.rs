//! The key for a Git server over SSH, and the key that the server shows.

use sealfast_source::error::Error;
use sealfast_source::git::deploy_key::{self, KeyPair, Kind};
use secrecy::{ExposeSecret as _, SecretString};

use super::args::Args;
use super::secret::{self, Secret};
use super::{Failed, address, connect, told};

/// Checks `--ssh-key-algorithm`.
pub(super) fn algorithm(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("no public key algorithm given, must be one of: rsa, ecdsa, ed25519".to_owned());
    }
    if ["rsa", "ecdsa", "ed25519"].contains(&text) {
        return Ok(());
    }
    Err(format!("unsupported public key algorithm '{text}', must be one of: rsa, ecdsa, ed25519"))
}

/// Checks `--ssh-rsa-bits`.
pub(super) fn rsa_bits(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Ok(());
    }
    match text.parse::<i32>() {
        Err(_) => Err(format!("strconv.Atoi: parsing {text:?}: invalid syntax")),
        Ok(..1024) => Err("RSA key bit size must be at least 1024".to_owned()),
        Ok(bits) if bits % 8 != 0 => Err("RSA key bit size must be a multiples of 8".to_owned()),
        Ok(_) => Ok(()),
    }
}

/// Checks `--ssh-ecdsa-curve`.
pub(super) fn curve(text: &str) -> Result<(), String> {
    if ["p256", "p384", "p521"].contains(&text) {
        return Ok(());
    }
    Err(format!("unsupported curve '{text}', must be one of: p256, p384, p521"))
}

/// Reads or makes a key, asks the host of the address for its own, and puts both into a Secret.
pub(super) fn add(args: &Args, url: &str, secret: &mut Secret) -> Result<(), Failed> {
    let password = args.filled("password");
    let pair = pair(args, password)?;
    secret.set("known_hosts", &scan(url)?);
    secret.set("identity", pair.identity.expose_secret());
    secret.set("identity.pub", &pair.public);
    secret.set_some("password", password);
    Ok(())
}

fn pair(args: &Args, password: Option<&str>) -> Result<KeyPair, Failed> {
    let path = args.text("private-key-file").unwrap_or_default();
    let pair = match path {
        "" => KeyPair::generate(kind(args), &mut rand08::rngs::OsRng),
        path => {
            let text = secret::file(path, "failed to open private key file")?;
            let text = text.map_or_else(String::new, |text| String::clone(&text));
            KeyPair::load(SecretString::from(text), password)
        }
    };
    pair.map_err(|error| {
        let why = told(&error);
        match error {
            Error::KeyLocked => format!("{why}: give its passphrase with --password").into(),
            _ => Failed(why),
        }
    })
}

/// Which key is made; the flags were checked when they were read.
fn kind(args: &Args) -> Kind {
    let bits = || args.text("ssh-rsa-bits").and_then(|bits| bits.parse().ok());
    match (args.text("ssh-key-algorithm"), args.text("ssh-ecdsa-curve")) {
        (Some("rsa"), _) => Kind::Rsa(bits().unwrap_or(2048)),
        (Some("ed25519"), _) => Kind::Ed25519,
        (_, Some("p256")) => Kind::P256,
        (_, Some("p521")) => Kind::P521,
        _ => Kind::P384,
    }
}

fn scan(url: &str) -> Result<String, Failed> {
    let (host, port) = address::ssh_host(url);
    let shown = connect::runtime()?.block_on(deploy_key::scan(host, port));
    shown.map_err(|error| {
        let why = told(&error);
        format!("SSH key scan for host {host}:{port} failed, error: {why}").into()
    })
}
