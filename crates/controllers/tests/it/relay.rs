//! Stands between controllers and server, and misbehaves for a while when told to.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use serde_json::json;
use tokio::sync::watch;

/// One way to misbehave.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// Every second request is refused with this code.
    Second(u16),
    /// Every request is refused with this code.
    All(u16),
    /// Every request of a method whose path ends so is refused with this code.
    Only(u16, Method, &'static str),
    /// What is asked is done, and nobody hears of it before the trouble is over.
    Hang,
    /// The same for requests of one method alone.
    HangOn(Method),
    /// What is asked is done, and half of the answer's first piece is all that is heard of it.
    Truncate,
}

/// A relay on loopback; it ends with the runtime.
pub(crate) struct Relay {
    pub(crate) client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    server: String,
    token: String,
    trouble: Mutex<Option<Trouble>>,
    /// Changes when the trouble is over.
    over: watch::Sender<u32>,
    /// How many requests met the trouble.
    hit: AtomicU32,
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
            trouble: Mutex::default(),
            over: watch::channel(0).0,
            hit: AtomicU32::new(0),
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

    /// Misbehaves from now on.
    pub(crate) fn misbehave(&self, trouble: Trouble) {
        *self.shared.trouble.lock() = Some(trouble);
    }

    /// Behaves again; returns how many requests met the trouble.
    pub(crate) fn relent(&self) -> u32 {
        *self.shared.trouble.lock() = None;
        self.shared.over.send_modify(|count| *count += 1);
        self.shared.hit.swap(0, Ordering::Relaxed)
    }

    /// Breaks all watches.
    pub(crate) fn cut_watches(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let mut over = shared.over.subscribe();
    let trouble = shared.trouble.lock().clone();
    let refused = match &trouble {
        Some(Trouble::Second(code)) if shared.seen.fetch_add(1, Ordering::Relaxed) % 2 == 0 => Some(*code),
        Some(Trouble::All(code)) => Some(*code),
        Some(Trouble::Only(code, method, path)) if is(&request, method, path) => Some(*code),
        _ => None,
    };
    let hangs = match &trouble {
        Some(Trouble::Hang) => true,
        Some(Trouble::HangOn(method)) => request.method() == method,
        _ => false,
    };
    if refused.is_some() || hangs || matches!(trouble, Some(Trouble::Truncate)) {
        shared.hit.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(code) = refused {
        return refusal(code);
    }
    let answer = forward(&shared, request).await.unwrap_or_else(|_| refusal(502));
    match trouble {
        _ if hangs => {
            // An error is the end of the relay itself.
            let _ = over.changed().await;
            answer
        }
        Some(Trouble::Truncate) => cut_off(answer),
        _ => answer,
    }
}

fn is(request: &Request, method: &Method, path: &str) -> bool {
    request.method() == method && request.uri().path().ends_with(path)
}

fn cut_off(answer: Response<Body>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let half = body.into_data_stream().take(1).map_ok(|bytes| bytes.slice(..bytes.len() / 2));
    let end = stream::once(async { Err(axum::Error::new(io::Error::from(io::ErrorKind::ConnectionReset))) });
    Response::from_parts(parts, Body::from_stream(half.chain(end)))
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
    let stream = answer.bytes_stream().take_until(broken);
    *response.body_mut() = Body::from_stream(stream);
    Ok(response)
}
