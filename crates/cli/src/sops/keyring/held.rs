//! Which identities were read, for the report that none of them fits.

use std::path::Path;

use sealfast_keys::age;
use zeroize::Zeroizing;

use crate::env;
use crate::sops::files;
use crate::sops::keyring::gather;

/// A sentence for each place that age identities were read from: where it is, and what they are for. `recipients` are
/// those of the file: of several key groups that it needs, an identity may have opened one.
pub(super) fn told(recipients: &[&str]) -> Vec<String> {
    let variable = env::SOPS_AGE_KEY.text().map(Zeroizing::new);
    let variable = variable.and_then(|text| of_text(env::SOPS_AGE_KEY.name(), text.as_bytes(), recipients));
    let of_file = |path: &Path, place: &str| of_text(place, &files::try_read(path).ok()?, recipients);
    let named = env::SOPS_AGE_KEY_FILE
        .path()
        .and_then(|path| of_file(&path, &format!("{} ({})", path.display(), env::SOPS_AGE_KEY_FILE.name())));
    let usual = gather::keys_file().and_then(|path| of_file(&path, &path.display().to_string()));
    let is_ssh = recipients.iter().any(|recipient| recipient.starts_with("ssh-"));
    let ssh = gather::ssh_files().into_iter().filter(|_| is_ssh).filter_map(|path| of_ssh(&path, recipients));
    [variable, named, usual].into_iter().flatten().chain(ssh).collect()
}

fn of_ssh(path: &Path, recipients: &[&str]) -> Option<String> {
    gather::for_wrapping().add_ssh_identity(&files::try_read(path).ok()?, None).ok()?;
    let public = files::try_read(&path.with_extension("pub")).unwrap_or_default();
    let fits = recipients.iter().any(|recipient| public.starts_with(recipient.as_bytes()));
    let what = if fits { OPENS_ONE_GROUP } else { "the file is not encrypted for it." };
    Some(format!("{} holds an SSH key: {what}", path.display()))
}

const OPENS_ONE_GROUP: &str = "it opens one key group, but others are needed, too.";

/// Nothing for what does not read: that is a failure of its own in the report.
fn of_text(place: &str, bytes: &[u8], recipients: &[&str]) -> Option<String> {
    if age::is_encrypted(bytes) {
        return Some(format!("{place} holds identities under a passphrase, none of which fits."));
    }
    let mut keyring = gather::for_wrapping();
    keyring.add_age_identities(std::str::from_utf8(bytes).ok()?).ok()?;
    let held = keyring.age_recipients();
    if held.is_empty() {
        return Some(format!("{place} holds identities, none of which fits."));
    }
    let (fitting, other): (Vec<&str>, Vec<&str>) =
        held.iter().map(|recipient| &**recipient).partition(|recipient| recipients.contains(recipient));
    let (shown, what) = match fitting.as_slice() {
        [] => (other, "the file is not encrypted for it."),
        _ => (fitting, OPENS_ONE_GROUP),
    };
    Some(format!("{place} holds the identity of {}: {what}", shown.join(" and of ")))
}
