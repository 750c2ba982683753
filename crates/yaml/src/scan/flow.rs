//! Quoted and plain scalars, which may go over several lines.
//!
//! Follows: `scannerc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use std::ops::Range;

use super::{Pos, Scanner, Token, TokenKind};
use crate::chars::{DOUBLE, PLAIN, SINGLE, is_blank, is_blankz, is_break};
use crate::error::Error;
use crate::node::Style;

/// Blanks and breaks between two words, not yet decided upon.
#[derive(Default)]
struct Gap {
    /// Where the blanks stand in the source.
    blanks: Range<usize>,
    first_break: Vec<u8>,
    more_breaks: Vec<u8>,
    breaks: bool,
}

impl Gap {
    fn add_blank(&mut self, at: usize) {
        if self.blanks.is_empty() {
            self.blanks = at..at;
        }
        self.blanks.end = at + 1;
    }

    /// Writes what the gap means: the blanks, a folded space, or the breaks after the first.
    fn fold_into(&mut self, text: &mut Vec<u8>, source: &[u8]) {
        if !self.breaks {
            text.extend_from_slice(&source[self.blanks.clone()]);
            self.blanks = 0..0;
            return;
        }
        if self.first_break.first() == Some(&b'\n') {
            if self.more_breaks.is_empty() {
                text.push(b' ');
            }
        } else {
            text.append(&mut self.first_break);
        }
        text.append(&mut self.more_breaks);
        self.first_break.clear();
        self.blanks = 0..0;
        self.breaks = false;
    }
}

const QUOTED: &str = "while scanning a quoted scalar";
const ESCAPE: &str = "while parsing a quoted scalar";

impl Scanner<'_> {
    pub(super) fn scan_quoted(&mut self, single: bool) -> Result<Token, Error> {
        let start = self.pos;
        let quote = if single { b'\'' } else { b'"' };
        self.skip();
        let mut text = Vec::new();
        loop {
            if self.pos.column == 0 && self.is_document_marker() {
                return Err(self.error(QUOTED, start, "found unexpected document indicator"));
            }
            if self.at(0) == 0 {
                return Err(self.error(QUOTED, start, "found unexpected end of stream"));
            }
            let mut gap = Gap::default();
            self.quoted_word(single, quote, start, &mut text, &mut gap)?;
            if self.at(0) == quote {
                break;
            }
            self.quoted_gap(&mut gap);
            gap.fold_into(&mut text, self.text);
        }
        self.skip();
        let mut token = Token::new(TokenKind::Scalar, start, self.pos);
        token.value = text;
        token.style = if single { Style::SingleQuoted } else { Style::DoubleQuoted };
        Ok(token)
    }

    fn quoted_word(
        &mut self,
        single: bool,
        quote: u8,
        start: Pos,
        text: &mut Vec<u8>,
        gap: &mut Gap,
    ) -> Result<(), Error> {
        let class = if single { SINGLE } else { DOUBLE };
        loop {
            self.read_run(class, text);
            if is_blankz(self.text, self.pos.offset) {
                break;
            }
            let letter = self.at(0);
            if single && letter == b'\'' && self.at(1) == b'\'' {
                text.push(b'\'');
                self.skip();
                self.skip();
            } else if letter == quote {
                break;
            } else if !single && letter == b'\\' && is_break(self.text, self.pos.offset + 1) {
                self.skip();
                self.skip_line();
                // The break is escaped: nothing is folded for it, only what follows it.
                gap.breaks = true;
                break;
            } else if !single && letter == b'\\' {
                self.escape(start, text)?;
            } else {
                self.read(text);
            }
        }
        Ok(())
    }

    fn quoted_gap(&mut self, gap: &mut Gap) {
        loop {
            if is_blank(self.text, self.pos.offset) {
                if gap.breaks {
                    self.skip();
                } else {
                    gap.add_blank(self.pos.offset);
                    self.skip();
                }
            } else if is_break(self.text, self.pos.offset) {
                if gap.breaks {
                    self.read_line(&mut gap.more_breaks);
                } else {
                    gap.blanks = 0..0;
                    self.read_line(&mut gap.first_break);
                    gap.breaks = true;
                }
            } else {
                return;
            }
        }
    }

    fn escape(&mut self, start: Pos, text: &mut Vec<u8>) -> Result<(), Error> {
        let plain: &str = match self.at(1) {
            b'0' => "\0",
            b'a' => "\x07",
            b'b' => "\x08",
            b't' | b'\t' => "\t",
            b'n' => "\n",
            b'v' => "\x0b",
            b'f' => "\x0c",
            b'r' => "\r",
            b'e' => "\x1b",
            b' ' => " ",
            b'"' => "\"",
            b'\'' => "'",
            b'\\' => "\\",
            b'N' => "\u{85}",
            b'_' => "\u{a0}",
            b'L' => "\u{2028}",
            b'P' => "\u{2029}",
            b'x' => return self.hex_escape(2, start, text),
            b'u' => return self.hex_escape(4, start, text),
            b'U' => return self.hex_escape(8, start, text),
            _ => return Err(self.error(ESCAPE, start, "found unknown escape character")),
        };
        text.extend_from_slice(plain.as_bytes());
        self.skip();
        self.skip();
        Ok(())
    }

    fn hex_escape(&mut self, digits: usize, start: Pos, text: &mut Vec<u8>) -> Result<(), Error> {
        self.skip();
        self.skip();
        let mut value = 0u32;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.at(ahead)).to_digit(16) else {
                return Err(self.error(ESCAPE, start, "did not find expected hexdecimal number"));
            };
            value = value.wrapping_shl(4) | digit;
        }
        let Some(letter) = char::from_u32(value) else {
            return Err(self.error(ESCAPE, start, "found invalid Unicode character escape code"));
        };
        text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        for _ in 0..digits {
            self.skip();
        }
        Ok(())
    }

    pub(super) fn scan_plain(&mut self) -> Result<Token, Error> {
        let start = self.pos;
        let mut end = self.pos;
        let mut text = Vec::new();
        let mut gap = Gap::default();
        let indent = usize::try_from(self.indent + 1).unwrap_or(0);
        loop {
            if self.pos.column == 0 && self.is_document_marker() || self.at(0) == b'#' {
                break;
            }
            while !is_blankz(self.text, self.pos.offset) && !self.ends_plain() {
                if gap.breaks || !gap.blanks.is_empty() {
                    gap.fold_into(&mut text, self.text);
                }
                let before = text.len();
                self.read_run(PLAIN, &mut text);
                if text.len() == before {
                    self.read(&mut text);
                }
                end = self.pos;
            }
            if !is_blank(self.text, self.pos.offset) && !is_break(self.text, self.pos.offset) {
                break;
            }
            self.plain_gap(&mut gap, indent, start)?;
            if self.flow_level == 0 && self.pos.column < indent {
                break;
            }
        }
        if gap.breaks {
            self.simple_key_allowed = true;
        }
        let mut token = Token::new(TokenKind::Scalar, start, end);
        token.value = text;
        Ok(token)
    }

    fn ends_plain(&self) -> bool {
        match self.at(0) {
            b':' => is_blankz(self.text, self.pos.offset + 1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.flow_level > 0,
            _ => false,
        }
    }

    fn plain_gap(&mut self, gap: &mut Gap, indent: usize, start: Pos) -> Result<(), Error> {
        loop {
            if is_blank(self.text, self.pos.offset) {
                if gap.breaks && self.pos.column < indent && self.at(0) == b'\t' {
                    let problem = "found a tab character that violates indentation";
                    return Err(self.error("while scanning a plain scalar", start, problem));
                }
                if gap.breaks {
                    self.skip();
                } else {
                    gap.add_blank(self.pos.offset);
                    self.skip();
                }
            } else if is_break(self.text, self.pos.offset) {
                if gap.breaks {
                    self.read_line(&mut gap.more_breaks);
                } else {
                    gap.blanks = 0..0;
                    self.read_line(&mut gap.first_break);
                    gap.breaks = true;
                }
            } else {
                return Ok(());
            }
        }
    }
}
