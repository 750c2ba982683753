//! Versions and history: every object, with its recent changes.
//!
//! Objects are kept as compact JSON bytes, because an idle server should be small. One counter numbers all
//! writes. The recent changes stay in a log from which watches replay and old lists are rebuilt.
//! A write is acknowledged after it was handed to the operating system (see `storage/journal.rs`).

pub(crate) mod journal;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::watch;

use crate::error::Error;
use crate::fields;
use journal::{Journal, Record};

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

/// One version of an object.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub revision: u64,
    bytes: Arc<[u8]>,
}

impl Stored {
    /// The object, with its resourceVersion.
    pub(crate) fn object(&self) -> Value {
        self.object_at(self.revision)
    }

    /// The object with another resourceVersion (that of its deletion, for instance).
    pub(crate) fn object_at(&self, revision: u64) -> Value {
        let mut object = serde_json::from_slice(&self.bytes).unwrap_or(Value::Null);
        fields::set_meta(&mut object, "resourceVersion", revision.to_string().into());
        object
    }
}

/// A change: `value` is absent for a deletion, `previous` for a creation.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub revision: u64,
    pub key: Key,
    pub value: Option<Stored>,
    pub previous: Option<Stored>,
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
    /// The object is larger than what is kept.
    TooLarge,
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
}

struct Inner {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<Arc<str>, BTreeMap<(String, String), Stored>>,
    log: VecDeque<Change>,
    log_bytes: usize,
    journal: Option<Journal>,
}

impl Store {
    /// A store in memory, or on top of what `journal` held.
    pub(crate) fn new(journal: Option<(Journal, Vec<Record>)>) -> Self {
        let mut inner = Inner {
            revision: FIRST_REVISION,
            compacted: FIRST_REVISION,
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            log_bytes: 0,
            journal: None,
        };
        if let Some((journal, records)) = journal {
            for record in records {
                inner.restore(record);
            }
            inner.compacted = inner.revision;
            inner.journal = Some(journal);
        }
        let (latest, _) = watch::channel(inner.revision);
        Self { inner: RwLock::new(inner), latest }
    }

    /// The revision of the last write.
    pub(crate) fn revision(&self) -> u64 {
        self.inner.read().revision
    }

    /// Told of each new revision.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// One object.
    pub(crate) fn get(&self, key: &Key) -> Option<Stored> {
        let inner = self.inner.read();
        inner.objects.get(&key.resource)?.get(&(key.namespace.clone(), key.name.clone())).cloned()
    }

    /// All objects of a resource, of one namespace when given, by namespace and name.
    pub(crate) fn list(&self, resource: &Arc<str>, namespace: Option<&str>) -> Listing {
        let inner = self.inner.read();
        let items = inner.range(resource, namespace).map(|(_, stored)| stored.clone()).collect();
        Listing { revision: inner.revision, items }
    }

    /// The same as it was at `revision`; `None` when that is too long ago.
    pub(crate) fn list_at(
        &self,
        resource: &Arc<str>,
        namespace: Option<&str>,
        revision: u64,
    ) -> Option<Listing> {
        let inner = self.inner.read();
        if revision < inner.compacted {
            return None;
        }
        let mut items: BTreeMap<(String, String), Stored> =
            inner.range(resource, namespace).map(|(key, stored)| (key.clone(), stored.clone())).collect();
        let wanted = |change: &&Change| {
            &change.key.resource == resource
                && namespace.is_none_or(|namespace| namespace == change.key.namespace)
        };
        for change in inner.log.iter().rev().take_while(|change| change.revision > revision).filter(wanted) {
            let key = (change.key.namespace.clone(), change.key.name.clone());
            match &change.previous {
                Some(stored) => items.insert(key, stored.clone()),
                None => items.remove(&key),
            };
        }
        Some(Listing { revision, items: items.into_values().collect() })
    }

    /// Changes of a resource after `revision` and the revision they reach; `None` when some are forgotten.
    pub(crate) fn changes(&self, resource: &Arc<str>, after: u64) -> Option<(u64, Vec<Change>)> {
        let inner = self.inner.read();
        if after < inner.compacted {
            return None;
        }
        let start = inner.log.partition_point(|change| change.revision <= after);
        let found =
            inner.log.range(start..).filter(|change| &change.key.resource == resource).cloned().collect();
        Some((inner.revision, found))
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
        let held = |resource: &&Arc<str>| inner.range(resource, Some(namespace)).next().is_some();
        inner.objects.keys().filter(held).cloned().collect()
    }

    /// Every object of the store.
    pub(crate) fn everything(&self) -> (u64, Vec<(Key, Stored)>) {
        let inner = self.inner.read();
        let mut out = Vec::new();
        for (resource, objects) in &inner.objects {
            out.extend(
                objects
                    .iter()
                    .map(|((namespace, name), stored)| (Key::new(resource, namespace, name), stored.clone())),
            );
        }
        (inner.revision, out)
    }

    /// Writes an object. A namespaced object needs its namespace.
    pub(crate) fn put(&self, key: &Key, object: &Value, expect: Expect) -> Result<Stored, Refused> {
        let bytes = serialized(object)?;
        let mut inner = self.inner.write();
        if !key.namespace.is_empty() && !inner.has_namespace(&key.namespace) {
            return Err(Refused::NoNamespace);
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
        let stored = Stored { revision: inner.revision + 1, bytes };
        inner.commit(key, Some(stored.clone()), previous).map_err(Refused::Disk)?;
        self.latest.send_replace(stored.revision);
        Ok(stored)
    }

    /// An object as it would be stored, for dry runs.
    pub(crate) fn unwritten(&self, object: &Value) -> Result<Stored, Refused> {
        Ok(Stored { revision: self.revision(), bytes: serialized(object)? })
    }

    /// Deletes an object at a version; the answer is the revision of the deletion.
    pub(crate) fn delete(&self, key: &Key, expect: u64) -> Result<u64, Refused> {
        let mut inner = self.inner.write();
        let previous = inner.current(key);
        if previous.as_ref().map(|stored| stored.revision) != Some(expect) {
            return Err(Refused::Changed);
        }
        inner.commit(key, None, previous).map_err(Refused::Disk)?;
        let revision = inner.revision;
        self.latest.send_replace(revision);
        Ok(revision)
    }

    /// Deletes an object whose last state before the deletion differs from the stored one.
    pub(crate) fn delete_with(&self, key: &Key, last: &Value, expect: u64) -> Result<u64, Refused> {
        let mut inner = self.inner.write();
        let previous = inner.current(key);
        if previous.as_ref().map(|stored| stored.revision) != Some(expect) {
            return Err(Refused::Changed);
        }
        let last = Stored { revision: expect, bytes: serialized(last)? };
        inner.commit(key, None, Some(last)).map_err(Refused::Disk)?;
        let revision = inner.revision;
        self.latest.send_replace(revision);
        Ok(revision)
    }

    /// Deletes a namespace object if nothing is left in the namespace.
    pub(crate) fn delete_namespace(&self, key: &Key, expect: u64) -> Result<u64, Refused> {
        {
            let inner = self.inner.read();
            let held =
                inner.objects.keys().any(|resource| inner.range(resource, Some(&key.name)).next().is_some());
            if held {
                return Err(Refused::Changed);
            }
        }
        self.delete(key, expect)
    }

    /// Hands the journal to the disk.
    pub(crate) fn sync(&self) {
        let file = self.inner.read().journal.as_ref().and_then(Journal::handle);
        if let Some(file) = file
            && let Err(error) = file.sync_data()
        {
            tracing::warn!(%error, "cannot flush the state file");
        }
    }
}

impl Inner {
    fn restore(&mut self, record: Record) {
        self.revision = self.revision.max(record.revision);
        let Some((resource, namespace, name)) = record.key else { return };
        let resource: Arc<str> = self.known(&resource);
        let objects = self.objects.entry(resource).or_default();
        match record.value {
            Some(bytes) => {
                objects.insert((namespace, name), Stored { revision: record.revision, bytes: bytes.into() })
            }
            None => objects.remove(&(namespace, name)),
        };
    }

    fn known(&self, resource: &str) -> Arc<str> {
        self.objects.get_key_value(resource).map_or_else(|| resource.into(), |(key, _)| Arc::clone(key))
    }

    fn range<'a>(
        &'a self,
        resource: &Arc<str>,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&'a (String, String), &'a Stored)> + use<'a> {
        let wanted = namespace.map(str::to_owned);
        let from = namespace
            .map_or(Bound::Unbounded, |namespace| Bound::Included((namespace.to_owned(), String::new())));
        self.objects
            .get(resource)
            .into_iter()
            .flat_map(move |objects| objects.range((from.clone(), Bound::Unbounded)))
            .take_while(move |((namespace, _), _)| wanted.as_ref().is_none_or(|wanted| wanted == namespace))
    }

    fn has_namespace(&self, namespace: &str) -> bool {
        let key = (String::new(), namespace.to_owned());
        self.objects.get("namespaces").is_some_and(|objects| objects.contains_key(&key))
    }

    fn current(&self, key: &Key) -> Option<Stored> {
        self.objects.get(&key.resource)?.get(&(key.namespace.clone(), key.name.clone())).cloned()
    }

    fn commit(&mut self, key: &Key, value: Option<Stored>, previous: Option<Stored>) -> Result<(), Error> {
        let revision = self.revision + 1;
        if let Some(journal) = &mut self.journal {
            let bytes = value.as_ref().map(|stored| &*stored.bytes);
            journal.append(revision, (&key.resource, &key.namespace, &key.name), bytes)?;
        }
        self.revision = revision;
        let objects = self.objects.entry(Arc::clone(&key.resource)).or_default();
        let slot = (key.namespace.clone(), key.name.clone());
        match &value {
            Some(stored) => objects.insert(slot, stored.clone()),
            None => objects.remove(&slot),
        };
        self.remember(Change { revision, key: key.clone(), value, previous });
        self.rewrite_if_wasteful();
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

    fn rewrite_if_wasteful(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        if !journal.is_wasteful() {
            return;
        }
        let live = self.objects.iter().flat_map(|(resource, objects)| {
            objects.iter().map(move |((namespace, name), stored)| {
                (stored.revision, (&**resource, namespace.as_str(), name.as_str()), &*stored.bytes)
            })
        });
        if let Err(error) = journal.rewrite(self.revision, live) {
            tracing::warn!(%error, "cannot rewrite the state file");
        }
    }
}

/// The object without its resourceVersion, which the store numbers itself.
fn serialized(object: &Value) -> Result<Arc<[u8]>, Refused> {
    if fields::depth(object) > fields::MOST_LEVELS {
        return Err(Refused::TooDeep);
    }
    let mut object = object.clone();
    fields::metadata(&mut object).shift_remove("resourceVersion");
    let bytes = serde_json::to_vec(&object).map_err(|_| Refused::TooDeep)?;
    if bytes.len() > LARGEST { Err(Refused::TooLarge) } else { Ok(bytes.into()) }
}

fn weight(change: &Change) -> usize {
    256 + change.value.as_ref().or(change.previous.as_ref()).map_or(0, |stored| stored.bytes.len())
}

/// Version 1 must be an old one.
const FIRST_REVISION: u64 = 100;
/// Bytes of the largest object.
const LARGEST: usize = 3 << 20;
const LOG_EVENTS: usize = 10_000;
const LOG_BYTES: usize = 12 << 20;
