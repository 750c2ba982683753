//! Room for bytes that wait in memory, with a share of it for each user.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for so many units; nobody takes more of it than a share.
pub(crate) struct Room {
    all: Arc<Semaphore>,
    share: usize,
    /// What is left of the share of each user who holds something or waits.
    shares: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Units that are taken until this is dropped.
pub(crate) struct Place {
    _all: OwnedSemaphorePermit,
    _share: OwnedSemaphorePermit,
}

impl Room {
    pub(crate) fn new(units: usize, share: usize) -> Self {
        let units = units.min(Semaphore::MAX_PERMITS);
        Self { all: Arc::new(Semaphore::new(units)), share: share.min(units), shares: Mutex::default() }
    }

    /// Waits for so many units, in turn. What is larger than a share takes all of it.
    pub(crate) async fn take(&self, user: &str, units: usize) -> Option<Place> {
        let units = self.at_most_a_share(units);
        // First the own share: who waits for it holds nothing that others could have.
        let share = self.share_of(user).acquire_many_owned(units).await.ok()?;
        let all = Arc::clone(&self.all).acquire_many_owned(units).await.ok()?;
        Some(Place { _all: all, _share: share })
    }

    /// The same when it is free now.
    pub(crate) fn take_now(&self, user: &str, units: usize) -> Option<Place> {
        let units = self.at_most_a_share(units);
        let share = self.share_of(user).try_acquire_many_owned(units).ok()?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(units).ok()?;
        Some(Place { _all: all, _share: share })
    }

    /// Whether nothing is left of the share of a user.
    pub(crate) fn is_share_taken(&self, user: &str) -> bool {
        self.share_of(user).available_permits() == 0
    }

    fn at_most_a_share(&self, units: usize) -> u32 {
        u32::try_from(units.min(self.share)).unwrap_or(u32::MAX)
    }

    fn share_of(&self, user: &str) -> Arc<Semaphore> {
        let user = sharing(user);
        let mut shares = self.shares.lock();
        if let Some(share) = shares.get(user).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(user.to_owned(), Arc::downgrade(&share));
        share
    }
}

/// Who shares with whom: the accounts of a namespace, which one tenant can have as many of as he likes.
fn sharing(user: &str) -> &str {
    match user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
        Some((_, name)) => &user[..user.len() - name.len()],
        None => user,
    }
}

/// Room for the bodies of requests.
pub(crate) struct Bodies {
    /// For the beginning of each, in units of 16 KiB.
    pub begun: Room,
    /// For those that are longer, in units of 64 KiB.
    pub large: Room,
}

impl Bodies {
    /// Room for 128 MiB, an eighth of it for each user.
    pub(crate) fn new() -> Self {
        Self { begun: Room::new(4096, 512), large: Room::new(1024, 128) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_room_for_others() {
        let room = Room::new(10, 4);
        let own: Vec<_> = (0..4).filter_map(|_| room.take_now("a", 1)).collect();
        assert_eq!(own.len(), 4);
        assert!(room.take_now("a", 1).is_none(), "the share is taken");
        let large = room.take_now("b", 100);
        assert!(large.is_some() && room.take_now("b", 1).is_none(), "what is larger takes the share");
        assert!(room.take_now("c", 2).is_some());
        drop((own, large));
        assert!(room.take_now("a", 4).is_some(), "it is given back");
        assert_eq!(room.all.available_permits(), 10);
    }

    #[test]
    fn accounts_of_a_namespace_share() {
        let room = Room::new(10, 1);
        let first = room.take_now("system:serviceaccount:x:a", 1);
        assert!(first.is_some() && room.take_now("system:serviceaccount:x:b", 1).is_none());
        assert!(room.take_now("system:serviceaccount:y:b", 1).is_some());
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let room = Room::new(10, 1);
        for user in ["a", "b", "c"] {
            assert!(room.take_now(user, 1).is_some());
        }
        assert_eq!(room.shares.lock().len(), 1);
    }
}
