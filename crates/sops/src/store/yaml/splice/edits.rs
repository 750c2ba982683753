//! The walk over nodes and wanted tree that finds what must change in the text.

use std::collections::BTreeSet;
use std::ops::Range;

use sealfast_yaml::node::{Kind, Node, Style};
use zeroize::Zeroizing;

use crate::layout::{self, Place};
use crate::store::ENTRY;
use crate::store::over::change::{Aliases, Changes, Fields, How, Replaced};
use crate::store::over::places::{line_end, line_start};
use crate::store::over::same;
use crate::store::yaml::splice::notes::{comments_in, comments_of, strip_comments};
use crate::store::yaml::splice::places::content_end;
use crate::store::yaml::splice::scalar::{At, Manner};
use crate::store::yaml::splice::source::Source;
use crate::tree::{Branch, Entry, Key, Value};

pub(super) struct Edits<'s> {
    pub(super) source: &'s Source<'s>,
    pub(super) how: &'s How<'s>,
    pub(super) manner: Manner,
    pub(super) list: Changes,
    pub(super) replaced: Vec<Replaced>,
    /// Containers that are laid out anew, by their starts.
    anew: &'s BTreeSet<usize>,
    /// The innermost container that cannot be changed in its place.
    pub(super) stuck: Option<usize>,
    /// Where the document ends; a comment of it may stand in the next one.
    pub(super) limit: usize,
}

impl<'s> Edits<'s> {
    pub(super) fn new(source: &'s Source<'s>, how: &'s How<'s>, anew: &'s BTreeSet<usize>) -> Self {
        let line = source.base.iter().position(|&byte| byte == b'\n');
        let ends_with_return = line.is_some_and(|at| at > 0 && source.base[at - 1] == b'\r');
        let step = how.indent.or_else(|| source.documents.iter().find_map(own_step)).unwrap_or(4);
        let manner = Manner { newline: if ends_with_return { "\r\n" } else { "\n" }, step };
        Self {
            source,
            how,
            manner,
            list: Changes::default(),
            replaced: Vec::new(),
            anew,
            stuck: None,
            limit: 0,
        }
    }

    /// One document; comments that go with what is removed are taken out of the wanted tree too.
    pub(super) fn document(&mut self, index: usize, wanted: &mut Branch) -> Option<()> {
        let source = self.source;
        let (document, have) = (source.documents.get(index)?, source.branches.get(index)?);
        let root = document.content.first()?;
        self.limit = source.documents.get(index + 1).map_or(source.base.len(), |next| next.start.offset());
        match root.kind {
            Kind::Mapping => {
                let at = At { flow: root.style == Style::Flow, column: 0, from: 0, bare: false };
                self.mapping(root, have, wanted, at, Fields::Document)
            }
            Kind::Scalar if have.named().next().is_none() => self.empty_document(document, have, wanted),
            _ => None,
        }
    }

    /// A document without anything but comments gets its first entries.
    fn empty_document(&mut self, document: &Node, have: &Branch, wanted: &mut Branch) -> Option<()> {
        self.comments(&comments_of(have), comments_in(wanted), &Default::default(), None)?;
        if wanted.named().next().is_none() {
            return Some(());
        }
        let ends =
            comments_of(have).into_iter().filter_map(|comment| self.place(comment)).map(|place| place.end);
        // A mark of the document's start may stand below them.
        let start = document.start.offset();
        let mark = self.mark_behind(start).filter(|&mark| self.source.base[mark..].starts_with(b"---"));
        let end = ends.chain([mark.map_or(start, |mark| mark + 3)]).max()?;
        let mut named = wanted.clone();
        named.entries.retain(|entry| entry.key.name().is_some());
        let at = line_end(self.source.base, end);
        let mut text = self.block_entries(&named, 0)?;
        if at > 0 {
            text.insert_str(0, self.manner.newline);
        }
        self.list.put(at..at, text);
        Some(())
    }

    pub(super) fn value(
        &mut self,
        node: &Node,
        have: &Value,
        wanted: &mut Value,
        at: At,
        fields: Fields,
    ) -> Option<()> {
        if node.kind == Kind::Alias {
            strip_comments(wanted);
        }
        if let Some((place, text)) = self.kept(node, have) {
            let range = self.container(node, have, at);
            self.notes_beside(&range, have, wanted);
            self.replace(Some(place), range, text.to_owned());
            return Some(());
        }
        if node.kind == Kind::Alias {
            let stays = self.how.way.aliases == Aliases::Stay && same::is_same_content(have, wanted);
            return if stays { Some(()) } else { self.expand(node, wanted, at) };
        }
        if node.kind == Kind::Scalar {
            return match wanted {
                Value::Branch(_) | Value::List(_) => self.grow(node, wanted, at),
                new => self.scalar(node, have, new, at),
            };
        }
        if self.anew.contains(&node.start.offset()) {
            return self.lay_out(node, have, wanted, at);
        }
        let done = self.in_place(node, have, wanted, at, fields);
        if done.is_none() && self.stuck.is_none() {
            self.stuck = Some(node.start.offset());
        }
        done
    }

    /// A container that stays one, or becomes a scalar.
    fn in_place(
        &mut self,
        node: &Node,
        have: &Value,
        wanted: &mut Value,
        at: At,
        fields: Fields,
    ) -> Option<()> {
        let inner = At { flow: at.flow || node.style == Style::Flow, ..at };
        match (node.kind, have, wanted) {
            (Kind::Mapping, Value::Branch(have), Value::Branch(wanted)) => {
                self.mapping(node, have, wanted, inner, fields)
            }
            (Kind::Sequence, Value::List(have), Value::List(wanted)) => {
                self.sequence(node, have, wanted, inner, fields)
            }
            (_, _, Value::Branch(_) | Value::List(_)) => None,
            (_, have, new) => self.shrink(node, have, new, at),
        }
    }

    /// The former text of a container that its first encrypted value leads to.
    fn kept(&self, node: &Node, have: &Value) -> Option<(Place, &'s str)> {
        if !self.how.layout.has_containers() || node.kind == Kind::Scalar {
            return None;
        }
        let place = layout::place_of(have)?;
        let text = self.how.layout.text(&place)?;
        Some((place, text))
    }

    /// All of a container, its comments included: in lines, from behind what leads to it.
    pub(super) fn container(&self, node: &Node, have: &Value, at: At) -> Range<usize> {
        if node.style == Style::Flow || node.kind == Kind::Alias {
            return node.start.offset()..content_end(self.source.base, node);
        }
        // A comment of the container above may stand behind the key.
        let own = self.own(have);
        let others = self.source.places.iter().enumerate().filter(|(number, _)| !own.contains(number));
        let before = others
            .map(|(_, place)| place)
            .filter(|place| at.from <= place.start && place.start < node.start.offset());
        before.map(|place| place.end).max().unwrap_or(at.from)..self.extent(node, have)
    }

    /// Puts a text in, and notes it where that is asked for.
    pub(super) fn replace(&mut self, place: Option<Place>, range: Range<usize>, text: String) {
        if let Some(place) = place {
            self.note(place, &range, &text);
        }
        self.list.put(range, text);
    }

    pub(super) fn note(&mut self, place: Place, range: &Range<usize>, new: &str) {
        if !self.how.records {
            return;
        }
        let old = String::from_utf8_lossy(&self.source.base[range.clone()]).into_owned();
        let (old, new) = (Zeroizing::new(old), Zeroizing::new(new.to_owned()));
        self.replaced.push(Replaced { place, old, new });
    }

    /// The dash before an item.
    pub(super) fn dash(&self, item: &Node) -> Option<usize> {
        self.mark_before(item.start.offset()).filter(|&mark| self.source.base[mark] == b'-')
    }

    /// Where an item begins: in lines, with its dash.
    pub(super) fn item_start(&self, item: &Node, at: At) -> Option<usize> {
        if at.flow { Some(item.start.offset()) } else { self.dash(item) }
    }

    /// Where an entry begins: with its question mark, when it has one.
    pub(super) fn entry_start(&self, key: &Node) -> usize {
        let start = key.start.offset();
        let mark = self.mark_before(start).filter(|&mark| self.source.base[mark] == b'?');
        mark.filter(|mark| mark + 1 < start).unwrap_or(start)
    }

    /// The last character before a place that is neither white space nor in a comment.
    fn mark_before(&self, at: usize) -> Option<usize> {
        let mut end = at;
        loop {
            end = self.source.base[..end].trim_ascii_end().len();
            match self.source.comment_before(end) {
                Some(comment) => end = comment.start,
                None => return end.checked_sub(1),
            }
        }
    }

    /// The first character behind a place that is neither white space nor in a comment.
    pub(super) fn mark_behind(&self, at: usize) -> Option<usize> {
        let mut start = at;
        loop {
            let rest = &self.source.base[start..];
            start += rest.len() - rest.trim_ascii_start().len();
            match self.source.comment_at(start) {
                Some(comment) => start = comment.end,
                None => return (start < self.source.base.len()).then_some(start),
            }
        }
    }

    /// How many characters stand before a place on its line.
    pub(super) fn column(&self, at: usize) -> usize {
        let line = &self.source.base[line_start(self.source.base, at)..at];
        String::from_utf8_lossy(line).chars().filter(|&letter| letter != '\u{feff}').count()
    }
}

pub(super) fn named(branch: &Branch) -> impl Iterator<Item = &Entry> {
    branch.entries.iter().filter(|entry| !matches!(entry.key, Key::Comment(_)))
}

/// The blanks a level that a document uses.
fn own_step(document: &Node) -> Option<usize> {
    let root = document.content.first().filter(|root| root.style != Style::Flow)?;
    root.pairs().filter(|(key, _)| key.value != ENTRY).find_map(|(key, value)| {
        let (child, _) = value.pairs().next()?;
        let is_below = value.style != Style::Flow && child.start.line() > key.start.line();
        is_below
            .then(|| child.start.column().checked_sub(key.start.column()))
            .flatten()
            .filter(|step| *step > 0)
    })
}
