//! dotenv store: `KEY=value` lines, taken as they are.
//!
//! No trimming, no quotes, no `export`; `\n` in a value is a line break, other backslashes stand for themselves.
//!
//! Follows: `stores/dotenv/store.go` of sops 3.13.2. Differs: keys that are not UTF-8 are refused.

use std::ops::Range;

use crate::error::Error;
use crate::store::line_at;
use crate::store::over::lines::Slot;
use crate::store::scalar::text_of;
use crate::tree::{Branch, Comment, Key, Text, Value};

pub(super) fn load(input: &[u8]) -> Result<Branch, Error> {
    load_with_places(input).map(|(branch, _)| branch)
}

/// Reads the lines, and where each of them stands.
pub(super) fn load_with_places(input: &[u8]) -> Result<(Branch, Vec<Slot>), Error> {
    let (mut branch, mut slots, mut start) = (Branch::new(), Vec::new(), 0);
    for line in input.split(|&byte| byte == b'\n') {
        let whole = start..start + line.len();
        start = whole.end + 1;
        if line.is_empty() {
            continue;
        }
        if let Some(text) = line.strip_prefix(b"#") {
            branch.push_comment(Comment::line(Text::new(text)));
            slots.push(Slot { value: whole.clone(), whole });
            continue;
        }
        let refuse = || no_entry(input, &whole);
        let at = line.iter().position(|&byte| byte == b'=').ok_or_else(refuse)?;
        let key = std::str::from_utf8(&line[..at]).map_err(|_| refuse())?;
        branch.push(key, Text::new(replace(&line[at + 1..], b"\\n", b"\n")));
        slots.push(Slot { value: whole.start + at + 1..whole.end, whole });
    }
    Ok((branch, slots))
}

/// Where a key's line begins.
pub(super) fn place_of(input: &[u8], path: &[String]) -> Option<usize> {
    let ([name], (branch, slots)) = (path, load_with_places(input).ok()?) else { return None };
    let at = branch.entries.iter().position(|entry| entry.key.name() == Some(name))?;
    Some(slots[at].whole.start)
}

fn no_entry(input: &[u8], place: &Range<usize>) -> Error {
    const MESSAGE: &str = "invalid dotenv input line";
    let full = [MESSAGE.as_bytes(), b": ", &input[place.clone()]].concat();
    Error::Unreadable {
        message: MESSAGE.to_owned(),
        line: Some(line_at(input, place.start)),
        full: Text::new(full),
    }
}

/// A value as it stands behind its `=`; none for lists and mappings.
pub(super) fn value_text(value: &Value) -> Option<Vec<u8>> {
    let text = text_of(value)?;
    Some(if matches!(value, Value::Str(_)) { replace(&text, b"\n", b"\\n") } else { text.into_owned() })
}

pub(super) fn emit(branch: &Branch) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for entry in &branch.entries {
        match &entry.key {
            Key::Comment(comment) => {
                out.push(b'#');
                out.extend(comment.text.as_bytes());
            }
            Key::Name(text) | Key::Other { text, .. } => {
                let value = value_text(&entry.value).ok_or_else(|| Error::Emit {
                    message: format!("cannot use complex value in dotenv file; offending key {text}"),
                })?;
                out.extend(text.as_bytes());
                out.push(b'=');
                out.extend(value);
            }
        }
        out.push(b'\n');
    }
    Ok(out)
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(from) {
            out.extend(to);
            rest = behind;
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    out
}
