//! Tests of the master keys at their front doors, with recorded files.

mod age;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcp")]
mod gcp;
mod gpg;
mod groups;
mod hostile;
mod huawei;
mod pgp;
mod recorded;
mod secrets;
mod service;
mod sharing;
mod vault;

use std::fs;

use anyhow::{Context as _, Result};
use sealfast_keys::keyring::Keyring;
use sealfast_keys::unlock;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::metadata::{KeyGroup, Metadata};
use sealfast_sops::time::Time;
use sealfast_testkit::place;

/// Reads a file of the recorded test keys.
fn key_file(name: &str) -> Result<Vec<u8>> {
    let path = place::golden("sops/keys").join(name);
    fs::read(&path).with_context(|| format!("reading {}", path.display()))
}

fn key_text(name: &str) -> Result<String> {
    Ok(String::from_utf8(key_file(name)?)?.trim().to_owned())
}

fn now() -> Result<Time> {
    Ok(Time::parse("2026-01-02T03:04:05Z")?)
}

fn data_key() -> DataKey {
    DataKey::generate(&mut rand08::rngs::OsRng)
}

fn metadata(groups: Vec<Vec<MasterKey>>) -> Result<Metadata> {
    let groups = groups.into_iter().map(|keys| KeyGroup { keys }).collect();
    Ok(Metadata::new(groups, now()?))
}

fn age_key(recipient: &str) -> MasterKey {
    MasterKey::Age { recipient: recipient.to_owned(), enc: String::new() }
}

fn pgp_key(fingerprint: &str) -> Result<MasterKey> {
    Ok(MasterKey::Pgp { fingerprint: fingerprint.to_owned(), created_at: now()?, enc: String::new() })
}

/// Wraps a data key with one keyring, opens it with another, and tells that it is the same.
async fn round_trip(keys: Vec<MasterKey>, wraps: &Keyring, opens: &Keyring) -> Result<()> {
    let mut metadata = metadata(vec![keys])?;
    let key = data_key();
    sealfast_keys::wrap::data_key(&mut metadata, &key, wraps, now()?, &mut rand08::rngs::OsRng).await?;
    let found = unlock::data_key(&metadata, opens, &unlock::Options::default()).await?;
    anyhow::ensure!(found.expose() == key.expose(), "another data key came back");
    Ok(())
}

/// Tries to open what cannot be opened, and returns what is said about it.
async fn refused(metadata: &Metadata, keyring: &Keyring) -> Result<String> {
    match unlock::data_key(metadata, keyring, &unlock::Options::default()).await {
        Ok(_) => anyhow::bail!("it was opened"),
        Err(failure) => Ok(format!("{failure}\n{failure:?}")),
    }
}
