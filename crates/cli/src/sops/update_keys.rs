//! `updatekeys`: wraps data keys for what the creation rule asks now.

use std::collections::BTreeMap;
use std::path::Path;

use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Encrypted, Original};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::store::Format;
use zeroize::Zeroizing;

use crate::sops::call::{Call, Done};
use crate::sops::crypt::{self, Shape};
use crate::sops::encrypt::Source;
use crate::sops::hold::Held;
use crate::sops::settings::{self, Configurations, Settings};
use crate::sops::stop::Stop;
use crate::sops::{ask, batch, files, keyring, log};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let mut configurations = Configurations::new(call);
    if !call.is_native() {
        // Whether it reads is told of each file.
        configurations.must_be_there("creation_rules")?;
    }
    if let Some(done) = batch::run(call, batch::Work::UpdateKeys)? {
        return Ok(done);
    }
    match call.words() {
        [] => Err(Stop::no_file()),
        [file] => update(call, &mut configurations, file).map(|()| Done::Quietly),
        several => {
            let failed = several.iter().filter(|file| {
                let ended = update(call, &mut configurations, file);
                ended
                    .inspect_err(|stop| log::error(call.presentation, &stop.message(call.presentation)))
                    .is_err()
            });
            match failed.count() {
                0 => Ok(Done::Quietly),
                failed => Err(Stop::new(format!("failed updating {failed} key(s)"))),
            }
        }
    }
}

fn update(call: &Call, configurations: &mut Configurations<'_>, file: &str) -> Result<(), Stop> {
    let path = files::absolute(file)?;
    if files::look_at(&path)?.is_dir() {
        return Err(Stop::new("can't operate on a directory"));
    }
    let shown = path.display();
    let settings = configurations.of(&path)?;
    settings.found("creation_rules")?;
    log::progress(call.presentation, &format!("Syncing keys for file {shown}"));
    let held = if call.is_set("yes") { Held::firmly(&path) } else { Held::loosely(&path) };
    let source = Source::of_file(held);
    let Some(plan) = Plan::of(call, &settings, &source)? else {
        log::progress(call.presentation, &format!("File {shown} already up to date"));
        return Ok(());
    };
    if !confirmed(call, &plan.report)? {
        log::progress(call.presentation, &format!("File {shown} left unchanged"));
        return Ok(());
    }
    source.replace(&plan.carry_out(call, &settings)?)?;
    log::progress(call.presentation, &format!("File {shown} synced with new keys"));
    Ok(())
}

/// The file with the keys that its rule asks for; nothing when it has them.
pub(super) fn updated(call: &Call, settings: &Settings, source: &Source) -> Result<Option<Vec<u8>>, Stop> {
    settings.found("creation_rules")?;
    match Plan::of(call, settings, source)? {
        None => Ok(None),
        // To tell that something would change no key is needed.
        Some(_) if call.is_set("check") => Ok(Some(Vec::new())),
        Some(plan) => plan.carry_out(call, settings).map(Some),
    }
}

/// How the keys of a file are to change.
struct Plan {
    document: Encrypted,
    original: Zeroizing<Vec<u8>>,
    format: Format,
    wanted: Vec<KeyGroup>,
    threshold: usize,
    report: String,
}

impl Plan {
    /// Compares a file with its rule; nothing when they agree.
    fn of(call: &Call, settings: &Settings, source: &Source) -> Result<Option<Self>, Stop> {
        let path = source.shown();
        let format = call.format("input-type", &path.to_string_lossy());
        let original = source.read()?;
        let document = crypt::load(call, &original, format)?.0;
        if call.is_native() {
            document.check_complete().map_err(|wrong| crypt::damaged(&original, &wrong))?;
        }
        let mut wanted = wanted_groups(settings, path)?;
        wanted.iter_mut().try_for_each(|group| keyring::complete(&mut group.keys))?;
        let metadata = document.metadata();
        let (old, new) = (metadata.shamir_threshold, metadata.shamir_threshold.min(wanted.len()));
        let differences = compare(&metadata.key_groups, &wanted);
        if old == new && differences.iter().all(Difference::is_empty) {
            return Ok(None);
        }
        let report = report(&differences, old, new);
        Ok(Some(Self { document, original, format, wanted, threshold: new, report }))
    }

    fn carry_out(self, call: &Call, settings: &Settings) -> Result<Vec<u8>, Stop> {
        let Self { mut document, original, format, wanted, threshold, .. } = self;
        let key = crypt::unlock(call, document.metadata())?;
        let metadata = document.metadata_mut();
        if !call.is_native() {
            metadata.layout.clear();
        }
        rewrap(call, metadata, &key, wanted, threshold).map_err(|stop| {
            stop.rephrased("Could not generate data key: ", "error updating one or more master keys: ")
        })?;
        let shape = Shape { input: format, output: format, layout: settings.layout_without_flag(call) };
        let original = call.is_native().then(|| Original::of(&original, format));
        crypt::update(document, original.as_ref(), &key, &shape)
    }
}

/// Wraps a data key for other groups. Under our own verbs a key that was there keeps what it has; that cannot be where
/// there are several groups, because each of them holds a part.
pub(super) fn rewrap(
    call: &Call,
    metadata: &mut Metadata,
    key: &DataKey,
    wanted: Vec<KeyGroup>,
    threshold: usize,
) -> Result<(), Stop> {
    let now = settings::now();
    if let ([old], [new], true) = (metadata.key_groups.as_slice(), wanted.as_slice(), call.is_native()) {
        let kept =
            |key: &MasterKey| old.keys.iter().find(|old| old.is_same_key(key) && !old.enc().is_empty());
        let fresh: Vec<MasterKey> = new.keys.iter().filter(|key| kept(key).is_none()).cloned().collect();
        let mut fresh =
            Metadata { key_groups: vec![KeyGroup { keys: fresh }], ..Metadata::new(Vec::new(), now) };
        if fresh.master_keys().next().is_some() {
            keyring::wrap(call, &mut fresh, key, now)?;
        }
        let mut wrapped = fresh.key_groups.into_iter().flat_map(|group| group.keys);
        let keys = new.keys.iter().filter_map(|key| kept(key).cloned().or_else(|| wrapped.next())).collect();
        metadata.key_groups = vec![KeyGroup { keys }];
        metadata.shamir_threshold = threshold;
        return if metadata.master_keys().next().is_some() {
            Ok(())
        } else {
            keyring::wrap(call, metadata, key, now)
        };
    }
    metadata.key_groups = wanted;
    metadata.shamir_threshold = threshold;
    keyring::wrap(call, metadata, key, now)
}

fn wanted_groups(settings: &Settings, path: &Path) -> Result<Vec<KeyGroup>, Stop> {
    let config = settings.path.as_deref().unwrap_or(Path::new("")).display();
    let rule = settings
        .rule(path)?
        .ok_or_else(|| Stop::new(format!("The config file {config} does not contain any creation rule")))?;
    settings.groups_of(rule, &BTreeMap::new(), settings::now())
}

/// How one group changes.
#[derive(Default)]
struct Difference {
    common: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
}

impl Difference {
    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// Compares group by group by identity.
fn compare(ours: &[KeyGroup], theirs: &[KeyGroup]) -> Vec<Difference> {
    let names = |groups: &[KeyGroup], index: usize| -> Vec<String> {
        groups
            .get(index)
            .map(|group| group.keys.iter().map(MasterKey::identity_string).collect())
            .unwrap_or_default()
    };
    let groups = 0..ours.len().max(theirs.len());
    groups
        .map(|index| {
            let (ours, theirs) = (names(ours, index), names(theirs, index));
            let removed = ours.iter().filter(|name| !theirs.contains(name)).cloned().collect();
            let (common, added) = theirs.into_iter().partition(|name| ours.contains(name));
            Difference { common, added, removed }
        })
        .collect()
}

fn report(differences: &[Difference], old: usize, new: usize) -> String {
    let mut out = "The following changes will be made to the file's groups:\n".to_owned();
    if old > 0 && old == new {
        out.push_str(&format!("shamir_threshold: {new}\n"));
    } else {
        if new > 0 {
            out.push_str(&format!("+++ shamir_threshold: {new}\n"));
        }
        if old > 0 {
            out.push_str(&format!("--- shamir_threshold: {old}\n"));
        }
    }
    push_groups(&mut out, differences);
    out
}

/// Do groups name other keys?
pub(super) fn differ(ours: &[KeyGroup], theirs: &[KeyGroup]) -> bool {
    !compare(ours, theirs).iter().all(Difference::is_empty)
}

/// How groups change, in lines; empty when they do not.
pub(super) fn changes(old: &[KeyGroup], new: &[KeyGroup]) -> String {
    let differences = compare(old, new);
    let mut out = String::new();
    if !differences.iter().all(Difference::is_empty) {
        push_groups(&mut out, &differences);
    }
    out
}

fn push_groups(out: &mut String, differences: &[Difference]) {
    for (index, difference) in differences.iter().enumerate() {
        out.push_str(&format!("Group {}\n", index + 1));
        let sides =
            [("    ", &difference.common), ("+++ ", &difference.added), ("--- ", &difference.removed)];
        for (mark, names) in sides {
            names.iter().for_each(|name| out.push_str(&format!("{mark}{name}\n")));
        }
    }
}

/// Shows the report and asks until the answer is y or n.
fn confirmed(call: &Call, report: &str) -> Result<bool, Stop> {
    ask::show(report)?;
    if call.is_set("yes") { Ok(true) } else { ask::yes_or_no("Is this okay? (y/n):") }
}
