//! The calls to AWS KMS, one client for each region, profile and role.
//!
//! Follows: `kms/keysource.go` of sops 3.13.2.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{Builder, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_smithy_async::rt::sleep::default_async_sleep;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::{Access, Credentials, Found, Key, Keys, SERVICE, region};
use crate::error::Error;
use crate::http::{CONNECT_TIMEOUT, TIMEOUT, chain, clean};

/// What the name of a session has at most.
const MOST_SESSION: usize = 64;

/// The clients of this run by region, profile and role.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<[String; 3], Arc<OnceCell<Client>>>>);

impl Clients {
    async fn of(&self, key: &Key<'_>, access: &Access) -> Result<Client, Error> {
        let name = [region(key.arn)?, key.profile, key.role].map(str::to_owned);
        let cell = {
            let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(clients.entry(name).or_default())
        };
        cell.get_or_try_init(|| client(key, access)).await.cloned()
    }
}

impl Key<'_> {
    /// Opens a wrapped data key or share.
    pub(crate) async fn unwrap(
        &self,
        enc: &str,
        access: &Access,
        clients: &Clients,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let blob =
            STANDARD.decode(enc).map_err(|_| failed("decrypt", "the wrapped data key is no base64"))?;
        let answer = clients
            .of(self, access)
            .await?
            .decrypt()
            .key_id(self.arn)
            .ciphertext_blob(Blob::new(blob))
            .set_encryption_context(Some(self.context()))
            .send()
            .await
            .map_err(|error| refused("decrypt", &error))?;
        let plaintext = answer.plaintext.ok_or_else(|| failed("decrypt", "the answer has no plaintext"))?;
        Ok(Zeroizing::new(plaintext.into_inner()))
    }

    /// Wraps a data key or share.
    pub(crate) async fn wrap(
        &self,
        secret: &[u8],
        access: &Access,
        clients: &Clients,
    ) -> Result<String, Error> {
        let answer = clients
            .of(self, access)
            .await?
            .encrypt()
            .key_id(self.arn)
            .plaintext(Blob::new(secret))
            .set_encryption_context(Some(self.context()))
            .send()
            .await
            .map_err(|error| refused("encrypt", &error))?;
        let blob = answer.ciphertext_blob.ok_or_else(|| failed("encrypt", "the answer has no ciphertext"))?;
        Ok(STANDARD.encode(blob))
    }

    fn context(&self) -> HashMap<String, String> {
        self.context.clone().into_iter().collect()
    }
}

async fn client(key: &Key<'_>, access: &Access) -> Result<Client, Error> {
    let region = Region::new(region(key.arn)?.to_owned());
    let base = match &access.credentials {
        Credentials::None => {
            let reason = "none were given".to_owned();
            return Err(Error::Credentials { service: SERVICE, reason });
        }
        Credentials::Keys(keys) => given(keys, region.clone(), access),
        Credentials::Chain => found(key.profile, region.clone(), access).await,
    };
    let mut config = Builder::from(&base);
    if !key.role.is_empty() {
        let role = AssumeRoleProvider::builder(key.role)
            .configure(&base)
            .region(region)
            .session_name(session(&access.host))
            .build()
            .await;
        config = config.credentials_provider(SharedCredentialsProvider::new(role));
    }
    Ok(Client::from_conf(config.build()))
}

/// The configuration for an access key: nothing of this machine is looked at.
fn given(keys: &Keys, region: Region, access: &Access) -> SdkConfig {
    let token = keys.session_token.as_ref().map(|token| token.expose_secret().to_owned());
    let secret = keys.secret_access_key.expose_secret();
    let credentials = aws_sdk_kms::config::Credentials::new(
        keys.access_key_id.as_str(),
        secret,
        token,
        None,
        "given to the keyring",
    );
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(region)
        .http_client(http_client())
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts())
        .time_source(SharedTimeSource::default())
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.set_sleep_impl(default_async_sleep());
    config.set_endpoint_url(access.endpoint.clone());
    config.build()
}

/// The configuration that the chain of the SDK finds.
async fn found(profile: &str, region: Region, access: &Access) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(region)
        .http_client(http_client())
        .timeout_config(timeouts());
    if !profile.is_empty() {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &access.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

/// Asks the chain of the SDK for an access key, as the calls to KMS do.
pub(super) async fn find() -> Result<Found, Error> {
    let load = |region: Option<Region>| {
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        let loader = loader.http_client(http_client()).timeout_config(timeouts());
        match region {
            Some(region) => loader.region(region),
            None => loader,
        }
        .load()
    };
    let mut config = load(None).await;
    if config.region().is_none() {
        // Roles cannot be taken on without one.
        config = load(Some(Region::from_static(super::USUAL_REGION))).await;
    }
    let missing = |reason: String| Error::Credentials { service: super::CHAIN, reason };
    let provider = config.credentials_provider().ok_or_else(|| missing("none were found".to_owned()))?;
    let found = provider.provide_credentials().await.map_err(|error| missing(chain(&error)))?;
    let keys = Keys {
        access_key_id: found.access_key_id().to_owned(),
        secret_access_key: SecretString::from(found.secret_access_key()),
        session_token: found.session_token().map(SecretString::from),
    };
    let region = config.region().map_or(super::USUAL_REGION, |region| region.as_ref()).to_owned();
    Ok(Found { keys, region, endpoint: config.endpoint_url().map(str::to_owned) })
}

fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(TIMEOUT).build()
}

/// Names a session after the machine, without what AWS does not take.
fn session(host: &str) -> String {
    let is_fine = |char: &char| char.is_ascii_alphanumeric() || "=,.@_-".contains(*char);
    format!("sops@{}", host.chars().filter(is_fine).collect::<String>()).chars().take(MOST_SESSION).collect()
}

fn failed(action: &'static str, reason: &str) -> Error {
    Error::Cloud { action, service: SERVICE.to_owned(), reason: reason.to_owned() }
}

/// Says what AWS answered, or why it was not asked.
fn refused<E, R>(action: &'static str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    if let Some(code) = error.code() {
        let message = error.message().map(|message| format!(": {}", clean(message))).unwrap_or_default();
        return failed(action, &format!("{code}{message}"));
    }
    let reason = error.source().map_or_else(|| error.to_string(), chain);
    match is_about_credentials(error) {
        true => Error::Credentials { service: SERVICE, reason },
        false => failed(action, &reason),
    }
}

/// The SDK tells failures of its chain of credentials by the type of a cause.
fn is_about_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<CredentialsError>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::session;

    #[test]
    fn sessions_are_named_after_the_machine() {
        assert_eq!(session("box.example/1 ü"), "sops@box.example1");
        assert_eq!(session(&"x".repeat(90)).len(), 64);
    }
}
