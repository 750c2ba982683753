//! A source's Secret and provider -> how a request proves who it is from.
//!
//! Follows: the authentication options of source-controller, in their order and words.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sealfast_k8s::flux::git_repository::Spec;
use sealfast_source::git::ssh::{KeyState, Login, key_state};
use sealfast_source::git::{Auth, ClientCertificate, Proxy, Request};
use sealfast_source::provider::github::{self, App, Token};
use secrecy::{ExposeSecret as _, SecretString};

use crate::source::report::Failure;
use crate::source::secret::Secret;

/// A token is bought anew so long before it ends.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// Tokens that are remembered.
const REMEMBERED: usize = 100;
/// Characters of a proxy's address.
const LONGEST_PROXY: usize = 2048;
/// What marks the Secret of a GitHub App.
const APP: &str = "githubAppID";

/// Tokens that were bought, by the Secret (with its version) that bought them.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<HashMap<String, Token>>);

impl Tokens {
    fn find(&self, key: &str, now: Timestamp) -> Option<Token> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|token| token.expires.duration_since(now) > MARGIN).cloned()
    }

    fn keep(&self, key: String, token: Token) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, token);
    }
}

/// Sets what the entries of a Secret say about authentication.
///
/// # Errors
/// AuthenticationFailed when they do not fit together.
pub(super) fn authenticate(request: &mut Request, secret: Option<&Secret>) -> Result<(), Failure> {
    let scheme = request.address.scheme().to_owned();
    let invalid =
        |what: &str| Failure::authentication(format!("failed to configure authentication options: {what}"));
    if request.address.is_ssh() {
        return ssh(request, secret, &invalid);
    }
    let Some(secret) = secret else { return Ok(()) };
    request.ca = secret.bytes("ca.crt").or_else(|| secret.bytes("caFile")).map(<[u8]>::to_vec);
    if let (Some(certificate), Some(key)) = (secret.bytes("tls.crt"), secret.text("tls.key")) {
        request.client_certificate = Some(ClientCertificate { certificate: certificate.to_vec(), key });
    }
    if let Some(token) = secret.text("bearerToken") {
        if request.address.user().is_some() {
            return Err(invalid(&format!(
                "invalid '{scheme}' auth option: basic auth and bearer token cannot be set at the same time"
            )));
        }
        request.auth = Auth::Bearer(token);
        return Ok(());
    }
    match (secret.text("username"), secret.text("password")) {
        (Some(username), password) => {
            let username = username.expose_secret().to_owned();
            request.auth = Auth::Basic { username, password: password.unwrap_or_default() };
        }
        // The address may name the user.
        (None, Some(password)) => match request.address.user() {
            Some((username, _)) if !username.is_empty() => {
                request.auth = Auth::Basic { username: username.clone(), password };
            }
            _ => {
                return Err(invalid(&format!(
                    "invalid '{scheme}' auth option: 'password' requires 'username' to be set"
                )));
            }
        },
        (None, None) => {}
    }
    Ok(())
}

fn ssh(
    request: &mut Request,
    secret: Option<&Secret>,
    invalid: &dyn Fn(&str) -> Failure,
) -> Result<(), Failure> {
    let required = |key: &str| invalid(&format!("invalid 'ssh' auth option: '{key}' is required"));
    let entry = |key: &str| secret.and_then(|secret| secret.text(key));
    let identity = entry("identity").ok_or_else(|| required("identity"))?;
    let known_hosts = entry("known_hosts").ok_or_else(|| required("known_hosts"))?;
    let password = entry("password");
    if let (None, KeyState::Locked, Some(secret)) = (&password, key_state(&identity), secret) {
        return Err(Failure::authentication(format!(
            "SSH identity key is encrypted but no 'password' field was provided in the secret '{}'",
            secret.place
        )));
    }
    let known_hosts = known_hosts.expose_secret().to_owned();
    request.auth = Auth::Ssh(Login { identity, password, known_hosts });
    Ok(())
}

/// Does what the provider of a source asks for beyond its Secret.
///
/// # Errors
/// InvalidProviderConfiguration, FeatureGateDisabled, or AuthenticationFailed when no token can be had.
pub(super) async fn provide(
    request: &mut Request,
    spec: &Spec,
    secret: Option<&Secret>,
    tokens: &Tokens,
) -> Result<(), Failure> {
    let misconfigured = "InvalidProviderConfiguration";
    let no_app = "secretRef with github app data must be specified when provider is set to github";
    let has_app = secret.is_some_and(|secret| secret.bytes(APP).is_some());
    match (spec.provider.as_deref(), secret) {
        (Some("github"), None) => Err(Failure::stalled(misconfigured, no_app)),
        (Some("github"), Some(_)) if !has_app => Err(Failure::fetch(misconfigured, no_app)),
        (Some("github"), Some(secret)) => {
            let token = token(request, secret, tokens).await?;
            request.auth = Auth::Basic { username: github::USER.to_owned(), password: token.secret };
            Ok(())
        }
        (Some(provider @ ("azure" | "aws")), _) => Err(unavailable(provider, spec)),
        (_, Some(secret)) if has_app => Err(Failure::fetch(
            misconfigured,
            format!("secretRef '{}' has github app data but provider is not set to github", secret.place),
        )),
        _ => Ok(()),
    }
}

fn unavailable(provider: &str, spec: &Spec) -> Failure {
    if spec.service_account_name.as_deref().is_some_and(|name| !name.is_empty()) {
        let text = "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller";
        return Failure::stalled("FeatureGateDisabled", text);
    }
    Failure::authentication(format!(
        "failed to configure authentication options: this build has no credentials for provider '{provider}'"
    ))
}

async fn token(request: &Request, secret: &Secret, tokens: &Tokens) -> Result<Token, Failure> {
    let now = Timestamp::now();
    if let Some(token) = tokens.find(&secret.version, now) {
        return Ok(token);
    }
    let failed =
        |text: String| Failure::authentication(format!("failed to configure authentication options: {text}"));
    let app = App::read(|key| secret.text(key)).map_err(|error| failed(error.chain()))?;
    let request = request.clone();
    let bought = tokio::task::spawn_blocking(move || app.token(&request, now)).await;
    let token = bought.map_err(|panic| failed(panic.to_string()))?.map_err(|error| failed(error.chain()))?;
    tokens.keep(secret.version.clone(), token.clone());
    Ok(token)
}

/// Reads the way through a proxy.
///
/// # Errors
/// AuthenticationFailed when there is no usable address.
pub(super) fn proxy(secret: &Secret) -> Result<Proxy, Failure> {
    let place = &secret.place;
    let invalid = |what: String| {
        Failure::authentication(format!("failed to configure proxy options: secret '{place}': {what}"))
    };
    let address = secret.bytes("address").ok_or_else(|| invalid("key 'address' not found".to_owned()))?;
    let address = String::from_utf8_lossy(address).into_owned();
    if address.is_empty() {
        return Err(invalid("proxy address is empty".to_owned()));
    }
    if address.len() > LONGEST_PROXY {
        return Err(invalid(format!("proxy URL exceeds maximum length of {LONGEST_PROXY} characters")));
    }
    let scheme = address.split("://").next().unwrap_or_default();
    if !address.contains("://") || !matches!(scheme, "http" | "https" | "socks5") {
        return Err(invalid("proxy URL must use one of the schemes http, https, socks5".to_owned()));
    }
    let user = secret.text("username").map(|user| {
        (user.expose_secret().to_owned(), secret.text("password").unwrap_or_else(|| SecretString::from("")))
    });
    Ok(Proxy { address, user })
}
