//! Answers on their way to a client: in pieces, counted, and cut off.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::Notify;

use crate::http::Body;
use crate::room::{Place, Room};
use crate::status_error::Status;

/// What of a connection's answers waits, and whether it moves.
#[derive(Default)]
pub(super) struct Pace {
    waiting: AtomicUsize,
    moves: AtomicU64,
    /// Told by a watch of which nobody takes the events, and by a list whose time is over: the connection ends.
    pub(super) unread: Arc<Notify>,
}

/// An answer that waits until this is dropped.
struct Waiting(Arc<Pace>);

impl Pace {
    fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.moved();
        Waiting(Arc::clone(self))
    }

    fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns when something waited for all of this time and nothing moved, or nobody takes the events of a watch or all of a list.
    pub(super) async fn stalled(&self, time: Duration) {
        let mut seen = self.moves.load(Ordering::Relaxed);
        loop {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = self.unread.notified() => return,
            }
            let moves = self.moves.load(Ordering::Relaxed);
            if moves == seen && self.waiting.load(Ordering::Relaxed) > 0 {
                return;
            }
            seen = moves;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.moved();
    }
}

/// Who waits for an answer, and whether it is told that there is no room for it.
pub(super) struct Asker<'a> {
    pub user: &'a str,
    pub reads: bool,
}

/// The body of an answer, with room for its bytes until the connection has taken the last of them.
///
/// # Errors
/// 429 when a read finds no room; the answer to a write waits for it, for the write is made.
pub(super) async fn paced(
    body: Body,
    room: &Room,
    pace: &Arc<Pace>,
    asker: Asker<'_>,
) -> Result<Body, Status> {
    let Some(length) = body.size_hint().exact() else {
        return Ok(Streamed { body, _waiting: pace.wait() }.boxed_unsync());
    };
    if length == 0 {
        return Ok(body);
    }
    let units = (length as usize).div_ceil(UNIT);
    let place = if asker.reads {
        let none = || Status::too_many("too many answers wait for their readers, please try again later");
        room.take_now(asker.user, units).ok_or_else(none)?
    } else {
        let ended = || Status::internal("the server ends");
        room.take(asker.user, units).await.ok_or_else(ended)?
    };
    let Ok(collected) = body.collect().await;
    let held = Held { bytes: collected.to_bytes(), _place: place, _waiting: pace.wait() };
    Ok(Pieces { rest: Bytes::from_owner(held), pace: Arc::clone(pace) }.boxed_unsync())
}

/// Bytes that give their room back when the last piece of them is gone.
struct Held {
    bytes: Bytes,
    _place: Place,
    _waiting: Waiting,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// An answer in pieces, each of which is a sign that the client takes it.
struct Pieces {
    rest: Bytes,
    pace: Arc<Pace>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        self.pace.moved();
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// An answer that is made while it is taken.
struct Streamed {
    body: Body,
    _waiting: Waiting,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self._waiting.0.moved();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Bytes of one unit of room.
const UNIT: usize = 1 << 10;
/// Bytes of a piece.
const PIECE: usize = 64 << 10;
