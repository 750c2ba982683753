//! `groups add` and `groups delete`: key groups of an encrypted file.

use std::path::Path;

use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};

use crate::sops::call::{Call, Done};
use crate::sops::crypt::{self, Shape};
use crate::sops::hold::Held;
use crate::sops::settings::{self, Settings};
use crate::sops::stop::Stop;
use crate::sops::{keyring, log};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    match call.words() {
        [action] if action == "add" => {
            let group = group(call)?;
            change(call, |metadata| {
                metadata.key_groups.push(group);
                Ok(())
            })
        }
        [action, ..] if action == "add" => {
            Err(Stop::new("error: no positional arguments allowed")
                .plainly("no positional arguments allowed"))
        }
        [action, index] if action == "delete" => {
            let number = index.parse::<u32>().map_err(|_| unreadable(index))?;
            change(call, |metadata| {
                let at = usize::try_from(number).ok().filter(|at| *at < metadata.key_groups.len());
                let at = at.ok_or_else(|| Stop::fatal(format!("there is no key group {number}")))?;
                metadata.key_groups.remove(at);
                if call.is_native() && metadata.key_groups.is_empty() {
                    return Err(Stop::new("it is the last key group: without it nobody could open the file")
                        .hint("add another one first, as `groups add -f FILE -i --age age1…`"));
                }
                Ok(())
            })
        }
        [action, ..] if action == "delete" => {
            Err(Stop::new("error: exactly one positional argument (index) required")
                .plainly("exactly one positional argument (index) required"))
        }
        _ => Err(Stop::new("say what to do: groups add, or groups delete INDEX")),
    }
}

fn unreadable(index: &str) -> Stop {
    let reason = if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) {
        "value out of range"
    } else {
        "invalid syntax"
    };
    Stop::fatal(format!("failed to parse [index] argument: strconv.ParseUint: parsing {index:?}: {reason}"))
        .hint("groups are counted from 0")
}

/// Changes the groups and wraps the data key again.
fn change(call: &Call, change: impl FnOnce(&mut Metadata) -> Result<(), Stop>) -> Result<Done, Stop> {
    let path = Path::new(call.text("file"));
    if call.is_native() && path.as_os_str().is_empty() {
        return Err(Stop::no_file().hint("as `groups add -f secret.yaml --age age1…`"));
    }
    let settings = Settings::of_file(call, path)?;
    let format = call.format("input-type", call.text("file"));
    let file = Held::by(call, path);
    let encrypted = file.read()?;
    let (mut document, original) =
        crypt::load(call, &encrypted, format).map_err(|stop| stop.logged_by(log::COMMAND))?;
    let key = crypt::unlock(call, document.metadata())
        .map_err(|stop| without_report(call, stop, document.metadata()))?;
    let metadata = document.metadata_mut();
    change(metadata)?;
    if let Some(threshold) = call.number("shamir-secret-sharing-threshold").filter(|number| *number != 0) {
        metadata.shamir_threshold = usize::try_from(threshold).unwrap_or_default();
    }
    let (threshold, groups) = (metadata.shamir_threshold, metadata.key_groups.len());
    if groups < threshold {
        return Err(unreachable(call, threshold, groups));
    }
    keyring::wrap(call, metadata, &key, settings::now())?;
    let shape = Shape { input: format, output: format, layout: settings.layout(call) };
    let bytes = crypt::update(document, original.as_ref(), &key, &shape)?;
    if !call.is_set("in-place") {
        return Ok(Done::Print(bytes));
    }
    file.replace(&bytes)?;
    Ok(Done::Quietly)
}

/// Nobody could open the file any more.
fn unreachable(call: &Call, threshold: usize, groups: usize) -> Stop {
    let message = if call.words().first().is_some_and(|action| action == "add") {
        format!("the Shamir threshold of {threshold} is more than the {groups} key groups there are")
    } else {
        format!(
            "removing this key group will make the Shamir threshold impossible to satisfy: Shamir threshold is \
             {threshold}, but we only have {groups} key groups"
        )
    };
    Stop::fatal(message).hint("lower it with --shamir-secret-sharing-threshold")
}

/// As `sops`, these commands give no report about each key, and end as with any other error.
fn without_report(call: &Call, stop: Stop, metadata: &Metadata) -> Stop {
    if call.is_native() {
        return stop;
    }
    let wanted = match metadata.shamir_threshold {
        0 if metadata.key_groups.len() > 1 => metadata.key_groups.len(),
        threshold => threshold,
    };
    let found = stop.message(call.presentation).lines().filter(|line| line.ends_with(": SUCCESS")).count();
    Stop::fatal(format!("Error getting data key: {wanted} successful groups required, got {found}"))
}

/// The group that the flags describe; keys that do not parse are left out with a message.
fn group(call: &Call) -> Result<KeyGroup, Stop> {
    let now = settings::now();
    let context = settings::lenient_context(call)?;
    let mut keys = Vec::new();
    let each = |flag: &str| call.list(flag).to_vec();
    each("pgp").iter().for_each(|text| keys.extend(MasterKey::pgp_list(text, now)));
    for text in each("kms") {
        keys.extend(MasterKey::kms_list(&text, &context, call.text("aws-profile"), now));
    }
    each("gcp-kms").iter().for_each(|text| keys.extend(MasterKey::gcp_kms_list(text, now)));
    let mut add = |parsed: Result<Vec<MasterKey>, sealfast_sops::error::Error>| match parsed {
        Ok(parsed) => keys.extend(parsed),
        Err(wrong) => log::error_because(
            call.presentation,
            "Failed to add key",
            &Stop::of(&wrong, "").message(call.presentation),
        ),
    };
    each("hc-vault-transit").iter().for_each(|text| add(MasterKey::vault_list(text, now)));
    each("azure-kv").iter().for_each(|text| add(MasterKey::azure_list(text, now)));
    for text in each("age") {
        let recipients = MasterKey::age_list(&text);
        match keyring::check(&recipients) {
            Ok(()) => keys.extend(recipients),
            Err(stop) => {
                log::error_because(call.presentation, "Failed to add key", &stop.message(call.presentation))
            }
        }
    }
    Ok(KeyGroup { keys })
}
