//! Group, version, kind and the identity of an object; scopes of built-in kinds.
//!
//! Follows: `resid` of kustomize 5.8.1.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

/// The kinds that live outside namespaces, as `apiVersion: kinds`.
const CLUSTER_SCOPED: &str = "\
v1: Namespace Node PersistentVolume ComponentStatus NodeProxyOptions
rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1: ClusterRole ClusterRoleBinding
apiextensions.k8s.io/v1 apiextensions.k8s.io/v1beta1: CustomResourceDefinition
apiregistration.k8s.io/v1 apiregistration.k8s.io/v1beta1: APIService
admissionregistration.k8s.io/v1 admissionregistration.k8s.io/v1beta1: MutatingWebhookConfiguration ValidatingWebhookConfiguration
storage.k8s.io/v1 storage.k8s.io/v1beta1: StorageClass VolumeAttachment CSIDriver CSINode
scheduling.k8s.io/v1 scheduling.k8s.io/v1beta1: PriorityClass
node.k8s.io/v1 node.k8s.io/v1beta1: RuntimeClass
networking.k8s.io/v1 networking.k8s.io/v1beta1: IngressClass
certificates.k8s.io/v1 certificates.k8s.io/v1beta1: CertificateSigningRequest
flowcontrol.apiserver.k8s.io/v1beta1: FlowSchema PriorityLevelConfiguration
policy/v1beta1: PodSecurityPolicy
";

/// The kinds that are known to live in namespaces, as `apiVersion: kinds`.
const NAMESPACED: &str = "\
apps/v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet
autoscaling/v1: HorizontalPodAutoscaler Scale
autoscaling/v2beta1 autoscaling/v2beta2: HorizontalPodAutoscaler
batch/v1: CronJob Job
batch/v1beta1: CronJob
coordination.k8s.io/v1 coordination.k8s.io/v1beta1: Lease
discovery.k8s.io/v1 discovery.k8s.io/v1beta1: EndpointSlice
events.k8s.io/v1 events.k8s.io/v1beta1: Event
extensions/v1beta1 networking.k8s.io/v1beta1: Ingress
networking.k8s.io/v1: Ingress NetworkPolicy
policy/v1 policy/v1beta1: PodDisruptionBudget
rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1: Role RoleBinding
storage.k8s.io/v1beta1: CSIStorageCapacity
v1: ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod PodAttachOptions PodExecOptions PodPortForwardOptions PodProxyOptions PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount ServiceProxyOptions
";

/// Group, version and kind; an empty part means "none", or "any" in a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// The API group, empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
}

impl Gvk {
    /// Returns the parts of an `apiVersion`, split at the first slash, with a kind.
    #[must_use]
    pub fn parse(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// Returns `group/version`, or the version alone in the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether every non-empty part of `selector` is equal here.
    #[must_use]
    pub fn is_selected_by(&self, selector: &Gvk) -> bool {
        self.borrowed().is_selected_by(selector)
    }

    /// Returns the same, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> GvkRef<'_> {
        GvkRef { group: &self.group, version: &self.version, kind: &self.kind }
    }

    /// As [`GvkRef::sort_text`].
    #[must_use]
    pub fn sort_text(&self) -> String {
        self.borrowed().sort_text()
    }
}

/// Group, version and kind as they stand in an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GvkRef<'a> {
    /// The API group, empty for the core group.
    pub group: &'a str,
    /// The version.
    pub version: &'a str,
    /// The kind.
    pub kind: &'a str,
}

impl<'a> GvkRef<'a> {
    /// Returns the parts of an `apiVersion`, split at the first slash, with a kind.
    #[must_use]
    pub fn parse(api_version: &'a str, kind: &'a str) -> Self {
        // Counted by bytes: a search for a letter costs more than so short a text is worth.
        match api_version.bytes().position(|byte| byte == b'/') {
            Some(slash) => Self { group: &api_version[..slash], version: &api_version[slash + 1..], kind },
            None => Self { group: "", version: api_version, kind },
        }
    }

    /// Returns a copy that stands alone.
    #[must_use]
    pub fn to_gvk(self) -> Gvk {
        Gvk { group: self.group.to_owned(), version: self.version.to_owned(), kind: self.kind.to_owned() }
    }

    /// Returns `group_version_kind` with `~G`, `~V`, `~K` for empty parts: the text that sorts.
    #[must_use]
    pub fn sort_text(self) -> String {
        let part = |text: &'a str, none: &'static str| if text.is_empty() { none } else { text };
        [part(self.group, "~G"), part(self.version, "~V"), part(self.kind, "~K")].join("_")
    }

    /// Whether every non-empty part of `selector` is equal here.
    #[must_use]
    pub fn is_selected_by(self, selector: &Gvk) -> bool {
        (selector.kind.is_empty() || selector.kind == self.kind)
            && (selector.group.is_empty() || selector.group == self.group)
            && (selector.version.is_empty() || selector.version == self.version)
    }

    /// Whether the kind is one of those that are known to live outside namespaces without a look into a schema.
    #[must_use]
    pub(crate) fn is_cluster_scoped(self) -> bool {
        static KINDS: OnceLock<Kinds> = OnceLock::new();
        self.is_in(KINDS.get_or_init(|| kinds(CLUSTER_SCOPED)))
    }

    /// Whether the scope of the kind is known without a look into a schema.
    #[must_use]
    pub(crate) fn has_known_scope(self) -> bool {
        static KINDS: OnceLock<Kinds> = OnceLock::new();
        self.is_cluster_scoped() || self.is_in(KINDS.get_or_init(|| kinds(NAMESPACED)))
    }

    fn is_in(self, kinds: &Kinds) -> bool {
        kinds.get(self.kind).is_some_and(|versions| versions.contains(&(self.group, self.version)))
    }
}

/// Groups and versions by kind.
type Kinds = HashMap<&'static str, Vec<(&'static str, &'static str)>, RandomState>;

fn kinds(table: &'static str) -> Kinds {
    let mut kinds = Kinds::default();
    for line in table.lines() {
        let (versions, names) = line.split_once(": ").unwrap_or((line, ""));
        for api_version in versions.split(' ') {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            for name in names.split(' ') {
                kinds.entry(name).or_default().push((group, version));
            }
        }
    }
    kinds
}

impl fmt::Display for Gvk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &'_ str, none: &'static str| -> String {
            if text.is_empty() { none.to_owned() } else { text.to_owned() }
        };
        write!(
            out,
            "{}.{}.{}",
            part(&self.kind, "[noKind]"),
            part(&self.version, "[noVer]"),
            part(&self.group, "[noGrp]")
        )
    }
}

/// Kind, name and namespace of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Id {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The name.
    pub name: String,
    /// The namespace as written; empty for none.
    pub namespace: String,
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "[noName]" } else { &self.name };
        let namespace = if self.namespace.is_empty() { "[noNs]" } else { &self.namespace };
        write!(out, "{}/{name}.{namespace}", self.gvk)
    }
}
