//! Scalars as plain text, where a format knows strings only.

use std::borrow::Cow;

use crate::number;
use crate::tree::Value;

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
