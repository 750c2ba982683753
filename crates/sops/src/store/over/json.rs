//! Changed JSON written into its former text.
//!
//! White space, escapes and the form of numbers stay.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::layout;
use crate::store::json_text::{self, Place};
use crate::store::over::change::{Changes, Fields, How, Replaced};
use crate::store::over::fields::{arrange, place_metadata};
use crate::store::over::same::is_same_content;
use crate::store::over::steps::{Gap, by_content, by_names, gaps, kept};
use crate::store::{ENTRY, json};
use crate::tree::{Branch, Key, Value};

/// A read text.
pub(super) struct Source<'t> {
    pub(super) base: &'t [u8],
    pub(super) branch: Branch,
    root: Place,
}

impl<'t> Source<'t> {
    /// Nothing when something stands behind the object: that is not read, and would stay in the clear.
    pub(super) fn read(base: &'t [u8]) -> Option<Self> {
        let (value, root) = json_text::value_and_place(base).ok()?;
        let Value::Branch(branch) = value else { return None };
        if is_deeper(&root, MAX_DEPTH) {
            return None;
        }
        let rest = &base[root.range.end..];
        rest.iter().all(u8::is_ascii_whitespace).then_some(Self { base, branch, root })
    }

    /// The edits of the text, not checked, and what was replaced.
    pub(super) fn edited(&self, wanted: &mut Branch, how: &How<'_>) -> Option<(Changes, Vec<Replaced>)> {
        let text = self.base.trim_ascii();
        let is_in_lines = text.contains(&b'\n') || text == b"{}";
        let newline = if self.base.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
        let mut edits = Edits {
            base: self.base,
            how,
            step: self.step(),
            newline: is_in_lines.then_some(newline),
            list: Changes::default(),
            replaced: Vec::new(),
        };
        place_metadata(&self.branch, wanted);
        edits.object(&self.root, &self.branch, wanted, Fields::Document)?;
        Some((edits.list, edits.replaced))
    }

    /// What one level is indented by: the white space before the first key, without its line break.
    fn step(&self) -> String {
        let before = self.root.content.first().map(|(key, _)| self.root.range.start + 1..key.start);
        let space = before.map(|before| String::from_utf8_lossy(&self.base[before]).into_owned());
        let line =
            space.as_deref().and_then(|space| space.rsplit_once('\n')).map(|(_, line)| line.to_owned());
        line.unwrap_or_else(|| "\t".to_owned())
    }
}

/// What nests deeper is written anew; the way through it would need more stack than small threads have.
const MAX_DEPTH: usize = 100;

fn is_deeper(place: &Place, levels: usize) -> bool {
    levels == 0 || place.content.iter().any(|(_, below)| is_deeper(below, levels - 1))
}

struct Edits<'s> {
    base: &'s [u8],
    how: &'s How<'s>,
    step: String,
    /// None in a text of one line.
    newline: Option<&'static str>,
    list: Changes,
    replaced: Vec<Replaced>,
}

impl Edits<'_> {
    fn object(&mut self, place: &Place, have: &Branch, wanted: &mut Branch, fields: Fields) -> Option<()> {
        if fields == Fields::Metadata {
            arrange(have, wanted);
        }
        // Comments have no place in JSON.
        wanted.entries.retain(|entry| !matches!(entry.key, Key::Comment(_)));
        let old: Vec<&str> = have.entries.iter().map(|entry| entry.key.name()).collect::<Option<_>>()?;
        let new: Vec<&str> = wanted.entries.iter().map(|entry| entry.key.name()).collect::<Option<_>>()?;
        let steps = by_names(&old, &new);
        for gap in gaps(&steps) {
            let fresh = wanted.entries[gap.came.clone()].iter().map(|entry| {
                let name = json::emit_value_compact(&Value::from(entry.key.name()?)).ok()?;
                Some([name, self.colon(place), self.fresh(&entry.value, place)?].concat())
            });
            self.exchange(place, &gap, fresh.collect::<Option<_>>()?);
        }
        for (left, right) in kept(&steps) {
            let entry = &mut wanted.entries[right];
            let is_metadata =
                fields == Fields::Metadata || self.is_root(place) && entry.key.name() == Some(ENTRY);
            let fields = if is_metadata { Fields::Metadata } else { Fields::Document };
            self.value(&place.content[left].1, &have.entries[left].value, &mut entry.value, fields)?;
        }
        Some(())
    }

    fn list(&mut self, place: &Place, have: &[Value], wanted: &mut Vec<Value>, fields: Fields) -> Option<()> {
        wanted.retain(|item| !matches!(item, Value::Comment(_)));
        let same = |left: usize, right: usize| is_same_content(&have[left], &wanted[right]);
        let steps = by_content(have.len(), wanted.len(), same);
        for gap in gaps(&steps) {
            let fresh = wanted[gap.came.clone()].iter().map(|item| self.fresh(item, place));
            self.exchange(place, &gap, fresh.collect::<Option<_>>()?);
        }
        for (left, right) in kept(&steps) {
            self.value(&place.content[left].1, &have[left], &mut wanted[right], fields)?;
        }
        Some(())
    }

    fn value(&mut self, place: &Place, have: &Value, wanted: &mut Value, fields: Fields) -> Option<()> {
        match (have, &mut *wanted) {
            (Value::Branch(have), Value::Branch(wanted)) => return self.object(place, have, wanted, fields),
            (Value::List(have), Value::List(wanted)) => return self.list(place, have, wanted, fields),
            (have, wanted) if have == wanted => return Some(()),
            _ => {}
        }
        let is_asked = self.how.records || !self.how.layout.is_empty();
        let leads = is_asked.then(|| layout::place_of(wanted).or_else(|| layout::place_of(have))).flatten();
        let kept = leads.as_ref().and_then(|leads| self.how.layout.text(leads));
        let new = match kept {
            Some(text) => text.as_bytes().to_vec(),
            None => self.text_of(wanted, if wanted.is_complex() { self.margin(place) } else { None })?,
        };
        if let Some(leads) = leads.filter(|_| self.how.records) {
            let text = |bytes: &[u8]| Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
            let (old, new) = (text(&self.base[place.range.clone()]), text(&new));
            self.replaced.push(Replaced { place: leads, old, new });
        }
        self.list.put(place.range.clone(), new);
        Some(())
    }

    /// Takes out what is gone and puts in what came, with the commas and the white space of its neighbours.
    fn exchange(&mut self, place: &Place, gap: &Gap, fresh: Vec<Vec<u8>>) {
        let Gap { gone, before, next, .. } = gap;
        let (start, end) =
            (|index: usize| start_of(&place.content[index]), |index: usize| end_of(&place.content[index]));
        let space = self.space(place);
        let comma = [b",".as_slice(), &space].concat();
        let joined = fresh.join(comma.as_slice());
        if !gone.is_empty() {
            let (range, text) = match (*before, *next) {
                (Some(before), _) => (end(before)..end(gone.end - 1), Vec::new()),
                (None, Some(next)) => (start(gone.start)..start(next), Vec::new()),
                (None, None) if fresh.is_empty() => (place.range.start + 1..place.range.end - 1, Vec::new()),
                (None, None) => (start(gone.start)..end(gone.end - 1), joined.clone()),
            };
            self.list.put(range, text);
        }
        if fresh.is_empty() || before.is_none() && next.is_none() && !gone.is_empty() {
            return;
        }
        let (range, text) = match (*before, *next) {
            (Some(before), _) => (end(before)..end(before), [comma, joined].concat()),
            (None, Some(next)) => (start(next)..start(next), [joined, comma].concat()),
            (None, None) => {
                let last = if space.is_empty() { None } else { self.margin(place) };
                let last = last.unwrap_or_default().into_bytes();
                (place.range.start + 1..place.range.end - 1, [space, joined, last].concat())
            }
        };
        self.list.put(range, text);
    }

    /// White space before each entry of a container.
    fn space(&self, place: &Place) -> Vec<u8> {
        if let Some(first) = place.content.first() {
            return self.base[place.range.start + 1..start_of(first)].to_vec();
        }
        self.margin(place).map(|margin| format!("{margin}{}", self.step).into_bytes()).unwrap_or_default()
    }

    /// What stands between a key and its value.
    fn colon(&self, place: &Place) -> Vec<u8> {
        let found = place.content.first().map(|(key, value)| self.base[key.end..value.range.start].to_vec());
        found.unwrap_or_else(|| if self.newline.is_some() { b": ".to_vec() } else { b":".to_vec() })
    }

    /// A new value below a container.
    fn fresh(&self, value: &Value, place: &Place) -> Option<Vec<u8>> {
        let space = String::from_utf8(self.space(place)).ok()?;
        self.text_of(value, space.contains('\n').then_some(space))
    }

    fn text_of(&self, value: &Value, margin: Option<String>) -> Option<Vec<u8>> {
        match margin {
            Some(margin) => json::emit_value_at(value, &self.step, &margin).ok(),
            None => json::emit_value_compact(value).ok(),
        }
    }

    /// Line break and indentation of the line that a value stands in; none in a text of one line.
    fn margin(&self, place: &Place) -> Option<String> {
        let newline = self.newline?;
        let before = &self.base[..place.range.start];
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let blanks = before[start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        Some(format!("{newline}{}", String::from_utf8_lossy(&before[start..start + blanks])))
    }

    fn is_root(&self, place: &Place) -> bool {
        self.base[..place.range.start].iter().all(u8::is_ascii_whitespace)
    }
}

fn start_of((key, value): &(Range<usize>, Place)) -> usize {
    key.start.min(value.range.start)
}

fn end_of((_, value): &(Range<usize>, Place)) -> usize {
    value.range.end
}
