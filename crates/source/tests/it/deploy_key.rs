//! Deploy keys: made, read, and used against the real `sshd`.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sealfast_source::git::deploy_key::{KeyPair, Kind, scan};
use sealfast_source::git::ssh::Login;
use sealfast_source::git::{Auth, Fetched, Reference, Request, fetch};
use sealfast_source::url::Address;
use sealfast_testkit::git::Server;
use sealfast_testkit::git::sshd::Sshd;
use secrecy::{ExposeSecret as _, SecretString};

fn scanned(port: u16) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(scan("127.0.0.1", port))?)
}

fn refusal(loaded: Result<KeyPair, sealfast_source::error::Error>) -> Result<String> {
    Ok(loaded.err().context("it must be refused")?.chain())
}

#[test]
fn every_kind_of_key_opens_the_way() -> Result<()> {
    let server = Server::start()?;
    server.create("repo")?;
    server.commit("repo", "main", &[("a.yaml", b"a: 1\n")], "one")?;
    let sshd = Sshd::start(&server, &["ed25519"])?;
    let known_hosts = scanned(sshd.port())?;
    for kind in [Kind::Ed25519, Kind::P256, Kind::P384, Kind::P521, Kind::Rsa(2048)] {
        let pair = KeyPair::generate(kind, &mut rand08::rngs::OsRng)?;
        let pem = pair.identity.expose_secret();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{kind:?}");
        assert!(pem.lines().all(|line| line.len() <= 64), "{kind:?}");
        assert_eq!(KeyPair::load(pair.identity.clone(), None)?.public, pair.public, "{kind:?}");
        sshd.authorize(&pair.public)?;
        let login = Login { identity: pair.identity, password: None, known_hosts: known_hosts.clone() };
        let reference = Reference { branch: Some("main".to_owned()), ..Reference::default() };
        let request = Request::new(Address::parse(&sshd.url("repo"))?, reference);
        let request = Request { auth: Auth::Ssh(login), timeout: Duration::from_secs(60), ..request };
        let Fetched::Commit(_) = fetch(&request)? else { bail!("{kind:?}: nothing was fetched") };
    }
    Ok(())
}

#[test]
fn a_host_shows_the_key_that_the_reference_asks_for() -> Result<()> {
    let server = Server::start()?;
    let both = Sshd::start(&server, &["ed25519", "ecdsa-256"])?;
    let bare = |line: String| line.split(' ').take(3).map(str::trim).collect::<Vec<_>>().join(" ");
    assert_eq!(scanned(both.port())?, bare(both.known_hosts("ecdsa-256")?));
    let rsa = Sshd::start(&server, &["ed25519", "rsa-3072"])?;
    assert_eq!(scanned(rsa.port())?, bare(rsa.known_hosts("rsa-3072")?));
    Ok(())
}

#[test]
fn a_given_key_stays_as_it_is_and_a_wrong_password_is_refused() -> Result<()> {
    let server = Server::start()?;
    let sshd = Sshd::start(&server, &["ed25519"])?;
    for (kind, form) in [("rsa-2048", "PEM"), ("ecdsa-384", "PKCS8"), ("ed25519", "OPENSSH")] {
        let text = sshd.identity(kind, "", form)?;
        let pair = KeyPair::load(SecretString::from(text.as_str()), None)?;
        assert_eq!(pair.identity.expose_secret(), text);
        assert_eq!(pair.public.split(' ').count(), 2, "{kind}: no comment");
        let refused = refusal(KeyPair::load(text.into(), Some("word")))?;
        assert!(refused.contains("key is not password protected"), "{refused}");
    }
    let locked = SecretString::from(sshd.identity("ed25519", "open sesame", "OPENSSH")?);
    assert!(KeyPair::load(locked.clone(), Some("open sesame"))?.public.starts_with("ssh-ed25519 "));
    let refused = refusal(KeyPair::load(locked.clone(), Some("close sesame")))?;
    assert!(refused.contains("does not open") && !refused.contains("close sesame"), "{refused}");
    assert!(refusal(KeyPair::load(locked, None))?.contains("passphrase protected"));
    assert!(refusal(KeyPair::load("no key".to_owned().into(), None))?.contains("no key found"));
    assert!(refusal(KeyPair::generate(Kind::Rsa(1024), &mut rand08::rngs::OsRng))?.contains("2048"));
    Ok(())
}
