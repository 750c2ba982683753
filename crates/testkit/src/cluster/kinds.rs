//! The kinds that the stand-in cluster serves.

use serde_json::Value;

/// One kind.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
}

const fn kind(group: &'static str, plural: &'static str, kind: &'static str) -> Kind {
    Kind { group, version: "v1", plural, kind, namespaced: true }
}

const fn wide(group: &'static str, plural: &'static str, kind: &'static str) -> Kind {
    Kind { group, version: "v1", plural, kind, namespaced: false }
}

const fn at_version(kind: Kind, version: &'static str) -> Kind {
    Kind { version, ..kind }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const SOURCE: &str = "source.toolkit.fluxcd.io";

pub(crate) const ALL: [Kind; 27] = [
    wide("", "namespaces", "Namespace"),
    kind("", "secrets", "Secret"),
    kind("", "configmaps", "ConfigMap"),
    kind("", "services", "Service"),
    kind("", "serviceaccounts", "ServiceAccount"),
    kind("", "events", "Event"),
    kind("", "pods", "Pod"),
    kind("apps", "deployments", "Deployment"),
    kind("apps", "statefulsets", "StatefulSet"),
    kind("apps", "daemonsets", "DaemonSet"),
    wide(RBAC, "clusterroles", "ClusterRole"),
    wide(RBAC, "clusterrolebindings", "ClusterRoleBinding"),
    kind(RBAC, "rolebindings", "RoleBinding"),
    kind(RBAC, "roles", "Role"),
    kind("networking.k8s.io", "networkpolicies", "NetworkPolicy"),
    wide("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition"),
    kind(SOURCE, "gitrepositories", "GitRepository"),
    kind(SOURCE, "ocirepositories", "OCIRepository"),
    kind(SOURCE, "buckets", "Bucket"),
    kind(SOURCE, "helmrepositories", "HelmRepository"),
    kind(SOURCE, "helmcharts", "HelmChart"),
    kind(SOURCE, "externalartifacts", "ExternalArtifact"),
    kind("kustomize.toolkit.fluxcd.io", "kustomizations", "Kustomization"),
    at_version(kind("helm.toolkit.fluxcd.io", "helmreleases", "HelmRelease"), "v2"),
    at_version(kind("image.toolkit.fluxcd.io", "imagepolicies", "ImagePolicy"), "v1beta2"),
    kind("notification.toolkit.fluxcd.io", "receivers", "Receiver"),
    at_version(kind("notification.toolkit.fluxcd.io", "alerts", "Alert"), "v1beta3"),
];

/// What people call a kind for short.
pub(crate) fn short_names(plural: &str) -> &'static [&'static str] {
    match plural {
        "configmaps" => &["cm"],
        "deployments" => &["deploy"],
        "kustomizations" => &["ks"],
        _ => &[],
    }
}

/// Finds the kind of an object.
pub(crate) fn of(object: &Value) -> Option<&'static Kind> {
    let api_version = object["apiVersion"].as_str()?;
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    ALL.iter().find(|kind| kind.group == group && kind.version == version && object["kind"] == kind.kind)
}

/// Finds a kind by its place in a path.
pub(crate) fn at(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}
