//! Which object to look at next: a queue by key with delays, without doubles.
//!
//! A key waits at most once and runs at most once at a time; a key added while it runs comes
//! again right after. Of those that are due, what is new goes before what is looked at once more, for a while.
//! Waiting costs one timer, whatever is in the queue.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sealfast_k8s::flux::REQUESTED_AT;
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

/// For how long what is new goes before a key of low priority: who asks without end keeps nobody else from his turn.
const GROWN: Duration = Duration::from_secs(30);

/// Which of two keys that are due goes first. What failed keeps the one it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Something changed.
    Ordinary,
    /// Nothing is known to have changed: the controllers start, or an interval is over.
    Low,
}

impl Priority {
    /// From when on a key that is due at a time counts as an ordinary one.
    fn grown(self, at: Instant) -> Instant {
        match self {
            Priority::Ordinary => at,
            Priority::Low => at + GROWN,
        }
    }

    /// That of an object that was there before the controllers: what was asked for and not done yet goes first.
    pub fn at_start(object: &serde_json::Value) -> Priority {
        let (about, status) = (&object["metadata"], &object["status"]);
        let token = &about["annotations"][REQUESTED_AT];
        let is_handled = token.is_null() || *token == status["lastHandledReconcileAt"];
        if is_handled && status["observedGeneration"] == about["generation"] {
            Priority::Low
        } else {
            Priority::Ordinary
        }
    }
}

/// When a key is to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// When somebody adds it.
    WhenAdded,
    /// When somebody adds it: there is no such object any more.
    Gone,
    /// When somebody adds it: as it is, it can only fail.
    Terminal,
    /// After this time, unless it is added before; nothing is expected to have changed then.
    After(Duration),
    /// After this time, unless it is added before: it failed, or waits for something.
    Retry(Duration),
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
    /// Those that wait; none of them runs.
    waiting: HashMap<Key, (Instant, Priority)>,
    /// Those of them that were not due yet when somebody last looked.
    later: BTreeSet<(Instant, Key)>,
    /// Those that are due, with the time from which on they count as ordinary ones.
    due: BTreeSet<(Instant, Priority, Key)>,
    running: HashMap<Key, Running>,
    again: HashMap<Key, String>,
    failures: HashMap<Key, u32>,
    taken: u64,
    retried: u64,
    waited: Series,
    worked: Series,
}

struct Running {
    began: Instant,
    priority: Priority,
    /// Its object went meanwhile.
    is_gone: bool,
}

/// What a queue has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Keys that are due and wait for a worker.
    pub waiting: usize,
    /// Those of them with low priority.
    pub low: usize,
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
    fn add(&mut self, key: Key, at: Instant, priority: Priority) {
        let known = self.take(&key).unwrap_or((at, priority));
        let (at, priority) = (at.min(known.0), priority.min(known.1));
        self.waiting.insert(key.clone(), (at, priority));
        self.later.insert((at, key));
    }

    fn take(&mut self, key: &Key) -> Option<(Instant, Priority)> {
        let (at, priority) = self.waiting.remove(key)?;
        self.later.remove(&(at, key.clone()));
        self.due.remove(&(priority.grown(at), priority, key.clone()));
        Some((at, priority))
    }

    /// Notes which keys have become due.
    fn look(&mut self, now: Instant) {
        while self.later.first().is_some_and(|(at, _)| *at <= now)
            && let Some((at, key)) = self.later.pop_first()
            && let Some((_, priority)) = self.waiting.get(&key)
        {
            self.due.insert((priority.grown(at), *priority, key));
        }
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
        let mut state = self.state.lock();
        let now = Instant::now();
        state.look(now);
        let waiting = state.due.len() + state.again.len();
        let low = state.due.iter().filter(|(_, priority, _)| *priority == Priority::Low).count();
        let (waited, worked) = (state.waited.clone(), state.worked.clone());
        let running = || state.running.values().map(|run| now - run.began);
        let (unfinished, longest) = (running().sum(), running().max().unwrap_or_default());
        let added = state.taken + waiting as u64;
        Counts { waiting, low, added, retried: state.retried, waited, worked, unfinished, longest }
    }

    /// Forgets a key that is gone.
    pub fn forget(&self, key: &Key) {
        let mut state = self.state.lock();
        state.failures.remove(key);
        state.taken += u64::from(state.again.remove(key).is_some());
        if let Some(run) = state.running.get_mut(key) {
            run.is_gone = true;
        }
        if let Some((at, _)) = state.take(key) {
            // What was due stays counted.
            state.taken += u64::from(at <= Instant::now());
        }
    }

    /// Puts a key in line because of its own object.
    pub fn add(&self, key: Key, priority: Priority) {
        self.put(key, "", priority);
    }

    /// Puts a key in line because of another object, `Kind/namespace/name`.
    pub fn add_because(&self, key: Key, cause: &str) {
        self.put(key, cause, Priority::Ordinary);
    }

    fn put(&self, key: Key, cause: &str, priority: Priority) {
        let mut state = self.state.lock();
        if let Some(run) = state.running.get_mut(&key) {
            run.is_gone = false;
            state.again.insert(key, cause.to_owned());
            drop(state);
            self.again.notify_waiters();
            return;
        }
        state.add(key, Instant::now(), priority);
        drop(state);
        self.changed.notify_one();
    }

    /// Puts a key in line for later; an earlier time that is already noted stays.
    #[cfg(test)]
    fn add_after(&self, key: Key, delay: Duration) {
        let mut state = self.state.lock();
        state.add(key, Instant::now() + delay, Priority::Low);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for the next key that is due and marks it as running.
    #[cfg(test)]
    pub async fn next(&self) -> Key {
        loop {
            self.due().await;
            if let Some(key) = self.take() {
                return key;
            }
        }
    }

    /// Takes the key that is to go first, if any is due, and marks it as running.
    pub fn take(&self) -> Option<Key> {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.look(now);
        let (_, priority, key) = state.due.pop_first()?;
        let (at, _) = state.waiting.remove(&key)?;
        state.running.insert(key.clone(), Running { began: now, priority, is_gone: false });
        state.taken += 1;
        state.waited.observe(&QUEUE, (now - at).as_secs_f64());
        Some(key)
    }

    /// Waits until a key is due. One at a time may do so.
    pub async fn due(&self) {
        loop {
            let first = {
                let mut state = self.state.lock();
                state.look(Instant::now());
                if !state.due.is_empty() {
                    return;
                }
                state.later.first().map(|(at, _)| *at)
            };
            match first {
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

    /// Notes that a key's run is over, and when it comes again. Says whether its object is gone.
    pub fn done(&self, key: &Key, next: Next) -> bool {
        let mut state = self.state.lock();
        let run = state.running.remove(key);
        let comes_again = state.again.remove(key).is_some();
        let is_gone = !comes_again && (next == Next::Gone || run.as_ref().is_some_and(|run| run.is_gone));
        if let Some(run) = &run {
            state.worked.observe(&QUEUE, run.began.elapsed().as_secs_f64());
        }
        let had = run.map_or(Priority::Ordinary, |run| run.priority);
        let next = if is_gone { Next::Gone } else { next };
        let delay = match next {
            Next::BackOff => {
                let failures = state.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                let factor = 1u32 << (*failures - 1).min(20);
                Some(self.pauses.first.saturating_mul(factor).min(self.pauses.longest))
            }
            Next::After(delay) | Next::Retry(delay) => {
                state.failures.remove(key);
                Some(delay)
            }
            Next::WhenAdded | Next::Gone | Next::Terminal => {
                state.failures.remove(key);
                None
            }
        };
        state.retried += u64::from(delay.is_some_and(|delay| !delay.is_zero()));
        let (delay, priority) = match (delay, next) {
            _ if comes_again => (Some(Duration::ZERO), Priority::Ordinary),
            (delay, Next::BackOff | Next::Retry(_)) => (delay, had),
            (Some(delay), _) if !delay.is_zero() => (Some(delay), Priority::Low),
            (delay, _) => (delay, Priority::Ordinary),
        };
        if let Some(delay) = delay {
            state.add(key.clone(), Instant::now() + delay, priority);
        }
        drop(state);
        self.changed.notify_one();
        is_gone
    }
}

/// After the interval, more or less so many percent; an interval of nothing asks for no other run.
pub(crate) fn jittered(interval: Duration, percent: u8) -> Next {
    use rand08::Rng;
    if interval.is_zero() {
        return Next::WhenAdded;
    }
    if percent == 0 {
        return Next::After(interval);
    }
    let share = f64::from(percent.min(99)) / 100.0;
    Next::After(interval.mul_f64(1.0 + rand08::thread_rng().gen_range(-share..=share)))
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
        queue.add(key("b"), Priority::Ordinary);
        queue.add(key("b"), Priority::Ordinary);
        assert_eq!(queue.next().await, key("b"));
        queue.add(key("b"), Priority::Ordinary);
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
        queue.add(key("a"), Priority::Ordinary);
        queue.add(key("a"), Priority::Ordinary);
        assert_eq!(seen(), (1, 1, 0));
        queue.next().await;
        queue.add(key("a"), Priority::Ordinary);
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
        queue.add(key("a"), Priority::Ordinary);
        let mut pauses = Vec::new();
        for _ in 0..4 {
            let before = Instant::now();
            let due = queue.next().await;
            pauses.push(before.elapsed().as_millis() / 10 * 10);
            queue.done(&due, Next::BackOff);
        }
        assert_eq!(pauses, [0, 750, 1500, 3000]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_new_goes_before_what_is_looked_at_once_more() {
        let queue = Queue::default();
        queue.add(key("c"), Priority::Low);
        queue.add(key("a"), Priority::Low);
        tokio::time::advance(Duration::from_secs(1)).await;
        queue.add(key("z"), Priority::Ordinary);
        queue.add(key("a"), Priority::Ordinary);
        assert_eq!((queue.counts().waiting, queue.counts().low), (3, 1));
        for (name, next) in [
            ("a", Next::After(Duration::from_secs(60))),
            ("z", Next::BackOff),
            ("c", Next::After(Duration::from_secs(60))),
        ] {
            assert_eq!(queue.next().await, key(name));
            queue.done(&key(name), next);
        }
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!((queue.counts().waiting, queue.counts().low), (3, 2));
        assert_eq!(queue.next().await, key("z"), "it failed");
        queue.done(&key("z"), Next::After(Duration::ZERO));
        assert_eq!(queue.next().await, key("z"), "it was asked for at once");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_without_end_keeps_nobody_from_his_turn() {
        let queue = Queue::default();
        queue.add(key("low"), Priority::Low);
        let mut runs = 0;
        while runs < 100 {
            ["a", "b"].into_iter().for_each(|name| queue.add(key(name), Priority::Ordinary));
            tokio::time::advance(Duration::from_secs(1)).await;
            let due = queue.next().await;
            queue.done(&due, Next::WhenAdded);
            if due == key("low") {
                break;
            }
            runs += 1;
        }
        // A place goes to one of those that were there a moment longer.
        assert!((30..35).contains(&runs), "{runs}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_keeps_its_priority() {
        let queue = Queue::default();
        for (next, priority, low) in [
            (Next::Retry(Duration::from_secs(60)), Priority::Ordinary, 0),
            (Next::Retry(Duration::from_secs(60)), Priority::Low, 1),
            (Next::BackOff, Priority::Ordinary, 0),
            (Next::BackOff, Priority::Low, 1),
            (Next::After(Duration::from_secs(60)), Priority::Ordinary, 1),
        ] {
            queue.add(key("a"), priority);
            let due = queue.next().await;
            queue.done(&due, next);
            tokio::time::advance(Duration::from_secs(90)).await;
            assert_eq!((queue.counts().waiting, queue.counts().low), (1, low), "{next:?} {priority:?}");
            queue.forget(&due);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_while_it_runs_does_not_come_again() {
        let queue = Queue::default();
        queue.add(key("a"), Priority::Ordinary);
        let due = queue.next().await;
        queue.forget(&due);
        assert!(queue.done(&due, Next::After(Duration::from_secs(60))));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(queue.counts().waiting, 0);
        queue.add(key("a"), Priority::Ordinary);
        let due = queue.next().await;
        queue.forget(&due);
        queue.add(key("a"), Priority::Ordinary);
        assert!(!queue.done(&due, Next::Gone), "another one of the name has come");
        assert_eq!(queue.next().await, due);
    }

    #[test]
    fn what_was_asked_for_and_not_done_goes_first_at_the_start() {
        let object = |observed: i64, handled: &str| {
            serde_json::json!({
                "metadata": {"generation": 2, "annotations": {REQUESTED_AT: "now"}},
                "status": {"observedGeneration": observed, "lastHandledReconcileAt": handled},
            })
        };
        assert_eq!(Priority::at_start(&object(2, "now")), Priority::Low);
        assert_eq!(Priority::at_start(&object(1, "now")), Priority::Ordinary);
        assert_eq!(Priority::at_start(&object(2, "then")), Priority::Ordinary);
    }
}
