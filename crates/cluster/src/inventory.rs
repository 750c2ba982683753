//! What a Kustomization owns: one entry per object, as text that others read too.
//!
//! An entry is `<namespace>_<name>_<group>_<kind>` and a version. Kinds of the RBAC group may
//! have colons in their names, which are written as two underscores.

use serde_json::Value;

use crate::client::gvk;

/// The RBAC kinds, the only ones whose names may hold a colon.
const COLON_KINDS: [&str; 4] = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];
const RBAC: &str = "rbac.authorization.k8s.io";

/// The identity of one owned object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owned {
    /// Empty for objects without one.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The version, without group. Not part of the identity that counts.
    pub version: String,
}

impl Owned {
    /// The identity of an object.
    pub fn of(object: &Value) -> Owned {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let gvk = gvk(object["apiVersion"].as_str().unwrap_or_default(), &text(&object["kind"]));
        Owned {
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
            group: gvk.group,
            kind: gvk.kind,
            version: gvk.version,
        }
    }

    /// Reads an entry; none when it is not one.
    pub fn parse(id: &str, version: &str) -> Option<Owned> {
        let (namespace, rest) = id.split_once('_')?;
        let (rest, kind) = rest.rsplit_once('_')?;
        let (name, group) = rest.rsplit_once('_')?;
        if name.is_empty() || kind.is_empty() {
            return None;
        }
        Some(Owned {
            namespace: namespace.to_owned(),
            name: name.replace("__", ":"),
            group: group.to_owned(),
            kind: kind.to_owned(),
            version: version.to_owned(),
        })
    }

    /// The entry's text.
    pub fn id(&self) -> String {
        let colons = self.group == RBAC && COLON_KINDS.contains(&self.kind.as_str());
        let name = if colons { self.name.replace(':', "__") } else { self.name.clone() };
        format!("{}_{}_{}_{}", self.namespace, name, self.group, self.kind)
    }

    /// Group and version as objects write them.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `Kind/namespace/name`, or `Kind/name`.
    pub fn subject(&self) -> String {
        match self.namespace.as_str() {
            "" => format!("{}/{}", self.kind, self.name),
            namespace => format!("{}/{namespace}/{}", self.kind, self.name),
        }
    }

    /// Whether both mean the same object, whatever version they name it in.
    pub fn same(&self, other: &Owned) -> bool {
        self.kind == other.kind
            && self.name == other.name
            && self.namespace == other.namespace
            && self.group == other.group
    }
}

/// `Kind/namespace/name` of an object.
pub fn subject(object: &Value) -> String {
    Owned::of(object).subject()
}

/// What is in `old` and no longer in `new`.
pub fn stale(old: &[Owned], new: &[Owned]) -> Vec<Owned> {
    let kept: std::collections::HashSet<String> = new.iter().map(Owned::id).collect();
    old.iter().filter(|entry| !kept.contains(&entry.id())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn entries_read_back() {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "ns:viewer:all"}});
        let owned = Owned::of(&role);
        assert_eq!(owned.id(), "_ns__viewer__all_rbac.authorization.k8s.io_ClusterRole");
        assert_eq!(Owned::parse(&owned.id(), "v1"), Some(owned));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "my-ns"}});
        assert_eq!(Owned::of(&namespace).id(), "_my-ns__Namespace");
        assert_eq!(Owned::parse("_my-ns__Namespace", "v1"), Some(Owned::of(&namespace)));
        assert_eq!(Owned::parse("nonsense", "v1"), None);
    }

    #[test]
    fn versions_do_not_make_stale() {
        let old = [Owned::parse("a_b_g_K", "v1").into_iter().collect::<Vec<_>>()].concat();
        let new = [Owned::parse("a_b_g_K", "v2").into_iter().collect::<Vec<_>>()].concat();
        assert!(stale(&old, &new).is_empty());
        assert_eq!(stale(&old, &[]).len(), 1);
    }
}
