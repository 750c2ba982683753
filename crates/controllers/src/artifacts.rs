//! Serves artifacts over HTTP.
//!
//! `http://HOST/<path>` is the file at `<path>` below the storage's root; nothing is decrypted in there, so nobody has to
//! prove anything, as with the reference.

use std::io::SeekFrom;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use sealfast_source::storage::Storage;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::task::JoinHandle;
use tokio_util::io::ReaderStream;

use crate::serving::{self, Limits};

/// A running artifact server; it ends on drop.
#[derive(Debug)]
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

/// Starts the server.
///
/// # Errors
/// When the address is taken.
pub async fn serve(storage: Arc<Storage>, listen: SocketAddr) -> std::io::Result<Server> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(answer).with_state(storage);
    let task = tokio::spawn(serving::serve(listener, router, Limits::default()));
    Ok(Server { address, task })
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
    let opened = tokio::task::spawn_blocking(move || {
        let file = storage.holds(&path).then(|| storage.open_file(&path).ok()).flatten()?;
        let about = file.metadata().ok()?;
        Some((file, about.len(), about.modified().ok()?))
    });
    let Ok(Some((file, size, modified))) = opened.await else {
        return plain(StatusCode::NOT_FOUND, "404 page not found\n");
    };
    let modified = http_date(modified);
    let is = |name, value: &str| headers.get(name).is_some_and(|given| given.as_bytes() == value.as_bytes());
    if is(header::IF_MODIFIED_SINCE, &modified) {
        return plain(StatusCode::NOT_MODIFIED, "");
    }
    // A part of another file would be of no use.
    let may_range = !headers.contains_key(header::IF_RANGE) || is(header::IF_RANGE, &modified);
    let range = headers.get(header::RANGE).filter(|_| may_range).and_then(|range| range.to_str().ok());
    let mut answer = file_answer(file, size, range, method == Method::HEAD).await;
    if let Ok(modified) = HeaderValue::from_str(&modified) {
        answer.headers_mut().insert(header::LAST_MODIFIED, modified);
    }
    answer
}

/// The file goes out as it is read; nothing is held in memory.
async fn file_answer(file: std::fs::File, whole: u64, range: Option<&str>, head: bool) -> Response<Body> {
    let part = match range.map(|range| span(range, whole)) {
        Some(Span::Part(from, to)) => Some((from, to)),
        Some(Span::Nowhere) => {
            let mut answer = plain(StatusCode::RANGE_NOT_SATISFIABLE, "");
            insert(&mut answer, header::CONTENT_RANGE, &format!("bytes */{whole}"));
            return answer;
        }
        Some(Span::Whole) | None => None,
    };
    let (from, length) = part.map_or((0, whole), |(from, to)| (from, to - from + 1));
    let mut file = tokio::fs::File::from_std(file);
    if file.seek(SeekFrom::Start(from)).await.is_err() {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "");
    }
    let body = if head { Body::empty() } else { Body::from_stream(ReaderStream::new(file.take(length))) };
    let mut answer = Response::new(body);
    insert(&mut answer, header::CONTENT_TYPE, "application/gzip");
    insert(&mut answer, header::ACCEPT_RANGES, "bytes");
    insert(&mut answer, header::CONTENT_LENGTH, &length.to_string());
    if let Some((from, to)) = part {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        insert(&mut answer, header::CONTENT_RANGE, &format!("bytes {from}-{to}/{whole}"));
    }
    answer
}

fn insert(answer: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Which part of a file a range means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    /// First and last byte.
    Part(u64, u64),
    /// Behind the end.
    Nowhere,
    /// What is not understood is answered with everything.
    Whole,
}

/// Reads `bytes=from-to`, `bytes=from-` and `bytes=-count`.
fn span(range: &str, whole: u64) -> Span {
    let Some((from, to)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Span::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let last = whole.saturating_sub(1);
    match (number(from), number(to)) {
        (None, Some(0)) => Span::Nowhere,
        (None, Some(count)) if from.is_empty() && whole > 0 => Span::Part(whole.saturating_sub(count), last),
        (Some(from), _) if from >= whole => Span::Nowhere,
        (Some(from), None) if to.is_empty() => Span::Part(from, last),
        (Some(from), Some(to)) if from <= to => Span::Part(from, to.min(last)),
        _ => Span::Whole,
    }
}

/// A time as HTTP writes it, in whole seconds.
fn http_date(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_files_are_served() {
        for (range, meant) in [
            ("bytes=0-3", Span::Part(0, 3)),
            ("bytes=4-", Span::Part(4, 9)),
            ("bytes=-3", Span::Part(7, 9)),
            ("bytes=-30", Span::Part(0, 9)),
            ("bytes=5-99", Span::Part(5, 9)),
            ("bytes=10-", Span::Nowhere),
            ("bytes=-0", Span::Nowhere),
            ("bytes=5-2", Span::Whole),
            ("bytes=0-1,3-4", Span::Whole),
            ("lines=1-2", Span::Whole),
        ] {
            assert_eq!(span(range, 10), meant, "{range}");
        }
        assert_eq!(span("bytes=0-", 0), Span::Nowhere);
    }

    #[test]
    fn dates_are_those_of_http() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
