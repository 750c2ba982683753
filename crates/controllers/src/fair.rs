//! Something bounded, such as memory or cores, shared fairly by namespaces.
//!
//! Who waits in the namespace that holds the least goes first, and within a namespace who came first. What does not fit yet
//! lets those of other namespaces pass for a while, so that one huge request stops none of them, and then no longer, so
//! that it is not passed for ever. A namespace may hold all there is as long as nobody else wants any.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long what does not fit lets others pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// So much of something; clones share it.
#[derive(Clone)]
pub struct Fair(Arc<Mutex<State>>);

struct State {
    free: u64,
    held: BTreeMap<String, u64>,
    /// In the order in which they came.
    waiting: Vec<Waiter>,
}

struct Waiter {
    who: String,
    amount: u64,
    since: Instant,
    /// Somebody smaller was given something while there was not enough for this one.
    passed: bool,
    given: oneshot::Sender<Taken>,
}

impl Waiter {
    fn lets_nobody_pass(&self) -> bool {
        self.passed && !self.given.is_closed() && self.since.elapsed() >= PATIENCE
    }
}

/// Looks again who can be given something when somebody waits no longer.
struct Leaving<'a>(&'a Fair);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.serve();
    }
}

/// A part of it, until it is dropped.
pub struct Taken {
    of: Fair,
    who: String,
    amount: u64,
}

impl Fair {
    /// So much to share.
    pub fn new(amount: u64) -> Fair {
        Fair(Arc::new(Mutex::new(State { free: amount, held: BTreeMap::new(), waiting: Vec::new() })))
    }

    /// Waits for a part on behalf of a namespace. Nobody ever gets more than there is in all.
    pub async fn take(&self, who: &str, amount: u64) -> Option<Taken> {
        let _leaving = Leaving(self);
        let (given, taken) = oneshot::channel();
        let who = who.to_owned();
        self.0.lock().waiting.push(Waiter { who, amount, since: Instant::now(), passed: false, given });
        self.serve();
        taken.await.ok()
    }

    /// Takes a part if it is free, and nobody waits who lets nobody pass any more.
    pub fn try_take(&self, who: &str, amount: u64) -> Option<Taken> {
        let mut state = self.0.lock();
        let is_free = state.free >= amount && !state.waiting.iter().any(Waiter::lets_nobody_pass);
        is_free.then(|| state.hand_out(self, who.to_owned(), amount))
    }

    /// Takes a part at once, if that leaves others at least as much as the namespace then holds: for what is taken for long,
    /// and what nobody waits for.
    pub fn try_share(&self, who: &str, amount: u64) -> Option<Taken> {
        let mut state = self.0.lock();
        let held = state.held.get(who).copied().unwrap_or_default();
        let left = state.free.checked_sub(amount)?;
        (held + amount <= left).then(|| state.hand_out(self, who.to_owned(), amount))
    }

    /// How much nobody holds.
    pub fn free(&self) -> u64 {
        self.0.lock().free
    }

    /// Gives what is free to those who wait.
    fn serve(&self) {
        loop {
            let mut state = self.0.lock();
            let Some(next) = state.next() else { return };
            let Waiter { who, amount, given, .. } = state.waiting.remove(next);
            let taken = state.hand_out(self, who, amount);
            drop(state);
            // Who waits no longer gives it back at once.
            drop(given.send(taken));
        }
    }
}

impl State {
    /// The place of the one who is given something next.
    fn next(&mut self) -> Option<usize> {
        self.waiting.retain(|waiter| !waiter.given.is_closed());
        let mut seen: HashSet<&str> = HashSet::new();
        let firsts = self.waiting.iter().enumerate().filter(|(_, waiter)| seen.insert(&waiter.who));
        let firsts: Vec<usize> = firsts.map(|(place, _)| place).collect();
        // They are in the order in which they came.
        if let Some(oldest) = firsts.iter().find(|place| self.waiting[**place].lets_nobody_pass()) {
            return (self.waiting[*oldest].amount <= self.free).then_some(*oldest);
        }
        let fits = |place: &&usize| self.waiting[**place].amount <= self.free;
        let held = |place: &&usize| self.held.get(&self.waiting[**place].who).copied().unwrap_or_default();
        let next = firsts.iter().filter(fits).min_by_key(|place| (held(place), **place)).copied()?;
        for place in firsts {
            self.waiting[place].passed |= self.waiting[place].amount > self.free;
        }
        Some(next)
    }

    fn hand_out(&mut self, of: &Fair, who: String, amount: u64) -> Taken {
        self.free -= amount;
        *self.held.entry(who.clone()).or_default() += amount;
        Taken { of: of.clone(), who, amount }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = self.of.0.lock();
        state.free += self.amount;
        if let Some(held) = state.held.get_mut(&self.who) {
            *held -= self.amount;
            if *held == 0 {
                state.held.remove(&self.who);
            }
        }
        drop(state);
        self.of.serve();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who waits.
    fn waiting(fair: &Fair, who: &'static str, amount: u64) -> tokio::task::JoinHandle<Option<Taken>> {
        let fair = fair.clone();
        tokio::spawn(async move { fair.take(who, amount).await })
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_the_least_goes_first() {
        let fair = Fair::new(2);
        let (first, second) = (fair.take("many", 1).await, fair.take("many", 1).await);
        let more: Vec<_> = (0..5).map(|_| waiting(&fair, "many", 1)).collect();
        tokio::task::yield_now().await;
        let other = waiting(&fair, "other", 1);
        tokio::task::yield_now().await;
        drop(first);
        let taken = other.await.expect("it waits").expect("it is there");
        assert!(more.iter().all(|one| !one.is_finished()));
        drop((second, taken));
        for one in more {
            assert!(one.await.is_ok_and(|taken| taken.is_some()));
        }
        assert_eq!(fair.free(), 2);
    }

    #[test]
    fn a_share_leaves_others_as_much() {
        let fair = Fair::new(100);
        let first = fair.try_share("many", 30).expect("there is enough");
        let second = fair.try_share("many", 20).expect("there is enough");
        assert!(fair.try_share("many", 1).is_none() && fair.try_share("other", 26).is_none());
        let other = fair.try_share("other", 25).expect("there is enough");
        drop((first, second));
        assert!(fair.free() == 75 && fair.try_share("many", 38).is_none());
        assert!(fair.try_share("many", 37).is_some());
        drop(other);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_huge_lets_others_pass_and_gets_its_place_all_the_same() {
        let fair = Fair::new(10);
        let mut held = fair.take("a", 3).await;
        let huge = waiting(&fair, "huge", 10);
        tokio::task::yield_now().await;
        for _ in 0..5 {
            held = fair.take("b", 3).await;
            tokio::time::advance(PATIENCE / 6).await;
        }
        tokio::time::advance(PATIENCE).await;
        let late = waiting(&fair, "c", 3);
        tokio::task::yield_now().await;
        assert!(!late.is_finished() && !huge.is_finished());
        drop(held);
        let huge = huge.await.expect("it waits").expect("it is there");
        assert!(!late.is_finished() && fair.free() == 0);
        drop(huge);
        assert!(late.await.is_ok_and(|taken| taken.is_some()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_nothing_taken() {
        let fair = Fair::new(1);
        let held = fair.take("a", 1).await;
        let given_up = waiting(&fair, "b", 1);
        tokio::task::yield_now().await;
        given_up.abort();
        assert!(given_up.await.is_err() && fair.try_take("c", 1).is_none());
        drop(held);
        assert!(fair.try_take("c", 1).is_some() && fair.free() == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_huge_is_not_passed_for_ever_by_those_who_hold_less() {
        let fair = Fair::new(10);
        let own = fair.take("huge", 1).await;
        let held = fair.take("a", 3).await;
        let huge = waiting(&fair, "huge", 9);
        tokio::task::yield_now().await;
        drop(fair.take("b", 3).await);
        tokio::time::advance(PATIENCE).await;
        let late = waiting(&fair, "late", 3);
        tokio::task::yield_now().await;
        assert!(!late.is_finished() && fair.try_take("late", 1).is_none());
        drop(held);
        let huge = huge.await.expect("it waits").expect("it is there");
        assert!(!late.is_finished());
        drop((huge, own));
        assert!(late.await.is_ok_and(|taken| taken.is_some()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_makes_room_for_those_behind() {
        let fair = Fair::new(10);
        let held = fair.take("a", 3).await;
        let huge = waiting(&fair, "huge", 10);
        tokio::task::yield_now().await;
        drop(fair.take("b", 3).await);
        tokio::time::advance(PATIENCE).await;
        let late = waiting(&fair, "c", 3);
        tokio::task::yield_now().await;
        assert!(!late.is_finished());
        huge.abort();
        assert!(late.await.is_ok_and(|taken| taken.is_some()));
        drop(held);
    }
}
