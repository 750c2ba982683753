//! Entries that were made in several places of an object and stay one value.
//!
//! The original puts one node into every mapping in which a transformer makes a label or an
//! annotation that was not there. Whoever later overwrites the entry in one of these places, a
//! patch or the transformer of an overlay, changes it in all of them: a label that a base made in
//! metadata, selector and template follows where an overlay changes the one in metadata.
//!
//! Follows: the entry setter of kustomize 5.8.1 and kyaml 0.21.1.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::field::{FieldSpec, Segment};
use crate::resource::{Resource, entry, entry_mut};

/// Places that share one value.
#[derive(Clone, Debug)]
pub(crate) struct Twins {
    key: String,
    value: Value,
    places: Vec<Place>,
}

/// Mappings that hold the key: those at the end of a path.
#[derive(Clone, Debug)]
struct Place {
    /// A list on the way stands for its elements.
    path: Arc<[Segment]>,
    /// Which of them had the key before, counted along the way: their values are their own.
    others: Vec<usize>,
}

/// The entries that one transformer sets in one object.
#[derive(Default)]
pub(crate) struct Made {
    made: Vec<(usize, Arc<[Segment]>)>,
    found: Vec<(usize, Arc<[Segment]>, usize)>,
}

impl Made {
    /// Notes that a mapping on a path, counted along the way, did not have an entry, or had it.
    pub(crate) fn add(&mut self, entry: usize, spec: &FieldSpec, nth: usize, had: Had) {
        match had {
            Had::Nothing => self.made.push((entry, Arc::clone(spec.segments()))),
            Had::Entry => self.found.push((entry, Arc::clone(spec.segments()), nth)),
        }
    }

    /// Returns the entries that are now in more than one place.
    pub(crate) fn into_twins(self, entries: &BTreeMap<String, String>) -> Vec<Twins> {
        if self.made.len() < 2 {
            return Vec::new();
        }
        let groups = entries.iter().enumerate().map(|(position, (key, value))| Twins {
            key: key.clone(),
            value: Value::String(value.clone()),
            places: self.places(position),
        });
        groups.filter(|twins| twins.places.len() > 1).collect()
    }

    fn places(&self, entry: usize) -> Vec<Place> {
        let made = self.made.iter().filter(|(made, _)| *made == entry);
        made.map(|(_, path)| {
            let found = self.found.iter().filter(|(found, other, _)| *found == entry && other == path);
            Place { path: Arc::clone(path), others: found.map(|(.., nth)| *nth).collect() }
        })
        .collect()
    }
}

/// What a mapping had under a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Had {
    /// The entry is made.
    Nothing,
    /// Its value is overwritten.
    Entry,
}

/// Carries a change of one place to the others that share its value.
pub(crate) fn settle(resource: &mut Resource) {
    if resource.twins.is_empty() {
        return;
    }
    let mut all = std::mem::take(&mut resource.twins);
    for twins in &mut all {
        twins.settle(&mut resource.value);
    }
    all.retain(|twins| twins.places.len() > 1);
    resource.twins = all;
}

impl Twins {
    fn settle(&mut self, object: &mut Value) {
        self.places.retain(|place| holds(object, &place.path, &self.key));
        let mut found = self.places.iter().filter_map(|place| direct(object, &place.path, &self.key));
        let Some(new) = found.rfind(|value| **value != self.value).cloned() else { return };
        for place in &self.places {
            Carry { twins: self, others: &place.others, new: &new, passed: 0 }.enter(object, &place.path);
        }
        self.value = new;
    }
}

/// Whether a key is still anywhere at a place.
fn holds(value: &Value, place: &[Segment], key: &str) -> bool {
    match (place.split_first(), value) {
        (_, Value::Array(items)) => items.iter().any(|item| holds(item, place, key)),
        (None, Value::Object(map)) => entry(map, key).is_some(),
        (Some((segment, rest)), Value::Object(map)) => {
            entry(map, &segment.name).is_some_and(|child| holds(child, rest, key))
        }
        _ => false,
    }
}

/// Returns the value at a place that no list lies before, whose elements could have moved.
fn direct<'a>(value: &'a Value, place: &[Segment], key: &str) -> Option<&'a Value> {
    let map = place.iter().try_fold(value, |value, segment| entry(value.as_object()?, &segment.name))?;
    entry(map.as_object()?, key)
}

/// The walk that puts a new value into all mappings of a place.
struct Carry<'a> {
    twins: &'a Twins,
    others: &'a [usize],
    new: &'a Value,
    /// How many mappings the walk has come to.
    passed: usize,
}

impl Carry<'_> {
    fn enter(&mut self, value: &mut Value, path: &[Segment]) {
        match (path.split_first(), value) {
            (_, Value::Array(items)) => items.iter_mut().for_each(|item| self.enter(item, path)),
            (None, Value::Object(map)) => {
                let is_own = self.others.contains(&self.passed);
                self.passed += 1;
                let present = entry_mut(map, &self.twins.key).filter(|_| !is_own);
                if let Some(present) = present.filter(|present| **present == self.twins.value) {
                    present.clone_from(self.new);
                }
            }
            (Some((segment, rest)), Value::Object(map)) => {
                if let Some(child) = entry_mut(map, &segment.name) {
                    self.enter(child, rest);
                }
            }
            _ => {}
        }
    }
}
