//! Which identities were read, for the report that none of them fits.

use std::path::Path;

use sealfast_keys::age;
use zeroize::Zeroizing;

use crate::env;
use crate::sops::files;
use crate::sops::keyring::gather;

/// What a file says of an identity that is at hand.
pub(super) struct File<'f> {
    /// The recipients that it names.
    pub(super) recipients: &'f [&'f str],
    /// Whether one of its key groups was opened.
    pub(super) is_partly_open: bool,
}

impl File<'_> {
    fn told(&self, is_recipient: bool) -> &'static str {
        match (is_recipient, self.is_partly_open) {
            (false, _) => "the file is not encrypted for it.",
            (true, true) => "it opens one key group, but others are needed, too.",
            (true, false) => "the file names it, but what it is to open is damaged.",
        }
    }
}

/// A sentence for each place that age identities were read from: where it is, and what they are for.
pub(super) fn told(file: &File<'_>) -> Vec<String> {
    let recipients = file.recipients;
    let variable = env::SOPS_AGE_KEY.text().map(Zeroizing::new);
    let variable = variable.and_then(|text| of_text(env::SOPS_AGE_KEY.name(), text.as_bytes(), file));
    let of_file = |path: &Path, place: &str| of_text(place, &files::try_read(path).ok()?, file);
    let named = env::SOPS_AGE_KEY_FILE
        .path()
        .and_then(|path| of_file(&path, &format!("{} ({})", path.display(), env::SOPS_AGE_KEY_FILE.name())));
    let usual = gather::keys_file().and_then(|path| of_file(&path, &path.display().to_string()));
    let is_ssh = recipients.iter().any(|recipient| recipient.starts_with("ssh-"));
    let ssh = gather::ssh_files().into_iter().filter(|_| is_ssh).filter_map(|path| of_ssh(&path, file));
    [variable, named, usual].into_iter().flatten().chain(ssh).collect()
}

/// Whose key it is stands beside it.
fn of_ssh(path: &Path, file: &File<'_>) -> Option<String> {
    gather::for_wrapping().add_ssh_identity(&files::try_read(path).ok()?, None).ok()?;
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let public = files::try_read(Path::new(&public)).ok();
    let public = public.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let what = public.map(|text| {
        let mut words = text.split_whitespace();
        let whose = (words.next(), words.next());
        let is_recipient = file.recipients.iter().any(|recipient| {
            let mut words = recipient.split_whitespace();
            whose == (words.next(), words.next())
        });
        format!(": {}", file.told(is_recipient))
    });
    Some(format!("{} holds an SSH key{}", path.display(), what.as_deref().unwrap_or(".")))
}

/// Nothing for what does not read: that is a failure of its own in the report.
fn of_text(place: &str, bytes: &[u8], file: &File<'_>) -> Option<String> {
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
        held.iter().map(|recipient| &**recipient).partition(|recipient| file.recipients.contains(recipient));
    let is_recipient = !fitting.is_empty();
    let shown = if is_recipient { fitting } else { other };
    Some(format!("{place} holds the identity of {}: {}", shown.join(" and of "), file.told(is_recipient)))
}
