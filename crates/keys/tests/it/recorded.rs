//! Every encrypted file of the recorded sops cases opens.

use anyhow::{Context as _, Result};
use sealfast_keys::keyring::Keyring;
use sealfast_keys::unlock;
use sealfast_sops::document::{Encrypted, MacCheck};
use sealfast_sops::metadata::Metadata;
use sealfast_sops::store::Format;
use sealfast_testkit::golden::{Case, cases};
use sealfast_testkit::place;
use sealfast_testkit::scratch::files;

use crate::{key_file, key_text};

fn everything() -> Result<Keyring> {
    let mut keyring = Keyring::empty();
    for name in ["age1", "age2", "age3", "age-pq"] {
        keyring.add_age_identities(&key_text(&format!("{name}.agekey"))?)?;
    }
    for name in ["ssh-ed25519", "ssh-rsa"] {
        keyring.add_ssh_identity(&key_file(name)?, None)?;
    }
    for name in ["gpg-rsa4096", "gpg-cv25519", "gpg-rsa2048"] {
        keyring.add_pgp_armored(key_file(&format!("{name}.sec.asc"))?)?;
    }
    Ok(keyring)
}

#[tokio::test]
async fn recorded_files_open() -> Result<()> {
    let keyring = everything()?;
    let (mut opened, mut pgp) = (0, 0);
    for case in cases(&place::golden("sops"))? {
        // Files that were damaged on purpose, and one that is only opened after a repair.
        if case.name.starts_with("tamper") || case.name == "keys" {
            continue;
        }
        for name in files(&case.dir)? {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with("encrypted") {
                continue;
            }
            let Some(document) = load(&case, &name)? else { continue };
            if !is_openable(document.metadata()) {
                continue;
            }
            let options = unlock::Options::default();
            let key = unlock::data_key(document.metadata(), &keyring, &options)
                .await
                .with_context(|| format!("{}/{name}", case.name))?;
            if document.metadata().master_keys().any(|key| key.type_name() == "pgp") {
                pgp += 1;
            }
            if case.json::<serde_json::Value>("case.json")?["kind"] == "decrypt"
                && !case.name.starts_with("old-")
            {
                document.decrypt(&key, MacCheck::Verify).with_context(|| format!("{}/{name}", case.name))?;
            }
            opened += 1;
        }
    }
    assert!(opened > 60 && pgp > 3, "only {opened} files were opened, {pgp} of them name an OpenPGP key");
    Ok(())
}

fn load(case: &Case, name: &str) -> Result<Option<Encrypted>> {
    let bytes = case.bytes(name)?;
    Ok(Encrypted::load(&bytes, Format::for_path(name)).ok())
}

/// Cloud key services are left to their own tests.
fn is_openable(metadata: &Metadata) -> bool {
    let known = |key: &sealfast_sops::master_key::MasterKey| matches!(key.type_name(), "age" | "pgp");
    metadata.key_groups.iter().all(|group| group.keys.iter().any(known))
}
