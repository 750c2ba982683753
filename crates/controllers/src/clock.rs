//! The time of day as objects hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// The time of day by which files and tokens grow old. People and machines move it while we run; what is waited for is
/// measured by another, which nobody moves.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Seconds ahead of the system's.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// Moves it, and all its clones, so many seconds; back when they are below zero.
    pub fn shift(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The time that it shows.
    pub(crate) fn now(&self) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let (now, by) = (SystemTime::now(), Duration::from_secs(ahead.unsigned_abs()));
        let moved = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        moved.unwrap_or(now)
    }
}

/// Now, in whole seconds: conditions, artifacts, events, histories.
pub(crate) fn now() -> String {
    seconds(jiff::Timestamp::now())
}

/// A time in whole seconds.
pub(crate) fn seconds(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Now, in microseconds: leases.
pub(crate) fn micros() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
