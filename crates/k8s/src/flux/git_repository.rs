//! GitRepository v1.

use serde::{Deserialize, Serialize};

use super::artifact::Artifact;
use super::{LocalReference, Metadata};
use crate::condition::Condition;

/// A Git repository that is pulled at an interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GitRepository {
    /// Identity and bookkeeping.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
    /// What was found.
    pub status: Status,
}

/// What is wanted of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// `http`, `https` or `ssh` address.
    pub url: String,
    /// Go duration between polls.
    pub interval: String,
    /// Go duration that bounds one remote operation; 60s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Which commit is wanted.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Secret with credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// Where credentials come from: `generic`, `aws`, `azure`, `github`.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Identity for workload identity.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Secret with a proxy's address and credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,
    /// Which signatures must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Rules in the form of `.gitignore`; replaces the default list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Other repositories whose content is copied in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Include>,
    /// Folders to keep; empty keeps all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sparse_checkout: Vec<String>,
    /// Fetches submodules too.
    #[serde(skip_serializing_if = "is_false")]
    pub recurse_submodules: bool,
    /// Stops all work on the object.
    #[serde(skip_serializing_if = "is_false")]
    pub suspend: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A commit by branch, tag, version range, reference name or hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// Branch name.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Tag name.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Version range over the tags.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// Full reference name.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Commit hash.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Signature checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Verify {
    /// `HEAD`, `Tag` or `TagAndHEAD`.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Secret with the public keys.
    pub secret_ref: LocalReference,
}

/// Content of another repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Include {
    /// The other GitRepository.
    pub repository: LocalReference,
    /// Path in the other repository.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,
    /// Path in this one; the other's name by default.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub to_path: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Generation of the last final outcome; -1 before any.
    pub observed_generation: i64,
    /// Conditions in Flux's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The stored artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Artifacts that were included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub included_artifacts: Vec<Artifact>,
    /// `spec.ignore` of the stored artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// `spec.include` of the stored artifact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed_include: Vec<Include>,
    /// `spec.recurseSubmodules` of the stored artifact.
    #[serde(skip_serializing_if = "is_false")]
    pub observed_recurse_submodules: bool,
    /// `spec.sparseCheckout` of the stored artifact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed_sparse_checkout: Vec<String>,
    /// Mode of the last verification.
    #[serde(deserialize_with = "super::filled", skip_serializing_if = "Option::is_none")]
    pub source_verification_mode: Option<String>,
    /// Token of the last request that was handled.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_handled_reconcile_at: String,
}
