//! Armor of age files: the lines of base64 around a wrapped data key.
//!
//! Follows: `armor` of age 1.3, whose words the reasons have.

use ::age::DecryptError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, DecodeSliceError};

use super::file::{BEGIN, COLUMNS, END};
use super::identity::words;

const LINE_BYTES: usize = COLUMNS / 4 * 3;
const MAX_BLANKS: usize = 1024;

/// What could be read of an armored file.
pub(super) struct Content {
    /// The bytes up to the first mistake.
    pub(super) bytes: Vec<u8>,
    /// The first mistake.
    pub(super) flaw: Option<String>,
}

impl Content {
    pub(super) fn read(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
        let flaw = read_into(&mut bytes, text).err().map(|reason| format!("invalid armor: {reason}"));
        Self { bytes, flaw }
    }

    /// The mistake and what could not be read because of it, when it stands in the header.
    pub(super) fn flaw_of_header(&self) -> Option<String> {
        let flaw = self.flaw.as_ref()?;
        let has_intro = self.bytes.contains(&b'\n');
        let mut lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        if lines.any(|line| line.starts_with(b"--- ") && line.ends_with(b"\n")) {
            return None;
        }
        let step = if has_intro { "failed to parse header: failed to read line" } else { INTRO };
        Some(format!("{step}: {flaw}"))
    }

    /// Why the header cannot be read.
    pub(super) fn header_words(&self, error: &DecryptError) -> String {
        self.flaw.as_ref().map_or_else(|| words(error), |flaw| format!("failed to read header: {flaw}"))
    }
}

const INTRO: &str = "parsing age header: failed to read intro";

fn read_into(bytes: &mut Vec<u8>, text: &str) -> Result<(), String> {
    let mut lines = Lines { rest: text };
    lines.begin()?;
    loop {
        let line = lines.next()?;
        if line == END {
            return lines.end();
        }
        if line.is_empty() || line.len() > COLUMNS {
            return Err("column limit exceeded".to_owned());
        }
        let mut part = [0; LINE_BYTES];
        let length = STANDARD.decode_slice(line, &mut part).map_err(|wrong| base64_words(&wrong, line))?;
        bytes.extend_from_slice(&part[..length]);
        if length < LINE_BYTES {
            let line = lines.next()?;
            return if line == END {
                lines.end()
            } else {
                Err(format!("invalid closing line: {}", quoted(line)))
            };
        }
    }
}

/// Names the byte as Go does: what is missing at the end is missing from its last group of four.
fn base64_words(wrong: &DecodeSliceError, line: &str) -> String {
    let at = match wrong {
        DecodeSliceError::DecodeError(
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _),
        ) => *at,
        _ => line.len().saturating_sub(1) / 4 * 4,
    };
    format!("illegal base64 data at input byte {at}")
}

/// A line as it is told, and not more than a line of armor.
fn quoted(line: &str) -> String {
    format!("{:?}", line.chars().take(COLUMNS).collect::<String>())
}

struct Lines<'t> {
    rest: &'t str,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Result<&'t str, String> {
        let line = self.rest.split_inclusive('\n').next().ok_or("unexpected EOF")?;
        self.rest = &self.rest[line.len()..];
        let line = line.strip_suffix('\n').unwrap_or(line);
        Ok(line.strip_suffix('\r').unwrap_or(line))
    }

    /// Passes blanks and the first line.
    fn begin(&mut self) -> Result<(), String> {
        let mut blanks = 0;
        loop {
            let line = self.next()?;
            if !line.trim().is_empty() {
                return if line == BEGIN {
                    Ok(())
                } else {
                    Err(format!("invalid first line: {}", quoted(line)))
                };
            }
            blanks += line.len() + 1;
            if blanks > MAX_BLANKS {
                return Err("too much leading whitespace".to_owned());
            }
        }
    }

    fn end(&self) -> Result<(), String> {
        let behind = self.rest;
        if !behind.trim().is_empty() {
            Err("trailing data after armored file".to_owned())
        } else if behind.len() >= MAX_BLANKS {
            Err("too much trailing whitespace".to_owned())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::armor;
    use super::Content;

    fn flaw(text: &str) -> String {
        Content::read(text).flaw.unwrap_or_default()
    }

    #[test]
    fn what_was_written_is_read() {
        for length in [0, 1, 47, 48, 49, 200] {
            let bytes: Vec<u8> = (0..length).collect();
            let content = Content::read(&format!("\n  \n{}\n ", armor(&bytes)).replace('\n', "\r\n"));
            assert_eq!((content.bytes, content.flaw), (bytes, None));
        }
    }

    #[test]
    fn mistakes_are_told_as_age_tells_them() {
        let whole = armor(&[7; 100]);
        let cut = whole.replacen("cH\n", "c\n", 1);
        assert_eq!(flaw(&cut), "invalid armor: illegal base64 data at input byte 60");
        let without_end = whole.split("-----END").next().unwrap_or_default();
        assert_eq!(flaw(without_end), "invalid armor: unexpected EOF");
        assert_eq!(flaw(""), "invalid armor: unexpected EOF");
        assert_eq!(flaw("hello"), "invalid armor: invalid first line: \"hello\"");
        assert_eq!(
            flaw(&whole.replacen("Bw", "!w", 1)),
            "invalid armor: illegal base64 data at input byte 0"
        );
        assert_eq!(flaw(&whole.replacen("cH\n", "cH", 1)), "invalid armor: column limit exceeded");
        assert_eq!(
            flaw(&whole.replace("FILE-----\n", "FILE-----\nx").replacen("\nx", "\n", 1)),
            "invalid armor: trailing data after armored file"
        );
        assert_eq!(
            flaw(&whole.replace("-----END", "----END")),
            "invalid armor: invalid closing line: \"----END AGE ENCRYPTED FILE-----\""
        );
    }
}
