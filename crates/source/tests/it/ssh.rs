//! Fetching over SSH from the real `sshd`.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sealfast_source::git::ssh::{Algorithms, KeyState, Login, key_state};
use sealfast_source::git::{Auth, Fetched, Reference, Request, fetch};
use sealfast_source::url::Address;
use sealfast_testkit::git::Server;
use sealfast_testkit::git::sshd::Sshd;
use secrecy::SecretString;

fn login(identity: &str, known_hosts: &str) -> Login {
    Login { identity: SecretString::from(identity), password: None, known_hosts: known_hosts.to_owned() }
}

fn request(url: &str, login: Login) -> Result<Request> {
    let reference = Reference { branch: Some("main".to_owned()), ..Reference::default() };
    let request = Request::new(Address::parse(url)?, reference);
    Ok(Request { auth: Auth::Ssh(login), timeout: Duration::from_secs(30), ..request })
}

fn revision(request: &Request) -> Result<String> {
    match fetch(request)? {
        Fetched::Commit(commit) => Ok(commit.revision.clone()),
        Fetched::Unchanged { revision } => bail!("unchanged: {revision}"),
    }
}

fn failure(request: &Request) -> Result<String> {
    Ok(fetch(request).err().context("it must fail")?.chain())
}

#[test]
fn every_kind_of_host_key_and_identity_opens_the_way() -> Result<()> {
    let server = Server::start()?;
    server.create("repo")?;
    let commit = server.commit("repo", "main", &[("a.yaml", b"a: 1\n")], "one")?;
    let expected = format!("main@sha1:{commit}");
    let kinds = ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-3072"];
    let sshd = Sshd::start(&server, &kinds)?;
    let url = sshd.url("repo");
    let identity = sshd.identity("ed25519", "", "OPENSSH")?;
    for kind in kinds {
        let wanted = request(&url, login(&identity, &sshd.known_hosts(kind)?))?;
        assert_eq!(revision(&wanted)?, expected, "{kind}");
    }
    let known = sshd.known_hosts("ed25519")?;
    for (kind, form) in
        [("ecdsa-256", "OPENSSH"), ("ecdsa-384", "PKCS8"), ("rsa-2048", "PEM"), ("rsa-3072", "OPENSSH")]
    {
        let identity = sshd.identity(kind, "", form)?;
        assert_eq!(key_state(&SecretString::from(identity.as_str())), KeyState::Open, "{kind} {form}");
        assert_eq!(revision(&request(&url, login(&identity, &known))?)?, expected, "{kind} {form}");
    }
    let mut again = request(&url, login(&identity, &known))?;
    again.known_revision = Some(expected);
    assert!(matches!(fetch(&again)?, Fetched::Unchanged { .. }));
    Ok(())
}

#[test]
fn a_locked_identity_wants_its_password() -> Result<()> {
    let server = Server::start()?;
    server.create("repo")?;
    server.commit("repo", "main", &[("a", b"1")], "one")?;
    let sshd = Sshd::start(&server, &["ed25519"])?;
    for form in ["OPENSSH", "PKCS8"] {
        let identity = sshd.identity("rsa-2048", "open sesame", form)?;
        assert_eq!(key_state(&SecretString::from(identity.as_str())), KeyState::Locked, "{form}");
        let mut wanted = request(&sshd.url("repo"), login(&identity, &sshd.known_hosts("ed25519")?))?;
        assert!(failure(&wanted)?.contains("ssh: this private key is passphrase protected"));
        let Auth::Ssh(login) = &mut wanted.auth else { bail!("not SSH") };
        login.password = Some(SecretString::from("open sesame"));
        revision(&wanted)?;
        let shown = format!("{wanted:?}");
        assert!(!shown.contains("sesame") && !shown.contains("PRIVATE"), "{shown}");
    }
    assert_eq!(key_state(&SecretString::from("no key")), KeyState::Unreadable);
    Ok(())
}

#[test]
fn strangers_and_strange_hosts_are_turned_away() -> Result<()> {
    let server = Server::start()?;
    server.create("repo")?;
    server.commit("repo", "main", &[("a", b"1")], "one")?;
    let sshd = Sshd::start(&server, &["ed25519", "ecdsa-256"])?;
    let url = sshd.url("repo");
    let identity = sshd.identity("ed25519", "", "OPENSSH")?;
    let known = sshd.known_hosts("ed25519")?;
    let of = |identity: &str, known: &str, url: &str| failure(&request(url, login(identity, known))?);

    let text = of(&identity, &known.replace("127.0.0.1", "127.0.0.2"), &url)?;
    assert!(text.ends_with("ssh: handshake failed: knownhosts: key is unknown"), "{text}");
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    let text = of(&identity, &format!("[127.0.0.1]:{} {other}", sshd.port()), &url)?;
    assert!(text.ends_with("ssh: handshake failed: knownhosts: key mismatch"), "{text}");

    let elsewhere = Sshd::start(&server, &["ed25519"])?;
    let stranger = elsewhere.identity("ed25519", "", "OPENSSH")?;
    let text = of(&stranger, &known, &url)?;
    assert!(text.contains("ssh: unable to authenticate"), "{text}");
    let text = of(&identity, &known, &sshd.url("nothing"))?;
    assert!(text.ends_with("repository not found"), "{text}");
    Ok(())
}

#[test]
fn a_silent_host_is_left_in_time() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let server = Server::start()?;
    let sshd = Sshd::start(&server, &["ed25519"])?;
    let identity = sshd.identity("ed25519", "", "OPENSSH")?;
    let known = sshd.known_hosts("ed25519")?.replace(&sshd.port().to_string(), &port.to_string());
    let mut wanted = request(&format!("ssh://git@127.0.0.1:{port}/repo.git"), login(&identity, &known))?;
    wanted.timeout = Duration::from_millis(500);
    let start = Instant::now();
    assert!(failure(&wanted)?.ends_with("context deadline exceeded"));
    assert!(start.elapsed() < Duration::from_secs(10));
    Ok(())
}

#[test]
fn algorithms_are_offered_as_they_are_listed() -> Result<()> {
    let server = Server::start()?;
    server.create("repo")?;
    server.commit("repo", "main", &[("a", b"1")], "one")?;
    let sshd = Sshd::start(&server, &["ed25519", "ecdsa-256"])?;
    let identity = sshd.identity("ed25519", "", "OPENSSH")?;
    let known = format!("{}{}", sshd.known_hosts("ed25519")?, sshd.known_hosts("ecdsa-256")?);
    let offer = |exchange: &[&str], keys: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Algorithms::parse(&owned(exchange), &owned(keys))
    };
    let mut wanted = request(&sshd.url("repo"), login(&identity, &known))?;
    for (exchange, keys) in [
        (["ecdh-sha2-nistp384"].as_slice(), [].as_slice()),
        (&["curve25519-sha256", "diffie-hellman-group14-sha256"], &["ecdsa-sha2-nistp256"]),
        (&[], &["ssh-ed25519"]),
    ] {
        wanted.ssh = offer(exchange, keys)?;
        revision(&wanted)?;
    }
    // What the server lacks is not replaced by something that was not listed.
    for (exchange, keys) in
        [(["diffie-hellman-group1-sha1"].as_slice(), [].as_slice()), (&[], &["rsa-sha2-512"])]
    {
        wanted.ssh = offer(exchange, keys)?;
        let text = failure(&wanted)?;
        assert!(text.contains("ssh: handshake failed"), "{text}");
    }
    for (exchange, keys) in [(["none"].as_slice(), [].as_slice()), (&["x"], &[]), (&[], &["ssh-x"])] {
        assert!(offer(exchange, keys).is_err(), "{exchange:?} {keys:?}");
    }
    Ok(())
}
