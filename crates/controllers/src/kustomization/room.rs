//! Room in memory: for archives, for what is unpacked, for objects that wait.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sealfast_source::tree::Memory;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::fair::{Fair, Taken};
use crate::keeper::{Keeper, Place, Turns};

/// Unpacked artifacts that nobody used for this long are let go.
const UNUSED: Duration = Duration::from_secs(60);

/// Memory that an unpacked artifact takes; it is free again once the last one lets go.
#[derive(Clone, Default)]
pub struct Room(#[expect(dead_code, reason = "held, not read")] Option<Arc<Taken>>);

/// Room for the objects of a run that waits.
pub(super) struct Spared {
    _share: OwnedSemaphorePermit,
    _room: Taken,
}

/// Unpacked artifacts by digest, and those that somebody is unpacking.
pub(super) struct Trees {
    /// Room for all of them, in KiB.
    room: Fair,
    /// How much of it may go to objects that wait.
    share: Arc<Semaphore>,
    /// How much there is in all.
    most: u32,
    kept: Arc<Keeper<String, (Arc<Memory>, Room)>>,
    /// Tells those who wait for room that there is a tree that may make place.
    one_more: Notify,
    under_way: Turns,
}

impl Trees {
    pub(super) fn new(bytes: u64) -> Trees {
        let most = kib(bytes).min(u32::MAX >> 4);
        Trees {
            room: Fair::new(most.into()),
            share: Arc::new(Semaphore::new(most as usize / 2)),
            most,
            kept: Keeper::new(usize::MAX, UNUSED),
            one_more: Notify::new(),
            under_way: Turns::default(),
        }
    }

    /// All the room there is, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.most) << 10
    }

    /// The place of one who unpacks an artifact.
    pub(super) fn place<'a>(&'a self, digest: &'a str) -> Place<'a> {
        self.under_way.place(digest)
    }

    pub(super) fn find(&self, digest: &str) -> Option<(Arc<Memory>, Room)> {
        self.kept.find(digest, |_| true)
    }

    /// Waits for room. Kept trees make place while somebody waits, the one used least lately first, those that are kept
    /// meanwhile too; more than all the room there is nobody gets.
    pub(super) async fn room(&self, who: &str, bytes: u64) -> Room {
        let mut room = std::pin::pin!(self.room.take(who, kib(bytes).min(self.most).into()));
        loop {
            let one_more = self.one_more.notified();
            if let Poll::Ready(room) = futures::poll!(&mut room) {
                return Room(room.map(Arc::new));
            }
            if self.kept.evict() {
                continue;
            }
            // Those who build hold the rest.
            tokio::select! {
                room = &mut room => return Room(room.map(Arc::new)),
                () = one_more => {}
            }
        }
    }

    /// Room for objects that wait, at most half of all; none when there is not that much to be had at once.
    pub(super) fn spare(&self, who: &str, bytes: u64) -> Option<Spared> {
        let share = Arc::clone(&self.share).try_acquire_many_owned(kib(bytes)).ok()?;
        loop {
            if let Some(room) = self.room.try_take(who, kib(bytes).into()) {
                return Some(Spared { _share: share, _room: room });
            }
            if !self.kept.evict() {
                return None;
            }
        }
    }

    /// Keeps a tree for the next ones.
    pub(super) fn keep(&self, digest: &str, tree: &Arc<Memory>, room: &Room) {
        self.kept.keep(digest.to_owned(), (tree.clone(), room.clone()));
        self.one_more.notify_waiters();
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_unpacked_waits_for_room() {
        let trees = Arc::new(Trees::new(100 << 10));
        let tree = Arc::new(Memory::default());
        let first = trees.room("ns", 60 << 10).await;
        trees.keep("first", &tree, &first);
        // In use: whoever comes next has to wait until it is let go, though it is no longer kept.
        let second = tokio::spawn({
            let trees = Arc::clone(&trees);
            async move { trees.room("ns", 60 << 10).await }
        });
        while trees.find("first").is_some() {
            tokio::task::yield_now().await;
        }
        assert!(!second.is_finished());
        drop(first);
        let second = second.await.expect("there is room");
        trees.keep("second", &tree, &second);
        drop(second);
        // Unused ones make place at once.
        let all = trees.room("ns", trees.bytes()).await;
        assert!(trees.find("second").is_none() && trees.room.free() == 0);
        drop(all);
        assert_eq!(trees.room.free(), 100);
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_place_of_what_is_kept_meanwhile() {
        let trees = Arc::new(Trees::new(100 << 10));
        let first = trees.room("ns", 60 << 10).await;
        let second = tokio::spawn({
            let trees = Arc::clone(&trees);
            async move { trees.room("ns", 60 << 10).await }
        });
        // On this one thread it begins to wait now.
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        trees.keep("first", &Arc::new(Memory::default()), &first);
        drop(first);
        let waited = tokio::time::timeout(Duration::from_secs(60), second).await;
        assert!(waited.is_ok_and(|second| second.is_ok()) && trees.find("first").is_none());
    }

    #[tokio::test]
    async fn objects_that_wait_get_half_of_what_is_free() {
        let trees = Arc::new(Trees::new(100 << 10));
        let kept = trees.room("ns", 60 << 10).await;
        trees.keep("kept", &Arc::new(Memory::default()), &kept);
        drop(kept);
        let first = trees.spare("ns", 30 << 10).expect("there is room");
        assert!(trees.spare("ns", 30 << 10).is_none() && trees.find("kept").is_some());
        // What is only kept makes place, what somebody builds from does not.
        let second = trees.spare("ns", 20 << 10).expect("there is room");
        assert!(trees.find("kept").is_none());
        drop((first, second));
        let built = trees.room("ns", 90 << 10).await;
        assert!(trees.spare("ns", 20 << 10).is_none());
        drop(built);
        assert!(trees.spare("ns", 20 << 10).is_some());
    }
}
