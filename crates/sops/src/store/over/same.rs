//! Whether two trees are the same document.

use zeroize::Zeroizing;

use crate::cipher;
use crate::metadata::Metadata;
use crate::store::ENTRY;
use crate::tree::{Branch, Entry, Key, Value};

/// Equal documents but for comments; fields of the metadata may stand in any order.
pub(in crate::store) fn is_same_document(left: &Branch, right: &Branch) -> bool {
    same_metadata(left.get(ENTRY), right.get(ENTRY)) && same_entries(left, right, is_content)
}

pub(in crate::store) fn is_content(entry: &&Entry) -> bool {
    entry.key.name() != Some(ENTRY)
}

pub(in crate::store) fn same_metadata(read: Option<&Value>, wanted: Option<&Value>) -> bool {
    match (read, wanted) {
        (None, None) => true,
        (Some(Value::Branch(read)), Some(Value::Branch(wanted))) => {
            match (Metadata::from_branch(read), Metadata::from_branch(wanted)) {
                (Ok(read), Ok(wanted)) => read == wanted,
                _ => false,
            }
        }
        _ => false,
    }
}

/// A whole double reads back as an integer, and NaN is equal to nothing.
pub(in crate::store) fn same_scalar(left: &Value, right: &Value) -> bool {
    left == right
        || matches!((left, right), (Value::Float(_) | Value::Int(_), Value::Float(_) | Value::Int(_)))
            && cipher::content(left).map(|(_, text)| text) == cipher::content(right).map(|(_, text)| text)
}

/// Equal values, whatever comments there are.
pub(in crate::store) fn is_same_content(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Branch(left), Value::Branch(right)) => is_same_branch(left, right),
        (Value::List(left), Value::List(right)) => {
            let is_item = |value: &&Value| !matches!(value, Value::Comment(_));
            left.iter().filter(is_item).count() == right.iter().filter(is_item).count()
                && left
                    .iter()
                    .filter(is_item)
                    .zip(right.iter().filter(is_item))
                    .all(|(left, right)| is_same_content(left, right))
        }
        (left, right) => same_scalar(left, right),
    }
}

/// Equal entries, whatever comments there are.
pub(in crate::store) fn is_same_branch(left: &Branch, right: &Branch) -> bool {
    same_entries(left, right, |_| true)
}

fn same_entries(left: &Branch, right: &Branch, counts: fn(&&Entry) -> bool) -> bool {
    let (left, right) = (entries(left, counts), entries(right, counts));
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|(left, right)| left.key == right.key && is_same_content(&left.value, &right.value))
}

fn entries(branch: &Branch, counts: fn(&&Entry) -> bool) -> Vec<&Entry> {
    let named = branch.entries.iter().filter(|entry| !matches!(entry.key, Key::Comment(_)));
    named.filter(counts).collect()
}

/// Equal for the MAC: the same texts under the same names, whatever their types and comments.
pub(in crate::store) fn reads_as(read: &Branch, written: &Branch) -> bool {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    leaves_of(read, &mut left);
    leaves_of(written, &mut right);
    left == right
}

fn leaves_of<'b>(branch: &'b Branch, leaves: &mut Vec<(&'b str, Zeroizing<Vec<u8>>)>) {
    branch.named().for_each(|(name, value)| leaf(name, value, leaves));
}

fn leaf<'b>(name: &'b str, value: &'b Value, leaves: &mut Vec<(&'b str, Zeroizing<Vec<u8>>)>) {
    match value {
        Value::Branch(branch) => leaves_of(branch, leaves),
        Value::List(items) => items.iter().for_each(|item| leaf(name, item, leaves)),
        Value::Comment(_) => {}
        value => leaves.extend(cipher::content(value).map(|(_, text)| (name, text))),
    }
}
