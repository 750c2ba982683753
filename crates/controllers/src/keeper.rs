//! What is kept while it is used, and turns for those who make what is not there.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Things by key; the one used least lately makes place, and what nobody used for a while is let go.
pub(crate) struct Keeper<K, V> {
    most: usize,
    unused: Duration,
    inside: Mutex<Inside<K, V>>,
}

struct Inside<K, V> {
    kept: HashMap<K, (V, Instant)>,
    /// Whether somebody lets go of those that are not used.
    is_watched: bool,
}

impl<K, V> Keeper<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Keeps at most so many, none unused for longer than so.
    pub(crate) fn new(most: usize, unused: Duration) -> Arc<Self> {
        let inside = Inside { kept: HashMap::new(), is_watched: false };
        Arc::new(Self { most, unused, inside: Mutex::new(inside) })
    }

    /// What is kept under the key and is right; it counts as used now.
    pub(crate) fn find<Q>(&self, key: &Q, is_right: impl FnOnce(&V) -> bool) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut inside = self.inside.lock();
        let (found, used) = inside.kept.get_mut(key).filter(|(value, _)| is_right(value))?;
        *used = Instant::now();
        Some(found.clone())
    }

    /// What is kept under the key, from now on if not before; it counts as used now.
    pub(crate) fn find_or_keep(self: &Arc<Self>, key: K, make: impl FnOnce() -> V) -> V {
        let mut inside = self.inside.lock();
        if let Some((found, used)) = inside.kept.get_mut(&key) {
            *used = Instant::now();
            return found.clone();
        }
        let made = make();
        self.put(&mut inside, key, made.clone());
        made
    }

    /// Keeps a thing; true when another one had to go for it.
    pub(crate) fn keep(self: &Arc<Self>, key: K, value: V) -> bool {
        self.put(&mut self.inside.lock(), key, value)
    }

    fn put(self: &Arc<Self>, inside: &mut Inside<K, V>, key: K, value: V) -> bool {
        if !std::mem::replace(&mut inside.is_watched, true) {
            tokio::spawn(Arc::clone(self).forget());
        }
        let is_full = inside.kept.len() >= self.most && !inside.kept.contains_key(&key);
        let evicted = is_full && inside.evict(|_| true);
        inside.kept.insert(key, (value, Instant::now()));
        evicted
    }

    /// Lets the right one go that was used least lately; false when there is none.
    pub(crate) fn evict(&self, is_right: impl Fn(&V) -> bool) -> bool {
        self.inside.lock().evict(is_right)
    }

    /// Lets go of all but those; returns how many are left.
    pub(crate) fn retain(&self, is_right: impl Fn(&V) -> bool) -> usize {
        let kept = &mut self.inside.lock().kept;
        kept.retain(|_, (value, _)| is_right(value));
        kept.len()
    }

    async fn forget(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.unused / 6).await;
            let mut inside = self.inside.lock();
            inside.kept.retain(|_, (_, used)| used.elapsed() < self.unused);
            if inside.kept.is_empty() {
                inside.is_watched = false;
                return;
            }
        }
    }
}

impl<K: Eq + Hash + Clone, V> Inside<K, V> {
    fn evict(&mut self, is_right: impl Fn(&V) -> bool) -> bool {
        let right = self.kept.iter().filter(|(_, (value, _))| is_right(value));
        let oldest = right.min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
        oldest.and_then(|oldest| self.kept.remove(&oldest)).is_some()
    }
}

/// One at a time for each key.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

/// A place in the row of one key. However it ends, nothing of it stays.
pub(crate) struct Place<'a> {
    turns: &'a Turns,
    key: &'a str,
    lock: Option<Arc<tokio::sync::Mutex<()>>>,
}

impl Turns {
    /// Stands in the row of a key.
    pub(crate) fn place<'a>(&'a self, key: &'a str) -> Place<'a> {
        let lock = self.0.lock().entry(key.to_owned()).or_default().clone();
        Place { turns: self, key, lock: Some(lock) }
    }
}

impl Place<'_> {
    /// Waits until nobody else has the turn.
    pub(crate) async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        match &self.lock {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut rows = self.turns.0.lock();
        self.lock = None;
        if rows.get(self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            rows.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_used_least_lately_goes_first() {
        let keeper = Keeper::new(2, Duration::from_secs(60));
        assert!(!keeper.keep("a", 1) && !keeper.keep("b", 2));
        assert_eq!(keeper.find("a", |_| true), Some(1));
        assert!(!keeper.keep("a", 3) && keeper.keep("c", 4));
        assert_eq!(keeper.find("b", |_| true), None);
        assert_eq!((keeper.find("a", |value| *value == 1), keeper.find("a", |_| true)), (None, Some(3)));
        assert_eq!((keeper.find_or_keep("a", || 5), keeper.find_or_keep("d", || 6)), (3, 6));
        assert_eq!((keeper.find("c", |_| true), keeper.find("d", |_| true)), (None, Some(6)));
        assert!(keeper.keep("c", 4));
        assert_eq!(keeper.retain(|value| *value == 4), 1);
        assert!(!keeper.evict(|value| *value == 5) && keeper.evict(|value| *value == 4));
        assert!(!keeper.evict(|_| true));
    }

    #[tokio::test]
    async fn a_turn_that_is_given_up_leaves_nothing_and_lets_no_two_in() {
        let turns = Turns::default();
        let first = turns.place("a");
        let held = first.turn().await;
        let second = turns.place("a");
        // Whoever waits and gives up is forgotten; who came before still has the turn.
        assert!(futures::poll!(std::pin::pin!(second.turn())).is_pending());
        drop(second);
        let third = turns.place("a");
        assert!(futures::poll!(std::pin::pin!(third.turn())).is_pending());
        drop(held);
        drop(first);
        assert!(third.turn().await.is_some());
        drop(third);
        assert!(turns.0.lock().is_empty());
    }
}
