//! One master key, opened or wrapped with what this process has at hand.

use sealfast_sops::master_key::MasterKey;
use sealfast_sops::time::Time;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyring::Keyring;
use crate::{age, pgp, vault};

/// Opens the wrapped data key, or share of it.
pub(crate) async fn open(key: &MasterKey, keyring: &Keyring) -> Result<Zeroizing<Vec<u8>>, Error> {
    match key {
        MasterKey::Age { enc, .. } => age::unwrap(enc, &keyring.age),
        MasterKey::Pgp { enc, .. } => pgp::unwrap(enc, &keyring.pgp, keyring.gpg.as_ref()).await,
        MasterKey::Vault { vault_address, engine_path, key_name, enc, .. } => {
            vault::Key { address: vault_address, engine: engine_path, name: key_name }
                .unwrap(enc, &keyring.vault)
                .await
        }
        other => Err(Error::Unsupported { service: other.type_name() }),
    }
}

/// Wraps a data key, or a share of it, and returns the text for the metadata.
pub(crate) async fn wrap(
    key: &MasterKey,
    secret: &[u8],
    keyring: &Keyring,
    now: Time,
) -> Result<String, Error> {
    match key {
        MasterKey::Age { recipient, .. } => age::wrap(recipient, secret, &keyring.age),
        MasterKey::Pgp { fingerprint, .. } => {
            pgp::wrap(fingerprint, secret, &keyring.pgp, keyring.gpg.as_ref(), now).await
        }
        MasterKey::Vault { vault_address, engine_path, key_name, .. } => {
            vault::Key { address: vault_address, engine: engine_path, name: key_name }
                .wrap(secret, &keyring.vault)
                .await
        }
        other => Err(Error::Unsupported { service: other.type_name() }),
    }
}
