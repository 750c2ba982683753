//! One token each: what the scanner does for an indicator that it met.
//!
//! Follows: `scannerc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use super::{MAX_DEPTH, Scanner, SimpleKey, Token, TokenKind};
use crate::chars::{is_alpha, is_blankz};
use crate::error::Error;

impl Scanner<'_> {
    pub(super) fn fetch_stream_end(&mut self) -> Result<(), Error> {
        if self.pos.column != 0 {
            self.pos.column = 0;
            self.pos.line += 1;
        }
        self.unroll_indent(-1, self.pos);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.ended = true;
        self.push(Token::new(TokenKind::StreamEnd, self.pos, self.pos));
        Ok(())
    }

    pub(super) fn fetch_directive(&mut self) -> Result<(), Error> {
        self.unroll_indent(-1, self.pos);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_directive()?;
        self.push(token);
        Ok(())
    }

    pub(super) fn fetch_document_indicator(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.unroll_indent(-1, self.pos);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.pos;
        for _ in 0..3 {
            self.skip();
        }
        self.push(Token::new(kind, start, self.pos));
        Ok(())
    }

    pub(super) fn fetch_flow_start(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.save_simple_key()?;
        // The reference gives the new level the number of the bracket, and forgets that number with the level: an
        // empty collection that may be a key is taken without waiting for a `:`.
        let token_number = self.next_number();
        self.simple_keys.push(SimpleKey { token_number, mark: self.pos, ..SimpleKey::default() });
        self.flow_level += 1;
        if self.flow_level > MAX_DEPTH {
            let problem = format!("exceeded max depth of {MAX_DEPTH}");
            return Err(self.error("while increasing flow level", self.pos, &problem));
        }
        self.simple_key_allowed = true;
        self.one_character(kind);
        Ok(())
    }

    pub(super) fn fetch_flow_end(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(key) = self.simple_keys.pop() {
                self.settle(key.token_number);
            }
        }
        self.simple_key_allowed = false;
        self.one_character(kind);
        Ok(())
    }

    pub(super) fn fetch_flow_entry(&mut self) -> Result<(), Error> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.one_character(TokenKind::FlowEntry);
        Ok(())
    }

    pub(super) fn fetch_block_entry(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                let problem = "block sequence entries are not allowed in this context";
                return Err(self.error("", self.pos, problem));
            }
            self.roll_indent(self.pos.column, None, TokenKind::BlockSequenceStart, self.pos)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.one_character(TokenKind::BlockEntry);
        Ok(())
    }

    pub(super) fn fetch_key(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error("", self.pos, "mapping keys are not allowed in this context"));
            }
            self.roll_indent(self.pos.column, None, TokenKind::BlockMappingStart, self.pos)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.one_character(TokenKind::Key);
        Ok(())
    }

    pub(super) fn fetch_value(&mut self) -> Result<(), Error> {
        let last = self.simple_keys.len() - 1;
        if self.key_is_valid(last)? {
            let key = self.simple_keys[last];
            self.insert(key.token_number, Token::new(TokenKind::Key, key.mark, key.mark));
            self.roll_indent(
                key.mark.column,
                Some(key.token_number),
                TokenKind::BlockMappingStart,
                key.mark,
            )?;
            self.simple_keys[last].possible = false;
            self.settle(key.token_number);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error("", self.pos, "mapping values are not allowed in this context"));
                }
                self.roll_indent(self.pos.column, None, TokenKind::BlockMappingStart, self.pos)?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.one_character(TokenKind::Value);
        Ok(())
    }

    pub(super) fn fetch_anchor(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.pos;
        self.skip();
        let mut name = Vec::new();
        while is_alpha(self.at(0)) {
            self.read(&mut name);
        }
        let follows = is_blankz(self.text, self.pos.offset) || b"?:,]}%@`".contains(&self.at(0));
        if name.is_empty() || !follows {
            let problem = "did not find expected alphabetic or numeric character";
            let alias = kind == TokenKind::Alias;
            let context = if alias { "while scanning an alias" } else { "while scanning an anchor" };
            return Err(self.error(context, start, problem));
        }
        let mut token = Token::new(kind, start, self.pos);
        token.value = name;
        self.push(token);
        Ok(())
    }

    pub(super) fn fetch_tag(&mut self) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_tag()?;
        self.push(token);
        Ok(())
    }

    pub(super) fn fetch_block_scalar(&mut self, literal: bool) -> Result<(), Error> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let token = self.scan_block_scalar(literal)?;
        self.push(token);
        Ok(())
    }

    pub(super) fn fetch_quoted(&mut self, single: bool) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_quoted(single)?;
        self.push(token);
        Ok(())
    }

    pub(super) fn fetch_plain(&mut self) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_plain()?;
        self.push(token);
        Ok(())
    }
}
