//! What the clones of a keyring share: clients, tokens, opened data keys.

use std::sync::OnceLock;

use tokio::sync::{Semaphore, SemaphorePermit};

#[cfg(feature = "aws")]
use crate::aws_kms;
#[cfg(feature = "azure")]
use crate::azure_kv;
use crate::cache::Cache;
use crate::error::Error;
#[cfg(feature = "gcp")]
use crate::gcp_kms;
use crate::http::words;
use crate::huawei_kms;
use crate::keyring::Keyring;

/// Calls to services and programs that go on at the same time.
const MOST_CALLS: usize = 128;

type Client = OnceLock<Result<reqwest::Client, String>>;

pub(crate) struct Run {
    pub(crate) cache: Cache,
    calls: Semaphore,
    http: Client,
    vault: Client,
    #[cfg(feature = "aws")]
    pub(crate) aws: aws_kms::Clients,
    #[cfg(feature = "azure")]
    pub(crate) azure: azure_kv::Clients,
    #[cfg(feature = "gcp")]
    pub(crate) gcp: gcp_kms::Tokens,
    pub(crate) huawei: huawei_kms::Known,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            cache: Cache::default(),
            calls: Semaphore::new(MOST_CALLS),
            http: Client::new(),
            vault: Client::new(),
            #[cfg(feature = "aws")]
            aws: aws_kms::Clients::default(),
            #[cfg(feature = "azure")]
            azure: azure_kv::Clients::default(),
            #[cfg(feature = "gcp")]
            gcp: gcp_kms::Tokens::default(),
            huawei: huawei_kms::Known::default(),
        }
    }
}

impl Run {
    /// Waits until another call may go out, and holds its place until it is dropped.
    pub(crate) async fn call(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.calls.acquire().await.ok()
    }
}

impl Keyring {
    /// Returns the client of the cloud services.
    pub(crate) fn http(&self) -> Result<&reqwest::Client, Error> {
        let make = || self.network.builder()?.build().map_err(|error| words(&error));
        self.run.http.get_or_init(make).as_ref().map_err(|reason| unusable(reason))
    }

    /// Returns the client of every Vault.
    pub(crate) fn vault_http(&self) -> Result<&reqwest::Client, Error> {
        self.run
            .vault
            .get_or_init(|| self.vault.client(&self.network))
            .as_ref()
            .map_err(|reason| unusable(reason))
    }
}

fn unusable(reason: &str) -> Error {
    Error::Network { reason: reason.to_owned() }
}
