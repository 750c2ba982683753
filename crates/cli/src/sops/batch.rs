//! Many files at once, in parallel, every file whole or not at all.
//!
//! Differs: `sops` has nothing like it but `updatekeys` with several names.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sealfast_sops::document::{self, SecretBytes, State};
use sealfast_sops::path::{Change, Step};
use sealfast_sops::tree::Value;
use serde_json::json;

use crate::output::{self, Spinner};
use crate::sops::call::{Call, Done};
use crate::sops::encrypt::Source;
use crate::sops::hold::Held;
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::walk::Unreadable;
use crate::sops::{crypt, decrypt, encrypt, rotate, set, update_keys};

mod select;

use select::Chosen;

/// Most of these wait for a key service or a disk, so there may be more of them than cores.
const WORKERS: usize = 96;

/// What is done with each file.
pub(super) enum Work {
    Encrypt,
    Decrypt,
    Rotate,
    UpdateKeys,
    Status,
    Set { steps: Vec<Step>, value: Value },
}

/// What became of a file.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    /// It was changed, or would be.
    Changed,
    /// It is as it should be.
    Unchanged,
    /// It is encrypted.
    Encrypted,
    /// It is in the clear.
    Clear,
    /// It is in the clear, and should not be.
    Exposed,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Encrypted => "encrypted",
            Self::Clear => "not encrypted",
            Self::Exposed => "exposed",
        }
    }
}

/// Does the work when the call is about several files; nothing when it names a single one.
pub(super) fn run(call: &Call, work: Work) -> Result<Option<Done>, Stop> {
    run_on(call, call.words(), work)
}

/// The same for the words that name files.
pub(super) fn run_on(call: &Call, words: &[String], work: Work) -> Result<Option<Done>, Stop> {
    let is_many = words.len() > 1 || call.is_set("recursive") || call.is_set("check");
    if !call.is_native()
        || words.is_empty()
        || !(is_many || words.iter().any(|word| select::is_several(word)))
    {
        return Ok(None);
    }
    if matches!(work, Work::UpdateKeys) && !call.is_set("yes") && !call.is_set("check") {
        // One question after the other.
        return if is_many && !call.is_set("recursive") {
            Ok(None)
        } else {
            Err(Stop::new("several files need a decision beforehand")
                .hint("add --yes, or --check to only look"))
        };
    }
    select::refuse_directories(call, words)?;
    refuse_flags_of_one_file(call, &work)?;
    let found = select::files(call, words, &work)?;
    let files: Vec<&Chosen> = found.iter().flatten().collect();
    let mut results = in_parallel(&files, |file| one(call, file, &work)).into_iter();
    let here = std::env::current_dir().unwrap_or_default();
    let mut summary = Summary::default();
    for file in found {
        let (path, result) = match file {
            Ok(Chosen { path, .. }) => (path, results.next()),
            Err(Unreadable { path, stop }) => (path, Some(Err(stop))),
        };
        let shown = path.strip_prefix(&here).unwrap_or(&path).display().to_string();
        if let Some(result) = result {
            summary.note(call, &shown, result);
        }
    }
    Ok(Some(summary.done(call, &work)))
}

fn refuse_flags_of_one_file(call: &Call, work: &Work) -> Result<(), Stop> {
    let output = call.text("output");
    if !matches!(output, "" | "json" | "text") {
        return Err(Stop::misuse("--output names one file, but there are several")
            .code(Code::Conflict)
            .hint("use --in-place; --output json prints the summary as JSON"));
    }
    for flag in ["filename-override", "extract", "reuse"] {
        if !call.text(flag).is_empty() {
            return Err(Stop::misuse(format!("--{flag} is about one file, but there are several"))
                .code(Code::Conflict));
        }
    }
    let writes = matches!(work, Work::Encrypt | Work::Decrypt | Work::Rotate);
    if writes && !call.is_set("in-place") && !call.is_set("check") {
        return Err(Stop::misuse("several files can only be changed in place")
            .code(Code::Conflict)
            .hint("add --in-place, or --check to only look"));
    }
    Ok(())
}

/// Works on all files at once; results in the order of the files.
fn in_parallel(
    files: &[&Chosen],
    work: impl Fn(&Chosen) -> Result<Outcome, Stop> + Sync,
) -> Vec<Result<Outcome, Stop>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(files.len()));
    let spinner = Spinner::start();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(files.len()) {
            scope.spawn(|| {
                while let Some((index, file)) = take(&next, files) {
                    let result = work(file);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((index, result));
                    spinner.waits_for(&format!("{} of {} files", results.len(), files.len()));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'f>(next: &AtomicUsize, files: &[&'f Chosen]) -> Option<(usize, &'f Chosen)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    files.get(index).map(|file| (index, *file))
}

fn one(call: &Call, Chosen { path, settings }: &Chosen, work: &Work) -> Result<Outcome, Stop> {
    let held = if call.is_set("check") || matches!(work, Work::Status) {
        Held::to_read(path)
    } else {
        Held::firmly(path)
    };
    let source = Source::of_file(held);
    let written = match work {
        Work::Encrypt => encrypted(call, settings, &source).map(secret),
        Work::Decrypt => decrypt::decrypt(call, &source, None, settings.layout(call)).map(Some),
        Work::Rotate => rotate::rotate(call, &source, settings).map(SecretBytes::new).map(Some),
        Work::UpdateKeys => update_keys::updated(call, settings, &source).map(secret),
        Work::Set { steps, value } => {
            set::changed(call, &source, settings, steps, |plain| plain.set(steps, value.clone()))
                .map(|(bytes, change)| (change == Change::Changed).then(|| SecretBytes::new(bytes)))
        }
        Work::Status => return status(call, settings, &source),
    };
    match written.map_err(|stop| stop.in_file(&source.name()))? {
        None => Ok(Outcome::Unchanged),
        Some(_) if call.is_set("check") => Ok(Outcome::Changed),
        Some(bytes) => source.replace(bytes.expose()).map(|()| Outcome::Changed),
    }
}

fn secret(bytes: Option<Vec<u8>>) -> Option<SecretBytes> {
    bytes.map(SecretBytes::new)
}

/// With `--check` a file in the clear counts for which there is a rule, or any where there are no rules.
fn status(call: &Call, settings: &Settings, source: &Source) -> Result<Outcome, Stop> {
    let bytes = source.read()?;
    let format = call.format("input-type", &source.name());
    match document::state(&bytes, format) {
        State::Encrypted => Ok(Outcome::Encrypted),
        State::Clear if !call.is_set("check") => Ok(Outcome::Clear),
        State::Clear => {
            let is_wanted = settings.path.is_none() || settings.asks_for(call, &source.known_as, format)?;
            Ok(if is_wanted { Outcome::Exposed } else { Outcome::Clear })
        }
        State::Damaged(wrong) => Err(crypt::damaged(&bytes, &wrong).in_file(&source.name())),
    }
}

/// What is encrypted already stays.
fn encrypted(call: &Call, settings: &Settings, source: &Source) -> Result<Option<Vec<u8>>, Stop> {
    let shape = crypt::Shape::of(call, &source.name(), settings.layout(call));
    let bytes = source.read()?;
    match document::state(&bytes, shape.input) {
        State::Encrypted => return Ok(None),
        State::Damaged(wrong) => return Err(crypt::damaged(&bytes, &wrong)),
        State::Clear => {}
    }
    let metadata = settings.metadata(call, &source.known_as, shape.input)?;
    encrypt::encrypt(call, source, settings, &bytes, metadata, &shape).map(Some)
}

/// What became of the files.
#[derive(Default)]
struct Summary {
    lines: String,
    entries: Vec<serde_json::Value>,
    changed: usize,
    unchanged: usize,
    encrypted: usize,
    exposed: usize,
    failed: usize,
}

impl Summary {
    fn note(&mut self, call: &Call, shown: &str, result: Result<Outcome, Stop>) {
        match result {
            Ok(outcome) => self.note_done(call, shown, outcome),
            Err(stop) => {
                let mut entry = json!({
                    "path": shown,
                    "result": "failed",
                    "error": stop.message(call.presentation),
                });
                if !stop.hints().is_empty() {
                    entry["hints"] = json!(stop.hints());
                }
                self.entries.push(entry);
                self.failed += 1;
                stop.report(call.presentation);
            }
        }
    }

    fn note_done(&mut self, call: &Call, shown: &str, outcome: Outcome) {
        let told = match outcome {
            Outcome::Encrypted | Outcome::Clear => outcome.word(),
            Outcome::Exposed => "exposed: not encrypted, but should be",
            Outcome::Changed if call.is_set("check") => "would be changed",
            Outcome::Changed | Outcome::Unchanged => "",
        };
        if !told.is_empty() {
            self.lines.push_str(&format!("{shown}: {told}\n"));
        }
        self.changed += usize::from(outcome == Outcome::Changed);
        self.unchanged += usize::from(outcome != Outcome::Changed);
        self.encrypted += usize::from(outcome == Outcome::Encrypted);
        self.exposed += usize::from(outcome == Outcome::Exposed);
        self.entries.push(json!({ "path": shown, "result": outcome.word() }));
    }

    /// Prints what became of all; one failure, or one change that `--check` finds, makes the exit code 1.
    fn done(self, call: &Call, work: &Work) -> Done {
        let Self { mut lines, entries, changed, unchanged, encrypted, exposed, failed } = self;
        let is_check = call.is_set("check");
        let clear = unchanged - encrypted - exposed;
        let code = u8::from(failed > 0 || is_check && changed + exposed > 0);
        if call.text("output") == "json" {
            let mut summary = json!({ "files": entries, "failed": failed });
            if matches!(work, Work::Status) {
                summary["encrypted"] = json!(encrypted);
                summary["clear"] = json!(clear);
                summary["exposed"] = json!(exposed);
            } else {
                summary["changed"] = json!(changed);
                summary["unchanged"] = json!(unchanged);
            }
            lines = format!("{summary:#}\n");
        } else {
            let count = entries.len();
            let files = if count == 1 { "file" } else { "files" };
            let told = match work {
                Work::Status if is_check => {
                    format!("{encrypted} encrypted, {clear} not, {exposed} exposed")
                }
                Work::Status => format!("{encrypted} encrypted, {clear} not"),
                _ if is_check => format!("{changed} would be changed, {unchanged} unchanged"),
                _ => format!("{changed} changed, {unchanged} unchanged"),
            };
            output::talk(&format!("{count} {files}: {told}, {failed} failed"));
        }
        Done::Report(lines.into_bytes(), code)
    }
}
