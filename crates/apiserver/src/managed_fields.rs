//! Server-side apply: who owns which fields.
//!
//! Follows: structured-merge-diff and the field manager of kube-apiserver 1.36, as recorded. Pure: live object,
//! configuration and time in; the new object, its `managedFields` included, out.

mod compare;
mod entries;
mod given;
mod merge;
mod path;
mod prune;
mod shape;
mod tree;

use serde_json::Value;

pub(crate) use entries::Operation;
pub(crate) use shape::Shape;

use crate::fields;
use compare::Difference;
use entries::{Entry, Managers};
use tree::Tree;

/// Who writes, through which door, and when.
#[derive(Clone, Debug)]
pub(crate) struct Writer<'a> {
    /// Field manager.
    pub(crate) manager: &'a str,
    /// `group/version` of the request.
    pub(crate) api_version: &'a str,
    /// `status`, `scale`, or empty for the object itself.
    pub(crate) subresource: &'a str,
    /// RFC 3339, whole seconds.
    pub(crate) now: &'a str,
    /// True when the kind has a status subresource: its fields are then owned through that door alone.
    pub(crate) has_status: bool,
    /// True for custom objects: of these the status takes no metadata along.
    pub(crate) is_custom: bool,
}

/// Which fields an apply may take from other managers.
#[derive(Clone, Debug)]
pub(crate) enum Force {
    /// None.
    Never,
    /// Those that this configuration, applied by the client itself at an earlier time, still holds.
    WhereApplied(Value),
    /// All.
    Always,
}

/// Why an apply was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Other managers own fields that the configuration would change.
    #[error("{}", conflict_message(.0))]
    Conflicts(Vec<Conflict>),
    /// The configuration does not fit the schema.
    #[error("{0}")]
    Shape(String),
}

/// One field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// The owner, quoted, with its door and version where that matters.
    pub(crate) owner: String,
    /// The field, such as `.data.a`.
    pub(crate) path: String,
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    let count = conflicts.len();
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.owner, one.path);
    }
    let mut owners: Vec<&str> = conflicts.iter().map(|conflict| conflict.owner.as_str()).collect();
    owners.dedup();
    let mut text = format!("Apply failed with {count} conflicts: ");
    for (number, owner) in owners.iter().enumerate() {
        let paths: Vec<&str> = conflicts
            .iter()
            .filter(|conflict| conflict.owner == *owner)
            .map(|conflict| conflict.path.as_str())
            .collect();
        if number > 0 {
            text.push('\n');
        }
        text.push_str(&format!("conflicts with {owner}:"));
        for path in paths {
            text.push_str(&format!("\n- {path}"));
        }
    }
    text
}

/// Applies a configuration over the live object (or over nothing); returns the object to store.
///
/// The result equals the live object when nothing changes.
pub(crate) fn apply(
    shape: &Shape<'_>,
    live: Option<&Value>,
    configuration: &Value,
    force: &Force,
    writer: &Writer<'_>,
) -> Result<Value, Error> {
    let mut kept = merge::tree_of(shape, configuration).map_err(Error::Shape)?;
    let mut wanted = kept.clone();
    strip(&mut wanted, writer);
    let empty = Value::Object(serde_json::Map::new());
    let is_new = live.is_none();
    let live = live.unwrap_or(&empty);
    let mut managers = Managers::of(live);
    if !is_new && managers.is_empty() {
        let mut all = compare::compare(shape, &shape.unset(), live).changed();
        strip(&mut all, writer);
        managers.entries.push(Entry::before_first_apply(all, writer));
    }
    let mut object = merge::merge(shape, live, configuration).map_err(Error::Shape)?;
    let own = managers.apply_entry(writer);
    let last = own.map(|at| managers.entries[at].set.clone()).unwrap_or_default();
    for (at, entry) in managers.entries.iter().enumerate() {
        if Some(at) != own {
            kept.add(&entry.set);
        }
    }
    prune::prune(shape, &mut object, &last, &kept);
    let mut difference = compare::compare(shape, live, &object);
    // Items in another order are a change, though of nobody's fields.
    let same = difference.is_empty() && *live == object;
    difference.strip(writer);
    let removed = std::mem::take(&mut difference.removed);
    let changed = difference.changed();
    let conflicts = match force {
        Force::Never => managers.conflicts(&changed, own),
        Force::WhereApplied(before) => {
            let mut contested = changed.clone();
            contested.subtract(&held_since(shape, before, live));
            managers.conflicts(&contested, own)
        }
        Force::Always => Vec::new(),
    };
    if !conflicts.is_empty() {
        return Err(Error::Conflicts(conflicts));
    }
    managers.give_up(&changed, &removed, own);
    managers.set_applied(wanted, own, writer, !same);
    fields::put_meta(&mut object, "managedFields", managers.encode());
    Ok(object)
}

/// Fields of an earlier configuration that the live object still has as it stated them.
fn held_since(shape: &Shape<'_>, before: &Value, live: &Value) -> Tree {
    let mut held = merge::tree_of(shape, before).unwrap_or_default();
    let difference = compare::compare(shape, before, live);
    for tree in [&difference.added, &difference.modified, &difference.removed] {
        held.subtract(tree);
    }
    held
}

/// Notes what a create, a replace or a patch changed; returns the `managedFields` of the object to store, if any.
///
/// `new` may carry `managedFields` of its own: an empty list clears all, absent or unreadable ones keep the live ones.
/// Of an object that is there and that nobody is noted on, nothing is noted until somebody applies to it.
pub(crate) fn update(
    shape: &Shape<'_>,
    live: Option<&Value>,
    new: &Value,
    writer: &Writer<'_>,
) -> Option<Value> {
    let unset = live.is_none().then(|| shape.unset());
    let before = live.or(unset.as_ref())?;
    let mut managers = Managers::after(before, new, writer);
    if live.is_some() && managers.is_empty() {
        return None;
    }
    let mut difference = compare::compare(shape, before, new);
    difference.strip(writer);
    let removed = std::mem::take(&mut difference.removed);
    let changed = difference.changed();
    if changed.has_item_without_key() {
        // Who owns what cannot be said of lists whose items have no keys, and so it is said of nothing.
        return None;
    }
    managers.give_up(&changed, &removed, None);
    managers.add_update(changed, writer);
    managers.encode()
}

impl Difference {
    /// Added and modified fields together.
    fn changed(self) -> Tree {
        let mut changed = self.added;
        changed.add(&self.modified);
        changed
    }

    fn strip(&mut self, writer: &Writer<'_>) {
        for tree in [&mut self.added, &mut self.modified, &mut self.removed] {
            strip(tree, writer);
        }
    }
}

/// Leaves out what is never owned, and what belongs to another door.
fn strip(tree: &mut Tree, writer: &Writer<'_>) {
    strip_always(tree);
    if writer.subresource == "status" {
        tree.remove_field(&["spec"]);
        if writer.is_custom {
            tree.remove_field(&["metadata"]);
        }
    } else if writer.has_status {
        tree.remove_field(&["status"]);
    }
}

fn strip_always(tree: &mut Tree) {
    for path in [
        &["apiVersion"][..],
        &["kind"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "uid"],
        &["metadata", "resourceVersion"],
        &["metadata", "generation"],
        &["metadata", "creationTimestamp"],
        &["metadata", "deletionTimestamp"],
        &["metadata", "deletionGracePeriodSeconds"],
        &["metadata", "selfLink"],
        &["metadata", "managedFields"],
    ] {
        tree.remove_field(path);
    }
    tree.disown_field("metadata");
}
