//! Ways in which a server goes wrong.

use std::future;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::http::plain;

/// One way to answer badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes the request and never answers.
    Hang,
    /// It answers with a status and no more.
    Status(u16),
    /// It sends everybody to another origin, as `http://127.0.0.1:1234`.
    Redirect(String),
    /// It ends the connection after so many bytes of the right answer.
    Truncate(usize),
    /// It says nothing more after so many bytes of the right answer.
    Stall(usize),
    /// It answers with a list of references that never ends.
    Flood,
}

impl Fault {
    /// Returns true when the right answer is part of the wrong one.
    pub(super) fn needs_answer(&self) -> bool {
        matches!(self, Self::Truncate(_) | Self::Stall(_))
    }

    pub(super) async fn answer(&self, target: &str, whole: Option<Response<Body>>) -> Response<Body> {
        match self {
            Self::Hang => future::pending().await,
            Self::Status(status) => {
                plain(StatusCode::from_u16(*status).unwrap_or_default(), "it goes wrong\n")
            }
            Self::Redirect(origin) => {
                let mut response = plain(StatusCode::FOUND, "");
                if let Ok(location) = HeaderValue::from_str(&format!("{origin}{target}")) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                response
            }
            Self::Truncate(most) => cut(whole, *most, false).await,
            Self::Stall(most) => cut(whole, *most, true).await,
            Self::Flood => flood(),
        }
    }
}

async fn cut(whole: Option<Response<Body>>, most: usize, stall: bool) -> Response<Body> {
    let Some(whole) = whole else { return plain(StatusCode::INTERNAL_SERVER_ERROR, "") };
    let (parts, body) = whole.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let head = bytes.slice(..bytes.len().min(most));
    let is_all = head.len() == bytes.len();
    let first = stream::iter([Ok::<_, std::io::Error>(head)]);
    let rest = stream::once(async move {
        if stall {
            future::pending::<()>().await;
        }
        // What was sent is to leave before the connection ends.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::ErrorKind::ConnectionReset.into())
    });
    let body = if is_all { Body::from_stream(first) } else { Body::from_stream(first.chain(rest)) };
    Response::from_parts(parts, body)
}

/// In the words of the protocol's first version, whose list comes unasked.
fn flood() -> Response<Body> {
    let hash = "0123456789".repeat(4);
    let line = |text: String| format!("{:04x}{text}", text.len() + 4);
    let start = format!("{}0000", line("# service=git-upload-pack\n".to_owned()));
    let first = line(format!("{hash} HEAD\0 multi_ack\n"));
    let many = stream::iter(0_u64..).map(move |batch| {
        let lines = (0..1000).map(|at| line(format!("{hash} refs/heads/branch-{batch}-{at}\n")));
        Ok(Bytes::from(lines.collect::<String>()))
    });
    let all = stream::iter([Ok::<_, std::io::Error>(Bytes::from(start + &first))]).chain(many);
    let mut response = Response::new(Body::from_stream(all));
    let kind = HeaderValue::from_static("application/x-git-upload-pack-advertisement");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
