//! Serves artifacts over HTTP, and offers a directory as one.
//!
//! `http://HOST/<path>` is the file at `<path>` below the storage's root; nothing is decrypted in there, so nobody has to
//! prove anything, as with the reference.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use sealfast_cluster::client::{Apply, Client, DryRun, Patch};
use sealfast_cluster::error::Error as ClusterError;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_source::archive::hex;
use sealfast_source::storage::Storage;
use sealfast_source::tree::Directory;
use serde_json::json;
use tokio::sync::oneshot;

use crate::source::address;
use crate::source::report::now;

/// The field manager of the objects made here.
const MANAGER: &str = "sealfast";

/// A running artifact server; it ends on drop.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

/// Starts the server.
///
/// # Errors
/// When the address is taken.
pub async fn serve(storage: Arc<Storage>, listen: SocketAddr) -> std::io::Result<Server> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let router = Router::new().fallback(answer).with_state(storage);
    tokio::spawn(async move {
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            // An error is the sender's end, which is what is waited for.
            let _ = stopped.await;
        });
        if let Err(error) = serving.await {
            tracing::error!(%error, "the artifact server ended");
        }
    });
    Ok(Server { address, _stop: stop })
}

async fn answer(
    State(storage): State<Arc<Storage>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    }
    let path = uri.path().trim_start_matches('/').to_owned();
    if path.is_empty() {
        // The readiness probe asks for this.
        return plain(StatusCode::OK, "");
    }
    if !path.ends_with(".tar.gz") {
        return plain(StatusCode::NOT_FOUND, "404 page not found\n");
    }
    let read =
        tokio::task::spawn_blocking(move || storage.holds(&path).then(|| storage.read(&path).ok()).flatten());
    let Ok(Some(bytes)) = read.await else {
        return plain(StatusCode::NOT_FOUND, "404 page not found\n");
    };
    let tag = etag(&bytes);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return plain(StatusCode::NOT_MODIFIED, "");
    }
    file(bytes, &tag, headers.get(header::RANGE), method == Method::HEAD)
}

fn file(bytes: Vec<u8>, tag: &str, range: Option<&HeaderValue>, head: bool) -> Response<Body> {
    let whole = bytes.len();
    let part = range.and_then(|range| span(range.to_str().ok()?, whole));
    let (status, bytes) = match part {
        Some((from, to)) => (StatusCode::PARTIAL_CONTENT, bytes[from..=to].to_vec()),
        None => (StatusCode::OK, bytes),
    };
    let length = bytes.len();
    let mut response = Response::new(if head { Body::empty() } else { Body::from(bytes) });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    if let Some((from, to)) = part
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {from}-{to}/{whole}"))
    {
        headers.insert(header::CONTENT_RANGE, value);
    }
    response
}

/// Reads `bytes=from-to`; none for anything that is answered with the whole file.
fn span(range: &str, whole: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last = whole.checked_sub(1)?;
    let from: usize =
        if from.is_empty() { whole.checked_sub(to.parse().ok()?)? } else { from.parse().ok()? };
    let to = if to.is_empty() || range.starts_with("bytes=-") {
        last
    } else {
        to.parse::<usize>().ok()?.min(last)
    };
    (from <= to).then_some((from, to))
}

fn etag(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    format!("\"{}\"", hex(&Sha256::digest(bytes)))
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// Why a directory could not be offered.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The directory cannot be read or the archive not kept.
    #[error("cannot pack the directory")]
    Pack(#[source] sealfast_source::error::Error),
    /// The API server refuses the object.
    #[error("cannot write ExternalArtifact `{namespace}/{name}`")]
    Write {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: ClusterError,
    },
}

/// Where a directory is offered.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// Namespace of the ExternalArtifact.
    pub namespace: &'a str,
    /// Name of the ExternalArtifact.
    pub name: &'a str,
    /// What stands before the `@` of the revision, as `local`.
    pub label: &'a str,
    /// The artifact server's host, as in [`crate::source::Shared::host`].
    pub host: &'a str,
}

/// Packs a directory as it stands, without `.git` and what its `.sourceignore` names, and offers it as an
/// ExternalArtifact, which a Kustomization may name as its source. The revision is `LABEL@sha256:…` of the content;
/// when it is the one already offered, nothing is written.
///
/// # Errors
/// [`PublishError`].
pub async fn publish_directory(
    client: &Client,
    storage: &Arc<Storage>,
    directory: Directory,
    offer: &Offer<'_>,
) -> Result<Artifact, PublishError> {
    let kind = GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", "ExternalArtifact");
    let failed = |source| PublishError::Write {
        namespace: offer.namespace.to_owned(),
        name: offer.name.to_owned(),
        source,
    };
    let artifact = keep(storage, directory, offer).await?;
    let known = client.find(&kind, offer.namespace, offer.name).await.map_err(failed)?;
    let was = known.as_ref().map(|object| &object["status"]["artifact"]);
    let same = was.is_some_and(|was| {
        was["revision"] == artifact.revision && was["url"] == artifact.url && was["digest"] == artifact.digest
    });
    if same {
        return Ok(artifact);
    }
    if known.is_none() {
        let object = json!({
            "apiVersion": kind.api_version(), "kind": kind.kind,
            "metadata": {"name": offer.name, "namespace": offer.namespace}, "spec": {},
        });
        let how = Apply { manager: MANAGER, force: true, dry_run: DryRun::No };
        client.apply(&object, &how).await.map_err(failed)?;
    }
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Succeeded", "lastTransitionTime": now(),
        "message": format!("stored artifact for revision '{}'", artifact.revision),
    });
    let status = json!({"status": {"artifact": artifact, "conditions": [ready]}});
    client
        .patch_status(&kind, offer.namespace, offer.name, &Patch::Merge(&status), MANAGER)
        .await
        .map_err(failed)?;
    let (storage, path) = (Arc::clone(storage), artifact.path.clone());
    let collected =
        tokio::task::spawn_blocking(move || storage.collect(&path, std::time::SystemTime::now())).await;
    if let Ok(Err(error)) = collected {
        tracing::warn!(error = %error.chain(), "cannot collect old artifacts");
    }
    Ok(artifact)
}

/// Packs the directory under the name of its digest.
async fn keep(
    storage: &Arc<Storage>,
    directory: Directory,
    offer: &Offer<'_>,
) -> Result<Artifact, PublishError> {
    let storage = Arc::clone(storage);
    let (namespace, name) = (offer.namespace.to_owned(), offer.name.to_owned());
    let stored = tokio::task::spawn_blocking(move || {
        storage.keep_by_digest("ExternalArtifact", &namespace, &name, &directory)
    });
    let stored = stored.await.unwrap_or_else(|panic| {
        Err(sealfast_source::error::Error::Archive(std::io::Error::other(panic.to_string())))
    });
    let stored = stored.map_err(PublishError::Pack)?;
    Ok(Artifact {
        revision: format!("{}@{}", offer.label, stored.digest),
        digest: stored.digest,
        last_update_time: now(),
        size: i64::try_from(stored.size).ok(),
        url: address(offer.host, &stored.path),
        path: stored.path,
        ..Artifact::default()
    })
}
