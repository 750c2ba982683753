//! Removes what a manager owned, names no longer, and nobody else owns.
//!
//! A field of a struct counts as owned when anything in it is: when the last owner of a part gives it up, it goes as a
//! whole, what the server filled in included.

use serde_json::Value;

use super::merge::steps;
use super::path::Step;
use super::shape::{Parts, Shape};
use super::tree::Tree;

/// Removes from `value` the members of `last` that are not in `kept`. What loses its last field or item is `null` then.
pub(super) fn prune(shape: &Shape<'_>, value: &mut Value, last: &Tree, kept: &Tree) {
    let parts = shape.parts(value);
    let is_emptied = match (&mut *value, &parts) {
        (Value::Object(fields), Parts::Fields | Parts::DeducedFields) => {
            let before = fields.len();
            fields.retain(|name, value| {
                let step = Step::Field(name.clone());
                let (Some(last), kept) = (last.below.get(&step), kept.below.get(&step)) else { return true };
                let named = shape.declares(name);
                let gone = is_owned(last, named) && !kept.is_some_and(|kept| is_owned(kept, named));
                if !gone {
                    prune_rest(&shape.field(name).unwrap_or(Shape::Deduced), value, last, kept);
                }
                !gone
            });
            fields.is_empty() && before > 0
        }
        (Value::Array(items), Parts::Set | Parts::Keyed(_)) => {
            let steps = steps(shape, &parts, items);
            let mut at = 0;
            items.retain_mut(|item| {
                let step = &steps[at];
                at += 1;
                let (Some(last), kept) = (last.below.get(step), kept.below.get(step)) else { return true };
                let gone = last.member && !kept.is_some_and(|kept| kept.member);
                if !gone {
                    prune_rest(&shape.item(), item, last, kept);
                }
                !gone
            });
            items.is_empty() && !steps.is_empty()
        }
        _ => false,
    };
    if is_emptied {
        *value = Value::Null;
    }
}

/// Prunes what is within a value that stays.
fn prune_rest(shape: &Shape<'_>, value: &mut Value, last: &Tree, kept: Option<&Tree>) {
    let nothing = Tree::default();
    prune(shape, value, last, kept.unwrap_or(&nothing));
}

/// Whether a field is a member itself, or a field of a struct that has members.
fn is_owned(tree: &Tree, named: bool) -> bool {
    tree.member || (named && !tree.is_empty())
}
