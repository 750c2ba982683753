//! One master key, opened or wrapped with what this process has at hand.

use std::sync::{Mutex, PoisonError};

use sealfast_sops::master_key::MasterKey;
use sealfast_sops::time::Time;
use zeroize::Zeroizing;

#[cfg(feature = "aws")]
use crate::aws_kms;
#[cfg(feature = "azure")]
use crate::azure_kv;
use crate::error::Error;
#[cfg(feature = "gcp")]
use crate::gcp_kms;
use crate::keyring::Keyring;
use crate::{age, huawei_kms, pgp, vault};

/// The most bytes that a wrapped data key or share may have.
pub(crate) const MOST_KEY_BYTES: u64 = 1024;
/// What most of them fit into, so that memory that holds one does not grow.
pub(crate) const USUAL_KEY_BYTES: usize = 64;

/// A wrapped data key or share, as it is stored.
pub(crate) struct Wrapped {
    pub(crate) enc: String,
    /// The version of the key that wrapped it, for services whose keys have some.
    pub(crate) version: Option<String>,
}

impl From<String> for Wrapped {
    fn from(enc: String) -> Self {
        Self { enc, version: None }
    }
}

/// Tells whether the key is used without a service: nothing is waited for but a program of this machine.
pub(crate) fn is_at_hand(key: &MasterKey) -> bool {
    matches!(key, MasterKey::Age { .. } | MasterKey::Pgp { .. })
}

/// Opens the wrapped data key, or share of it.
///
/// The calls are boxed: those of the cloud libraries are large, and would be part of every future around them.
pub(crate) async fn open(key: &MasterKey, keyring: &Keyring) -> Result<Zeroizing<Vec<u8>>, Error> {
    let run = &keyring.run;
    match key {
        MasterKey::Age { enc, .. } if keyring.age.may_wait(None) => {
            let (enc, identities) = (enc.clone(), keyring.age.clone());
            aside(move || alone(|| age::unwrap(&enc, &identities))).await
        }
        MasterKey::Age { enc, .. } => age::unwrap(enc, &keyring.age),
        MasterKey::Pgp { enc, .. } => Box::pin(pgp::unwrap(enc, &keyring.pgp, keyring.gpg.as_ref())).await,
        MasterKey::Vault { vault_address, engine_path, key_name, enc, .. } => {
            let key = vault::Key { address: vault_address, engine: engine_path, name: key_name };
            Box::pin(key.unwrap(enc, &keyring.vault, keyring.vault_http()?)).await
        }
        MasterKey::HuaweiKms { key_id, enc, .. } => {
            let http = keyring.http()?;
            Box::pin(huawei_kms::Key::parse(key_id)?.unwrap(enc, &keyring.huawei, &run.huawei, http)).await
        }
        #[cfg(feature = "aws")]
        MasterKey::Kms { arn, role, context, aws_profile, enc, .. } => {
            let key = aws_kms::Key { arn, role, context, profile: aws_profile };
            Box::pin(key.unwrap(enc, &keyring.aws, &run.aws)).await
        }
        #[cfg(feature = "gcp")]
        MasterKey::GcpKms { resource_id, enc, .. } => {
            let http = keyring.http()?;
            Box::pin(gcp_kms::unwrap(resource_id, enc, &keyring.gcp, &run.gcp, http)).await
        }
        #[cfg(feature = "azure")]
        MasterKey::AzureKv { vault_url, name, version, enc, .. } => {
            let http = keyring.http()?;
            let key = azure_kv::Key { vault: vault_url, name, version };
            Box::pin(key.unwrap(enc, &keyring.azure, &run.azure, http)).await
        }
        #[cfg(not(all(feature = "aws", feature = "azure", feature = "gcp")))]
        other => Err(Error::Unsupported { service: other.type_name() }),
    }
}

/// Wraps a data key, or a share of it, for the metadata.
pub(crate) async fn wrap(
    key: &MasterKey,
    secret: &[u8],
    keyring: &Keyring,
    now: Time,
) -> Result<Wrapped, Error> {
    let run = &keyring.run;
    let enc = match key {
        MasterKey::Age { recipient, .. } if keyring.age.may_wait(Some(recipient)) => {
            let (recipient, identities) = (recipient.clone(), keyring.age.clone());
            let secret = Zeroizing::new(secret.to_vec());
            aside(move || alone(|| age::wrap(&recipient, &secret, &identities))).await?
        }
        MasterKey::Age { recipient, .. } => age::wrap(recipient, secret, &keyring.age)?,
        MasterKey::Pgp { fingerprint, .. } => {
            Box::pin(pgp::wrap(fingerprint, secret, &keyring.pgp, keyring.gpg.as_ref(), now)).await?
        }
        MasterKey::Vault { vault_address, engine_path, key_name, .. } => {
            let key = vault::Key { address: vault_address, engine: engine_path, name: key_name };
            Box::pin(key.wrap(secret, &keyring.vault, keyring.vault_http()?)).await?
        }
        MasterKey::HuaweiKms { key_id, .. } => {
            let http = keyring.http()?;
            Box::pin(huawei_kms::Key::parse(key_id)?.wrap(secret, &keyring.huawei, &run.huawei, http)).await?
        }
        #[cfg(feature = "aws")]
        MasterKey::Kms { arn, role, context, aws_profile, .. } => {
            let key = aws_kms::Key { arn, role, context, profile: aws_profile };
            Box::pin(key.wrap(secret, &keyring.aws, &run.aws)).await?
        }
        #[cfg(feature = "gcp")]
        MasterKey::GcpKms { resource_id, .. } => {
            let http = keyring.http()?;
            Box::pin(gcp_kms::wrap(resource_id, secret, &keyring.gcp, &run.gcp, http)).await?
        }
        #[cfg(feature = "azure")]
        MasterKey::AzureKv { vault_url, name, version, .. } => {
            let http = keyring.http()?;
            let key = azure_kv::Key { vault: vault_url, name, version };
            let azure_kv::Wrapped { enc, version } =
                Box::pin(key.wrap(secret, &keyring.azure, &run.azure, http)).await?;
            return Ok(Wrapped { enc, version: Some(version) });
        }
        #[cfg(not(all(feature = "aws", feature = "azure", feature = "gcp")))]
        other => return Err(Error::Unsupported { service: other.type_name() }),
    };
    Ok(enc.into())
}

/// Lets one plugin after the other talk to the person: there is one terminal, and one key to touch.
fn alone<T>(talk: impl FnOnce() -> T) -> T {
    static TALK: Mutex<()> = Mutex::new(());
    let _turn = TALK.lock().unwrap_or_else(PoisonError::into_inner);
    talk()
}

/// Does work that waits for a program or a person where it holds nobody else up. Without a runtime there is nobody else.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => match runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and with it whoever waits.
                Err(_) => std::future::pending().await,
            },
        },
        Err(_) => work(),
    }
}
