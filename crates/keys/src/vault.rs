//! The transit engine of HashiCorp Vault and OpenBao.
//!
//! `PUT ADDRESS/v1/ENGINE/encrypt/NAME` with the data key in base64 gives `vault:v1:…`, `…/decrypt/NAME` gives it back.
//! The address comes from the key alone, the token from the keyring.
//!
//! Follows: `hcvault/keysource.go` of sops 3.13.2. Differs: what leads to another path of the server is refused.

use std::fmt;
use std::time::Duration;

use ::url::Url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::StatusCode;
use sealfast_sops::master_key::without_user;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::http::{self, Network, Question, Secret, TIMEOUT};

mod url;

/// As the client library of the service has it.
const RETRIES: u32 = 2;
const PAUSE: Duration = Duration::from_secs(1);

/// What is needed to ask a Vault, whichever it is.
#[derive(Clone)]
pub struct Access {
    /// The token.
    pub token: Option<SecretString>,
    /// Tokens for single addresses, before the one for all.
    pub tokens: Vec<(String, SecretString)>,
    /// The namespace of the enterprise edition and of OpenBao.
    pub namespace: Option<String>,
    /// Which addresses may be asked.
    pub allowed: Allowed,
    /// How often a request that met a server in trouble is sent again.
    pub retries: u32,
    /// How long is waited before the first of them; the next ones wait half as long again.
    pub pause: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How the server is known, and how it knows us.
    pub tls: Tls,
}

/// Certificates on the way to a Vault.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates, PEM, that are trusted instead of those of the machine.
    pub roots: Option<Vec<u8>>,
    /// The client's certificate and its private key, both PEM.
    pub identity: Option<SecretString>,
    /// Whether the server has to show who it is.
    pub verify: Verify,
}

/// Whether a server has to show who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// By a certificate that is trusted.
    #[default]
    Certificate,
    /// Not at all.
    Nothing,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            token: None,
            tokens: Vec::new(),
            namespace: None,
            allowed: Allowed::All,
            retries: RETRIES,
            pause: PAUSE,
            timeout: TIMEOUT,
            tls: Tls::default(),
        }
    }
}

impl Access {
    pub(crate) fn set_token(&mut self, token: &SecretString) {
        self.token = Some(SecretString::from(token.expose_secret().trim()));
    }

    fn token_for(&self, address: &str) -> Option<&SecretString> {
        let own = self.tokens.iter().find(|(known, _)| known == address);
        own.map(|(_, token)| token).or(self.token.as_ref())
    }

    /// Makes the client for every Vault.
    ///
    /// # Errors
    /// What is wrong with a certificate.
    pub fn client(&self, network: &Network) -> Result<reqwest::Client, String> {
        let mut builder = network.builder()?.timeout(self.timeout);
        if let Some(pem) = &self.tls.roots {
            builder = builder.tls_certs_only(http::certificates(pem)?);
        }
        if let Some(pem) = &self.tls.identity {
            let identity = reqwest::Identity::from_pem(pem.expose_secret().as_bytes());
            builder = builder.identity(identity.map_err(|_| "the client certificate cannot be read")?);
        }
        if self.tls.verify == Verify::Nothing {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder.build().map_err(|error| http::words(&error))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("verify", &self.verify).finish_non_exhaustive()
    }
}

/// Which addresses may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allowed {
    /// Any address that a file names.
    #[default]
    All,
    /// Addresses that begin with one of these URLs, each with a slash at its end.
    Prefixes(Vec<String>),
}

impl Allowed {
    /// Reads the list as `SOPS_HC_VAULT_ALLOWLIST` has it: `all`, `none`, or URLs with commas between them.
    ///
    /// # Errors
    /// [`Error::VaultAllowList`] for an empty entry.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let prefixes = match text {
            "" | "all" => return Ok(Self::All),
            "none" => return Ok(Self::Prefixes(Vec::new())),
            list => list.split(',').enumerate().map(|(index, entry)| match entry.trim_matches(' ') {
                "" => Err(Error::VaultAllowList { index: index + 1 }),
                entry => Ok(with_slash(entry)),
            }),
        };
        prefixes.collect::<Result<_, _>>().map(Self::Prefixes)
    }

    fn allows(&self, address: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefixes(prefixes) => {
                let address = with_slash(address);
                prefixes.iter().any(|prefix| address.starts_with(prefix))
            }
        }
    }
}

fn with_slash(address: &str) -> String {
    format!("{}/", address.strip_suffix('/').unwrap_or(address))
}

/// A transit key.
pub(crate) struct Key<'a> {
    pub(crate) address: &'a str,
    pub(crate) engine: &'a str,
    pub(crate) name: &'a str,
}

impl Key<'_> {
    /// Opens a wrapped data key or share.
    pub(crate) async fn unwrap(
        &self,
        enc: &str,
        access: &Access,
        client: &reqwest::Client,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let question = Question::Unwrap(enc);
        let answer = self.ask("decrypt", &question, access, client).await?;
        let Some(Secret(plaintext)) = answer.plaintext else {
            return Err(self.failed("decrypt", "no decrypted data"));
        };
        STANDARD
            .decode(plaintext.expose_secret())
            .map(Zeroizing::new)
            .map_err(|_| self.failed("decrypt", "cannot decode base64 plaintext into data key bytes"))
    }

    /// Wraps a data key or share.
    pub(crate) async fn wrap(
        &self,
        key: &[u8],
        access: &Access,
        client: &reqwest::Client,
    ) -> Result<String, Error> {
        let plaintext = Zeroizing::new(STANDARD.encode(key));
        let question = Question::Wrap(&plaintext);
        let answer = self.ask("encrypt", &question, access, client).await?;
        answer.ciphertext.ok_or_else(|| self.failed("encrypt", "no encrypted data"))
    }

    async fn ask(
        &self,
        action: &'static str,
        question: &Question<'_>,
        access: &Access,
        client: &reqwest::Client,
    ) -> Result<Data, Error> {
        if !access.allowed.allows(self.address) {
            return Err(Error::VaultAddress { address: without_user(self.address) });
        }
        let body = http::secret_json(question).map_err(|reason| self.failed(action, &reason))?;
        let url = url::of(self.address, self.engine, action, self.name)?;
        let (status, body) = self.send(action, &url, body, access, client).await?;
        if !status.is_success() {
            return Err(self.failed(action, &refusal(question, &url, status, &body)));
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| self.failed(action, "the answer is no JSON with a `data` object"))?;
        answer.data.ok_or_else(|| self.failed(action, "transit backend is empty"))
    }

    /// Sends a request, again while the server is in trouble.
    async fn send(
        &self,
        action: &'static str,
        url: &Url,
        body: Bytes,
        access: &Access,
        client: &reqwest::Client,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Error> {
        let mut pause = access.pause;
        let mut left = access.retries;
        loop {
            let mut request = client
                .put(url.clone())
                .header("X-Vault-Request", "true")
                .header("content-type", "application/json")
                .body(body.clone());
            if let Some(token) = access.token_for(self.address) {
                request = request.header("X-Vault-Token", token.expose_secret());
            }
            if let Some(namespace) = &access.namespace {
                request = request.header("X-Vault-Namespace", namespace);
            }
            let answer = request.send().await;
            let is_in_trouble = match &answer {
                Ok(response) => is_trouble(response.status()),
                Err(error) => error.is_connect() || error.is_request(),
            };
            if !is_in_trouble || left == 0 {
                let response = answer.map_err(|error| self.failed(action, &unanswered(url, &error)))?;
                let status = response.status();
                let body = http::body(response).await.map_err(|reason| self.failed(action, &reason))?;
                return Ok((status, body));
            }
            left -= 1;
            tokio::time::sleep(pause).await;
            pause += pause / 2;
        }
    }

    fn failed(&self, action: &'static str, reason: &str) -> Error {
        let (engine, key) = (self.engine.to_owned(), self.name.to_owned());
        Error::Vault { action, engine, key, reason: reason.to_owned() }
    }
}

/// Why no answer came, with the address that was asked, as the reference tells both.
fn unanswered(url: &Url, error: &reqwest::Error) -> String {
    let words = http::words(error);
    let port = url.port_or_known_default().unwrap_or_default();
    match url.host_str() {
        Some(host) if words == "Connection refused" => {
            format!("Put \"{url}\": dial tcp {host}:{port}: connect: connection refused")
        }
        _ => format!("Put \"{url}\": {words}"),
    }
}

/// A standby that lags behind, too many requests, or a server in trouble; one that does not know the method will not learn it.
fn is_trouble(status: StatusCode) -> bool {
    let is_passing = matches!(status, StatusCode::PRECONDITION_FAILED | StatusCode::TOO_MANY_REQUESTS);
    is_passing || status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    ciphertext: Option<String>,
    plaintext: Option<Secret>,
}

/// The complaints of an answer; whatever else stands in it is not read, for a key might be in it.
#[derive(Deserialize)]
struct Complaints {
    errors: Option<Vec<String>>,
}

/// What Vault answered, as its own client library tells it. Of an answer in other words only the length is told: they may
/// hold the key that was wrapped or opened.
fn refusal(question: &Question<'_>, url: &Url, status: StatusCode, body: &[u8]) -> String {
    let told = match serde_json::from_slice(body) {
        Ok(Complaints { errors }) => {
            let errors = errors.unwrap_or_default();
            let errors = errors.iter().map(|text| format!("* {}", http::clean(&without_key(text, question))));
            format!("Errors:\n\n{}", errors.collect::<String>())
        }
        Err(_) => format!("Raw Message:\n\n{} bytes", body.len()),
    };
    format!("Error making API request.\n\nURL: PUT {url}\nCode: {}. {told}", status.as_u16())
}

/// Covers the key that was to be wrapped wherever an answer repeats it.
fn without_key(text: &str, question: &Question<'_>) -> String {
    let sent = match question {
        Question::Wrap(plaintext) => plaintext.trim_end_matches('='),
        Question::Unwrap(_) => "",
    };
    if sent.is_empty() { text.to_owned() } else { text.replace(sent, "***") }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::{Allowed, Question, Url, refusal};

    fn told(question: &Question<'_>, body: &str) -> String {
        let Ok(url) = Url::parse("http://127.0.0.1/v1/transit/x") else { unreachable!("the URL is good") };
        let told = refusal(question, &url, StatusCode::BAD_REQUEST, body.as_bytes());
        told.split_once("Code: 400. ").map(|(_, told)| told.to_owned()).unwrap_or_default()
    }

    #[test]
    fn no_refusal_tells_a_key() {
        let (open, wrap) = (Question::Unwrap("vault:v1:x"), Question::Wrap("U0VDUkVUIQ=="));
        for question in [&open, &wrap] {
            assert_eq!(told(question, r#"{"data": {"plaintext": "U0VDUkVUIQ=="}}"#), "Errors:\n\n");
            assert_eq!(told(question, r#"{"errors": null}"#), "Errors:\n\n");
            assert_eq!(told(question, "U0VDUkVUIQ=="), "Raw Message:\n\n12 bytes");
            assert_eq!(told(question, r#"{"errors": ["a", "b\nc"]}"#), "Errors:\n\n* a* b c");
        }
        let echo = r#"{"errors": ["bad plaintext U0VDUkVUIQ==, U0VDUkVUIQ"]}"#;
        assert_eq!(told(&wrap, echo), "Errors:\n\n* bad plaintext ***==, ***");
    }

    #[test]
    fn prefixes_end_at_a_slash() {
        let Ok(allowed) = Allowed::parse("https://vault.example.com, http://127.0.0.1:8200/") else {
            unreachable!("the list is good");
        };
        assert!(allowed.allows("https://vault.example.com"));
        assert!(allowed.allows("http://127.0.0.1:8200"));
        assert!(!allowed.allows("https://vault.example.com.evil.org"));
        assert!(Allowed::parse("all").is_ok_and(|allowed| allowed.allows("http://x")));
        assert!(Allowed::parse("none").is_ok_and(|allowed| !allowed.allows("http://x")));
        assert!(Allowed::parse("http://a,,http://b").is_err());
    }
}
