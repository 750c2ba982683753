//! Versions and history: every object, with its recent changes.
//!
//! Objects are kept as compact JSON text (`storage/stored.rs`), because an idle server should be small. One counter
//! numbers all writes. The recent changes stay in a log from which watches replay and old lists are rebuilt.
//! A write is acknowledged after it was handed to the operating system (see `storage/journal.rs`).

pub(crate) mod disk;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod records;
mod rewriting;
mod stored;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock, RwLockWriteGuard};
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::error::Error;
use crate::keys;
use journal::Journal;
use records::Record;
use rewriting::Rewriting;

pub(crate) use stored::{Bonds, Marks, Stored, head};

/// Which object: resource (`deployments.apps`), namespace (empty for cluster scope), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub resource: Arc<str>,
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub(crate) fn new(resource: &Arc<str>, namespace: &str, name: &str) -> Self {
        Self { resource: Arc::clone(resource), namespace: namespace.into(), name: name.into() }
    }
}

/// A change: `value` is absent for a deletion, `previous` for a creation.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub revision: u64,
    pub key: Key,
    pub value: Option<Stored>,
    pub previous: Option<Stored>,
    /// How a deleted object is shown, where that is not what was stored.
    pub last: Option<Stored>,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Nothing of that name.
    Absent,
    /// This version.
    Revision(u64),
}

/// Why a write was not made.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is an object already.
    Exists(Stored),
    /// The object changed or went.
    Changed,
    /// The namespace is not there.
    NoNamespace,
    /// The namespace is on its way out and takes no new objects.
    Terminating,
    /// The object is larger than what is kept.
    TooLarge,
    /// The object has more values than what is kept.
    TooMany,
    /// The object is nested deeper than what is kept.
    TooDeep,
    /// The state could not be kept.
    Disk(Error),
}

/// A list of objects at one revision.
pub(crate) struct Listing {
    pub revision: u64,
    pub items: Vec<Stored>,
}

/// The store.
pub(crate) struct Store {
    inner: RwLock<Inner>,
    latest: watch::Sender<u64>,
    /// The same for each resource that is watched.
    topics: Mutex<HashMap<Arc<str>, watch::Sender<u64>>>,
    /// Resources whose objects are kept as values, too, and the write of them that these follow.
    parsed: Mutex<HashMap<&'static str, (u64, Parsed)>>,
    /// Held by who writes the state file anew.
    rewriting: Mutex<()>,
}

/// The objects of a resource as values, by namespace and name.
pub(crate) type Parsed = Arc<BTreeMap<(String, String), Value>>;

struct Inner {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<Arc<str>, BTreeMap<(String, String), Stored>>,
    /// Namespaces on their way out.
    terminating: HashSet<String>,
    /// The last write of each resource since the start.
    touched: HashMap<Arc<str>, u64>,
    log: VecDeque<Change>,
    log_bytes: usize,
    journal: Option<Journal>,
    /// Bytes of all objects.
    live: u64,
    /// Told when the journal should be written anew.
    wasteful: Arc<Notify>,
    /// How many writes the disk refused.
    refused: u64,
}

impl Store {
    /// A store in memory, or on top of what `journal` held.
    pub(crate) fn new(journal: Option<(Journal, Vec<Record>)>) -> Self {
        let mut inner = Inner {
            revision: FIRST_REVISION,
            compacted: FIRST_REVISION,
            objects: BTreeMap::new(),
            terminating: HashSet::new(),
            touched: HashMap::new(),
            log: VecDeque::new(),
            log_bytes: 0,
            journal: None,
            live: 0,
            wasteful: Arc::default(),
            refused: 0,
        };
        if let Some((journal, records)) = journal {
            let is_old = !records.is_empty();
            for record in records {
                inner.restore(record);
            }
            if is_old {
                // Versions of writes that did not reach the disk are not given to others: clients may have seen them.
                inner.revision += UNSEEN;
            }
            inner.compacted = inner.revision;
            let mut journal = journal;
            if let Err(error) = journal.raise(inner.revision) {
                tracing::error!(%error, "cannot write down which versions are left out, and no write is taken until there is a new state file");
            }
            let live = inner.objects.values().flat_map(BTreeMap::values);
            inner.live = live.map(|stored| stored.size() as u64).sum();
            inner.journal = Some(journal);
        }
        let (latest, _) = watch::channel(inner.revision);
        Self {
            inner: RwLock::new(inner),
            latest,
            topics: Mutex::default(),
            parsed: Mutex::default(),
            rewriting: Mutex::default(),
        }
    }

    /// The revision of the last write.
    pub(crate) fn revision(&self) -> u64 {
        self.inner.read().revision
    }

    /// Told of each new revision.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Told of each new revision of a resource's objects.
    pub(crate) fn subscribe_to(&self, resource: &Arc<str>) -> watch::Receiver<u64> {
        let mut topics = self.topics.lock();
        topics.entry(Arc::clone(resource)).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Tells of a write. Of two at once the later may come first, and is not taken back by the other.
    fn tell(&self, resource: &Arc<str>, revision: u64) {
        let raise = |known: &mut u64| {
            let newer = revision > *known;
            *known = revision.max(*known);
            newer
        };
        self.latest.send_if_modified(raise);
        let mut topics = self.topics.lock();
        if let Some(topic) = topics.get(resource) {
            if topic.receiver_count() == 0 {
                topics.remove(resource);
            } else {
                topic.send_if_modified(raise);
            }
        }
    }

    /// One object.
    pub(crate) fn get(&self, key: &Key) -> Option<Stored> {
        let inner = self.inner.read();
        inner.objects.get(&key.resource)?.get(&(key.namespace.clone(), key.name.clone())).cloned()
    }

    /// All objects of a resource, of one namespace when given, by namespace and name.
    pub(crate) fn list(&self, resource: &Arc<str>, namespace: Option<&str>) -> Listing {
        let inner = self.inner.read();
        let items = inner.range(resource, namespace, None).map(|(_, stored)| stored.clone()).collect();
        Listing { revision: inner.revision, items }
    }

    /// Whether the objects of a resource, of one namespace when given, have more bytes than these together.
    pub(crate) fn holds_more(&self, resource: &Arc<str>, namespace: Option<&str>, bytes: usize) -> bool {
        let inner = self.inner.read();
        let mut sum = 0;
        inner.range(resource, namespace, None).any(|(_, stored)| {
            sum += stored.size();
            sum > bytes
        })
    }

    /// The objects of a resource as values, which are kept until one of them is written. For few and small ones.
    pub(crate) fn parsed(&self, resource: &'static str) -> Parsed {
        let mut kept = self.parsed.lock();
        let inner = self.inner.read();
        let touched = inner.touched.get(resource).copied().unwrap_or_default();
        if let Some((at, parsed)) = kept.get(resource)
            && *at == touched
        {
            return Arc::clone(parsed);
        }
        let items = inner.objects.get(resource).into_iter().flatten();
        let items: Vec<_> = items.map(|(key, stored)| (key.clone(), stored.clone())).collect();
        drop(inner);
        let parsed: Parsed =
            Arc::new(items.into_iter().map(|(key, stored)| (key, stored.object())).collect());
        kept.insert(resource, (touched, Arc::clone(&parsed)));
        parsed
    }

    /// How many objects there are of each resource.
    pub(crate) fn counts(&self) -> Vec<(Arc<str>, usize)> {
        let inner = self.inner.read();
        inner.objects.iter().map(|(resource, objects)| (Arc::clone(resource), objects.len())).collect()
    }

    /// The same behind `after` as it was at `revision`; `None` when that is too long ago.
    pub(crate) fn list_at(
        &self,
        resource: &Arc<str>,
        namespace: Option<&str>,
        after: Option<&(String, String)>,
        revision: u64,
    ) -> Option<Listing> {
        let inner = self.inner.read();
        if revision < inner.compacted {
            return None;
        }
        let wanted = |change: &&Change| {
            &change.key.resource == resource
                && namespace.is_none_or(|namespace| namespace == change.key.namespace)
        };
        let mut since =
            inner.log.iter().rev().take_while(|change| change.revision > revision).filter(wanted).peekable();
        let present = inner.range(resource, namespace, after);
        if since.peek().is_none() {
            return Some(Listing { revision, items: present.map(|(_, stored)| stored.clone()).collect() });
        }
        let mut items: BTreeMap<(String, String), Stored> =
            present.map(|(key, stored)| (key.clone(), stored.clone())).collect();
        for change in since {
            let key = (change.key.namespace.clone(), change.key.name.clone());
            match &change.previous {
                Some(stored) if after.is_none_or(|after| *after < key) => items.insert(key, stored.clone()),
                _ => items.remove(&key),
            };
        }
        Some(Listing { revision, items: items.into_values().collect() })
    }

    /// The next changes of a resource after a revision; `None` when some are forgotten. At most so many, and no more once
    /// they have so many bytes: whoever takes them keeps them while others forget them.
    pub(crate) fn changes(
        &self,
        resource: &Arc<str>,
        after: u64,
        (most, bytes): (usize, usize),
    ) -> Option<Next> {
        let inner = self.inner.read();
        if after < inner.compacted {
            return None;
        }
        let start = inner.log.partition_point(|change| change.revision <= after);
        let mut found = inner.log.range(start..).filter(|change| &change.key.resource == resource);
        let (mut changes, mut sum) = (Vec::new(), 0);
        while changes.len() < most
            && sum < bytes
            && let Some(change) = found.next()
        {
            sum += weight(change);
            changes.push(change.clone());
        }
        let more = found.next().is_some();
        let last = changes.last().map(|change| change.revision).filter(|_| more);
        Some(Next { reached: last.unwrap_or(inner.revision), changes, more })
    }

    /// Changes of all resources after `revision`; `None` when some are forgotten.
    pub(crate) fn all_changes(&self, after: u64) -> Option<(u64, Vec<Change>)> {
        let inner = self.inner.read();
        if after < inner.compacted {
            return None;
        }
        let start = inner.log.partition_point(|change| change.revision <= after);
        Some((inner.revision, inner.log.range(start..).cloned().collect()))
    }

    /// The oldest revision a watch may start from.
    pub(crate) fn compacted(&self) -> u64 {
        self.inner.read().compacted
    }

    /// Every resource that has objects in a namespace.
    pub(crate) fn resources_in(&self, namespace: &str) -> Vec<Arc<str>> {
        let inner = self.inner.read();
        let held = |resource: &&Arc<str>| inner.range(resource, Some(namespace), None).next().is_some();
        inner.objects.keys().filter(held).cloned().collect()
    }

    /// Every object of the store.
    pub(crate) fn everything(&self) -> (u64, Vec<(Key, Stored)>) {
        let inner = self.inner.read();
        (inner.revision, inner.everything())
    }

    /// Writes an object. A namespaced object needs its namespace.
    pub(crate) fn put(&self, key: &Key, object: &Value, expect: Expect) -> Result<Stored, Refused> {
        let stored = Stored::of(object, 0)?;
        let mut inner = self.inner.write();
        if !key.namespace.is_empty() && !inner.has_namespace(&key.namespace) {
            return Err(Refused::NoNamespace);
        }
        if matches!(expect, Expect::Absent) && inner.terminating.contains(&key.namespace) {
            return Err(Refused::Terminating);
        }
        let previous = inner.current(key);
        match (expect, &previous) {
            (Expect::Absent, Some(stored)) => return Err(Refused::Exists(stored.clone())),
            (Expect::Revision(_), None) => return Err(Refused::Changed),
            (Expect::Revision(wanted), Some(stored)) if stored.revision != wanted => {
                return Err(Refused::Changed);
            }
            _ => {}
        }
        let stored = stored.at(inner.revision + 1);
        inner.commit(key, Some(stored.clone()), previous, None).map_err(Refused::Disk)?;
        drop(inner);
        self.tell(&key.resource, stored.revision);
        Ok(stored)
    }

    /// An object as it would be stored, for dry runs.
    pub(crate) fn unwritten(&self, object: &Value) -> Result<Stored, Refused> {
        Stored::of(object, self.revision())
    }

    /// Deletes an object at a version; the answer is the revision of the deletion.
    pub(crate) fn delete(&self, key: &Key, expect: u64) -> Result<u64, Refused> {
        self.remove(self.inner.write(), key, expect, None)
    }

    /// Deletes an object whose last state before the deletion differs from the stored one.
    pub(crate) fn delete_with(&self, key: &Key, last: &Value, expect: u64) -> Result<u64, Refused> {
        let last = Stored::of(last, expect)?;
        self.remove(self.inner.write(), key, expect, Some(last))
    }

    fn remove(
        &self,
        mut inner: RwLockWriteGuard<'_, Inner>,
        key: &Key,
        expect: u64,
        last: Option<Stored>,
    ) -> Result<u64, Refused> {
        let previous = inner.current(key).filter(|stored| stored.revision == expect);
        let previous = previous.ok_or(Refused::Changed)?;
        inner.commit(key, None, Some(previous), last).map_err(Refused::Disk)?;
        let revision = inner.revision;
        drop(inner);
        self.tell(&key.resource, revision);
        Ok(revision)
    }

    /// Hands the journal to the disk; false when the disk does not take it.
    pub(crate) fn sync(&self) -> bool {
        let Some((file, length)) = self.inner.read().journal.as_ref().map(Journal::written) else {
            return true;
        };
        let flushed = file.sync();
        let mut inner = self.inner.write();
        let (revision, wasteful) = (inner.revision, Arc::clone(&inner.wasteful));
        let Some(journal) = &mut inner.journal else { return true };
        match flushed {
            Ok(()) => {
                // Without the note a later flush tells more.
                let _ = journal.note_flushed(&file, revision, length);
            }
            Err(error) => {
                tracing::error!(%error, "cannot flush the state file, and no write is taken until there is a new one");
                journal.refuse_unflushed(&file);
                wasteful.notify_one();
                return false;
            }
        }
        true
    }

    /// Whether the last write was kept, and the next one may be.
    pub(crate) fn takes_writes(&self) -> bool {
        self.inner.read().journal.as_ref().is_none_or(Journal::takes_writes)
    }

    /// How many writes the disk refused since the start: whoever sees another number than before tries again.
    pub(crate) fn refused(&self) -> u64 {
        self.inner.read().refused
    }

    /// Told when the journal should be written anew.
    pub(crate) fn wasteful(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.read().wasteful)
    }

    /// Keeps nothing any more, and gives the folder back.
    pub(crate) fn close(&self) {
        if let Some(journal) = &mut self.inner.write().journal {
            journal.close();
        }
    }

    /// Writes the journal anew when most of it is history. Writes go on meanwhile.
    pub(crate) fn rewrite_if_wasteful(&self) {
        let Some(_alone) = self.rewriting.try_lock() else { return };
        let inner = self.inner.read();
        let wasteful = |journal: &&Journal| journal.is_wasteful(inner.live);
        let Some(journal) = inner.journal.as_ref().filter(wasteful) else { return };
        let (rewriting, live) = (journal.rewriting(inner.revision), inner.everything());
        drop(inner);
        if let Err(error) = self.rewrite(rewriting, &live) {
            tracing::warn!(%error, "cannot write the state file anew");
            self.inner.write().journal.iter_mut().for_each(Journal::rest);
        }
    }

    /// Writes the journal anew whatever it is, and has something done between the first look and the writing.
    #[cfg(test)]
    pub(crate) fn rewrite_around(&self, meanwhile: impl FnOnce()) -> Result<(), Error> {
        let inner = self.inner.read();
        let Some(journal) = inner.journal.as_ref() else { return Ok(()) };
        let (rewriting, live) = (journal.rewriting(inner.revision), inner.everything());
        drop(inner);
        meanwhile();
        self.rewrite(rewriting, &live)
    }

    fn rewrite(&self, rewriting: Rewriting, live: &[(Key, Stored)]) -> Result<(), Error> {
        let mut fresh = rewriting.write(live.iter().map(|(key, stored)| {
            (stored.revision, (&*key.resource, key.namespace.as_str(), key.name.as_str()), stored.bytes())
        }))?;
        // So that little is left to be copied under the lock.
        for _ in 0..ROUNDS {
            let Some((file, length)) = self.inner.read().journal.as_ref().map(Journal::written) else {
                break;
            };
            if fresh.behind(length) < LITTLE {
                break;
            }
            fresh.catch_up(&file, length)?;
        }
        self.inner.write().journal.as_mut().map_or(Ok(()), |journal| journal.replace(fresh))?;
        // Whoever was told that the old file could not be flushed learns of the new one.
        self.latest.send_modify(|_| ());
        Ok(())
    }
}

/// The next changes of a resource.
pub(crate) struct Next {
    pub changes: Vec<Change>,
    /// The revision that they reach.
    pub reached: u64,
    /// Whether there are more.
    pub more: bool,
}

impl Inner {
    fn restore(&mut self, record: Record) {
        self.revision = self.revision.max(record.revision);
        let Some((resource, namespace, name)) = record.key else { return };
        let resource: Arc<str> = self.known(&resource);
        let value = record.value.map(|bytes| Stored::restored(bytes, record.revision));
        self.note_namespace(&resource, &name, value.as_ref());
        let objects = self.objects.entry(resource).or_default();
        match value {
            Some(stored) => objects.insert((namespace, name), stored),
            None => objects.remove(&(namespace, name)),
        };
    }

    fn everything(&self) -> Vec<(Key, Stored)> {
        let mut out = Vec::new();
        for (resource, objects) in &self.objects {
            out.extend(
                objects
                    .iter()
                    .map(|((namespace, name), stored)| (Key::new(resource, namespace, name), stored.clone())),
            );
        }
        out
    }

    fn known(&self, resource: &str) -> Arc<str> {
        self.objects.get_key_value(resource).map_or_else(|| resource.into(), |(key, _)| Arc::clone(key))
    }

    fn range<'a>(
        &'a self,
        resource: &Arc<str>,
        namespace: Option<&str>,
        after: Option<&(String, String)>,
    ) -> impl Iterator<Item = (&'a (String, String), &'a Stored)> + use<'a> {
        let wanted = namespace.map(str::to_owned);
        let from = match (after, namespace) {
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Some(namespace)) => Bound::Included((namespace.to_owned(), String::new())),
            (None, None) => Bound::Unbounded,
        };
        self.objects
            .get(resource)
            .into_iter()
            .flat_map(move |objects| objects.range((from.clone(), Bound::Unbounded)))
            .take_while(move |((namespace, _), _)| wanted.as_ref().is_none_or(|wanted| wanted == namespace))
    }

    fn note_namespace(&mut self, resource: &str, name: &str, value: Option<&Stored>) {
        if resource != keys::NAMESPACES {
            return;
        }
        if value.is_some_and(|namespace| namespace.bonds().is_deleting()) {
            self.terminating.insert(name.to_owned());
        } else {
            self.terminating.remove(name);
        }
    }

    fn has_namespace(&self, namespace: &str) -> bool {
        let key = (String::new(), namespace.to_owned());
        self.objects.get(keys::NAMESPACES).is_some_and(|objects| objects.contains_key(&key))
    }

    fn current(&self, key: &Key) -> Option<Stored> {
        self.objects.get(&key.resource)?.get(&(key.namespace.clone(), key.name.clone())).cloned()
    }

    fn commit(
        &mut self,
        key: &Key,
        value: Option<Stored>,
        previous: Option<Stored>,
        last: Option<Stored>,
    ) -> Result<(), Error> {
        let revision = self.revision + 1;
        if let Some(journal) = &mut self.journal {
            let bytes = value.as_ref().map(|stored| stored.bytes());
            let done = journal.append(revision, (&key.resource, &key.namespace, &key.name), bytes);
            if journal.is_wasteful(self.live) {
                self.wasteful.notify_one();
            }
            self.refused += u64::from(done.is_err());
            done?;
        }
        self.revision = revision;
        let sizes =
            [&value, &previous].map(|stored| stored.as_ref().map_or(0, |stored| stored.size() as u64));
        self.live = (self.live + sizes[0]).saturating_sub(sizes[1]);
        self.touched.insert(Arc::clone(&key.resource), revision);
        let objects = self.objects.entry(Arc::clone(&key.resource)).or_default();
        let slot = (key.namespace.clone(), key.name.clone());
        match &value {
            Some(stored) => objects.insert(slot, stored.clone()),
            None => objects.remove(&slot),
        };
        self.note_namespace(&key.resource, &key.name, value.as_ref());
        self.remember(Change { revision, key: key.clone(), value, previous, last });
        Ok(())
    }

    fn remember(&mut self, change: Change) {
        self.log_bytes += weight(&change);
        self.log.push_back(change);
        while self.log.len() > LOG_EVENTS || (self.log_bytes > LOG_BYTES && self.log.len() > 1) {
            let Some(oldest) = self.log.pop_front() else { break };
            self.log_bytes -= weight(&oldest);
            self.compacted = oldest.revision;
        }
    }
}

/// Bytes of a change. Of the objects before and after it one is another change's as a rule, or the store's.
fn weight(change: &Change) -> usize {
    let sizes =
        [&change.value, &change.previous, &change.last].map(|stored| stored.as_ref().map_or(0, Stored::size));
    256 + sizes.into_iter().max().unwrap_or_default()
}

/// Versions that are left out at a start: more than a second of writes, which is what may be lost.
const UNSEEN: u64 = 1_000_000;
/// Version 1 must be an old one.
const FIRST_REVISION: u64 = 100;
/// Rounds of copying what was written meanwhile, until so few bytes are left.
const ROUNDS: usize = 20;
const LITTLE: u64 = 256 << 10;
const LOG_EVENTS: usize = 10_000;
const LOG_BYTES: usize = 12 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_writes_at_once_the_later_stays_told() {
        let store = Store::new(None);
        let resource: Arc<str> = "configmaps".into();
        let topic = store.subscribe_to(&resource);
        for revision in [102, 101] {
            store.tell(&resource, revision);
        }
        assert_eq!((*store.subscribe().borrow(), *topic.borrow()), (102, 102));
    }

    fn put(store: &Store, name: &str, bytes: usize) -> Stored {
        let key = Key::new(&"namespaces".into(), "", name);
        let at = store.get(&key).map_or(Expect::Absent, |old| Expect::Revision(old.revision));
        store.put(&key, &serde_json::json!({"x": "x".repeat(bytes)}), at).expect("it is written")
    }

    #[test]
    fn what_was_large_counts_in_the_history_when_it_is_small() {
        let store = Store::new(None);
        for number in 0..20 {
            put(&store, &format!("n{number}"), 1 << 20);
        }
        for number in 0..20 {
            put(&store, &format!("n{number}"), 1);
        }
        let inner = store.inner.read();
        let kept: usize =
            inner.log.iter().filter_map(|change| change.previous.as_ref()).map(Stored::size).sum();
        assert!(kept <= LOG_BYTES, "{kept} bytes of what was before");
    }

    #[test]
    fn what_a_deletion_shows_was_never_there() {
        let store = Store::new(None);
        let key = Key::new(&"namespaces".into(), "", "a");
        let stored = put(&store, "a", 1000);
        let before = store.revision();
        let last = serde_json::json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        store.delete_with(&key, &last, stored.revision).expect("it goes");
        let listing = store.list_at(&key.resource, None, None, before).expect("it is not long ago");
        assert_eq!(listing.items[0].object(), stored.object());
        assert_eq!(store.inner.read().live, 0);
        let Next { changes, .. } =
            store.changes(&key.resource, before, (10, 1 << 20)).expect("it is not long ago");
        assert!(changes[0].last.as_ref().is_some_and(|last| last.bonds().is_deleting()));
    }

    #[test]
    fn a_namespace_on_its_way_out_takes_nothing_new() {
        let store = Store::new(None);
        let (space, map) =
            (Key::new(&"namespaces".into(), "", "a"), Key::new(&"configmaps".into(), "a", "m"));
        let goes = serde_json::json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        let object = serde_json::json!({});
        let stored = put(&store, "a", 1);
        let kept = store.put(&map, &object, Expect::Absent).expect("it is taken");
        let marked = store.put(&space, &goes, Expect::Revision(stored.revision)).expect("it is marked");
        let other = Key::new(&"configmaps".into(), "a", "other");
        assert!(matches!(store.put(&other, &object, Expect::Absent), Err(Refused::Terminating)));
        let changed =
            store.put(&map, &object, Expect::Revision(kept.revision)).expect("what is there may change");
        store.delete(&map, changed.revision).expect("and go");
        store.delete(&space, marked.revision).expect("it goes");
        put(&store, "a", 1);
        assert!(store.put(&other, &object, Expect::Absent).is_ok(), "another one of that name");
    }

    #[test]
    fn changes_are_taken_by_number_and_bytes() {
        let store = Store::new(None);
        let resource: Arc<str> = "configmaps".into();
        for number in 0..8 {
            let object =
                serde_json::json!({"metadata": {"name": "a"}, "data": {"a": "x".repeat(1_000), "b": number}});
            let key = Key::new(&resource, "", "a");
            let expect = store.get(&key).map_or(Expect::Absent, |stored| Expect::Revision(stored.revision));
            assert!(store.put(&key, &object, expect).is_ok());
        }
        let next = |after: u64, most: (usize, usize)| {
            let next = store.changes(&resource, after, most).expect("nothing is forgotten");
            (next.changes.len(), next.reached, next.more)
        };
        let first = store.revision() - 8;
        assert_eq!(next(first, (100, 1 << 20)), (8, first + 8, false));
        assert_eq!(next(first, (3, 1 << 20)), (3, first + 3, true));
        assert_eq!(next(first, (100, 2_000)), (2, first + 2, true));
        assert_eq!(next(first + 6, (2, 1 << 20)), (2, first + 8, false));
    }
}
