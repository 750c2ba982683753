//! Changed dotenv and INI files written into their former text.
//!
//! Empty lines, alignment, quotes and line ends stay. Both formats are lines of keys and comments, in one section or several.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::cipher;
use crate::error::Error;
use crate::layout;
use crate::store::over::change::{Changes, How, Replaced};
use crate::store::over::fields::arrange;
use crate::store::over::places::{after_break, before_break, line_end, line_start};
use crate::store::over::steps::{Step, by_entries};
use crate::store::scalar::text_of;
use crate::store::{self, ENTRY, Format, dotenv, ini};
use crate::tree::{Branch, Entry, Key, Value};

/// Where a key or comment stands.
#[derive(Clone)]
pub(in crate::store) struct Slot {
    /// All its lines, from its first character to its last; a comment behind a value begins at its mark.
    pub(in crate::store) whole: Range<usize>,
    /// What changes with the value: quotes count, blanks around do not. All of a comment.
    pub(in crate::store) value: Range<usize>,
}

/// Where a section stands; the slots in the order of its entries in the tree.
#[derive(Clone, Default)]
pub(in crate::store) struct Section {
    /// The line of its name.
    pub(in crate::store) header: Option<Range<usize>>,
    pub(in crate::store) slots: Vec<Slot>,
}

impl Section {
    fn start(&self) -> Option<usize> {
        self.header.iter().chain(self.slots.iter().map(|slot| &slot.whole)).map(|range| range.start).min()
    }

    fn end(&self) -> Option<usize> {
        self.header.iter().chain(self.slots.iter().map(|slot| &slot.whole)).map(|range| range.end).max()
    }
}

/// A read text.
pub(super) struct Source<'t> {
    pub(super) base: &'t [u8],
    pub(super) branch: Branch,
    sections: Vec<Section>,
    format: Format,
}

impl<'t> Source<'t> {
    pub(super) fn dotenv(base: &'t [u8]) -> Option<Self> {
        let (branch, slots) = dotenv::load_with_places(base).ok()?;
        let sections = vec![Section { header: None, slots }];
        Some(Self { base, branch, sections, format: Format::Dotenv })
    }

    /// Nothing when the text has something that is not in its tree, which would stay in the clear.
    pub(super) fn ini(base: &'t [u8]) -> Option<Self> {
        let (branch, sections) = ini::load_with_places(base)?;
        Some(Self { base, branch, sections, format: Format::Ini })
    }

    pub(super) fn again<'a>(&self, text: &'a [u8]) -> Option<Source<'a>> {
        if self.format == Format::Dotenv { Source::dotenv(text) } else { Source::ini(text) }
    }

    /// Equal values, comments and metadata; the metadata may stand in any order.
    pub(super) fn is_same(&self, wanted: &Branch) -> bool {
        let split = |branch: &Branch| {
            let mut branches = [branch.clone()];
            match store::take_metadata(&mut branches, self.format) {
                Ok(metadata) => Some((branches, Some(metadata))),
                Err(Error::NoMetadata) => Some((branches, None)),
                Err(_) => None,
            }
        };
        let (Some((read, ours)), Some((wanted, theirs))) = (split(&self.branch), split(wanted)) else {
            return false;
        };
        ours == theirs && is_same_section(&read[0], &wanted[0])
    }

    /// The edits of the text, not checked, and what was replaced.
    pub(super) fn edited(&self, wanted: &mut Branch, how: &How<'_>) -> Option<(Changes, Vec<Replaced>)> {
        let mut edits = Edits::new(self, how);
        match self.format {
            Format::Dotenv => {
                edits.section(&self.sections[0], &self.branch, &flat_metadata(&self.branch, wanted)?)?;
            }
            _ => edits.sections(self, wanted)?,
        }
        Some((edits.list, edits.replaced))
    }

    fn newline(&self) -> &'static str {
        let crlf = self.format == Format::Ini && self.base.windows(2).any(|pair| pair == b"\r\n");
        if crlf { "\r\n" } else { "\n" }
    }
}

fn is_same_section(left: &Branch, right: &Branch) -> bool {
    left.entries.len() == right.entries.len()
        && left.entries.iter().zip(&right.entries).all(|(left, right)| is_same_entry(left, right))
}

fn is_same_entry(left: &Entry, right: &Entry) -> bool {
    match (&left.key, &right.key) {
        (Key::Comment(left), Key::Comment(right)) => left.text == right.text,
        (Key::Name(name), Key::Name(other)) => name == other && is_same_value(&left.value, &right.value),
        _ => false,
    }
}

/// The MAC must come out the same.
fn is_same_value(left: &Value, right: &Value) -> bool {
    if let (Value::Branch(left), Value::Branch(right)) = (left, right) {
        return is_same_section(left, right);
    }
    let text = |value| cipher::content(value).map(|(_, text)| text);
    text(left) == text(right) && text(left).is_some()
}

/// The wanted entries, those of the metadata in the order of the text, where they must stand at the end.
fn flat_metadata(have: &Branch, wanted: &Branch) -> Option<Branch> {
    let split = |branch: &Branch| {
        let is_metadata = |entry: &Entry| store::is_metadata(entry, Format::Dotenv);
        let at = branch.entries.iter().position(is_metadata).unwrap_or(branch.entries.len());
        let (content, metadata) = branch.entries.split_at(at);
        let is_tail = metadata.iter().all(is_metadata);
        is_tail.then(|| (content.to_vec(), Branch { entries: metadata.to_vec() }))
    };
    let ((_, have), (mut entries, mut metadata)) = (split(have)?, split(wanted)?);
    if !metadata.entries.is_empty() {
        arrange(&have, &mut metadata);
    }
    entries.append(&mut metadata.entries);
    Some(Branch { entries })
}

struct Edits<'s> {
    base: &'s [u8],
    how: &'s How<'s>,
    format: Format,
    newline: &'static str,
    list: Changes,
    replaced: Vec<Replaced>,
}

impl<'s> Edits<'s> {
    fn new(source: &Source<'s>, how: &'s How<'s>) -> Self {
        Self {
            base: source.base,
            how,
            format: source.format,
            newline: source.newline(),
            list: Changes::default(),
            replaced: Vec::new(),
        }
    }

    /// A comment at the end of the text stays there, whatever section comes.
    fn sections(&mut self, source: &Source<'_>, wanted: &mut Branch) -> Option<()> {
        let have = &source.branch.entries;
        wanted.entries.sort_by_key(|entry| matches!(entry.key, Key::Comment(_)));
        let mut end = None;
        for step in by_entries(have, &wanted.entries) {
            match step {
                Step::Both(left, right) => {
                    let place = &source.sections[left];
                    if let Key::Comment(_) = have[left].key {
                        self.entry(place.slots.first()?, &have[left], &wanted.entries[right])?;
                        continue;
                    }
                    self.kept_section(place, &have[left], &mut wanted.entries[right])?;
                    end = place.end().or(end);
                }
                Step::Gone(left) => {
                    self.gone_section(&source.sections[left], &source.sections[left + 1..], end)
                }
                Step::Came(right) => self.new_section(&wanted.entries[right], end)?,
            }
        }
        Some(())
    }

    fn kept_section(&mut self, place: &Section, have: &Entry, wanted: &mut Entry) -> Option<()> {
        let (Value::Branch(old), Value::Branch(new)) = (&have.value, &mut wanted.value) else { return None };
        if have.key.name() == Some(ENTRY) {
            arrange(old, new);
        }
        self.section(place, old, new)
    }

    /// Takes a section out, and what separates it from the one before or, where there is none, from the next one.
    fn gone_section(&mut self, gone: &Section, behind: &[Section], end: Option<usize>) {
        let (Some(start), Some(last)) = (gone.start(), gone.end()) else { return };
        let next = behind.iter().find_map(Section::start);
        let range = match end {
            Some(end) => line_end(self.base, end)..line_end(self.base, last),
            None => line_start(self.base, start)..next.unwrap_or(self.base.len()),
        };
        self.list.put(range, Vec::new());
    }

    fn new_section(&mut self, wanted: &Entry, end: Option<usize>) -> Option<()> {
        let alone = Branch { entries: vec![wanted.clone()] };
        let text = String::from_utf8(ini::emit(&[alone]).ok()?).ok()?;
        let newline = self.newline;
        let text = text.trim_end_matches('\n').replace('\n', newline);
        match end.map(|end| line_end(self.base, end)) {
            Some(at) => self.list.put(at..at, format!("{newline}{newline}{text}")),
            None => self.list.put(0..0, format!("{text}{newline}")),
        }
        Some(())
    }

    fn section(&mut self, place: &Section, have: &Branch, wanted: &Branch) -> Option<()> {
        let mut end = place.header.as_ref().map(|header| header.end);
        let mut gone: Vec<usize> = Vec::new();
        let mut fresh = String::new();
        for step in by_entries(&have.entries, &wanted.entries) {
            if !matches!(step, Step::Gone(_)) {
                self.remove(place, &std::mem::take(&mut gone));
            }
            if !matches!(step, Step::Came(_)) {
                self.insert(end, &std::mem::take(&mut fresh));
            }
            match step {
                Step::Both(left, right) => {
                    let slot = &place.slots[left];
                    self.entry(slot, &have.entries[left], &wanted.entries[right])?;
                    end = end.max(Some(slot.whole.end));
                }
                Step::Gone(left) => gone.push(left),
                Step::Came(right) => {
                    fresh.push_str(self.newline);
                    fresh.push_str(&self.line(&wanted.entries[right])?);
                }
            }
        }
        self.remove(place, &gone);
        self.insert(end, &fresh);
        Some(())
    }

    fn entry(&mut self, slot: &Slot, have: &Entry, wanted: &Entry) -> Option<()> {
        let (have, wanted) = (value_of(have), value_of(wanted));
        if text_of(&have)? == text_of(&wanted)? {
            return Some(());
        }
        let leads = self.leads(&have, &wanted);
        let kept = leads.as_ref().and_then(|leads| self.how.layout.text(leads));
        let new = kept.map_or_else(|| self.text(&wanted), |text| Some(text.to_owned()))?;
        if new.contains('\n') && self.is_inline(slot) {
            return None;
        }
        let new = self.spaced(slot, new);
        if let Some(place) = leads.filter(|_| self.how.records) {
            let old = String::from_utf8_lossy(&self.base[slot.value.clone()]).into_owned();
            let (old, new) = (Zeroizing::new(old), Zeroizing::new(new.clone()));
            self.replaced.push(Replaced { place, old, new });
        }
        self.list.put(slot.value.clone(), new);
        Some(())
    }

    /// What leads from the ciphertext among the two to a former text.
    fn leads(&self, have: &Value, wanted: &Value) -> Option<layout::Place> {
        let is_asked = self.how.records || !self.how.layout.is_empty();
        is_asked.then(|| place_of(wanted).or_else(|| place_of(have))).flatten()
    }

    /// Stands something else before it on its line?
    fn is_inline(&self, slot: &Slot) -> bool {
        let start = slot.whole.start;
        !self.base[line_start(self.base, start)..start].trim_ascii().is_empty()
    }

    /// A value that was left out has no blank before it.
    fn spaced(&self, slot: &Slot, new: String) -> String {
        let is_bare = self.format == Format::Ini && slot.value.is_empty();
        if is_bare && !new.starts_with(' ') { format!(" {new}") } else { new }
    }

    /// A value, or a comment with its mark.
    fn text(&self, value: &Value) -> Option<String> {
        let bytes = match (value, self.format) {
            (Value::Comment(comment), Format::Dotenv) => [b"#", comment.text.as_bytes()].concat(),
            (Value::Comment(comment), _) => ini::comment_lines(&comment.text),
            (value, Format::Dotenv) => dotenv::value_text(value)?,
            (value, _) => ini::value_text(value)?,
        };
        let text = String::from_utf8(bytes).ok()?;
        Some(if self.format == Format::Ini {
            text.trim_end_matches('\n').replace('\n', self.newline)
        } else {
            text
        })
    }

    fn line(&self, entry: &Entry) -> Option<String> {
        match (&entry.key, self.format) {
            (Key::Comment(comment), Format::Dotenv) => self.text(&Value::Comment(comment.clone())),
            (Key::Name(name), Format::Dotenv) => Some(format!("{name}={}", self.text(&entry.value)?)),
            (Key::Name(name), _) => Some(format!("{} = {}", ini::quote_name(name), self.text(&entry.value)?)),
            _ => None,
        }
    }

    /// Takes out neighbours, whole lines where nothing else stands on them.
    fn remove(&mut self, place: &Section, gone: &[usize]) {
        let slots = || gone.iter().map(|&index| &place.slots[index].whole);
        let (Some(start), Some(end)) =
            (slots().map(|range| range.start).min(), slots().map(|range| range.end).max())
        else {
            return;
        };
        let first = line_start(self.base, start);
        if !self.base[first..start].trim_ascii().is_empty() {
            let blanks = self.base[first..start].trim_ascii_end().len();
            self.list.put(first + blanks..end, Vec::new());
            return;
        }
        let last = line_end(self.base, end);
        let behind = after_break(self.base, last);
        // Where the text ends without a line break, it shall go on doing so.
        let range = if behind == last { before_break(self.base, first)..last } else { first..behind };
        self.list.put(range, Vec::new());
    }

    /// Puts lines in behind a place, each with a line break before it.
    fn insert(&mut self, end: Option<usize>, lines: &str) {
        if lines.is_empty() {
            return;
        }
        let (at, text) = match end {
            Some(end) => (line_end(self.base, end), lines.to_owned()),
            None => (0, format!("{}{}", &lines[self.newline.len()..], self.newline)),
        };
        self.list.put(at..at, text);
    }
}

fn value_of(entry: &Entry) -> Value {
    match &entry.key {
        Key::Comment(comment) => Value::Comment(comment.clone()),
        Key::Name(_) | Key::Other { .. } => entry.value.clone(),
    }
}

/// Comments lead to their ciphertext as values do.
fn place_of(value: &Value) -> Option<layout::Place> {
    match value {
        Value::Comment(comment) => layout::place_of(&Value::Str(comment.text.clone())),
        value => layout::place_of(value),
    }
}
