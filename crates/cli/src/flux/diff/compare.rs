//! Two versions of an object -> their differences, each with its path.
//!
//! Follows: `dyff` 1.10, as flux uses it. Differs: where several fields could tell the items of a list apart, the first in
//! the order of the alphabet is taken; there it is any.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What differs at one place.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    /// Fields and items on the way; none for the object itself.
    pub(super) path: Vec<String>,
    /// What was done there.
    pub(super) details: Vec<Detail>,
}

/// One kind of change.
#[derive(Debug, PartialEq)]
pub(super) enum Detail {
    /// One value took the place of another.
    Modified { from: Value, to: Value },
    /// Fields or items that are gone, as a mapping or a list.
    Removed(Value),
    /// Fields or items that are new, as a mapping or a list.
    Added(Value),
    /// Items that are in another order.
    Reordered { from: Vec<Value>, to: Vec<Value> },
}

/// Compares two values whose fields are sorted.
pub(super) fn values(from: &Value, to: &Value) -> Vec<Difference> {
    let mut found = Found { path: Vec::new(), differences: Vec::new() };
    found.compare(from, to);
    found.differences
}

/// What was found so far, and where the comparison is.
struct Found {
    path: Vec<String>,
    differences: Vec<Difference>,
}

impl Found {
    fn compare(&mut self, from: &Value, to: &Value) {
        match (from, to) {
            (Value::Object(from), Value::Object(to)) => self.maps(from, to),
            (Value::Array(from), Value::Array(to)) => self.lists(from, to),
            _ if from == to => {}
            _ => self.note(vec![Detail::Modified { from: from.clone(), to: to.clone() }]),
        }
    }

    /// Goes one step further down.
    fn below(&mut self, step: &str, from: &Value, to: &Value) {
        self.path.push(step.to_owned());
        self.compare(from, to);
        self.path.pop();
    }

    fn note(&mut self, details: Vec<Detail>) {
        if !details.is_empty() {
            self.differences.push(Difference { path: self.path.clone(), details });
        }
    }

    fn maps(&mut self, from: &Map<String, Value>, to: &Map<String, Value>) {
        let only = |all: &Map<String, Value>, others: &Map<String, Value>| {
            let own = all.iter().filter(|(key, _)| !others.contains_key(key.as_str()));
            own.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>()
        };
        let (removed, added) = (only(from, to), only(to, from));
        let mut details = Vec::new();
        if !removed.is_empty() {
            details.push(Detail::Removed(Value::Object(removed)));
        }
        if !added.is_empty() {
            details.push(Detail::Added(Value::Object(added)));
        }
        self.note(details);
        for (key, value) in from {
            if let Some(other) = to.get(key) {
                self.below(key, value, other);
            }
        }
    }

    fn lists(&mut self, from: &[Value], to: &[Value]) {
        if from.is_empty() && to.is_empty() {
            return;
        }
        match identifier(from, to) {
            Some(identifier) => self.named_lists(&identifier.names(from), &identifier.names(to)),
            None => self.simple_lists(from, to),
        }
    }

    fn named_lists(&mut self, from: &[Named<'_>], to: &[Named<'_>]) {
        let (in_from, in_to) = (places(from), places(to));
        let (names, new_names) = (common(from, &in_to), common(to, &in_from));
        let reordered = (names != new_names).then_some(Detail::Reordered { from: names, to: new_names });
        self.note(list_details(reordered, others(from, &in_to), others(to, &in_from)));
        for (name, item) in from {
            if let Some(at) = in_to.get(name.as_str()) {
                self.below(name, item, to[*at].1);
            }
        }
    }

    fn simple_lists(&mut self, from: &[Value], to: &[Value]) {
        if let ([from], [to]) = (from, to) {
            self.below("0", from, to);
            return;
        }
        let digests = |items: &[Value]| items.iter().map(digest).collect::<Vec<_>>();
        let (in_from, in_to) = (digests(from), digests(to));
        let (kept, order) = kept(from, &in_from, &in_to);
        let (new_kept, new_order) = self::kept(to, &in_to, &in_from);
        let is_reordered = order.len() == new_order.len() && order != new_order;
        let reordered = is_reordered.then_some(Detail::Reordered { from: kept, to: new_kept });
        let (removed, added) = (surplus(from, &in_from, &in_to), surplus(to, &in_to, &in_from));
        self.note(list_details(reordered, removed, added));
    }
}

fn list_details(reordered: Option<Detail>, removed: Vec<Value>, added: Vec<Value>) -> Vec<Detail> {
    let mut details: Vec<Detail> = reordered.into_iter().collect();
    if !removed.is_empty() {
        details.push(Detail::Removed(Value::Array(removed)));
    }
    if !added.is_empty() {
        details.push(Detail::Added(Value::Array(added)));
    }
    details
}

/// What tells the items of a list apart.
#[derive(Debug, PartialEq)]
enum Identifier {
    /// One field of each item.
    Field(String),
    /// Each item is an object of Kubernetes.
    Object,
}

/// An item and its name.
type Named<'a> = (String, &'a Value);

impl Identifier {
    fn names<'a>(&self, items: &'a [Value]) -> Vec<Named<'a>> {
        items.iter().map(|item| (self.name(item).unwrap_or_default(), item)).collect()
    }

    fn name(&self, item: &Value) -> Option<String> {
        match self {
            Identifier::Field(field) => item.get(field).map(scalar),
            Identifier::Object => {
                let metadata = item.get("metadata")?;
                let mut parts = vec![scalar(item.get("apiVersion")?), scalar(item.get("kind")?)];
                parts.extend(metadata.get("namespace").map(scalar));
                parts.push(scalar(metadata.get("name")?));
                Some(parts.join("/"))
            }
        }
    }
}

/// Where the items lie; the first one of a name counts.
fn places<'a>(items: &'a [Named<'_>]) -> HashMap<&'a str, usize> {
    items.iter().enumerate().rev().map(|(at, (name, _))| (name.as_str(), at)).collect()
}

/// The names that the other list has, too.
fn common(items: &[Named<'_>], others: &HashMap<&str, usize>) -> Vec<Value> {
    let names = items.iter().map(|(name, _)| name.as_str());
    names.filter(|name| others.contains_key(name)).map(Value::from).collect()
}

/// The items that the other list does not have.
fn others(items: &[Named<'_>], others: &HashMap<&str, usize>) -> Vec<Value> {
    let own = items.iter().filter(|(name, _)| !others.contains_key(name.as_str()));
    own.map(|(_, item)| (*item).clone()).collect()
}

/// The fields that commonly tell items apart, in the order in which they are tried.
const COMMON: [&str; 4] = ["name", "key", "id", "manager"];
/// Any other field must tell apart more items than this.
const FEW: usize = 3;

fn identifier(from: &[Value], to: &[Value]) -> Option<Identifier> {
    let are_there = !from.is_empty() && !to.is_empty();
    let is_common = |field: &&&str| are_there && tells_apart(from, field) && tells_apart(to, field);
    if let Some(field) = COMMON.iter().find(is_common) {
        return Some(Identifier::Field((*field).to_owned()));
    }
    if let Some(field) = uncommon(from, to) {
        return Some(Identifier::Field(field));
    }
    let are_objects = |items: &[Value]| items.iter().all(|item| Identifier::Object.name(item).is_some());
    (are_objects(from) && are_objects(to)).then_some(Identifier::Object)
}

/// Another field, a text that differs in all of more than a few items.
fn uncommon(from: &[Value], to: &[Value]) -> Option<String> {
    if from.len() <= FEW || !from.iter().chain(to).all(Value::is_object) {
        return None;
    }
    let is_text = |items: &[Value], field: &str| items.iter().all(|item| item[field].is_string());
    let tells = |items: &[Value], field: &str| is_text(items, field) && tells_apart(items, field);
    let mut fields: Vec<&String> = from.first()?.as_object()?.keys().collect();
    fields.sort();
    fields.into_iter().find(|field| tells(from, field) && tells(to, field)).cloned()
}

/// Whether all items have the field, each another value.
fn tells_apart(items: &[Value], field: &str) -> bool {
    let texts: HashSet<String> = items.iter().filter_map(|item| item.get(field)).map(scalar).collect();
    texts.len() == items.len()
}

/// The items that the other list has, too, and their digests.
fn kept(items: &[Value], own: &[Digest], others: &[Digest]) -> (Vec<Value>, Vec<Digest>) {
    let others: HashSet<&Digest> = others.iter().collect();
    let kept = items.iter().zip(own).filter(|(_, digest)| others.contains(digest));
    kept.map(|(item, digest)| (item.clone(), *digest)).unzip()
}

/// The items of a list that another one lacks, or has less often.
fn surplus(items: &[Value], own: &[Digest], others: &[Digest]) -> Vec<Value> {
    let count = |digests: &[Digest]| {
        let mut counts: HashMap<Digest, usize> = HashMap::new();
        for digest in digests {
            *counts.entry(*digest).or_default() += 1;
        }
        counts
    };
    let (own_counts, other_counts) = (count(own), count(others));
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (item, digest) in items.iter().zip(own) {
        let more = match other_counts.get(digest) {
            None => 1,
            Some(_) if !seen.insert(digest) => 0,
            Some(other) => own_counts.get(digest).map_or(0, |own| own.saturating_sub(*other)),
        };
        found.extend(std::iter::repeat_n(item.clone(), more));
    }
    found
}

/// The same for items that count as the same.
type Digest = [u8; 32];

/// Digests a value; a number and its text count as the same. It takes no more room than the value, however deep that is.
fn digest(value: &Value) -> Digest {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    match value {
        Value::Array(items) => {
            part(b"[");
            items.iter().for_each(|item| part(&digest(item)));
        }
        Value::Object(fields) => {
            part(b"{");
            for (key, value) in fields {
                part(key.as_bytes());
                part(&digest(value));
            }
        }
        value => {
            part(b"\"");
            part(scalar(value).as_bytes());
        }
    }
    hash.finalize().into()
}

/// A scalar as it stands in YAML, without quotes; nothing for mappings and lists.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => sealfast_yaml::json::to_yaml(value).trim_end().to_owned(),
        Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deep_items_are_told_apart_in_little_room() {
        let deep = |end: &str| (0..100).fold(json!(end), |inner, _| json!({ "a": [inner, "\""] }));
        let list = |ends: [&str; 2]| json!({ "list": ends.map(deep) });
        assert_eq!(values(&list(["x", "y"]), &list(["x", "y"])), []);
        let found = values(&list(["x", "y"]), &list(["x", "z"]));
        let details = vec![Detail::Removed(json!([deep("y")])), Detail::Added(json!([deep("z")]))];
        assert_eq!(found, [Difference { path: vec!["list".to_owned()], details }]);
    }

    #[test]
    fn parts_of_a_value_do_not_run_together() {
        assert_eq!(digest(&json!(["1", 2])), digest(&json!([1, "2"])));
        for (one, other) in [
            (json!(["ab", "c"]), json!(["a", "bc"])),
            (json!(["a"]), json!([["a"]])),
            (json!({ "a": "b" }), json!(["a", "b"])),
            (json!("["), json!([])),
        ] {
            assert_ne!(digest(&one), digest(&other), "{one} {other}");
        }
    }
}
