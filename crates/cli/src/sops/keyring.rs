//! The identities at hand, gathered from the environment and the usual places, and the two things done with them.

use sealfast_sops::cipher::DataKey;
use sealfast_sops::metadata::Metadata;
use sealfast_sops::time::Time;

use crate::sops::stop::Stop;

/// Recovers the data key.
pub(super) fn unlock(_metadata: &Metadata, _order: &[String]) -> Result<DataKey, Stop> {
    Err(Stop::new("key services are not part of this build"))
}

/// Wraps the data key for every master key.
pub(super) fn wrap(_metadata: &mut Metadata, _key: &DataKey, _now: Time) -> Result<(), Stop> {
    Err(Stop::new("key services are not part of this build"))
}

/// The person's own keyring.
pub(crate) fn default_keyring() {}
