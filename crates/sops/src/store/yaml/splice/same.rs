//! Whether a text that was made has the wanted tree.

use crate::cipher;
use crate::metadata::Metadata;
use crate::store::ENTRY;
use crate::store::yaml::splice::source::Source;
use crate::tree::{Branch, Comment, Entry, Key, Value};

/// Equal but for where comments stand: an encrypted one loses its place behind a value when it is opened.
pub(super) fn is_same(read: &Source, wanted: &[Branch]) -> bool {
    read.branches.len() == wanted.len()
        && read.branches.iter().zip(wanted).all(|(read_branch, wanted)| {
            same_metadata(read_branch.get(ENTRY), wanted.get(ENTRY)) && {
                let content = |branch: &'_ Branch| branch.entries.iter().filter(is_content).count();
                content(read_branch) == content(wanted)
                    && read_branch
                        .entries
                        .iter()
                        .filter(is_content)
                        .zip(wanted.entries.iter().filter(is_content))
                        .all(|(left, right)| same_entry(read, left, right))
            }
        })
}

fn is_content(entry: &&Entry) -> bool {
    entry.key.name() != Some(ENTRY)
}

fn same_metadata(read: Option<&Value>, wanted: Option<&Value>) -> bool {
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

fn same_entry(source: &Source, left: &Entry, right: &Entry) -> bool {
    match (&left.key, &right.key) {
        (Key::Comment(left), Key::Comment(right)) => same_comment(source, left, right),
        (left_key, right_key) => left_key == right_key && same_value(source, &left.value, &right.value),
    }
}

fn same_comment(source: &Source, read: &Comment, wanted: &Comment) -> bool {
    source.words(read).is_some_and(|words| *words == wanted.text)
}

fn same_value(source: &Source, left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Branch(left), Value::Branch(right)) => {
            left.entries.len() == right.entries.len()
                && left
                    .entries
                    .iter()
                    .zip(&right.entries)
                    .all(|(left, right)| same_entry(source, left, right))
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| same_value(source, left, right))
        }
        (Value::Comment(left), Value::Comment(right)) => same_comment(source, left, right),
        (left, right) => same_scalar(left, right),
    }
}

/// A whole double reads back as an integer, and NaN is equal to nothing.
fn same_scalar(left: &Value, right: &Value) -> bool {
    left == right
        || matches!((left, right), (Value::Float(_) | Value::Int(_), Value::Float(_) | Value::Int(_)))
            && cipher::content(left).map(|(_, text)| text) == cipher::content(right).map(|(_, text)| text)
}

/// Equal values, whatever comments there are.
pub(super) fn is_same_content(left: &Value, right: &Value) -> bool {
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
pub(super) fn is_same_branch(left: &Branch, right: &Branch) -> bool {
    let is_entry = |entry: &&Entry| !matches!(entry.key, Key::Comment(_));
    left.entries.iter().filter(is_entry).count() == right.entries.iter().filter(is_entry).count()
        && left
            .entries
            .iter()
            .filter(is_entry)
            .zip(right.entries.iter().filter(is_entry))
            .all(|(left, right)| left.key == right.key && is_same_content(&left.value, &right.value))
}
