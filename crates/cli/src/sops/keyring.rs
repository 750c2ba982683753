//! The identities at hand: recover a data key, wrap one.

use sealfast_keys::age;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::unlock::{self, Options};
use sealfast_keys::wrap;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::metadata::{MasterKey, Metadata};
use sealfast_sops::time::Time;

use crate::sops::stop::{Code, Stop};

mod gather;
mod prompt;

use gather::{Prompts, Wanted};

/// Returns the person's own keyring: age identities of the environment and of the usual places, SSH keys without
/// passphrase, GnuPG, Vault's token. Programs that print identities are not run and nothing is asked.
#[expect(dead_code, reason = "`up` takes the person's keys from here")]
pub(crate) fn default_keyring() -> Keyring {
    gather::keyring(&Wanted { ssh: true, prompts: Prompts::Never })
}

/// Returns the file of age identities that everybody has, whether it is there or not.
pub(crate) fn default_age_keys_file() -> Option<std::path::PathBuf> {
    gather::keys_file()
}

/// Recovers the data key. Programs that print identities are asked last, for one recipient after the other.
pub(super) fn unlock(metadata: &Metadata, order: &[String]) -> Result<DataKey, Stop> {
    let options = Options { order: order.to_vec() };
    let recipients: Vec<&str> = metadata.master_keys().filter_map(age_recipient).collect();
    let ssh = recipients.iter().any(|recipient| recipient.starts_with("ssh-"));
    let mut keyring = gather::keyring(&Wanted { ssh, prompts: Prompts::Terminal });
    let mut failure = match run(metadata, unlock::data_key(metadata, &keyring, &options)) {
        Ok(key) => return Ok(key),
        Err(failure) => failure,
    };
    for recipient in recipients {
        if !gather::ask_programs(&mut keyring, recipient) {
            continue;
        }
        match run(metadata, unlock::data_key(metadata, &keyring, &options)) {
            Ok(key) => return Ok(key),
            Err(again) => failure = again,
        }
    }
    Err(Stop::new(failure.report()).code(Code::NoDataKey).hint(
        "name a file with an identity of one of these keys in SOPS_AGE_KEY_FILE, or import its OpenPGP key",
    ))
}

/// Wraps the data key for every master key.
pub(super) fn wrap(metadata: &mut Metadata, key: &DataKey, now: Time) -> Result<(), Stop> {
    let keyring = gather::for_wrapping();
    let only_age = is_only_age(metadata);
    let mut rng = rand08::rngs::OsRng;
    let wrapping = wrap::data_key(metadata, key, &keyring, now, &mut rng);
    block_on(only_age, wrapping).map_err(|failure| {
        Stop::new(format!("Could not generate data key: [{failure}]"))
            .hint("check the recipients, and for OpenPGP that `gpg --list-keys` shows the key")
    })
}

/// Fails for an age recipient that is none.
pub(super) fn check(keys: &[MasterKey]) -> Result<(), Stop> {
    keys.iter().filter_map(age_recipient).try_for_each(|recipient| {
        age::check_recipient(recipient)
            .map_err(|wrong| Stop::new(wrong.with_causes()).hint("an age recipient begins with age1 or ssh-"))
    })
}

fn age_recipient(key: &MasterKey) -> Option<&str> {
    if let MasterKey::Age { recipient, .. } = key { Some(recipient) } else { None }
}

fn is_only_age(metadata: &Metadata) -> bool {
    metadata.master_keys().all(|key| matches!(key, MasterKey::Age { .. }))
}

fn run<T>(metadata: &Metadata, work: impl Future<Output = T>) -> T {
    block_on(is_only_age(metadata), work)
}

/// age needs neither network nor programs, so nothing is started for it.
fn block_on<T>(is_local: bool, work: impl Future<Output = T>) -> T {
    if !is_local && let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
        return runtime.block_on(work);
    }
    futures::executor::block_on(work)
}
