//! Comments while scanning: which token each belongs to, and on which side of it.
//!
//! Follows: `scannerc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use super::{Pos, Scanner, TokenKind};
use crate::chars::{is_blank, is_break, is_breakz};

/// A comment on its way to a token; exactly one of the texts is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comment {
    /// Where the scan that met it began.
    pub(crate) scan: Pos,
    /// Start of the token it belongs to.
    pub(crate) token: Pos,
    /// Its own first character.
    pub(crate) start: Pos,
    /// Behind its last line.
    pub(crate) end: Pos,
    pub(crate) head: Vec<u8>,
    pub(crate) line: Vec<u8>,
    pub(crate) foot: Vec<u8>,
}

/// So many characters are looked ahead over at the most.
const LOOK_AHEAD: usize = 512;

impl Scanner<'_> {
    /// Takes a comment that stands on the line of the token just scanned.
    pub(super) fn scan_line_comment(&mut self, token: Pos) {
        if self.newlines > 0 || !self.keeps_comments() {
            return;
        }
        let blanks = (0..LOOK_AHEAD).take_while(|ahead| is_blank(self.text, self.pos.offset + ahead)).count();
        if blanks == LOOK_AHEAD || self.at(blanks) != b'#' {
            return;
        }
        for _ in 0..blanks {
            self.skip();
        }
        let start = self.pos;
        let line = self.comment_text();
        self.comments.push_back(Comment { token, start, line, ..Comment::default() });
    }

    /// Passes a comment that no node gets.
    pub(super) fn pass_comment(&mut self) {
        let start = self.pos.offset;
        while !is_breakz(self.text, self.pos.offset) {
            self.skip();
        }
        if start < self.pos.offset {
            self.places.push(start..self.pos.offset);
        }
    }

    fn comment_text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        self.read_comment(&mut text);
        text
    }

    /// Copies a comment from its `#` to the end of its line, or writes its number.
    fn read_comment(&mut self, out: &mut Vec<u8>) {
        let (start, before) = (self.pos.offset, out.len());
        self.read_to_break(out);
        if self.numbers_comments {
            out.truncate(before);
            out.extend_from_slice(format!("#{}", self.places.len()).as_bytes());
        }
        self.places.push(start..self.pos.offset);
    }

    /// Takes the whole-line comments from here to the next token, split where they change sides.
    pub(super) fn scan_comments(&mut self, scan_mark: Pos) {
        let mut block = Block::new(self, scan_mark);
        let mut peek = 0;
        while peek < LOOK_AHEAD {
            block.column += 1;
            let at = self.pos.offset + peek;
            if is_blank(self.text, at) {
                peek += 1;
                continue;
            }
            let letter = self.at(peek);
            let closes_flow = self.flow_level > 0 && (letter == b']' || letter == b'}');
            if closes_flow || is_breakz(self.text, at) {
                if closes_flow || !block.recent_empty {
                    block.at_line_end(self, peek, closes_flow);
                }
                if !is_break(self.text, at) {
                    break;
                }
                block.first_empty = false;
                block.recent_empty = true;
                block.column = 0;
                block.line += 1;
                peek += 1;
                continue;
            }
            let dedented = block.column < block.next_indent + 1 && block.column != block.start.column;
            if !block.text.is_empty() && dedented {
                block.close_foot(self, peek);
            }
            if letter != b'#' {
                break;
            }
            block.take_line(self, peek);
            // The reference sets its counter to 0 and then steps on: the break behind a comment goes by unseen.
            block.column = 0;
            peek = 1;
        }
        block.finish(self, peek);
    }
}

/// Comment lines gathered so far, and what is known of the lines around them.
struct Block {
    scan: Pos,
    token: Pos,
    token_kind: Option<TokenKind>,
    start: Pos,
    text: Vec<u8>,
    next_indent: usize,
    recent_empty: bool,
    first_empty: bool,
    line: usize,
    column: usize,
    foot_line: Option<usize>,
}

impl Block {
    fn new(scanner: &Scanner<'_>, scan: Pos) -> Self {
        let mut last = scanner.tokens.last();
        if last.is_some_and(|token| token.kind == TokenKind::FlowEntry) && scanner.tokens.len() > 1 {
            last = scanner.tokens.get(scanner.tokens.len() - 2);
        }
        let mut foot_line = None;
        if scan.line > 0 {
            let mut line = scanner.pos.line + 1 - scanner.newlines.min(scanner.pos.line + 1);
            if scanner.newlines == 0 && scanner.pos.column > 1 {
                line += 1;
            }
            foot_line = Some(line);
        }
        Self {
            scan,
            token: last.map(|token| token.start).unwrap_or_default(),
            token_kind: last.map(|token| token.kind),
            start: Pos::default(),
            text: Vec::new(),
            next_indent: usize::try_from(scanner.indent).unwrap_or(0),
            recent_empty: false,
            first_empty: scanner.newlines <= 1,
            line: scanner.pos.line,
            column: scanner.pos.column,
            foot_line,
        }
    }

    fn mark(&self, scanner: &Scanner<'_>, peek: usize) -> Pos {
        Pos {
            index: scanner.pos.index + peek,
            line: self.line,
            column: self.column,
            offset: scanner.pos.offset + peek,
        }
    }

    /// The first line end after a comment line, or a closing bracket: the comment may be a foot.
    fn at_line_end(&mut self, scanner: &mut Scanner<'_>, peek: usize, closes_flow: bool) {
        let below_token =
            self.foot_line == Some(self.start.line) && self.token_kind != Some(TokenKind::Value);
        let outdented = self.start.column < self.next_indent + 1;
        if closes_flow || self.first_empty && (below_token || outdented) {
            if !self.text.is_empty() {
                if outdented {
                    self.token = self.start;
                }
                self.close_foot(scanner, peek);
            }
        } else if !self.text.is_empty() && scanner.at(peek) != 0 {
            self.text.push(b'\n');
        }
    }

    fn close_foot(&mut self, scanner: &mut Scanner<'_>, peek: usize) {
        let end = self.mark(scanner, peek);
        scanner.comments.push_back(Comment {
            scan: self.scan,
            token: self.token,
            start: self.start,
            end,
            foot: std::mem::take(&mut self.text),
            ..Comment::default()
        });
        self.scan = end;
        self.token = end;
    }

    fn take_line(&mut self, scanner: &mut Scanner<'_>, peek: usize) {
        if self.text.is_empty() {
            self.start = self.mark(scanner, peek);
        } else {
            self.text.push(b'\n');
        }
        self.recent_empty = false;
        let seen = scanner.pos.index + peek;
        while scanner.pos.index < seen {
            if is_breakz(scanner.text, scanner.pos.offset) {
                scanner.skip_line();
            } else {
                scanner.skip();
            }
        }
        scanner.read_comment(&mut self.text);
        self.line = scanner.pos.line;
        self.next_indent = usize::try_from(scanner.indent).unwrap_or(0);
    }

    fn finish(self, scanner: &mut Scanner<'_>, peek: usize) {
        if self.text.is_empty() {
            return;
        }
        let mut end = self.mark(scanner, peek);
        end.index = end.index.saturating_sub(1);
        scanner.comments.push_back(Comment {
            scan: self.scan,
            token: self.start,
            start: self.start,
            end,
            head: self.text,
            ..Comment::default()
        });
    }
}
