//! HTTP endpoints for those who run us: metrics, health, readiness.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::serving::{self, Limits};

/// The content type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether the process is up and whether it is of use; cheap to clone.
#[derive(Clone, Default)]
pub struct Health {
    ready: Arc<AtomicBool>,
}

impl Health {
    /// Says whether the process is of use.
    pub fn set_ready(&self, ready: Ready) {
        self.ready.store(ready == Ready::Yes, Ordering::Relaxed);
    }
}

/// Whether the process is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// It is.
    Yes,
    /// Not yet, or no longer.
    No,
}

/// A running server; it ends on drop.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `/metrics`.
///
/// # Errors
/// When the address is taken.
pub async fn serve_metrics(address: SocketAddr, metrics: Arc<Metrics>) -> Result<Server, Error> {
    let answer = |State(metrics): State<Arc<Metrics>>| async move {
        ([(header::CONTENT_TYPE, TEXT)], metrics.render())
    };
    serve(address, Router::new().route("/metrics", get(answer)).with_state(metrics)).await
}

/// Serves `/healthz` and `/readyz`.
///
/// # Errors
/// When the address is taken.
pub async fn serve_health(address: SocketAddr, health: Health) -> Result<Server, Error> {
    let ready = |State(health): State<Health>| async move {
        match health.ready.load(Ordering::Relaxed) {
            true => (StatusCode::OK, "ok").into_response(),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response(),
        }
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(health);
    serve(address, router).await
}

async fn serve(address: SocketAddr, router: Router) -> Result<Server, Error> {
    let failed = |source| Error::Probe { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let task =
        tokio::spawn(serving::serve(listener, router, Limits { connections: 64, ..Limits::default() }));
    Ok(Server { address, task })
}
