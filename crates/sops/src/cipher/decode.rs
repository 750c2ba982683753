//! Base64 text -> bytes, or where the text stops being base64.
//!
//! Follows: Go's `base64.StdEncoding`: bits behind the last byte and line breaks are passed over.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Decodes; fails with the byte, from 0, that is wrong.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    LENIENT.decode(text).or_else(|_| match first_fault(text) {
        Some(at) => Err(at),
        None => {
            let kept: Vec<u8> = text.iter().copied().filter(|byte| !is_break(byte)).collect();
            LENIENT.decode(kept).map_err(|_| text.len())
        }
    })
}

/// Reads groups of four letters; padding is counted where it ends, a group that is cut off where it starts.
fn first_fault(text: &[u8]) -> Option<usize> {
    let mut letters = text.iter().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let mut count = 0;
    while let Some((at, &letter)) = letters.next() {
        match letter {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => count = (count + 1) % 4,
            b'=' if count >= 2 => return behind_padding(text.len(), at, count, letters),
            _ => return Some(at),
        }
    }
    (count > 0).then(|| text.len() - count)
}

/// After two letters a second `=` must follow, and nothing may follow the last.
fn behind_padding<'t>(
    length: usize,
    at: usize,
    count: usize,
    mut letters: impl Iterator<Item = (usize, &'t u8)>,
) -> Option<usize> {
    if count == 2 {
        match letters.next() {
            None => return Some(length),
            Some((next, byte)) if *byte != b'=' => return Some(next.saturating_sub(1).max(at)),
            Some(_) => {}
        }
    }
    letters.next().map(|(next, _)| next)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn faults_are_where_go_sees_them() {
        let fault = |text: &str| decode(text.as_bytes()).err();
        assert_eq!(
            ["QUI=", "QUI", "QU!=", "Q", "QUJD=", "QQ==x"].map(fault),
            [None, Some(0), Some(2), Some(0), Some(4), Some(4)]
        );
        assert_eq!(
            ["QQ=", "QQ=x", "=", "Q===", "QUJDRA"].map(fault),
            [Some(3), Some(2), Some(0), Some(1), Some(4)]
        );
    }

    #[test]
    fn line_breaks_and_loose_bits_are_passed_over() {
        assert_eq!(decode(b"QU\rI=").ok().as_deref(), Some(b"AB".as_slice()));
        assert_eq!(decode(b"QUJ=").ok().as_deref(), Some(b"AB".as_slice()));
    }
}
