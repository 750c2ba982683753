//! Data key -> wrapped for every master key, shared out over key groups.
//!
//! With one group every key wraps the data key itself; with more, each group gets a share, and every key of the group
//! wraps that share. Services are asked at the same time.
//!
//! Follows: `UpdateMasterKeysWithKeyServices` of sops 3.13.2. Differs: nothing is stored unless every key succeeded.

use std::fmt;

use futures::future::join_all;
use sealfast_sops::cipher::{DataKey, Random};
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::metadata::Metadata;
use sealfast_sops::shamir;
use sealfast_sops::time::Time;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyring::Keyring;
use crate::local::Wrapped;
use crate::place::places;

/// Why the data key was not wrapped: one entry a master key that refused, or a single one for all.
#[derive(Debug)]
pub struct Failure {
    /// The master keys as people name them with what each of them said; no name for a reason that is not about one key.
    pub reasons: Vec<(Option<String>, Reason)>,
}

/// What stands in the way of wrapping.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// There is no key group.
    NoGroups,
    /// A key group is empty.
    EmptyGroup,
    /// A key or the split of the data key failed.
    Error(Error),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGroups => f.write_str("no key groups provided"),
            Self::EmptyGroup => f.write_str("empty key group provided"),
            Self::Error(error) => f.write_str(&error.with_causes()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, reason)) in self.reasons.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            match key {
                None => write!(f, "{separator}{reason}")?,
                Some(key) => {
                    write!(f, "{separator}failed to encrypt new data key with master key {key:?}: {reason}")?;
                }
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reasons: vec![(None, reason)] }
    }
}

/// Wraps the data key for every master key and stores the results, with their time, in the metadata. Several groups
/// without a threshold get one that needs all of them.
///
/// # Errors
/// [`Failure`] with the keys that refused; the metadata is unchanged then.
pub async fn data_key(
    metadata: &mut Metadata,
    key: &DataKey,
    keyring: &Keyring,
    now: Time,
    rng: &mut (impl Random + ?Sized),
) -> Result<(), Failure> {
    let groups = &metadata.key_groups;
    let threshold = match (groups.len(), metadata.shamir_threshold) {
        (0, _) => return Err(Reason::NoGroups.into()),
        (1, threshold) => threshold,
        (count, 0) => count,
        (_, threshold) => threshold,
    };
    if groups.iter().any(|group| group.keys.is_empty()) {
        return Err(Reason::EmptyGroup.into());
    }
    let parts = match groups.len() {
        1 => vec![Zeroizing::new(key.expose().to_vec())],
        count => shamir::split(key.expose(), count, threshold, rng)
            .map_err(|source| Reason::Error(Error::Split(source)))?,
    };
    let keyed =
        groups.iter().zip(&parts).flat_map(|(group, part)| group.keys.iter().map(move |key| (key, part)));
    let all = keyed.map(|(key, part)| async move { (key, wrap_somewhere(key, part, keyring, now).await) });
    let (mut wrapped, mut reasons) = (Vec::new(), Vec::new());
    for (key, result) in join_all(all).await {
        match result {
            Ok(one) => wrapped.push(one),
            Err(errors) => {
                reasons.extend(
                    errors.into_iter().map(|error| (Some(key.identity_string()), Reason::Error(error))),
                );
            }
        }
    }
    if !reasons.is_empty() {
        return Err(Failure { reasons });
    }
    metadata.shamir_threshold = threshold;
    let keys = metadata.key_groups.iter_mut().flat_map(|group| &mut group.keys);
    for (key, Wrapped { enc, version: used }) in keys.zip(wrapped) {
        key.set_enc(enc, now);
        if let (MasterKey::AzureKv { version, .. }, Some(used)) = (key, used) {
            *version = used;
        }
    }
    Ok(())
}

/// Looks up what keys leave out: the version of a key of Azure Key Vault that names none. Keys that are compared with
/// those of a document need it.
///
/// # Errors
/// [`Error::Cloud`] and [`Error::Credentials`] when the vault does not tell.
#[cfg_attr(not(feature = "azure"), expect(clippy::unused_async, reason = "only Azure is asked"))]
pub async fn complete(keys: &mut [MasterKey], keyring: &Keyring) -> Result<(), Error> {
    #[cfg(feature = "azure")]
    for key in keys {
        if let MasterKey::AzureKv { vault_url, name, version, .. } = key
            && version.is_empty()
        {
            let named = crate::azure_kv::Key { vault: vault_url, name, version };
            *version = named.known_version(&keyring.azure, &keyring.run.azure, keyring.http()?).await?;
        }
    }
    #[cfg(not(feature = "azure"))]
    let _ = (keys, keyring);
    Ok(())
}

/// Wraps with the first that can: this process, then the key services in their order.
async fn wrap_somewhere(
    key: &MasterKey,
    secret: &[u8],
    keyring: &Keyring,
    now: Time,
) -> Result<Wrapped, Vec<Error>> {
    let mut errors = Vec::new();
    for place in places(keyring) {
        match place.wrap(key, secret, keyring, now).await {
            Ok(wrapped) => return Ok(wrapped),
            Err(error) => errors.push(error),
        }
    }
    Err(errors)
}
