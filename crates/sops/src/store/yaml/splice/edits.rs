//! The walk over nodes and wanted tree that finds what must change in the text.

use std::ops::Range;

use sealfast_yaml::node::{Kind, Node, Style};
use zeroize::Zeroizing;

use crate::layout::{self, Place};
use crate::store::ENTRY;
use crate::store::over::change::{Changes, Fields, Growth, How, Replaced};
use crate::store::over::places::line_end;
use crate::store::over::same;
use crate::store::yaml::splice::notes::{comments_in, comments_of, strip_comments};
use crate::store::yaml::splice::places::{content_end, trimmed};
use crate::store::yaml::splice::scalar::{At, Manner, flow_text, scalar_text};
use crate::store::yaml::splice::source::Source;
use crate::tree::{Branch, Entry, Key, Value};

pub(super) struct Edits<'s> {
    pub(super) source: &'s Source<'s>,
    pub(super) how: &'s How<'s>,
    pub(super) manner: Manner,
    pub(super) list: Changes,
    pub(super) replaced: Vec<Replaced>,
}

impl<'s> Edits<'s> {
    pub(super) fn new(source: &'s Source<'s>, how: &'s How<'s>) -> Self {
        let line = source.base.iter().position(|&byte| byte == b'\n');
        let ends_with_return = line.is_some_and(|at| at > 0 && source.base[at - 1] == b'\r');
        let step = how.indent.or_else(|| source.documents.iter().find_map(own_step)).unwrap_or(4);
        let manner = Manner { newline: if ends_with_return { "\r\n" } else { "\n" }, step };
        Self { source, how, manner, list: Changes::default(), replaced: Vec::new() }
    }

    /// One document; comments that go with what is removed are taken out of the wanted tree too.
    pub(super) fn document(&mut self, index: usize, wanted: &mut Branch) -> Option<()> {
        let source = self.source;
        let (document, have) = (source.documents.get(index)?, source.branches.get(index)?);
        let root = document.content.first()?;
        match root.kind {
            Kind::Mapping => {
                let at = At { flow: root.style == Style::Flow, column: 0, from: 0 };
                self.mapping(root, have, wanted, at, Fields::Document)
            }
            Kind::Scalar if have.named().next().is_none() => self.empty_document(document, have, wanted),
            _ => None,
        }
    }

    /// A document without anything but comments gets its first entries.
    fn empty_document(&mut self, document: &Node, have: &Branch, wanted: &mut Branch) -> Option<()> {
        self.comments(&comments_of(have), comments_in(wanted), &(0..0))?;
        if wanted.named().next().is_none() {
            return Some(());
        }
        let last =
            comments_of(have).iter().filter_map(|comment| self.place(comment)).map(|place| place.end).max();
        let end = last.unwrap_or(document.start.offset);
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

    /// The dash before an item.
    pub(super) fn dash(&self, item: &Node) -> Option<usize> {
        let before = &self.source.base[..item.start.offset];
        let at = before.iter().rposition(|byte| !byte.is_ascii_whitespace())?;
        (before[at] == b'-').then_some(at)
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
        if self.how.layout.has_containers()
            && node.kind != Kind::Scalar
            && let Some(place) = layout::place_of(have)
            && let Some(text) = self.how.layout.text(&place)
        {
            strip_comments(wanted);
            let range = node.start.offset..content_end(self.source.base, node);
            self.note(place, &range, text);
            self.list.put(range, text);
            return Some(());
        }
        if node.kind == Kind::Alias {
            return if same::is_same_content(have, wanted) {
                Some(())
            } else {
                self.expand(node, wanted, at)
            };
        }
        let at = At { flow: at.flow || node.style == Style::Flow && node.kind != Kind::Scalar, ..at };
        match (node.kind, have, &mut *wanted) {
            (Kind::Mapping, Value::Branch(have), Value::Branch(wanted))
                if node.tag == "!!map" || !node.tagged =>
            {
                self.mapping(node, have, wanted, at, fields)
            }
            (Kind::Sequence, Value::List(have), Value::List(wanted)) => {
                self.sequence(node, have, wanted, at, fields)
            }
            (Kind::Scalar, _, Value::Branch(_) | Value::List(_)) => self.grow(node, wanted, at),
            (Kind::Scalar, have, new) => self.scalar(node, have, new, at),
            (_, _, Value::Branch(_) | Value::List(_)) => None,
            (_, _, new) => {
                let text = scalar_text(Style::Plain, "", new, At { flow: true, ..at }, self.manner)?;
                let range = at.from..content_end(self.source.base, node);
                self.list.put(range, format!(" {text}"));
                Some(())
            }
        }
    }

    /// An alias gives way to what it stands for.
    fn expand(&mut self, node: &Node, wanted: &Value, at: At) -> Option<()> {
        let range = node.start.offset..node.end.offset;
        let text = match wanted {
            Value::List(_) | Value::Branch(_) => flow_text(wanted)?,
            scalar => scalar_text(Style::Plain, "", scalar, At { flow: true, ..at }, self.manner)?,
        };
        if self.how.records
            && let Some(place) = layout::place_of(wanted)
        {
            self.note(place, &range, &text);
        }
        self.list.put(range, text);
        Some(())
    }

    fn scalar(&mut self, node: &Node, have: &Value, new: &Value, at: At) -> Option<()> {
        if have == new {
            return Some(());
        }
        let base = self.source.base;
        let range = node.start.offset.min(node.text.start)..trimmed(base, &node.text);
        let old = std::str::from_utf8(base.get(range.clone())?).ok()?;
        let own = std::str::from_utf8(&base[node.text.start..range.end]).ok()?;
        let is_asked = self.how.records || !self.how.layout.is_empty();
        let place = is_asked.then(|| layout::place_of(new).or_else(|| layout::place_of(have))).flatten();
        let kept = place.as_ref().and_then(|place| self.how.layout.text(place));
        let former = || if let Value::Str(text) = new { self.how.former?.looks(text, at.flow) } else { None };
        let text = match kept {
            Some(text) => text.to_owned(),
            None => {
                let properties = properties(&old[..old.len() - own.len()], node, new);
                let text = match former() {
                    Some(text) => text,
                    None => scalar_text(node.style, own, new, at, self.manner)?,
                };
                format!("{properties}{text}")
            }
        };
        // A value that was left out has no blank before it.
        let is_bare = range.is_empty() && range.start > 0 && matches!(base[range.start - 1], b':' | b'-');
        let text = if is_bare { format!(" {text}") } else { text };
        if let Some(place) = place {
            self.note(place, &range, &text);
        }
        self.list.put(range, text);
        Some(())
    }

    /// A container in the place of a scalar.
    fn grow(&mut self, node: &Node, wanted: &Value, at: At) -> Option<()> {
        let range = at.from..trimmed(self.source.base, &node.text).max(at.from);
        let is_empty = match wanted {
            Value::Branch(branch) => branch.entries.is_empty(),
            Value::List(items) => items.is_empty(),
            _ => true,
        };
        let text = if at.flow
            || is_empty
            || self.how.growth == Growth::Brackets
            || self.source.base[at.from - 1] == b'-'
        {
            format!(" {}", flow_text(wanted)?)
        } else {
            let column = at.column + self.manner.step;
            let lines = match wanted {
                Value::Branch(branch) => self.block_entries(branch, column)?,
                Value::List(items) => self.block_items(items, column)?,
                _ => return None,
            };
            format!("{}{lines}", self.manner.newline)
        };
        self.list.put(range, text);
        Some(())
    }

    fn note(&mut self, place: Place, range: &Range<usize>, new: &str) {
        if !self.how.records {
            return;
        }
        let old = String::from_utf8_lossy(&self.source.base[range.clone()]).into_owned();
        let (old, new) = (Zeroizing::new(old), Zeroizing::new(new.to_owned()));
        self.replaced.push(Replaced { place, old, new });
    }

    /// The text with its edits, and what was replaced.
    pub(super) fn apply(self) -> (Zeroizing<Vec<u8>>, Vec<Replaced>) {
        (self.list.apply(self.source.base), self.replaced)
    }
}

/// Anchor and tag of a value; a tag that a new string would not fit is left out.
fn properties(old: &str, node: &Node, new: &Value) -> String {
    const OWN: [&str; 6] = ["!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!binary"];
    let fits = !node.tagged || !matches!(new, Value::Str(_)) || !OWN.contains(&&*node.tag);
    if fits {
        return old.to_owned();
    }
    let anchors = old.split_whitespace().filter(|word| word.starts_with('&'));
    anchors.map(|word| format!("{word} ")).collect()
}

pub(super) fn named(branch: &Branch) -> impl Iterator<Item = &Entry> {
    branch.entries.iter().filter(|entry| !matches!(entry.key, Key::Comment(_)))
}

/// The blanks a level that a document uses.
fn own_step(document: &Node) -> Option<usize> {
    let root = document.content.first().filter(|root| root.style != Style::Flow)?;
    root.pairs().filter(|(key, _)| key.value != ENTRY).find_map(|(key, value)| {
        let (child, _) = value.pairs().next()?;
        let is_below = value.style != Style::Flow && child.start.line > key.start.line;
        is_below.then(|| child.start.column.checked_sub(key.start.column)).flatten().filter(|step| *step > 0)
    })
}
