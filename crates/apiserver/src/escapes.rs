//! Percent escapes of queries and paths.

/// A part of a query without its escapes.
pub(crate) fn decoded(text: &str) -> String {
    decode(text, Plus::Space)
}

/// A part of a path without its escapes.
pub(crate) fn decoded_path(text: &str) -> String {
    decode(text, Plus::Plus)
}

#[derive(Clone, Copy, PartialEq)]
enum Plus {
    Space,
    Plus,
}

fn decode(text: &str, plus: Plus) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if plus == Plus::Space => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
