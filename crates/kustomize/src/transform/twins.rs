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
    /// The mappings that hold the key; a list on the way stands for all its elements.
    places: Vec<Arc<[Segment]>>,
}

/// The entries that one transformer makes in one object.
#[derive(Default)]
pub(crate) struct Made(Vec<(String, Arc<[Segment]>)>);

impl Made {
    /// Notes that a place did not have the key.
    pub(crate) fn add(&mut self, key: &str, spec: &FieldSpec) {
        self.0.push((key.to_owned(), Arc::clone(spec.segments())));
    }

    /// Returns the entries that are now in more than one place.
    pub(crate) fn into_twins(self, entries: &BTreeMap<String, String>) -> Vec<Twins> {
        if self.0.len() < 2 {
            return Vec::new();
        }
        let places_of = |key: &String| -> Vec<Arc<[Segment]>> {
            self.0.iter().filter(|(made, _)| made == key).map(|(_, place)| Arc::clone(place)).collect()
        };
        let groups = entries.iter().map(|(key, value)| Twins {
            key: key.clone(),
            value: Value::String(value.clone()),
            places: places_of(key),
        });
        groups.filter(|twins| twins.places.len() > 1).collect()
    }
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
        self.places.retain(|place| holds(object, place, &self.key));
        let mut found = self.places.iter().filter_map(|place| direct(object, place, &self.key));
        let Some(new) = found.rfind(|value| **value != self.value).cloned() else { return };
        for place in &self.places {
            overwrite(object, place, self, &new);
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

fn overwrite(value: &mut Value, place: &[Segment], twins: &Twins, new: &Value) {
    match (place.split_first(), value) {
        (_, Value::Array(items)) => {
            items.iter_mut().for_each(|item| overwrite(item, place, twins, new));
        }
        (None, Value::Object(map)) => {
            if let Some(present) = entry_mut(map, &twins.key).filter(|present| **present == twins.value) {
                *present = new.clone();
            }
        }
        (Some((segment, rest)), Value::Object(map)) => {
            if let Some(child) = entry_mut(map, &segment.name) {
                overwrite(child, rest, twins, new);
            }
        }
        _ => {}
    }
}
