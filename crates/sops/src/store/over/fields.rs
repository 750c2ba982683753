//! The fields of the metadata in the order of the text.

use crate::store::ENTRY;
use crate::tree::{Branch, Entry, Value};

/// Puts the metadata where the text has them.
pub(in crate::store) fn place_metadata(have: &Branch, wanted: &mut Branch) {
    let is_it = |entry: &Entry| entry.key.name() == Some(ENTRY);
    let (Some(old), Some(new)) = (have.entries.iter().position(is_it), wanted.entries.iter().position(is_it))
    else {
        return;
    };
    let behind = |branch: &Branch, at: usize| {
        branch.entries[at..].iter().skip(1).filter_map(|entry| entry.key.name().map(str::to_owned)).next()
    };
    let (next, now) = (behind(have, old), behind(wanted, new));
    if next == now {
        return;
    }
    let block = wanted.entries.remove(new);
    let before =
        wanted.entries.iter().position(|entry| entry.key.name() == next.as_deref() && next.is_some());
    wanted.entries.insert(before.unwrap_or(wanted.entries.len()), block);
}

/// Metadata in the order of the text; empty fields of the text stay.
pub(in crate::store) fn arrange(have: &Branch, wanted: &mut Branch) {
    let mut rest: Vec<Entry> = std::mem::take(&mut wanted.entries);
    for entry in &have.entries {
        let Some(name) = entry.key.name() else {
            wanted.entries.push(entry.clone());
            continue;
        };
        if let Some(at) = rest.iter().position(|new| new.key.name() == Some(name)) {
            wanted.entries.push(rest.remove(at));
        } else if is_empty(&entry.value) {
            wanted.entries.push(entry.clone());
        }
    }
    for entry in rest {
        let name = entry.key.name().unwrap_or_default();
        let after =
            wanted.entries.iter().rposition(|other| other.key.name().is_some_and(|other| other < name));
        wanted.entries.insert(after.map_or(0, |after| after + 1), entry);
    }
}

pub(in crate::store) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::Str(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Branch(branch) => branch.entries.is_empty(),
        _ => false,
    }
}
