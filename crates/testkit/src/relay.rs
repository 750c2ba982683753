//! Stands before an API server, notes what is asked, and misbehaves when told to.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tokio::sync::watch;

use crate::loopback::Loopback;

/// One way to misbehave.
#[derive(Clone, Debug)]
pub enum Trouble {
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
    /// Requests come late to the server, also when nobody waits for them any more.
    Late(fn(&Seen) -> Delay),
    /// So many changes are made of what has a text in its path. Nobody hears of the last one, and none after it comes to
    /// the server: this is how things stay when whoever asked dies between two of them.
    EndAfter(u32, String),
}

/// How late a request comes to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// At once.
    None,
    /// After a while.
    For(Duration),
    /// When the trouble is over.
    UntilOver,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Whether it was only tried.
    pub is_dry_run: bool,
    /// When it came.
    pub at: Instant,
    /// When it was handed on.
    pub passed: Option<Instant>,
    /// When it was answered, and how.
    pub answered: Option<(Instant, StatusCode)>,
    /// Whether it was done and its answer was kept back.
    pub is_kept_back: bool,
}

/// A relay on loopback; it ends on drop.
pub struct Relay {
    loopback: Loopback,
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
    count: AtomicU32,
    seen: Mutex<Vec<Seen>>,
    /// Changes when all watches are to break.
    cut: watch::Sender<u32>,
}

impl Relay {
    /// A relay before a server, whom it shows this token.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(server: &str, token: &str) -> Result<Relay> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let shared = Arc::new(Shared {
            http: reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build()?,
            server: server.to_owned(),
            token: token.to_owned(),
            trouble: Mutex::default(),
            over: watch::channel(0).0,
            hit: AtomicU32::new(0),
            count: AtomicU32::new(0),
            seen: Mutex::default(),
            cut: watch::channel(0).0,
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        Ok(Relay { loopback: Loopback::start(router, None)?, shared })
    }

    /// Returns its address, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.loopback.address())
    }

    /// Misbehaves from now on.
    pub fn misbehave(&self, trouble: Trouble) {
        self.shared.count.store(0, Ordering::Relaxed);
        *lock(&self.shared.trouble) = Some(trouble);
    }

    /// Behaves again; returns how many requests met the trouble.
    pub fn relent(&self) -> u32 {
        *lock(&self.shared.trouble) = None;
        self.shared.over.send_modify(|count| *count += 1);
        self.shared.hit.swap(0, Ordering::Relaxed)
    }

    /// Breaks all watches.
    pub fn cut_watches(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }

    /// Returns all requests that came so far, in their order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn note(&self, request: &Request) -> usize {
        let uri = request.uri();
        let seen = Seen {
            method: request.method().clone(),
            path: uri.path().to_owned(),
            is_dry_run: uri.query().is_some_and(|query| query.contains("dryRun=All")),
            at: Instant::now(),
            passed: None,
            answered: None,
            is_kept_back: false,
        };
        let mut all = lock(&self.seen);
        all.push(seen);
        all.len() - 1
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let place = shared.note(&request);
    // Who asked may go away meanwhile; what is on its way goes on.
    let task = tokio::spawn(async move {
        let answer = treat(&shared, request, place).await;
        lock(&shared.seen)[place].answered = Some((Instant::now(), answer.status()));
        answer
    });
    task.await.unwrap_or_else(|_| refusal(502))
}

async fn treat(shared: &Shared, request: Request, place: usize) -> Response<Body> {
    let mut over = shared.over.subscribe();
    let trouble = lock(&shared.trouble).clone();
    let refused = match &trouble {
        Some(Trouble::Second(code)) if shared.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
            Some(*code)
        }
        Some(Trouble::All(code)) => Some(*code),
        Some(Trouble::Only(code, method, path)) if is(&request, method, path) => Some(*code),
        _ => None,
    };
    let turn = match &trouble {
        Some(Trouble::EndAfter(changes, about)) if is_change(&lock(&shared.seen)[place], about) => {
            (shared.count.fetch_add(1, Ordering::Relaxed) + 1).cmp(changes)
        }
        _ => Less,
    };
    let hangs = match &trouble {
        Some(Trouble::Hang) => true,
        Some(Trouble::HangOn(method)) => request.method() == method,
        _ => turn == Equal,
    };
    let delay = match &trouble {
        Some(Trouble::Late(how)) => how(&lock(&shared.seen)[place]),
        _ => Delay::None,
    };
    let is_late = delay != Delay::None;
    if refused.is_some() || hangs || is_late || turn == Greater || matches!(trouble, Some(Trouble::Truncate))
    {
        shared.hit.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(code) = refused {
        return refusal(code);
    }
    if turn == Greater {
        // An error is the end of the relay itself.
        let _ = over.changed().await;
        return refusal(502);
    }
    match delay {
        Delay::None => {}
        Delay::For(time) => tokio::time::sleep(time).await,
        // An error is the end of the relay itself.
        Delay::UntilOver => drop(over.changed().await),
    }
    lock(&shared.seen)[place].passed = Some(Instant::now());
    let answer = forward(shared, request).await.unwrap_or_else(|_| refusal(502));
    match trouble {
        _ if hangs => {
            lock(&shared.seen)[place].is_kept_back = true;
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

/// Whether a request changes something of what is meant. Events are told whenever there is time.
fn is_change(seen: &Seen, about: &str) -> bool {
    let is_event = seen.path.contains("/events");
    seen.method != Method::GET && !seen.is_dry_run && !is_event && seen.path.contains(about)
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
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
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
