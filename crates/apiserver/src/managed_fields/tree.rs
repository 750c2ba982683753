//! Sets of field paths, kept as the tree that `fieldsV1` is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value};

use super::path::{Step, Trail};
use crate::causes::Complaints;

/// A node of the tree: whether the path to it is a member, and the paths below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) member: bool,
    pub(super) below: BTreeMap<Step, Tree>,
}

impl Tree {
    pub(super) fn leaf() -> Self {
        Self { member: true, below: BTreeMap::new() }
    }

    /// Returns true when no path is a member.
    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.below.values().all(Self::is_empty)
    }

    /// Puts a tree below a step, unless it is empty.
    pub(super) fn put(&mut self, step: Step, tree: Tree) {
        if tree.is_empty() {
            return;
        }
        match self.below.entry(step) {
            Entry::Vacant(place) => drop(place.insert(tree)),
            Entry::Occupied(mut place) => place.get_mut().add(&tree),
        }
    }

    /// Adds every member of another tree.
    pub(super) fn add(&mut self, other: &Tree) {
        self.member |= other.member;
        for (step, tree) in &other.below {
            self.below.entry(step.clone()).or_default().add(tree);
        }
    }

    /// Removes every member of another tree.
    pub(super) fn subtract(&mut self, other: &Tree) {
        self.member &= !other.member;
        for (step, tree) in &other.below {
            if let Some(own) = self.below.get_mut(step) {
                own.subtract(tree);
            }
        }
        self.below.retain(|_, tree| !tree.is_empty());
    }

    /// Returns the members that both have.
    pub(super) fn common(&self, other: &Tree) -> Tree {
        let mut common = Tree { member: self.member && other.member, below: BTreeMap::new() };
        for (step, tree) in &self.below {
            if let Some(theirs) = other.below.get(step) {
                common.put(step.clone(), tree.common(theirs));
            }
        }
        common
    }

    /// Whether an item of a keyed list has none of its keys.
    pub(super) fn has_item_without_key(&self) -> bool {
        self.below.iter().any(|(step, tree)| {
            matches!(step, Step::Key(keys) if keys.is_empty()) || tree.has_item_without_key()
        })
    }

    /// Removes a field and everything below it.
    pub(super) fn remove_field(&mut self, path: &[&str]) {
        let [first, rest @ ..] = path else { return };
        let step = Step::Field((*first).to_owned());
        if rest.is_empty() {
            self.below.remove(&step);
        } else if let Some(tree) = self.below.get_mut(&step) {
            tree.remove_field(rest);
            if tree.is_empty() {
                self.below.remove(&step);
            }
        }
    }

    /// Makes a field no member itself; what is below it stays.
    pub(super) fn disown_field(&mut self, name: &str) {
        let step = Step::Field(name.to_owned());
        if let Some(tree) = self.below.get_mut(&step) {
            tree.member = false;
            if tree.is_empty() {
                self.below.remove(&step);
            }
        }
    }

    /// Returns how many members there are below it.
    pub(super) fn count(&self) -> usize {
        self.below.values().map(|tree| usize::from(tree.member) + tree.count()).sum()
    }

    /// Notes the members as texts such as `.spec.containers[name="a"].image`, in order.
    pub(super) fn note_paths(&self, paths: &mut Complaints) {
        self.collect(&Trail::Root, paths);
    }

    fn collect(&self, trail: &Trail<'_>, paths: &mut Complaints) {
        if paths.is_full() {
            return;
        }
        // Members of one level come before what is below any of them.
        for (step, _) in self.below.iter().filter(|(_, tree)| tree.member) {
            paths.note(|| Trail::Step(trail, step).to_string());
        }
        for (step, tree) in self.below.iter().filter(|(_, tree)| !tree.below.is_empty()) {
            tree.collect(&Trail::Step(trail, step), paths);
        }
    }

    /// Returns the `fieldsV1` form; a member without anything below it is `{}`.
    pub(super) fn encode(&self) -> Value {
        let mut fields = Map::new();
        if self.member && !self.below.is_empty() {
            fields.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (step, tree) in &self.below {
            fields.insert(step.encode(), tree.encode());
        }
        Value::Object(fields)
    }

    /// Reads the `fieldsV1` form of a whole entry.
    pub(super) fn decode(value: &Value) -> Option<Self> {
        let mut tree = Self::decode_node(value)?;
        if tree.below.is_empty() {
            tree.member = false;
        }
        Some(tree)
    }

    fn decode_node(value: &Value) -> Option<Self> {
        let fields = value.as_object()?;
        let mut tree = Tree { member: fields.is_empty(), below: BTreeMap::new() };
        for (key, value) in fields {
            if key == "." {
                tree.member = true;
            } else {
                tree.below.insert(Step::decode(key)?, Self::decode_node(value)?);
            }
        }
        Some(tree)
    }
}
