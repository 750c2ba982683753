//! The text of a list, made in parts while the client takes them.
//!
//! A client that reads slowly, or not at all, holds the objects as they are kept, and one part of their text.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::Value;

use crate::http::{Answer, Content};
use crate::kinds::Resource;
use crate::show::{Place, write, write_partial};
use crate::storage::Stored;

/// The rest of a list.
pub(super) struct Parts {
    resource: Arc<Resource>,
    /// Metadata alone.
    partial: bool,
    items: std::vec::IntoIter<Stored>,
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
        let (items, shared) = (items.into_iter(), Bytes::new());
        Self { resource: Arc::clone(resource), partial, items, text, shared, begun: false, ended: false }
    }

    /// A short list is an answer as others are.
    pub(super) fn answer(mut self) -> Answer {
        let length: usize = self.items.as_slice().iter().map(Stored::size).sum();
        // Objects that have to be read and converted are too long in the making to be made in between.
        let pasted = self.partial || self.resource.shown_as_kept.is_some();
        if length > LONG && pasted {
            let mut answer = Answer::json(200, Value::Null);
            answer.content = Content::Parts(self.boxed_unsync());
            return answer;
        }
        let mut text = std::mem::take(&mut self.text);
        text.reserve(length);
        while let Some(stored) = self.items.next() {
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
            match self.items.next() {
                Some(stored) => {
                    self.separate(&mut text);
                    self.add(&stored, &mut text);
                }
                None => {
                    text.extend_from_slice(b"]}\n");
                    self.ended = true;
                }
            }
        }
        text.into()
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

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.next();
        Poll::Ready((!part.is_empty()).then(|| Ok(Frame::data(part))))
    }
}

/// Bytes of a part.
const PART: usize = 64 << 10;
/// Bytes of objects from which on a list is made in parts.
const LONG: usize = 256 << 10;
