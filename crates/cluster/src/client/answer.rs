//! Reads answers within bounds: the server may be one that a tenant chose.

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt, Limited};
use kube::client::Body;

/// The most bytes of one answer: many times the largest that a server of Kubernetes gives.
pub(super) const LARGEST: usize = 256 << 20;
/// The same of a server that a tenant chose, who could make it answer with as much as fits: some objects of the largest size.
pub(super) const LARGEST_FOREIGN: usize = 16 << 20;
/// The longest message of such a server that is repeated; each is searched for secrets many times.
pub(super) const LONGEST_FOREIGN_MESSAGE: usize = 64 << 10;
/// The most bytes of all pages of a list.
const LARGEST_LIST: usize = 1 << 30;
/// What a page counts at least, so that empty pages come to an end.
const SMALLEST_PAGE: usize = 64 << 10;

/// Why the body of an answer was not read to its end.
pub(super) enum Unread {
    /// It is longer than any answer should be.
    TooLarge,
    /// The connection broke.
    Broken(kube::Error),
}

/// Reads the whole body.
pub(super) async fn read(answer: Response<Body>, most: usize) -> Result<Bytes, Unread> {
    let announced =
        answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > most as u64) {
        return Err(Unread::TooLarge);
    }
    match Limited::new(answer.into_body(), most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(error.downcast().map_or(Unread::TooLarge, |broken| Unread::Broken(*broken))),
    }
}

/// What the pages of one list may still hold.
pub(super) struct Pages {
    left: usize,
}

impl Pages {
    pub(super) fn new() -> Self {
        Self { left: LARGEST_LIST }
    }

    /// Counts a page; false when the list has become too long.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes.max(SMALLEST_PAGE));
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_empty_pages_comes_to_an_end() {
        let mut pages = Pages::new();
        let taken = (0..100_000).take_while(|_| pages.take(0)).count();
        assert_eq!(taken, LARGEST_LIST / SMALLEST_PAGE);
        assert!(!pages.take(0), "what is over stays over");
    }
}
