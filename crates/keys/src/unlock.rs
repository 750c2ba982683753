//! Metadata and keyring -> data key: groups, order, threshold.
//!
//! In each group the first key that opens gives the group's share; all groups are tried, so that a failure can tell
//! everything at once.
//!
//! Follows: `GetDataKeyWithKeyServices` of sops 3.13.2. Differs: several groups without a threshold need all groups.

use std::fmt;

use sealfast_sops::cipher::DataKey;
use sealfast_sops::metadata::{KeyGroup, Metadata};
use sealfast_sops::shamir;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyring::Keyring;
use crate::{local, report};

/// The types of keys that are tried before others when nothing else was chosen.
pub const DEFAULT_ORDER: [&str; 2] = ["age", "pgp"];

/// Choices for [`data_key`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Types of master keys (`age`, `pgp`, `kms` …) in the order in which they are tried, before all other types; empty
    /// for [`DEFAULT_ORDER`].
    pub order: Vec<String>,
}

/// Why the data key could not be recovered: what happened with each group and key.
#[derive(Debug)]
pub struct Failure {
    /// The groups in the order of the metadata.
    pub groups: Vec<GroupResult>,
    /// How many groups were needed; 0 when there is a single group.
    pub required: usize,
    /// What was wrong with the recovered parts, when there were enough.
    pub combining: Option<Error>,
}

/// What happened with one group.
#[derive(Debug, Default)]
pub struct GroupResult {
    /// True when one of its keys opened.
    pub is_open: bool,
    /// The keys that did not open, in the order in which they were tried.
    pub failed: Vec<KeyFailure>,
}

/// What happened with one key.
#[derive(Debug)]
pub struct KeyFailure {
    /// The key as people name it.
    pub key: String,
    /// Why it did not open, one entry a key service that was asked.
    pub reasons: Vec<Error>,
}

impl Failure {
    /// Returns the report that `sops` prints with exit code 128, without colours and without a line break at its end.
    #[must_use]
    pub fn report(&self) -> String {
        report::text(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no master key opens the data key")?;
        if let Some(error) = &self.combining {
            return write!(f, ": {}", error.with_causes());
        }
        let mut separator = ": ";
        for failure in self.groups.iter().flat_map(|group| &group.failed) {
            let reasons: Vec<String> = failure.reasons.iter().map(Error::with_causes).collect();
            write!(f, "{separator}{}: {}", failure.key, reasons.join(", "))?;
            separator = "; ";
        }
        if self.required > 0 {
            let open = self.groups.iter().filter(|group| group.is_open).count();
            write!(f, "{separator}{open} of {} needed groups opened", self.required)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Recovers the data key of a document.
///
/// # Errors
/// [`Failure`], which tells what happened with each key.
pub async fn data_key(metadata: &Metadata, keyring: &Keyring, options: &Options) -> Result<DataKey, Failure> {
    let mut parts = Vec::new();
    let mut groups = Vec::new();
    for group in &metadata.key_groups {
        let mut result = GroupResult::default();
        for key in in_order(group, options) {
            match local::open(key, keyring).await {
                Ok(part) => {
                    parts.push(part);
                    result.is_open = true;
                    break;
                }
                Err(error) => {
                    result.failed.push(KeyFailure { key: key.identity_string(), reasons: vec![error] })
                }
            }
        }
        groups.push(result);
    }
    let required = match (metadata.key_groups.len(), metadata.shamir_threshold) {
        (0 | 1, _) => 0,
        (count, 0) => count,
        (_, threshold) => threshold,
    };
    if parts.is_empty() || parts.len() < required {
        return Err(Failure { groups, required, combining: None });
    }
    assemble(parts, required).map_err(|source| Failure {
        groups,
        required,
        combining: Some(Error::Combine(source)),
    })
}

fn assemble(
    mut parts: Vec<Zeroizing<Vec<u8>>>,
    required: usize,
) -> Result<DataKey, sealfast_sops::error::Error> {
    let secret = match required {
        0 => parts.swap_remove(0),
        _ => shamir::combine(&parts.iter().map(|part| part.as_slice()).collect::<Vec<_>>())?,
    };
    DataKey::from_bytes(&secret)
}

/// Sorts the keys of a group: types that were named first, in their order, then the others as stored.
fn in_order<'a>(group: &'a KeyGroup, options: &Options) -> Vec<&'a sealfast_sops::master_key::MasterKey> {
    let place = |name: &str| match options.order.as_slice() {
        [] => DEFAULT_ORDER.iter().position(|known| *known == name),
        order => order.iter().position(|known| known == name),
    };
    let mut keys: Vec<_> = group.keys.iter().collect();
    keys.sort_by_key(|key| place(key.type_name()).unwrap_or(usize::MAX));
    keys
}
