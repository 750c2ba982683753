//! The ordered objects of a build, found by all they were ever called.
//!
//! The index holds positions by name and by (kind, name, namespace), for present and former ids.
//! It may hold more than is true (an id that a merge took away again); whoever asks compares the
//! real ids of what is found. So each question costs as much as its answer is long.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::error::Error;
use crate::id::{GvkRef, Id};
use crate::resource::Resource;

/// Positions by the hash of what they were noted under.
#[derive(Clone, Debug, Default)]
struct Index {
    positions: HashMap<u64, Positions, RandomState>,
}

/// Most often there is one, which needs no list.
#[derive(Clone, Debug)]
enum Positions {
    One(usize),
    Many(Vec<usize>),
}

impl Index {
    fn add(&mut self, key: u64, position: usize) {
        let Some(found) = self.positions.get_mut(&key) else {
            self.positions.insert(key, Positions::One(position));
            return;
        };
        match found {
            Positions::One(only) if *only == position => {}
            Positions::One(only) => *found = Positions::Many(vec![*only, position]),
            Positions::Many(all) if all.last() == Some(&position) => {}
            Positions::Many(all) => all.push(position),
        }
    }

    /// Returns the positions as they were noted.
    fn all(&self, key: u64) -> &[usize] {
        match self.positions.get(&key) {
            None => &[],
            Some(Positions::One(only)) => std::slice::from_ref(only),
            Some(Positions::Many(all)) => all,
        }
    }

    /// Returns the positions in order, each once.
    fn get(&self, key: u64) -> Vec<usize> {
        match self.positions.get(&key) {
            None => Vec::new(),
            Some(Positions::One(only)) => vec![*only],
            Some(Positions::Many(all)) => {
                let mut all = all.clone();
                all.sort_unstable();
                all.dedup();
                all
            }
        }
    }
}

/// An object whose id is there already.
pub(crate) enum Double {
    /// In the same file.
    Within(Error),
    /// Elsewhere.
    Across(Error),
}

fn doubled(resource: &Resource) -> String {
    format!("may not add resource with an already registered id: {}", resource.id())
}

/// Whether the present ids of two objects are the same.
fn has_same_id(a: &Resource, b: &Resource) -> bool {
    a.name() == b.name() && a.gvk() == b.gvk() && a.effective_namespace() == b.effective_namespace()
}

/// Objects in their order.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    items: Vec<Resource>,
    by_id: Index,
    by_name: Index,
    hasher: RandomState,
    /// Whether two objects may have come to have the same id.
    is_doubted: bool,
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
        if self.has(&resource) {
            return Err(Error::Object(doubled(&resource)));
        }
        self.items.push(resource);
        self.note(self.items.len() - 1);
        Ok(())
    }

    /// Adds the objects of one file at the end.
    ///
    /// # Errors
    /// When two of them have the same id, or one has that of an object that is there already.
    pub(crate) fn append_file(&mut self, objects: Vec<Resource>) -> Result<(), Double> {
        let start = self.items.len();
        let mut rest = objects.into_iter();
        while let Some(next) = rest.next() {
            if !self.has(&next) {
                self.items.push(next);
                self.note(self.items.len() - 1);
                continue;
            }
            // Those that the file itself has twice come first.
            let error = Error::Object(doubled(&next));
            let mut own = Self::default();
            let all = self.items.drain(start..).chain([next]).chain(rest);
            all.into_iter().try_for_each(|item| own.append(item)).map_err(Double::Within)?;
            return Err(Double::Across(error));
        }
        Ok(())
    }

    /// Adds all objects of another list.
    ///
    /// # Errors
    /// When one of them is there already.
    pub fn append_all(&mut self, others: Resources) -> Result<(), Error> {
        if self.items.is_empty() {
            let double = others.items.iter().enumerate().find(|(at, item)| others.has_before(item, *at));
            return match double {
                Some((_, item)) => Err(Error::Object(doubled(item))),
                None => {
                    *self = others;
                    Ok(())
                }
            };
        }
        self.items.reserve(others.items.len());
        others.items.into_iter().try_for_each(|item| self.append(item))
    }

    /// Looks through all objects where some have got the ids of others.
    ///
    /// # Errors
    /// When two of them have the same id.
    pub(crate) fn check_ids(&mut self) -> Result<(), Error> {
        if !self.is_doubted {
            return Ok(());
        }
        let mut all = self.items.iter().enumerate().filter(|(_, item)| !item.is_gone());
        let double = all.find(|(at, item)| self.has_before(item, *at));
        double.map_or(Ok(()), |(_, item)| Err(Error::Object(doubled(item))))?;
        self.is_doubted = false;
        Ok(())
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

    /// Whether no other object has the present id of the one at a position.
    pub(crate) fn is_alone(&self, position: usize) -> bool {
        let item = &self.items[position];
        let key = self.key(item.gvk(), item.name(), item.namespace());
        let others = self.by_id.all(key).iter().filter(|other| **other != position);
        others.map(|&other| &self.items[other]).all(|other| other.is_gone() || !has_same_id(other, item))
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
        let mut found = self.by_name.get(self.hasher.hash_one(name));
        found.retain(|&position| {
            let item = &self.items[position];
            !item.is_gone() && (item.name() == name || item.former.iter().any(|former| former.name == name))
        });
        found
    }

    /// Takes all ids of an object into the index; to be called after any of them has changed.
    pub fn note(&mut self, position: usize) {
        self.note_present(position);
        let item = &self.items[position];
        if item.is_gone() {
            return;
        }
        for former in &item.former {
            let gvk = GvkRef { kind: &former.kind, ..item.gvk() };
            let key = self.key(gvk, &former.name, &former.namespace);
            self.by_id.add(key, position);
            self.by_name.add(self.hasher.hash_one(former.name.as_str()), position);
        }
    }

    /// Takes the present id of an object into the index, when the former ones are there already.
    pub fn note_present(&mut self, position: usize) {
        let item = &self.items[position];
        if item.is_gone() {
            return;
        }
        let key = self.key(item.gvk(), item.name(), item.namespace());
        let name = self.hasher.hash_one(item.name());
        self.is_doubted |= self.by_id.all(key).iter().any(|other| *other != position);
        self.by_id.add(key, position);
        self.by_name.add(name, position);
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
        self.by_id.positions.clear();
        self.by_name.positions.clear();
        for position in 0..self.items.len() {
            self.note(position);
        }
    }

    /// Whether an object with the present id of this one is there.
    fn has(&self, resource: &Resource) -> bool {
        self.has_before(resource, self.items.len())
    }

    /// Whether an object with the present id of this one stands before a position.
    fn has_before(&self, resource: &Resource, end: usize) -> bool {
        let key = self.key(resource.gvk(), resource.name(), resource.namespace());
        let before = self.by_id.all(key).iter().filter(|&&position| position < end);
        before
            .map(|&position| &self.items[position])
            .any(|item| !item.is_gone() && has_same_id(item, resource))
    }

    fn candidates(&self, id: &Id) -> Vec<usize> {
        let mut found = self.by_id.get(self.key(id.gvk.borrowed(), &id.name, &id.namespace));
        found.retain(|&position| !self.items[position].is_gone());
        found
    }

    /// Returns what an id is noted under.
    fn key(&self, gvk: GvkRef<'_>, name: &str, namespace: &str) -> u64 {
        self.hasher.hash_one((gvk.kind, name, gvk.effective_namespace(namespace)))
    }
}
