//! Signatures made by the real `gpg` and `ssh-keygen`, through the real `git`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use sealfast_source::git::commit::Commit;
use sealfast_source::git::{Fetched, Reference, Request, fetch};
use sealfast_source::url::Address;
use sealfast_source::verify::{Keys, Mode, verify};
use sealfast_testkit::git::Server;
use sealfast_testkit::gnupg::Home;
use sealfast_testkit::program;
use sealfast_testkit::scratch::Scratch;

const NAME: &str = "Signer <signer@example.com>";

fn now() -> Timestamp {
    Timestamp::now()
}

fn get(url: &str, reference: Reference) -> Result<Commit> {
    let request =
        Request { timeout: Duration::from_secs(30), ..Request::new(Address::parse(url)?, reference) };
    match fetch(&request)? {
        Fetched::Commit(commit) => Ok(*commit),
        Fetched::Unchanged { revision } => bail!("unchanged: {revision}"),
    }
}

fn branch(name: &str) -> Reference {
    Reference { branch: Some(name.to_owned()), ..Reference::default() }
}

fn tag(name: &str) -> Reference {
    Reference { tag: Some(name.to_owned()), ..Reference::default() }
}

fn keys(name: &str, content: &[u8]) -> Keys {
    let mut keys = Keys::default();
    keys.add(name, content);
    keys
}

fn failure(commit: &Commit, mode: Mode, keys: &Keys) -> Result<String> {
    Ok(verify(commit, mode, keys, now()).err().context("it must fail")?.chain())
}

/// A repository whose `main` is signed, and has a signed tag `v1`, an annotated one `plain` and a light one `light`.
struct Signed {
    server: Server,
    url: String,
}

impl Signed {
    fn new(settings: &[&str]) -> Result<Self> {
        let server = Server::start()?;
        let url = server.create("repo")?;
        let scratch = Scratch::new()?;
        let run = |args: &[&str]| server.run(scratch.path(), &[settings, args].concat());
        run(&["init", "--quiet", "--initial-branch=main"])?;
        std::fs::write(scratch.join("a.yaml"), "a: 1\n")?;
        run(&["add", "."])?;
        run(&["commit", "-q", "-S", "-m", "signed"])?;
        run(&["tag", "-s", "-m", "signed tag", "v1"])?;
        run(&["tag", "-a", "-m", "no signature", "plain"])?;
        run(&["tag", "light"])?;
        let bare = server.folder("repo").display().to_string();
        run(&["push", "-q", &bare, "main", "v1", "plain", "light"])?;
        Ok(Self { server, url })
    }

    fn with_gpg(home: &Home) -> Result<Self> {
        let wrapper = wrapper(home.path())?;
        Self::new(&["-c", &format!("gpg.program={wrapper}"), "-c", &format!("user.signingkey={NAME}")])
    }

    fn with_ssh(key: &Path) -> Result<Self> {
        let key = format!("user.signingkey={}", key.display());
        Self::new(&["-c", "gpg.format=ssh", "-c", &key])
    }
}

/// Git's environment has no `GNUPGHOME`, so that a script sets it.
fn wrapper(home: &Path) -> Result<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = home.join("sign");
    let text = format!("#!/bin/sh\nGNUPGHOME='{}' exec gpg \"$@\"\n", home.display());
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
    Ok(path.display().to_string())
}

fn gpg_key(home: &Home, algorithm: &str, expire: &str) -> Result<String> {
    let pass = ["--pinentry-mode", "loopback", "--passphrase", ""];
    home.run(&[&pass[..], &["--quick-generate-key", NAME, algorithm, "sign", expire]].concat(), b"")?;
    id(home)
}

fn id(home: &Home) -> Result<String> {
    let listed = String::from_utf8(home.run(&["--with-colons", "--list-keys", NAME], b"")?)?;
    let line = listed.lines().find(|line| line.starts_with("pub:")).context("a key")?;
    Ok(line.split(':').nth(4).context("its id")?.to_owned())
}

fn export(home: &Home) -> Result<Vec<u8>> {
    home.run(&["--armor", "--export", NAME], b"")
}

#[test]
fn openpgp_signatures_of_commits_and_tags() -> Result<()> {
    let home = Home::new()?;
    let id = gpg_key(&home, "ed25519", "0")?;
    let signed = Signed::with_gpg(&home)?;
    let trusted = keys("author.asc", &export(&home)?);
    let (head, tagged) = (get(&signed.url, branch("main"))?, get(&signed.url, tag("v1"))?);
    let commit = format!("commit '{}' with key '{id}'", head.hash);
    assert_eq!(verify(&head, Mode::Head, &trusted, now())?, format!("verified signature of\n\t- {commit}"));
    let object = tagged.tag.clone().context("a tag")?.hash.context("an object")?;
    assert_eq!(
        verify(&tagged, Mode::TagAndHead, &trusted, now())?,
        format!("verified signature of\n\t- tag 'v1@{object}' with key '{id}'\n\t- {commit}")
    );

    let none = failure(&head, Mode::Tag, &trusted)?;
    assert_eq!(none, "cannot verify tag object's signature if a tag reference is not specified");
    let light = get(&signed.url, tag("light"))?;
    let text = failure(&light, Mode::Tag, &trusted)?;
    assert_eq!(text, "cannot verify signature of tag 'light' since it is not signed");
    let plain = get(&signed.url, tag("plain"))?;
    let text = failure(&plain, Mode::TagAndHead, &trusted)?;
    assert!(text.starts_with("cannot verify signature of tag 'plain@"), "{text}");

    let text = failure(&head, Mode::Head, &keys("x.sshpub", b""))?;
    assert!(
        text.ends_with(
            "PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)"
        )
    );
    let text = failure(&head, Mode::Head, &keys("x.asc", b"no key"))?;
    assert!(text.contains("unable to read armored key ring"), "{text}");
    let mut changed = get(&signed.url, branch("main"))?;
    changed.raw.extend_from_slice(b"more");
    let text = failure(&changed, Mode::Head, &trusted)?;
    assert!(text.contains("unable to verify payload with any of the given key rings"), "{text}");
    Ok(())
}

#[test]
fn keys_that_are_expired_revoked_or_others_do_not_count() -> Result<()> {
    let home = Home::new()?;
    gpg_key(&home, "rsa2048", "2d")?;
    let signed = Signed::with_gpg(&home)?;
    let head = get(&signed.url, branch("main"))?;
    let trusted = keys("author.asc", &export(&home)?);
    verify(&head, Mode::Head, &trusted, now())?;
    let later = now() + Duration::from_secs(3 * 24 * 3600);
    assert!(verify(&head, Mode::Head, &trusted, later).is_err(), "the key has expired then");

    let other = Home::new()?;
    gpg_key(&other, "ed25519", "0")?;
    let text = failure(&head, Mode::Head, &keys("author.asc", &export(&other)?))?;
    assert!(text.ends_with("unable to verify Git commit: unable to verify payload with any of the given key rings: no matching key"));

    let id = id(&home)?;
    let script =
        std::fs::read_dir(home.path().join("openpgp-revocs.d"))?.next().context("a revocation")??;
    let text = std::fs::read_to_string(script.path())?.replace(":-----BEGIN", "-----BEGIN");
    home.import(text.as_bytes())?;
    let text = failure(&head, Mode::Head, &keys("author.asc", &export(&home)?))?;
    assert!(text.contains("no matching key"), "{id} is revoked: {text}");
    Ok(())
}

#[test]
fn ssh_signatures_of_commits_and_tags() -> Result<()> {
    for (kind, bits) in [("ed25519", "256"), ("ecdsa", "384"), ("rsa", "2048")] {
        let scratch = Scratch::new()?;
        let key = scratch.join("key");
        let mut keygen = program::clean("ssh-keygen")?;
        keygen.args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "somebody", "-f"]).arg(&key);
        program::output(&mut keygen)?;
        let public = std::fs::read_to_string(key.with_extension("pub"))?;
        let signed = Signed::with_ssh(&key)?;
        let tagged = get(&signed.url, tag("v1"))?;
        let list = format!("# people\n\nno-pty {public}");
        let text = verify(&tagged, Mode::TagAndHead, &keys("people.sshpub", list.as_bytes()), now())?;
        let shown = program::text(program::clean("ssh-keygen")?.args(["-l", "-f"]).arg(&key))?;
        let fingerprint = shown.split(' ').nth(1).context("a fingerprint")?;
        assert_eq!(text.matches(fingerprint).count(), 2, "{text} names {fingerprint}");

        let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
        let text = failure(&tagged, Mode::Head, &keys("x.sshpub", other.as_bytes()))?;
        assert!(
            text.contains("unable to verify Git commit SSH signature: unable to verify payload"),
            "{text}"
        );
        let text = failure(&tagged, Mode::Tag, &keys("x.asc", b""))?;
        assert!(text.contains("SSH signature detected but no SSH public keys found"), "{text}");
        drop(signed.server);
    }
    Ok(())
}

#[test]
fn what_is_not_signed_says_so() -> Result<()> {
    let server = Server::start()?;
    let url = server.create("repo")?;
    let hash = server.commit("repo", "main", &[("a", b"1")], "plain")?;
    let head = get(&url, branch("main"))?;
    let text = failure(&head, Mode::Head, &keys("x.asc", b""))?;
    assert_eq!(
        text,
        format!("signature verification of commit '{hash}' failed: unsupported signature type: empty")
    );
    Ok(())
}
