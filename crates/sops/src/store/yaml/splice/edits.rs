//! The walk over nodes and wanted tree that finds what must change in the text.

use std::ops::Range;

use sealfast_yaml::node::{Kind, Node, Style};

use crate::cipher;
use crate::layout::{self, Place};
use crate::store::ENTRY;
use crate::store::yaml::splice::scalar::{At, Manner, flow_entries, flow_text, scalar_text};
use crate::store::yaml::splice::source::Source;
use crate::store::yaml::splice::{Growth, How, same};
use crate::store::yaml::{Column, mapping_node, scalar_value, sequence_node, write};
use crate::tree::{Branch, Comment, Entry, Key, Value};

/// An encrypted value that took the place of a text, or the other way round.
pub(super) struct Replaced {
    pub(super) place: Place,
    pub(super) old: String,
    pub(super) new: String,
}

/// A comment of the text.
struct Note {
    place: Range<usize>,
    /// It is an item of its list.
    is_item: bool,
    words: Vec<u8>,
}

/// Is this a comment, perhaps one that was encrypted into an item?
fn is_note(value: &Value) -> bool {
    match value {
        Value::Comment(_) => true,
        Value::Str(text) => cipher::is_sealed_comment(text.as_bytes()),
        _ => false,
    }
}

/// Whose fields a mapping has.
#[derive(Clone, Copy, PartialEq)]
enum Fields {
    /// The document's: order counts.
    Document,
    /// The metadata's: order and empty fields do not count.
    Metadata,
}

pub(super) struct Edits<'s> {
    source: &'s Source,
    how: &'s How<'s>,
    manner: Manner,
    list: Vec<(Range<usize>, Vec<u8>)>,
    gone: Vec<Range<usize>>,
    pub(super) replaced: Vec<Replaced>,
}

impl<'s> Edits<'s> {
    pub(super) fn new(source: &'s Source, how: &'s How<'s>) -> Self {
        let line = source.base.iter().position(|&byte| byte == b'\n');
        let ends_with_return = line.is_some_and(|at| at > 0 && source.base[at - 1] == b'\r');
        let step = how.indent.or_else(|| source.documents.iter().find_map(own_step)).unwrap_or(4);
        let manner = Manner { newline: if ends_with_return { "\r\n" } else { "\n" }, step };
        Self { source, how, manner, list: Vec::new(), gone: Vec::new(), replaced: Vec::new() }
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
        self.comments(&comments_of(have), comments_in(wanted), &[])?;
        if wanted.named().next().is_none() {
            return Some(());
        }
        let last =
            comments_of(have).iter().filter_map(|comment| self.place(comment)).map(|place| place.end).max();
        let end = last.unwrap_or(document.start.offset);
        let mut named = wanted.clone();
        named.entries.retain(|entry| entry.key.name().is_some());
        let at = line_end(&self.source.base, end);
        let mut text = self.block_entries(&named, 0)?;
        if at > 0 {
            text.insert_str(0, self.manner.newline);
        }
        self.list.push((at..at, text.into_bytes()));
        Some(())
    }

    fn mapping(
        &mut self,
        node: &Node,
        have: &Branch,
        wanted: &mut Branch,
        at: At,
        fields: Fields,
    ) -> Option<()> {
        let pairs: Vec<(&Node, &Node)> = node.pairs().collect();
        if fields == Fields::Metadata {
            arrange(have, wanted);
        } else if at.is_root() {
            place_metadata(have, wanted);
        }
        let values: Vec<&Entry> = named(have).collect();
        if values.len() != pairs.len()
            || wanted.entries.iter().any(|entry| matches!(entry.key, Key::Other { .. }))
        {
            return None;
        }
        let old: Vec<&str> = values.iter().map(|entry| entry.key.name()).collect::<Option<_>>()?;
        let new: Vec<String> = wanted.named().map(|(name, _)| name.to_owned()).collect();
        let (gone, added) = difference(old.len(), new.len(), |left, right| old[left] == new[right]);
        if new[added.clone()].iter().any(|name| old[gone.clone()].contains(&name.as_str())) {
            return None;
        }
        let removed = self.remove_entries(node, &pairs, gone.clone(), added.is_empty(), at)?;
        self.comments(&comments_of(have), comments_in(wanted), &removed)?;
        drop_comments(wanted, &removed, self.source);
        let (mut index, mut end) = (0, None);
        let shift = |index: usize| if index < added.start { index } else { index + gone.len() - added.len() };
        let mut fresh = Branch::new();
        let mut places = comments_of(have)
            .into_iter()
            .filter_map(|comment| self.place(comment))
            .filter(|place| !removed.iter().any(|range| range.contains(&place.start)))
            .collect::<Vec<_>>()
            .into_iter();
        for entry in &mut wanted.entries {
            if let Key::Comment(_) = entry.key {
                end = places.next().map(|place| place.end).max(end);
                continue;
            }
            if added.contains(&index) {
                fresh.entries.push(entry.clone());
                if index + 1 == added.end {
                    let before = added.start.checked_sub(1).and_then(|before| pairs.get(before));
                    self.insert_entries(
                        node,
                        before.map(|(_, value)| *value),
                        end,
                        &pairs,
                        &fresh,
                        gone.len(),
                    )?;
                }
            } else {
                let (key, value) = pairs[shift(index)];
                let below = self.below(key, at)?;
                let fields = if entry.key.name() == Some(ENTRY) && at.is_root() || fields == Fields::Metadata
                {
                    Fields::Metadata
                } else {
                    Fields::Document
                };
                self.value(value, &values[shift(index)].value, &mut entry.value, below, fields)?;
                end = Some(content_end(&self.source.base, value)).max(end);
            }
            index += 1;
        }
        Some(())
    }

    /// Where the value of a key stands.
    fn below(&self, key: &Node, at: At) -> Option<At> {
        let end = key_end(key);
        let colon = self.source.base[end..].iter().position(|&byte| byte == b':')?;
        Some(At { flow: at.flow, column: key.start.column.checked_sub(1)?, from: end + colon + 1 })
    }

    /// Comments of a list are comments in the text, or items of their own where the reference has encrypted them.
    fn sequence(
        &mut self,
        node: &Node,
        have: &[Value],
        wanted: &mut Vec<Value>,
        at: At,
        fields: Fields,
    ) -> Option<()> {
        let mut nodes = node.content.iter();
        let mut items: Vec<(&Node, &Value)> = Vec::new();
        let mut notes = Vec::new();
        let has_note_items = have.iter().any(|value| is_note(value) && !matches!(value, Value::Comment(_)));
        for value in have {
            match value {
                Value::Comment(comment) => notes.push(self.note_of(comment)?),
                value if is_note(value) => {
                    let item = nodes.next()?;
                    let start = if at.flow { item.start.offset } else { self.dash(item)? };
                    let place = start..content_end(&self.source.base, item);
                    notes.push(Note { place, is_item: true, words: value.as_str()?.as_bytes().to_vec() });
                }
                value => items.push((nodes.next()?, value)),
            }
        }
        if nodes.next().is_some() {
            return None;
        }
        if !has_note_items {
            wanted.iter_mut().filter(|value| is_note(value)).for_each(|value| {
                if let Value::Str(text) = value {
                    *value = Value::Comment(Comment::line(std::mem::take(text)));
                }
            });
        }
        let new: Vec<&Value> = wanted.iter().filter(|value| !is_note(value)).collect();
        let (mut gone, mut added) = difference(items.len(), new.len(), |left, right| {
            same::is_same_content(items[left].1, new[right])
        });
        // Items that changed stay in their places.
        let paired = gone.len().min(added.len());
        gone.start += paired;
        added.start += paired;
        let item_nodes: Vec<&Node> = items.iter().map(|(item, _)| *item).collect();
        let removed = self.remove_items(&item_nodes, gone.clone(), added.is_empty(), at)?;
        let texts: Vec<&mut Value> = wanted.iter_mut().filter(|value| is_note(value)).collect();
        self.notes(&notes, texts, &removed)?;
        wanted.retain(
            |value| !matches!(value, Value::Comment(comment) if is_dropped(comment, &removed, self.source)),
        );
        let (mut index, mut end) = (0, None);
        let mut fresh = Vec::new();
        let stays = |note: &&Note| !removed.iter().any(|range| range.contains(&note.place.start));
        let mut ends = notes.iter().filter(stays).map(|note| note.place.end);
        for value in wanted {
            if is_note(value) {
                end = ends.next().max(end);
                continue;
            }
            if added.contains(&index) {
                fresh.push(value.clone());
                if index + 1 == added.end {
                    let before =
                        added.start.checked_sub(1).and_then(|before| item_nodes.get(before)).copied();
                    self.insert_items(node, before, end, &fresh, at)?;
                }
            } else {
                let from = if index < added.start { index } else { index + gone.len() - added.len() };
                let (item, old) = items[from];
                let below = if at.flow { at } else { self.behind_dash(item)? };
                self.value(item, old, value, below, fields)?;
                end = Some(content_end(&self.source.base, item)).max(end);
            }
            index += 1;
        }
        Some(())
    }

    fn behind_dash(&self, item: &Node) -> Option<At> {
        let dash = self.dash(item)?;
        let column = dash - line_start(&self.source.base, dash);
        Some(At { flow: false, column, from: dash + 1 })
    }

    /// The dash before an item.
    fn dash(&self, item: &Node) -> Option<usize> {
        let before = &self.source.base[..item.start.offset];
        let at = before.iter().rposition(|byte| !byte.is_ascii_whitespace())?;
        (before[at] == b'-').then_some(at)
    }

    fn value(&mut self, node: &Node, have: &Value, wanted: &mut Value, at: At, fields: Fields) -> Option<()> {
        if node.kind == Kind::Alias {
            strip_comments(wanted);
        }
        if self.how.layout.has_containers()
            && node.kind != Kind::Scalar
            && let Some(place) = layout::place_of(have)
            && let Some(text) = self.how.layout.text(&place)
        {
            strip_comments(wanted);
            let range = node.start.offset..content_end(&self.source.base, node);
            self.note(place, &range, text);
            self.list.push((range, text.as_bytes().to_vec()));
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
            (Kind::Scalar, _, new) => self.scalar(node, new, at),
            (_, _, Value::Branch(_) | Value::List(_)) => None,
            (_, _, new) => {
                let text = scalar_text(Style::Plain, "", new, At { flow: true, ..at }, self.manner)?;
                let range = at.from..content_end(&self.source.base, node);
                self.list.push((range, format!(" {text}").into_bytes()));
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
        if let Some(place) = layout::place_of(wanted) {
            self.note(place, &range, &text);
        }
        self.list.push((range, text.into_bytes()));
        Some(())
    }

    fn scalar(&mut self, node: &Node, new: &Value, at: At) -> Option<()> {
        if scalar_value(node).ok()? == *new {
            return Some(());
        }
        let base = &self.source.base;
        let range = node.start.offset.min(node.text.start)..trimmed(base, &node.text);
        let old = std::str::from_utf8(base.get(range.clone())?).ok()?;
        let own = std::str::from_utf8(&base[node.text.start..range.end]).ok()?;
        let place = match layout::place_of(new) {
            Some(place) => Some(place),
            None => scalar_value(node).ok().as_ref().and_then(layout::place_of),
        };
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
        self.list.push((range, text.into_bytes()));
        Some(())
    }

    /// A container in the place of a scalar.
    fn grow(&mut self, node: &Node, wanted: &Value, at: At) -> Option<()> {
        let range = at.from..trimmed(&self.source.base, &node.text).max(at.from);
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
        self.list.push((range, text.into_bytes()));
        Some(())
    }

    fn note(&mut self, place: Place, range: &Range<usize>, new: &str) {
        let old = String::from_utf8_lossy(&self.source.base[range.clone()]).into_owned();
        self.replaced.push(Replaced { place, old, new: new.to_owned() });
    }

    // ---- comments

    fn place(&self, comment: &Comment) -> Option<Range<usize>> {
        self.source.places.get(Source::number(comment)?).cloned()
    }

    fn note_of(&self, comment: &Comment) -> Option<Note> {
        let words = self.source.words(comment)?.as_bytes().to_vec();
        Some(Note { place: self.place(comment)?, is_item: false, words })
    }

    /// Comments of a mapping.
    fn comments(&mut self, old: &[&Comment], new: Vec<&mut Comment>, removed: &[Range<usize>]) -> Option<()> {
        let notes: Vec<Note> = old.iter().map(|comment| self.note_of(comment)).collect::<Option<_>>()?;
        let mut texts: Vec<Value> = new.iter().map(|comment| Value::Comment((**comment).clone())).collect();
        self.notes(&notes, texts.iter_mut().collect(), removed)?;
        for (comment, text) in new.into_iter().zip(texts) {
            if let Value::Comment(text) = text {
                *comment = text;
            }
        }
        Some(())
    }

    /// Comments of one container, in order. Those that go with a removed range get the number of their place.
    fn notes(&mut self, old: &[Note], new: Vec<&mut Value>, removed: &[Range<usize>]) -> Option<()> {
        let stays = |note: &Note| !removed.iter().any(|range| range.contains(&note.place.start));
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
                Value::Comment(comment) => (comment.text.as_bytes().to_vec(), false),
                Value::Str(text) => (text.as_bytes().to_vec(), true),
                _ => return None,
            };
            if note.words == text && note.is_item == is_item {
                continue;
            }
            if text.contains(&b'\n') || text.contains(&b'\r') {
                return None;
            }
            let mark: &[u8] = if is_item { b"- " } else { b"#" };
            self.list.push((note.place.clone(), [mark, &text].concat()));
        }
        Some(())
    }

    /// Takes out comments that are wanted no more; all others must be as they were.
    fn drop_notes(&mut self, old: &[Note], new: &[&mut Value]) -> Option<()> {
        let mut wanted = new.iter().map(|value| match &**value {
            Value::Comment(comment) => comment.text.as_bytes(),
            Value::Str(text) => text.as_bytes(),
            _ => &[],
        });
        let mut next = wanted.next();
        for note in old {
            if next == Some(&note.words) {
                next = wanted.next();
                continue;
            }
            let base = &self.source.base;
            let first = line_start(base, note.place.start);
            let before =
                base[first..note.place.start].iter().rposition(|&byte| byte != b' ' && byte != b'\t');
            let range = match before {
                Some(at) => first + at + 1..note.place.end,
                None => first..after_break(base, line_end(base, note.place.end)),
            };
            self.list.push((range, Vec::new()));
        }
        next.is_none().then_some(())
    }

    // ---- entries that go or come

    fn remove_entries(
        &mut self,
        node: &Node,
        pairs: &[(&Node, &Node)],
        gone: Range<usize>,
        no_others: bool,
        at: At,
    ) -> Option<Vec<Range<usize>>> {
        if gone.is_empty() {
            return Some(Vec::new());
        }
        let base = &self.source.base;
        let start = pairs[gone.start].0.start.offset;
        let end = content_end(base, pairs[gone.end - 1].1);
        let next = pairs.get(gone.end).map(|(key, _)| key.start.offset);
        let before = gone.start.checked_sub(1).map(|before| content_end(base, pairs[before].1));
        let is_all = gone.len() == pairs.len();
        if is_all && (at.flow || !at.is_root()) {
            if !no_others {
                return None;
            }
            if node.style != Style::Flow {
                self.list.push((start..end, b"{}".to_vec()));
                self.gone.push(start..end);
                return Some(vec![start..end]);
            }
        }
        if node.style == Style::Flow {
            return self.cut(flow_range(start, end, before, next));
        }
        let mut range = self.lines(start, end, next)?;
        if self.how.layout.has_blank_line() && at.is_root() {
            range.start = before_break(base, range.start);
        }
        self.cut(range)
    }

    fn remove_items(
        &mut self,
        items: &[&Node],
        gone: Range<usize>,
        no_others: bool,
        at: At,
    ) -> Option<Vec<Range<usize>>> {
        if gone.is_empty() {
            return Some(Vec::new());
        }
        let base = &self.source.base;
        let (first, last) = (items[gone.start], items[gone.end - 1]);
        let end = content_end(base, last);
        if at.flow {
            let before = gone.start.checked_sub(1).map(|before| content_end(base, items[before]));
            let next = items.get(gone.end).map(|item| item.start.offset);
            return self.cut(flow_range(first.start.offset, end, before, next));
        }
        let start = self.dash(first)?;
        if gone.len() == items.len() {
            if !no_others {
                return None;
            }
            self.list.push((start..end, b"[]".to_vec()));
            self.gone.push(start..end);
            return Some(vec![start..end]);
        }
        let next = match items.get(gone.end) {
            Some(item) => Some(self.dash(item)?),
            None => None,
        };
        let range = self.lines(start, end, next)?;
        self.cut(range)
    }

    fn cut(&mut self, range: Range<usize>) -> Option<Vec<Range<usize>>> {
        self.gone.push(range.clone());
        self.list.push((range.clone(), Vec::new()));
        Some(vec![range])
    }

    /// Whole lines where nothing else stands on the first; else up to what follows.
    fn lines(&self, start: usize, end: usize, next: Option<usize>) -> Option<Range<usize>> {
        let base = &self.source.base;
        let first = line_start(base, start);
        if !base[first..start].iter().all(|&byte| byte == b' ') {
            return next.map(|next| start..next);
        }
        let last = line_end(base, end);
        let behind = after_break(base, last);
        if behind == last {
            // The text ends here without a line break, and shall go on doing so.
            return Some(before_break(base, first)..last);
        }
        Some(first..behind)
    }

    fn insert_entries(
        &mut self,
        node: &Node,
        before: Option<&Node>,
        end: Option<usize>,
        pairs: &[(&Node, &Node)],
        fresh: &Branch,
        gone: usize,
    ) -> Option<()> {
        if node.style == Style::Flow {
            return self.insert_in_flow(node, before, pairs.len() > gone, &flow_entries(fresh)?, b'{');
        }
        let (first, _) = pairs.first()?;
        let column = first.start.column.checked_sub(1)?;
        let text = self.block_entries(fresh, column)?;
        self.insert_lines(text, before, end, first.start.offset, column)
    }

    fn insert_items(
        &mut self,
        node: &Node,
        before: Option<&Node>,
        end: Option<usize>,
        fresh: &[Value],
        at: At,
    ) -> Option<()> {
        if at.flow {
            let texts = fresh.iter().map(flow_text).collect::<Option<Vec<_>>>()?.join(", ");
            return self.insert_in_flow(node, before, !node.content.is_empty(), &texts, b'[');
        }
        let first = self.dash(node.content.first()?)?;
        let column = first - line_start(&self.source.base, first);
        let text = self.block_items(fresh, column)?;
        self.insert_lines(text, before, end, first, column)
    }

    fn insert_lines(
        &mut self,
        text: String,
        before: Option<&Node>,
        end: Option<usize>,
        first: usize,
        column: usize,
    ) -> Option<()> {
        let newline = self.manner.newline;
        let Some(end) = end.filter(|_| before.is_some()) else {
            let text = format!("{}{newline}{}", text.trim_start_matches(' '), " ".repeat(column));
            self.list.push((first..first, text.into_bytes()));
            return Some(());
        };
        let at = line_end(&self.source.base, end);
        let blank = if self.how.layout.has_blank_line() && column == 0 { newline } else { "" };
        self.list.push((at..at, format!("{blank}{newline}{text}").into_bytes()));
        Some(())
    }

    fn insert_in_flow(
        &mut self,
        node: &Node,
        before: Option<&Node>,
        has_others: bool,
        text: &str,
        bracket: u8,
    ) -> Option<()> {
        if let Some(before) = before {
            let at = content_end(&self.source.base, before);
            self.list.push((at..at, format!(", {text}").into_bytes()));
            return Some(());
        }
        let open = self.source.base[node.start.offset..].iter().position(|&byte| byte == bracket)?;
        let at = node.start.offset + open + 1;
        let text = if has_others { format!("{text}, ") } else { text.to_owned() };
        self.list.push((at..at, text.into_bytes()));
        Some(())
    }

    fn block_entries(&self, branch: &Branch, column: usize) -> Option<String> {
        self.block(mapping_node(branch, Column::Aligned), column)
    }

    fn block_items(&self, items: &[Value], column: usize) -> Option<String> {
        self.block(sequence_node(items), column)
    }

    /// Lines of a container at a column, without the last line break.
    fn block(&self, node: Node, column: usize) -> Option<String> {
        let options = sealfast_yaml::emit::Options {
            indent: self.manner.step,
            ..sealfast_yaml::emit::Options::default()
        };
        let text = String::from_utf8(write(&[Node::document(node)], &options).ok()?).ok()?;
        let indent = " ".repeat(column);
        let line = |line: &str| if line.is_empty() { String::new() } else { format!("{indent}{line}") };
        Some(text.trim_end_matches('\n').split('\n').map(line).collect::<Vec<_>>().join(self.manner.newline))
    }

    /// The text with its edits, comments with their words again.
    pub(super) fn apply(mut self) -> Option<(Vec<u8>, Vec<Replaced>)> {
        let touched: std::collections::HashSet<usize> =
            self.list.iter().map(|(range, _)| range.start).collect();
        for (number, place) in self.source.places.iter().enumerate() {
            if !touched.contains(&place.start) {
                let words = self.source.words_of(number)?;
                self.list.push((place.clone(), [b"#", words.as_bytes()].concat()));
            }
        }
        self.list.sort_by_key(|(range, _)| (range.start, range.end));
        let base = &self.source.base;
        let mut out = Vec::with_capacity(base.len() * 2);
        let mut done = 0;
        for (range, text) in self.list {
            if range.start < done {
                continue;
            }
            out.extend_from_slice(&base[done..range.start]);
            out.extend(text);
            done = range.end;
        }
        out.extend_from_slice(&base[done..]);
        Some((out, self.replaced))
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

/// What goes and what comes between a common start and a common end.
fn difference(old: usize, new: usize, same: impl Fn(usize, usize) -> bool) -> (Range<usize>, Range<usize>) {
    let head = (0..old.min(new)).take_while(|&at| same(at, at)).count();
    let tail = (1..=old.min(new) - head).take_while(|&back| same(old - back, new - back)).count();
    (head..old - tail, head..new - tail)
}

/// Puts the metadata where the text has them.
fn place_metadata(have: &Branch, wanted: &mut Branch) {
    let is_it = |entry: &Entry| entry.key.name() == Some(ENTRY);
    let (Some(old), Some(new)) = (have.entries.iter().position(is_it), wanted.entries.iter().position(is_it))
    else {
        return;
    };
    let behind = |branch: &Branch, at: usize| {
        branch.entries[at..].iter().skip(1).filter_map(|entry| entry.key.name().map(str::to_owned)).next()
    };
    let (next, now) = (behind(have, old), behind(wanted, new));
    if next == now {
        return;
    }
    let block = wanted.entries.remove(new);
    let before =
        wanted.entries.iter().position(|entry| entry.key.name() == next.as_deref() && next.is_some());
    wanted.entries.insert(before.unwrap_or(wanted.entries.len()), block);
}

/// Metadata in the order of the text; empty fields of the text stay.
fn arrange(have: &Branch, wanted: &mut Branch) {
    let mut rest: Vec<Entry> = std::mem::take(&mut wanted.entries);
    for entry in &have.entries {
        let Some(name) = entry.key.name() else {
            wanted.entries.push(entry.clone());
            continue;
        };
        if let Some(at) = rest.iter().position(|new| new.key.name() == Some(name)) {
            wanted.entries.push(rest.remove(at));
        } else if is_empty(&entry.value) {
            wanted.entries.push(entry.clone());
        }
    }
    for entry in rest {
        let name = entry.key.name().unwrap_or_default();
        let after =
            wanted.entries.iter().rposition(|other| other.key.name().is_some_and(|other| other < name));
        wanted.entries.insert(after.map_or(0, |after| after + 1), entry);
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::Str(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Branch(branch) => branch.entries.is_empty(),
        _ => false,
    }
}

fn named(branch: &Branch) -> impl Iterator<Item = &Entry> {
    branch.entries.iter().filter(|entry| !matches!(entry.key, Key::Comment(_)))
}

fn comments_of(branch: &Branch) -> Vec<&Comment> {
    let comment = |entry: &'_ Entry| matches!(entry.key, Key::Comment(_));
    branch
        .entries
        .iter()
        .filter(|entry| comment(entry))
        .filter_map(|entry| if let Key::Comment(comment) = &entry.key { Some(comment) } else { None })
        .collect()
}

fn comments_in(branch: &mut Branch) -> Vec<&mut Comment> {
    branch
        .entries
        .iter_mut()
        .filter_map(|entry| if let Key::Comment(comment) = &mut entry.key { Some(comment) } else { None })
        .collect()
}

fn drop_comments(branch: &mut Branch, removed: &[Range<usize>], source: &Source) {
    branch
        .entries
        .retain(|entry| !matches!(&entry.key, Key::Comment(comment) if is_dropped(comment, removed, source)));
}

/// Is this the number of a comment in a removed range?
fn is_dropped(comment: &Comment, removed: &[Range<usize>], source: &Source) -> bool {
    !removed.is_empty()
        && Source::number(comment)
            .and_then(|number| source.places.get(number))
            .is_some_and(|place| removed.iter().any(|range| range.contains(&place.start)))
}

fn strip_comments(value: &mut Value) {
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

/// From an entry to the next, with the comma between them.
fn flow_range(start: usize, end: usize, before: Option<usize>, next: Option<usize>) -> Range<usize> {
    match (next, before) {
        (Some(next), _) => start..next,
        (None, Some(before)) => before..end,
        (None, None) => start..end,
    }
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

fn key_end(key: &Node) -> usize {
    if key.kind == Kind::Scalar { key.text.end } else { key.end.offset }
}

/// The end of a node's last value.
fn content_end(base: &[u8], node: &Node) -> usize {
    match node.kind {
        Kind::Scalar => trimmed(base, &node.text),
        Kind::Alias => node.end.offset,
        _ if node.style == Style::Flow => node.end.offset,
        _ => node.content.last().map_or(node.end.offset, |last| content_end(base, last)),
    }
}

/// A block text reaches to the end of its last line; that line break and blank lines behind it stay.
fn trimmed(base: &[u8], range: &Range<usize>) -> usize {
    let kept = base[range.clone()].iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
    range.start + kept.map_or(0, |at| at + 1)
}

fn line_start(base: &[u8], at: usize) -> usize {
    base[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |found| found + 1)
}

/// The end of the line, before its break.
fn line_end(base: &[u8], at: usize) -> usize {
    let end = base[at..].iter().position(|&byte| byte == b'\n').map_or(base.len(), |found| at + found);
    if end > at && end < base.len() && base[end - 1] == b'\r' { end - 1 } else { end }
}

fn after_break(base: &[u8], at: usize) -> usize {
    match &base[at..] {
        [b'\r', b'\n', ..] => at + 2,
        [b'\n', ..] => at + 1,
        _ => at,
    }
}

fn before_break(base: &[u8], at: usize) -> usize {
    match &base[..at] {
        [.., b'\r', b'\n'] => at - 2,
        [.., b'\n'] => at - 1,
        _ => at,
    }
}
