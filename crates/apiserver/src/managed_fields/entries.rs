//! The entries of `metadata.managedFields`: reading, changing, writing.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::tree::Tree;
use super::{Conflicts, Writer};
use crate::causes::Complaints;
use crate::go_text;

/// How a manager came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// By server-side apply.
    Apply,
    /// By anything else.
    Update,
}

/// One manager's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    manager: String,
    operation: Operation,
    api_version: String,
    subresource: String,
    time: Option<String>,
    pub(super) set: Tree,
}

/// Update entries beyond this are merged into one.
const MOST_UPDATES: usize = 10;

/// Letters of an owner in messages.
const LONGEST_OWNER: usize = 1000;

const ANCIENT: &str = "ancient-changes";

impl Entry {
    pub(super) fn before_first_apply(set: Tree, writer: &Writer<'_>) -> Self {
        Self {
            manager: "before-first-apply".to_owned(),
            operation: Operation::Update,
            api_version: writer.api_version.to_owned(),
            subresource: String::new(),
            time: Some(writer.now.to_owned()),
            set,
        }
    }

    fn new(operation: Operation, set: Tree, writer: &Writer<'_>) -> Self {
        Self {
            manager: writer.manager.to_owned(),
            operation,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: None,
            set,
        }
    }

    fn is(&self, operation: Operation, writer: &Writer<'_>) -> bool {
        // An apply entry keeps its place when the manager goes to another version.
        let version_fits = operation == Operation::Apply || self.api_version == writer.api_version;
        self.operation == operation
            && self.manager == writer.manager
            && self.subresource == writer.subresource
            && version_fits
    }

    fn decode(value: &Value) -> Option<Self> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        let readable = value.get("fieldsType").and_then(Value::as_str) == Some("FieldsV1");
        if !readable || text("apiVersion").is_empty() {
            return None;
        }
        let set = match value.get("fieldsV1") {
            Some(fields) => Tree::decode(fields)?,
            None => Tree::default(),
        };
        Some(Self {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: value.get("time").and_then(Value::as_str).map(str::to_owned),
            set,
        })
    }

    fn encode(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("manager".into(), json!(self.manager));
        let operation = if self.operation == Operation::Apply { "Apply" } else { "Update" };
        entry.insert("operation".into(), json!(operation));
        entry.insert("apiVersion".into(), json!(self.api_version));
        if let Some(time) = &self.time {
            entry.insert("time".into(), json!(time));
        }
        entry.insert("fieldsType".into(), json!("FieldsV1"));
        entry.insert("fieldsV1".into(), self.set.encode());
        if !self.subresource.is_empty() {
            entry.insert("subresource".into(), json!(self.subresource));
        }
        Value::Object(entry)
    }

    /// How messages name the owner; of a very long name the beginning.
    fn shown(&self) -> String {
        self.whole_name().chars().take(LONGEST_OWNER).collect()
    }

    fn whole_name(&self) -> String {
        let mut text = go_text::quoted(&self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {}", go_text::quoted(&self.subresource)));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    fn order(&self, other: &Self) -> Ordering {
        self.operation
            .cmp(&other.operation)
            .then_with(|| self.time.cmp(&other.time))
            .then_with(|| self.manager.cmp(&other.manager))
            .then_with(|| self.api_version.cmp(&other.api_version))
            .then_with(|| self.subresource.cmp(&other.subresource))
    }
}

/// All entries of one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Managers {
    pub(super) entries: Vec<Entry>,
}

impl Managers {
    /// Reads the entries; one that cannot be read makes them count as none.
    pub(super) fn of(object: &Value) -> Self {
        Self { entries: read(object).flatten().unwrap_or_default() }
    }

    /// Reads the entries for an update: those that the new object brings, else the live ones.
    pub(super) fn after(live: &Value, new: &Value, writer: &Writer<'_>) -> Self {
        // Nobody sets them through another door.
        let stated = read(new).filter(|_| writer.subresource.is_empty());
        match stated {
            Some(Some(entries)) => Self { entries },
            // Absent, or unreadable: the live ones stay.
            Some(None) | None => Self::of(live),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the place of the writer's apply entry.
    pub(super) fn apply_entry(&self, writer: &Writer<'_>) -> Option<usize> {
        self.entries.iter().position(|entry| entry.is(Operation::Apply, writer))
    }

    /// Returns the changed fields that others own.
    pub(super) fn conflicts(&self, changed: &Tree, own: Option<usize>) -> Conflicts {
        let others = self.entries.iter().enumerate().filter(|(at, _)| Some(*at) != own);
        let mut contested: Vec<(String, Tree)> =
            others.map(|(_, entry)| (entry.shown(), entry.set.common(changed))).collect();
        // Stable: the paths of one owner stay in their order.
        contested.sort_by(|left, right| left.0.cmp(&right.0));
        let mut conflicts = Conflicts::default();
        let mut paths = Complaints::default();
        for (owner, tree) in contested {
            let before = paths.len();
            tree.note_paths(&mut paths);
            conflicts.count += tree.count();
            conflicts.owners.extend((before < paths.len()).then(|| (owner, paths.len() - before)));
        }
        conflicts.paths = paths.told();
        conflicts
    }

    /// Takes changed and removed fields from everybody but the entry at `own`.
    pub(super) fn give_up(&mut self, changed: &Tree, removed: &Tree, own: Option<usize>) {
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if Some(at) != own {
                entry.set.subtract(changed);
            }
            entry.set.subtract(removed);
        }
    }

    /// Sets the writer's apply entry; its time moves only when the object changed.
    pub(super) fn set_applied(&mut self, set: Tree, own: Option<usize>, writer: &Writer<'_>, changed: bool) {
        let mut entry = Entry::new(Operation::Apply, set, writer);
        entry.time = match own {
            _ if changed && !is_scale(writer) => Some(writer.now.to_owned()),
            Some(at) => self.entries[at].time.clone(),
            None => None,
        };
        match own {
            Some(at) => self.entries[at] = entry,
            None => self.entries.push(entry),
        }
        self.tidy();
    }

    /// Adds fields to the writer's update entry.
    pub(super) fn add_update(&mut self, set: Tree, writer: &Writer<'_>) {
        if !set.is_empty() {
            let now = (!is_scale(writer)).then(|| writer.now.to_owned());
            match self.entries.iter_mut().find(|entry| entry.is(Operation::Update, writer)) {
                Some(entry) => {
                    entry.set.add(&set);
                    entry.time = now.or(entry.time.take());
                }
                None => {
                    let mut entry = Entry::new(Operation::Update, set, writer);
                    entry.time = now;
                    self.entries.push(entry);
                }
            }
        }
        self.tidy();
        self.merge_ancient();
    }

    fn tidy(&mut self) {
        self.entries.retain(|entry| !entry.set.is_empty());
        self.entries.sort_by(Entry::order);
    }

    fn merge_ancient(&mut self) {
        loop {
            let is_update = |entry: &&Entry| entry.operation == Operation::Update && entry.manager != ANCIENT;
            let updates = self.entries.iter().filter(|entry| entry.operation == Operation::Update).count();
            if updates <= MOST_UPDATES {
                return;
            }
            // They are sorted by time: the first is the oldest.
            let Some(oldest) = self.entries.iter().find(is_update).cloned() else { return };
            self.entries.retain(|entry| *entry != oldest);
            let same =
                |entry: &&mut Entry| entry.manager == ANCIENT && entry.api_version == oldest.api_version;
            match self.entries.iter_mut().find(same) {
                Some(ancient) => {
                    ancient.set.add(&oldest.set);
                    ancient.time = oldest.time;
                }
                None => self.entries.push(Entry {
                    manager: ANCIENT.to_owned(),
                    subresource: String::new(),
                    ..oldest
                }),
            }
            self.entries.sort_by(Entry::order);
        }
    }

    /// Returns `metadata.managedFields`, which is left out when there are no entries.
    pub(super) fn encode(&self) -> Option<Value> {
        (!self.entries.is_empty()).then(|| self.entries.iter().map(Entry::encode).collect())
    }
}

/// Who scales is noted on the bigger object without a time.
fn is_scale(writer: &Writer<'_>) -> bool {
    writer.subresource == "scale"
}

/// Outer `None`: no entries are given. Inner `None`: they cannot be read. An empty list, or one empty entry, is none.
fn read(object: &Value) -> Option<Option<Vec<Entry>>> {
    let list = object.get("metadata")?.get("managedFields")?.as_array()?;
    if list.iter().all(|entry| entry.as_object().is_some_and(Map::is_empty)) {
        return Some(Some(Vec::new()));
    }
    Some(list.iter().map(Entry::decode).collect())
}
