//! Inventories: an id that was written reads as the object it was written for.

use sealfast_k8s::flux::inventory::Entry;
use sealfast_k8s::id::{GroupVersionKind, ObjectId};

#[test]
fn ids_read_as_they_were_written() {
    for (namespace, name, group, version, kind) in [
        ("default", "web", "apps", "v1", "Deployment"),
        ("", "default", "", "v1", "Namespace"),
        ("", "system:controller:x", "rbac.authorization.k8s.io", "v1", "ClusterRole"),
        ("a-b", "name.with.points", "example.com", "v1beta1", "Thing"),
    ] {
        let id = ObjectId {
            gvk: GroupVersionKind::new(group, version, kind),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let entry = Entry::of(&id);
        assert_eq!(entry.object_id().ok(), Some(id), "{}", entry.id);
    }
}

#[test]
fn what_is_no_id_is_refused() {
    for id in ["", "_", "a_b", "a_b_c", "ns__group_Kind", "ns_name_group_"] {
        let entry = Entry { id: id.to_owned(), v: "v1".to_owned() };
        assert!(entry.object_id().is_err(), "{id:?} is read as {:?}", entry.object_id());
    }
}
