//! The order of the output: as accumulated, or by kind.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::id::Gvk;
use crate::resource::Resource;

/// Kinds that come first, in this order.
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last, in this order.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// How the output is ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As accumulated.
    #[default]
    Fifo,
    /// By kind, with other lists than the built-in ones if given.
    Legacy {
        /// Kinds that come first and kinds that come last.
        kinds: Option<(Vec<String>, Vec<String>)>,
    },
}

/// What is compared, made once for each object.
struct Key {
    rank: i64,
    gvk: String,
    id: String,
    is_namespace: bool,
    is_core: bool,
}

/// Sorts the objects.
#[must_use]
pub fn sort(resources: Vec<Resource>, order: &Order) -> Vec<Resource> {
    let Order::Legacy { kinds } = order else { return resources };
    let ranks = match kinds {
        Some((first, last)) => ranks(first, last),
        None => ranks(&FIRST.map(str::to_owned), &LAST.map(str::to_owned)),
    };
    let mut keyed: Vec<(Key, Resource)> =
        resources.into_iter().map(|resource| (key(&resource, &ranks), resource)).collect();
    keyed.sort_by(|(a, _), (b, _)| compare(a, b));
    keyed.into_iter().map(|(_, resource)| resource).collect()
}

/// Compares kinds as rules of the transformer configuration are sorted: by rank, then by text.
#[must_use]
pub(crate) fn by_kind(a: &Gvk, b: &Gvk) -> Ordering {
    fn rank(kind: &str) -> i64 {
        let at = |list: &[&str]| {
            list.iter().position(|listed| *listed == kind).and_then(|at| i64::try_from(at).ok())
        };
        at(&FIRST).map(|at| at - 22).or(at(&LAST).map(|at| at + 1)).unwrap_or(0)
    }
    rank(&a.kind).cmp(&rank(&b.kind)).then_with(|| a.sort_text().cmp(&b.sort_text()))
}

fn ranks(first: &[String], last: &[String]) -> HashMap<String, i64> {
    let mut ranks = HashMap::new();
    let count = i64::try_from(first.len()).unwrap_or(i64::MAX);
    ranks.extend(first.iter().cloned().zip(-count..));
    ranks.extend(last.iter().cloned().zip(1..));
    ranks
}

fn key(resource: &Resource, ranks: &HashMap<String, i64>) -> Key {
    let gvk = resource.gvk();
    Key {
        rank: ranks.get(gvk.kind).copied().unwrap_or(0),
        gvk: gvk.sort_text(),
        id: format_id(resource.namespace(), resource.name()),
        is_namespace: gvk.kind == "Namespace",
        is_core: gvk.group.is_empty(),
    }
}

/// Returns the text by which objects of one kind are sorted.
fn format_id(namespace: &str, name: &str) -> String {
    let namespace = if namespace.is_empty() { "~X" } else { namespace };
    let name = if name.is_empty() { "~N" } else { name };
    [namespace, name].join("|")
}

fn compare(a: &Key, b: &Key) -> Ordering {
    let by_gvk = || {
        let plain = a.gvk.cmp(&b.gvk);
        let namespaces = a.is_namespace && b.is_namespace;
        if namespaces && a.is_core != b.is_core { plain.reverse() } else { plain }
    };
    a.rank.cmp(&b.rank).then_with(by_gvk).then_with(|| a.id.cmp(&b.id))
}
