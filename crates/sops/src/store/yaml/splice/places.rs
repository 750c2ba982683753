//! Where nodes end in the bytes of a text.

use std::ops::Range;

use sealfast_yaml::node::{Kind, Node, Style};

use crate::store::over::places::before_break;

/// Is this a block text with a plus in its header?
fn keeps_breaks(text: &[u8]) -> bool {
    let header = text.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    matches!(header.first(), Some(b'|' | b'>')) && header.contains(&b'+')
}

pub(super) fn key_end(key: &Node) -> usize {
    if key.kind == Kind::Scalar { key.text.end } else { key.end }
}

/// The end of a node's last value.
pub(super) fn content_end(base: &[u8], node: &Node) -> usize {
    match node.kind {
        Kind::Scalar => trimmed(base, &node.text),
        Kind::Alias => node.end,
        _ if node.style == Style::Flow => node.end,
        _ => node.content.last().map_or(node.end, |last| content_end(base, last)),
    }
}

/// A block text reaches to the end of its last line; that line break and blank lines behind it stay, but for those that
/// are part of the text.
pub(super) fn trimmed(base: &[u8], range: &Range<usize>) -> usize {
    if keeps_breaks(&base[range.clone()]) {
        return before_break(base, range.end);
    }
    let kept = base[range.clone()].iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
    range.start + kept.map_or(0, |at| at + 1)
}
