//! Tokens that were got, by who got them: a bounded number, for a bounded time.
//!
//! Follows: the token cache of fluxcd/pkg: a token is got anew after four fifths of its time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use sealfast_keys::aws_kms::Keys;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::identity::{Error, Who};
use crate::keeper::{Keeper, Turns};
use crate::metrics::{Metrics, labels};

/// A token is got anew after this part of its time.
pub(super) const KEPT: f64 = 0.8;

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// So many tokens; none are remembered with 0.
    pub most: usize,
    /// No token for longer.
    pub longest: Duration,
}

impl Default for Size {
    fn default() -> Self {
        Size { most: 100, longest: Duration::from_secs(3600) }
    }
}

/// What a cloud gave.
#[derive(Clone)]
pub enum Token {
    /// An access key with its session.
    Aws(Keys),
    /// A token to show.
    Text(SecretString),
}

/// A token, and for how long it holds.
pub struct Lent {
    /// The token.
    pub token: Token,
    /// From now on.
    pub lasts: Duration,
}

impl Lent {
    /// The token, which has to be a text.
    ///
    /// # Errors
    /// [`Error::Exchange`].
    pub fn text(self, who: &Who) -> Result<SecretString, Error> {
        match self.token {
            Token::Text(text) => Ok(text),
            Token::Aws(_) => Err(who.refused("these are credentials of AWS".to_owned())),
        }
    }

    /// The token, which has to be an access key.
    ///
    /// # Errors
    /// [`Error::Exchange`].
    pub fn keys(self, who: &Who) -> Result<Keys, Error> {
        match self.token {
            Token::Aws(keys) => Ok(keys),
            Token::Text(_) => Err(who.refused("these are no credentials of AWS".to_owned())),
        }
    }
}

/// A token that is remembered.
#[derive(Clone)]
struct Remembered {
    token: Token,
    ends: Instant,
    /// The same by the time of day, which may have been moved meanwhile.
    ends_at: SystemTime,
    /// It is got anew from then on.
    until: Instant,
}

/// The tokens.
pub struct Cache {
    size: Size,
    metrics: Arc<Metrics>,
    /// The time of day.
    pub(super) clock: Clock,
    tokens: Arc<Keeper<String, Remembered>>,
    /// Those that somebody is getting just now.
    turns: Turns,
    shown: AtomicUsize,
}

impl Cache {
    /// A cache that counts what it does.
    pub fn new(size: Size, metrics: Arc<Metrics>, clock: Clock) -> Cache {
        if size.most > 0 {
            // What has not happened yet is shown, too: a rate needs a beginning.
            metrics.add("gotk_token_cache_evictions_total", String::new(), 0.0);
            metrics.add("gotk_token_cached_items", String::new(), 0.0);
        }
        let tokens = Keeper::new(size.most, size.longest.max(Duration::from_secs(1)));
        Cache { size, metrics, clock, tokens, turns: Turns::default(), shown: AtomicUsize::default() }
    }

    /// A token that is remembered under the key, or a new one.
    ///
    /// # Errors
    /// What getting a new one raises.
    pub async fn get(
        &self,
        key: String,
        who: &Who,
        operation: &'static str,
        make: impl Future<Output = Result<Lent, Error>>,
    ) -> Result<Lent, Error> {
        if self.size.most == 0 {
            return make.await;
        }
        let place = self.turns.place(&key);
        let _turn = place.turn().await;
        if let Some(lent) = self.find(&key) {
            self.count("cache_hit", who, operation, "success");
            return Ok(lent);
        }
        let made = make.await;
        self.count("cache_miss", who, operation, if made.is_ok() { "success" } else { "failure" });
        let lent = made?;
        self.keep(&key, &lent);
        Ok(lent)
    }

    /// The same, for tokens that are texts.
    ///
    /// # Errors
    /// What getting a new one raises.
    pub async fn text(
        &self,
        key: String,
        who: &Who,
        operation: &'static str,
        make: impl Future<Output = Result<Lent, Error>>,
    ) -> Result<SecretString, Error> {
        self.get(key, who, operation, make).await?.text(who)
    }

    fn find(&self, key: &str) -> Option<Lent> {
        let (now, time) = (Instant::now(), SystemTime::from(self.clock.now()));
        // Whichever clock says so first: a time of day that was moved back lets no token live longer.
        self.show(self.tokens.retain(|known| known.until > now && known.ends_at > time));
        let known = self.tokens.find(key, |_| true)?;
        Some(Lent { token: known.token, lasts: known.ends.saturating_duration_since(now) })
    }

    fn keep(&self, key: &str, lent: &Lent) {
        let now = Instant::now();
        let until = now + (lent.lasts.mul_f64(KEPT)).min(self.size.longest);
        let ends_at = SystemTime::from(self.clock.now()) + lent.lasts;
        let known = Remembered { token: lent.token.clone(), ends: now + lent.lasts, ends_at, until };
        if self.tokens.keep(key.to_owned(), known) {
            self.metrics.add("gotk_token_cache_evictions_total", String::new(), 1.0);
        }
        self.show(self.tokens.retain(|_| true));
    }

    /// Shows the change: another cache of this process shows its own in the same series.
    fn show(&self, count: usize) {
        let before = self.shown.swap(count, Ordering::Relaxed);
        self.metrics.add("gotk_token_cached_items", String::new(), count as f64 - before as f64);
    }

    fn count(&self, event: &str, who: &Who, operation: &str, status: &str) {
        let by = labels(&[
            ("event_type", event),
            ("kind", who.kind),
            ("name", &who.name),
            ("namespace", &who.namespace),
            ("operation", operation),
        ]);
        self.metrics.add("gotk_token_cache_events_total", by, 1.0);
        self.metrics.add("gotk_token_cache_requests_total", labels(&[("status", status)]), 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn who() -> Who {
        Who { kind: "Kustomization", namespace: "ns".into(), name: "app".into(), account: None, proxy: None }
    }

    async fn get(cache: &Cache, key: &str, text: &str, seconds: u64) -> String {
        let lent = Lent { token: Token::Text(text.to_owned().into()), lasts: Duration::from_secs(seconds) };
        let got = cache.text(key.to_owned(), &who(), "decrypt_with_aws", async { Ok(lent) }).await;
        got.map(|token| token.expose_secret().to_owned()).unwrap_or_default()
    }

    #[tokio::test]
    async fn the_one_used_least_lately_goes_and_everything_is_counted() {
        let metrics = Arc::new(Metrics::default());
        let cache = Cache::new(Size { most: 2, ..Size::default() }, Arc::clone(&metrics), Clock::default());
        for (key, text, wanted) in
            [("a", "1", "1"), ("b", "2", "2"), ("a", "3", "1"), ("c", "4", "4"), ("b", "5", "5")]
        {
            assert_eq!(get(&cache, key, text, 3600).await, wanted, "{key}");
        }
        let text = metrics.render();
        for line in [
            "gotk_token_cache_events_total{event_type=\"cache_hit\",kind=\"Kustomization\",name=\"app\",namespace=\"ns\",operation=\"decrypt_with_aws\"} 1",
            "gotk_token_cache_requests_total{status=\"success\"} 5",
            "gotk_token_cache_evictions_total 2",
            "gotk_token_cached_items 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[tokio::test]
    async fn a_token_that_is_remembered_ends_when_it_did() {
        let cache = Cache::new(Size::default(), Arc::default(), Clock::default());
        let make = || async {
            Ok(Lent { token: Token::Text("1".to_owned().into()), lasts: Duration::from_secs(60) })
        };
        let mut last = Duration::from_secs(61);
        for _ in 0..2 {
            let got = cache.get("a".to_owned(), &who(), "decrypt_with_aws", make()).await;
            let lasts = got.map(|lent| lent.lasts).unwrap_or_default();
            assert!(lasts > Duration::from_secs(30) && lasts < last, "{lasts:?}");
            last = lasts;
        }
    }

    #[tokio::test]
    async fn a_time_of_day_that_is_moved_ends_a_token_and_never_lengthens_it() {
        let clock = Clock::default();
        let cache = Cache::new(Size::default(), Arc::default(), clock.clone());
        assert_eq!(get(&cache, "a", "1", 3600).await, "1");
        clock.shift(24 * 3600);
        assert_eq!(get(&cache, "a", "2", 3600).await, "2", "it has ended by now");
        assert_eq!(get(&cache, "a", "3", 3600).await, "2");
        assert_eq!(get(&cache, "b", "1", 2).await, "1");
        clock.shift(-48 * 3600);
        assert_eq!(get(&cache, "a", "3", 3600).await, "2", "it holds on");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(get(&cache, "b", "2", 2).await, "2", "it has ended, whatever the time of day");
    }

    #[tokio::test]
    async fn nothing_is_remembered_beyond_its_time_or_without_room() {
        let cache = Cache::new(Size::default(), Arc::default(), Clock::default());
        assert_eq!(get(&cache, "a", "1", 0).await, "1");
        assert_eq!(get(&cache, "a", "2", 3600).await, "2");
        let none = Cache::new(Size { most: 0, ..Size::default() }, Arc::default(), Clock::default());
        assert_eq!(get(&none, "a", "1", 3600).await, "1");
        assert_eq!(get(&none, "a", "2", 3600).await, "2");
        let short =
            Cache::new(Size { longest: Duration::ZERO, ..Size::default() }, Arc::default(), Clock::default());
        assert_eq!(get(&short, "a", "1", 3600).await, "1");
        assert_eq!(get(&short, "a", "2", 3600).await, "2");
    }
}
