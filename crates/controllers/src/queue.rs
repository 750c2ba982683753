//! Which object to look at next: a queue by key with delays, without doubles.
//!
//! A key waits at most once and runs at most once at a time; a key added while it runs comes
//! again right after. Waiting costs one timer, whatever is in the queue.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::series::{QUEUE, Series};

/// The namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The key of an object.
    pub fn of(object: &serde_json::Value) -> Key {
        use sealfast_k8s::object;
        Key { namespace: object::namespace(object).to_owned(), name: object::name(object).to_owned() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// When a key is to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// When somebody adds it.
    WhenAdded,
    /// When somebody adds it: as it is, it can only fail.
    Terminal,
    /// After this time, unless it is added before.
    After(Duration),
    /// After a pause that doubles from failure to failure.
    BackOff,
}

/// The pauses after failures.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// After the first failure.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses { first: Duration::from_millis(750), longest: Duration::from_secs(15 * 60) }
    }
}

#[derive(Default)]
struct State {
    due: HashMap<Key, Instant>,
    order: BTreeSet<(Instant, Key)>,
    running: HashMap<Key, Instant>,
    again: HashMap<Key, String>,
    failures: HashMap<Key, u32>,
    taken: u64,
    retried: u64,
    waited: Series,
    worked: Series,
}

/// What a queue has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Keys that are due and wait for a worker.
    pub waiting: usize,
    /// How often a key became due.
    pub added: u64,
    /// How often a key was put in line for later.
    pub retried: u64,
    /// For how long keys were due before they ran, in seconds.
    pub waited: Series,
    /// For how long they ran, in seconds.
    pub worked: Series,
    /// For how long those that run do so, all together.
    pub unfinished: Duration,
    /// For how long the one that runs longest does so.
    pub longest: Duration,
}

impl State {
    fn add(&mut self, key: Key, at: Instant) {
        if let Some(known) = self.due.get(&key) {
            if *known <= at {
                return;
            }
            self.order.remove(&(*known, key.clone()));
        }
        self.due.insert(key.clone(), at);
        self.order.insert((at, key));
    }
}

/// The queue; cheap to clone.
#[derive(Clone, Default)]
pub struct Queue {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    again: Arc<Notify>,
    pauses: Pauses,
}

impl Queue {
    /// An empty queue with these pauses.
    pub fn new(pauses: Pauses) -> Queue {
        Queue { pauses, ..Queue::default() }
    }

    /// What was seen until now.
    pub fn counts(&self) -> Counts {
        let state = self.state.lock();
        let now = Instant::now();
        let due = state.order.iter().take_while(|(at, _)| *at <= now);
        let waiting = due.filter(|(_, key)| !state.running.contains_key(key)).count() + state.again.len();
        let (waited, worked) = (state.waited.clone(), state.worked.clone());
        let running = || state.running.values().map(|began| now - *began);
        let (unfinished, longest) = (running().sum(), running().max().unwrap_or_default());
        let added = state.taken + waiting as u64;
        Counts { waiting, added, retried: state.retried, waited, worked, unfinished, longest }
    }

    /// Forgets a key that is gone.
    pub fn forget(&self, key: &Key) {
        let mut state = self.state.lock();
        state.failures.remove(key);
        state.taken += u64::from(state.again.remove(key).is_some());
        if let Some(at) = state.due.remove(key) {
            state.order.remove(&(at, key.clone()));
            // What was due stays counted.
            state.taken += u64::from(at <= Instant::now());
        }
    }

    /// Puts a key first in line because of its own object.
    pub fn add(&self, key: Key) {
        self.add_because(key, "");
    }

    /// Puts a key first in line because of another object, `Kind/namespace/name`; empty for its own.
    pub fn add_because(&self, key: Key, cause: &str) {
        let mut state = self.state.lock();
        if state.running.contains_key(&key) {
            state.again.insert(key, cause.to_owned());
            drop(state);
            self.again.notify_waiters();
            return;
        }
        state.add(key, Instant::now());
        drop(state);
        self.changed.notify_one();
    }

    /// Puts a key in line for later; an earlier time that is already noted stays.
    #[cfg(test)]
    fn add_after(&self, key: Key, delay: Duration) {
        let mut state = self.state.lock();
        state.add(key, Instant::now() + delay);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for the next key that is due and marks it as running.
    pub async fn next(&self) -> Key {
        loop {
            let sleep = {
                let mut state = self.state.lock();
                let now = Instant::now();
                let first = state.order.iter().find(|(_, key)| !state.running.contains_key(key)).cloned();
                match first {
                    Some((at, key)) if at <= now => {
                        state.order.remove(&(at, key.clone()));
                        state.due.remove(&key);
                        state.running.insert(key.clone(), now);
                        state.taken += 1;
                        state.waited.observe(&QUEUE, (now - at).as_secs_f64());
                        return key;
                    }
                    Some((at, _)) => Some(at),
                    None => None,
                }
            };
            match sleep {
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    /// Waits until a key that runs is put first in line once more; returns because of which object, empty for its own.
    pub async fn asked_again(&self, key: &Key) -> String {
        loop {
            let notified = self.again.notified();
            if let Some(cause) = self.state.lock().again.get(key) {
                return cause.clone();
            }
            notified.await;
        }
    }

    /// Notes that a key's run is over, and when it comes again.
    pub fn done(&self, key: &Key, next: Next) {
        let mut state = self.state.lock();
        if let Some(began) = state.running.remove(key) {
            state.worked.observe(&QUEUE, began.elapsed().as_secs_f64());
        }
        let delay = match next {
            Next::BackOff => {
                let failures = state.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                let factor = 1u32 << (*failures - 1).min(20);
                Some(self.pauses.first.saturating_mul(factor).min(self.pauses.longest))
            }
            Next::After(delay) => {
                state.failures.remove(key);
                Some(delay)
            }
            Next::WhenAdded | Next::Terminal => {
                state.failures.remove(key);
                None
            }
        };
        state.retried += u64::from(delay.is_some_and(|delay| !delay.is_zero()));
        let delay = if state.again.remove(key).is_some() { Some(Duration::ZERO) } else { delay };
        if let Some(delay) = delay {
            state.add(key.clone(), Instant::now() + delay);
        }
        drop(state);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "ns".into(), name: name.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn doubles_fold_and_earlier_wins() {
        let queue = Queue::default();
        queue.add_after(key("a"), Duration::from_secs(60));
        queue.add(key("b"));
        queue.add(key("b"));
        assert_eq!(queue.next().await, key("b"));
        queue.add(key("b"));
        queue.done(&key("b"), Next::After(Duration::from_secs(600)));
        assert_eq!(queue.next().await, key("b"));
        queue.done(&key("b"), Next::WhenAdded);
        let before = Instant::now();
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(before.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn what_becomes_due_is_counted_once() {
        let queue = Queue::default();
        let seen = || {
            let counts = queue.counts();
            (counts.waiting, counts.added, counts.retried)
        };
        queue.add(key("a"));
        queue.add(key("a"));
        assert_eq!(seen(), (1, 1, 0));
        queue.next().await;
        queue.add(key("a"));
        assert_eq!(seen(), (1, 2, 0), "it comes again after its run");
        queue.done(&key("a"), Next::After(Duration::from_secs(60)));
        assert_eq!(seen(), (1, 2, 1));
        queue.next().await;
        queue.done(&key("a"), Next::After(Duration::from_secs(60)));
        assert_eq!(seen(), (0, 2, 2), "it is not due yet");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(seen(), (1, 3, 2));
        queue.forget(&key("a"));
        assert_eq!(seen(), (0, 3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_double_the_pause() {
        let queue = Queue::default();
        queue.add(key("a"));
        let mut pauses = Vec::new();
        for _ in 0..4 {
            let before = Instant::now();
            let due = queue.next().await;
            pauses.push(before.elapsed().as_millis() / 10 * 10);
            queue.done(&due, Next::BackOff);
        }
        assert_eq!(pauses, [0, 750, 1500, 3000]);
    }
}
