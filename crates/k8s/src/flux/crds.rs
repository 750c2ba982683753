//! The CustomResourceDefinitions of the kinds that the controllers work on.

use serde_json::Value;

const DEFINITIONS: [&str; 5] = [
    include_str!("../../data/definitions/git_repository.json"),
    include_str!("../../data/definitions/external_artifact.json"),
    include_str!("../../data/definitions/oci_repository.json"),
    include_str!("../../data/definitions/bucket.json"),
    include_str!("../../data/definitions/kustomization.json"),
];

/// Returns the definitions of GitRepository, ExternalArtifact, OCIRepository, Bucket and Kustomization.
#[must_use]
pub fn crds() -> Vec<Value> {
    // A test reads each of them.
    DEFINITIONS.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
}
