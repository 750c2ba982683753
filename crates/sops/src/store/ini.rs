//! INI store: sections of keys, in the dialect of go-ini with repeated sections.
//!
//! Keys before any header belong to the section `DEFAULT`. A comment belongs to the key or section below it or on
//! its line, and stands behind its key in the tree (first in the section for a section's own).
//!
//! Follows: `stores/ini/store.go` of sops 3.13.2 and go-ini v1. Differs: bytes that are not UTF-8 are refused in names,
//! and so are encrypted lists and mappings below sections, which could not be read back.

use std::borrow::Cow;
use std::collections::{HashMap, hash_map};

use zeroize::Zeroizing;

use crate::error::Error;
use crate::store::over::lines;
use crate::store::scalar::{go_text, text_of};
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};

mod letters;
mod read;

use letters::Letters;

const DEFAULT: &str = "DEFAULT";

pub(super) fn load(input: &[u8]) -> Result<Branch, Error> {
    let letters = Letters::of(input)?;
    let reader = read::text(letters.as_str())?;
    let mut branch = Branch::new();
    for section in reader.sections {
        branch.push(letters.name(section.name.clone())?, section.into_branch(&letters)?);
    }
    Ok(branch)
}

/// Reads the sections, and where each of them stands; nothing where the text says more than the tree.
pub(super) fn load_with_places(input: &[u8]) -> Option<(Branch, Vec<lines::Section>)> {
    let letters = Letters::of(input).ok().filter(Letters::is_text)?;
    let mut reader = read::text(letters.as_str()).ok()?;
    if reader.says_more {
        return None;
    }
    let (last, last_place) = reader.take_comment();
    let (mut branch, mut places) = (Branch::new(), Vec::new());
    for section in reader.sections {
        places.push(section.places()?);
        branch.push(section.name.clone(), section.into_branch(&letters).ok()?);
    }
    // The reference passes over a comment with nothing behind it.
    if !last.text.is_empty() {
        branch.push_comment(Comment {
            stray: true,
            closing: true,
            ..Comment::line(letters.text(read::strip(&last.text)))
        });
        places.push(lines::Section { header: None, slots: vec![last_place?] });
    }
    Some((branch, places))
}

/// Where a key's line or a section's header begins.
pub(super) fn place_of(input: &[u8], path: &[String]) -> Option<usize> {
    let letters = Letters::of(input).ok().filter(Letters::is_text)?;
    let reader = read::text(letters.as_str()).ok()?;
    let (section, name) = path.split_first()?;
    reader.sections.into_iter().filter(|known| known.name == *section).find_map(|known| match name {
        [] => known.header.map(|header| header.start),
        [name] => known.names.get(name).map(|&at| known.items[at].place.whole.start),
        _ => None,
    })
}

pub(super) fn emit(branches: &[Branch]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut sections = branches.iter().flat_map(Branch::named).enumerate().peekable();
    while let Some((index, (name, value))) = sections.next() {
        if name.is_empty() {
            return Err(refuse("Error encoding section : empty section name"));
        }
        let Value::Branch(section) = value else {
            return Err(refuse("Error encoding section: Section values should always be TreeBranches"));
        };
        let (comment, keys) = arrange(section)?;
        write_comment(&mut out, comment, |line| line);
        if index > 0 || !name.eq_ignore_ascii_case(DEFAULT) {
            out.extend(format!("[{name}]\n").bytes());
        } else if keys.is_empty() {
            continue;
        }
        write_keys(&mut out, &keys);
        if sections.peek().is_some() {
            out.push(b'\n');
        }
    }
    Ok(out)
}

/// Lists and mappings in a section can be written, but not read again: ciphertext would be lost.
pub(super) fn check_flat(branches: &[Branch]) -> Result<(), Error> {
    let sections = branches.iter().flat_map(Branch::named).filter_map(|(_, value)| value.as_branch());
    match sections.flat_map(Branch::named).find(|(_, value)| value.is_complex()) {
        Some((name, _)) => Err(refuse(&format!("the value of key {name} is not a scalar"))),
        None => Ok(()),
    }
}

fn refuse(message: &str) -> Error {
    Error::Emit { message: format!("Error marshaling to INI: {message}") }
}

/// A key on its way out.
struct Line<'s> {
    name: &'s str,
    value: Zeroizing<Vec<u8>>,
    comment: Option<&'s Text>,
}

/// Finds the section's own comment and gives each other comment to the key before it.
fn arrange(section: &Branch) -> Result<(Option<&Text>, Vec<Line<'_>>), Error> {
    let mut entries = section.entries.as_slice();
    let mut own = None;
    if let Some((Entry { key: Key::Comment(comment), .. }, rest)) = entries.split_first() {
        (own, entries) = (Some(&comment.text), rest);
    }
    let (mut lines, mut places): (Vec<Line<'_>>, HashMap<&str, usize>) = Default::default();
    for entry in entries {
        match &entry.key {
            Key::Comment(comment) => {
                if let Some(line) = lines.last_mut() {
                    line.comment = Some(&comment.text);
                }
            }
            Key::Name(name) | Key::Other { text: name, .. } => {
                if name.is_empty() {
                    return Err(refuse("Error encoding key: error creating new key: empty key name"));
                }
                let value = Zeroizing::new(
                    text_of(&entry.value).map_or_else(|| go_text(&entry.value).into_bytes(), Cow::into_owned),
                );
                match places.entry(name) {
                    hash_map::Entry::Occupied(place) => lines[*place.get()].value = value,
                    hash_map::Entry::Vacant(place) => {
                        place.insert(lines.len());
                        lines.push(Line { name, value, comment: None });
                    }
                }
            }
        }
    }
    Ok((own, lines))
}

/// Lines without a comment character get one; those of keys lose the blanks around them.
fn write_comment(out: &mut Vec<u8>, comment: Option<&Text>, shape: fn(&str) -> &str) {
    let Some(comment) = comment.filter(|comment| !comment.is_empty()) else { return };
    let letters = Letters::of_all(comment.as_bytes());
    for line in letters.as_str().split('\n') {
        let (mark, rest) = match line.strip_prefix(['#', ';']) {
            Some(rest) => (&line[..1], rest.trim()),
            None => (";", shape(line)),
        };
        out.extend([mark.as_bytes(), b" ", &letters.bytes(rest), b"\n"].concat());
    }
}

/// A comment of a key as it is written: its lines, each with a mark and a line break.
pub(super) fn comment_lines(comment: &Text) -> Vec<u8> {
    let mut out = Vec::new();
    write_comment(&mut out, Some(comment), str::trim);
    out
}

/// A value as it stands behind its delimiter; none for lists and mappings.
pub(super) fn value_text(value: &Value) -> Option<Vec<u8>> {
    let text = text_of(value)?;
    let quote = quote_for(&text).as_bytes();
    Some([quote, &text, quote].concat())
}

fn write_keys(out: &mut Vec<u8>, keys: &[Line<'_>]) {
    let names: Vec<String> = keys.iter().map(|key| quote_name(key.name)).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    for (key, name) in keys.iter().zip(names) {
        write_comment(out, key.comment, str::trim);
        out.extend(name.bytes());
        out.extend(std::iter::repeat_n(b' ', width - name.len()));
        out.extend(b" = ");
        let quote = quote_for(&key.value);
        out.extend(quote.bytes());
        out.extend(&*key.value);
        out.extend(quote.bytes());
        out.push(b'\n');
    }
}

pub(super) fn quote_name(name: &str) -> String {
    if name.contains(['"', '=', ':']) {
        format!("`{name}`")
    } else if name.contains('`') {
        format!("\"\"\"{name}\"\"\"")
    } else {
        name.to_owned()
    }
}

fn quote_for(value: &[u8]) -> &'static str {
    let has = |wanted: &[u8]| value.iter().any(|byte| wanted.contains(byte));
    let text = String::from_utf8_lossy(value);
    if has(b"\n`") {
        "\"\"\""
    } else if has(b"#;") {
        "`"
    } else if text.trim().len() != text.len() {
        "\""
    } else {
        ""
    }
}
