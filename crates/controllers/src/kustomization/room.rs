//! Room in memory: for archives, for what is unpacked, for objects that wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sealfast_source::tree::Memory;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Unpacked artifacts that nobody used for this long are let go.
const UNUSED: Duration = Duration::from_secs(60);

/// Memory that an unpacked artifact takes; it is free again once the last one lets go.
#[derive(Clone, Default)]
pub struct Room(#[expect(dead_code, reason = "held, not read")] Option<Arc<OwnedSemaphorePermit>>);

/// Room for the objects of a run that waits.
pub(super) struct Spared {
    _share: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

/// Unpacked artifacts by digest, and those that somebody is unpacking.
pub(super) struct Trees {
    /// Room for all of them, in KiB.
    room: Arc<Semaphore>,
    /// How much of it may go to objects that wait.
    share: Arc<Semaphore>,
    /// How much there is in all.
    most: u32,
    kept: Mutex<Keeping>,
    /// Tells those who wait for room that there is a tree that may make place.
    one_more: Notify,
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Default)]
struct Keeping {
    trees: HashMap<String, Kept>,
    /// Whether somebody lets go of those that are not used.
    is_watched: bool,
}

struct Kept {
    tree: Arc<Memory>,
    room: Room,
    used: Instant,
}

impl Trees {
    pub(super) fn new(bytes: u64) -> Trees {
        let most = kib(bytes).min(u32::MAX >> 4);
        let room = |kib: u32| Arc::new(Semaphore::new(kib as usize));
        Trees {
            room: room(most),
            share: room(most / 2),
            most,
            kept: Mutex::default(),
            one_more: Notify::new(),
            under_way: Mutex::default(),
        }
    }

    /// All the room there is, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.most) << 10
    }

    /// The lock of one who unpacks an artifact.
    pub(super) fn turn(&self, digest: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.under_way.lock().entry(digest.to_owned()).or_default().clone()
    }

    /// An artifact is unpacked, or could not be.
    pub(super) fn is_over(&self, digest: &str) {
        self.under_way.lock().remove(digest);
    }

    pub(super) fn find(&self, digest: &str) -> Option<(Arc<Memory>, Room)> {
        let mut kept = self.kept.lock();
        let found = kept.trees.get_mut(digest)?;
        found.used = Instant::now();
        Some((found.tree.clone(), found.room.clone()))
    }

    /// Waits for room. Kept trees make place while somebody waits, the one used least lately first, those that are kept
    /// meanwhile too; more than all the room there is nobody gets.
    pub(super) async fn room(&self, bytes: u64) -> Room {
        let mut room = std::pin::pin!(Arc::clone(&self.room).acquire_many_owned(kib(bytes).min(self.most)));
        loop {
            let one_more = self.one_more.notified();
            if let Poll::Ready(room) = futures::poll!(&mut room) {
                // The semaphore is never closed.
                return Room(room.ok().map(Arc::new));
            }
            if self.evict() {
                continue;
            }
            // Those who build hold the rest.
            tokio::select! {
                room = &mut room => return Room(room.ok().map(Arc::new)),
                () = one_more => {}
            }
        }
    }

    /// Room for objects that wait, at most half of all; none when there is not that much to be had at once.
    pub(super) fn spare(&self, bytes: u64) -> Option<Spared> {
        let share = Arc::clone(&self.share).try_acquire_many_owned(kib(bytes)).ok()?;
        loop {
            if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kib(bytes)) {
                return Some(Spared { _share: share, _room: room });
            }
            if !self.evict() {
                return None;
            }
        }
    }

    /// Lets the tree go that was used least lately; false when none is kept.
    fn evict(&self) -> bool {
        let trees = &mut self.kept.lock().trees;
        let oldest = trees.iter().min_by_key(|(_, k)| k.used).map(|(digest, _)| digest.clone());
        oldest.and_then(|oldest| trees.remove(&oldest)).is_some()
    }

    /// Keeps a tree for the next ones.
    pub(super) fn keep(self: &Arc<Self>, digest: &str, tree: &Arc<Memory>, room: &Room) {
        let mut kept = self.kept.lock();
        if !std::mem::replace(&mut kept.is_watched, true) {
            tokio::spawn(Arc::clone(self).forget());
        }
        let tree = Kept { tree: tree.clone(), room: room.clone(), used: Instant::now() };
        kept.trees.insert(digest.to_owned(), tree);
        drop(kept);
        self.one_more.notify_waiters();
    }

    /// Lets trees go that nobody used for a while, until there are none.
    async fn forget(self: Arc<Self>) {
        loop {
            tokio::time::sleep(UNUSED).await;
            let mut kept = self.kept.lock();
            kept.trees.retain(|_, k| k.used.elapsed() < UNUSED);
            if kept.trees.is_empty() {
                *kept = Keeping::default();
                return;
            }
        }
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
        let first = trees.room(60 << 10).await;
        trees.keep("first", &tree, &first);
        // In use: whoever comes next has to wait until it is let go, though it is no longer kept.
        let second = tokio::spawn({
            let trees = Arc::clone(&trees);
            async move { trees.room(60 << 10).await }
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
        let all = trees.room(trees.bytes()).await;
        assert!(trees.find("second").is_none() && trees.room.available_permits() == 0);
        drop(all);
        assert_eq!(trees.room.available_permits(), 100);
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_place_of_what_is_kept_meanwhile() {
        let trees = Arc::new(Trees::new(100 << 10));
        let first = trees.room(60 << 10).await;
        let second = tokio::spawn({
            let trees = Arc::clone(&trees);
            async move { trees.room(60 << 10).await }
        });
        while trees.room.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        trees.keep("first", &Arc::new(Memory::default()), &first);
        drop(first);
        let waited = tokio::time::timeout(Duration::from_secs(60), second).await;
        assert!(waited.is_ok_and(|second| second.is_ok()) && trees.find("first").is_none());
    }

    #[tokio::test]
    async fn objects_that_wait_get_half_of_what_is_free() {
        let trees = Arc::new(Trees::new(100 << 10));
        let kept = trees.room(60 << 10).await;
        trees.keep("kept", &Arc::new(Memory::default()), &kept);
        drop(kept);
        let first = trees.spare(30 << 10).expect("there is room");
        assert!(trees.spare(30 << 10).is_none() && trees.find("kept").is_some());
        // What is only kept makes place, what somebody builds from does not.
        let second = trees.spare(20 << 10).expect("there is room");
        assert!(trees.find("kept").is_none());
        drop((first, second));
        let built = trees.room(90 << 10).await;
        assert!(trees.spare(20 << 10).is_none());
        drop(built);
        assert!(trees.spare(20 << 10).is_some());
    }
}
