//! Tokens from text, and beside them the queue of comments that belong to tokens.
//!
//! Whitespace decides where a comment belongs, and only the scanner sees whitespace: each comment is queued with
//! the mark of the token it belongs to, and [`crate::parse`] attaches it when that token goes by.
//!
//! Follows: `scannerc.go` of `go.yaml.in/yaml/v3` 3.0.4, its two-token look-ahead included.

use std::collections::VecDeque;

use crate::chars::{is_blankz, is_break};
use crate::error::Error;
use crate::node::Style;
use crate::read::Source;

mod block;
mod comment;
mod fetch;
mod flow;
mod keys;
mod tag;
mod text;

pub(crate) use comment::Comment;

/// A position while scanning, all parts from 0; `index` and `column` count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pos {
    pub(crate) index: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) offset: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    StreamStart,
    StreamEnd,
    Version { major: u8, minor: u8 },
    TagDirective,
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias,
    Anchor,
    Tag,
    Scalar,
}

/// One token; `value` is its text, tag handle or anchor, `suffix` a tag's rest or a directive's prefix.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: Pos,
    pub(crate) end: Pos,
    pub(crate) value: Vec<u8>,
    pub(crate) suffix: Vec<u8>,
    pub(crate) style: Style,
    /// Offset behind the last line of a scalar; `end` may count empty lines in that follow it.
    pub(crate) text_end: usize,
}

impl Token {
    fn new(kind: TokenKind, start: Pos, end: Pos) -> Self {
        let text_end = end.offset;
        Self { kind, start, end, value: Vec::new(), suffix: Vec::new(), style: Style::Plain, text_end }
    }
}

#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token_number: usize,
    mark: Pos,
}

/// The scanner: a text, a place in it, and what is open there.
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    /// What is wrong with the input behind the text.
    broken: Option<&'a Error>,
    pos: Pos,
    /// Line breaks passed since the last character that was neither blank nor break.
    newlines: usize,
    tokens: Vec<Token>,
    /// First token in `tokens` that was not yet taken.
    head: usize,
    taken: usize,
    /// Tokens that are fetched beyond the next one; comments look at them.
    ahead: usize,
    /// The next token was looked at already.
    ready: bool,
    started: bool,
    ended: bool,
    indent: isize,
    indents: Vec<isize>,
    flow_level: usize,
    simple_key_allowed: bool,
    simple_keys: Vec<SimpleKey>,
    /// Numbers of tokens, rising, that have to be settled before they are taken, and which of the simple keys begins there.
    unsettled: VecDeque<(usize, usize)>,
    pub(crate) comments: VecDeque<Comment>,
    /// Comments get their numbers for words.
    pub(crate) numbers_comments: bool,
    /// Bytes of every comment line met, from its `#` to its end.
    pub(crate) places: Vec<std::ops::Range<usize>>,
}

/// Nesting beyond this is refused, as the reference refuses it.
const MAX_DEPTH: usize = 10_000;

impl<'a> Scanner<'a> {
    pub(crate) fn new(source: &'a Source<'_>) -> Self {
        Self {
            text: source.text.as_bytes(),
            broken: source.broken.as_ref(),
            pos: Pos { offset: 0, ..Pos::default() },
            newlines: 0,
            tokens: Vec::new(),
            head: 0,
            taken: 0,
            ahead: 2,
            ready: false,
            started: false,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            unsettled: VecDeque::new(),
            comments: VecDeque::new(),
            numbers_comments: false,
            places: Vec::new(),
        }
    }

    /// Looks no further than it must, as v2 does, so that mistakes further on are not met; v2 keeps no comments.
    pub(crate) fn look_less(&mut self) {
        self.ahead = 0;
    }

    fn keeps_comments(&self) -> bool {
        self.ahead > 0
    }

    /// Returns the next token without taking it.
    pub(crate) fn peek(&mut self) -> Result<&mut Token, Error> {
        if !self.ready {
            while self.needs_more()? {
                self.fetch()?;
            }
            self.ready = true;
        }
        Ok(&mut self.tokens[self.head])
    }

    /// Takes the next token; it must have been peeked at.
    pub(crate) fn take(&mut self) -> Token {
        let empty =
            Token::new(self.tokens[self.head].kind, self.tokens[self.head].start, self.tokens[self.head].end);
        let token = std::mem::replace(&mut self.tokens[self.head], empty);
        self.ready = false;
        self.head += 1;
        self.taken += 1;
        // The last two tokens stay: comments look back at them.
        if self.head > 128 {
            self.tokens.drain(..self.head - 2);
            self.head = 2;
        }
        token
    }

    fn needs_more(&mut self) -> Result<bool, Error> {
        let ahead = if self.ended { 0 } else { self.ahead };
        if self.head + ahead < self.tokens.len() {
            // A simple key that may begin at the next token must be settled first.
            while self.unsettled.front().is_some_and(|(number, _)| *number < self.taken) {
                self.unsettled.pop_front();
            }
            return match self.unsettled.front() {
                Some(&(number, at)) if number == self.taken && at < self.simple_keys.len() => {
                    Ok(self.key_is_valid(at)? && !self.ended)
                }
                _ => Ok(false),
            };
        }
        Ok(true)
    }

    /// Fetches one more token, unless the input is broken so near that the reference would have run into it.
    fn fetch(&mut self) -> Result<(), Error> {
        let Some(broken) = self.broken else { return self.fetch_token() };
        if self.pos.offset + 4 > self.text.len() {
            return Err(broken.clone());
        }
        let outcome = self.fetch_token();
        if self.pos.offset + 2 > self.text.len() { Err(broken.clone()) } else { outcome }
    }

    fn fetch_token(&mut self) -> Result<(), Error> {
        if !self.started {
            self.started = true;
            self.push(Token::new(TokenKind::StreamStart, self.pos, self.pos));
            return Ok(());
        }
        let scan_mark = self.pos;
        self.skip_to_token()?;
        self.unroll_indent(isize_of(self.pos.column), scan_mark);
        let (first, column) = (self.at(0), self.pos.column);
        if first == 0 {
            return self.fetch_stream_end();
        }
        if column == 0 && first == b'%' {
            return self.fetch_directive();
        }
        if column == 0 && self.is_document_marker() {
            let kind = if first == b'-' { TokenKind::DocumentStart } else { TokenKind::DocumentEnd };
            return self.fetch_document_indicator(kind);
        }
        let mut comment_mark = self.pos;
        if self.flow_level == 0 && first == b':' || self.flow_level > 0 && first == b',' {
            // What follows on the line belongs to the token before.
            if let Some(last) = self.tokens.last() {
                comment_mark = last.start;
            }
        }
        self.fetch_content(first)?;
        if self.tokens.last().is_some_and(|token| token.kind != TokenKind::BlockEntry) {
            self.scan_line_comment(comment_mark);
        }
        Ok(())
    }

    fn fetch_content(&mut self, first: u8) -> Result<(), Error> {
        let block = self.flow_level == 0;
        let space_follows = is_blankz(self.text, self.pos.offset + 1);
        match first {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if space_follows => self.fetch_block_entry(),
            b'?' if !block || space_follows => self.fetch_key(),
            b':' if !block || space_follows => self.fetch_value(),
            b'*' => self.fetch_anchor(TokenKind::Alias),
            b'&' => self.fetch_anchor(TokenKind::Anchor),
            b'!' => self.fetch_tag(),
            b'|' if block => self.fetch_block_scalar(true),
            b'>' if block => self.fetch_block_scalar(false),
            b'\'' => self.fetch_quoted(true),
            b'"' => self.fetch_quoted(false),
            b'|' | b'>' | b'%' | b'@' | b'`' | b'#' | b'\t' => Err(self.no_token()),
            _ if is_blankz(self.text, self.pos.offset) => Err(self.no_token()),
            _ => self.fetch_plain(),
        }
    }

    fn no_token(&self) -> Error {
        self.error(
            "while scanning for the next token",
            self.pos,
            "found character that cannot start any token",
        )
    }

    fn is_document_marker(&self) -> bool {
        let mark = [self.at(0), self.at(1), self.at(2)];
        (mark == *b"---" || mark == *b"...") && is_blankz(self.text, self.pos.offset + 3)
    }

    fn error(&self, context: &str, context_mark: Pos, problem: &str) -> Error {
        // The reference counts from 0, leaves 0 out, and adds one for scanner errors.
        let mut error = Error::marked(problem, context_mark.line, self.pos.line, 1);
        error.column = Some(self.pos.column + 1);
        let place = |pos: Pos| format!("{}:{}", pos.line + 1, pos.column + 1);
        let mut detail = format!("{problem} | problem_mark {}", place(self.pos));
        if !context.is_empty() {
            detail = format!("{context} | context_mark {} | {detail}", place(context_mark));
        }
        error.detail = Some(detail.into());
        error
    }

    // ---- tokens

    fn push(&mut self, token: Token) {
        self.tokens.push(token);
    }

    /// Puts a token before another one; behind all of them when that one was taken already.
    fn insert(&mut self, number: usize, token: Token) {
        match number.checked_sub(self.taken) {
            Some(waiting) => self.tokens.insert(self.head + waiting, token),
            None => self.push(token),
        }
    }

    fn one_character(&mut self, kind: TokenKind) {
        let start = self.pos;
        self.skip();
        self.push(Token::new(kind, start, self.pos));
    }

    /// Passes blanks, breaks and comments up to the next token.
    fn skip_to_token(&mut self) -> Result<(), Error> {
        let scan_mark = self.pos;
        loop {
            while self.at(0) == b' '
                || self.at(0) == b'\t' && (self.flow_level > 0 || !self.simple_key_allowed)
            {
                self.skip();
            }
            self.dash_comment_to_head();
            if self.at(0) == b'#' {
                if self.keeps_comments() {
                    self.scan_comments(scan_mark);
                } else {
                    self.pass_comment();
                }
            }
            if !is_break(self.text, self.pos.offset) {
                return Ok(());
            }
            self.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Makes the comment behind the first dash of a sequence the head of what follows.
    fn dash_comment_to_head(&mut self) {
        let [.., before, last] = self.tokens.as_slice() else { return };
        let first_dash = before.kind == TokenKind::BlockSequenceStart && last.kind == TokenKind::BlockEntry;
        if !first_dash || is_break(self.text, self.pos.offset) {
            return;
        }
        let here = self.pos;
        let Some(comment) = self.comments.back_mut() else { return };
        if !comment.line.is_empty() {
            comment.head = std::mem::take(&mut comment.line);
            if comment.start.line + 1 == here.line {
                comment.token = here;
            }
        }
    }
}

fn isize_of(column: usize) -> isize {
    isize::try_from(column).unwrap_or(isize::MAX)
}
