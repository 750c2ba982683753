//! Whether a text that was made has the wanted tree.

use crate::store::ENTRY;
use crate::store::over::same::{is_content, same_metadata, same_scalar};
use crate::store::yaml::splice::source::Source;
use crate::tree::{Branch, Comment, Entry, Key, Value};

/// Equal but for where comments stand: an encrypted one loses its place behind a value when it is opened.
pub(in crate::store) fn is_same(read: &Source<'_>, wanted: &[Branch]) -> bool {
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

fn same_entry(source: &Source<'_>, left: &Entry, right: &Entry) -> bool {
    match (&left.key, &right.key) {
        (Key::Comment(left), Key::Comment(right)) => same_comment(source, left, right),
        (left_key, right_key) => left_key == right_key && same_value(source, &left.value, &right.value),
    }
}

fn same_comment(source: &Source<'_>, read: &Comment, wanted: &Comment) -> bool {
    source.words(read).is_some_and(|words| words == wanted.text.as_bytes())
}

fn same_value(source: &Source<'_>, left: &Value, right: &Value) -> bool {
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
