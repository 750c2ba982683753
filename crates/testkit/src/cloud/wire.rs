//! A loopback server on its own thread, over HTTP or TLS, with a record.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::loopback::Loopback;

const MOST_BYTES: usize = 1 << 20;

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method, as `GET`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, without its question mark.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Asked {
    /// Returns a header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the body is no JSON")
    }

    /// Returns a field of a form in the body.
    #[must_use]
    pub fn form(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(&self.body);
        pairs.into_iter().find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
    }

    /// Returns a field of the query.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.into_iter().find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
    }
}

/// An answer: status, headers, body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Returns an answer of success, as JSON.
    #[must_use]
    pub fn ok(body: &Value) -> Self {
        Self::with(200, body)
    }

    /// Returns an answer with a status, as JSON.
    #[must_use]
    pub fn with(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string() }
    }
}

/// Whether the server speaks TLS.
#[derive(Clone, Debug)]
pub enum Wire {
    /// Plain HTTP.
    Plain,
    /// TLS with a fresh certificate for these host names.
    Tls(Vec<String>),
}

type Handler = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// A running server; it ends on drop.
#[derive(Debug)]
pub struct Server {
    loopback: Loopback,
    certificate: Option<String>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts a server that answers with a function.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(wire: &Wire, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Result<Self> {
        let (tls, certificate) = match wire {
            Wire::Plain => (None, None),
            Wire::Tls(names) => {
                let (acceptor, pem) = acceptor(names)?;
                (Some(acceptor), Some(pem))
            }
        };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer) as Handler);
        let router =
            Router::new().fallback(move |request| handle(request, Arc::clone(&log), Arc::clone(&answer)));
        Ok(Self { loopback: Loopback::start(router, tls)?, certificate, asked })
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.loopback.address()
    }

    /// Returns the URL by that address.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// Returns the PEM of the certificate to trust; empty without TLS.
    #[must_use]
    pub fn certificate(&self) -> &str {
        self.certificate.as_deref().unwrap_or_default()
    }

    /// Returns what was asked so far, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn acceptor(names: &[String]) -> Result<(TlsAcceptor, String)> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names.to_vec())?.self_signed(&key)?;
    let pem = certificate.pem();
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    Ok((TlsAcceptor::from(Arc::new(config)), pem))
}

async fn handle(
    request: axum::extract::Request,
    log: Arc<Mutex<Vec<Asked>>>,
    answer: Handler,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES).await.unwrap_or_default();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    // An answer may wait for other questions.
    let question = asked.clone();
    let answer = tokio::task::spawn_blocking(move || answer(&question)).await;
    log.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let Answer { status, headers, body } = answer.unwrap_or_else(|_| Answer::with(500, &Value::Null));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
