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
    /// How many of them share the value.
    made: usize,
    /// Which of them had the key before, counted along the way and in order: their values are their own.
    others: Vec<usize>,
}

/// The entries that one transformer sets in one object.
#[derive(Default)]
pub(crate) struct Made {
    /// By the entry's position, in the order in which the paths came.
    places: Vec<Vec<Place>>,
}

impl Made {
    /// Notes that a mapping on a path, counted along the way, did not have an entry, or had it.
    pub(crate) fn add(&mut self, entry: usize, spec: &FieldSpec, nth: usize, had: Had) {
        let place = self.place(entry, spec.segments());
        match had {
            Had::Nothing => place.made += 1,
            Had::Entry => place.others.push(nth),
        }
    }

    /// Returns the place of a path, whose mappings come one after the other.
    fn place(&mut self, entry: usize, path: &Arc<[Segment]>) -> &mut Place {
        if self.places.len() <= entry {
            self.places.resize_with(entry + 1, Vec::new);
        }
        let places = &mut self.places[entry];
        if places.last().is_none_or(|last| !Arc::ptr_eq(&last.path, path)) {
            places.push(Place { path: Arc::clone(path), made: 0, others: Vec::new() });
        }
        let last = places.len() - 1;
        &mut places[last]
    }

    /// Returns the entries that are now in more than one place.
    pub(crate) fn into_twins(self, entries: &BTreeMap<String, String>) -> Vec<Twins> {
        let places = entries.iter().zip(self.places).filter(|(_, places)| are_several(places));
        let twins = places.map(|((key, value), mut places)| {
            places.retain(|place| place.made > 0);
            places.iter_mut().for_each(|place| place.others.sort_unstable());
            Twins { key: key.clone(), value: Value::String(value.clone()), places }
        });
        twins.collect()
    }
}

/// Whether more than one mapping shares the value.
fn are_several(places: &[Place]) -> bool {
    places.iter().map(|place| place.made).sum::<usize>() > 1
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
    all.retain(|twins| are_several(&twins.places));
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
                let is_own = self.others.binary_search(&self.passed).is_ok();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Had, Made};
    use crate::field::FieldSpec;
    use crate::id::Gvk;

    #[test]
    fn a_long_list_is_one_place() {
        let list = FieldSpec::new(Gvk::default(), "spec/list/labels", true);
        let labels = FieldSpec::new(Gvk::default(), "metadata/labels", true);
        let mut made = Made::default();
        made.add(0, &labels, 0, Had::Nothing);
        for nth in 0..1000 {
            made.add(0, &list, nth, if nth % 2 == 0 { Had::Entry } else { Had::Nothing });
        }
        made.add(1, &labels, 0, Had::Nothing);
        let entries = ["a", "b"].map(|key| (key.to_owned(), "v".to_owned()));
        let twins = made.into_twins(&BTreeMap::from(entries));
        assert_eq!(twins.len(), 1, "b is in one mapping alone");
        let [first, second] = twins[0].places.as_slice() else { panic!("{:?}", twins[0].places) };
        assert_eq!((first.made, first.others.len()), (1, 0));
        assert_eq!((second.made, second.others.len()), (500, 500));
        assert!(second.others.is_sorted());
    }
}
