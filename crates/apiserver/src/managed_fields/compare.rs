//! Two objects side by side: which fields came, changed, went.

use serde_json::Value;

use super::merge::{places, steps};
use super::path::Step;
use super::shape::{Parts, Shape};
use super::tree::Tree;

/// Fields that differ between two objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) added: Tree,
    pub(super) modified: Tree,
    pub(super) removed: Tree,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    fn put(&mut self, step: Step, below: Difference) {
        self.added.put(step.clone(), below.added);
        self.modified.put(step.clone(), below.modified);
        self.removed.put(step, below.removed);
    }
}

/// Compares two objects of one shape.
pub(super) fn compare(shape: &Shape<'_>, old: &Value, new: &Value) -> Difference {
    walk(shape, Some(old), Some(new))
}

fn walk(shape: &Shape<'_>, old: Option<&Value>, new: Option<&Value>) -> Difference {
    let mut difference = Difference::default();
    if old == new {
        return difference;
    }
    let parts = |value: Option<&Value>| value.map_or(Parts::Whole, |value| shape.parts(value));
    let (old_parts, new_parts) = (parts(old), parts(new));
    let parts = if new.is_some() { &new_parts } else { &old_parts };
    match parts {
        Parts::Fields | Parts::DeducedFields
            if fits(old, &old_parts, parts) && fits(new, &new_parts, parts) =>
        {
            fields(shape, old, new, &mut difference);
        }
        Parts::Set | Parts::Keyed(_) if fits(old, &old_parts, parts) && fits(new, &new_parts, parts) => {
            items(shape, parts, old, new, &mut difference);
        }
        _ => {
            match (old, new) {
                (None, Some(_)) => difference.added.member = true,
                (Some(_), None) => difference.removed.member = true,
                _ => difference.modified.member = true,
            }
            return difference;
        }
    }
    // A container that came or went is a member itself.
    match (old, new) {
        (None, Some(_)) => difference.added.member = true,
        (Some(_), None) => difference.removed.member = true,
        _ => {}
    }
    difference
}

fn fits(value: Option<&Value>, parts: &Parts, wanted: &Parts) -> bool {
    value.is_none() || parts == wanted
}

fn fields(shape: &Shape<'_>, old: Option<&Value>, new: Option<&Value>, difference: &mut Difference) {
    let old = old.and_then(Value::as_object);
    let new = new.and_then(Value::as_object);
    let before = old.into_iter().flat_map(|fields| fields.keys());
    let fresh = new
        .into_iter()
        .flat_map(|fields| fields.keys())
        .filter(|name| old.is_none_or(|old| !old.contains_key(*name)));
    for name in before.chain(fresh) {
        let below = shape.field(name).unwrap_or(Shape::Deduced);
        let (old, new) = (old.and_then(|old| old.get(name)), new.and_then(|new| new.get(name)));
        difference.put(Step::Field(name.clone()), walk(&below, old, new));
    }
}

fn items(
    shape: &Shape<'_>,
    parts: &Parts,
    old: Option<&Value>,
    new: Option<&Value>,
    difference: &mut Difference,
) {
    let (old, new) = (list(old), list(new));
    let (old_steps, new_steps) = (steps(shape, parts, old), steps(shape, parts, new));
    let (old_places, new_places) = (places(&old_steps), places(&new_steps));
    for (at, step) in old_steps.iter().enumerate() {
        let twin = new_places.get(step).map(|&at| &new[at]);
        difference.put(step.clone(), walk(&shape.item(), Some(&old[at]), twin));
    }
    for (at, step) in new_steps.iter().enumerate() {
        if !old_places.contains_key(step) {
            difference.put(step.clone(), walk(&shape.item(), None, Some(&new[at])));
        }
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
