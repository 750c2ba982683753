//! What to do about a key that does not open, by the kind of its failure.

use sealfast_keys::error::{CloudService, Error};
use sealfast_keys::unlock::Failure;
use sealfast_keys::wrap;

use crate::env;
use crate::sops::keyring::cloud;

/// Returns a hint for each kind of failure, in the order in which the keys were tried.
pub(super) fn of(failure: &Failure) -> Vec<&'static str> {
    each_once(reasons(failure))
}

/// Does the same for keys that did not wrap.
pub(super) fn of_wrapping(failure: &wrap::Failure) -> Vec<&'static str> {
    each_once(failure.reasons.iter().filter_map(|(key, reason)| match reason {
        wrap::Reason::Error(error) => Some((key.as_deref().unwrap_or_default(), error)),
        _ => None,
    }))
}

fn each_once<'e>(errors: impl Iterator<Item = (&'e str, &'e Error)>) -> Vec<&'static str> {
    let mut hints = Vec::new();
    for (key, error) in errors {
        if let Some(hint) = hint(key, error)
            && !hints.contains(&hint)
        {
            hints.push(hint);
        }
    }
    hints
}

/// Was there an age identity that did not fit?
pub(super) fn is_about_age(failure: &Failure) -> bool {
    reasons(failure).any(|(_, error)| matches!(error, Error::Age { .. }))
}

/// Each reason, with the key that it is about.
fn reasons(failure: &Failure) -> impl Iterator<Item = (&str, &Error)> {
    let failed = failure.groups.iter().filter(|group| !group.is_open).flat_map(|group| &group.failed);
    failed.flat_map(|failure| failure.reasons.iter().map(|reason| (failure.key.as_str(), reason)))
}

fn hint(key: &str, error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::NoAgeIdentity { .. } | Error::Age { .. } if key.starts_with("ssh-") => {
            "name a file with one of these SSH keys in SOPS_AGE_SSH_PRIVATE_KEY_FILE, or a program that prints one in SOPS_AGE_SSH_PRIVATE_KEY_CMD"
        }
        Error::Age { .. } if env::SOPS_AGE_KEY_FILE.text().is_some() => {
            "add an identity of one of these age keys to the file that SOPS_AGE_KEY_FILE names, or name another file there"
        }
        Error::NoAgeIdentity { .. } | Error::Age { .. } => {
            "name a file with an identity of one of these age keys in SOPS_AGE_KEY_FILE"
        }
        Error::KeyId { service: CloudService::Aws, .. } => {
            "write it as `arn:aws:kms:REGION:ACCOUNT:key/ID` or `…:alias/NAME`"
        }
        Error::KeyId { service: CloudService::Google, .. } => {
            "write it as `projects/P/locations/L/keyRings/R/cryptoKeys/K`"
        }
        Error::PgpWrap { .. } => "check that `gpg --list-keys` shows the key",
        Error::PgpOpen { .. } => "import the OpenPGP secret key: gpg --import FILE",
        Error::Credentials { service: "AWS KMS", .. } => {
            "log in with `aws sso login`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        Error::Credentials { service: "GCP KMS", .. } => {
            "run `gcloud auth application-default login`, or name a key file in GOOGLE_APPLICATION_CREDENTIALS"
        }
        Error::Credentials { service: "Azure Key Vault", .. } => {
            "run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH"
        }
        Error::Credentials { service: "HuaweiCloud KMS", .. } => {
            "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK"
        }
        Error::Vault { reason, .. }
            if reason.contains("permission denied") && cloud::vault_token().is_some() =>
        {
            "Vault refused the token: it may have expired (`vault login` makes a new one), or its policy lacks `update` on ENGINE/encrypt/NAME and ENGINE/decrypt/NAME"
        }
        Error::Vault { reason, .. } if reason.contains("permission denied") => {
            "set VAULT_TOKEN, or run `vault login`"
        }
        Error::VaultKey { .. } => {
            "a key of Vault is https://HOST:PORT/v1/ENGINE/keys/NAME: name it so in .sops.yaml and run `updatekeys`"
        }
        Error::VaultAddress { .. } => "add the address to SOPS_HC_VAULT_ALLOWLIST if it is yours",
        Error::Service { .. } => "start the key service with `sealfast keyservice`, or drop --keyservice",
        Error::NoService => "drop --enable-local-keyservice=false, or name a key service with --keyservice",
        _ => return None,
    })
}
