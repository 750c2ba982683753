//! Literal and folded block scalars.
//!
//! Follows: `scannerc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use super::{Pos, Scanner, Token, TokenKind};
use crate::chars::{is_blank, is_break, is_breakz};
use crate::error::Error;
use crate::node::Style;

/// What becomes of the line breaks at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomp {
    Strip,
    Clip,
    Keep,
}

const CONTEXT: &str = "while scanning a block scalar";

impl Scanner<'_> {
    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<Token, Error> {
        let start = self.pos;
        self.skip();
        let (chomp, increment) = self.block_header(start)?;
        self.block_header_end(start)?;
        let mut end = self.pos;
        let mut text_end = self.pos.offset;
        let base = usize::try_from(self.indent).unwrap_or(0);
        let mut indent = if increment > 0 { base + increment } else { 0 };
        let mut text = Vec::new();
        let mut leading_break = Vec::new();
        let mut trailing_breaks = Vec::new();
        self.block_breaks(&mut indent, &mut trailing_breaks, start, &mut end)?;
        let mut leading_blank = false;
        while self.pos.column == indent && self.at(0) != 0 {
            let trailing_blank = is_blank(self.text, self.pos.offset);
            let folds =
                !literal && !leading_blank && !trailing_blank && leading_break.first() == Some(&b'\n');
            if !folds {
                text.append(&mut leading_break);
            } else if trailing_breaks.is_empty() {
                text.push(b' ');
            }
            leading_break.clear();
            text.append(&mut trailing_breaks);
            leading_blank = is_blank(self.text, self.pos.offset);
            self.read_to_break(&mut text);
            self.read_line(&mut leading_break);
            text_end = self.pos.offset;
            self.block_breaks(&mut indent, &mut trailing_breaks, start, &mut end)?;
        }
        if chomp != Chomp::Strip {
            text.append(&mut leading_break);
        }
        if chomp == Chomp::Keep {
            text.append(&mut trailing_breaks);
        }
        let mut token = Token::new(TokenKind::Scalar, start, end);
        token.value = text;
        token.text_end = if chomp == Chomp::Keep { end.offset } else { text_end };
        token.style = if literal { Style::Literal } else { Style::Folded };
        Ok(token)
    }

    fn block_header(&mut self, start: Pos) -> Result<(Chomp, usize), Error> {
        let mut chomp = Chomp::Clip;
        let mut increment = 0;
        // Either order: a sign and a digit, or a digit and a sign.
        for _ in 0..2 {
            match self.at(0) {
                sign @ (b'+' | b'-') if chomp == Chomp::Clip => {
                    chomp = if sign == b'+' { Chomp::Keep } else { Chomp::Strip };
                }
                b'0' if increment == 0 => {
                    return Err(self.error(CONTEXT, start, "found an indentation indicator equal to 0"));
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = usize::from(digit - b'0'),
                _ => break,
            }
            self.skip();
        }
        Ok((chomp, increment))
    }

    fn block_header_end(&mut self, start: Pos) -> Result<(), Error> {
        while is_blank(self.text, self.pos.offset) {
            self.skip();
        }
        if self.at(0) == b'#' {
            self.scan_line_comment(start);
            self.pass_comment();
        }
        if !is_breakz(self.text, self.pos.offset) {
            return Err(self.error(CONTEXT, start, "did not find expected comment or line break"));
        }
        self.skip_line();
        Ok(())
    }

    /// Passes indentation and empty lines; finds the indentation when it is not known yet.
    fn block_breaks(
        &mut self,
        indent: &mut usize,
        breaks: &mut Vec<u8>,
        start: Pos,
        end: &mut Pos,
    ) -> Result<(), Error> {
        *end = self.pos;
        let mut deepest = 0;
        loop {
            while (*indent == 0 || self.pos.column < *indent) && self.at(0) == b' ' {
                self.skip();
            }
            deepest = deepest.max(self.pos.column);
            if (*indent == 0 || self.pos.column < *indent) && self.at(0) == b'\t' {
                let problem = "found a tab character where an indentation space is expected";
                return Err(self.error(CONTEXT, start, problem));
            }
            if !is_break(self.text, self.pos.offset) {
                break;
            }
            self.read_line(breaks);
            *end = self.pos;
        }
        if *indent == 0 {
            let least = usize::try_from(self.indent + 1).unwrap_or(0).max(1);
            *indent = deepest.max(least);
        }
        Ok(())
    }
}
