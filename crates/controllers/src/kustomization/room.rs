//! Room in memory: for archives, for what is unpacked, for objects that wait.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use sealfast_source::tree::Memory;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fair::{Fair, Taken};
use crate::keeper::{Keeper, Place, Turns};

/// Unpacked artifacts that nobody used for this long are let go.
const UNUSED: Duration = Duration::from_secs(60);
/// Whoever waits for room so long gets that of trees that are always in use, once those who use them now are done. No shorter
/// than the patience of `Fair`: from then on nobody smaller passes, so that what is let go stays for whoever waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Memory that something takes; it is free again once the last one lets go.
#[derive(Clone, Default)]
pub struct Room(Option<Arc<Use>>);

/// One who uses some memory, and tells those who wait when that is over.
struct Use {
    taken: Option<Arc<Taken>>,
    over: Arc<Notify>,
}

impl Drop for Use {
    fn drop(&mut self) {
        // First, so that whoever is told finds it unused.
        self.taken = None;
        self.over.notify_waiters();
    }
}

/// Room that is let go before its owner is; clones are of the same.
#[derive(Clone)]
pub struct Held(Arc<Mutex<Room>>);

impl Held {
    /// Holds this room.
    pub fn new(room: Room) -> Held {
        Held(Arc::new(Mutex::new(room)))
    }

    /// Holds none any more.
    pub fn let_go(&self) {
        *self.0.lock() = Room::default();
    }
}

/// Room for the objects of a run that waits.
pub(super) struct Spared {
    _share: Taken,
    _room: Taken,
}

/// An unpacked artifact that is kept, and its room.
type Kept = (Arc<Memory>, Option<Arc<Taken>>);

/// Unpacked artifacts by what they are kept under, and those that somebody is unpacking.
pub(super) struct Trees {
    /// Room for all of them, in KiB.
    room: Fair,
    /// How much of it may go to objects that wait.
    share: Fair,
    /// How much there is in all.
    most: u32,
    kept: Arc<Keeper<String, Kept>>,
    /// Tells those who wait for room that there may be a tree that makes place.
    one_more: Arc<Notify>,
    under_way: Turns,
}

impl Trees {
    pub(super) fn new(bytes: u64) -> Trees {
        let most = kib(bytes).min(u32::MAX >> 4);
        Trees {
            room: Fair::new(most.into()),
            share: Fair::new(u64::from(most) / 2),
            most,
            kept: Keeper::new(usize::MAX, UNUSED),
            one_more: Arc::default(),
            under_way: Turns::default(),
        }
    }

    /// All the room there is, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.most) << 10
    }

    /// The place of one who unpacks an artifact.
    pub(super) fn place<'a>(&'a self, name: &'a str) -> Place<'a> {
        self.under_way.place(name)
    }

    pub(super) fn find(&self, name: &str) -> Option<(Arc<Memory>, Room)> {
        self.kept.find(name, |_| true).map(|(tree, taken)| (tree, self.used(taken)))
    }

    /// Waits for room. Kept trees that nobody uses make place while somebody waits, the one used least lately first, those
    /// that are kept meanwhile too; more than all the room there is nobody gets.
    pub(super) async fn room(&self, who: &str, bytes: u64) -> Room {
        let mut room = std::pin::pin!(self.room.take(who, kib(bytes).min(self.most).into()));
        let late = Instant::now() + PATIENCE;
        loop {
            let one_more = self.one_more.notified();
            if let Poll::Ready(room) = futures::poll!(&mut room) {
                return self.used(room.map(Arc::new));
            }
            let is_late = late <= Instant::now();
            if self.kept.evict(|kept| is_late || is_unused(kept)) {
                continue;
            }
            // Those who build hold the rest.
            tokio::select! {
                room = &mut room => return self.used(room.map(Arc::new)),
                () = one_more => {}
                () = tokio::time::sleep_until(late), if !is_late => {}
            }
        }
    }

    /// Room for objects that wait, at most half of all, which namespaces share; none when there is not that much to be had
    /// at once.
    pub(super) fn spare(&self, who: &str, bytes: u64) -> Option<Spared> {
        let share = self.share(who, bytes)?;
        loop {
            if let Some(room) = self.room.try_take(who, kib(bytes).into()) {
                return Some(Spared { _share: share, _room: room });
            }
            if !self.kept.evict(is_unused) {
                return None;
            }
        }
    }

    /// What `spare` takes of the share of those who wait, without the room.
    pub(super) fn share(&self, who: &str, bytes: u64) -> Option<Taken> {
        self.share.try_share(who, kib(bytes).into())
    }

    /// Keeps a tree for the next ones.
    pub(super) fn keep(&self, name: &str, tree: &Arc<Memory>, room: &Room) {
        let taken = room.0.as_ref().and_then(|used| used.taken.clone());
        self.kept.keep(name.to_owned(), (tree.clone(), taken));
        self.one_more.notify_waiters();
    }

    fn used(&self, taken: Option<Arc<Taken>>) -> Room {
        Room(Some(Arc::new(Use { taken, over: Arc::clone(&self.one_more) })))
    }
}

/// Whether nobody but the keeper has a tree.
fn is_unused((_, taken): &Kept) -> bool {
    taken.as_ref().is_none_or(|taken| Arc::strong_count(taken) == 1)
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_unpacked_waits_for_room() {
        let trees = Arc::new(Trees::new(100 << 10));
        let tree = Arc::new(Memory::default());
        let first = trees.room("ns", 60 << 10).await;
        trees.keep("first", &tree, &first);
        // In use: whoever comes next has to wait until it is let go, and meanwhile others use it, too.
        let second = tokio::spawn({
            let trees = Arc::clone(&trees);
            async move { trees.room("ns", 60 << 10).await }
        });
        tokio::time::sleep(PATIENCE / 2).await;
        assert!(!second.is_finished() && trees.find("first").is_some());
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

    #[tokio::test(start_paused = true)]
    async fn what_is_always_in_use_makes_place_in_the_end() {
        let trees = Arc::new(Trees::new(100 << 10));
        let first = trees.room("ns", 60 << 10).await;
        trees.keep("first", &Arc::new(Memory::default()), &first);
        let second = tokio::spawn({
            let trees = Arc::clone(&trees);
            async move { trees.room("ns", 60 << 10).await }
        });
        // Whoever is done finds another one at work.
        let mut held = first;
        while let Some((_, next)) = trees.find("first") {
            tokio::time::sleep(PATIENCE / 10).await;
            held = next;
        }
        assert!(!second.is_finished());
        drop(held);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn objects_that_wait_get_half_of_what_is_free() {
        let trees = Arc::new(Trees::new(100 << 10));
        let kept = trees.room("ns", 60 << 10).await;
        trees.keep("kept", &Arc::new(Memory::default()), &kept);
        let first = trees.spare("ns", 25 << 10).expect("there is room");
        // What somebody builds from does not make place, what is only kept does.
        let second = trees.spare("other", 10 << 10).expect("there is room");
        assert!(trees.spare("third", 6 << 10).is_none() && trees.find("kept").is_some());
        drop(kept);
        let third = trees.spare("third", 6 << 10).expect("there is room");
        assert!(trees.find("kept").is_none());
        // No namespace has more than it leaves to others.
        assert!(trees.spare("ns", 1 << 10).is_none());
        drop((first, second, third));
        let built = trees.room("ns", 90 << 10).await;
        assert!(trees.spare("ns", 20 << 10).is_none());
        drop(built);
        assert!(trees.spare("ns", 20 << 10).is_some());
    }
}
