//! Flux's kinds: Rust types, and their CustomResourceDefinitions.
//!
//! Follows: source.toolkit.fluxcd.io/v1 and kustomize.toolkit.fluxcd.io/v1 of Flux 2.9.

pub mod artifact;
mod crds;
pub mod git_repository;
pub mod inventory;
pub mod kustomization;

pub use crds::crds;

use serde::{Deserialize, Deserializer, Serialize};

/// Reads a text that may be left out. An empty one says as little as a missing one, as in Go: whoever writes `""` must not
/// get past a default.
fn filled<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}

/// A reference to an object of the same namespace by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalReference {
    /// Name of the object.
    pub name: String,
}

/// The parts of `metadata` that the controllers look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Unique id.
    pub uid: String,
    /// Counts changes of the spec.
    pub generation: i64,
    /// Opaque version.
    pub resource_version: String,
    /// Set while the object is being deleted (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Finalizers.
    pub finalizers: Vec<String>,
    /// Labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Annotations.
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// Finalizer that both controllers put on their objects.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// Annotation whose change asks for a run at once.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
