//! Bytes of any accepted encoding -> checked UTF-8 text.
//!
//! Follows: the reader of `go.yaml.in/yaml/v3` 3.0.4: UTF-8, or UTF-16 behind a byte order mark; control
//! characters, DEL and C1 (NEL aside) are refused.

use std::borrow::Cow;

use crate::error::Error;

/// Returns the text, without a leading byte order mark, or the error of its first bad character.
pub(crate) fn text(input: &[u8]) -> Result<Cow<'_, str>, Error> {
    let text = match input {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)?),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest)?,
        _ => utf8(input)?,
    };
    match text.chars().find(|letter| !is_allowed(*letter)) {
        Some(_) => Err(Error::syntax("control characters are not allowed", 0)),
        None => Ok(text),
    }
}

fn utf8(input: &[u8]) -> Result<Cow<'_, str>, Error> {
    let bad = match std::str::from_utf8(input) {
        Ok(text) => return Ok(Cow::Borrowed(text)),
        Err(bad) => bad,
    };
    let rest = &input[bad.valid_up_to()..];
    let first = rest.first().copied().unwrap_or_default();
    let wanted = match first {
        0x00..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return Err(Error::syntax("invalid leading UTF-8 octet", 0)),
    };
    if rest.len() < wanted {
        return Err(Error::syntax("incomplete UTF-8 octet sequence", 0));
    }
    let trailing = rest[1..wanted].iter().all(|byte| byte & 0xc0 == 0x80);
    let message = if !trailing {
        "invalid trailing UTF-8 octet"
    } else if first == 0xed || first >= 0xf4 {
        "invalid Unicode character"
    } else {
        "invalid length of a UTF-8 sequence"
    };
    Err(Error::syntax(message, 0))
}

fn utf16(input: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Error> {
    let (pairs, rest) = input.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::syntax("incomplete UTF-16 character", 0));
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|_| Error::syntax("unexpected low surrogate area", 0))
}

fn is_allowed(letter: char) -> bool {
    matches!(letter,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{7e}' | '\u{85}' | '\u{a0}'..='\u{d7ff}'
        | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
        && letter != '\u{feff}'
        || letter == '\u{feff}'
}
