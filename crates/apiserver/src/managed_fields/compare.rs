//! Two objects side by side: which fields came, changed, went.

use std::collections::BTreeMap;

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

    /// What was removed below the value itself.
    fn removed_below(self) -> Tree {
        Tree { member: false, ..self.removed }
    }

    fn put(&mut self, step: &Step, below: Difference) {
        let own = [&mut self.added, &mut self.modified, &mut self.removed];
        for (own, below) in own.into_iter().zip([below.added, below.modified, below.removed]) {
            // Most fields differ in no way or in one.
            if !below.is_empty() {
                own.put(step.clone(), below);
            }
        }
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
    match common_parts(shape, old, new) {
        Parts::Fields | Parts::DeducedFields => fields(shape, old, new, &mut difference),
        parts @ (Parts::Set | Parts::Keyed(_)) => items(shape, &parts, old, new, &mut difference),
        Parts::Whole if old.is_some() && new.is_some() => {
            difference.modified.member = true;
            difference.removed.add(&within(shape, old).removed_below());
        }
        Parts::Whole => {}
    }
    // What came or went is a member itself.
    match (old, new) {
        (None, Some(_)) => difference.added.member = true,
        (Some(_), None) => difference.removed.member = true,
        _ => {}
    }
    difference
}

/// Fields within a value that another kind of value took the place of.
fn within(shape: &Shape<'_>, old: Option<&Value>) -> Difference {
    match old.map(|old| shape.parts(old)) {
        None | Some(Parts::Whole) => Difference::default(),
        Some(_) => walk(shape, old, None),
    }
}

/// What both values are made of; `null`, and what is not there, goes with anything that is not empty.
fn common_parts(shape: &Shape<'_>, old: Option<&Value>, new: Option<&Value>) -> Parts {
    let parts =
        |value: Option<&Value>| value.filter(|value| !value.is_null()).map(|value| shape.parts(value));
    let is_empty = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    match (parts(old), parts(new)) {
        _ if is_empty(old) && is_empty(new) => Parts::Whole,
        (Some(old), Some(new)) if old != new => Parts::Whole,
        (_, Some(parts)) | (Some(parts), None) => parts,
        (None, None) => Parts::Whole,
    }
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
        difference.put(&Step::Field(name.clone()), walk(&below, old, new));
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
        difference.put(step, walk(&shape.item(), Some(&old[at]), twin));
    }
    let is_single = counted(&new_steps);
    for (at, step) in new_steps.iter().enumerate() {
        if !old_places.contains_key(step) {
            let mut item = walk(&shape.item(), None, Some(&new[at]));
            if !is_single(step) {
                // Items of one key are owned as wholes, together.
                item.added = Tree::leaf();
            }
            difference.put(step, item);
        }
    }
}

/// Tells whether a step stands once among steps.
fn counted(steps: &[Step]) -> impl Fn(&Step) -> bool {
    let mut counts: BTreeMap<&Step, usize> = BTreeMap::new();
    for step in steps {
        *counts.entry(step).or_default() += 1;
    }
    move |step| counts.get(step) == Some(&1)
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
