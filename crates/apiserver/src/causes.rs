//! The faults of one object: no more of them than an answer has room for.

use crate::status_error::Cause;

/// Collects causes, and takes no more once there are many.
#[derive(Default)]
pub(crate) struct Causes {
    list: Vec<Cause>,
    bytes: usize,
}

impl Causes {
    /// What is told of these.
    pub(crate) fn bounded(causes: Vec<Cause>) -> Vec<Cause> {
        let mut out = Self::default();
        out.extend(causes);
        out.told()
    }

    /// One more.
    pub(crate) fn push(&mut self, cause: Cause) {
        if self.is_full() {
            return;
        }
        self.bytes += cause.message.len() + cause.field.len();
        // One that is too large by itself only says that there is more.
        if self.bytes < MOST_BYTES {
            self.list.push(cause);
        }
    }

    /// Several more; stops asking for them when there are enough.
    pub(crate) fn extend(&mut self, causes: impl IntoIterator<Item = Cause>) {
        for cause in causes {
            if self.is_full() {
                return;
            }
            self.push(cause);
        }
    }

    /// True when nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True when nothing more is taken: who looks for more may stop.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// What was found; says at the end when there may be more.
    pub(crate) fn told(mut self) -> Vec<Cause> {
        if self.is_full() {
            let why = "there may be more faults than these; mend them to see the rest";
            self.list.push(Cause::omitted("metadata", why));
        }
        self.list
    }
}

const MOST: usize = 1000;
const MOST_BYTES: usize = 1 << 20;
