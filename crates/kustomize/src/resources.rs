//! The ordered objects of a build, found by all they were ever called.
//!
//! The index holds numbers by name and by (kind, name, namespace), for present and former ids.
//! It may hold more than is true (an id that a merge took away again); whoever asks compares the
//! real ids of what is found. So each question costs as much as its answer is long. An object keeps
//! its number when others go away, so that nothing needs to be indexed again.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::clock::Clock;
use crate::error::Error;
use crate::finder::Finder;
use crate::id::{GvkRef, Id};
use crate::resource::Resource;
use crate::scope::Scopes;

/// Numbers of objects by the hash of what they were noted under.
#[derive(Clone, Debug, Default)]
struct Index {
    numbers: HashMap<u64, Numbers, RandomState>,
}

/// Most often there is one, which needs no list.
#[derive(Clone, Debug)]
enum Numbers {
    One(usize),
    Many(Vec<usize>),
}

impl Index {
    fn add(&mut self, key: u64, number: usize) {
        let Some(found) = self.numbers.get_mut(&key) else {
            self.numbers.insert(key, Numbers::One(number));
            return;
        };
        match found {
            Numbers::One(only) if *only == number => {}
            Numbers::One(only) => *found = Numbers::Many(vec![*only, number]),
            Numbers::Many(all) if all.last() == Some(&number) => {}
            Numbers::Many(all) => all.push(number),
        }
    }

    /// Returns the numbers as they were noted.
    fn all(&self, key: u64) -> &[usize] {
        match self.numbers.get(&key) {
            None => &[],
            Some(Numbers::One(only)) => std::slice::from_ref(only),
            Some(Numbers::Many(all)) => all,
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

/// Looks through the objects that are to be printed, whatever has happened to them.
///
/// # Errors
/// When two of them have the same id.
pub(crate) fn check_distinct(items: &[Resource]) -> Result<(), Error> {
    let mut seen = HashSet::with_capacity_and_hasher(items.len(), RandomState::default());
    let mut all = items.iter();
    let double = all.find(|item| !seen.insert((item.gvk(), item.name(), item.effective_namespace())));
    double.map_or(Ok(()), |item| Err(Error::Object(doubled(item))))
}

/// As many objects are looked at in less time than an index of them takes.
const FEW: usize = 64;
/// As many times all objects are looked at in less time than it takes to make the index.
const FEW_QUESTIONS: usize = 8;

/// Objects in their order.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    items: Vec<Resource>,
    /// The number of each object, ascending.
    numbers: Vec<usize>,
    by_id: Index,
    by_name: Index,
    hasher: RandomState,
    /// For targets that name no object, once one has asked.
    finder: Option<Finder>,
    /// How many have asked.
    asked: usize,
    /// The numbers of objects that may have changed since.
    changed: Vec<usize>,
    scopes: Scopes,
    clock: Clock,
    /// Whether the index takes into account what a schema says of scopes.
    has_learned: bool,
    /// Whether two objects may have come to have the same id.
    is_doubted: bool,
}

impl Resources {
    /// Returns an empty list; whoever goes over it looks at the clock.
    #[must_use]
    pub fn new(scopes: Scopes, clock: Clock) -> Self {
        Self { has_learned: scopes.have_learned(), scopes, clock, ..Self::default() }
    }

    /// Returns what says when the time of the build is over.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Indexes all objects again when a schema was named meanwhile, as other namespaces count now.
    pub(crate) fn learn(&mut self) {
        if self.has_learned != self.scopes.have_learned() {
            self.has_learned = true;
            self.by_id = Index::default();
            (0..self.items.len()).for_each(|position| self.note(position));
        }
    }

    /// Returns what is known of scopes.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Returns all objects in order.
    #[must_use]
    pub fn items(&self) -> &[Resource] {
        &self.items
    }

    /// Returns the object at a position.
    pub fn at_mut(&mut self, position: usize) -> &mut Resource {
        if self.finder.is_some() && self.changed.last() != Some(&self.numbers[position]) {
            self.changed.push(self.numbers[position]);
        }
        // Nobody has asked for long.
        if self.changed.len() > 2 * self.items.len() {
            self.finder = None;
            self.changed.clear();
        }
        &mut self.items[position]
    }

    /// Iterates over all objects that are not gone, to change what is no part of their ids.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Resource> {
        self.finder = None;
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
    pub fn append(&mut self, mut resource: Resource) -> Result<(), Error> {
        resource.scopes.clone_from(&self.scopes);
        if self.has(&resource) {
            return Err(Error::Object(doubled(&resource)));
        }
        self.push(resource);
        Ok(())
    }

    fn push(&mut self, resource: Resource) {
        self.finder = None;
        self.items.push(resource);
        self.numbers.push(self.numbers.last().map_or(0, |last| last + 1));
        self.note(self.items.len() - 1);
    }

    /// Adds the objects of one file at the end.
    ///
    /// # Errors
    /// When two of them have the same id, or one has that of an object that is there already.
    pub(crate) fn append_file(&mut self, objects: Vec<Resource>) -> Result<(), Double> {
        let start = self.items.len();
        let mut rest = objects.into_iter();
        while let Some(mut next) = rest.next() {
            next.scopes.clone_from(&self.scopes);
            if !self.has(&next) {
                self.push(next);
                continue;
            }
            // Those that the file itself has twice come first.
            let error = Error::Object(doubled(&next));
            let mut own = Self::new(self.scopes.clone(), self.clock);
            self.numbers.truncate(start);
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
        self.learn();
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
    pub fn replace(&mut self, position: usize, mut resource: Resource) {
        resource.scopes.clone_from(&self.scopes);
        *self.at_mut(position) = resource;
        self.note(position);
    }

    /// Returns the positions of the objects whose present id this is.
    #[must_use]
    pub fn with_present_id(&self, id: &Id) -> Vec<usize> {
        let mut found = self.candidates(id);
        found.retain(|&position| self.items[position].is(id));
        found
    }

    /// Whether no other object has the present id of the one at a position.
    pub(crate) fn is_alone(&self, position: usize) -> bool {
        let item = &self.items[position];
        let key = self.key(item.gvk(), item.name(), item.namespace());
        let mut others = self.noted(&self.by_id, key).filter(|other| *other != position);
        others.all(|other| {
            let other = &self.items[other];
            other.is_gone() || !has_same_id(other, item)
        })
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
        let mut found = self.ordered(&self.by_name, self.hasher.hash_one(name));
        found.retain(|&position| {
            let item = &self.items[position];
            !item.is_gone() && (item.name() == name || item.former.iter().any(|former| former.name == name))
        });
        found
    }

    /// Returns what finds objects by kind, name and label, as they are now; none where it is quicker to look at all of
    /// them, as they are few, or the questions were.
    pub(crate) fn finder(&mut self) -> Option<&Finder> {
        self.asked += 1;
        if self.items.len() < FEW || self.asked < FEW_QUESTIONS {
            return None;
        }
        let mut finder = self.finder.take().unwrap_or_else(|| {
            self.changed.clone_from(&self.numbers);
            Finder::default()
        });
        for number in std::mem::take(&mut self.changed) {
            if let Some(position) = self.position(number) {
                finder.note(number, &self.items[position]);
            }
        }
        Some(self.finder.insert(finder))
    }

    /// Returns the positions of objects by their numbers, in order, each once.
    pub(crate) fn positions(&self, numbers: &[usize]) -> Vec<usize> {
        let mut found: Vec<usize> = numbers.iter().filter_map(|number| self.position(*number)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Takes all ids of an object into the index; to be called after any of them has changed.
    pub fn note(&mut self, position: usize) {
        self.note_present(position);
        let item = &self.items[position];
        if item.is_gone() {
            return;
        }
        let number = self.numbers[position];
        for former in &item.former {
            let gvk = GvkRef { kind: &former.kind, ..item.gvk() };
            let key = self.key(gvk, &former.name, &former.namespace);
            self.by_id.add(key, number);
            self.by_name.add(self.hasher.hash_one(former.name.as_str()), number);
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
        let number = self.numbers[position];
        self.is_doubted |= self.by_id.all(key).iter().any(|other| *other != number);
        self.by_id.add(key, number);
        self.by_name.add(name, number);
    }

    /// Removes the objects of which nothing is left.
    pub fn drop_gone(&mut self) {
        if self.items.iter().any(Resource::is_gone) {
            self.retain(|item| !item.is_gone());
        }
    }

    /// Keeps only what the test accepts.
    pub fn retain(&mut self, keep: impl Fn(&Resource) -> bool) {
        let stays: Vec<bool> = self.items.iter().map(keep).collect();
        let mut of_items = stays.iter();
        self.items.retain(|_| of_items.next().is_some_and(|stays| *stays));
        let mut of_numbers = stays.iter();
        self.numbers.retain(|_| of_numbers.next().is_some_and(|stays| *stays));
    }

    /// Whether an object with the present id of this one is there.
    fn has(&self, resource: &Resource) -> bool {
        self.has_before(resource, self.items.len())
    }

    /// Whether an object with the present id of this one stands before a position.
    fn has_before(&self, resource: &Resource, end: usize) -> bool {
        let key = self.key(resource.gvk(), resource.name(), resource.namespace());
        let before = self.noted(&self.by_id, key).filter(|position| *position < end);
        before
            .map(|position| &self.items[position])
            .any(|item| !item.is_gone() && has_same_id(item, resource))
    }

    /// Returns the positions of the objects that are noted under a key, as they were noted.
    fn noted<'a>(&'a self, index: &'a Index, key: u64) -> impl Iterator<Item = usize> + 'a {
        index.all(key).iter().filter_map(|number| self.position(*number))
    }

    /// Returns the positions in order, each once.
    fn ordered(&self, index: &Index, key: u64) -> Vec<usize> {
        self.positions(index.all(key))
    }

    /// Returns where the object with a number stands now.
    fn position(&self, number: usize) -> Option<usize> {
        // As long as none went away before it, that is its place.
        if self.numbers.get(number) == Some(&number) {
            return Some(number);
        }
        self.numbers.binary_search(&number).ok()
    }

    fn candidates(&self, id: &Id) -> Vec<usize> {
        let mut found = self.ordered(&self.by_id, self.key(id.gvk.borrowed(), &id.name, &id.namespace));
        found.retain(|&position| !self.items[position].is_gone());
        found
    }

    /// Returns what an id is noted under.
    fn key(&self, gvk: GvkRef<'_>, name: &str, namespace: &str) -> u64 {
        self.hasher.hash_one((gvk.kind, name, self.scopes.effective_namespace(gvk, namespace)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::Resources;
    use crate::resource::Resource;

    fn map(name: &str) -> Resource {
        Resource::new(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } }))
    }

    #[test]
    fn objects_are_found_where_they_stand_after_others_went_away() {
        let mut resources = Resources::default();
        ["a", "b", "c", "d"].into_iter().for_each(|name| resources.append(map(name)).unwrap());
        resources.retain(|item| !matches!(item.name(), "a" | "d"));
        resources.append(map("e")).unwrap();
        for (name, at) in [("a", None), ("b", Some(0)), ("c", Some(1)), ("d", None), ("e", Some(2))] {
            let expected: Vec<usize> = at.into_iter().collect();
            assert_eq!(resources.ever_named(name), expected, "{name}");
            assert_eq!(resources.with_present_id(&map(name).id()), expected, "{name}");
            assert_eq!(resources.append(map(name)).is_err(), at.is_some(), "{name}");
        }
        assert!(resources.is_alone(1));
        resources.at_mut(1).set_metadata("name", "b");
        resources.note(1);
        assert!(!resources.is_alone(1) && resources.check_ids().is_err());
    }
}
