//! Removes what a manager owned, names no longer, and nobody else owns.

use serde_json::Value;

use super::merge::steps;
use super::path::Step;
use super::shape::{Parts, Shape};
use super::tree::Tree;

/// Removes from `value` the members of `last` that are not in `kept`; containers left empty go with them.
pub(super) fn prune(shape: &Shape<'_>, value: &mut Value, last: &Tree, kept: &Tree) {
    let parts = shape.parts(value);
    match (value, &parts) {
        (Value::Object(fields), Parts::Fields | Parts::DeducedFields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            for name in names {
                let step = Step::Field(name.clone());
                let (Some(last), kept) = (last.below.get(&step), kept.below.get(&step)) else { continue };
                let below = shape.field(&name).unwrap_or(Shape::Deduced);
                let gone = fields.get_mut(&name).is_some_and(|value| prune_child(&below, value, last, kept));
                if gone {
                    fields.shift_remove(&name);
                }
            }
        }
        (Value::Array(items), Parts::Set | Parts::Keyed(_)) => {
            let steps = steps(shape, &parts, items);
            let mut at = 0;
            items.retain_mut(|item| {
                let step = &steps[at];
                at += 1;
                match last.below.get(step) {
                    Some(last) => !prune_child(&shape.item(), item, last, kept.below.get(step)),
                    None => true,
                }
            });
        }
        _ => {}
    }
}

/// Returns true when the value itself must go.
fn prune_child(shape: &Shape<'_>, value: &mut Value, last: &Tree, kept: Option<&Tree>) -> bool {
    let nothing = Tree::default();
    if last.member && kept.is_none_or(Tree::is_empty) {
        return true;
    }
    let was_empty = is_empty(value);
    prune(shape, value, last, kept.unwrap_or(&nothing));
    is_empty(value) && !was_empty && kept.is_none_or(Tree::is_empty)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
