//! Kustomization v1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inventory::Inventory;
use super::{LocalReference, Metadata};
use crate::condition::Condition;

/// A path of a source that is built and applied at an interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kustomization {
    /// Identity and bookkeeping.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
    /// What was done.
    pub status: Status,
}

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Go duration between successful runs.
    pub interval: String,
    /// Go duration after a failed run; `interval` by default.
    pub retry_interval: Option<String>,
    /// Go duration that bounds each phase.
    pub timeout: Option<String>,
    /// The source to build from.
    pub source_ref: SourceReference,
    /// Folder below the root of the artifact.
    pub path: String,
    /// Deletes what left the build.
    pub prune: bool,
    /// Stops all work on the object.
    pub suspend: bool,
    /// Recreates objects whose immutable fields changed.
    pub force: bool,
    /// Waits until everything applied is healthy.
    pub wait: bool,
    /// What happens to the objects when this one is deleted.
    #[serde(deserialize_with = "super::filled")]
    pub deletion_policy: Option<String>,
    /// Namespace for every object.
    #[serde(deserialize_with = "super::filled")]
    pub target_namespace: Option<String>,
    /// Prefix for every name.
    #[serde(deserialize_with = "super::filled")]
    pub name_prefix: Option<String>,
    /// Suffix for every name.
    #[serde(deserialize_with = "super::filled")]
    pub name_suffix: Option<String>,
    /// Patches added to the build, as they stand.
    pub patches: Vec<Value>,
    /// Images replaced in the build, as they stand.
    pub images: Vec<Value>,
    /// Components added to the build.
    pub components: Vec<String>,
    /// Leaves out components that are not there.
    pub ignore_missing_components: bool,
    /// What the build notes about origins.
    pub build_metadata: Vec<String>,
    /// Labels and annotations for every object.
    pub common_metadata: Option<CommonMetadata>,
    /// Variable substitution.
    pub post_build: Option<PostBuild>,
    /// How encrypted files are opened.
    pub decryption: Option<Decryption>,
    /// What must be ready before.
    pub depends_on: Vec<Dependency>,
    /// Identity for applying.
    #[serde(deserialize_with = "super::filled")]
    pub service_account_name: Option<String>,
    /// A remote cluster.
    pub kube_config: Option<KubeConfig>,
    /// Objects to wait for, when `wait` is off.
    pub health_checks: Vec<HealthCheck>,
    /// How custom kinds say that they are healthy.
    pub health_check_exprs: Vec<HealthCheckExpression>,
    /// Fields that are left alone when they drift.
    pub ignore: Vec<IgnoreRule>,
}

/// The source of a Kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceReference {
    /// Not looked at.
    #[serde(deserialize_with = "super::filled")]
    pub api_version: Option<String>,
    /// `GitRepository`, `OCIRepository`, `Bucket` or `ExternalArtifact`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; that of the Kustomization by default.
    #[serde(deserialize_with = "super::filled")]
    pub namespace: Option<String>,
}

/// Labels and annotations for every object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommonMetadata {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Variable substitution after the build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostBuild {
    /// Variables.
    pub substitute: BTreeMap<String, String>,
    /// Objects with further variables.
    pub substitute_from: Vec<SubstituteReference>,
    /// `WithVariables` or `Always`.
    #[serde(deserialize_with = "super::filled")]
    pub substitute_strategy: Option<String>,
}

/// An object with variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubstituteReference {
    /// `Secret` or `ConfigMap`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// May be missing.
    pub optional: bool,
}

/// How encrypted files are opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Decryption {
    /// `sops`.
    pub provider: String,
    /// Secret with the keys.
    pub secret_ref: Option<LocalReference>,
    /// Identity for key services of clouds.
    #[serde(deserialize_with = "super::filled")]
    pub service_account_name: Option<String>,
}

/// Another Kustomization that must be ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dependency {
    /// Name.
    pub name: String,
    /// Namespace; the own one by default.
    #[serde(deserialize_with = "super::filled")]
    pub namespace: Option<String>,
    /// CEL over `dep` and `self`.
    #[serde(deserialize_with = "super::filled")]
    pub ready_expr: Option<String>,
}

/// A remote cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubeConfig {
    /// Secret with a kubeconfig.
    pub secret_ref: Option<SecretKeyReference>,
    /// ConfigMap that names a cloud's cluster.
    pub config_map_ref: Option<LocalReference>,
}

/// A Secret, and perhaps a key in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretKeyReference {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    #[serde(deserialize_with = "super::filled")]
    pub key: Option<String>,
}

/// An object to wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthCheck {
    /// `apps/v1` when empty.
    #[serde(deserialize_with = "super::filled")]
    pub api_version: Option<String>,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace.
    #[serde(deserialize_with = "super::filled")]
    pub namespace: Option<String>,
}

/// How a custom kind says that it is healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthCheckExpression {
    /// Group and version.
    pub api_version: String,
    /// Kind; all of the group when empty.
    pub kind: String,
    /// CEL: healthy.
    pub current: String,
    /// CEL: on its way.
    #[serde(deserialize_with = "super::filled")]
    pub in_progress: Option<String>,
    /// CEL: failed.
    #[serde(deserialize_with = "super::filled")]
    pub failed: Option<String>,
}

/// Fields that are left alone when they drift.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IgnoreRule {
    /// JSON pointers.
    pub paths: Vec<String>,
    /// Which objects; all when missing.
    pub target: Option<Selector>,
}

/// Objects by pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Regular expression over the group.
    pub group: String,
    /// Regular expression over the version.
    pub version: String,
    /// Regular expression over the kind.
    pub kind: String,
    /// Regular expression over the name.
    pub name: String,
    /// Regular expression over the namespace.
    pub namespace: String,
    /// Label selector.
    pub label_selector: String,
    /// Selector over annotations.
    pub annotation_selector: String,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Generation of the last final outcome; -1 before any.
    pub observed_generation: i64,
    /// Conditions in Flux's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Revision that was last applied with success.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_applied_revision: String,
    /// Origin revision of the last applied artifact.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_applied_origin_revision: String,
    /// Revision of the last run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_attempted_revision: String,
    /// Token of the last request that was handled.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_handled_reconcile_at: String,
    /// Objects that are owned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// Latest outcomes, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Snapshot>,
}

/// One outcome, and how often it came in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    /// Digest of what was built.
    pub digest: String,
    /// RFC 3339.
    pub first_reconciled: String,
    /// RFC 3339.
    pub last_reconciled: String,
    /// Go duration.
    pub last_reconciled_duration: String,
    /// Reason of the Ready condition.
    pub last_reconciled_status: String,
    /// How often.
    pub total_reconciliations: i64,
    /// Revision and the like.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kustomization, Spec};

    #[test]
    fn empty_texts_say_as_little_as_missing_ones() {
        let read =
            |spec| serde_json::from_value::<Kustomization>(json!({ "spec": spec })).map(|read| read.spec);
        let empty = read(json!({
            "serviceAccountName": "", "targetNamespace": "", "deletionPolicy": "",
            "sourceRef": { "kind": "GitRepository", "name": "repo", "namespace": "" },
            "dependsOn": [{ "name": "other", "namespace": "", "readyExpr": "" }],
            "decryption": { "provider": "sops", "serviceAccountName": "" },
            "kubeConfig": { "secretRef": { "name": "remote", "key": "" } },
        }));
        let missing = read(json!({
            "sourceRef": { "kind": "GitRepository", "name": "repo" },
            "dependsOn": [{ "name": "other" }],
            "decryption": { "provider": "sops" },
            "kubeConfig": { "secretRef": { "name": "remote" } },
        }));
        assert_eq!(empty.ok(), missing.ok());
        let named = read(json!({ "serviceAccountName": "tenant" })).ok();
        assert_eq!(named, Some(Spec { service_account_name: Some("tenant".to_owned()), ..Spec::default() }));
    }
}
