//! Characters out: column, indentation, and the five scalar styles.
//!
//! Follows: `emitterc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use super::analysis::needs_indent_hint;
use super::sorted::Origin;
use crate::chars::{LINE, SINGLE, byte, is_blank, is_blankz, is_break, is_printable, run, width};

/// Which library's habits are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habits {
    V3,
    V2,
}

/// Whether a scalar may be broken into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaks {
    Allowed,
    Forbidden,
}

/// Text written so far, and where it stands.
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
    pub(super) column: usize,
    /// Indentation of the current collection; -1 outside of all.
    pub(super) indent: isize,
    pub(super) best_indent: usize,
    best_width: usize,
    habits: Habits,
    pub(super) origin: Origin,
    /// The last thing written was a blank.
    pub(super) whitespace: bool,
    /// Nothing but indentation (and indicators that count as such) is on this line.
    pub(super) indention: bool,
    /// Indentation at which a foot comment was just written: an empty line follows it.
    pub(super) foot_indent: isize,
}

impl Writer {
    pub(super) fn new(best_indent: usize, best_width: usize, habits: Habits) -> Self {
        Self {
            out: Vec::new(),
            column: 0,
            indent: -1,
            best_indent,
            best_width,
            habits,
            origin: Origin::Read,
            whitespace: true,
            indention: true,
            foot_indent: -1,
        }
    }

    pub(super) fn put(&mut self, letter: u8) {
        self.out.push(letter);
        self.column += 1;
    }

    pub(super) fn put_break(&mut self) {
        self.out.push(b'\n');
        self.column = 0;
        self.indention = true;
    }

    /// Copies one character; returns its width in bytes.
    fn copy(&mut self, text: &[u8], at: usize) -> usize {
        let wide = width(text[at]).min(text.len() - at);
        self.out.extend_from_slice(&text[at..at + wide]);
        self.column += 1;
        wide
    }

    /// Copies the bytes of a class from `at` on; returns how many there are.
    fn copy_run(&mut self, text: &[u8], at: usize, class: u8) -> usize {
        let length = run(text, at, class);
        self.out.extend_from_slice(&text[at..at + length]);
        self.column += length;
        length
    }

    /// Copies one line break.
    fn copy_break(&mut self, text: &[u8], at: usize) -> usize {
        if text[at] == b'\n' {
            self.put_break();
            return 1;
        }
        let wide = self.copy(text, at);
        self.column = 0;
        self.indention = true;
        wide
    }

    fn all(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
        self.column += text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    }

    /// Goes to the indentation of the current collection, on a new line where needed.
    pub(super) fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || self.column == indent && !self.whitespace {
            self.put_break();
        }
        if usize::try_from(self.foot_indent) == Ok(indent) {
            self.put_break();
        }
        if self.column < indent {
            let blanks = indent - self.column;
            self.out.resize(self.out.len() + blanks, b' ');
            self.column = indent;
        }
        self.whitespace = true;
        self.foot_indent = -1;
        if self.habits == Habits::V2 {
            self.indention = true;
        }
    }

    fn space(&mut self) {
        if !self.whitespace {
            self.put(b' ');
        }
    }

    /// Writes an indicator behind a blank.
    pub(super) fn indicator(&mut self, text: &[u8]) {
        self.space();
        self.tight_indicator(text);
    }

    /// Writes an indicator right behind what is there.
    pub(super) fn tight_indicator(&mut self, text: &[u8]) {
        self.all(text);
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes `-`, `?` or `:` in a block: a nested collection may begin on the same line.
    pub(super) fn block_indicator(&mut self, text: &[u8]) {
        self.space();
        self.all(text);
        self.whitespace = false;
    }

    /// Writes `[` or `{`: no blank is needed behind it.
    pub(super) fn open_flow(&mut self, text: &[u8]) {
        self.space();
        self.all(text);
        self.whitespace = true;
        self.indention = false;
    }

    pub(super) fn name(&mut self, text: &[u8]) {
        self.all(text);
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn tag_handle(&mut self, text: &[u8]) {
        self.space();
        self.name(text);
    }

    pub(super) fn tag_content(&mut self, text: &[u8]) {
        for letter in text {
            if crate::chars::is_alpha(*letter) || b";/?:@&=+$,_.~*'()[]".contains(letter) {
                self.put(*letter);
            } else {
                self.all(format!("%{letter:02X}").as_bytes());
            }
        }
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn plain(&mut self, text: &[u8], breaks: Breaks) {
        if !text.is_empty() || self.habits == Habits::V2 {
            self.space();
        }
        self.folded_text(text, breaks, Ends::Free);
        if !text.is_empty() || self.habits == Habits::V2 {
            self.whitespace = false;
        }
        self.indention = false;
    }

    pub(super) fn single_quoted(&mut self, text: &[u8], breaks: Breaks) {
        self.indicator(b"'");
        self.folded_text(text, breaks, Ends::Quoted);
        self.tight_indicator(b"'");
    }

    /// Writes plain or single-quoted text: breaks doubled, long lines folded at blanks.
    fn folded_text(&mut self, text: &[u8], breaks: Breaks, ends: Ends) {
        let (mut spaces, mut broken) = (false, false);
        let mut at = 0;
        while at < text.len() {
            if text[at] == b' ' {
                let inside = ends == Ends::Free || at > 0 && at < text.len() - 1;
                let folds = breaks == Breaks::Allowed && !spaces && self.column > self.best_width;
                if folds && inside && byte(text, at + 1) != b' ' {
                    self.write_indent();
                    at += 1;
                } else {
                    at += self.copy(text, at);
                }
                spaces = true;
            } else if is_break(text, at) {
                if !broken && text[at] == b'\n' {
                    self.put_break();
                }
                at += self.copy_break(text, at);
                broken = true;
            } else {
                if broken {
                    self.write_indent();
                }
                at += match self.copy_run(text, at, SINGLE) {
                    0 => {
                        if ends == Ends::Quoted && text[at] == b'\'' {
                            self.put(b'\'');
                        }
                        self.copy(text, at)
                    }
                    length => length,
                };
                self.indention = false;
                (spaces, broken) = (false, false);
            }
        }
    }

    pub(super) fn double_quoted(&mut self, text: &[u8], breaks: Breaks) {
        self.indicator(b"\"");
        // The reference looks for the byte order mark at the start of the text only, and then escapes all of it.
        let marked = text.starts_with("\u{feff}".as_bytes());
        let mut spaces = false;
        let mut at = 0;
        while at < text.len() {
            let escapes = marked || !is_printable(text, at) || is_break(text, at);
            if escapes || text[at] == b'"' || text[at] == b'\\' {
                at += self.escape(text, at);
                spaces = false;
            } else if text[at] == b' ' {
                let inside = at > 0 && at < text.len() - 1;
                if breaks == Breaks::Allowed && !spaces && self.column > self.best_width && inside {
                    self.write_indent();
                    if byte(text, at + 1) == b' ' {
                        self.put(b'\\');
                    }
                    at += 1;
                } else {
                    at += self.copy(text, at);
                }
                spaces = true;
            } else {
                at += self.copy(text, at);
                spaces = false;
            }
        }
        self.tight_indicator(b"\"");
    }

    fn escape(&mut self, text: &[u8], at: usize) -> usize {
        let wide = width(text[at]).min(text.len() - at);
        let letter = std::str::from_utf8(&text[at..at + wide]).ok().and_then(|text| text.chars().next());
        let code = letter.map_or(0xfffd, u32::from);
        let short = match code {
            0x00 => b'0',
            0x07 => b'a',
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0b => b'v',
            0x0c => b'f',
            0x0d => b'r',
            0x1b => b'e',
            0x22 => b'"',
            0x5c => b'\\',
            0x85 => b'N',
            0xa0 => b'_',
            0x2028 => b'L',
            0x2029 => b'P',
            _ => 0,
        };
        match code {
            _ if short != 0 => self.all(&[b'\\', short]),
            ..=0xff => self.all(format!("\\x{code:02X}").as_bytes()),
            0x100..=0xffff => self.all(format!("\\u{code:04X}").as_bytes()),
            _ => self.all(format!("\\U{code:08X}").as_bytes()),
        }
        wide
    }

    /// Writes `|` or `>` with the hints for indentation and line breaks at the end.
    pub(super) fn block_header(&mut self, indicator: &[u8], text: &[u8]) {
        self.indicator(indicator);
        if needs_indent_hint(text) {
            self.tight_indicator(self.best_indent.to_string().as_bytes());
        }
        if let Some(chomp) = chomp_hint(text) {
            self.tight_indicator(&[chomp]);
        }
    }

    pub(super) fn literal_body(&mut self, text: &[u8]) {
        self.whitespace = true;
        let mut broken = true;
        let mut at = 0;
        while at < text.len() {
            if is_break(text, at) {
                at += self.copy_break(text, at);
                broken = true;
            } else {
                if broken {
                    self.write_indent();
                }
                at += match self.copy_run(text, at, LINE) {
                    0 => self.copy(text, at),
                    length => length,
                };
                self.indention = false;
                broken = false;
            }
        }
    }

    pub(super) fn folded_body(&mut self, text: &[u8]) {
        self.whitespace = true;
        let (mut broken, mut leading_spaces) = (true, true);
        let mut at = 0;
        while at < text.len() {
            if is_break(text, at) {
                if !broken && !leading_spaces && text[at] == b'\n' {
                    // The reference looks from the start of the text here, not from this break.
                    let mut first = 0;
                    while is_break(text, first) {
                        first += width(text[first]);
                    }
                    if !is_blankz(text, first) {
                        self.put_break();
                    }
                }
                at += self.copy_break(text, at);
                broken = true;
            } else {
                if broken {
                    self.write_indent();
                    leading_spaces = is_blank(text, at);
                }
                let folds = !broken
                    && text[at] == b' '
                    && byte(text, at + 1) != b' '
                    && self.column > self.best_width;
                if folds {
                    self.write_indent();
                    at += 1;
                } else {
                    at += self.copy(text, at);
                }
                self.indention = false;
                broken = false;
            }
        }
    }

    /// Writes a comment to the end of its last line; lines without `#` get one.
    pub(super) fn comment(&mut self, text: &[u8]) {
        let (mut broken, mut pound) = (false, false);
        let mut at = 0;
        while at < text.len() {
            if is_break(text, at) {
                at += self.copy_break(text, at);
                (broken, pound) = (true, false);
            } else {
                if broken {
                    self.write_indent();
                }
                if !pound {
                    if text[at] != b'#' {
                        self.all(b"# ");
                    }
                    pound = true;
                }
                at += self.copy(text, at);
                self.indention = false;
                broken = false;
            }
        }
        if !broken {
            self.put_break();
        }
        self.whitespace = true;
    }
}

/// Whether blanks at the ends of a scalar are protected by quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Free,
    Quoted,
}

fn chomp_hint(text: &[u8]) -> Option<u8> {
    let last_start = |end: usize| (0..end).rev().find(|at| text[*at] & 0xc0 != 0x80);
    let Some(last) = last_start(text.len()) else { return Some(b'-') };
    if !is_break(text, last) {
        return Some(b'-');
    }
    match last_start(last) {
        None => Some(b'+'),
        Some(before) if is_break(text, before) => Some(b'+'),
        Some(_) => None,
    }
}
