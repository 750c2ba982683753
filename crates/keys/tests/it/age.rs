//! age: identities and recipients of every kind, the file of a new identity.

use std::io::Write as _;

use ::age::armor::{ArmoredWriter, Format};
use anyhow::{Context as _, Result};
use sealfast_keys::age;
use sealfast_keys::error::Error;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::{unlock, wrap};
use sealfast_sops::master_key::MasterKey;
use sealfast_testkit::place;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{age_key, data_key, key_file, key_text, metadata, now, refused, round_trip};

#[tokio::test]
async fn x25519() -> Result<()> {
    let mut opens = Keyring::empty();
    opens.add_age_identities(&key_text("age1.agekey")?)?;
    round_trip(vec![age_key(&key_text("age1.pub")?)], &Keyring::empty(), &opens).await
}

#[tokio::test]
async fn post_quantum() -> Result<()> {
    let mut opens = Keyring::empty();
    opens.add_age_identities(&key_text("age-pq.agekey")?)?;
    assert_eq!(opens.age_recipients(), [key_text("age-pq.pub")?]);
    round_trip(vec![age_key(&key_text("age-pq.pub")?)], &Keyring::empty(), &opens).await?;
    let fresh = age::generate_post_quantum();
    let mut other = Keyring::empty();
    other.add_age_identities(fresh.secret().expose_secret())?;
    round_trip(vec![age_key(fresh.recipient())], &Keyring::empty(), &other).await?;
    assert!(round_trip(vec![age_key(fresh.recipient())], &Keyring::empty(), &opens).await.is_err());
    Ok(())
}

#[tokio::test]
async fn ssh_keys() -> Result<()> {
    for name in ["ssh-ed25519", "ssh-rsa"] {
        let mut opens = Keyring::empty();
        opens.add_ssh_identity(&key_file(name)?, None)?;
        let recipient = key_text(&format!("{name}.pub"))?;
        round_trip(vec![age_key(&recipient)], &Keyring::empty(), &opens).await?;
    }
    Ok(())
}

/// The second stanza of an age file, with another first letter in its body.
fn damaged(file: &[u8]) -> Result<String> {
    let text = String::from_utf8_lossy(file);
    let at = text.find("-> ssh-rsa ").context("there is no stanza for the SSH key")?;
    let body = at + text[at..].find('\n').context("the stanza ends")? + 1;
    let mut bytes = file.to_vec();
    bytes[body] = if bytes[body] == b'A' { b'B' } else { b'A' };
    let mut out = Vec::new();
    let mut writer = ArmoredWriter::wrap_output(&mut out, Format::AsciiArmor)?;
    writer.write_all(&bytes)?;
    writer.finish()?;
    Ok(String::from_utf8(out)?)
}

#[tokio::test]
async fn of_several_stanzas_that_of_ones_own_key_is_told() -> Result<()> {
    let native: ::age::x25519::Recipient = key_text("age1.pub")?.parse().map_err(anyhow::Error::msg)?;
    let ssh: ::age::ssh::Recipient =
        key_text("ssh-rsa.pub")?.parse().map_err(|_| anyhow::anyhow!("the SSH recipient is good"))?;
    let recipients: [&dyn ::age::Recipient; 2] = [&native, &ssh];
    let mut file = Vec::new();
    let mut writer = ::age::Encryptor::with_recipients(recipients.into_iter())?.wrap_output(&mut file)?;
    writer.write_all(data_key().expose())?;
    writer.finish()?;
    let key = MasterKey::Age { recipient: key_text("ssh-rsa.pub")?, enc: damaged(&file)? };
    let mut keyring = Keyring::empty();
    keyring.add_age_identities(&key_text("age2.agekey")?)?;
    keyring.add_ssh_identity(&key_file("ssh-rsa")?, None)?;
    let words = refused(&metadata(vec![vec![key]])?, &keyring).await?;
    assert!(words.contains("failed to decrypt file key: crypto/rsa: decryption error"), "{words}");
    Ok(())
}

#[tokio::test]
async fn several_identities_a_text_are_tried_in_turn() -> Result<()> {
    let text = format!("{}\n\n{} {}", key_text("age1.agekey")?, identity("age2")?, identity("age3")?);
    let mut opens = Keyring::empty();
    opens.add_age_identities(&text)?;
    assert_eq!(opens.age_recipients().len(), 3);
    round_trip(vec![age_key(&key_text("age3.pub")?)], &Keyring::empty(), &opens).await
}

#[tokio::test]
async fn identity_file_under_a_passphrase() -> Result<()> {
    let passphrase = || SecretString::from("correct horse");
    let mut recipient = ::age::scrypt::Recipient::new(passphrase());
    recipient.set_work_factor(4);
    let file = ::age::encrypt_and_armor(&recipient, key_text("age1.agekey")?.as_bytes())?;
    assert!(age::is_encrypted(file.as_bytes()));
    let mut opens = Keyring::empty();
    opens.add_encrypted_age_identities(file.as_bytes(), passphrase())?;
    round_trip(vec![age_key(&key_text("age1.pub")?)], &Keyring::empty(), &opens).await?;
    let wrong = opens.add_encrypted_age_identities(file.as_bytes(), SecretString::from("wrong"));
    assert!(matches!(wrong, Err(Error::Passphrase { .. })));
    Ok(())
}

#[test]
fn a_new_identity_is_written_as_age_keygen_does() -> Result<()> {
    let identity = age::generate();
    let text = identity.file_text(now()?);
    let lines: Vec<&str> = text.expose_secret().lines().collect();
    assert_eq!(lines[0], "# created: 2026-01-02T03:04:05Z");
    assert_eq!(lines[1], format!("# public key: {}", identity.recipient()));
    assert!(lines[2].starts_with("AGE-SECRET-KEY-1") && lines.len() == 3);
    let mut keyring = Keyring::empty();
    keyring.add_age_identities(text.expose_secret())?;
    assert_eq!(keyring.age_recipients(), [identity.recipient()]);
    Ok(())
}

#[test]
fn wrong_recipients_are_named_in_the_words_of_sops() {
    let words =
        |text| age::check_recipient(text).map_err(|error| error.to_string()).err().unwrap_or_default();
    assert_eq!(words("nope"), "failed to parse input, unknown recipient type: \"nope\"");
    assert!(words("age1abc").starts_with("failed to parse input as Bech32-encoded age public key: "));
    assert!(words("ssh-ed25519 AAAA").starts_with("failed to parse input as age-ssh public key: "));
}

#[test]
fn a_bad_line_is_named_by_its_number_only() -> Result<()> {
    let secret = identity("age1")?;
    let broken = format!("# one\n{}X\n", &secret[..secret.len() - 1]);
    let mut keyring = Keyring::empty();
    let Err(error) = keyring.add_age_identities(&broken) else { anyhow::bail!("it was taken") };
    let text = format!("{error} {error:?}");
    assert!(text.starts_with("line 2 is no age identity: malformed secret key: "), "{text}");
    assert!(!text.contains(&secret[20..40]));
    assert!(!keyring.has_age_identities());
    Ok(())
}

#[tokio::test]
async fn the_file_has_one_recipient_and_ends_with_a_line_break() -> Result<()> {
    let mut document = metadata(vec![vec![age_key(&key_text("age1.pub")?)]])?;
    wrap::data_key(&mut document, &data_key(), &Keyring::empty(), now()?, &mut rand08::rngs::OsRng).await?;
    let enc = document.key_groups[0].keys[0].enc().to_owned();
    assert!(enc.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
    assert!(enc.ends_with("\n-----END AGE ENCRYPTED FILE-----\n"));
    assert!(enc.lines().all(|line| line.len() <= 64));
    // As long as what the reference writes for such a recipient.
    let recorded = String::from_utf8(std::fs::read(place::golden("sops/yaml-age-basic/encrypted.yaml"))?)?;
    let lines = recorded
        .lines()
        .skip_while(|line| !line.contains("BEGIN AGE"))
        .take_while(|line| !line.contains("END AGE"));
    let length: usize = lines.map(|line| line.trim().len() + 1).sum();
    assert_eq!(enc.len(), length + "-----END AGE ENCRYPTED FILE-----\n".len());
    Ok(())
}

#[tokio::test]
async fn no_identity_and_places_looked_at_are_reported() -> Result<()> {
    let mut document = metadata(vec![vec![age_key(&key_text("age1.pub")?)]])?;
    wrap::data_key(&mut document, &data_key(), &Keyring::empty(), now()?, &mut rand08::rngs::OsRng).await?;
    let mut keyring = Keyring::empty();
    keyring.note_age_place("SOPS_AGE_KEY");
    keyring.note_age_place("SOPS_AGE_KEY_CMD");
    let Err(failure) = unlock::data_key(&document, &keyring, &unlock::Options::default()).await else {
        anyhow::bail!("it was opened")
    };
    let text = failure.to_string();
    let end = "failed to load age identities. Did not find keys in locations 'SOPS_AGE_KEY' and 'SOPS_AGE_KEY_CMD'.";
    assert!(text.ends_with(end), "{text}");
    keyring.add_age_identities(&key_text("age2.agekey")?)?;
    let Err(failure) = unlock::data_key(&document, &keyring, &unlock::Options::default()).await else {
        anyhow::bail!("it was opened")
    };
    assert!(failure.to_string().contains("identity did not match any of the recipients"));
    Ok(())
}

fn identity(name: &str) -> Result<String> {
    let text = key_text(&format!("{name}.agekey"))?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}
