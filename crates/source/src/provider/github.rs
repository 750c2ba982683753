//! A GitHub App and its private key -> a token for one of its installations.
//!
//! Follows: the REST API of GitHub, version 2022-11-28: a signed statement (RFC 7519, RS256) buys the token.

use std::fmt;
use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::error::{Error, chain};
use crate::git::{Request, http};

/// The user that goes with a token.
pub const USER: &str = "x-access-token";

const API: &str = "https://api.github.com/";
/// Clocks differ: the statement says it was made this long ago, in seconds.
const DRIFT: i64 = 30;
/// How long the statement holds, in seconds.
const VALIDITY: i64 = 120;
/// Bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 1 << 20;

/// An app.
pub struct App {
    id: String,
    installation: Installation,
    key: SecretString,
    base: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Installation {
    Id(String),
    Owner(String),
}

/// A token and its end.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub secret: SecretString,
    /// When it ends.
    pub expires: Timestamp,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "App({})", self.id)
    }
}

impl App {
    /// Reads the app from the entries of a Secret.
    ///
    /// # Errors
    /// [`Error::App`] when one is missing, too many are given, or one is no number.
    pub fn read(entry: impl Fn(&str) -> Option<SecretString>) -> Result<Self, Error> {
        let invalid = |text: &str| Error::App { text: text.to_owned() };
        let plain = |key: &str| entry(key).map(|value| value.expose_secret().trim().to_owned());
        let number = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let id = plain("githubAppID").filter(number);
        let id = id.ok_or_else(|| invalid("app ID must be provided to use github app authentication"))?;
        let by_id = plain("githubAppInstallationID").filter(number).map(Installation::Id);
        let owner = plain("githubAppInstallationOwner").filter(|owner| !owner.is_empty());
        let installation = match (by_id, owner.map(Installation::Owner)) {
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "only one of app installation owner or ID must be provided to use github app authentication",
                ));
            }
            (one, other) => one.or(other).ok_or_else(|| {
                invalid("app installation owner or ID must be provided to use github app authentication")
            })?,
        };
        let key = entry("githubAppPrivateKey");
        let key =
            key.ok_or_else(|| invalid("private key must be provided to use github app authentication"))?;
        let base = plain("githubAppBaseURL").filter(|base| !base.is_empty());
        Ok(Self { id, installation, key, base: base.unwrap_or_else(|| API.to_owned()) })
    }

    /// Buys a token. The request gives the authorities that are trusted and the proxy. Blocks.
    ///
    /// # Errors
    /// [`Error::App`] when the key cannot be read or GitHub refuses.
    pub fn token(&self, request: &Request, now: Timestamp) -> Result<Token, Error> {
        let statement = self.statement(now)?;
        let client = http::builder(request)?.timeout(request.timeout.min(Duration::from_secs(60)));
        let client = client.build().map_err(|error| failed(chain(&error)))?;
        let call = Call { client, base: self.base.trim_end_matches('/'), statement };
        let id = match &self.installation {
            Installation::Id(id) => id.clone(),
            Installation::Owner(owner) => call.installation(owner)?,
        };
        let answer = call.send(Method::POST, &format!("app/installations/{id}/access_tokens"))?;
        let secret = answer["token"].as_str().filter(|token| !token.is_empty());
        let secret = secret.ok_or_else(|| failed("the answer holds no token".to_owned()))?;
        let expires = answer["expires_at"].as_str().and_then(|time| time.parse().ok()).unwrap_or(now);
        Ok(Token { secret: SecretString::from(secret), expires })
    }

    /// Returns the signed statement of who we are.
    fn statement(&self, now: Timestamp) -> Result<SecretString, Error> {
        let bad = |text: String| failed(format!("could not parse private key: {text}"));
        let pem = PrivateKeyDer::from_pem_slice(self.key.expose_secret().as_bytes());
        let no_pem = "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key";
        let key = match pem.map_err(|_| bad(no_pem.to_owned()))? {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            _ => return Err(bad("it is no RSA key".to_owned())),
        };
        let key = key.map_err(|error| bad(error.to_string()))?;
        let issued = now.as_second() - DRIFT;
        let claims = json!({"iat": issued, "exp": issued + VALIDITY, "iss": self.id});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(&json!({"alg": "RS256", "typ": "JWT"})), encode(&claims));
        let mut signature = vec![0; key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .map_err(|_| bad("it does not sign".to_owned()))?;
        Ok(SecretString::from(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// Requests of one visit.
struct Call<'a> {
    client: Client,
    base: &'a str,
    statement: SecretString,
}

impl Call<'_> {
    fn installation(&self, owner: &str) -> Result<String, Error> {
        let found = self.send(Method::GET, &format!("orgs/{owner}/installation"));
        let found = found.or_else(|_| self.send(Method::GET, &format!("users/{owner}/installation")))?;
        let id = found["id"].as_u64().ok_or_else(|| failed("the answer holds no installation".to_owned()))?;
        Ok(id.to_string())
    }

    fn send(&self, method: Method, path: &str) -> Result<Value, Error> {
        let url = format!("{}/{path}", self.base);
        let response = self.headed(self.client.request(method, &url)).send();
        let response = response.map_err(|error| failed(chain(&error.without_url())))?;
        let status = response.status();
        let mut body = Zeroizing::new(Vec::new());
        response.take(LONGEST_ANSWER).read_to_end(&mut body).map_err(|error| failed(error.to_string()))?;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let why = value["message"].as_str().unwrap_or_default();
        Err(failed(format!("{path}: {} {why}", status.as_u16()).trim_end().to_owned()))
    }

    fn headed(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .bearer_auth(self.statement.expose_secret())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
    }
}

fn failed(text: String) -> Error {
    Error::App { text }
}
