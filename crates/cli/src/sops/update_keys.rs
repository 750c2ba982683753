//! `updatekeys`: wraps data keys for what the creation rule asks now.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::Path;

use sealfast_sops::metadata::{KeyGroup, MasterKey};

use crate::sops::call::{Call, Done};
use crate::sops::settings::{self, Settings};
use crate::sops::stop::{Code, Stop};
use crate::sops::{crypt, files, keyring, log};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let settings = Settings::load(call)?;
    if settings.path.is_none() {
        return Err(Stop::new("config file not found").hint("write a .sops.yaml with creation_rules"));
    }
    match call.words() {
        [] => Err(Stop::no_file()),
        [file] => update(call, &settings, file).map(|()| Done::Quietly),
        several => {
            let failed = several.iter().filter(|file| {
                let ended = update(call, &settings, file);
                ended.inspect_err(|stop| log::error(call.presentation, stop.message())).is_err()
            });
            match failed.count() {
                0 => Ok(Done::Quietly),
                failed => Err(Stop::new(format!("failed updating {failed} key(s)"))),
            }
        }
    }
}

fn update(call: &Call, settings: &Settings, file: &str) -> Result<(), Stop> {
    let path = files::absolute(file)?;
    let missing = |reason: String| Stop::new(format!("stat {}: {reason}", path.display()));
    let found = std::fs::metadata(&path).map_err(|wrong| missing(files::reason(&wrong)))?;
    if found.is_dir() {
        return Err(Stop::new("can't operate on a directory"));
    }
    let shown = path.display();
    log::progress(call.presentation, &format!("Syncing keys for file {shown}"));
    let format = call.format("input-type", &path.to_string_lossy());
    let mut document = crypt::load(&files::read(&path)?, format)?;
    let mut wanted = wanted_groups(settings, &path)?;
    wanted.iter_mut().try_for_each(|group| keyring::complete(&mut group.keys))?;
    let metadata = document.metadata_mut();
    let (old, new) = (metadata.shamir_threshold, metadata.shamir_threshold.min(wanted.len()));
    let differences = compare(&metadata.key_groups, &wanted);
    if old == new && differences.iter().all(Difference::is_empty) {
        log::progress(call.presentation, &format!("File {shown} already up to date"));
        return Ok(());
    }
    let report = report(&differences, old, new);
    if !confirmed(call, &report)? {
        log::progress(call.presentation, &format!("File {shown} left unchanged"));
        return Ok(());
    }
    let key = crypt::unlock(call, metadata)?;
    metadata.key_groups = wanted;
    metadata.shamir_threshold = new;
    keyring::wrap(call, metadata, &key, settings::now())?;
    files::replace(&path, &crypt::emit(&document, format, &settings.layout(call))?)?;
    log::progress(call.presentation, &format!("File {shown} synced with new keys"));
    Ok(())
}

fn wanted_groups(settings: &Settings, path: &Path) -> Result<Vec<KeyGroup>, Stop> {
    let config = settings.path.as_deref().unwrap_or(Path::new("")).display();
    let rule = settings
        .rule(path)?
        .ok_or_else(|| Stop::new(format!("The config file {config} does not contain any creation rule")))?;
    settings::groups_of_rule(rule, &BTreeMap::new(), settings::now())
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
    for (index, difference) in differences.iter().enumerate() {
        out.push_str(&format!("Group {}\n", index + 1));
        let sides =
            [("    ", &difference.common), ("+++ ", &difference.added), ("--- ", &difference.removed)];
        for (mark, names) in sides {
            names.iter().for_each(|name| out.push_str(&format!("{mark}{name}\n")));
        }
    }
    out
}

/// Shows the report and asks until the answer is y or n.
fn confirmed(call: &Call, report: &str) -> Result<bool, Stop> {
    let unwritable = |wrong: std::io::Error| Stop::new(wrong.to_string()).code(Code::CouldNotWriteOutput);
    let mut out = std::io::stdout().lock();
    out.write_all(report.as_bytes()).map_err(unwritable)?;
    if call.is_set("yes") {
        return out.flush().map(|()| true).map_err(unwritable);
    }
    loop {
        out.write_all(b"Is this okay? (y/n):").and_then(|()| out.flush()).map_err(unwritable)?;
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).unwrap_or_default();
        match line.trim() {
            "y" => return Ok(true),
            "n" => return Ok(false),
            "" => return Err(Stop::new(if read == 0 { "EOF" } else { "unexpected newline" })),
            _ => {}
        }
    }
}
