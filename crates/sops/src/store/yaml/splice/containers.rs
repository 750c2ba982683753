//! Mappings and lists on the way: what stays, what goes and what comes.

use std::ops::Range;

use sealfast_yaml::node::Node;

use crate::store::ENTRY;
use crate::store::over::change::{Fields, difference};
use crate::store::over::fields::{arrange, place_metadata};
use crate::store::over::places::line_start;
use crate::store::over::same;
use crate::store::yaml::splice::edits::{Edits, named};
use crate::store::yaml::splice::notes::{Note, comments_in, comments_of, drop_comments, is_dropped, is_note};
use crate::store::yaml::splice::places::{content_end, key_end};
use crate::store::yaml::splice::scalar::At;
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};

/// Which of the former entries or items are gone, and which of the wanted ones are new.
struct Difference {
    gone: Range<usize>,
    added: Range<usize>,
}

impl Difference {
    /// Where what is not new stood.
    fn former(&self, index: usize) -> usize {
        if index < self.added.start { index } else { index + self.gone.len() - self.added.len() }
    }

    /// The former one behind which the new ones come.
    fn before(&self) -> Option<usize> {
        self.added.start.checked_sub(1)
    }

    fn ends_with(&self, index: usize) -> bool {
        index + 1 == self.added.end
    }
}

/// A mapping of the text.
struct Mapping<'n> {
    node: &'n Node,
    pairs: Vec<(&'n Node, &'n Node)>,
    values: Vec<&'n Entry>,
    difference: Difference,
    at: At,
    fields: Fields,
}

/// An item of the text, and what it was read as.
type Item<'n> = (&'n Node, &'n Value);

/// A list of the text, comments aside.
struct List<'n> {
    node: &'n Node,
    items: Vec<Item<'n>>,
    difference: Difference,
    at: At,
    fields: Fields,
}

impl Edits<'_> {
    pub(super) fn mapping(
        &mut self,
        node: &Node,
        have: &Branch,
        wanted: &mut Branch,
        at: At,
        fields: Fields,
    ) -> Option<()> {
        if fields == Fields::Metadata {
            arrange(have, wanted);
        } else if at.is_root() {
            place_metadata(have, wanted);
        }
        let pairs: Vec<(&Node, &Node)> = node.pairs().collect();
        let values: Vec<&Entry> = named(have).collect();
        let difference = compare_keys(&values, wanted).filter(|_| values.len() == pairs.len())?;
        let Difference { gone, added } = &difference;
        let removed = self.remove_entries(node, &pairs, gone.clone(), added.is_empty(), at)?;
        self.comments(&comments_of(have), comments_in(wanted), &removed)?;
        drop_comments(wanted, &removed, self.source);
        let ends: Vec<usize> = comments_of(have)
            .into_iter()
            .filter_map(|comment| self.place(comment))
            .filter(|place| !removed.contains(&place.start))
            .map(|place| place.end)
            .collect();
        let mapping = Mapping { node, pairs, values, difference, at, fields };
        self.entries(&mapping, wanted, ends.into_iter())
    }

    /// Takes the ends of the comments that stay.
    fn entries(
        &mut self,
        mapping: &Mapping<'_>,
        wanted: &mut Branch,
        mut ends: impl Iterator<Item = usize>,
    ) -> Option<()> {
        let (mut index, mut end, mut fresh) = (0, None, Branch::new());
        for entry in &mut wanted.entries {
            if let Key::Comment(_) = entry.key {
                end = ends.next().max(end);
                continue;
            }
            if mapping.difference.added.contains(&index) {
                fresh.entries.push(entry.clone());
                if mapping.difference.ends_with(index) {
                    self.insert(mapping, end, &fresh)?;
                }
            } else {
                let former = mapping.difference.former(index);
                end = Some(self.entry(mapping, former, entry)?).max(end);
            }
            index += 1;
        }
        Some(())
    }

    fn insert(&mut self, mapping: &Mapping<'_>, end: Option<usize>, fresh: &Branch) -> Option<()> {
        let Mapping { node, pairs, difference, .. } = mapping;
        let before = difference.before().and_then(|before| pairs.get(before));
        let before = before.map(|(_, value)| *value);
        self.insert_entries(node, before, end, pairs, fresh, difference.gone.len())
    }

    /// An entry that stays; returns where its value ends in the text.
    fn entry(&mut self, mapping: &Mapping<'_>, former: usize, entry: &mut Entry) -> Option<usize> {
        let (key, value) = mapping.pairs[former];
        let below = self.below(key, mapping.at)?;
        let is_block = mapping.at.is_root() && entry.key.name() == Some(ENTRY);
        let fields = if is_block { Fields::Metadata } else { mapping.fields };
        self.value(value, &mapping.values[former].value, &mut entry.value, below, fields)?;
        Some(content_end(self.source.base, value))
    }

    /// Where the value of a key stands.
    fn below(&self, key: &Node, at: At) -> Option<At> {
        let end = key_end(key);
        let colon = self.source.base[end..].iter().position(|&byte| byte == b':')?;
        Some(At { flow: at.flow, column: key.start.column.checked_sub(1)?, from: end + colon + 1 })
    }

    /// Comments of a list are comments in the text, or items of their own where the reference has encrypted them.
    pub(super) fn sequence(
        &mut self,
        node: &Node,
        have: &[Value],
        wanted: &mut Vec<Value>,
        at: At,
        fields: Fields,
    ) -> Option<()> {
        let (items, notes) = self.items_and_notes(node, have, at)?;
        if !notes.iter().any(|note| note.is_item) {
            uncover_comments(wanted);
        }
        let difference = compare_items(&items, wanted);
        let nodes: Vec<&Node> = items.iter().map(|(item, _)| *item).collect();
        let Difference { gone, added } = &difference;
        let removed = self.remove_items(&nodes, gone.clone(), added.is_empty(), at)?;
        let texts: Vec<&mut Value> = wanted.iter_mut().filter(|value| is_note(value)).collect();
        self.notes(&notes, texts, &removed)?;
        wanted.retain(
            |value| !matches!(value, Value::Comment(comment) if is_dropped(comment, &removed, self.source)),
        );
        let stays = |note: &&Note| !removed.contains(&note.place.start);
        let ends = notes.iter().filter(stays).map(|note| note.place.end);
        self.items(&List { node, items, difference, at, fields }, wanted, ends)
    }

    /// What a list of the text holds.
    fn items_and_notes<'n>(
        &self,
        node: &'n Node,
        have: &'n [Value],
        at: At,
    ) -> Option<(Vec<Item<'n>>, Vec<Note>)> {
        let mut nodes = node.content.iter();
        let (mut items, mut notes) = (Vec::new(), Vec::new());
        for value in have {
            match value {
                Value::Comment(comment) => notes.push(self.note_of(comment)?),
                value if is_note(value) => {
                    let item = nodes.next()?;
                    let start = if at.flow { item.start.offset } else { self.dash(item)? };
                    let place = start..content_end(self.source.base, item);
                    notes.push(Note { place, is_item: true, words: Text::from(value.as_str()?) });
                }
                value => items.push((nodes.next()?, value)),
            }
        }
        nodes.next().is_none().then_some((items, notes))
    }

    /// Takes the ends of the comments that stay.
    fn items(
        &mut self,
        list: &List<'_>,
        wanted: &mut [Value],
        mut ends: impl Iterator<Item = usize>,
    ) -> Option<()> {
        let (mut index, mut end, mut fresh) = (0, None, Vec::new());
        for value in wanted {
            if is_note(value) {
                end = ends.next().max(end);
                continue;
            }
            if list.difference.added.contains(&index) {
                fresh.push(value.clone());
                if list.difference.ends_with(index) {
                    let before = list.difference.before().and_then(|before| list.items.get(before));
                    self.insert_items(list.node, before.map(|(item, _)| *item), end, &fresh, list.at)?;
                }
            } else {
                let former = list.difference.former(index);
                end = Some(self.item(list, former, value)?).max(end);
            }
            index += 1;
        }
        Some(())
    }

    /// An item that stays; returns where it ends in the text.
    fn item(&mut self, list: &List<'_>, former: usize, value: &mut Value) -> Option<usize> {
        let (item, old) = list.items[former];
        let below = if list.at.flow { list.at } else { self.behind_dash(item)? };
        self.value(item, old, value, below, list.fields)?;
        Some(content_end(self.source.base, item))
    }

    fn behind_dash(&self, item: &Node) -> Option<At> {
        let dash = self.dash(item)?;
        let column = dash - line_start(self.source.base, dash);
        Some(At { flow: false, column, from: dash + 1 })
    }
}

/// Nothing where keys are no texts, or one of them would have to move.
fn compare_keys(values: &[&Entry], wanted: &Branch) -> Option<Difference> {
    if wanted.entries.iter().any(|entry| matches!(entry.key, Key::Other { .. })) {
        return None;
    }
    let old: Vec<&str> = values.iter().map(|entry| entry.key.name()).collect::<Option<_>>()?;
    let new: Vec<&str> = wanted.named().map(|(name, _)| name).collect();
    let (gone, added) = difference(old.len(), new.len(), |left, right| old[left] == new[right]);
    let moves = new[added.clone()].iter().any(|name| old[gone.clone()].contains(name));
    (!moves).then_some(Difference { gone, added })
}

/// Items that changed stay in their places.
fn compare_items(items: &[Item<'_>], wanted: &[Value]) -> Difference {
    let new: Vec<&Value> = wanted.iter().filter(|value| !is_note(value)).collect();
    let is_same = |left: usize, right: usize| same::is_same_content(items[left].1, new[right]);
    let (mut gone, mut added) = difference(items.len(), new.len(), is_same);
    let paired = gone.len().min(added.len());
    gone.start += paired;
    added.start += paired;
    Difference { gone, added }
}

/// Where no comment is an item in the text, none becomes one.
fn uncover_comments(wanted: &mut [Value]) {
    for value in wanted.iter_mut().filter(|value| is_note(value)) {
        if let Value::Str(text) = value {
            *value = Value::Comment(Comment::line(std::mem::take(text)));
        }
    }
}
