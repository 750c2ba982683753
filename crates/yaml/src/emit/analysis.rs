//! In which styles a text can be written.
//!
//! Follows: `emitterc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use crate::chars::{SIMPLE, byte, is_blank, is_blankz, is_break, is_printable, run, width};

/// Where tabs are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tabs {
    /// In block scalars too (v3).
    InBlocks,
    /// In double quotes only (v2).
    Quoted,
}

/// What a text allows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Analysis {
    pub(super) multiline: bool,
    pub(super) flow_plain: bool,
    pub(super) block_plain: bool,
    pub(super) single_quoted: bool,
    pub(super) block: bool,
}

#[derive(Default)]
struct Seen {
    block_indicators: bool,
    flow_indicators: bool,
    breaks: bool,
    special: bool,
    tabs: bool,
    leading_space: bool,
    leading_break: bool,
    trailing_space: bool,
    trailing_break: bool,
    break_space: bool,
    space_break: bool,
}

/// Looks through a text once.
pub(super) fn analyze(text: &[u8], tabs: Tabs) -> Analysis {
    if text.is_empty() {
        return Analysis { block_plain: true, single_quoted: true, ..Analysis::default() };
    }
    if text[0].is_ascii_alphanumeric() && run(text, 0, SIMPLE) == text.len() {
        return Analysis {
            multiline: false,
            flow_plain: true,
            block_plain: true,
            single_quoted: true,
            block: true,
        };
    }
    let seen = look(text, tabs);
    let outer_blank = seen.leading_space || seen.leading_break || seen.trailing_space || seen.trailing_break;
    let plain =
        !outer_blank && !seen.break_space && !seen.space_break && !seen.tabs && !seen.special && !seen.breaks;
    Analysis {
        multiline: seen.breaks,
        flow_plain: plain && !seen.flow_indicators,
        block_plain: plain && !seen.block_indicators,
        single_quoted: !seen.break_space && !seen.space_break && !seen.tabs && !seen.special,
        block: !seen.trailing_space && !seen.space_break && !seen.special,
    }
}

fn look(text: &[u8], tabs: Tabs) -> Seen {
    let mut seen = Seen::default();
    if text.starts_with(b"---") || text.starts_with(b"...") {
        seen.block_indicators = true;
        seen.flow_indicators = true;
    }
    let mut after_blank = true;
    let (mut after_space, mut after_break) = (false, false);
    let mut at = 0;
    while at < text.len() {
        let wide = width(text[at]);
        let before_blank = at + wide >= text.len() || is_blank(text, at + wide);
        indicators(&mut seen, text[at], at == 0, after_blank, before_blank);
        if text[at] == b'\t' && tabs == Tabs::InBlocks {
            seen.tabs = true;
        } else if !is_printable(text, at) {
            seen.special = true;
        }
        let last = at + wide == text.len();
        let (space, line_break) = (text[at] == b' ', is_break(text, at));
        seen.leading_space |= space && at == 0;
        seen.trailing_space |= space && last;
        seen.break_space |= space && after_break;
        seen.breaks |= line_break;
        seen.leading_break |= line_break && at == 0;
        seen.trailing_break |= line_break && last;
        seen.space_break |= line_break && after_space;
        (after_space, after_break) = (space, line_break);
        after_blank = is_blankz(text, at);
        at += wide;
    }
    seen
}

fn indicators(seen: &mut Seen, letter: u8, first: bool, after_blank: bool, before_blank: bool) {
    let (flow, block) = match letter {
        b',' | b'[' | b']' | b'{' | b'}' => (true, first),
        b'#' if first => (true, true),
        b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@' | b'`' => (first, first),
        b'?' => (true, first && before_blank),
        b':' => (true, before_blank),
        b'-' => (first && before_blank, first && before_blank),
        b'#' => (after_blank, after_blank),
        _ => (false, false),
    };
    seen.flow_indicators |= flow;
    seen.block_indicators |= block;
}

/// Returns true when the text begins with a space or a break: a block scalar then states its indentation.
pub(super) fn needs_indent_hint(text: &[u8]) -> bool {
    byte(text, 0) == b' ' || is_break(text, 0)
}
