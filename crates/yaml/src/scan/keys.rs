//! Keys that only a `:` behind them shows, and the indentation of blocks.

use crate::error::Error;

use super::{MAX_DEPTH, Pos, Scanner, SimpleKey, Token, TokenKind, isize_of};

impl Scanner<'_> {
    /// Tells whether the key at this place of the stack can still be one.
    pub(super) fn key_is_valid(&mut self, at: usize) -> Result<bool, Error> {
        let key = self.simple_keys[at];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.pos.line || key.mark.index + 1024 < self.pos.index {
            if key.required {
                return Err(self.error(
                    "while scanning a simple key",
                    key.mark,
                    "could not find expected ':'",
                ));
            }
            self.simple_keys[at].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn save_simple_key(&mut self) -> Result<(), Error> {
        if self.simple_key_allowed {
            let required = self.flow_level == 0 && self.indent == isize_of(self.pos.column);
            let token_number = self.next_number();
            self.remove_simple_key()?;
            let last = self.simple_keys.len() - 1;
            self.simple_keys[last] = SimpleKey { possible: true, required, token_number, mark: self.pos };
            self.settle(token_number);
            self.unsettled.push_back((token_number, last));
        }
        Ok(())
    }

    pub(super) fn remove_simple_key(&mut self) -> Result<(), Error> {
        let last = self.simple_keys.len() - 1;
        let key = self.simple_keys[last];
        if key.possible {
            if key.required {
                return Err(self.error(
                    "while scanning a simple key",
                    key.mark,
                    "could not find expected ':'",
                ));
            }
            self.simple_keys[last].possible = false;
            self.settle(key.token_number);
        }
        Ok(())
    }

    /// The number of the token that is fetched next.
    pub(super) fn next_number(&self) -> usize {
        self.taken + (self.tokens.len() - self.head)
    }

    /// Notes that a token needs not wait for what follows it.
    pub(super) fn settle(&mut self, token_number: usize) {
        if let Ok(at) = self.unsettled.binary_search_by_key(&token_number, |(number, _)| *number) {
            self.unsettled.remove(at);
        }
    }

    pub(super) fn roll_indent(
        &mut self,
        column: usize,
        number: Option<usize>,
        kind: TokenKind,
        mark: Pos,
    ) -> Result<(), Error> {
        if self.flow_level > 0 || self.indent >= isize_of(column) {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = isize_of(column);
        if self.indents.len() > MAX_DEPTH {
            let problem = format!("exceeded max depth of {MAX_DEPTH}");
            let mark = self.simple_keys.last().map_or(self.pos, |key| key.mark);
            return Err(self.error("while increasing indent level", mark, &problem));
        }
        let token = Token::new(kind, mark, mark);
        match number {
            Some(number) => self.insert(number, token),
            None => self.push(token),
        }
        Ok(())
    }

    /// Closes the blocks that are deeper than `column`, each where its last comment ended.
    pub(super) fn unroll_indent(&mut self, column: isize, scan_mark: Pos) {
        if self.flow_level > 0 {
            return;
        }
        // One before the scan mark; -1 at the start of the text.
        let mut block_mark = scan_mark;
        let mut block_index = scan_mark.index as isize - 1;
        while self.indent > column {
            let mut stop = block_index;
            for comment in self.comments.iter().rev() {
                if (comment.end.index as isize) < stop {
                    break;
                }
                if isize_of(comment.start.column) == self.indent + 1 {
                    block_mark = comment.start;
                    block_index = comment.start.index as isize;
                }
                stop = comment.scan.index as isize;
            }
            let mut at = block_mark;
            at.index = block_index.max(0) as usize;
            if !self.keeps_comments() {
                // The block ends where the next token begins.
                at = self.pos;
            }
            self.push(Token::new(TokenKind::BlockEnd, at, at));
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }
}
