//! `edit`: a file in the clear in the person's editor, encrypted again afterwards.
//!
//! The file lies in a private directory (0700, the file 0600) that is removed on every way out, signals included, but one:
//! when the editor fails after it wrote, what it wrote is kept there, and the message says where.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealfast_sops::cipher::{DataKey, Nonces};
use sealfast_sops::document::{Encrypted, Original, Plain, SecretBytes};
use sealfast_sops::error::Error;
use sealfast_sops::metadata::{FORMAT_VERSION, Metadata};
use sealfast_sops::select::Selector;
use sealfast_sops::store;
use zeroize::Zeroizing;

use crate::env;
use crate::sops::call::{Call, Done};
use crate::sops::child::{self, Ended, Watch};
use crate::sops::crypt::{self, Noting, Opened, Shape};
use crate::sops::encrypt::{Source, warn_about_words};
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{files, keyring, log, update_keys};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let Some(word) = call.words().first() else { return Err(Stop::no_file()) };
    warn_about_words(call, 1);
    let path = files::absolute(word)?;
    run_on(call, &Source { path: Some(path.clone()), known_as: path })
}

/// Edits an existing file, or an example for a new one.
pub(super) fn run_on(call: &Call, source: &Source) -> Result<Done, Stop> {
    let Some(path) = &source.path else { return Err(Stop::no_file()) };
    let settings = Settings::load(call)?;
    let (input, output) =
        (call.format("input-type", &source.name()), call.format("output-type", &source.name()));
    let shape = Shape { input, output, layout: settings.layout(call) };
    let encrypted = if files::exists(path) { Some(files::read(path)?) } else { None };
    let mut former = None;
    let mut session = if let Some(encrypted) = &encrypted {
        let opened = crypt::open(call, path, encrypted, input, Noting::Nonces)?;
        let text = crypt::plain_text(&opened, &shape);
        let text = text.map_err(|wrong| Stop::dumping(&wrong, "Could not marshal tree: "))?;
        let Opened { metadata, key, plain, nonces, original } = opened;
        former = original;
        Session { metadata, key, plain, nonces, text, shape }
    } else {
        let mut metadata = settings.metadata(call, &source.known_as, input)?;
        let key = crypt::new_key(call, &mut metadata).map_err(|stop| stop.code(Code::NoDataKey))?;
        let plain = Plain::from_branches(store::example(input));
        let text = plain.emit(output, &shape.layout);
        let text = text.map_err(|wrong| Stop::dumping(&wrong, "Could not marshal tree: "))?;
        Session { metadata, key, plain, nonces: Nonces::default(), text, shape }
    };
    if call.is_native() && !call.is_set("show-master-keys") {
        // What was edited could not be encrypted.
        check_selector(&session.metadata)
            .map_err(|wrong| Stop::encrypting(&wrong).in_file(&path.to_string_lossy()))?;
    }
    session.edit(call, path)?;
    let Session { metadata, key, plain, nonces, text, shape } = session;
    let document = crypt::encrypt(call, plain, metadata, &key, Some(&nonces))?;
    // Where the keys were edited too, the text that was edited is no plain text.
    let bytes = if encrypted.is_some() && call.is_set("show-master-keys") {
        crypt::emit_over(document, former.as_ref(), &shape)?
    } else {
        let edited = call.is_native().then(|| Original::of(text.expose(), input));
        crypt::emit_over_plain(document, edited.as_ref(), former.as_ref(), &key, &shape)?
    };
    files::replace(path, &bytes)?;
    Ok(Done::Quietly)
}

fn check_selector(metadata: &Metadata) -> Result<(), Error> {
    metadata.selector.as_ref().map_or(Ok(()), Selector::check)
}

struct Session {
    metadata: Metadata,
    key: DataKey,
    plain: Plain,
    nonces: Nonces,
    /// The document in the clear, as it was handed out and then as it came back.
    text: SecretBytes,
    shape: Shape,
}

impl Session {
    /// Opens the editor until what it leaves can be encrypted.
    fn edit(&mut self, call: &Call, path: &Path) -> Result<(), Stop> {
        let before = self.render(call.is_set("show-master-keys"))?;
        let mut watch = Watch::new().map_err(|wrong| unwritable("watch for signals", &wrong))?;
        let dir = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .map_err(|wrong| unwritable("create temporary directory", &wrong))?;
        let file = dir.path().join(path.file_name().unwrap_or("file".as_ref()));
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut open| open.write_all(before.expose()))
            .map_err(|wrong| unwritable("create temporary file", &wrong))?;
        let ended = self.edit_until_right(call, &mut watch, &file, &before);
        match ended {
            Err(stop) if stop.has(Code::Editor) && holds_another(&file, &before) => {
                Err(kept(call, dir, stop))
            }
            ended => {
                dir.close().map_err(|wrong| unwritable("remove temporary directory", &wrong))?;
                ended
            }
        }
    }

    fn edit_until_right(
        &mut self,
        call: &Call,
        watch: &mut Watch,
        file: &Path,
        before: &SecretBytes,
    ) -> Result<(), Stop> {
        loop {
            let after = edited(watch, file)?;
            if after.as_slice() == before.expose() {
                return Err(Stop::new("File has not changed, exiting.").code(Code::NotModified));
            }
            match self.take(call, &after) {
                Ok(()) => {
                    self.text = SecretBytes::new(after.to_vec());
                    return Ok(());
                }
                Err(Refusal::Final(stop)) => return Err(stop),
                Err(Refusal::Mendable { what, why }) => ask_again(watch, call, what, why.as_deref())?,
            }
        }
    }

    fn render(&self, shows_keys: bool) -> Result<SecretBytes, Stop> {
        if !shows_keys {
            return Ok(self.text.clone());
        }
        self.plain
            .emit_with(&self.metadata, self.shape.output, &self.shape.layout)
            .map_err(|wrong| Stop::dumping(&wrong, "Could not marshal tree: "))
    }

    fn take(&mut self, call: &Call, edited: &[u8]) -> Result<(), Refusal> {
        if call.is_set("show-master-keys") {
            self.take_with_keys(call, edited)?;
        } else {
            self.take_plain(call, edited)?;
        }
        let (ours, theirs) = (crypt::numbers(FORMAT_VERSION), crypt::numbers(&self.metadata.version));
        if theirs.is_none() {
            let message = format!(
                "Failed to compare document version \"{}\" with program version \"{FORMAT_VERSION}\"",
                self.metadata.version
            );
            return Err(Refusal::Final(Stop::new(message).code(Code::VersionComparison)));
        }
        if ours > theirs {
            FORMAT_VERSION.clone_into(&mut self.metadata.version);
        }
        Ok(())
    }

    fn take_plain(&mut self, call: &Call, edited: &[u8]) -> Result<(), Refusal> {
        let why = |wrong: &Error| Stop::of(wrong, "").message(call.presentation);
        let plain = Plain::load(edited, self.shape.input).map_err(|wrong| Refusal::Mendable {
            what: "Could not load tree, probably due to invalid syntax.",
            why: Some(why(&wrong)),
        })?;
        let invalid = |why| Refusal::Mendable { what: "Tree not valid for encryption.", why: Some(why) };
        if plain.is_empty() {
            let why = "File cannot be completely empty, it must contain at least one document";
            return Err(invalid(why.to_owned()));
        }
        plain.check_unencrypted(self.shape.output).map_err(|wrong| invalid(why(&wrong)))?;
        self.plain = plain;
        Ok(())
    }

    /// Keys that were added or changed get the data key; an entry that names no key is a mistake.
    fn take_with_keys(&mut self, call: &Call, edited: &[u8]) -> Result<(), Refusal> {
        let invalid = |why: String| Refusal::Mendable { what: "SOPS metadata is invalid.", why: Some(why) };
        let document = Encrypted::load(edited, self.shape.input)
            .map_err(|wrong| invalid(Stop::of(&wrong, "").message(call.presentation)))?;
        let mut metadata = document.metadata().clone();
        if call.is_native() {
            check_selector(&metadata)
                .map_err(|wrong| invalid(Stop::of(&wrong, "").message(call.presentation)))?;
        }
        if metadata.master_keys().next().is_none() {
            let what = "No master keys were provided, so sops can't encrypt the file.";
            return Err(Refusal::Mendable { what, why: None });
        }
        let wanted = metadata.key_groups.clone();
        wanted
            .iter()
            .try_for_each(|group| keyring::check(&group.keys))
            .map_err(|stop| invalid(stop.message(call.presentation)))?;
        let threshold = metadata.shamir_threshold;
        metadata.key_groups.clone_from(&self.metadata.key_groups);
        if update_keys::differ(&self.metadata.key_groups, &wanted)
            || threshold != self.metadata.shamir_threshold
        {
            update_keys::rewrap(call, &mut metadata, &self.key, wanted, threshold)
                .map_err(|stop| invalid(stop.message(call.presentation)))?;
        }
        self.metadata = metadata;
        self.plain = Plain::from_branches(document.branches().to_vec());
        Ok(())
    }
}

fn holds_another(file: &Path, before: &SecretBytes) -> bool {
    std::fs::read(file).map(Zeroizing::new).is_ok_and(|text| text.as_slice() != before.expose())
}

/// Leaves what an editor wrote before it failed, and says where.
fn kept(call: &Call, dir: tempfile::TempDir, stop: Stop) -> Stop {
    let dir = dir.keep();
    let told = format!("what the editor wrote, in the clear, is kept in {}", dir.display());
    if call.is_native() {
        return stop.hint(format!("{told}: remove it when you have what you need"));
    }
    log::warn(call.presentation, &told);
    stop
}

/// Why the edited file is not taken.
enum Refusal {
    /// The person can mend it in the editor.
    Mendable {
        what: &'static str,
        why: Option<String>,
    },
    Final(Stop),
}

fn unwritable(what: &str, wrong: &std::io::Error) -> Stop {
    Stop::new(format!("Could not {what}: {}", files::reason(wrong))).code(Code::CouldNotWriteOutput)
}

/// Runs the editor and reads what it leaves.
fn edited(watch: &mut Watch, file: &Path) -> Result<Zeroizing<Vec<u8>>, Stop> {
    let failed = |reason: String| {
        Stop::new(format!("Could not run editor: {reason}"))
            .code(Code::Editor)
            .hint("set SOPS_EDITOR or EDITOR to a program that waits until the file is closed")
    };
    let words = editor().map_err(failed)?;
    let (program, arguments) = words.split_first().ok_or_else(|| failed("no program is named".to_owned()))?;
    let mut command = Command::new(program);
    command.args(arguments).arg(file);
    match watch.run(command).map_err(|wrong| failed(unstartable(program, &wrong)))? {
        Ended::Interrupted => Err(Stop::new("User canceled operation")),
        Ended::With(status) if status.success() => std::fs::read(file).map(Zeroizing::new).map_err(|wrong| {
            let reason = files::reason(&wrong);
            Stop::new(format!("Could not hash file: open {}: {reason}", file.display()))
                .code(Code::CouldNotReadInput)
        }),
        Ended::With(status) => Err(failed(child::told(status))),
    }
}

/// Why a program does not start, in the words of `sops`.
fn unstartable(program: &str, wrong: &std::io::Error) -> String {
    if wrong.kind() == std::io::ErrorKind::NotFound && !program.contains('/') {
        format!("exec: \"{program}\": executable file not found in $PATH")
    } else {
        format!("fork/exec {program}: {}", files::reason(wrong))
    }
}

/// The editor's program and arguments.
fn editor() -> Result<Vec<String>, String> {
    for variable in [env::SOPS_EDITOR, env::EDITOR] {
        if let Some(line) = variable.text() {
            return shell_words::split(&line).map_err(|_| format!("invalid ${}: {line}", variable.name()));
        }
    }
    let paths = env::PATH.path().unwrap_or_default();
    let in_path = |name: &str| -> Option<PathBuf> {
        std::env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file())
    };
    ["vim", "nano", "vi"]
        .into_iter()
        .find_map(in_path)
        .map(|path| vec![path.to_string_lossy().into_owned()])
        .ok_or_else(|| "no editor available: set SOPS_EDITOR or EDITOR".to_owned())
}

fn ask_again(watch: &mut Watch, call: &Call, what: &str, why: Option<&str>) -> Result<(), Stop> {
    let message = format!("{what} Press enter to return to the editor, or Ctrl+C to exit.");
    match why {
        Some(why) if call.is_native() => log::error(call.presentation, &format!("{why}\n{message}")),
        Some(why) => log::error_because(call.presentation, &message, why),
        None => log::error(call.presentation, &message),
    }
    // At the end of standard input nobody is there who could mend it.
    match watch.line() {
        Ok(Ended::With(())) => Ok(()),
        Ok(Ended::Interrupted) | Err(_) => Err(Stop::new("User canceled operation")),
    }
}
