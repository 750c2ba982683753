//! What went wrong on the way to a remote.
//!
//! It is kept aside from the layers above, which would wrap it in words of their own.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;

/// What the remote said last, and how much more it may say.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    said: Arc<Mutex<Option<Said>>>,
    limit: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

/// One reason why a conversation ended.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// An HTTP status for an address, and what else was said.
    Status {
        /// The status.
        status: u16,
        /// The address without credentials.
        address: String,
        /// The body of the answer.
        body: String,
    },
    /// The time is over.
    Deadline,
    /// More bytes than allowed.
    TooMuch(u64),
    /// There is no such repository.
    NoRepository,
    /// Anything else, in words.
    Failed(String),
}

impl Verdict {
    /// Starts a conversation in which so many bytes may be received.
    pub(super) fn new(limit: u64) -> Self {
        Self { said: Arc::default(), limit: Arc::new(AtomicU64::new(limit)), received: Arc::default() }
    }

    /// Sets how many bytes may be received altogether.
    pub(super) fn allow(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Counts received bytes.
    pub(super) fn received(&self, count: usize) -> io::Result<()> {
        let limit = self.limit.load(Ordering::Relaxed);
        let before = self.received.fetch_add(count as u64, Ordering::Relaxed);
        if before + count as u64 <= limit {
            return Ok(());
        }
        self.say(Said::TooMuch(limit));
        Err(io::ErrorKind::FileTooLarge.into())
    }

    /// Notes why the conversation ends; what was noted first stays.
    pub(super) fn say(&self, said: Said) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(said);
    }

    /// Returns the error for a failure whose text is known.
    pub(super) fn explain(&self, text: &str) -> Error {
        match self.said.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(Said::Status { status, address, body }) => match status {
                401 => Error::Authentication { said: Some(body) },
                403 => Error::Forbidden { said: Some(body) },
                404 => Error::NoRepository { said: Some(body) },
                _ => Error::Status { address, status },
            },
            Some(Said::NoRepository) => Error::NoRepository { said: None },
            Some(Said::Deadline) => Error::Deadline,
            Some(Said::TooMuch(limit)) => Error::TooLarge { what: "bytes from the remote", limit },
            Some(Said::Failed(text)) => Error::Protocol { text },
            None => Error::Protocol { text: text.to_owned() },
        }
    }
}
