//! Objects by kind, name and label, for targets that name no object.
//!
//! It is made when a target first asks, and learns what became of an object when the next one does. It may know more
//! than is true: whoever asks looks at what is found.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::fast::RandomState;
use serde_json::Value;

use crate::resource::{Resource, field};

/// What all objects that are looked for have, or have had.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Trait<'a> {
    /// A kind.
    Kind(&'a str),
    /// An entry of labels or annotations, with any value.
    Key(Entries, &'a str),
    /// An entry with this value.
    Entry(Entries, &'a str, &'a str),
}

/// A mapping of metadata.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Entries {
    /// `labels`.
    Labels,
    /// `annotations`.
    Annotations,
}

/// The numbers of objects by what they have, or have had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finder {
    by_trait: HashMap<u64, Vec<usize>, RandomState>,
    by_name: BTreeMap<String, Vec<usize>>,
    /// Hashes of numbers with what is noted of them.
    noted: HashSet<u64, RandomState>,
    hasher: RandomState,
}

impl Finder {
    /// Notes what an object has now.
    pub(crate) fn note(&mut self, number: usize, object: &Resource) {
        self.add(number, Trait::Kind(object.kind()));
        self.add_name(number, object.name());
        for former in &object.former {
            self.add(number, Trait::Kind(&former.kind));
            self.add_name(number, &former.name);
        }
        let metadata = field(&object.value, "metadata");
        for (entries, name) in [(Entries::Labels, "labels"), (Entries::Annotations, "annotations")] {
            let map = metadata.and_then(|metadata| field(metadata, name)).and_then(Value::as_object);
            for (key, value) in map.into_iter().flatten() {
                self.add(number, Trait::Key(entries, key));
                if let Some(value) = value.as_str() {
                    self.add(number, Trait::Entry(entries, key, value));
                }
            }
        }
    }

    /// Returns the numbers of the objects with something, as they were noted.
    pub(crate) fn with(&self, what: Trait<'_>) -> &[usize] {
        self.by_trait.get(&self.hasher.hash_one(what)).map_or(&[], Vec::as_slice)
    }

    /// Returns the numbers of the objects whose name begins so and has a text in it, if they are fewer than a limit.
    pub(crate) fn named(&self, prefix: &str, inside: &str, limit: usize) -> Option<Vec<usize>> {
        let mut found = Vec::new();
        for (name, numbers) in self.by_name.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)) {
            if !name.starts_with(prefix) {
                break;
            }
            if name.contains(inside) {
                found.extend(numbers);
            }
            if found.len() >= limit {
                return None;
            }
        }
        Some(found)
    }

    fn add(&mut self, number: usize, what: Trait<'_>) {
        if self.noted.insert(self.hasher.hash_one((number, what))) {
            self.by_trait.entry(self.hasher.hash_one(what)).or_default().push(number);
        }
    }

    fn add_name(&mut self, number: usize, name: &str) {
        if self.noted.insert(self.hasher.hash_one((number, "name", name))) {
            match self.by_name.get_mut(name) {
                Some(numbers) => numbers.push(number),
                None => _ = self.by_name.insert(name.to_owned(), vec![number]),
            }
        }
    }
}
