//! The time of day as objects hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The time of day: by it files and tokens grow old, it is signed, and objects hold it. People and machines move it while
/// we run; what is waited for is measured by another, which nobody moves.
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
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        now.checked_add(ahead).unwrap_or(now)
    }

    /// The same in whole seconds: conditions, artifacts, events, histories.
    pub(crate) fn stamp(&self) -> String {
        seconds(self.now())
    }

    /// The same in microseconds: leases.
    pub(crate) fn micros(&self) -> String {
        self.now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }

    /// What is left until another time; nothing once that is over.
    pub(crate) fn until(&self, end: Timestamp) -> Duration {
        Duration::try_from(end.duration_since(self.now())).unwrap_or_default()
    }
}

/// A time in whole seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_leaves_nothing_and_no_shift_leads_out_of_time() {
        let clock = Clock::default();
        assert_eq!(clock.until(Timestamp::MIN), Duration::ZERO);
        clock.shift(-3600);
        let left = clock.until(Timestamp::now()).as_secs();
        assert!((3590..=3600).contains(&left), "{left}");
        clock.clone().shift(i64::MAX);
        assert!(clock.now().duration_since(Timestamp::now()).as_secs().abs() < 10);
        assert_eq!(seconds(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
