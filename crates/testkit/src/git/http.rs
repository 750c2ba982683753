//! The HTTP side: a loopback port, credentials, faults, a record.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::backend::Backend;
use super::{Fault, Options, code_commit, tls};
use crate::loopback::Loopback;

/// Requests with more bytes than this are refused.
const MOST_BYTES: usize = 256 << 20;

/// One request that the server has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method, as `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The status it was answered with.
    pub status: u16,
    /// Whether it brought credentials.
    pub authorized: bool,
}

#[derive(Debug)]
struct Shared {
    backend: Backend,
    basic_auth: Option<(String, String)>,
    bearer: Option<String>,
    code_commit: bool,
    fault: Mutex<Option<Fault>>,
    seen: Mutex<Vec<Seen>>,
}

/// A running server; it ends on drop.
#[derive(Debug)]
pub(super) struct Listener {
    loopback: Loopback,
    shared: Arc<Shared>,
}

impl Listener {
    pub(super) fn start(backend: Backend, options: &Options) -> Result<Self> {
        let shared = Arc::new(Shared {
            backend,
            basic_auth: options.basic_auth.clone(),
            bearer: options.bearer.clone(),
            code_commit: options.code_commit,
            fault: Mutex::default(),
            seen: Mutex::default(),
        });
        let tls = options.tls.as_ref().map(tls::Certificates::acceptor).transpose()?;
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Ok(Self { loopback: Loopback::start(router, tls)?, shared })
    }

    pub(super) fn port(&self) -> u16 {
        self.loopback.address().port()
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let authorized = request.headers().contains_key("authorization");
    let fault = shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let response = match (fault, authenticate(&shared, &request)) {
        (Some(fault), _) => {
            let whole = match fault.needs_answer() {
                true => forward(&shared, request, None).await.ok(),
                false => None,
            };
            fault.answer(&target, whole).await
        }
        (None, Ok(user)) => match forward(&shared, request, user.as_deref()).await {
            Ok(response) => response,
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
        },
        (None, Err(refusal)) => *refusal,
    };
    let seen = Seen { method, target, status: response.status().as_u16(), authorized };
    shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    response
}

async fn forward(shared: &Shared, request: Request, user: Option<&str>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES).await.context("reading the request")?;
    shared.backend.answer(&parts, body, user).await
}

/// Returns the user, or the refusal.
fn authenticate(shared: &Shared, request: &Request) -> Result<Option<String>, Box<Response<Body>>> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = text("authorization");
    if shared.code_commit {
        let user = code_commit::user(given, text("host"), request.uri().path(), Timestamp::now());
        return user.map(Some).map_err(|why| Box::new(refusal(&format!("{why:#}\n"))));
    }
    let (user, expected) = match (&shared.basic_auth, &shared.bearer) {
        (Some((user, password)), _) => {
            (user.clone(), format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        }
        (None, Some(token)) => ("bearer".to_owned(), format!("Bearer {token}")),
        (None, None) => return Ok(None),
    };
    if given == expected { Ok(Some(user)) } else { Err(Box::new(refusal("credentials are needed\n"))) }
}

fn refusal(why: &str) -> Response<Body> {
    let mut refusal = plain(StatusCode::UNAUTHORIZED, why);
    let realm = axum::http::HeaderValue::from_static("Basic realm=\"git\"");
    refusal.headers_mut().insert("www-authenticate", realm);
    refusal
}

pub(super) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
