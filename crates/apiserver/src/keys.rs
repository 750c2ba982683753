//! Kinds that the server itself knows: the keys of the store they are kept under.

pub(crate) const BUDGETS: &str = "poddisruptionbudgets.policy";
pub(crate) const CERTIFICATE_REQUESTS: &str = "certificatesigningrequests.certificates.k8s.io";
pub(crate) const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
pub(crate) const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
/// Definitions of custom resources.
pub(crate) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
pub(crate) const DEPLOYMENTS: &str = "deployments.apps";
pub(crate) const EVENTS: &str = "events";
pub(crate) const JOBS: &str = "jobs.batch";
pub(crate) const NAMESPACES: &str = "namespaces";
pub(crate) const PODS: &str = "pods";
pub(crate) const PRIORITY_CLASSES: &str = "priorityclasses.scheduling.k8s.io";
pub(crate) const REPLICA_SETS: &str = "replicasets.apps";
pub(crate) const ROLES: &str = "roles.rbac.authorization.k8s.io";
pub(crate) const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
pub(crate) const SERVICES: &str = "services";
pub(crate) const SERVICE_ACCOUNTS: &str = "serviceaccounts";

/// The group of roles and their bindings.
pub(crate) const RBAC: &str = "rbac.authorization.k8s.io";
