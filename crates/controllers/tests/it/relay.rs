//! Stands between controllers and server, and misbehaves for a while when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use serde_json::json;
use tokio::sync::watch;

/// A relay on loopback; it ends with the runtime.
pub(crate) struct Relay {
    pub(crate) client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    server: String,
    token: String,
    /// The code of the refusals; 0 refuses nothing.
    code: AtomicU16,
    /// The requests that are refused, by method and end of the path; every second one when there is none.
    only: Mutex<Option<(Method, String)>>,
    refused: AtomicU32,
    seen: AtomicU32,
    /// Changes when all watches are to break.
    cut: watch::Sender<u32>,
}

impl Relay {
    /// A relay before the server of a kubeconfig.
    pub(crate) async fn start(kubeconfig: &str) -> Result<Relay> {
        let config = sealfast_yaml::json::from_yaml(kubeconfig.as_bytes())?;
        let text = |pointer: &str| config.pointer(pointer).and_then(|v| v.as_str()).map(str::to_owned);
        let server = text("/clusters/0/cluster/server").context("a server")?;
        let token = text("/users/0/user/token").context("a token")?;
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build()?;
        let shared = Arc::new(Shared {
            http,
            server,
            token: token.clone(),
            code: AtomicU16::new(0),
            only: Mutex::default(),
            refused: AtomicU32::new(0),
            seen: AtomicU32::new(0),
            cut: watch::channel(0).0,
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::from_url(&address, Some(&token.into()), None).await?;
        Ok(Relay { client, shared })
    }

    /// Refuses every second request with this code.
    pub(crate) fn refuse(&self, code: u16) {
        self.shared.code.store(code, Ordering::Relaxed);
    }

    /// Refuses with this code every request of a method whose path ends so.
    pub(crate) fn refuse_only(&self, code: u16, method: Method, path: &str) {
        *self.shared.only.lock() = Some((method, path.to_owned()));
        self.shared.code.store(code, Ordering::Relaxed);
    }

    /// Refuses nothing any more; returns how many requests were refused.
    pub(crate) fn relent(&self) -> u32 {
        self.shared.code.store(0, Ordering::Relaxed);
        *self.shared.only.lock() = None;
        self.shared.refused.swap(0, Ordering::Relaxed)
    }

    /// Breaks all watches.
    pub(crate) fn cut_watches(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let code = shared.code.load(Ordering::Relaxed);
    let chosen = match &*shared.only.lock() {
        Some((method, path)) => request.method() == method && request.uri().path().ends_with(path),
        None => shared.seen.fetch_add(1, Ordering::Relaxed) % 2 == 0,
    };
    if code != 0 && chosen {
        shared.refused.fetch_add(1, Ordering::Relaxed);
        return refusal(code);
    }
    forward(&shared, request).await.unwrap_or_else(|_| refusal(502))
}

fn refusal(code: u16) -> Response<Body> {
    let reason = match code {
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "out of order", "reason": reason, "code": code});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if code == 429 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("0"));
    }
    response
}

async fn forward(shared: &Shared, request: Request) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await?;
    let target = parts.uri.path_and_query().context("a path")?.to_string();
    let mut sent =
        shared.http.request(parts.method, format!("{}{target}", shared.server)).bearer_auth(&shared.token);
    for name in [header::ACCEPT, header::CONTENT_TYPE] {
        if let Some(value) = parts.headers.get(&name) {
            sent = sent.header(name, value);
        }
    }
    let answer = sent.body(body).send().await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    if let Some(kind) = answer.headers().get(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    let mut cut = shared.cut.subscribe();
    let broken = async move {
        // An error is the end of the relay itself.
        let _ = cut.changed().await;
    };
    let stream = futures::StreamExt::take_until(answer.bytes_stream(), broken);
    *response.body_mut() = Body::from_stream(stream);
    Ok(response)
}
