//! Tags and directives.
//!
//! Follows: `scannerc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use super::{Pos, Scanner, Token, TokenKind};
use crate::chars::{is_alpha, is_blank, is_blankz, is_break, is_breakz, width};
use crate::error::Error;

const DIRECTIVE: &str = "while scanning a directive";
const VERSION: &str = "while scanning a %YAML directive";
const TAG: &str = "while parsing a tag";
const TAG_DIRECTIVE: &str = "while parsing a %TAG directive";

impl Scanner<'_> {
    pub(super) fn scan_directive(&mut self) -> Result<Token, Error> {
        let start = self.pos;
        self.skip();
        let mut name = Vec::new();
        while is_alpha(self.at(0)) {
            self.read(&mut name);
        }
        if name.is_empty() {
            return Err(self.error(DIRECTIVE, start, "could not find expected directive name"));
        }
        if !is_blankz(self.text, self.pos.offset) {
            return Err(self.error(DIRECTIVE, start, "found unexpected non-alphabetical character"));
        }
        let token = match name.as_slice() {
            b"YAML" => self.version_value(start)?,
            b"TAG" => self.tag_value(start)?,
            _ => return Err(self.error(DIRECTIVE, start, "found unknown directive name")),
        };
        self.skip_blanks();
        if self.at(0) == b'#' {
            self.pass_comment();
        }
        if !is_breakz(self.text, self.pos.offset) {
            return Err(self.error(DIRECTIVE, start, "did not find expected comment or line break"));
        }
        if is_break(self.text, self.pos.offset) {
            self.skip_line();
        }
        Ok(token)
    }

    fn skip_blanks(&mut self) {
        while is_blank(self.text, self.pos.offset) {
            self.skip();
        }
    }

    fn version_value(&mut self, start: Pos) -> Result<Token, Error> {
        self.skip_blanks();
        let major = self.version_number(start)?;
        if self.at(0) != b'.' {
            return Err(self.error(VERSION, start, "did not find expected digit or '.' character"));
        }
        self.skip();
        let minor = self.version_number(start)?;
        Ok(Token::new(TokenKind::Version { major, minor }, start, self.pos))
    }

    fn version_number(&mut self, start: Pos) -> Result<u8, Error> {
        let mut value = 0;
        let mut length = 0;
        while self.at(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return Err(self.error(VERSION, start, "found extremely long version number"));
            }
            value = value * 10 + (self.at(0) - b'0');
            self.skip();
        }
        if length == 0 {
            return Err(self.error(VERSION, start, "did not find expected version number"));
        }
        Ok(value)
    }

    fn tag_value(&mut self, start: Pos) -> Result<Token, Error> {
        self.skip_blanks();
        let handle = self.tag_handle(TAG_DIRECTIVE, start)?;
        if !is_blank(self.text, self.pos.offset) {
            return Err(self.error(
                "while scanning a %TAG directive",
                start,
                "did not find expected whitespace",
            ));
        }
        self.skip_blanks();
        let prefix = self.tag_uri(b"", start, TAG_DIRECTIVE)?;
        if !is_blankz(self.text, self.pos.offset) {
            return Err(self.error(
                "while scanning a %TAG directive",
                start,
                "did not find expected whitespace or line break",
            ));
        }
        let mut token = Token::new(TokenKind::TagDirective, start, self.pos);
        token.value = handle;
        token.suffix = prefix;
        Ok(token)
    }

    pub(super) fn scan_tag(&mut self) -> Result<Token, Error> {
        let start = self.pos;
        let (handle, suffix) =
            if self.at(1) == b'<' { self.verbatim_tag(start)? } else { self.short_tag(start)? };
        if !is_blankz(self.text, self.pos.offset) {
            return Err(self.error(
                "while scanning a tag",
                start,
                "did not find expected whitespace or line break",
            ));
        }
        let mut token = Token::new(TokenKind::Tag, start, self.pos);
        token.value = handle;
        token.suffix = suffix;
        Ok(token)
    }

    fn verbatim_tag(&mut self, start: Pos) -> Result<(Vec<u8>, Vec<u8>), Error> {
        self.skip();
        self.skip();
        let uri = self.tag_uri(b"", start, TAG)?;
        if self.at(0) != b'>' {
            return Err(self.error("while scanning a tag", start, "did not find the expected '>'"));
        }
        self.skip();
        Ok((Vec::new(), uri))
    }

    fn short_tag(&mut self, start: Pos) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let handle = self.tag_handle(TAG, start)?;
        if handle.len() > 1 && handle.ends_with(b"!") {
            let suffix = self.tag_uri(b"", start, TAG)?;
            return Ok((handle, suffix));
        }
        let suffix = self.tag_uri(&handle, start, TAG)?;
        // `!` alone: the tag is its own suffix.
        if suffix.is_empty() { Ok((Vec::new(), b"!".to_vec())) } else { Ok((b"!".to_vec(), suffix)) }
    }

    fn tag_handle(&mut self, context: &str, start: Pos) -> Result<Vec<u8>, Error> {
        if self.at(0) != b'!' {
            return Err(self.error(context, start, "did not find expected '!'"));
        }
        let mut handle = Vec::new();
        self.read(&mut handle);
        while is_alpha(self.at(0)) {
            self.read(&mut handle);
        }
        if self.at(0) == b'!' {
            self.read(&mut handle);
        } else if context == TAG_DIRECTIVE && handle != b"!" {
            return Err(self.error(context, start, "did not find expected '!'"));
        }
        Ok(handle)
    }

    /// Reads the URI part; what was read as a handle without closing `!` belongs to it.
    fn tag_uri(&mut self, head: &[u8], start: Pos, context: &str) -> Result<Vec<u8>, Error> {
        let mut uri = head.get(1..).unwrap_or_default().to_vec();
        let mut any = !head.is_empty();
        while is_alpha(self.at(0)) || b";/?:@&=+$,.!~*'()[]%".contains(&self.at(0)) {
            if self.at(0) == b'%' {
                self.uri_escape(start, &mut uri, context)?;
            } else {
                self.read(&mut uri);
            }
            any = true;
        }
        if !any {
            return Err(self.error(context, start, "did not find expected tag URI"));
        }
        Ok(uri)
    }

    /// Reads the escaped bytes of one character.
    fn uri_escape(&mut self, start: Pos, uri: &mut Vec<u8>, context: &str) -> Result<(), Error> {
        let mut left = 0;
        let mut first = true;
        while first || left > 0 {
            let digit = |at: usize| char::from(self.at(at)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.at(0), digit(1), digit(2)) else {
                return Err(self.error(context, start, "did not find URI escaped octet"));
            };
            let octet = (high * 16 + low) as u8;
            if first {
                if matches!(octet, 0x80..=0xbf | 0xf8..) {
                    return Err(self.error(context, start, "found an incorrect leading UTF-8 octet"));
                }
                left = width(octet);
                first = false;
            } else if octet & 0xc0 != 0x80 {
                return Err(self.error(context, start, "found an incorrect trailing UTF-8 octet"));
            }
            uri.push(octet);
            for _ in 0..3 {
                self.skip();
            }
            left -= 1;
        }
        Ok(())
    }
}
