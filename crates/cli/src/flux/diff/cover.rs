//! Differences without the values of Secrets that variables brought in.
//!
//! What the built side holds is known. What the cluster still holds may be an older value, which nobody knows: where the
//! built side has more masks, the other one is covered whole.

use sealfast_controllers::kustomization::mask::Masks;
use serde_json::Value;

use super::compare::{Detail, Difference};
use super::secret::{AFTER, BEFORE, SAME};
use crate::flux::local::mask::MASK;

/// Covers all that must not be shown.
pub(super) fn cover(differences: &mut [Difference], masks: &Masks) {
    for difference in differences {
        for step in &mut difference.path {
            *step = masks.text(step);
        }
        difference.details.iter_mut().for_each(|detail| one(detail, masks));
        removed(&mut difference.details);
    }
}

fn one(detail: &mut Detail, masks: &Masks) {
    match detail {
        Detail::Modified { from, to } => modified(from, to, masks),
        Detail::Removed(value) | Detail::Added(value) => masks.value(value),
        Detail::Reordered { from, to } => from.iter_mut().chain(to).for_each(|item| masks.value(item)),
    }
}

fn modified(from: &mut Value, to: &mut Value, masks: &Masks) {
    masks.value(from);
    masks.value(to);
    if from == to {
        (*from, *to) = (BEFORE.into(), AFTER.into());
    } else if count(from) < count(to) {
        *from = BEFORE.into();
    }
}

/// Covers what is gone where more values of Secrets came in its place.
fn removed(details: &mut [Detail]) {
    let (mut gone, mut new) = (0, 0);
    for detail in &*details {
        match detail {
            Detail::Removed(value) => gone += count(value),
            Detail::Added(value) => new += count(value),
            Detail::Modified { .. } | Detail::Reordered { .. } => {}
        }
    }
    for detail in details {
        if let Detail::Removed(value) = detail
            && gone < new
        {
            blank(value);
        }
    }
}

/// How many masks a value holds.
fn count(value: &Value) -> usize {
    let masks = |text: &str| text.matches(MASK).count();
    match value {
        Value::String(text) => masks(text),
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| masks(key) + count(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Covers each scalar.
fn blank(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Object(fields) => fields.values_mut().for_each(blank),
        scalar => *scalar = SAME.into(),
    }
}
