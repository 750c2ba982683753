//! In which order objects are applied: four stages, sorted inside.

use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::Value;

/// Kinds that go first, in this order. All others follow.
const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
/// Kinds that go last.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// What must be in place before the next may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Definitions, namespaces, cluster roles: waited for.
    Definitions,
    /// Kinds whose name ends in `Class`: waited for.
    Classes,
    /// Kinds that the operator put in front.
    Custom,
    /// All the rest.
    Rest,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 4] = [Stage::Definitions, Stage::Classes, Stage::Custom, Stage::Rest];

    /// Whether the objects of this stage must be established before the next one.
    pub fn waits(self) -> bool {
        self <= Stage::Classes
    }

    /// The stage of an object; `custom` lists `group/Kind`, or `Kind` for the core group.
    pub fn of(object: &Value, custom: &[String]) -> Stage {
        let gvk = object::gvk(object);
        match gvk.kind.as_str() {
            // A kind of somebody else may have the same name.
            "CustomResourceDefinition" if gvk.group == "apiextensions.k8s.io" => Stage::Definitions,
            "ClusterRole" if gvk.group == "rbac.authorization.k8s.io" => Stage::Definitions,
            "Namespace" if gvk.group.is_empty() => Stage::Definitions,
            kind if kind.ends_with("Class") => Stage::Classes,
            kind if custom.iter().any(|listed| names(listed, &gvk.group, kind)) => Stage::Custom,
            _ => Stage::Rest,
        }
    }
}

fn names(listed: &str, group: &str, kind: &str) -> bool {
    listed.trim().split_once('/').unwrap_or(("", listed.trim())) == (group, kind)
}

fn rank(kind: &str) -> usize {
    let first = FIRST.iter().position(|k| *k == kind);
    let last = || LAST.iter().position(|k| *k == kind).map(|at| FIRST.len() + 1 + at);
    first.or_else(last).unwrap_or(FIRST.len())
}

fn key(id: ObjectId) -> (usize, String, String, String, String) {
    (rank(&id.gvk.kind), id.gvk.group, id.gvk.kind, id.namespace, id.name)
}

/// Sorts objects into the order in which a stage applies them.
pub fn sort(objects: &mut [Value]) {
    objects.sort_by_cached_key(|object| key(object::id(object)));
}

/// Sorts what is to be deleted: the reverse of the order of application.
pub fn sort_for_deletion(entries: &mut [ObjectId]) {
    entries.sort_by_cached_key(|entry| std::cmp::Reverse(key(entry.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(api_version: &str, kind: &str, name: &str) -> Value {
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}})
    }

    #[test]
    fn kinds_have_their_place() {
        let mut objects = vec![
            made("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "w"),
            made("example.com/v1", "Widget", "b"),
            made("v1", "Secret", "s"),
            made("v1", "ConfigMap", "z"),
            made("v1", "ConfigMap", "a"),
            made("v1", "Namespace", "n"),
        ];
        sort(&mut objects);
        let names: Vec<_> = objects.iter().map(|o| o["metadata"]["name"].as_str().unwrap_or("")).collect();
        assert_eq!(names, ["n", "a", "z", "s", "b", "w"]);
        assert_eq!(Stage::of(&made("storage.k8s.io/v1", "StorageClass", "x"), &[]), Stage::Classes);
        assert_eq!(
            Stage::of(&made("example.com/v1", "Widget", "x"), &["example.com/Widget".into()]),
            Stage::Custom
        );
        assert_eq!(Stage::of(&made("v1", "Secret", "x"), &[" Secret".into()]), Stage::Custom);
        assert_eq!(Stage::of(&objects[0], &[]), Stage::Definitions);
        assert_eq!(Stage::of(&made("example.com/v1", "Namespace", "x"), &[]), Stage::Rest);
    }
}
