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

use std::fmt;

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
    #[error("{0}")]
    Conflicts(Conflicts),
    /// The configuration does not fit the schema.
    #[error("{0}")]
    Shape(String),
}

/// Fields that others own; of very many, or very long ones, the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conflicts {
    /// How many there are.
    count: usize,
    /// The owners, quoted, with door and version where that matters, and of how many paths each is.
    owners: Vec<(String, usize)>,
    /// The fields, such as `.data.a`.
    paths: Vec<String>,
}

impl Conflicts {
    /// Each owner with the fields that are told of.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&str, &[String])> {
        let mut rest = self.paths.as_slice();
        self.owners.iter().map(move |(owner, count)| {
            let (own, behind) = rest.split_at(*count);
            rest = behind;
            (owner.as_str(), own)
        })
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count;
        if let (1, Some((owner, [path]))) = (count, self.told().next()) {
            return write!(f, "Apply failed with 1 conflict: conflict with {owner}: {path}");
        }
        write!(f, "Apply failed with {count} conflicts: ")?;
        let mut last = None;
        for (owner, paths) in self.told() {
            // Two entries of one name are told of as one.
            match last.replace(owner) {
                Some(last) if last == owner => {}
                Some(_) => write!(f, "\nconflicts with {owner}:")?,
                None => write!(f, "conflicts with {owner}:")?,
            }
            paths.iter().try_for_each(|path| write!(f, "\n- {path}"))?;
        }
        match count - self.paths.len() {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
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
        Force::Always => Conflicts::default(),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WRITER: Writer<'_> = Writer {
        manager: "a",
        api_version: "v1",
        subresource: "",
        now: "2001-01-01T00:00:00Z",
        has_status: false,
        is_custom: true,
    };

    /// Many fields below a long key, in objects whose shape is not known.
    fn long(value: i64) -> Value {
        let fields: serde_json::Map<String, Value> =
            (0..2_000).map(|number| (format!("f{number}"), value.into())).collect();
        json!({"k".repeat(10_000): fields})
    }

    #[test]
    fn conflicts_are_counted_and_told_of_in_part() {
        let live = apply(&Shape::Deduced, None, &long(1), &Force::Never, &WRITER).expect("it is new");
        let other = Writer { manager: "b", ..WRITER };
        let refused = apply(&Shape::Deduced, Some(&live), &long(2), &Force::Never, &other);
        let Err(Error::Conflicts(conflicts)) = refused else { panic!("they conflict") };
        let told: Vec<_> = conflicts.told().collect();
        assert_eq!((told.len(), told[0].0, told[0].1.len()), (1, "\"a\"", 105));
        let text = conflicts.to_string();
        assert!(text.starts_with("Apply failed with 2000 conflicts: conflicts with \"a\":\n- .kkk"));
        assert!(text.ends_with("\nand 1895 more"), "the rest is counted");
    }

    #[test]
    fn what_does_not_fit_is_told_of_in_part() {
        let schema = json!({"type": "object", "additionalProperties": {
            "type": "object", "additionalProperties": {"type": "string"},
        }});
        let refused = apply(&Shape::Schema(&schema, false), None, &long(1), &Force::Never, &WRITER);
        let Err(Error::Shape(text)) = refused else { panic!("numbers are no strings") };
        assert!(text.starts_with("errors:\n  .kkk"));
        assert_eq!(text.lines().count(), 1 + 105);
    }
}
