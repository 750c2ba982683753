//! dotenv store: `KEY=value` lines, taken as they are.
//!
//! No trimming, no quotes, no `export`; `\n` in a value is a line break, other backslashes stand for themselves.
//!
//! Follows: `stores/dotenv/store.go` of sops 3.13.2. Differs: keys that are not UTF-8 are refused.

use crate::error::Error;
use crate::store::scalar::text_of;
use crate::tree::{Branch, Comment, Key, Text, Value};

pub(super) fn load(input: &[u8]) -> Result<Branch, Error> {
    let mut branch = Branch::new();
    for line in input.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix(b"#") {
            branch.push_comment(Comment::line(Text::new(text)));
            continue;
        }
        let shown = String::from_utf8_lossy(line);
        let refuse = || Error::Parse { message: format!("invalid dotenv input line: {shown}") };
        let at = line.iter().position(|&byte| byte == b'=').ok_or_else(refuse)?;
        let key = std::str::from_utf8(&line[..at]).map_err(|_| refuse())?;
        branch.push(key, Text::new(replace(&line[at + 1..], b"\\n", b"\n")));
    }
    Ok(branch)
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
                let value = text_of(&entry.value).ok_or_else(|| Error::Emit {
                    message: format!("cannot use complex value in dotenv file; offending key {text}"),
                })?;
                out.extend(text.as_bytes());
                out.push(b'=');
                if matches!(entry.value, Value::Str(_)) {
                    out.extend(replace(&value, b"\n", b"\\n"));
                } else {
                    out.extend(value.iter());
                }
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
