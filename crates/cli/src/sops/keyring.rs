//! The identities at hand: recover a data key, wrap one.

use std::sync::LazyLock;

use sealfast_keys::age;
use sealfast_keys::error::Error;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::service::{Approve, Listener};
use sealfast_keys::unlock::{self, Options};
use sealfast_keys::wrap;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::metadata::{MasterKey, Metadata};
use sealfast_sops::time::Time;
use tokio::runtime::{self, Runtime};

use crate::sops::call::Call;
use crate::sops::settings;
use crate::sops::stop::{Code, Stop};

mod agent;
pub(crate) mod cloud;
mod gather;
mod held;
mod hints;
mod prompt;
mod services;

use gather::{Prompts, Wanted};
use services::Services;

/// Threads that carry connections; the work itself is done where it was called.
const WORKERS: usize = 2;

/// Returns the person's own keyring: age identities of the environment and of the usual places, SSH keys without
/// passphrase, GnuPG, Vault's token. Programs that print identities are not run and nothing is asked.
pub(crate) fn default_keyring() -> Keyring {
    gather::keyring(&Wanted { ssh: true, prompts: Prompts::Never })
}

/// Asks for the passphrases of OpenPGP keys that are locked: gpg-agent, else the person at the terminal.
pub(crate) fn passphrases() -> std::sync::Arc<dyn sealfast_keys::pgp::Passphrases> {
    std::sync::Arc::new(prompt::Terminal)
}

/// Returns the file of age identities that everybody has, whether it is there or not.
pub(crate) fn default_age_keys_file() -> Option<std::path::PathBuf> {
    gather::keys_file()
}

/// Recovers the data key. Programs that print identities are asked last, for one recipient after the other.
pub(super) fn unlock(call: &Call, metadata: &Metadata, order: &[String]) -> Result<DataKey, Stop> {
    let services = Services::of(call)?;
    let options = Options { order: order.to_vec() };
    let recipients: Vec<&str> = metadata.master_keys().filter_map(age_recipient).collect();
    let ssh = recipients.iter().any(|recipient| recipient.starts_with("ssh-"));
    let mut keyring = services.add_to(gather::keyring(&Wanted { ssh, prompts: Prompts::Terminal }));
    tell_of_old_ring(call, &mut keyring);
    let reach = reach(&services, metadata);
    let mut failure = match block_on(reach, unlock::data_key(metadata, &keyring, &options)) {
        Ok(key) => return Ok(key),
        Err(failure) => failure,
    };
    for recipient in &recipients {
        if !gather::ask_programs(&mut keyring, recipient) {
            continue;
        }
        match block_on(reach, unlock::data_key(metadata, &keyring, &options)) {
            Ok(key) => return Ok(key),
            Err(again) => failure = again,
        }
    }
    let is_partly_open = failure.groups.iter().any(|group| group.is_open);
    let file = held::File { recipients: &recipients, is_partly_open };
    let held = if hints::is_about_age(&failure) { held::told(&file) } else { Vec::new() };
    let report = failure.report();
    let told = std::iter::once(report.clone()).chain(held).collect::<Vec<_>>().join("\n\n");
    let stop = Stop::new(report).plainly(told).code(Code::NoDataKey);
    Err(hints::of(&failure).into_iter().fold(stop, Stop::hint))
}

/// Wraps the data key for every master key.
pub(super) fn wrap(call: &Call, metadata: &mut Metadata, key: &DataKey, now: Time) -> Result<(), Stop> {
    let services = Services::of(call)?;
    let mut keyring = services.add_to(gather::for_wrapping());
    tell_of_old_ring(call, &mut keyring);
    let reach = reach(&services, metadata);
    let mut rng = rand08::rngs::OsRng;
    let wrapping = wrap::data_key(metadata, key, &keyring, now, &mut rng);
    block_on(reach, wrapping).map_err(|failure| {
        let mut told = hints::of_wrapping(&failure);
        if told.is_empty() {
            told.push("check the recipients, and that their services can be reached");
        }
        let stop = Stop::new(format!("Could not generate data key: [{failure}]"));
        told.into_iter().fold(stop, Stop::hint)
    })
}

/// As `sops`, failures name the keyring that it looks into before it asks `gpg`.
fn tell_of_old_ring(call: &Call, keyring: &mut Keyring) {
    if let Some(ring) = gather::missing_pgp_ring().filter(|_| !call.is_native()) {
        keyring.note_missing_pgp_ring(ring);
    }
}

/// Looks up what keys leave out before they are compared with those of a file: versions of keys of Azure Key Vault.
pub(super) fn complete(keys: &mut [MasterKey]) -> Result<(), Stop> {
    let is_whole = |key: &MasterKey| !matches!(key, MasterKey::AzureKv { version, .. } if version.is_empty());
    if keys.iter().all(is_whole) {
        return Ok(());
    }
    block_on(Reach::Services, wrap::complete(keys, &gather::for_wrapping()))
        .map_err(|wrong| Stop::new(wrong.with_causes()))
}

/// Answers the questions that come to a key service with this person's keys, until it is dropped.
pub(super) async fn serve(listener: Listener, approve: Option<Approve>) {
    let keyring = gather::keyring(&Wanted { ssh: true, prompts: Prompts::Terminal });
    listener.serve(keyring, settings::now, approve).await;
}

/// Fails for an age recipient that is none.
pub(super) fn check(keys: &[MasterKey]) -> Result<(), Stop> {
    keys.iter().filter_map(age_recipient).try_for_each(|recipient| {
        age::check_recipient(recipient).map_err(|wrong| {
            let hint = if matches!(wrong, Error::IdentityForRecipient) {
                "`age-keygen -y FILE` prints its recipient; make a new key if others may have seen this one"
            } else {
                "an age recipient begins with age1 or ssh-"
            };
            Stop::new(wrong.with_causes()).hint(hint)
        })
    })
}

fn age_recipient(key: &MasterKey) -> Option<&str> {
    if let MasterKey::Age { recipient, .. } = key { Some(recipient) } else { None }
}

/// How far work reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Not out of this process, but for plugins.
    Here,
    /// To services or programs.
    Services,
}

fn reach(services: &Services, metadata: &Metadata) -> Reach {
    let is_only_age = metadata.master_keys().all(|key| matches!(key, MasterKey::Age { .. }));
    if services.is_empty() && is_only_age { Reach::Here } else { Reach::Services }
}

/// age needs neither network nor programs, so nothing is started for it. Everything else shares one runtime, and with it
/// the connections to services.
pub(super) fn block_on<T>(reach: Reach, work: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<std::io::Result<Runtime>> =
        LazyLock::new(|| runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build());
    if reach == Reach::Services
        && let Ok(runtime) = &*RUNTIME
    {
        return runtime.block_on(work);
    }
    futures::executor::block_on(work)
}
