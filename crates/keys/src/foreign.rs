//! Everything in which foreign text is read, tried on the same bytes; for fuzzing.

use crate::keyring::Keyring;
use crate::service::Service;
use crate::vault::Allowed;
use crate::{age, aws_kms, gcp_kms, huawei_kms, pgp};

/// Reads the bytes as recipients, key ids, addresses, identities, key files and wrapped data keys. Nothing is run, sent or
/// kept; it must neither panic nor take long.
pub fn read(input: &[u8]) {
    drop(pgp::fingerprints(input));
    let mut keyring = Keyring::empty();
    drop(keyring.add_ssh_identity(input, None));
    drop(keyring.add_pgp_armored(input));
    let Ok(text) = std::str::from_utf8(input) else { return };
    drop(age::check_recipient(text));
    drop(keyring.add_age_identities(text));
    drop(aws_kms::region(text));
    drop(gcp_kms::check_resource_id(text));
    drop(huawei_kms::check_key_id(text));
    drop(Service::parse(text));
    drop(Allowed::parse(text));
    drop(age::unwrap(text, &keyring.age));
    drop(pgp::open_here(text, &keyring.pgp));
}
