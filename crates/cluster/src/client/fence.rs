//! A moment after which a connection sends nothing any more.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Until when requests may go out, by the clock that nobody moves. Who may work only for so long puts it off as it is
/// allowed more.
#[derive(Debug)]
pub struct Fence(Mutex<Instant>);

impl Fence {
    /// A fence that stands at a moment.
    pub fn at(moment: Instant) -> Fence {
        Fence(Mutex::new(moment))
    }

    /// Moves it to a later moment.
    pub fn put_off(&self, moment: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = moment;
    }

    /// Whether the moment has come.
    pub(crate) fn is_reached(&self) -> bool {
        Instant::now() >= *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
