//! Tokens for Google Cloud, fetched once and renewed by the SDK.

use std::time::Duration;

use google_cloud_auth::build_errors;
use google_cloud_auth::credentials::{
    Builder, CacheableResource, Credentials as Source, external_account, external_account_authorized_user,
    impersonated, service_account, user_account,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Access, Credentials, SERVICE};
use crate::error::Error;
use crate::http::chain;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Whoever has no token after this time is not on a machine that gives one.
const PATIENCE: Duration = Duration::from_secs(30);

/// The source of tokens of this run.
#[derive(Default)]
pub(crate) struct Tokens(OnceCell<Source>);

impl Tokens {
    /// Returns the headers that say who asks.
    pub(super) async fn headers(&self, access: &Access) -> Result<HeaderMap, Error> {
        match &access.credentials {
            Credentials::None if access.base().starts_with("http://") => Ok(HeaderMap::new()),
            Credentials::None => Err(missing("none were given")),
            Credentials::Token(token) => bearer(token),
            source => {
                let source = self.0.get_or_try_init(|| async { build(source) }).await?;
                let headers = tokio::time::timeout(PATIENCE, source.headers(http::Extensions::new())).await;
                match headers {
                    Ok(Ok(CacheableResource::New { data, .. })) => Ok(data),
                    Ok(Ok(CacheableResource::NotModified)) => Err(missing("the SDK gave no token")),
                    Ok(Err(error)) => Err(missing(&chain(&error))),
                    Err(_) => Err(missing("nothing gave a token within 30 seconds")),
                }
            }
        }
    }
}

fn bearer(token: &SecretString) -> Result<HeaderMap, Error> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret().trim()))
        .map_err(|_| missing("the access token is no text for a header"))?;
    value.set_sensitive(true);
    Ok([(AUTHORIZATION, value)].into_iter().collect())
}

fn build(credentials: &Credentials) -> Result<Source, Error> {
    // The SDK's own client needs the process' choice as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    match credentials {
        Credentials::ServiceAccount(json) => of_kind(json, |kind| kind == "service_account"),
        Credentials::Json(json) => of_kind(json, |_| true),
        _ => Builder::default().with_scopes([SCOPE]).build().map_err(|error| unusable(&error)),
    }
}

fn of_kind(json: &SecretString, is_taken: impl Fn(&str) -> bool) -> Result<Source, Error> {
    let json: Value = serde_json::from_str(json.expose_secret())
        .map_err(|error| missing(&format!("line {} of the credentials is no JSON", error.line())))?;
    let kind = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !is_taken(&kind) {
        return Err(missing("they are not the key of a service account"));
    }
    let scopes = [SCOPE];
    let source = match kind.as_str() {
        "service_account" => service_account::Builder::new(json)
            .with_access_specifier(service_account::AccessSpecifier::from_scopes(scopes))
            .build(),
        "authorized_user" => user_account::Builder::new(json).with_scopes(scopes).build(),
        "external_account" => external_account::Builder::new(json).with_scopes(scopes).build(),
        "external_account_authorized_user" => external_account_authorized_user::Builder::new(json).build(),
        "impersonated_service_account" => impersonated::Builder::new(json).with_scopes(scopes).build(),
        _ => return Err(missing("their `type` is none that is known")),
    };
    source.map_err(|error| unusable(&error))
}

/// What a parser says may quote what it read, so it is not repeated.
fn unusable(error: &build_errors::Error) -> Error {
    match error.is_parsing() {
        true => missing("their JSON has not the fields of its `type`"),
        false => missing(&chain(error)),
    }
}

fn missing(reason: &str) -> Error {
    Error::Credentials { service: SERVICE, reason: reason.to_owned() }
}
