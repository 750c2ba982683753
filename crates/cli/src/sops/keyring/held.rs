//! Which identities were read, for the report that none of them fits.

use std::path::Path;

use sealfast_keys::age;
use zeroize::Zeroizing;

use crate::env;
use crate::sops::files;
use crate::sops::keyring::gather;

/// A sentence for each place that age identities were read from: where it is, and what they are for.
pub(super) fn told(recipients: &[&str]) -> Vec<String> {
    let variable = env::SOPS_AGE_KEY.text().map(Zeroizing::new);
    let variable = variable.and_then(|text| of_text(env::SOPS_AGE_KEY.name(), text.as_bytes()));
    let named = env::SOPS_AGE_KEY_FILE
        .path()
        .and_then(|path| of_file(&path, &format!("{} ({})", path.display(), env::SOPS_AGE_KEY_FILE.name())));
    let usual = gather::keys_file().and_then(|path| of_file(&path, &path.display().to_string()));
    let is_ssh = recipients.iter().any(|recipient| recipient.starts_with("ssh-"));
    let ssh = gather::ssh_files().into_iter().filter(|_| is_ssh).filter_map(|path| of_ssh(&path));
    [variable, named, usual].into_iter().flatten().chain(ssh).collect()
}

fn of_ssh(path: &Path) -> Option<String> {
    gather::for_wrapping().add_ssh_identity(&files::try_read(path).ok()?, None).ok()?;
    Some(format!("{} holds an SSH key: the file is not encrypted for it.", path.display()))
}

fn of_file(path: &Path, place: &str) -> Option<String> {
    of_text(place, &files::try_read(path).ok()?)
}

/// Nothing for what does not read: that is a failure of its own in the report.
fn of_text(place: &str, bytes: &[u8]) -> Option<String> {
    if age::is_encrypted(bytes) {
        return Some(format!("{place} holds identities under a passphrase, none of which fits."));
    }
    let mut keyring = gather::for_wrapping();
    keyring.add_age_identities(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(match keyring.age_recipients().as_slice() {
        [] => format!("{place} holds identities, none of which fits."),
        recipients => {
            format!(
                "{place} holds the identity of {}: the file is not encrypted for it.",
                recipients.join(" and of ")
            )
        }
    })
}
