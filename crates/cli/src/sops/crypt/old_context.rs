//! A way round AWS contexts that old files have wrong.
//!
//! Before 3.3.0 encryption contexts of several pairs were sent with one of their values under every name.
//!
//! Follows: `FixAWSKMSEncryptionContextBug` of sops 3.13.2. Differs: nothing is asked and the file is never rewritten on
//! the way; whatever encrypts it anew mends it.

use std::collections::BTreeSet;

use sealfast_sops::metadata::{MasterKey, Metadata};

/// The first version that is right.
const MENDED: [u64; 3] = [3, 3, 0];

pub(super) const EXPLANATION: &str = "This file was written before sops 3.3.0, which did not send AWS encryption \
    contexts of several pairs as they are. It is opened all the same; `rotate` mends it.";

/// Could this file have wrong contexts?
pub(super) fn is_suspect(metadata: &Metadata, numbers: Option<[u64; 3]>) -> bool {
    numbers.is_some_and(|numbers| numbers < MENDED)
        && metadata
            .master_keys()
            .any(|key| matches!(key, MasterKey::Kms { context, .. } if context.len() > 1))
}

/// The metadata with contexts as they may have been sent, one way after the other.
pub(super) fn variants(metadata: &Metadata) -> Vec<Metadata> {
    let contexts = metadata.master_keys().filter_map(|key| match key {
        MasterKey::Kms { context, .. } if context.len() > 1 => Some(context),
        _ => None,
    });
    let values: BTreeSet<&String> = contexts.flat_map(|context| context.values()).collect();
    values.into_iter().map(|value| with_value(metadata.clone(), value)).collect()
}

/// Contexts that know the value get it under every name.
fn with_value(mut metadata: Metadata, value: &str) -> Metadata {
    for key in metadata.key_groups.iter_mut().flat_map(|group| &mut group.keys) {
        if let MasterKey::Kms { context, .. } = key
            && context.values().any(|known| known == value)
        {
            context.values_mut().for_each(|other| value.clone_into(other));
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
    use sealfast_sops::time::Time;

    use super::{is_suspect, variants};

    #[test]
    fn every_value_is_tried_under_every_name() {
        let now = Time::from(jiff::Timestamp::UNIX_EPOCH);
        let context =
            BTreeMap::from([("a", "1"), ("b", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())));
        let keys = MasterKey::kms_list("arn:aws:kms:us-east-1:1:key/x", &context, "", now);
        let metadata = Metadata::new(vec![KeyGroup { keys }], now);
        assert!(is_suspect(&metadata, Some([3, 2, 9])) && !is_suspect(&metadata, Some([3, 3, 0])));
        let tried: Vec<Vec<String>> = variants(&metadata)
            .iter()
            .flat_map(|metadata| metadata.master_keys().cloned().collect::<Vec<_>>())
            .filter_map(|key| {
                if let MasterKey::Kms { context, .. } = key {
                    Some(context.into_values().collect())
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(tried, [["1", "1"], ["2", "2"]]);
    }
}
