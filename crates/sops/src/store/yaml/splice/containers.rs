//! Mappings and lists on the way: what stays, what goes and what comes.

use sealfast_yaml::node::Node;

use crate::store::ENTRY;
use crate::store::over::change::Fields;
use crate::store::over::fields::{arrange, place_metadata};
use crate::store::over::same;
use crate::store::over::steps::{Gap, Step, by_content, by_names, gaps};
use crate::store::yaml::splice::edits::{Edits, named};
use crate::store::yaml::splice::entries::Spot;
use crate::store::yaml::splice::notes::{
    Note, comments_in, comments_of, drop_comments, is_dropped, is_note, uncover,
};
use crate::store::yaml::splice::places::{content_end, key_end};
use crate::store::yaml::splice::scalar::At;
use crate::tree::{Branch, Entry, Key, Text, Value};

/// How the entries or items of a container and the wanted ones go together.
struct Match {
    /// Where each of the wanted ones stood; none for new ones.
    former: Vec<Option<usize>>,
    gaps: Vec<Gap>,
}

impl Match {
    fn of(steps: &[Step]) -> Self {
        let wanted = |step: &Step| match *step {
            Step::Both(old, _) => Some(Some(old)),
            Step::Came(_) => Some(None),
            Step::Gone(_) => None,
        };
        Self { former: steps.iter().filter_map(wanted).collect(), gaps: gaps(steps) }
    }

    /// Where new ones come, when this is the last of them.
    fn gap_that_ends_with(&self, index: usize) -> Option<&Gap> {
        let is_new = |at: usize| self.former.get(at).is_some_and(Option::is_none);
        if !is_new(index) || is_new(index + 1) {
            return None;
        }
        let at = self.gaps.partition_point(|gap| gap.came.end <= index);
        self.gaps.get(at)
    }
}

/// A mapping of the text.
struct Mapping<'n> {
    node: &'n Node,
    pairs: Vec<(&'n Node, &'n Node)>,
    values: Vec<&'n Entry>,
    matched: Match,
    at: At,
    fields: Fields,
}

/// An item of the text, and what it was read as.
pub(super) type Item<'n> = (&'n Node, &'n Value);

/// A list of the text, comments aside.
struct List<'n> {
    node: &'n Node,
    items: Vec<Item<'n>>,
    matched: Match,
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
        let matched = match_keys(&values, wanted).filter(|_| values.len() == pairs.len())?;
        let removed = self.remove_entries(node, &pairs, &values, &matched.gaps, at)?;
        let column = first_column(at, pairs.first().map(|(key, _)| self.column(self.entry_start(key))));
        self.comments(&comments_of(have), comments_in(wanted), &removed, column)?;
        drop_comments(wanted, &removed, self.source);
        let ends: Vec<usize> = comments_of(have)
            .into_iter()
            .filter_map(|comment| self.place(comment))
            .filter(|place| !removed.has(place.start))
            .map(|place| if place.start < self.limit { place.end } else { 0 })
            .collect();
        self.entries(&Mapping { node, pairs, values, matched, at, fields }, wanted, ends.into_iter())
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
            match mapping.matched.former[index] {
                Some(former) => end = Some(self.entry(mapping, former, entry)?).max(end),
                None => fresh.entries.push(entry.clone()),
            }
            if let Some(gap) = mapping.matched.gap_that_ends_with(index) {
                self.insert(mapping, gap, end, &std::mem::take(&mut fresh))?;
            }
            index += 1;
        }
        Some(())
    }

    fn insert(&mut self, mapping: &Mapping<'_>, gap: &Gap, end: Option<usize>, fresh: &Branch) -> Option<()> {
        let Mapping { node, pairs, values, .. } = mapping;
        let spot = Spot {
            before: gap.before.map(|at| self.extent(pairs[at].1, &values[at].value)),
            end,
            next: gap.next.map(|at| self.entry_start(pairs[at].0)),
        };
        let (first, _) = pairs.first().copied().unzip();
        self.insert_entries(node, first, spot, fresh)
    }

    /// An entry that stays; returns where its value ends in the text.
    fn entry(&mut self, mapping: &Mapping<'_>, former: usize, entry: &mut Entry) -> Option<usize> {
        let (key, value) = mapping.pairs[former];
        let below = self.below(key, mapping.at);
        let is_block = mapping.at.is_root() && entry.key.name() == Some(ENTRY);
        let fields = if is_block { Fields::Metadata } else { mapping.fields };
        let have = &mapping.values[former].value;
        self.value(value, have, &mut entry.value, below, fields)?;
        Some(self.extent(value, have))
    }

    /// Where the value of a key stands.
    fn below(&self, key: &Node, at: At) -> At {
        let column = self.column(self.entry_start(key));
        let end = key_end(key);
        match self.mark_behind(end).filter(|&mark| self.source.base[mark] == b':') {
            Some(colon) => At { flow: at.flow, column, from: colon + 1, bare: false },
            None => At { flow: at.flow, column, from: end, bare: true },
        }
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
            uncover(wanted);
        }
        let matched = match_items(&items, wanted);
        let removed = self.remove_items(&items, &matched.gaps, at)?;
        let texts: Vec<&mut Value> = wanted.iter_mut().filter(|value| is_note(value)).collect();
        let dash = node.content.first().and_then(|item| self.dash(item));
        let column = first_column(at, dash.map(|dash| self.column(dash)));
        self.notes(&notes, texts, &removed, column)?;
        wanted.retain(
            |value| !matches!(value, Value::Comment(comment) if is_dropped(comment, &removed, self.source)),
        );
        let stays = |note: &&Note| !removed.has(note.place.start);
        let ends = notes.iter().filter(stays).map(|note| note.place.end);
        self.items(&List { node, items, matched, at, fields }, wanted, ends)
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
                    let start = if at.flow { item.start.offset() } else { self.dash(item)? };
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
            match list.matched.former[index] {
                Some(former) => end = Some(self.item(list, former, value)?).max(end),
                None => fresh.push(value.clone()),
            }
            if let Some(gap) = list.matched.gap_that_ends_with(index) {
                let spot = Spot {
                    before: gap.before.map(|at| self.extent(list.items[at].0, list.items[at].1)),
                    end,
                    next: gap.next.and_then(|at| self.item_start(list.items[at].0, list.at)),
                };
                self.insert_items(list.node, spot, &std::mem::take(&mut fresh), list.at)?;
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
        Some(self.extent(item, old))
    }

    fn behind_dash(&self, item: &Node) -> Option<At> {
        let dash = self.dash(item)?;
        Some(At { flow: false, column: self.column(dash), from: dash + 1, bare: false })
    }
}

/// The column of a container in lines.
fn first_column(at: At, column: Option<usize>) -> Option<usize> {
    column.filter(|_| !at.flow)
}

/// Nothing where keys are no texts.
fn match_keys(values: &[&Entry], wanted: &Branch) -> Option<Match> {
    if wanted.entries.iter().any(|entry| matches!(entry.key, Key::Other { .. })) {
        return None;
    }
    let old: Vec<&str> = values.iter().map(|entry| entry.key.name()).collect::<Option<_>>()?;
    let new: Vec<&str> = wanted.named().map(|(name, _)| name).collect();
    Some(Match::of(&by_names(&old, &new)))
}

fn match_items(items: &[Item<'_>], wanted: &[Value]) -> Match {
    let new: Vec<&Value> = wanted.iter().filter(|value| !is_note(value)).collect();
    let is_same = |left: usize, right: usize| same::is_same_content(items[left].1, new[right]);
    Match::of(&by_content(items.len(), new.len(), is_same))
}
