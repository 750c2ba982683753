//! Lists of elements that some of their fields tell apart, laid over each other.
//!
//! Follows: the associative lists of kyaml 0.21.1, with what they do to elements that lack a key.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::patch::schema::Type;
use crate::patch::strategic::places::{Looks, Parts, Places, is_blank};
use crate::patch::strategic::{DIRECTIVE, Known, Merger, Strategy, strategy_in};
use crate::resource::{field, scalar_text};

/// What the schema says of the list.
pub(super) struct KeyedLists<'a, 'b> {
    pub(super) merger: &'a Merger<'b>,
    pub(super) keys: &'a [String],
    pub(super) of: Option<&'a Type>,
}

/// The key fields of an element, empty where it has none.
type Tuple = Vec<String>;

/// The lists of one merge.
struct Lists<'p> {
    own: Places<Value>,
    patch: Places<&'p Value>,
    merged: Places<Value>,
    /// The positions of the keys that any element has.
    valid: Vec<usize>,
    /// Whether one key tells all elements apart, so that one that was merged needs no second look.
    is_plain: bool,
}

impl KeyedLists<'_, '_> {
    /// Lays the list of a patch over another.
    pub(super) fn merge(&self, patch: &[Value], own: Vec<Value>) -> Result<Vec<Value>, Error> {
        self.counted(patch, own, &mut Looks::default())
    }

    fn counted(&self, patch: &[Value], own: Vec<Value>, looks: &mut Looks) -> Result<Vec<Value>, Error> {
        looks.take(patch.len() + own.len())?;
        let mut tuples = self.tuples(patch.iter().chain(&own));
        let valid = self.valid_keys(&tuples);
        let is_whole = tuples.iter().all(|tuple| valid.iter().all(|&at| !tuple[at].is_empty()));
        if is_whole && patch.is_empty() && tuples.len() == own.len() {
            return self.passed(own);
        }
        if !is_whole && self.keys.len() > 1 {
            unify(&mut tuples, looks)?;
        }
        let mut lists = Lists {
            own: Places::of(own),
            patch: Places::of(patch),
            merged: Places::of([]),
            is_plain: is_whole && valid.len() == 1,
            valid,
        };
        tuples.iter().try_for_each(|tuple| self.element(&mut lists, tuple, looks))?;
        self.append(lists, looks)
    }

    /// Lets a merge pass over a list without doubles that the patch does not mention.
    fn passed(&self, own: Vec<Value>) -> Result<Vec<Value>, Error> {
        let known = Known { of: self.of, ..Known::default() };
        own.into_iter().filter_map(|item| self.merger.value(Some(item), None, known).transpose()).collect()
    }

    /// Merges the elements of one tuple.
    fn element(&self, lists: &mut Lists<'_>, tuple: &Tuple, looks: &mut Looks) -> Result<(), Error> {
        let parts: Vec<(&str, &str)> =
            lists.valid.iter().map(|&at| (self.keys[at].as_str(), tuple[at].as_str())).collect();
        let wanted: Vec<(&str, &str)> =
            match parts.iter().filter(|(_, part)| !part.is_empty()).copied().collect() {
                found if Vec::is_empty(&found) => parts.clone(),
                found => found,
            };
        let position = lists.own.first(&wanted, is_of, looks)?;
        let old = position.and_then(|at| lists.own.take(at));
        let new = lists.patch.first(&wanted, is_of, looks)?.and_then(|at| lists.patch.at(at).copied());
        let kept = if parts.len() > wanted.len() { old.clone() } else { None };
        let merged = self.merged_element(old, new)?;
        let is_empty = merged.as_ref().is_some_and(|value| value == &Value::Object(Map::new()));
        let Some(mut merged) = merged.filter(|_| !is_empty) else {
            // The original removes what has all keys, and so keeps an element that lacks one.
            if let (Some(at), Some(kept)) = (position, kept.filter(|_| !is_empty)) {
                lists.own.put(at, without_directive(kept));
            }
            lists.own.remove_blanks(looks)?;
            return lists.own.remove(&parts, has_parts, looks);
        };
        fill(&mut merged, &parts);
        if let Some(at) = position.filter(|_| !lists.is_plain) {
            lists.own.put(at, merged.clone());
        }
        set_element(&mut lists.merged, &parts, merged, looks)
    }

    /// Merges an element; `$patch: replace` in one that matches changes nothing but its place.
    fn merged_element(&self, old: Option<Value>, new: Option<&Value>) -> Result<Option<Value>, Error> {
        if let (Some(old), Some(Value::Object(patch))) = (&old, new)
            && strategy_in(patch)? == Strategy::Replace
        {
            return Ok(Some(without_directive(old.clone())));
        }
        self.merger.value(old, new, Known { of: self.of, ..Known::default() })
    }

    /// Puts the old elements behind the merged ones, in their own places where they were merged.
    fn append(&self, lists: Lists<'_>, looks: &mut Looks) -> Result<Vec<Value>, Error> {
        let Lists { own, mut merged, valid, .. } = lists;
        let mut is_blank_left = false;
        for item in own.into_left() {
            let keys = || valid.iter().map(|&at| self.keys[at].as_str());
            let texts: Vec<String> = keys().filter_map(|key| text_of(&item, key)).collect();
            if texts.is_empty() {
                // The original then looks for an element without any key, and keeps no other.
                merged.clear();
                is_blank_left = is_blank(&item);
                merged.push(item);
                continue;
            }
            if std::mem::take(&mut is_blank_left) {
                merged.clear();
            }
            // It has the texts in a row, and takes those behind a missing one for those of the keys before.
            let parts: Vec<(&str, &str)> = keys().zip(texts.iter().map(String::as_str)).collect();
            (texts.len()..valid.len()).for_each(|_| merged.push(item.clone()));
            if valid.len() > 1 {
                merged.remove(&parts, has_parts, looks)?;
            }
            set_element(&mut merged, &parts, item, looks)?;
        }
        Ok(merged.into_left().collect())
    }

    fn tuples<'v>(&self, items: impl Iterator<Item = &'v Value>) -> Vec<Tuple> {
        let mut seen: HashSet<Tuple, RandomState> = HashSet::default();
        let tuple = |item: &Value| -> Tuple {
            self.keys.iter().map(|key| text_of(item, key).unwrap_or_default()).collect()
        };
        items.map(tuple).filter(|tuple| seen.insert(tuple.clone())).collect()
    }

    /// Returns the positions of the keys that any element has.
    fn valid_keys(&self, tuples: &[Tuple]) -> Vec<usize> {
        let all = 0..self.keys.len();
        let used: Vec<usize> =
            all.clone().filter(|&at| tuples.iter().any(|tuple| !tuple[at].is_empty())).collect();
        if used.is_empty() { all.collect() } else { used }
    }
}

/// Returns the text of a key field that is not null.
fn text_of(item: &Value, key: &str) -> Option<String> {
    field(item, key).filter(|part| !part.is_null()).and_then(scalar_text)
}

fn without_directive(mut element: Value) -> Value {
    if let Value::Object(map) = &mut element {
        map.shift_remove(DIRECTIVE);
    }
    element
}

/// Gives an element the key fields that it does not have.
fn fill(element: &mut Value, parts: &Parts<'_>) {
    let Value::Object(map) = element else { return };
    for (key, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
        map.entry((*key).to_owned()).or_insert_with(|| plain(part));
    }
}

/// Fills in key parts that only one of two matching tuples has.
fn unify(tuples: &mut [Tuple], looks: &mut Looks) -> Result<(), Error> {
    let mut near = Near::of(tuples);
    for i in 0..tuples.len() {
        let first = tuples[i].clone();
        let others = near.candidates(&first, tuples);
        looks.take(others.len())?;
        for j in others {
            let Some(union) = union(&first, &tuples[j]) else { continue };
            for at in [i, j] {
                near.note_gains(at, &tuples[at], &union);
                tuples[at].clone_from(&union);
            }
        }
    }
    Ok(())
}

/// Returns what two tuples are together, when they share a part and differ in none.
fn union(first: &[String], second: &[String]) -> Option<Tuple> {
    let pairs = || first.iter().zip(second);
    let differ = pairs().any(|(a, b)| !a.is_empty() && !b.is_empty() && a != b);
    let share = pairs().any(|(a, b)| a == b);
    (share && !differ).then(|| pairs().map(|(a, b)| if a.is_empty() { b } else { a }.clone()).collect())
}

/// Tuples by the place of a part and its text.
type ByPart = HashMap<(usize, String), Vec<usize>, RandomState>;

/// Which tuples may match another: two that have all parts never do.
struct Near {
    all: ByPart,
    /// Those that lack a part.
    lacking: ByPart,
    /// Those that share a missing part alone with one that has a part.
    blank: Vec<usize>,
    /// Those that lacked a part before.
    odd: Vec<usize>,
}

impl Near {
    fn of(tuples: &[Tuple]) -> Self {
        let those = |test: &dyn Fn(&[String]) -> bool| -> Vec<usize> {
            tuples.iter().enumerate().filter(|(_, tuple)| test(tuple)).map(|(at, _)| at).collect()
        };
        let odd = those(&lacks_any);
        // Of two parts, the other one must be missing as well.
        let blank = those(&|tuple| lacks_any(tuple) && (tuple.len() > 2 || lacks_all(tuple)));
        let mut near = Self { all: ByPart::default(), lacking: ByPart::default(), blank, odd };
        for (at, tuple) in tuples.iter().enumerate() {
            near.note_gains(at, &vec![String::new(); tuple.len()], tuple);
        }
        near
    }

    /// Notes the parts that a tuple gets.
    fn note_gains(&mut self, at: usize, before: &[String], after: &[String]) {
        let gains = before.iter().zip(after).enumerate().filter(|(_, (old, new))| old != new);
        for (place, (_, new)) in gains {
            self.all.entry((place, new.clone())).or_default().push(at);
            if lacks_any(after) {
                self.lacking.entry((place, new.clone())).or_default().push(at);
            }
        }
    }

    /// Returns the tuples that may match one, in order.
    fn candidates(&mut self, first: &[String], tuples: &[Tuple]) -> Vec<usize> {
        let mut found = Vec::new();
        for (place, part) in first.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let table = if lacks_any(first) { &mut self.all } else { &mut self.lacking };
            let Some(those) = table.get_mut(&(place, part.clone())) else { continue };
            if !lacks_any(first) {
                those.retain(|&at| lacks_any(&tuples[at]));
            }
            found.extend_from_slice(those);
        }
        if lacks_all(first) {
            found.extend(&self.odd);
        } else if lacks_any(first) {
            found.extend(&self.blank);
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn lacks_any(tuple: &[String]) -> bool {
    tuple.iter().any(String::is_empty)
}

fn lacks_all(tuple: &[String]) -> bool {
    tuple.iter().all(String::is_empty)
}

/// Whether a value is written as a text.
fn is_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found == text,
        other => scalar_text(other).as_deref() == Some(text),
    }
}

/// Whether an element has exactly these parts.
fn is_of(item: &Value, parts: &Parts<'_>) -> bool {
    parts.iter().all(|(key, part)| field(item, key).is_some_and(|found| is_text(found, part)))
}

/// Whether an element has the fields; an empty part asks only that the field is there.
fn has_parts(item: &Value, parts: &Parts<'_>) -> bool {
    let has =
        |key: &str, part: &str| field(item, key).is_some_and(|found| part.is_empty() || is_text(found, part));
    item.is_object() && parts.iter().all(|(key, part)| has(key, part))
}

/// Replaces every element with the parts, or appends.
fn set_element(
    list: &mut Places<Value>,
    parts: &Parts<'_>,
    element: Value,
    looks: &mut Looks,
) -> Result<(), Error> {
    let found = list.find(parts, has_parts, looks)?;
    let Some((last, others)) = found.split_last() else {
        list.push(element);
        return Ok(());
    };
    others.iter().for_each(|&at| list.put(at, element.clone()));
    list.put(*last, element);
    Ok(())
}

/// Returns a key part as a value again.
fn plain(part: &str) -> Value {
    part.parse::<i64>().map_or_else(|_| Value::String(part.to_owned()), Value::from)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::{KeyedLists, Looks};
    use crate::patch::schema::Schema;
    use crate::patch::strategic::Merger;
    use crate::written::Notes;

    /// Merges lists of ports; returns the list and how many looks that took.
    fn merged(patch: &[Value], own: Vec<Value>) -> (Vec<Value>, usize) {
        let (schema, notes) = (Schema::builtin(), Notes::default());
        let merger = Merger { schema, own: &notes, patch: &notes };
        let keys = ["port".to_owned(), "protocol".to_owned()];
        let mut looks = Looks::default();
        let lists = KeyedLists { merger: &merger, keys: &keys, of: None };
        (lists.counted(patch, own, &mut looks).unwrap(), looks.count())
    }

    type Made = fn(usize) -> Value;

    fn whole(port: usize) -> Value {
        json!({ "port": port, "protocol": "TCP" })
    }

    fn short(port: usize) -> Value {
        json!({ "port": port })
    }

    /// Every second element lacks a key.
    fn mixed(port: usize) -> Value {
        if port.is_multiple_of(2) { whole(port) } else { short(port) }
    }

    #[test]
    fn the_work_grows_as_the_lists_do() {
        let nothing: Made = |port| json!({ "$patch": "delete", "port": port, "protocol": "TCP" });
        let pairs: [(Made, Made); 6] = [
            (whole, whole),
            (short, whole),
            (whole, short),
            (mixed, whole),
            (mixed, mixed),
            (nothing, whole),
        ];
        for (case, (patch, own)) in pairs.into_iter().enumerate() {
            let taken = [250, 2000].map(|length| {
                let patch: Vec<Value> = (0..length).rev().map(patch).collect();
                merged(&patch, (0..length).map(own).collect()).1
            });
            assert!(taken[1] <= 9 * taken[0], "case {case}: {taken:?}");
        }
    }

    #[test]
    fn empty_elements_are_treated_as_by_the_original() {
        let own = vec![json!({}), json!({ "port": 2 }), whole(3), json!({})];
        assert_eq!(merged(&[short(3)], own).0, [json!({})]);
        let own = vec![json!({}), json!({ "port": 2 }), json!({}), whole(3)];
        assert_eq!(merged(&[short(3)], own).0, [whole(3)]);
    }

    #[test]
    fn a_list_that_no_patch_mentions_is_looked_at_once() {
        for own in [whole, short] {
            let own: Vec<Value> = (0..1000).map(own).collect();
            let (same, looks) = merged(&[], own.clone());
            assert_eq!((same, looks), (own, 1000));
        }
    }

    #[test]
    fn long_lists_merge_as_short_ones_do() {
        let pairs: [(Made, Made); 3] = [(whole, whole), (mixed, whole), (short, mixed)];
        for (patch, own) in pairs {
            let named = |port: usize| {
                let mut element = patch(port);
                element["name"] = json!("new");
                element
            };
            let long = merged(&(40..60).rev().map(named).collect::<Vec<_>>(), (0..50).map(own).collect()).0;
            for port in [10, 11, 44, 45, 58, 59] {
                let of = |list: &[Value]| -> Vec<Value> {
                    list.iter().filter(|element| element["port"] == port).cloned().collect()
                };
                let patch: Vec<Value> = (port >= 40).then(|| named(port)).into_iter().collect();
                let own: Vec<Value> = (port < 50).then(|| own(port)).into_iter().collect();
                let others = [whole(1), whole(2)];
                let alone = merged(&patch, own.into_iter().chain(others).collect()).0;
                assert_eq!(of(&long), of(&alone), "{port}");
            }
        }
    }
}
