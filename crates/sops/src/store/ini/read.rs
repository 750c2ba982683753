//! INI text -> sections of keys with their comments, and where each stands.
//!
//! Follows: `parser.go` of go-ini v1.

use std::collections::{HashMap, hash_map};
use std::ops::Range;

use zeroize::Zeroizing;

use super::DEFAULT;
use super::letters::Letters;
use crate::error::Error;
use crate::store::line_at;
use crate::store::over::lines::{self, Slot};
use crate::tree::{Branch, Comment};

/// Reads the sections of a text.
pub(super) fn text(text: &str) -> Result<Reader<'_>, Error> {
    let mut reader = Reader {
        text,
        at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 },
        sections: vec![Section { name: DEFAULT.to_owned(), ..Section::default() }],
        comment: Note::default(),
        count: 1,
        says_more: false,
    };
    reader.read()?;
    Ok(reader)
}

const CONTEXT: &str = "Could not unmarshal input data: ";

pub(super) fn wrong(message: &str) -> Error {
    Error::Parse { message: format!("{CONTEXT}{message}") }
}

/// A comment as it is gathered, and where its pieces stand.
#[derive(Default)]
pub(super) struct Note {
    pub(super) text: Zeroizing<String>,
    pieces: Vec<Range<usize>>,
}

impl Note {
    /// Lines below each other are one place; a comment that is also behind something has none.
    fn place(&self, text: &str) -> Option<Slot> {
        let starts_line = |piece: &Range<usize>| {
            text[..piece.start].chars().rev().take_while(|letter| *letter != '\n').all(char::is_whitespace)
        };
        let (first, last) = (self.pieces.first()?, self.pieces.last()?);
        let is_one = self.pieces.len() == 1 || self.pieces.iter().all(starts_line);
        let whole = first.start..last.end;
        is_one.then(|| Slot { value: whole.clone(), whole })
    }
}

/// A key with its comment.
pub(super) struct Item {
    name: String,
    value: Zeroizing<String>,
    comment: Note,
    pub(super) place: Slot,
    /// Where the comment stands; none too where it has several places.
    comment_place: Option<Slot>,
}

#[derive(Default)]
pub(super) struct Section {
    pub(super) name: String,
    comment: Note,
    comment_place: Option<Slot>,
    pub(super) header: Option<Range<usize>>,
    pub(super) items: Vec<Item>,
    /// Which item has which name.
    pub(super) names: HashMap<String, usize>,
}

impl Section {
    pub(super) fn into_branch(self, letters: &Letters<'_>) -> Result<Branch, Error> {
        let mut branch = Branch::new();
        let comment = |branch: &mut Branch, note: &Note| {
            if !note.text.is_empty() {
                branch.push_comment(Comment::line(letters.text(strip(&note.text))));
            }
        };
        comment(&mut branch, &self.comment);
        for item in self.items {
            branch.push(letters.name(item.name)?, letters.text(&item.value));
            comment(&mut branch, &item.comment);
        }
        Ok(branch)
    }

    /// The places in the order of the entries of the tree.
    pub(super) fn places(&self) -> Option<lines::Section> {
        let mut slots = Vec::new();
        let comment = |slots: &mut Vec<Slot>, note: &Note, place: &Option<Slot>| {
            if !note.text.is_empty() {
                slots.push(place.clone()?);
            }
            Some(())
        };
        comment(&mut slots, &self.comment, &self.comment_place)?;
        for item in &self.items {
            slots.push(item.place.clone());
            comment(&mut slots, &item.comment, &item.comment_place)?;
        }
        Some(lines::Section { header: self.header.clone(), slots })
    }
}

/// Takes the comment characters off the first line.
pub(super) fn strip(comment: &str) -> &str {
    match comment.chars().next() {
        Some(';') => comment.trim_start_matches([';', ' ']),
        Some('#') => comment.trim_start_matches(['#', ' ']),
        _ => comment,
    }
}

pub(super) struct Reader<'t> {
    text: &'t str,
    /// Start of the next line.
    at: usize,
    pub(super) sections: Vec<Section>,
    /// Comments that wait for the key or section they belong to.
    comment: Note,
    /// Number of the next key that is written `-`.
    count: usize,
    /// Something was passed over that is no part of the tree.
    pub(super) says_more: bool,
}

impl<'t> Reader<'t> {
    fn read(&mut self) -> Result<(), Error> {
        while let Some(line) = self.line() {
            let line = line.trim_start();
            match line.chars().next() {
                None => {}
                Some('#' | ';') => self.note(line),
                Some('[') => self.header(line)?,
                Some(_) => self.key(line)?,
            }
        }
        Ok(())
    }

    /// Takes the next line, its break included.
    fn line(&mut self) -> Option<&'t str> {
        let rest = &self.text[self.at..];
        let line = rest.split_inclusive('\n').next()?;
        self.at += line.len();
        Some(line)
    }

    /// Where a part of the text begins.
    fn start(&self, part: &str) -> usize {
        part.as_ptr() as usize - self.text.as_ptr() as usize
    }

    fn place(&self, part: &str) -> Range<usize> {
        let start = self.start(part);
        start..start + part.trim_end().len()
    }

    fn note(&mut self, comment: &str) {
        self.comment.pieces.push(self.place(comment));
        push(&mut self.comment.text, comment);
    }

    fn header(&mut self, line: &'t str) -> Result<(), Error> {
        let end = line.rfind(']').ok_or_else(|| self.no_entry("unclosed section", line))?;
        let name = line[1..end].to_owned();
        if name.is_empty() {
            return Err(wrong("empty section name"));
        }
        let mut behind = &line[end + 1..];
        if let Some(at) = line[end..].find(['#', ';']) {
            behind = &line[end + 1..end + at];
            self.note(&line[end + at..]);
        }
        self.says_more |= !behind.trim().is_empty();
        let (comment, comment_place) = self.take_comment();
        self.count = 1;
        let header = Some(self.place(line));
        self.sections.push(Section { name, comment, comment_place, header, ..Section::default() });
        Ok(())
    }

    fn key(&mut self, line: &'t str) -> Result<(), Error> {
        let (name, rest) = self.key_name(line)?;
        self.says_more |= line[..line.len() - rest.len() - 1].trim_end().len() > self.end_of_name(line, name);
        let name = if name == "-" {
            self.count += 1;
            format!("#{}", self.count - 1)
        } else {
            name.to_owned()
        };
        let (value, place) = self.value(rest)?;
        if name.is_empty() {
            return Err(wrong("error creating new key: empty key name"));
        }
        let start = self.start(line);
        // A comment behind the value belongs to the lines of the key.
        let end = self.comment.pieces.last().map_or(place.end, |piece| piece.end.max(place.end));
        let (comment, comment_place) = self.take_comment();
        let place = Slot { whole: start..end, value: place };
        let item = Item { name, value, comment, place, comment_place };
        if let Some(section) = self.sections.last_mut() {
            // A repeated key keeps its place and takes the new value.
            match section.names.entry(item.name.clone()) {
                hash_map::Entry::Occupied(known) => {
                    self.says_more = true;
                    section.items[*known.get()] = item;
                }
                hash_map::Entry::Vacant(new) => {
                    new.insert(section.items.len());
                    section.items.push(item);
                }
            }
        }
        Ok(())
    }

    /// Where the name ends in its line, a quote behind it included.
    fn end_of_name(&self, line: &str, name: &str) -> usize {
        let end = self.start(name) - self.start(line) + name.len();
        let quote = line[end..].trim_start_matches([' ', '\t']);
        let blanks = line.len() - end - quote.len();
        let quotes = quote.len() - quote.trim_start_matches(['"', '`']).len();
        if quotes > 0 { end + blanks + quotes } else { end }
    }

    pub(super) fn take_comment(&mut self) -> (Note, Option<Slot>) {
        let mut note = std::mem::take(&mut self.comment);
        note.text = Zeroizing::new(note.text.trim().to_owned());
        let place = note.place(self.text);
        (note, place)
    }

    /// The value, and where it stands, its quotes included.
    fn value(&mut self, text: &'t str) -> Result<(Zeroizing<String>, Range<usize>), Error> {
        if text.trim().is_empty() {
            let start = self.start(text);
            return Ok((Zeroizing::default(), start..start));
        }
        let text = text.trim_start();
        let quote = if text.len() > 3 && text.starts_with("\"\"\"") {
            "\"\"\""
        } else if text.starts_with('`') {
            "`"
        } else {
            ""
        };
        let start = self.start(text);
        if !quote.is_empty() {
            let inner = &text[quote.len()..];
            return match inner.rfind(quote) {
                Some(end) => {
                    self.says_more |= !inner[end + quote.len()..].trim().is_empty();
                    Ok((Zeroizing::new(inner[..end].to_owned()), self.place(text)))
                }
                None => self.spanning(inner, quote).map(|(value, end)| (value, start..end)),
            };
        }
        let mut text = text.trim();
        if let Some(begin) = text.strip_suffix('\\') {
            let value = self.continued(begin);
            return Ok((
                value,
                start..self.at - (self.text[..self.at].len() - self.text[..self.at].trim_end().len()),
            ));
        }
        if let Some(at) = text.find(['#', ';']) {
            self.note(&text[at..]);
            text = text[..at].trim();
        }
        Ok((Zeroizing::new(unquote(text).to_owned()), start..start + text.len()))
    }

    /// A quoted value that goes on over several lines, and where it ends.
    fn spanning(&mut self, start: &str, quote: &str) -> Result<(Zeroizing<String>, usize), Error> {
        let (mut value, mut last) = (Zeroizing::new(start.to_owned()), "");
        while let Some(line) = self.line() {
            if let Some(end) = line.rfind(quote) {
                push(&mut value, &line[..end]);
                let mut behind = &line[end + quote.len()..];
                if let Some(at) = line[end..].find(['#', ';']) {
                    behind = line.get(end + quote.len()..end + at).unwrap_or_default();
                    self.note(line[end + at..].trim());
                }
                self.says_more |= !behind.trim().is_empty();
                return Ok((value, self.start(line) + end + quote.len()));
            }
            push(&mut value, line);
            last = if line.ends_with('\n') { "" } else { line };
        }
        const MESSAGE: &str = "missing closing key quote";
        Err(self.unreadable(
            MESSAGE,
            start,
            &format!("{MESSAGE} from {:?} to {last:?}", format!("{quote}{start}")),
        ))
    }

    /// A value whose lines end with a backslash.
    fn continued(&mut self, start: &str) -> Zeroizing<String> {
        let mut value = Zeroizing::new(start.to_owned());
        while let Some(line) = self.line() {
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            push(&mut value, line);
            if !value.ends_with('\\') {
                break;
            }
            value.pop();
        }
        value
    }

    /// Splits a line into the key and what follows its delimiter.
    fn key_name(&self, line: &'t str) -> Result<(&'t str, &'t str), Error> {
        let missing = || self.no_entry("key-value delimiter not found", line);
        let quote = if line.len() > 6 && line.starts_with("\"\"\"") {
            "\"\"\""
        } else if line.starts_with('"') {
            "\""
        } else if line.starts_with('`') {
            "`"
        } else {
            ""
        };
        if quote.is_empty() {
            let end = line.find(['=', ':']).ok_or_else(missing)?;
            if end == 0 {
                return Err(self.no_entry("empty key name", line));
            }
            return Ok((line[..end].trim(), &line[end + 1..]));
        }
        let inner = &line[quote.len()..];
        let end = inner.find(quote).ok_or_else(|| self.no_entry("missing closing key quote", line))?;
        let behind = &inner[end + quote.len()..];
        let delimiter = behind.find(['=', ':']).ok_or_else(missing)?;
        Ok((inner[..end].trim(), &behind[delimiter + 1..]))
    }

    /// A line that is no entry; the reference shows it.
    fn no_entry(&self, message: &str, line: &str) -> Error {
        self.unreadable(message, line, &format!("{message}: {line}"))
    }

    /// `at` is where it is, `full` the message of the reference.
    fn unreadable(&self, message: &str, at: &str, full: &str) -> Error {
        Error::Unreadable {
            message: format!("{CONTEXT}{message}"),
            line: Some(line_at(self.text.as_bytes(), self.start(at))),
            full: format!("{CONTEXT}{full}").into(),
        }
    }
}

/// Adds to a text; where it has no room, it moves to twice as much, and what it leaves is wiped.
fn push(text: &mut Zeroizing<String>, more: &str) {
    if text.capacity() - text.len() < more.len() {
        let mut larger = Zeroizing::new(String::with_capacity(2 * (text.len() + more.len())));
        larger.push_str(text);
        *text = larger;
    }
    text.push_str(more);
}

/// Takes surrounding quotes off when the same quote does not occur inside.
fn unquote(text: &str) -> &str {
    for quote in ['\'', '"'] {
        let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use zeroize::{ZeroizeOnDrop, Zeroizing};

    #[test]
    fn values_and_comments_are_wiped() {
        fn is_wiped(_: &impl ZeroizeOnDrop) {}
        let Ok(reader) = super::text("# one\n# two\na = x\\\ny\\\nz\n") else {
            unreachable!("the text is good");
        };
        let item = &reader.sections[0].items[0];
        is_wiped(&item.value);
        is_wiped(&item.comment.text);
        assert_eq!((item.value.as_str(), item.comment.text.as_str()), ("xyz", "# one\n# two"));
    }

    #[test]
    fn a_text_that_grows_keeps_room() {
        let mut text = Zeroizing::new("a".to_owned());
        let mut moves = 0;
        for _ in 0..1000 {
            let before = text.capacity();
            super::push(&mut text, "bc");
            moves += usize::from(text.capacity() != before);
        }
        assert!(text.len() == 2001 && text.ends_with("bcbc") && moves < 12, "{moves}");
    }
}
