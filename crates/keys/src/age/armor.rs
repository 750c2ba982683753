//! Armor of age files: the lines of base64 around a wrapped data key.
//!
//! Follows: `armor` of age 1.3, whose words the reasons have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, DecodeSliceError};

use super::file::{BEGIN, COLUMNS, END};
use super::header::quoted;

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
}

fn read_into(bytes: &mut Vec<u8>, text: &str) -> Result<(), String> {
    let mut lines = Lines { rest: text };
    lines.begin()?;
    loop {
        let line = lines.next()?;
        if line == END {
            return lines.end();
        }
        if line.is_empty() {
            return Err("empty line in armored data".to_owned());
        }
        if line.len() > COLUMNS {
            return Err("column limit exceeded".to_owned());
        }
        let mut part = [0; LINE_BYTES];
        // Such line ends mean nothing, wherever they stand.
        let letters = line.replace('\r', "");
        let length =
            STANDARD.decode_slice(&letters, &mut part).map_err(|wrong| base64_words(&wrong, &letters))?;
        if length < LINE_BYTES {
            let line = lines.next()?;
            if line != END {
                return Err(format!("invalid closing line: {}", quoted(line.as_bytes())));
            }
        }
        bytes.extend_from_slice(&part[..length]);
        if length < LINE_BYTES {
            return lines.end();
        }
    }
}

/// Names the byte as Go does: what is missing at the end is missing from its last group of four.
fn base64_words(wrong: &DecodeSliceError, line: &str) -> String {
    let at = match wrong {
        DecodeSliceError::DecodeError(DecodeError::InvalidByte(at, b'=')) => {
            padding_fault(line.as_bytes(), *at)
        }
        DecodeSliceError::DecodeError(DecodeError::InvalidByte(at, _)) => *at,
        DecodeSliceError::DecodeError(DecodeError::InvalidLastSymbol(at, _)) => at + 1,
        _ => line.len().saturating_sub(1) / 4 * 4,
    };
    format!("illegal base64 data at input byte {at}")
}

/// Behind padding it is what follows that is wrong, unless the letter before it has bits to spare.
fn padding_fault(line: &[u8], at: usize) -> usize {
    let is_double = line[at + 1..].starts_with(b"=");
    let (behind, spare) = match at % 4 {
        3 => (at + 1, 0b11),
        2 if is_double => (at + 2, 0b1111),
        _ => return at,
    };
    if line[..at].last().is_some_and(|letter| bits(*letter) & spare == 0) { behind } else { at }
}

/// What a letter of base64 stands for.
fn bits(letter: u8) -> u8 {
    match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    }
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
                    Err(format!("invalid first line: {}", quoted(line.as_bytes())))
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
        let split = armor(&[7; 30]).replacen("BwcH", "Bw\rcH", 1);
        assert_eq!((Content::read(&split).bytes, flaw(&split).as_str()), (vec![7; 30], ""));
        assert_eq!(flaw(""), "invalid armor: unexpected EOF");
        assert_eq!(flaw("hello"), "invalid armor: invalid first line: \"hello\"");
        assert_eq!(
            flaw(&whole.replacen("Bw", "!w", 1)),
            "invalid armor: illegal base64 data at input byte 0"
        );
        for (letters, at) in [
            ("Bwc=Bwc", 4),
            ("Bwd=Bwc", 3),
            ("Bw==Bwc", 4),
            ("Bx==Bwc", 2),
            ("BA==Bwc", 4),
            ("Bw=cBwc", 2),
            ("B=", 1),
        ] {
            let text = format!("-----BEGIN AGE ENCRYPTED FILE-----\n{letters}\n");
            assert_eq!(
                flaw(&text),
                format!("invalid armor: illegal base64 data at input byte {at}"),
                "{letters}"
            );
        }
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
