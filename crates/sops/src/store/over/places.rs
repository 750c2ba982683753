//! Where lines begin and end in the bytes of a text.

pub(in crate::store) fn line_start(base: &[u8], at: usize) -> usize {
    base[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |found| found + 1)
}

/// The end of the line, before its break.
pub(in crate::store) fn line_end(base: &[u8], at: usize) -> usize {
    let end = base[at..].iter().position(|&byte| byte == b'\n').map_or(base.len(), |found| at + found);
    if end > at && end < base.len() && base[end - 1] == b'\r' { end - 1 } else { end }
}

pub(in crate::store) fn after_break(base: &[u8], at: usize) -> usize {
    match &base[at..] {
        [b'\r', b'\n', ..] => at + 2,
        [b'\n', ..] => at + 1,
        _ => at,
    }
}

pub(in crate::store) fn before_break(base: &[u8], at: usize) -> usize {
    match &base[..at] {
        [.., b'\r', b'\n'] => at - 2,
        [.., b'\n'] => at - 1,
        _ => at,
    }
}
