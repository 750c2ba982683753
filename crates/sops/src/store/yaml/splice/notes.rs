//! Comments of the text, and what becomes of them.

use std::collections::HashSet;
use std::ops::Range;

use sealfast_yaml::node::Node;

use crate::cipher;
use crate::store::over::change::Comments;
use crate::store::over::places::{after_break, line_end, line_start};
use crate::store::yaml::splice::edits::Edits;
use crate::store::yaml::splice::entries::Removed;
use crate::store::yaml::splice::places::content_end;
use crate::store::yaml::splice::source::{Source, each_comment_in};
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};

/// A comment of the text.
pub(super) struct Note {
    pub(super) place: Range<usize>,
    /// It is an item of its list.
    pub(super) is_item: bool,
    pub(super) words: Text,
}

/// Is this a comment, perhaps one that was encrypted into an item?
pub(super) fn is_note(value: &Value) -> bool {
    match value {
        Value::Comment(_) => true,
        Value::Str(text) => cipher::is_sealed_comment(text.as_bytes()),
        _ => false,
    }
}

impl Edits<'_> {
    pub(super) fn place(&self, comment: &Comment) -> Option<Range<usize>> {
        self.source.places.get(Source::number(comment)?).cloned()
    }

    pub(super) fn note_of(&self, comment: &Comment) -> Option<Note> {
        let words = Text::new(self.source.words(comment)?);
        Some(Note { place: self.place(comment)?, is_item: false, words })
    }

    /// Where a value ends, its comments included.
    pub(super) fn extent(&self, node: &Node, have: &Value) -> usize {
        let end = content_end(self.source.base, node);
        if !have.is_complex() || !self.source.has_comments() {
            return end;
        }
        let own = self.own(have).into_iter().filter_map(|number| self.source.places.get(number));
        own.map(|place| place.end).max().max(Some(end)).unwrap_or(end)
    }

    /// The numbers of the comments in a value.
    pub(super) fn own(&self, have: &Value) -> HashSet<usize> {
        let mut own = HashSet::new();
        each_comment_in(have, &mut |comment| own.extend(Source::number(comment)));
        own
    }

    /// Comments of a mapping.
    pub(super) fn comments(
        &mut self,
        old: &[&Comment],
        new: Vec<&mut Comment>,
        removed: &Removed,
        column: Option<usize>,
    ) -> Option<()> {
        let notes: Vec<Note> = old.iter().map(|comment| self.note_of(comment)).collect::<Option<_>>()?;
        let mut texts: Vec<Value> = new.iter().map(|comment| Value::Comment((**comment).clone())).collect();
        self.notes(&notes, texts.iter_mut().collect(), removed, column)?;
        for (comment, text) in new.into_iter().zip(texts) {
            if let Value::Comment(text) = text {
                *comment = text;
            }
        }
        Some(())
    }

    /// Comments of a container that stand beside its replaced text.
    pub(super) fn notes_beside(&mut self, range: &Range<usize>, have: &Value, wanted: &Value) {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        each_comment_in(have, &mut |comment| old.push(self.place(comment)));
        each_comment_in(wanted, &mut |comment| new.push(comment.text.clone()));
        if old.len() != new.len() {
            return;
        }
        for (place, text) in old.into_iter().zip(new) {
            if let Some(place) = place.filter(|place| !range.contains(&place.start)) {
                self.list.put(place, [b"#", text.as_bytes()].concat());
            }
        }
    }

    /// Comments of one container, in order. Those that go with a removed range get the number of their place.
    /// `column` is that of the container, when it is in lines.
    pub(super) fn notes(
        &mut self,
        old: &[Note],
        new: Vec<&mut Value>,
        removed: &Removed,
        column: Option<usize>,
    ) -> Option<()> {
        let stays = |note: &Note| !removed.has(note.place.start);
        let all = new.len() == old.len();
        if !all && new.len() != old.iter().filter(|note| stays(note)).count() {
            return self.drop_notes(old, &new);
        }
        let mut new = new.into_iter();
        for note in old {
            if !stays(note) {
                if all {
                    let number = self.source.places.iter().position(|place| *place == note.place)?;
                    *new.next()? = Value::Comment(Comment::line(number.to_string()));
                }
                continue;
            }
            let (text, is_item) = match new.next()? {
                Value::Comment(comment) => (&comment.text, false),
                Value::Str(text) => (&*text, true),
                _ => return None,
            };
            if note.words == *text && note.is_item == is_item {
                continue;
            }
            if text.as_bytes().iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
                return None;
            }
            if is_item {
                self.list.put(note.place.clone(), [b"- ", text.as_bytes()].concat());
            } else {
                self.put_comment(note, text, column);
            }
        }
        Some(())
    }

    /// Other words for a comment. It may have stood less or more indented than its container.
    fn put_comment(&mut self, note: &Note, words: &Text, column: Option<usize>) {
        let base = self.source.base;
        let start = note.place.start;
        let line = line_start(base, start);
        let is_alone = base[line..start].iter().all(|&byte| byte == b' ');
        if is_alone
            && let Some(place) = self.leads(&Value::Str(note.words.clone()), &Value::Str(words.clone()))
        {
            if let Some(text) = self.how.layout.text(&place) {
                self.list.put(line..note.place.end, text);
                return;
            }
            let column =
                column.filter(|column| self.how.way.comments == Comments::Indent && start - line != *column);
            if let (Some(column), Some(words)) = (column, words.as_str()) {
                self.replace(Some(place), line..note.place.end, format!("{:column$}#{words}", ""));
                return;
            }
        }
        self.list.put(note.place.clone(), [b"#", words.as_bytes()].concat());
    }

    /// Takes out comments that are wanted no more; all others must be as they were.
    pub(super) fn drop_notes(&mut self, old: &[Note], new: &[&mut Value]) -> Option<()> {
        let mut wanted = new.iter().map(|value| match &**value {
            Value::Comment(comment) => comment.text.as_bytes(),
            Value::Str(text) => text.as_bytes(),
            _ => &[],
        });
        let mut next = wanted.next();
        for note in old {
            if next == Some(note.words.as_bytes()) {
                next = wanted.next();
                continue;
            }
            let base = self.source.base;
            let first = line_start(base, note.place.start);
            let before =
                base[first..note.place.start].iter().rposition(|&byte| byte != b' ' && byte != b'\t');
            let range = match before {
                Some(at) => first + at + 1..note.place.end,
                None => first..after_break(base, line_end(base, note.place.end)),
            };
            self.list.put(range, Vec::new());
        }
        next.is_none().then_some(())
    }
}

pub(super) fn comments_of(branch: &Branch) -> Vec<&Comment> {
    let comment = |entry: &'_ Entry| matches!(entry.key, Key::Comment(_));
    branch
        .entries
        .iter()
        .filter(|entry| comment(entry))
        .filter_map(|entry| if let Key::Comment(comment) = &entry.key { Some(comment) } else { None })
        .collect()
}

pub(super) fn comments_in(branch: &mut Branch) -> Vec<&mut Comment> {
    branch
        .entries
        .iter_mut()
        .filter_map(|entry| if let Key::Comment(comment) = &mut entry.key { Some(comment) } else { None })
        .collect()
}

pub(super) fn drop_comments(branch: &mut Branch, removed: &Removed, source: &Source<'_>) {
    branch
        .entries
        .retain(|entry| !matches!(&entry.key, Key::Comment(comment) if is_dropped(comment, removed, source)));
}

/// Is this the number of a comment in a removed range?
pub(super) fn is_dropped(comment: &Comment, removed: &Removed, source: &Source<'_>) -> bool {
    Source::number(comment)
        .and_then(|number| source.places.get(number))
        .is_some_and(|place| removed.has(place.start))
}

pub(super) fn strip_comments(value: &mut Value) {
    match value {
        Value::Branch(branch) => {
            branch.entries.retain(|entry| !matches!(entry.key, Key::Comment(_)));
            branch.entries.iter_mut().for_each(|entry| strip_comments(&mut entry.value));
        }
        Value::List(items) => {
            items.retain(|item| !matches!(item, Value::Comment(_)));
            items.iter_mut().for_each(strip_comments);
        }
        _ => {}
    }
}

/// Where no comment is an item in the text, none becomes one.
pub(super) fn uncover(wanted: &mut [Value]) {
    for value in wanted.iter_mut().filter(|value| is_note(value)) {
        if let Value::Str(text) = value {
            *value = Value::Comment(Comment::line(std::mem::take(text)));
        }
    }
}

/// The same in all that a value holds.
pub(super) fn uncover_all(wanted: &mut Value) {
    match wanted {
        Value::Branch(branch) => branch.entries.iter_mut().for_each(|entry| uncover_all(&mut entry.value)),
        Value::List(items) => {
            uncover(items);
            items.iter_mut().for_each(uncover_all);
        }
        _ => {}
    }
}
