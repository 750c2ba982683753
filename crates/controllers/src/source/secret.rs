//! A Secret of the source's namespace, decoded; it is wiped when it is dropped.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::client::Client;
use sealfast_cluster::error::Error as ClusterError;
use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::wiped;

/// The entries of a Secret.
pub(super) struct Secret {
    /// `namespace/name`.
    pub(super) place: String,
    /// What changes whenever the Secret does.
    pub(super) version: String,
    entries: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl Secret {
    /// Reads a Secret.
    pub(super) async fn read(client: &Client, namespace: &str, name: &str) -> Result<Self, ClusterError> {
        let object = wiped::secret(client, namespace, name).await?;
        let decode = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).ok();
        let entries = object["data"].as_object().into_iter().flatten();
        let about = &object["metadata"];
        Ok(Self {
            place: format!("{namespace}/{name}"),
            version: format!("{}/{}", about["uid"], about["resourceVersion"]),
            entries: entries
                .filter_map(|(key, value)| Some((key.clone(), Zeroizing::new(decode(value)?))))
                .collect(),
        })
    }

    /// Returns an entry that is not empty.
    pub(super) fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key).map(|bytes| bytes.as_slice()).filter(|bytes| !bytes.is_empty())
    }

    /// Returns an entry that is not empty, as text.
    pub(super) fn text(&self, key: &str) -> Option<SecretString> {
        self.bytes(key).map(|bytes| SecretString::from(String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Returns all entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().map(|(key, bytes)| (key.as_str(), bytes.as_slice()))
    }
}
