//! How many requests go out in a second: a bucket that fills slowly.
//!
//! Follows: the rate limiter of client-go, which stands back for a server with priority and fairness.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

/// What a server with priority and fairness puts into every answer.
const FAIR: &str = "x-kubernetes-pf-flowschema-uid";

/// A limit for all clones of a connection; none by default.
#[derive(Default)]
pub(crate) struct Throttle {
    limit: Option<Mutex<Bucket>>,
    lifted: AtomicBool,
}

struct Bucket {
    per_second: f64,
    most: f64,
    /// Requests that may go at once; below zero there are some that wait.
    left: f64,
    looked: Instant,
}

impl Throttle {
    pub(crate) fn new(per_second: f64, at_once: f64) -> Throttle {
        let most = at_once.max(1.0);
        let bucket = Bucket { per_second, most, left: most, looked: Instant::now() };
        let limit = (per_second > 0.0).then(|| Mutex::new(bucket));
        Throttle { limit, lifted: AtomicBool::new(false) }
    }

    /// Waits until it is this request's turn.
    pub(crate) async fn turn(&self) {
        let Some(limit) = &self.limit else { return };
        if self.lifted.load(Ordering::Relaxed) {
            return;
        }
        let pause = limit.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks whether the server shares out its time itself.
    pub(crate) fn look(&self, answer: &HeaderMap) {
        if self.limit.is_some() && answer.contains_key(FAIR) {
            self.lifted.store(true, Ordering::Relaxed);
        }
    }
}

impl Bucket {
    /// Takes a place, and says how long to wait for it.
    fn take(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.looked).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.most) - 1.0;
        self.looked = now;
        Duration::from_secs_f64((-self.left).max(0.0) / self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(throttle: &Throttle, requests: usize) -> f64 {
        let began = Instant::now();
        for _ in 0..requests {
            throttle.turn().await;
        }
        began.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_go_at_their_rate() {
        let throttle = Throttle::new(10.0, 5.0);
        assert!(seconds(&throttle, 5).await < 0.01);
        let took = seconds(&throttle, 20).await;
        assert!((1.9..2.2).contains(&took), "{took}");
        assert!(seconds(&Throttle::default(), 1000).await < 0.01);
        assert!(seconds(&Throttle::new(-1.0, 5.0), 1000).await < 0.01);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_shares_out_its_time_lifts_the_limit() {
        let throttle = Throttle::new(1.0, 1.0);
        let mut headers = HeaderMap::new();
        throttle.look(&headers);
        assert!(seconds(&throttle, 3).await > 1.5);
        headers.insert(FAIR, http::HeaderValue::from_static("1"));
        throttle.look(&headers);
        assert!(seconds(&throttle, 100).await < 0.01);
    }
}
