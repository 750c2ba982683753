//! The calls to Azure Key Vault, one client for each vault and login.
//!
//! Follows: `azkv/keysource.go` of sops 3.13.2.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_core::Error as AzureError;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, RequestContent, Transport};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use azure_security_keyvault_keys::models::{
    EncryptionAlgorithm, KeyClientEncryptOptions, KeyOperationParameters,
};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::certificate::{Assertion, Certificate, Who};
use super::{Access, Key, Login, SERVICE, Wrapped};
use crate::error::Error;
use crate::http::chain;
use crate::local::aside;

const AUTHORITY: &str = "https://login.microsoftonline.com";
/// A machine without an identity does not answer at all, and the next login waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// After this time the logins before the one that got a token are tried again.
const REMEMBERED: Duration = Duration::from_secs(300);

/// The clients of this run by vault and login, and the login that got a token last.
#[derive(Default)]
pub(crate) struct Clients {
    clients: Mutex<HashMap<(String, usize), Arc<KeyClient>>>,
    last: Mutex<Option<Last>>,
}

/// A login that got a token, and when it took the place of those before it.
#[derive(Clone, Copy)]
struct Last {
    login: usize,
    since: Instant,
}

/// The order in which logins are tried: the one that got a token last is the first for a while, and the others follow.
fn order(count: usize, last: Option<Last>, now: Instant) -> impl Iterator<Item = usize> {
    let last = last.filter(|last| now.duration_since(last.since) < REMEMBERED).map(|last| last.login);
    last.into_iter().chain((0..count).filter(move |login| Some(*login) != last))
}

impl Clients {
    fn last(&self) -> Option<Last> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a login that got a token; what is known already stays as old as it is.
    fn note(&self, login: usize, now: Instant) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.login != login || now.duration_since(last.since) >= REMEMBERED) {
            *last = Some(Last { login, since: now });
        }
    }

    async fn of(
        &self,
        vault: &str,
        index: usize,
        access: &Access,
        http: &reqwest::Client,
    ) -> Result<Arc<KeyClient>, AzureError> {
        let place = (vault.to_owned(), index);
        if let Some(client) = self.clients().get(&place) {
            return Ok(Arc::clone(client));
        }
        // A certificate under a passphrase takes its time, and nobody else waits for it.
        let (vault, access, http) = (vault.to_owned(), access.clone(), http.clone());
        let client = aside(move || client(&vault, index, &access, &http)).await?;
        Ok(Arc::clone(self.clients().entry(place).or_insert_with(|| Arc::new(client))))
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<(String, usize), Arc<KeyClient>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(
    vault: &str,
    index: usize,
    access: &Access,
    http: &reqwest::Client,
) -> Result<KeyClient, AzureError> {
    let options = options(access, http);
    let authority = access.authority.as_deref().unwrap_or(AUTHORITY);
    let mut credential = credential(&access.logins[index], vault, &options, authority)?;
    let is_last = index + 1 == access.logins.len();
    if matches!(access.logins[index], Login::ManagedIdentity { .. }) && !is_last {
        credential = Arc::new(Impatient(credential));
    }
    let options = KeyClientOptions { client_options: options, ..KeyClientOptions::default() };
    KeyClient::new(vault, credential, Some(options))
}

/// What is asked of a vault.
#[derive(Clone, Copy)]
enum Question<'a> {
    Version,
    Encrypt { version: &'a str, secret: &'a [u8] },
    Decrypt { enc: &'a [u8] },
}

impl Question<'_> {
    fn action(self) -> &'static str {
        match self {
            Self::Version => "find",
            Self::Encrypt { .. } => "encrypt",
            Self::Decrypt { .. } => "decrypt",
        }
    }
}

impl Key<'_> {
    /// Opens a wrapped data key or share.
    pub(crate) async fn unwrap(
        &self,
        enc: &str,
        access: &Access,
        clients: &Clients,
        http: &reqwest::Client,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let enc = URL_SAFE_NO_PAD
            .decode(enc)
            .map_err(|_| self.failed("decrypt", "the wrapped data key is no base64url"))?;
        self.ask(Question::Decrypt { enc: &enc }, access, clients, http).await
    }

    /// Wraps a data key or share.
    pub(crate) async fn wrap(
        &self,
        secret: &[u8],
        access: &Access,
        clients: &Clients,
        http: &reqwest::Client,
    ) -> Result<Wrapped, Error> {
        let version = self.known_version(access, clients, http).await?;
        let question = Question::Encrypt { version: &version, secret };
        let enc = self.ask(question, access, clients, http).await?;
        Ok(Wrapped { enc: URL_SAFE_NO_PAD.encode(&*enc), version })
    }

    /// Returns the version of the key, the newest when the key names none.
    pub(crate) async fn known_version(
        &self,
        access: &Access,
        clients: &Clients,
        http: &reqwest::Client,
    ) -> Result<String, Error> {
        if !self.version.is_empty() {
            return Ok(self.version.to_owned());
        }
        let id = self.ask(Question::Version, access, clients, http).await?;
        match std::str::from_utf8(&id).unwrap_or_default().rsplit_once('/') {
            Some((_, version)) if !version.is_empty() && version != self.name => Ok(version.to_owned()),
            _ => Err(self.failed("find", "the answer names no version of the key")),
        }
    }

    /// Makes a call with the first login that gets a token.
    async fn ask(
        &self,
        question: Question<'_>,
        access: &Access,
        clients: &Clients,
        http: &reqwest::Client,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut reasons = Vec::new();
        for index in order(access.logins.len(), clients.last(), Instant::now()) {
            match self.ask_as(index, question, access, clients, http).await {
                Ok(Some(answer)) => {
                    clients.note(index, Instant::now());
                    return Ok(answer);
                }
                Ok(None) => return Err(self.failed(question.action(), "the answer is empty")),
                Err(error) if matches!(error.kind(), ErrorKind::Credential) => {
                    reasons.push((index, format!("{}: {}", access.logins[index].words(), chain(&error))));
                }
                Err(error) => return Err(self.failed(question.action(), &chain(&error))),
            }
        }
        reasons.sort();
        let reasons: Vec<String> = reasons.into_iter().map(|(_, reason)| reason).collect();
        let reason = if reasons.is_empty() { "none were given".to_owned() } else { reasons.join("; ") };
        Err(Error::Credentials { service: SERVICE, reason })
    }

    async fn ask_as(
        &self,
        login: usize,
        question: Question<'_>,
        access: &Access,
        clients: &Clients,
        http: &reqwest::Client,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, AzureError> {
        let client = clients.of(self.vault, login, access, http).await?;
        let answer = match question {
            Question::Version => {
                let key = client.get_key(self.name, None).await?.into_model()?.key;
                key.and_then(|key| key.kid).map(String::into_bytes)
            }
            Question::Encrypt { version, secret } => {
                let options = KeyClientEncryptOptions {
                    key_version: Some(version.to_owned()),
                    ..KeyClientEncryptOptions::default()
                };
                client.encrypt(self.name, operation(secret)?, Some(options)).await?.into_model()?.result
            }
            Question::Decrypt { enc } => {
                client.decrypt(self.name, self.version, operation(enc)?, None).await?.into_model()?.result
            }
        };
        Ok(answer.map(Zeroizing::new))
    }

    fn failed(&self, action: &'static str, reason: &str) -> Error {
        let Self { vault, name, version } = self;
        let service = format!("{SERVICE} key '{vault}/keys/{name}/{version}'");
        Error::Cloud { action, service, reason: reason.to_owned() }
    }
}

/// A token that is there, and what it is for.
#[derive(Debug)]
struct Given {
    scope: String,
    token: SecretString,
}

#[async_trait::async_trait]
impl TokenCredential for Given {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> Result<AccessToken, AzureError> {
        if scopes != [self.scope.as_str()] {
            let why = format!("a token for {} is not given to who asks for another", self.scope);
            return Err(AzureError::with_message(ErrorKind::Credential, why));
        }
        // When it ends is known to who got it; a client lives for less than that.
        let soon = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new(self.token.expose_secret().to_owned(), soon))
    }
}

/// Credentials of which nobody knows whether there are any.
#[derive(Debug)]
struct Impatient(Arc<dyn TokenCredential>);

#[async_trait::async_trait]
impl TokenCredential for Impatient {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> Result<AccessToken, AzureError> {
        let answer = tokio::time::timeout(PATIENCE, self.0.get_token(scopes, options)).await;
        answer.unwrap_or_else(|_| {
            Err(AzureError::with_message(ErrorKind::Credential, "nothing gives this machine an identity"))
        })
    }
}

fn operation(value: &[u8]) -> Result<RequestContent<KeyOperationParameters>, AzureError> {
    let parameters = KeyOperationParameters {
        algorithm: Some(EncryptionAlgorithm::RsaOaep256),
        value: Some(value.to_vec()),
        ..KeyOperationParameters::default()
    };
    parameters.try_into()
}

fn options(access: &Access, http: &reqwest::Client) -> ClientOptions {
    // Always told, because the SDK would look into the environment.
    let mut custom = CustomConfiguration::default();
    custom.authority_host = access.authority.as_deref().unwrap_or(AUTHORITY).to_owned();
    let cloud = Some(Arc::new(CloudConfiguration::Custom(custom)));
    ClientOptions {
        transport: Some(Transport::new(Arc::new(http.clone()))),
        cloud,
        ..ClientOptions::default()
    }
}

fn credential(
    login: &Login,
    vault: &str,
    options: &ClientOptions,
    authority: &str,
) -> Result<Arc<dyn TokenCredential>, AzureError> {
    let client_options = options.clone();
    let refused = |why| Err(AzureError::with_message(ErrorKind::Credential, why));
    Ok(match login {
        Login::ClientSecret { tenant, client, secret } => {
            let secret = Secret::new(secret.expose_secret().to_owned());
            let options = ClientSecretCredentialOptions { client_options };
            ClientSecretCredential::new(tenant, client.clone(), secret, Some(options))?
        }
        Login::ClientCertificate { tenant, client, file, password, chain } => {
            let file = file.as_ref().map_err(String::as_str);
            let certificate = file
                .and_then(|file| Certificate::read(file, password.as_ref()))
                .map_err(|reason| AzureError::with_message(ErrorKind::Credential, reason.to_owned()))?;
            let audience = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
            let who = Who { client: client.clone(), audience, chain: *chain };
            let options = ClientAssertionCredentialOptions { client_options };
            let assertion = Assertion { certificate, who };
            ClientAssertionCredential::new(tenant.clone(), client.clone(), assertion, Some(options))?
        }
        Login::WorkloadIdentity { tenant, client, token_file } => {
            WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options },
                client_id: Some(client.clone()),
                tenant_id: Some(tenant.clone()),
                token_file_path: Some(token_file.clone()),
            }))?
        }
        Login::ManagedIdentity { client } => {
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client.clone().map(UserAssignedId::ClientId),
                client_options,
            }))?
        }
        Login::AzureCli { tenant } => AzureCliCredential::new(Some(AzureCliCredentialOptions {
            tenant_id: tenant.clone(),
            ..AzureCliCredentialOptions::default()
        }))?,
        Login::Token { vault: own, .. } if own != vault => return refused("it is for another vault"),
        Login::Token { scope, token, .. } => Arc::new(Given { scope: scope.clone(), token: token.clone() }),
        Login::Refused(why) => return refused(why),
    })
}

#[cfg(test)]
mod tests {
    use azure_core::credentials::TokenCredential as _;

    use super::{ClientOptions, Clients, Given, Instant, Login, REMEMBERED, credential, order};

    #[tokio::test]
    async fn a_token_is_for_its_vault_and_its_scope_alone() {
        let (vault, scope) =
            ("https://a.vault.azure.net".to_owned(), "https://vault.azure.net/.default".to_owned());
        let given = Given { scope: scope.clone(), token: "t".into() };
        assert!(given.get_token(&[&scope], None).await.is_ok());
        for other in ["https://evil.example/.default", "https://graph.microsoft.com/.default"] {
            assert!(given.get_token(&[other], None).await.is_err(), "{other}");
        }
        let login = Login::Token { vault: vault.clone(), scope, token: "t".into() };
        let shown =
            |vault| credential(&login, vault, &ClientOptions::default(), "https://login.example").is_ok();
        assert!(shown(&vault) && !shown("https://b.vault.azure.net") && !shown("https://evil.example"));
        let none = Login::Refused("nobody");
        assert!(credential(&none, &vault, &ClientOptions::default(), "https://login.example").is_err());
    }

    #[test]
    fn the_login_that_worked_is_first_for_a_while_and_the_others_are_never_left_out() {
        let (clients, start) = (Clients::default(), Instant::now());
        let tried = |now| order(3, clients.last(), now).collect::<Vec<_>>();
        assert_eq!(tried(start), [0, 1, 2]);
        clients.note(2, start);
        clients.note(2, start + REMEMBERED / 2);
        assert_eq!(tried(start + REMEMBERED / 2), [2, 0, 1]);
        assert_eq!(tried(start + REMEMBERED), [0, 1, 2]);
        clients.note(1, start + REMEMBERED);
        assert_eq!(tried(start + REMEMBERED), [1, 0, 2]);
    }
}
