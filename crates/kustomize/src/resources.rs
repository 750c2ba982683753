//! The ordered objects of a build, found by all they were ever called.
//!
//! The index holds positions by name and by (kind, name, namespace), for present and former ids.
//! It may hold more than is true (an id that a merge took away again); whoever asks compares the
//! real ids of what is found. So each question costs as much as its answer is long.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::error::Error;
use crate::id::{Id, effective_namespace};
use crate::resource::Resource;

/// Positions by a hash.
type Index = HashMap<u64, Vec<usize>, BuildHasherDefault<Hashed>>;

/// The hasher of keys that are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Objects in their order.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    items: Vec<Resource>,
    by_id: Index,
    by_name: Index,
}

impl Resources {
    /// Returns an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all objects in order.
    #[must_use]
    pub fn items(&self) -> &[Resource] {
        &self.items
    }

    /// Returns the object at a position.
    pub fn at_mut(&mut self, position: usize) -> &mut Resource {
        &mut self.items[position]
    }

    /// Iterates over all objects that are not gone, to change what is no part of their ids.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Resource> {
        self.items.iter_mut().filter(|item| !item.is_gone())
    }

    /// Returns the objects themselves.
    #[must_use]
    pub fn into_items(self) -> Vec<Resource> {
        self.items
    }

    /// Adds an object at the end.
    ///
    /// # Errors
    /// When one with its id is there already.
    pub fn append(&mut self, resource: Resource) -> Result<(), Error> {
        let id = resource.id();
        if !self.with_present_id(&id).is_empty() {
            return Err(Error::Object(format!("may not add resource with an already registered id: {id}")));
        }
        self.items.push(resource);
        self.note(self.items.len() - 1);
        Ok(())
    }

    /// Adds all objects of another list.
    ///
    /// # Errors
    /// When one of them is there already.
    pub fn append_all(&mut self, others: Resources) -> Result<(), Error> {
        if self.items.is_empty() {
            *self = others;
            return Ok(());
        }
        others.items.into_iter().try_for_each(|item| self.append(item))
    }

    /// Puts another object at a position.
    pub fn replace(&mut self, position: usize, resource: Resource) {
        self.items[position] = resource;
        self.note(position);
    }

    /// Returns the positions of the objects whose present id this is.
    #[must_use]
    pub fn with_present_id(&self, id: &Id) -> Vec<usize> {
        let mut found = self.candidates(id);
        found.retain(|&position| self.items[position].id().is_same(id));
        found
    }

    /// Returns the positions of the objects that have or had this id.
    #[must_use]
    pub fn with_any_id(&self, id: &Id) -> Vec<usize> {
        let mut found = self.candidates(id);
        found.retain(|&position| self.items[position].was_ever(id));
        found
    }

    /// Returns the positions of the objects that have or had this name, in order.
    #[must_use]
    pub fn ever_named(&self, name: &str) -> Vec<usize> {
        let mut found = self.by_name.get(&hash(name)).cloned().unwrap_or_default();
        found.sort_unstable();
        found.dedup();
        found.retain(|&position| {
            let item = &self.items[position];
            !item.is_gone() && (item.name() == name || item.former.iter().any(|former| former.name == name))
        });
        found
    }

    /// Takes the ids of an object into the index; to be called after any of them has changed.
    pub fn note(&mut self, position: usize) {
        let item = &self.items[position];
        if item.is_gone() {
            return;
        }
        let gvk = item.gvk();
        let mut push = |kind: &str, name: &str, namespace: &str| {
            add(&mut self.by_id, hash(&(kind, name, namespace)), position);
            add(&mut self.by_name, hash(name), position);
        };
        push(&gvk.kind, item.name(), effective_namespace(&gvk, item.namespace()));
        for former in &item.former {
            let mut gvk = gvk.clone();
            gvk.kind.clone_from(&former.kind);
            push(&former.kind, &former.name, effective_namespace(&gvk, &former.namespace));
        }
    }

    /// Removes the objects of which nothing is left.
    pub fn drop_gone(&mut self) {
        if self.items.iter().any(Resource::is_gone) {
            self.retain(|item| !item.is_gone());
        }
    }

    /// Keeps only what the test accepts.
    pub fn retain(&mut self, keep: impl Fn(&Resource) -> bool) {
        self.items.retain(keep);
        self.by_id.clear();
        self.by_name.clear();
        for position in 0..self.items.len() {
            self.note(position);
        }
    }

    fn candidates(&self, id: &Id) -> Vec<usize> {
        let key = hash(&(id.gvk.kind.as_str(), id.name.as_str(), id.effective_namespace()));
        let mut found = self.by_id.get(&key).cloned().unwrap_or_default();
        found.sort_unstable();
        found.dedup();
        found.retain(|&position| !self.items[position].is_gone());
        found
    }
}

fn add(index: &mut Index, key: u64, position: usize) {
    let list = index.entry(key).or_default();
    if list.last() != Some(&position) {
        list.push(position);
    }
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
