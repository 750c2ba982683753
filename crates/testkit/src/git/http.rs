//! The HTTP side: a loopback port, basic authentication, a record.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use tokio::sync::oneshot;

use super::backend::Backend;

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
}

struct Shared {
    backend: Backend,
    basic_auth: Option<(String, String)>,
    seen: Mutex<Vec<Seen>>,
}

/// A running server; it ends on drop.
pub(super) struct Listener {
    port: u16,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({})", self.port)
    }
}

impl Listener {
    pub(super) fn start(backend: Backend, basic_auth: Option<(String, String)>) -> Result<Self> {
        let socket = TcpListener::bind(("127.0.0.1", 0)).context("no loopback port is free")?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let shared = Arc::new(Shared { backend, basic_auth, seen: Mutex::new(Vec::new()) });
        let (stop, stopped) = oneshot::channel();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(socket) = tokio::net::TcpListener::from_std(socket) else { return };
                tokio::select! {
                    _ = async { axum::serve(socket, router).await } => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Ok(Self { port, shared, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let response = match authenticate(&shared, request.headers()) {
        Ok(user) => match forward(&shared, request, user.as_deref()).await {
            Ok(response) => response,
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
        },
        Err(refusal) => *refusal,
    };
    let status = response.status().as_u16();
    shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { method, target, status });
    response
}

async fn forward(shared: &Shared, request: Request, user: Option<&str>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES).await.context("reading the request")?;
    shared.backend.answer(&parts, body, user).await
}

/// Returns the user, or the refusal.
fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<Option<String>, Box<Response<Body>>> {
    let Some((user, password)) = &shared.basic_auth else { return Ok(None) };
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    let expected = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
    if given == Some(&expected) {
        return Ok(Some(user.clone()));
    }
    let mut refusal = plain(StatusCode::UNAUTHORIZED, "credentials are needed\n");
    refusal
        .headers_mut()
        .insert("www-authenticate", axum::http::HeaderValue::from_static("Basic realm=\"git\""));
    Err(Box::new(refusal))
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().chain([&0, &0]).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = char::from(DIGITS[word >> (18 - 6 * place) & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}
