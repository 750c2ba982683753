//! Cells that stand in tables of many kinds.

use serde_json::Value;

use crate::clock;

/// How long ago a moment was.
pub(super) fn age(time: &str) -> Value {
    if time.is_empty() { "<unknown>".into() } else { clock::age(time).into() }
}

/// A text; a word for one that says nothing.
pub(super) fn none_if_empty(text: &str) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}
