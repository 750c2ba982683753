//! Bytes that are not UTF-8, as letters while the text around them is read.
//!
//! Each stands for a letter at the end of the last private plane, so that the reader sees a text. A text that is not UTF-8
//! and has such letters of its own is refused.

use zeroize::Zeroizing;

use super::read::wrong;
use crate::error::Error;
use crate::tree::Text;

/// The letter of byte 0; those of the bytes that can be wrong, from 0x80, are the last of all.
const FIRST: u32 = 0x0010_ff00;

/// A text, or bytes seen as one.
pub(super) enum Letters<'b> {
    Text(&'b str),
    Seen(Zeroizing<String>),
}

impl<'b> Letters<'b> {
    pub(super) fn of(input: &'b [u8]) -> Result<Self, Error> {
        let letters = Self::of_all(input);
        let has_own = |text: &str| text.chars().any(|letter| byte(letter).is_some());
        if !letters.is_text() && input.utf8_chunks().any(|chunk| has_own(chunk.valid())) {
            return Err(wrong("the file is not UTF-8"));
        }
        Ok(letters)
    }

    pub(super) fn of_all(input: &'b [u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(input) {
            return Self::Text(text);
        }
        let mut seen = Zeroizing::new(String::with_capacity(4 * input.len()));
        for chunk in input.utf8_chunks() {
            seen.push_str(chunk.valid());
            seen.extend(chunk.invalid().iter().filter_map(|&byte| char::from_u32(FIRST + u32::from(byte))));
        }
        Self::Seen(seen)
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Seen(seen) => seen,
        }
    }

    /// Is it UTF-8, so that places in it are places in the input?
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// A name, which must be UTF-8.
    pub(super) fn name(&self, name: String) -> Result<String, Error> {
        if !self.is_text() && name.chars().any(|letter| byte(letter).is_some()) {
            return Err(wrong("a name is not UTF-8"));
        }
        Ok(name)
    }

    /// A part of the text as it stood in the input.
    pub(super) fn text(&self, part: &str) -> Text {
        if self.is_text() { part.into() } else { Text::new(self.bytes(part)) }
    }

    pub(super) fn bytes(&self, part: &str) -> Vec<u8> {
        if self.is_text() {
            return part.as_bytes().to_vec();
        }
        let mut out = Vec::with_capacity(part.len());
        for letter in part.chars() {
            match byte(letter) {
                Some(byte) => out.push(byte),
                None => out.extend(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out
    }
}

/// The byte that a letter stands for.
fn byte(letter: char) -> Option<u8> {
    u8::try_from(u32::from(letter).checked_sub(FIRST)?).ok().filter(|byte| !byte.is_ascii())
}
