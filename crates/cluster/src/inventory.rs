//! What a Kustomization owns, compared: which entries are no longer built.

use std::collections::HashSet;

use sealfast_k8s::flux::inventory::{Entry, Inventory};
use sealfast_k8s::id::ObjectId;

/// The inventory of these objects, in this order.
pub fn of(objects: &[ObjectId]) -> Inventory {
    Inventory { entries: objects.iter().map(Entry::of).collect() }
}

/// The objects that an inventory names; entries that are no entries are passed over.
pub fn objects(inventory: Option<&Inventory>) -> Vec<ObjectId> {
    let entries = inventory.map(|i| i.entries.as_slice()).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.object_id().ok()).collect()
}

/// What is in `old` and no longer in `new`. The version alone makes no difference.
pub fn stale(old: &[ObjectId], new: &[ObjectId]) -> Vec<ObjectId> {
    let key = |id: &ObjectId| Entry::of(id).id;
    let kept: HashSet<String> = new.iter().map(key).collect();
    old.iter().filter(|id| !kept.contains(&key(id))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealfast_k8s::id::GroupVersionKind;

    #[test]
    fn versions_do_not_make_stale() {
        let widget = |version: &str| ObjectId {
            gvk: GroupVersionKind::new("example.com", version, "Widget"),
            namespace: "ns".into(),
            name: "w".into(),
        };
        assert!(stale(&[widget("v1")], &[widget("v2")]).is_empty());
        assert_eq!(stale(&[widget("v1")], &[]), [widget("v1")]);
        assert_eq!(objects(Some(&of(&[widget("v1")]))), [widget("v1")]);
    }
}
