//! The text of a list, made in parts while the client takes them.
//!
//! A client that reads slowly, or not at all, holds the objects as they are kept, and one part of their text.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::http::{Answer, Content};
use crate::kinds::Resource;
use crate::show::{Place, write, write_partial};
use crate::storage::Stored;

/// Objects that are not in the text yet.
type Rest = Arc<Mutex<Option<std::vec::IntoIter<Stored>>>>;

/// The rest of a list.
pub(super) struct Parts {
    resource: Arc<Resource>,
    /// Metadata alone.
    partial: bool,
    items: Rest,
    /// Ends the list when its time is over.
    end: Option<AbortHandle>,
    /// Text that was not taken yet.
    text: Vec<u8>,
    /// What follows the text: the rest of a large object.
    shared: Bytes,
    begun: bool,
    ended: bool,
}

impl Parts {
    /// A list that begins with `text` and has these items.
    pub(super) fn of(resource: &Arc<Resource>, partial: bool, text: Vec<u8>, items: Vec<Stored>) -> Self {
        let (items, shared) = (Arc::new(Mutex::new(Some(items.into_iter()))), Bytes::new());
        let resource = Arc::clone(resource);
        Self { resource, partial, items, end: None, text, shared, begun: false, ended: false }
    }

    /// A short list is an answer as others are. What is not taken of a long one after some time, in which the objects
    /// are kept as they were, is not given any more.
    pub(super) fn answer(mut self, time: Duration, unread: &Arc<Notify>) -> Answer {
        let length: usize =
            self.items.lock().iter().flat_map(|items| items.as_slice()).map(Stored::size).sum();
        // Objects that have to be read and converted are too long in the making to be made in between.
        let pasted = self.partial || self.resource.shown_as_kept.is_some();
        if length > LONG && pasted {
            let (items, unread) = (Arc::clone(&self.items), Arc::clone(unread));
            let ending = tokio::spawn(async move {
                tokio::time::sleep(time).await;
                *items.lock() = None;
                unread.notify_one();
            });
            self.end = Some(ending.abort_handle());
            let mut answer = Answer::json(200, Value::Null);
            answer.content = Content::Parts(self.boxed_unsync());
            return answer;
        }
        let mut text = std::mem::take(&mut self.text);
        text.reserve(length);
        while let Some(Some(stored)) = self.following() {
            self.separate(&mut text);
            self.write(&stored, &mut text);
        }
        text.extend_from_slice(b"]}");
        Answer::json_text(200, text)
    }

    /// The next part; empty at the end.
    fn next(&mut self) -> Bytes {
        if self.text.is_empty() && !self.shared.is_empty() {
            let length = self.shared.len().min(PART);
            return self.shared.split_to(length);
        }
        let mut text = std::mem::take(&mut self.text);
        while text.len() < PART && self.shared.is_empty() && !self.ended {
            match self.following() {
                Some(Some(stored)) => {
                    self.separate(&mut text);
                    self.add(&stored, &mut text);
                }
                Some(None) => {
                    text.extend_from_slice(b"]}\n");
                    self.ended = true;
                }
                None => break,
            }
        }
        text.into()
    }

    /// The next object, if there is one; `None` when the time is over.
    fn following(&self) -> Option<Option<Stored>> {
        self.items.lock().as_mut().map(Iterator::next)
    }

    fn separate(&mut self, text: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            text.push(b',');
        }
    }

    /// Adds an object, the rest of a large one to what is shared.
    fn add(&mut self, stored: &Stored, text: &mut Vec<u8>) {
        if stored.size() > PART
            && !self.partial
            && let Some(kept) = &self.resource.shown_as_kept
            && let Some(rest) =
                stored.write_beginning(kept, crate::show::beginning(&self.resource, Place::List, kept), text)
        {
            self.shared = rest;
            return;
        }
        self.write(stored, text);
    }

    fn write(&self, stored: &Stored, text: &mut Vec<u8>) {
        if self.partial {
            write_partial(stored, text);
        } else {
            write(&self.resource, stored, Place::List, text);
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.end.iter().for_each(AbortHandle::abort);
    }
}

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.next();
        if part.is_empty() && !self.ended {
            // It must not end as if it were whole: the connection is closed.
            return Poll::Pending;
        }
        Poll::Ready((!part.is_empty()).then(|| Ok(Frame::data(part))))
    }
}

/// Bytes of a part.
const PART: usize = 64 << 10;
/// Bytes of objects from which on a list is made in parts.
const LONG: usize = 256 << 10;
