//! Lists and sets.

use std::cmp::Ordering;

use cel::Value;

use super::{Function, optional};

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("isSorted", |values| {
        let items = list(values.first()?)?;
        Some(items.windows(2).all(|pair| pair[0].partial_cmp(&pair[1]) != Some(Ordering::Greater)).into())
    }),
    ("sum", sum),
    ("first", |values| Some(optional(list(values.first()?)?.first().cloned()))),
    ("last", |values| Some(optional(list(values.first()?)?.last().cloned()))),
    ("min", |values| extreme(values, Ordering::Less)),
    ("max", |values| extreme(values, Ordering::Greater)),
    ("indexOf", |values| index(values, false)),
    ("lastIndexOf", |values| index(values, true)),
    ("sets.contains", |values| {
        let (all, some) = (list(values.first()?)?, list(values.get(1)?)?);
        Some(some.iter().all(|item| all.contains(item)).into())
    }),
    ("sets.intersects", |values| {
        let (left, right) = (list(values.first()?)?, list(values.get(1)?)?);
        Some(left.iter().any(|item| right.contains(item)).into())
    }),
    ("sets.equivalent", |values| {
        let (left, right) = (list(values.first()?)?, list(values.get(1)?)?);
        let holds = |all: &[Value], some: &[Value]| some.iter().all(|item| all.contains(item));
        Some((holds(left, right) && holds(right, left)).into())
    }),
];

fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::List(items) => Some(items),
        _ => None,
    }
}

fn sum(values: &[Value]) -> Option<Value> {
    let items = list(values.first()?)?;
    let mut total = match items.first() {
        None | Some(Value::Int(_)) => Value::Int(0),
        Some(Value::UInt(_)) => Value::UInt(0),
        Some(Value::Float(_)) => Value::Float(0.0),
        Some(Value::Duration(_)) => Value::Duration(chrono::Duration::zero()),
        Some(_) => return None,
    };
    for item in items {
        total = match (total, item) {
            (Value::Int(total), Value::Int(number)) => Value::Int(total.checked_add(*number)?),
            (Value::UInt(total), Value::UInt(number)) => Value::UInt(total.checked_add(*number)?),
            (Value::Float(total), Value::Float(number)) => Value::Float(total + number),
            (Value::Duration(total), Value::Duration(time)) => Value::Duration(total.checked_add(time)?),
            _ => return None,
        };
    }
    Some(total)
}

/// The least or greatest of a list.
fn extreme(values: &[Value], wanted: Ordering) -> Option<Value> {
    let (first, rest) = list(values.first()?)?.split_first()?;
    rest.iter()
        .try_fold(first, |best, item| Some(if item.partial_cmp(best)? == wanted { item } else { best }))
        .cloned()
}

/// The place of an item in a list, or of a text in a text; -1 when it is nowhere.
fn index(values: &[Value], last: bool) -> Option<Value> {
    let place = match (values.first()?, values.get(1)?) {
        (Value::List(items), wanted) => match last {
            true => items.iter().rposition(|item| item == wanted),
            false => items.iter().position(|item| item == wanted),
        },
        (Value::String(text), Value::String(wanted)) => {
            let from = match values.get(2) {
                None => None,
                Some(Value::Int(from)) => Some(usize::try_from(*from).ok()?),
                Some(_) => return None,
            };
            let letters: Vec<char> = text.chars().collect();
            let wanted: Vec<char> = wanted.chars().collect();
            let fits = |at: &usize| letters.get(*at..).is_some_and(|rest| rest.starts_with(&wanted));
            match last {
                true => (0..=from.unwrap_or(letters.len()).min(letters.len())).rev().find(fits),
                false => (from.unwrap_or(0)..=letters.len()).find(fits),
            }
        }
        _ => return None,
    };
    Some(Value::Int(place.map_or(-1, |place| place as i64)))
}
