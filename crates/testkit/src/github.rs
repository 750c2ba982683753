//! A stand-in for GitHub's REST API: tokens for an app that proves who it is.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::loopback::Loopback;
use crate::program;
use crate::scratch::Scratch;

/// The token that is sold.
pub const TOKEN: &str = "ghs_sample";
/// The only installation, which belongs to [`OWNER`].
pub const INSTALLATION: u64 = 4711;
/// A user; no organization has this name.
pub const OWNER: &str = "sample-owner";

/// A running stand-in; it ends on drop.
#[derive(Debug)]
pub struct GitHub {
    /// The app's private key, PEM.
    pub key: String,
    loopback: Loopback,
    seen: Arc<Mutex<Vec<String>>>,
}

struct Shared {
    app: String,
    public: Vec<u8>,
    now: i64,
    seen: Arc<Mutex<Vec<String>>>,
}

impl GitHub {
    /// Starts it for an app; `now` is the time by which it judges, in seconds since 1970.
    ///
    /// # Errors
    /// When no key can be made or no port is free.
    pub fn start(app: u64, now: i64) -> Result<Self> {
        let scratch = Scratch::new()?;
        let key = key(&scratch.join("key"))?;
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let shared = Shared { app: app.to_string(), public: public(&key)?, now, seen: Arc::clone(&seen) };
        let router = Router::new().fallback(answer).with_state(Arc::new(shared));
        Ok(Self { key, loopback: Loopback::start(router, None)?, seen })
    }

    /// Returns the address of the API, below a path as in an enterprise.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/api/v3", self.loopback.address())
    }

    /// Returns what was asked so far: method and path.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn key(path: &Path) -> Result<String> {
    let mut keygen = program::clean("ssh-keygen")?;
    program::output(keygen.args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM", "-f"]).arg(path))?;
    Ok(std::fs::read_to_string(path)?)
}

fn public(pem: &str) -> Result<Vec<u8>> {
    let PrivateKeyDer::Pkcs1(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes())? else {
        anyhow::bail!("ssh-keygen made no PKCS #1 key");
    };
    let key = RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(key.public_key().as_ref().to_vec())
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let asked = format!("{} {}", request.method(), request.uri().path());
    shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let statement = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if let Err(error) = shared.check(statement) {
        return json_answer(StatusCode::UNAUTHORIZED, &json!({"message": format!("{error:#}")}));
    }
    let tokens = format!("POST /api/v3/app/installations/{INSTALLATION}/access_tokens");
    let expires = "2999-01-01T00:00:00Z";
    match asked.as_str() {
        asked if asked == tokens => {
            json_answer(StatusCode::CREATED, &json!({"token": TOKEN, "expires_at": expires}))
        }
        asked if asked == format!("GET /api/v3/users/{OWNER}/installation") => {
            json_answer(StatusCode::OK, &json!({"id": INSTALLATION}))
        }
        _ => json_answer(StatusCode::NOT_FOUND, &json!({"message": "Not Found"})),
    }
}

impl Shared {
    /// Checks signature, issuer and time as GitHub does: at most ten minutes, and not made in the future.
    fn check(&self, statement: &str) -> Result<()> {
        let (text, signature) = statement.rsplit_once('.').context("no statement")?;
        let signature = URL_SAFE_NO_PAD.decode(signature)?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public)
            .verify(text.as_bytes(), &signature)
            .map_err(|_| anyhow::anyhow!("a wrong signature"))?;
        let (head, claims) = text.split_once('.').context("no claims")?;
        let decode =
            |part: &str| -> Result<Value> { Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?) };
        ensure!(decode(head)?["alg"] == "RS256", "a wrong algorithm");
        let claims = decode(claims)?;
        ensure!(claims["iss"].as_str() == Some(&self.app), "a wrong issuer");
        let (issued, end) = (claims["iat"].as_i64(), claims["exp"].as_i64());
        let (issued, end) = (issued.context("no `iat`")?, end.context("no `exp`")?);
        ensure!(issued <= self.now && end > self.now && end - issued <= 600, "a wrong time");
        Ok(())
    }
}

fn json_answer(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response
}
