//! OpenPGP in this process: keys of gpg, refused keys, new keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::pgp::{self, PgpOptions};
use sealfast_keys::{unlock, wrap};
use sealfast_testkit::gnupg::Home;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{data_key, key_file, key_text, metadata, now, pgp_key, round_trip};

const NAMES: [&str; 3] = ["gpg-rsa4096", "gpg-cv25519", "gpg-rsa2048"];

#[tokio::test]
async fn keys_of_gpg_wrap_with_the_public_and_open_with_the_secret_part() -> Result<()> {
    for name in NAMES {
        let (mut wraps, mut opens) = (Keyring::empty(), Keyring::empty());
        wraps.add_pgp_armored(key_file(&format!("{name}.pub.asc"))?)?;
        opens.add_pgp_armored(key_file(&format!("{name}.sec.asc"))?)?;
        let fingerprint = key_text(&format!("{name}.fpr"))?;
        assert_eq!(pgp::fingerprints(key_file(&format!("{name}.sec.asc"))?)?, [fingerprint.as_str()]);
        round_trip(vec![pgp_key(&fingerprint)?], &wraps, &opens).await?;
    }
    Ok(())
}

#[tokio::test]
async fn several_keys_in_one_file() -> Result<()> {
    let mut file = b"some words before\n".to_vec();
    for name in NAMES {
        file.extend(key_file(&format!("{name}.sec.asc"))?);
        file.extend(b"\n");
    }
    let mut keyring = Keyring::empty();
    keyring.add_pgp_armored(&file)?;
    assert_eq!(keyring.pgp_fingerprints().len(), 3);
    for name in NAMES {
        round_trip(vec![pgp_key(&key_text(&format!("{name}.fpr"))?)?], &keyring, &keyring).await?;
    }
    Ok(())
}

#[test]
fn what_is_no_key_is_refused() -> Result<()> {
    let message = "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n";
    let secret = String::from_utf8(key_file("gpg-rsa2048.sec.asc")?)?;
    let cut = &secret[..secret.len() / 2];
    for text in ["", "no key", message, cut] {
        let mut keyring = Keyring::empty();
        assert!(keyring.add_pgp_armored(text).is_err(), "{text:?} was taken");
        assert!(keyring.pgp_fingerprints().is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn another_key_is_told_by_its_fingerprint() -> Result<()> {
    let (mut wraps, mut opens) = (Keyring::empty(), Keyring::empty());
    wraps.add_pgp_armored(key_file("gpg-rsa2048.pub.asc")?)?;
    opens.add_pgp_armored(key_file("gpg-cv25519.sec.asc")?)?;
    let mut document = metadata(vec![vec![pgp_key(&key_text("gpg-rsa2048.fpr")?)?]])?;
    wrap::data_key(&mut document, &data_key(), &wraps, now()?, &mut rand08::rngs::OsRng).await?;
    let Err(failure) = unlock::data_key(&document, &opens, &unlock::Options::default()).await else {
        anyhow::bail!("it was opened")
    };
    let text = failure.to_string();
    assert!(text.contains("is encrypted to key id"), "{text}");
    assert!(text.contains(&key_text("gpg-cv25519.fpr")?), "{text}");
    Ok(())
}

#[tokio::test]
async fn keys_that_only_sign_or_have_expired_do_not_wrap() -> Result<()> {
    let home = Home::new()?;
    for (user, usage, expiry, reason) in
        [("signer", "sign", "never", "can only sign"), ("old", "default", "seconds=1", "expired on ")]
    {
        let args = ["--passphrase", "", "--quick-generate-key", user, "rsa2048", usage, expiry];
        home.run(
            &["--faked-system-time", "20250101T000000!"].into_iter().chain(args).collect::<Vec<_>>(),
            b"",
        )?;
        let public = home.run(&["--armor", "--export", user], b"")?;
        let fingerprint = pgp::fingerprints(&public)?.remove(0);
        let mut keyring = Keyring::empty();
        keyring.add_pgp_armored(public)?;
        let mut document = metadata(vec![vec![pgp_key(&fingerprint)?]])?;
        let wrapped =
            wrap::data_key(&mut document, &data_key(), &keyring, now()?, &mut rand08::rngs::OsRng).await;
        let Err(failure) = wrapped else { anyhow::bail!("{user} wrapped") };
        assert!(failure.to_string().contains(reason), "{failure}");
    }
    Ok(())
}

#[tokio::test]
async fn a_revoked_key_does_not_wrap() -> Result<()> {
    let home = Home::new()?;
    home.run(&["--passphrase", "", "--quick-generate-key", "gone", "rsa2048", "default", "never"], b"")?;
    let fingerprint = pgp::fingerprints(home.run(&["--armor", "--export", "gone"], b"")?)?.remove(0);
    // gpg keeps a revocation for later, with a colon that has to be taken away on purpose.
    let file = home.path().join("openpgp-revocs.d").join(format!("{fingerprint}.rev"));
    let revocation = std::fs::read_to_string(file)?.replace(":-----BEGIN", "-----BEGIN");
    home.import(revocation.as_bytes())?;
    let mut keyring = Keyring::empty();
    keyring.add_pgp_armored(home.run(&["--armor", "--export", "gone"], b"")?)?;
    let mut document = metadata(vec![vec![pgp_key(&fingerprint)?]])?;
    let wrapped =
        wrap::data_key(&mut document, &data_key(), &keyring, now()?, &mut rand08::rngs::OsRng).await;
    let Err(failure) = wrapped else { anyhow::bail!("a revoked key wrapped") };
    assert!(failure.to_string().contains(&format!("the OpenPGP key {fingerprint} is revoked")), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_new_key_is_known_to_gpg_and_opens_what_gpg_wraps() -> Result<()> {
    let options = PgpOptions {
        comment: "flux secrets".to_owned(),
        email: "ops@example.com".to_owned(),
        bits: 2048,
        ..PgpOptions::new("cluster0.example.com")
    };
    let key = pgp::generate(&options, now()?)?;
    let home = Home::new()?;
    home.import(key.armored_secret.expose_secret().as_bytes())?;
    let list = String::from_utf8(home.run(&["--with-colons", "--list-secret-keys"], b"")?)?;
    assert!(list.contains(&format!("fpr:::::::::{}:", key.fingerprint)), "{list}");
    assert!(list.contains("cluster0.example.com (flux secrets) <ops@example.com>"), "{list}");
    let primary = list.lines().find(|line| line.starts_with("sec:")).unwrap_or_default();
    let fields: Vec<&str> = primary.split(':').collect();
    assert_eq!((fields[2], fields[3], fields[6]), ("2048", "1", ""), "size, RSA, no end: {primary}");
    assert!(fields[11].starts_with("sc") || fields[11].starts_with("cs"), "{primary}");
    let exported = home.run(&["--armor", "--export-secret-keys", &key.fingerprint], b"")?;
    for file in [exported, key.armored_secret.expose_secret().as_bytes().to_vec()] {
        let mut keyring = Keyring::empty();
        keyring.add_pgp_armored(&file)?;
        round_trip(vec![pgp_key(&key.fingerprint)?], &keyring, &keyring).await?;
    }
    let public = home.run(&["--armor", "--export", &key.fingerprint], b"")?;
    assert_eq!(pgp::fingerprints(public)?, pgp::fingerprints(&key.armored_public)?);
    Ok(())
}

/// Gives one passphrase, whatever the key, and counts what it is told.
struct Giver {
    passphrase: &'static str,
    asked: Mutex<Vec<String>>,
    wrong: AtomicUsize,
}

impl Giver {
    fn of(passphrase: &'static str) -> Arc<Self> {
        Arc::new(Self { passphrase, asked: Mutex::default(), wrong: AtomicUsize::new(0) })
    }
}

impl pgp::Passphrases for Giver {
    fn ask(&self, fingerprint: &str) -> Option<SecretString> {
        self.asked.lock().ok()?.push(fingerprint.to_owned());
        Some(SecretString::from(self.passphrase))
    }

    fn was_wrong(&self, _fingerprint: &str) {
        self.wrong.fetch_add(1, Ordering::SeqCst);
    }
}

/// Makes a key that encrypts, and returns its fingerprint, its public and its locked secret part.
fn locked_key(home: &Home, user: &str, passphrase: &str) -> Result<(String, Vec<u8>, Vec<u8>)> {
    let unlock = ["--pinentry-mode", "loopback", "--passphrase", passphrase];
    let make = ["--quick-generate-key", user, "future-default", "default", "never"];
    home.run(&[&unlock[..], &make].concat(), b"")?;
    let public = home.run(&["--armor", "--export", user], b"")?;
    let secret = home.run(&[&unlock[..], &["--armor", "--export-secret-keys", user]].concat(), b"")?;
    Ok((pgp::fingerprints(&public)?.remove(0), public, secret))
}

/// Changes the last byte of an armored message.
fn damage(enc: &str) -> Result<String> {
    let is_content = |line: &&str| !line.is_empty() && !line.starts_with(['-', '=']) && !line.contains(':');
    let body: String = enc.lines().filter(is_content).collect();
    let mut bytes = STANDARD.decode(body)?;
    *bytes.last_mut().context("it is empty")? ^= 1;
    Ok(format!("-----BEGIN PGP MESSAGE-----\n\n{}\n-----END PGP MESSAGE-----\n", STANDARD.encode(bytes)))
}

#[tokio::test]
async fn locked_keys_ask_for_their_passphrase() -> Result<()> {
    let home = Home::new()?;
    let (other, _, other_secret) = locked_key(&home, "other", "another")?;
    let (fingerprint, public, secret) = locked_key(&home, "locked", "opens it")?;
    let mut wraps = Keyring::empty();
    wraps.add_pgp_armored(public)?;
    let mut document = metadata(vec![vec![pgp_key(&fingerprint)?]])?;
    let data_key = data_key();
    wrap::data_key(&mut document, &data_key, &wraps, now()?, &mut rand08::rngs::OsRng).await?;

    let mut opens = Keyring::empty();
    opens.add_pgp_armored(other_secret)?;
    opens.add_pgp_armored(secret)?;
    let words = crate::refused(&document, &opens).await?;
    let locked = format!("the secret key {fingerprint} is protected by a passphrase");
    assert!(words.contains(&locked) && !words.contains(&other), "{words}");

    let wrong = Giver::of("wrong");
    let words = crate::refused(&document, &opens.clone().with_pgp_passphrases(wrong.clone())).await?;
    assert!(
        words.contains(&format!("the passphrase that was given does not open the secret key {fingerprint}")),
        "{words}"
    );
    assert_eq!(wrong.wrong.load(Ordering::SeqCst), 3);

    let right = Giver::of("opens it");
    let mut damaged = document.clone();
    let enc = damage(document.key_groups[0].keys[0].enc())?;
    damaged.key_groups[0].keys[0].set_enc(enc, now()?);
    let words = crate::refused(&damaged, &opens.clone().with_pgp_passphrases(right.clone())).await?;
    assert!(words.contains("the PGP message is damaged"), "{words}");
    assert_eq!(right.wrong.load(Ordering::SeqCst), 0);

    let right = Giver::of("opens it");
    let keyring = opens.with_pgp_passphrases(right.clone());
    let found = unlock::data_key(&document, &keyring, &unlock::Options::default()).await?;
    assert_eq!(found.expose(), data_key.expose());
    assert_eq!(*right.asked.lock().map_err(|_| anyhow::anyhow!("poisoned"))?, [fingerprint]);
    Ok(())
}

#[tokio::test]
async fn a_stub_does_not_hinder_a_subkey_that_opens() -> Result<()> {
    let home = Home::new()?;
    home.run(&["--passphrase", "", "--quick-generate-key", "card", "rsa2048", "cert", "never"], b"")?;
    let public = home.run(&["--armor", "--export", "card"], b"")?;
    let fingerprint = pgp::fingerprints(&public)?.remove(0);
    home.run(&["--passphrase", "", "--quick-add-key", &fingerprint, "rsa2048", "encr", "never"], b"")?;
    // The primary key stays at home.
    let subkeys = home.run(&["--armor", "--export-secret-subkeys", &fingerprint], b"")?;
    let mut keyring = Keyring::empty();
    keyring.add_pgp_armored(&subkeys)?;
    round_trip(vec![pgp_key(&fingerprint)?], &keyring, &keyring).await
}

#[test]
fn user_ids_cannot_be_broken_out_of() -> Result<()> {
    for options in [
        PgpOptions::new(""),
        PgpOptions::new("a <b>"),
        PgpOptions { comment: "x) <y>".to_owned(), ..PgpOptions::new("a") },
        PgpOptions { bits: 1024, ..PgpOptions::new("a") },
    ] {
        assert!(pgp::generate(&options, now()?).is_err(), "{options:?}");
    }
    Ok(())
}
