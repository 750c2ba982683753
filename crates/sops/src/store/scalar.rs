//! Scalars as plain text, where a format knows strings only.
//!
//! Follows: `ValToString` in `stores/stores.go` of sops 3.13.2, and Go's `%v`.

use std::borrow::Cow;

use sealfast_yaml::scalar::float_text;

use crate::number;
use crate::tree::{Comment, Entry, Key, Value};

/// Returns the text of a scalar as dotenv and INI files hold it; none for lists and mappings.
#[must_use]
pub fn text_of(value: &Value) -> Option<Cow<'_, [u8]>> {
    let owned = |text: String| Some(Cow::Owned(text.into_bytes()));
    match value {
        Value::Str(text) => Some(Cow::Borrowed(text.as_bytes())),
        Value::Comment(comment) => Some(Cow::Borrowed(comment.text.as_bytes())),
        Value::Null => owned("<nil>".to_owned()),
        Value::Bool(flag) => owned(flag.to_string()),
        Value::Int(int) => owned(int.to_string()),
        Value::Uint(int) => owned(int.to_string()),
        Value::Float(float) => owned(number::general(*float)),
        Value::Time(time) => owned(time.to_seconds()),
        Value::List(_) | Value::Branch(_) => None,
    }
}

/// Returns any value as Go's `%v` prints it, which is what the reference writes into INI files for lists and mappings.
pub(super) fn go_text(value: &Value) -> String {
    let all = |parts: Vec<String>| format!("[{}]", parts.join(" "));
    match value {
        Value::List(items) => all(items.iter().map(go_text).collect()),
        Value::Branch(branch) => all(branch.entries.iter().map(go_entry).collect()),
        Value::Comment(comment) => go_comment(comment),
        Value::Float(float) => go_float(*float),
        Value::Time(time) => time.to_go_string(),
        Value::Str(text) => text.to_string_lossy().into_owned(),
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Uint(int) => int.to_string(),
    }
}

fn go_float(float: f64) -> String {
    if float.is_finite() { float_text(float) } else { number::positional(float) }
}

fn go_entry(entry: &Entry) -> String {
    let key = match &entry.key {
        Key::Name(text) | Key::Other { text, .. } => text.clone(),
        Key::Comment(comment) => go_comment(comment),
    };
    format!("{{{key} {}}}", go_text(&entry.value))
}

fn go_comment(comment: &Comment) -> String {
    format!("{{{} {}}}", comment.text.to_string_lossy(), comment.inline)
}
