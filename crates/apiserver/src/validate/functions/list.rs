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
            place_of(text, wanted, from, last)
        }
        _ => return None,
    };
    Some(Value::Int(place.map_or(-1, |place| place as i64)))
}

/// The letter at which a text begins in another one, at a letter or the first one behind it, or before it.
fn place_of(text: &str, wanted: &str, from: Option<usize>, last: bool) -> Option<usize> {
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let at = match last {
        false => {
            let begin = ends.nth(from.unwrap_or(0))?;
            begin + text[begin..].find(wanted)?
        }
        true => {
            let begin = from.and_then(|from| ends.nth(from)).unwrap_or(text.len());
            let end = begin.saturating_add(wanted.len()).min(text.len());
            // Where letters are of several bytes the text may end within one.
            let end = (begin..=end).rev().find(|end| text.is_char_boundary(*end))?;
            text[..end].rfind(wanted)?
        }
    };
    Some(text[..at].chars().count())
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn texts_are_found_by_their_letters() {
        for (text, wanted, from, first, last) in [
            ("äbäb", "äb", None, Some(0), Some(2)),
            ("äbäb", "äb", Some(1), Some(2), Some(0)),
            ("äbäb", "b", Some(3), Some(3), Some(3)),
            ("äbäb", "", Some(4), Some(4), Some(4)),
            ("äbäb", "", Some(5), None, Some(4)),
            ("aé", "b", Some(0), None, None),
            ("aaa", "aa", None, Some(0), Some(1)),
            ("a", "aa", Some(0), None, None),
        ] {
            assert_eq!(place_of(text, wanted, from, false), first, "{text} {wanted} {from:?}");
            assert_eq!(place_of(text, wanted, from, true), last, "{text} {wanted} {from:?}");
        }
        // Compared at each place this would take years.
        let (long, part) = ("a".repeat(20 << 20), "a".repeat(10 << 20) + "b");
        assert_eq!(place_of(&long, &part, None, false), None);
        assert_eq!(place_of(&long, &part, None, true), None);
    }
}
