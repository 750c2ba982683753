//! `edit`: a file in the clear in the person's editor, encrypted again afterwards.
//!
//! The file lies in a private directory (0700, the file 0600) that is removed on every way out, signals included, but one:
//! when something fails after a person edited it, what was written is kept there, and the message says where. Without a
//! terminal nobody would read that, and nothing is kept.

use std::io::{IsTerminal as _, Write as _};
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
use crate::sops::hold::Held;
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{files, keyring, log, manifest, update_keys, version};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let Some(word) = call.words().first() else { return Err(Stop::no_file()) };
    warn_about_words(call, 1);
    let path = files::absolute(word)?;
    let settings = Settings::of_file(call, &path)?;
    run_on(call, &Source::of_file(Held::loosely(&path)), &settings)
}

/// Edits an existing file, or an example for a new one.
pub(super) fn run_on(call: &Call, source: &Source, settings: &Settings) -> Result<Done, Stop> {
    let Some(file) = &source.file else { return Err(Stop::no_file()) };
    let path = file.path();
    let shape = Shape::of(call, &source.name(), settings.layout(call));
    let encrypted = file.read_if_there()?;
    let (mut session, former) = match &encrypted {
        Some(encrypted) => {
            let mut opened = crypt::open(call, path, encrypted, shape.input, Noting::Nonces)?;
            let text = crypt::plain_text(&opened, &shape).map_err(|wrong| unmarshalable(&wrong))?;
            let former = opened.original.take();
            let Opened { metadata, key, plain, nonces, .. } = opened;
            (Session { metadata, key, plain, nonces, text, shape }, former)
        }
        None => (Session::of_example(call, source, settings, shape)?, None),
    };
    if call.is_native() && !call.is_set("show-master-keys") {
        // What was edited could not be encrypted.
        check_selector(&session.metadata)
            .map_err(|wrong| Stop::encrypting(&wrong).in_file(&path.to_string_lossy()))?;
    }
    let mut watch = Watch::new().map_err(|wrong| unwritable("watch for signals", &wrong))?;
    let desk = Desk::lay(path, session.render(call.is_set("show-master-keys"))?)?;
    let written = session.edit_until_right(call, &mut watch, &desk).and_then(|()| {
        let bytes = session.seal(call, path, former.as_ref())?;
        file.replace(&bytes).map_err(Broken::from)
    });
    desk.clear(call, written)?;
    Ok(Done::Quietly)
}

fn unmarshalable(wrong: &Error) -> Stop {
    Stop::dumping(wrong, "Could not marshal tree: ")
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
    fn of_example(call: &Call, source: &Source, settings: &Settings, shape: Shape) -> Result<Self, Stop> {
        let mut metadata = settings.metadata(call, &source.known_as, shape.input)?;
        let key = crypt::new_key(call, &mut metadata).map_err(|stop| stop.code(Code::NoDataKey))?;
        let plain = Plain::from_branches(store::example(shape.input));
        let text = plain.emit(shape.output, &shape.layout).map_err(|wrong| unmarshalable(&wrong))?;
        Ok(Self { metadata, key, plain, nonces: Nonces::default(), text, shape })
    }

    /// Opens the editor until what it leaves can be encrypted.
    fn edit_until_right(&mut self, call: &Call, watch: &mut Watch, desk: &Desk) -> Result<(), Broken> {
        loop {
            let after = edited(watch, &desk.file)?;
            if after.as_slice() == desk.before.expose() {
                return Err(Stop::new("File has not changed, exiting.").code(Code::NotModified).into());
            }
            match self.take(call, &after) {
                Ok(()) => {
                    self.text = SecretBytes::new(after.to_vec());
                    return Ok(());
                }
                Err(Refusal::Final(stop)) => return Err(stop.into()),
                Err(Refusal::Mendable { what, why }) => ask_again(watch, call, what, why.as_deref())?,
            }
        }
    }

    /// Encrypts what was edited.
    fn seal(self, call: &Call, file: &Path, former: Option<&Original<'_>>) -> Result<Vec<u8>, Stop> {
        let Self { metadata, key, plain, nonces, text, shape } = self;
        let document = crypt::encrypt(call, plain, metadata, &key, Some(&nonces))?;
        manifest::check(call, file, &document)?;
        // Where the keys were edited too, the text that was edited is no plain text.
        if former.is_some() && call.is_set("show-master-keys") {
            return crypt::update(document, former, &key, &shape);
        }
        let edited = call.is_native().then(|| Original::of(text.expose(), shape.input));
        crypt::seal(document, edited.as_ref(), former, &key, &shape)
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
        let (ours, theirs) = (version::numbers(FORMAT_VERSION), version::numbers(&self.metadata.version));
        if theirs.is_err() {
            let message = format!(
                "Failed to compare document version \"{}\" with program version \"{FORMAT_VERSION}\"",
                self.metadata.version
            );
            return Err(Refusal::Final(Stop::new(message).code(Code::VersionComparison)));
        }
        if ours.ok() > theirs.ok() {
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

/// The private directory with the file in the clear.
struct Desk {
    dir: tempfile::TempDir,
    file: PathBuf,
    before: SecretBytes,
}

impl Desk {
    fn lay(path: &Path, before: SecretBytes) -> Result<Self, Stop> {
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
        Ok(Self { dir, file, before })
    }

    fn was_edited(&self) -> bool {
        match files::try_read(&self.file) {
            Ok(after) => after.as_slice() != self.before.expose(),
            Err(wrong) => wrong.kind() == std::io::ErrorKind::FileTooLarge,
        }
    }

    /// Removes the directory, unless it holds what a person edited and stands nowhere else.
    fn clear(self, call: &Call, written: Result<(), Broken>) -> Result<(), Stop> {
        let is_lost = matches!(written, Err(Broken::Failed(_))) && self.was_edited();
        if is_lost && is_watched() {
            let dir = self.dir.keep();
            let told = format!("what was edited, in the clear, is kept in {}", dir.display());
            return Err(noted(call, written, &told, ": remove it when you have what you need"));
        }
        self.dir.close().map_err(|wrong| unwritable("remove temporary directory", &wrong))?;
        if is_lost {
            let told = "what was edited is gone: without a terminal nothing is kept in the clear";
            return Err(noted(call, written, told, ""));
        }
        written.map_err(Broken::into_stop)
    }
}

/// Whether a person reads what is told, or could answer.
fn is_watched() -> bool {
    std::io::stderr().is_terminal() || std::io::stdin().is_terminal()
}

/// Says what became of what was edited; `advice` is only ours.
fn noted(call: &Call, written: Result<(), Broken>, told: &str, advice: &str) -> Stop {
    let stop = written.err().map_or_else(canceled, Broken::into_stop);
    if call.is_native() {
        return stop.hint(format!("{told}{advice}"));
    }
    log::warn(call.presentation, told);
    stop
}

/// Why nothing was written.
enum Broken {
    /// The person ended it.
    Canceled,
    Failed(Stop),
}

impl Broken {
    fn into_stop(self) -> Stop {
        match self {
            Self::Canceled => canceled(),
            Self::Failed(stop) => stop,
        }
    }
}

impl From<Stop> for Broken {
    fn from(stop: Stop) -> Self {
        Self::Failed(stop)
    }
}

fn canceled() -> Stop {
    Stop::new("User canceled operation")
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
fn edited(watch: &mut Watch, file: &Path) -> Result<Zeroizing<Vec<u8>>, Broken> {
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
        Ended::Interrupted => Err(Broken::Canceled),
        Ended::With(status) if status.success() => files::try_read(file).map_err(|wrong| {
            let reason = files::reason(&wrong);
            Stop::new(format!("Could not hash file: open {}: {reason}", file.display()))
                .code(Code::CouldNotReadInput)
                .into()
        }),
        Ended::With(status) => Err(failed(child::told(status)).into()),
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

fn ask_again(watch: &mut Watch, call: &Call, what: &str, why: Option<&str>) -> Result<(), Broken> {
    let message = format!("{what} Press enter to return to the editor, or Ctrl+C to exit.");
    match why {
        Some(why) if call.is_native() => log::error(call.presentation, &format!("{why}\n{message}")),
        Some(why) => log::error_because(call.presentation, &message, why),
        None => log::error(call.presentation, &message),
    }
    // At the end of standard input nobody is there who could mend it.
    match watch.line() {
        Ok(Ended::With(())) => Ok(()),
        Ok(Ended::Interrupted) => Err(Broken::Canceled),
        Err(_) => Err(canceled().into()),
    }
}
