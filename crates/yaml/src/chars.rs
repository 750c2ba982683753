//! Character classes over UTF-8 bytes; positions past the end read as NUL.

/// Returns the byte at `at`, or NUL past the end.
#[inline]
pub(crate) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// Returns the length in bytes of the character that starts with `first`.
#[inline]
pub(crate) fn width(first: u8) -> usize {
    match first {
        0x00..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    }
}

/// Blank: space or tab.
#[inline]
pub(crate) fn is_blank(text: &[u8], at: usize) -> bool {
    matches!(byte(text, at), b' ' | b'\t')
}

/// Line break: CR, LF, NEL, LS or PS.
#[inline]
pub(crate) fn is_break(text: &[u8], at: usize) -> bool {
    match byte(text, at) {
        b'\r' | b'\n' => true,
        0xc2 => byte(text, at + 1) == 0x85,
        0xe2 => byte(text, at + 1) == 0x80 && matches!(byte(text, at + 2), 0xa8 | 0xa9),
        _ => false,
    }
}

/// Line break or end of input.
#[inline]
pub(crate) fn is_breakz(text: &[u8], at: usize) -> bool {
    byte(text, at) == 0 || is_break(text, at)
}

/// Blank, line break or end of input.
#[inline]
pub(crate) fn is_blankz(text: &[u8], at: usize) -> bool {
    is_blank(text, at) || is_breakz(text, at)
}

/// ASCII letter, digit, `_` or `-`.
#[inline]
pub(crate) fn is_alpha(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// A character that may be written without an escape.
pub(crate) fn is_printable(text: &[u8], at: usize) -> bool {
    let second = byte(text, at + 1);
    match byte(text, at) {
        0x0a | 0x20..=0x7e => true,
        0xc2 => second >= 0xa0,
        0xc3..=0xec | 0xee => true,
        0xed => second < 0xa0,
        0xef => {
            let third = byte(text, at + 2);
            !(second == 0xbb && third == 0xbf || second == 0xbf && matches!(third, 0xbe | 0xbf))
        }
        _ => false,
    }
}

/// Bytes that a plain scalar takes whatever follows them.
pub(crate) const PLAIN: u8 = 1;
/// Bytes between single quotes that stand for themselves, blanks aside.
pub(crate) const SINGLE: u8 = 2;
/// Bytes between double quotes that stand for themselves, blanks aside.
pub(crate) const DOUBLE: u8 = 4;
/// Bytes inside a line: ASCII, blanks too.
pub(crate) const LINE: u8 = 8;
/// Bytes that may stand anywhere in a plain scalar but at its start.
pub(crate) const SIMPLE: u8 = 16;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    classes[b'\t' as usize] = LINE;
    classes[b' ' as usize] = LINE;
    let mut byte = 0x21;
    while byte <= 0x7e {
        classes[byte as usize] = PLAIN | SINGLE | DOUBLE | LINE;
        byte += 1;
    }
    let mut simple = 0;
    let simple_bytes = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./";
    while simple < simple_bytes.len() {
        classes[simple_bytes[simple] as usize] |= SIMPLE;
        simple += 1;
    }
    let mut at = 0;
    let indicators = b":,?[]{}";
    while at < indicators.len() {
        classes[indicators[at] as usize] &= !PLAIN;
        at += 1;
    }
    classes[b'\'' as usize] &= !SINGLE;
    classes[b'"' as usize] &= !DOUBLE;
    classes[b'\\' as usize] &= !DOUBLE;
    classes
}

/// Counts the bytes of a class from `at` on; all are ASCII, so they are characters too.
#[inline]
pub(crate) fn run(text: &[u8], at: usize, class: u8) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().position(|byte| CLASSES[usize::from(*byte)] & class == 0).unwrap_or(rest.len())
}
