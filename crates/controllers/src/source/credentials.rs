//! A source's Secret and provider -> how a request proves who it is from.
//!
//! Follows: the authentication options of source-controller, in their order and words.

use sealfast_cluster::certificate;
use sealfast_k8s::flux::git_repository::GitRepository;
use sealfast_source::git::ssh::{KeyState, Login, key_state};
use sealfast_source::git::{Auth, ClientCertificate, Proxy, Request};
use sealfast_source::provider::codecommit;
use sealfast_source::provider::github::{self, App};
use secrecy::{ExposeSecret as _, SecretString};

use crate::gates::Gate;
use crate::identity::cache::{Lent, Token};
use crate::identity::{Account, Error as Unknown, Identities, Who};
use crate::source::Shared;
use crate::source::report::Failure;
use crate::source::secret::Secret;

/// What metrics call the purpose of a token.
const OPERATION: &str = "reconcile";
/// What a token for Azure DevOps is asked for.
const DEV_OPS: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
/// Characters of a proxy's address.
const LONGEST_PROXY: usize = 2048;
/// What marks the Secret of a GitHub App.
const APP: &str = "githubAppID";
const APP_KEY: &str = "githubAppPrivateKey";

/// Sets what the entries of a Secret say about authentication.
///
/// # Errors
/// AuthenticationFailed when they do not fit together.
pub(super) fn authenticate(request: &mut Request, secret: Option<&Secret>) -> Result<(), Failure> {
    let invalid =
        |what: &str| Failure::authentication(format!("failed to configure authentication options: {what}"));
    if request.address.is_ssh() {
        return ssh(request, secret, &invalid);
    }
    let Some(secret) = secret else { return Ok(()) };
    if let Some((key, ca)) = ["ca.crt", "caFile"].iter().find_map(|key| Some((key, secret.bytes(key)?))) {
        let place = format!("secret '{}': key '{key}'", secret.place);
        certificate::check(ca)
            .map_err(|why| invalid(&format!("{place}: failed to parse CA certificate: {why}")))?;
        request.ca = Some(ca.to_vec());
    }
    if let (Some(certificate), Some(key)) = (secret.bytes("tls.crt"), secret.text("tls.key")) {
        request.client_certificate = Some(ClientCertificate { certificate: certificate.to_vec(), key });
    }
    if let Some(token) = secret.text("bearerToken") {
        if request.address.user().is_some() {
            return Err(Failure::fetch(
                "GitOperationFailed",
                "failed to checkout and determine revision: basic auth and bearer token cannot be set at the same time",
            ));
        }
        request.auth = Auth::Bearer(token);
        return Ok(());
    }
    basic(request, secret, &invalid)
}

fn basic(request: &mut Request, secret: &Secret, invalid: &dyn Fn(&str) -> Failure) -> Result<(), Failure> {
    let username = secret.text("username").map(|username| username.expose_secret().to_owned());
    let (username, password) = match (username, secret.text("password")) {
        (Some(username), password) => (username, password.unwrap_or_default()),
        // The address may name the user.
        (None, Some(password)) => match request.address.user() {
            Some((username, _)) if !username.is_empty() => (username.clone(), password),
            _ => {
                let scheme = request.address.scheme();
                let text = "auth option: 'password' requires 'username' to be set";
                return Err(invalid(&format!("invalid '{scheme}' {text}")));
            }
        },
        (None, None) => return Ok(()),
    };
    request.auth = Auth::Basic { username, password };
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
    typed: &GitRepository,
    secret: Option<&Secret>,
    shared: &Shared,
) -> Result<(), Failure> {
    let misconfigured = "InvalidProviderConfiguration";
    let no_app = "secretRef with github app data must be specified when provider is set to github";
    let has = |key: &str| secret.is_some_and(|secret| secret.bytes(key).is_some());
    let has_app = has(APP);
    let not_configured = |error: Unknown| {
        Failure::authentication(format!("failed to configure authentication options: {}", error.chain()))
    };
    match (typed.spec.provider.as_deref(), secret) {
        (Some("github"), None) => Err(Failure::stalled(misconfigured, no_app)),
        (Some("github"), Some(_)) if !has_app || !has(APP_KEY) => Err(Failure::fetch(misconfigured, no_app)),
        (Some("github"), Some(secret)) => {
            let bought = app_token(request, secret, &asker(typed, request, None), &shared.identities).await;
            let password = bought.map_err(not_configured)?;
            request.auth = Auth::Basic { username: github::USER.to_owned(), password };
            Ok(())
        }
        (Some(provider @ ("azure" | "aws")), _) => {
            let account = account(typed, shared).await?.map_err(not_configured)?;
            let who = asker(typed, request, account);
            check_trust(request, &who, shared).map_err(not_configured)?;
            let cloud = if provider == "aws" {
                code_commit(request, &who, &shared.identities).await
            } else {
                dev_ops(request, &who, &shared.identities).await
            };
            request.auth = cloud.map_err(not_configured)?;
            Ok(())
        }
        (_, Some(secret)) if has_app => Err(Failure::fetch(
            misconfigured,
            format!("secretRef '{}' has github app data but provider is not set to github", secret.place),
        )),
        _ => Ok(()),
    }
}

/// Whoever borrows our own pod's identity does not say which servers to trust: its proxy could read on the way what they
/// are shown.
fn check_trust(request: &Request, who: &Who, shared: &Shared) -> Result<(), Unknown> {
    let is_borrowed = who.account.is_none() && who.namespace != shared.options.own_namespace;
    if !is_borrowed || request.ca.is_none() {
        return Ok(());
    }
    let namespace = &who.namespace;
    let reason = format!(
        "the identity of the controller is shown to servers that everybody trusts alone: name a service account of namespace '{namespace}', or leave the CA certificate out of the secret"
    );
    Err(Unknown::Other { reason })
}

fn asker(typed: &GitRepository, request: &Request, account: Option<Account>) -> Who {
    let (namespace, name) = (typed.metadata.namespace.clone(), typed.metadata.name.clone());
    Who { kind: "GitRepository", namespace, name, account, proxy: request.proxy.clone() }
}

/// The account that a source names, else the one that the operator gave for all. The outer error is about the gate.
async fn account(
    typed: &GitRepository,
    shared: &Shared,
) -> Result<Result<Option<Account>, Unknown>, Failure> {
    let named = typed.spec.service_account_name.as_deref();
    let gate = shared.options.gates.has(Gate::ObjectLevelWorkloadIdentity);
    let name = match (named, &shared.options.default_service_account) {
        (Some(_), _) if !gate => {
            let text = "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller";
            return Err(Failure::stalled("FeatureGateDisabled", text));
        }
        (Some(name), _) => name,
        (None, Some(name)) if gate => name,
        (None, _) => return Ok(Ok(None)),
    };
    Ok(shared.identities.account(&typed.metadata.namespace, name).await.map(Some))
}

/// Signs the address with credentials of AWS.
async fn code_commit(request: &Request, who: &Who, identities: &Identities) -> Result<Auth, Unknown> {
    let other = |error: sealfast_source::error::Error| Unknown::Other { reason: error.chain() };
    let region = codecommit::region(&request.address).map_err(|error| match error {
        sealfast_source::error::Error::Url { reason } => Unknown::Other { reason },
        error => other(error),
    })?;
    let keys = identities.aws(who, &region, OPERATION).await;
    let keys = keys.and_then(|lent| lent.keys(who)).map_err(|error| Unknown::Other {
        reason: format!("failed to get access token for Git repository: {}", error.chain()),
    })?;
    let credentials = codecommit::Credentials {
        id: keys.access_key_id,
        secret: keys.secret_access_key,
        session: keys.session_token,
    };
    let signed = codecommit::sign(&request.address, &credentials, identities.clock().now()).map_err(other)?;
    Ok(Auth::Basic { username: signed.0, password: signed.1 })
}

/// A token for Azure DevOps, which no other host is shown: a tenant writes the address.
async fn dev_ops(request: &Request, who: &Who, identities: &Identities) -> Result<Auth, Unknown> {
    let (host, _) = request.address.host_and_port();
    if request.address.scheme() != "https" || !is_dev_ops(host) {
        let reason = format!(
            "Azure DevOps authentication requires an HTTPS URL of dev.azure.com or visualstudio.com, not of {host}"
        );
        return Err(Unknown::Other { reason });
    }
    let token = identities.azure(who, DEV_OPS, OPERATION).await;
    let token = token.and_then(|lent| lent.text(who)).map_err(|error| Unknown::Other {
        reason: format!("failed to get access token for Git repository: {}", error.chain()),
    })?;
    Ok(Auth::Bearer(token))
}

fn is_dev_ops(host: &str) -> bool {
    host == "dev.azure.com" || host.ends_with(".visualstudio.com")
}

async fn app_token(
    request: &Request,
    secret: &Secret,
    who: &Who,
    identities: &Identities,
) -> Result<SecretString, Unknown> {
    let clock = identities.clock();
    let now = clock.now();
    let failed = |reason: String| Unknown::Other { reason };
    let app = App::read(|key| secret.text(key)).map_err(|error| failed(error.chain()))?;
    let request = request.clone();
    let buy = async {
        let bought = tokio::task::spawn_blocking(move || app.token(&request, now)).await;
        let token =
            bought.map_err(|panic| failed(panic.to_string()))?.map_err(|error| failed(error.chain()))?;
        Ok(Lent { token: Token::Text(token.secret), lasts: clock.until(token.expires) })
    };
    identities.remembered(who, &secret.version, OPERATION, buy).await
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
    // What stands before an `@` is nobody's business.
    let scheme = address.split_once(':').filter(|_| !address.contains('@')).map(|(scheme, _)| scheme);
    if scheme == Some("") {
        let why = format!("parse \"{address}\": missing protocol scheme");
        return Err(invalid(format!("failed to parse proxy address '{address}': {why}")));
    }
    if !["http://", "https://", "socks5://"].iter().any(|known| address.starts_with(known)) {
        let what = "proxy URL must use one of the supported schemes (http, https, socks5)";
        return Err(invalid(format!("{what}, got '{}'", scheme.unwrap_or_default())));
    }
    let user = secret.text("username").map(|user| {
        (user.expose_secret().to_owned(), secret.text("password").unwrap_or_else(|| SecretString::from("")))
    });
    Ok(Proxy { address, user })
}

#[cfg(test)]
mod tests {
    use super::is_dev_ops;

    #[test]
    fn hosts_of_azure_dev_ops_are_two() {
        assert!(is_dev_ops("dev.azure.com") && is_dev_ops("contoso.visualstudio.com"));
        for other in ["evil.example", "dev.azure.com.evil.example", "xdev.azure.com", "visualstudio.com"] {
            assert!(!is_dev_ops(other), "{other}");
        }
    }
}
