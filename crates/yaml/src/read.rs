//! Bytes of any accepted encoding -> checked UTF-8 text.
//!
//! Follows: the reader of `go.yaml.in/yaml/v3` 3.0.4: UTF-8, or UTF-16 behind a byte order mark; control
//! characters, DEL and C1 (NEL aside) are refused. It decodes 512 bytes ahead of the scanner, so a bad character
//! also takes the good ones before it in the same block.

use std::borrow::Cow;

use crate::error::Error;
use crate::parse::Limits;

/// A text up to its first bad character, and what is wrong with that.
pub(crate) struct Source<'a> {
    /// Text without a leading byte order mark.
    pub(crate) text: Cow<'a, str>,
    /// Bytes of the mark that was left out.
    pub(crate) skipped: usize,
    pub(crate) broken: Option<Error>,
}

/// Bytes that the reference decodes at once.
const BLOCK: usize = 512;

/// Decodes an input; one that is too large has no text, only what is wrong with it.
pub(crate) fn source<'a>(input: &'a [u8], limits: &Limits) -> Source<'a> {
    match input {
        _ if input.len() > limits.bytes => {
            let wrong = format!("input has {} bytes, more than {}", input.len(), limits.bytes);
            Source { text: Cow::Borrowed(""), skipped: 0, broken: Some(Error::tree(wrong)) }
        }
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest, 3),
        // Nothing is read as an empty line.
        [] => utf8(b"\n", 0),
        _ => utf8(input, 0),
    }
}

fn utf8(input: &[u8], skipped: usize) -> Source<'_> {
    let (valid, mut broken) = match std::str::from_utf8(input) {
        Ok(text) => (text, None),
        Err(bad) => {
            let (good, rest) = input.split_at(bad.valid_up_to());
            (std::str::from_utf8(good).unwrap_or_default(), Some(problem(rest)))
        }
    };
    let mut end = valid.len();
    if let Some(at) = first_control(valid.as_bytes()) {
        end = at;
        broken = Some("control characters are not allowed");
    }
    let text = if broken.is_some() { &valid[..block_start(valid, end, skipped)] } else { valid };
    Source {
        text: Cow::Borrowed(text),
        skipped,
        broken: broken.map(|problem| reader_error(problem, &valid[..end])),
    }
}

/// Takes the text before what is wrong.
fn reader_error(problem: &str, before: &str) -> Error {
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let mut error = Error::syntax(problem, 0).about(line);
    error.detail = Some(format!("{problem} | problem_mark 1:1").into());
    error
}

/// Start of the block that holds `bad`; a character that does not fit a block's end begins the next one.
fn block_start(text: &str, bad: usize, skipped: usize) -> usize {
    let mut start = 0;
    let mut room = BLOCK - skipped;
    loop {
        let mut next = start + room;
        while next < text.len() && !text.is_char_boundary(next) {
            next -= 1;
        }
        if bad < next || next >= text.len() {
            return start;
        }
        (start, room) = (next, BLOCK);
    }
}

/// Says what is wrong with bytes that do not begin with a character.
fn problem(rest: &[u8]) -> &'static str {
    let first = rest.first().copied().unwrap_or_default();
    let wanted = match first {
        0x00..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    if rest.len() < wanted {
        return "incomplete UTF-8 octet sequence";
    }
    if !rest[1..wanted].iter().all(|byte| byte & 0xc0 == 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    if first == 0xed || first >= 0xf4 {
        "invalid Unicode character"
    } else {
        "invalid length of a UTF-8 sequence"
    }
}

/// Finds the first character that may not stand in YAML.
fn first_control(text: &[u8]) -> Option<usize> {
    const STEP: usize = 64;
    // Most blocks hold nothing but letters, which is told without looking at them one by one.
    let is_harmless = |byte: &u8| matches!(byte, 0x20..=0x7e | b'\n');
    let blocks = text.chunks(STEP).enumerate();
    let suspects = blocks.filter(|(_, block)| !block.iter().fold(true, |all, byte| all & is_harmless(byte)));
    suspects
        .map(|(number, block)| number * STEP..number * STEP + block.len())
        .find_map(|block| control_in(text, block))
}

fn control_in(text: &[u8], mut block: std::ops::Range<usize>) -> Option<usize> {
    let follows = |at: usize, bytes: &[u8]| text[at + 1..].starts_with(bytes);
    block.find(|at| match text[*at] {
        b'\t' | b'\n' | b'\r' | 0x20..=0x7e => false,
        0x00..=0x1f | 0x7f => true,
        0xc2 => text.get(at + 1).is_some_and(|second| (0x80..0xa0).contains(second) && *second != 0x85),
        0xef => follows(*at, &[0xbf, 0xbe]) || follows(*at, &[0xbf, 0xbf]),
        _ => false,
    })
}

fn utf16(input: &[u8], unit: fn([u8; 2]) -> u16) -> Source<'static> {
    let (pairs, odd) = input.as_chunks::<2>();
    let mut units = pairs.iter().map(|pair| unit(*pair)).peekable();
    let mut text = String::new();
    // Where the current block of input began: in units, and in the text.
    let (mut seen, mut block_units, mut block_text) = (1, 0, 0);
    let broken = loop {
        if seen - block_units >= BLOCK / 2 {
            (block_units, block_text) = (seen, text.len());
        }
        let Some(first) = units.next() else {
            break (!odd.is_empty()).then_some("incomplete UTF-16 character");
        };
        seen += 1;
        let letter = match first {
            0xdc00..=0xdfff => break Some("unexpected low surrogate area"),
            0xd800..=0xdbff => {
                let Some(second) = units.next() else { break Some("incomplete UTF-16 surrogate pair") };
                seen += 1;
                match char::decode_utf16([first, second]).next() {
                    Some(Ok(letter)) => letter,
                    _ => break Some("expected low surrogate area"),
                }
            }
            first => char::from_u32(u32::from(first)).unwrap_or_default(),
        };
        if first_control(letter.encode_utf8(&mut [0; 4]).as_bytes()).is_some() {
            break Some("control characters are not allowed");
        }
        text.push(letter);
    };
    let broken = broken.map(|problem| reader_error(problem, &text));
    if broken.is_some() {
        text.truncate(block_text);
    }
    Source { text: Cow::Owned(text), skipped: 0, broken }
}
