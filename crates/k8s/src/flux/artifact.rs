//! The artifact of a source: where its content lies, and what it must hash to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `status.artifact` of every source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Artifact {
    /// `<algorithm>:<hex>` of the stored file.
    pub digest: String,
    /// When the file was stored (RFC 3339).
    pub last_update_time: String,
    /// Annotations of the upstream manifest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Path below the storage root.
    pub path: String,
    /// What was stored, such as `main@sha1:…`.
    pub revision: String,
    /// Bytes of the stored file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// HTTP address of the stored file.
    pub url: String,
}
