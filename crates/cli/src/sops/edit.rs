//! `edit`: a file in the clear in the person's editor, encrypted again afterwards.
//!
//! The file lies in a private directory (0700, the file 0600) that is removed on every way out, signals included.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealfast_sops::cipher::{DataKey, Nonces};
use sealfast_sops::document::{Encrypted, Original, Plain, SecretBytes};
use sealfast_sops::metadata::{FORMAT_VERSION, Metadata};
use sealfast_sops::store;
use zeroize::Zeroizing;

use crate::env;
use crate::sops::call::{Call, Done};
use crate::sops::child::{Ended, Watch};
use crate::sops::crypt::{self, Noting, Opened, Shape};
use crate::sops::encrypt::{Source, warn_about_words};
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{files, log};

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
        let unwritable = |what: &str, wrong: std::io::Error| {
            Stop::new(format!("Could not {what}: {wrong}")).code(Code::CouldNotWriteOutput)
        };
        let shows_keys = call.is_set("show-master-keys");
        let before = self.render(shows_keys)?;
        let mut watch = Watch::new().map_err(|wrong| unwritable("watch for signals", wrong))?;
        let dir = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .map_err(|wrong| unwritable("create temporary directory", wrong))?;
        let file = dir.path().join(path.file_name().unwrap_or("file".as_ref()));
        let mut options = std::fs::OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut open| open.write_all(before.expose()))
            .map_err(|wrong| unwritable("create temporary file", wrong))?;
        let ended = loop {
            let after = edited(&mut watch, &file)?;
            if after.as_slice() == before.expose() {
                break Err(Stop::new("File has not changed, exiting.").code(Code::NotModified));
            }
            match self.take(&after, shows_keys) {
                Ok(()) => {
                    self.text = SecretBytes::new(after.to_vec());
                    break Ok(());
                }
                Err(Refusal::Final(stop)) => break Err(stop),
                Err(Refusal::Mendable(message)) => ask_again(&mut watch, call, &message)?,
            }
        };
        dir.close().map_err(|wrong| unwritable("remove temporary directory", wrong))?;
        ended
    }

    fn render(&self, shows_keys: bool) -> Result<SecretBytes, Stop> {
        if !shows_keys {
            return Ok(self.text.clone());
        }
        self.plain
            .emit_with(&self.metadata, self.shape.output, &self.shape.layout)
            .map_err(|wrong| Stop::dumping(&wrong, "Could not marshal tree: "))
    }

    fn take(&mut self, edited: &[u8], shows_keys: bool) -> Result<(), Refusal> {
        if shows_keys {
            let document = Encrypted::load(edited, self.shape.input)
                .map_err(|wrong| Refusal::Mendable(format!("SOPS metadata is invalid: {wrong}")))?;
            self.metadata = document.metadata().clone();
            self.plain = Plain::from_branches(document.branches().to_vec());
        } else {
            let plain = Plain::load(edited, self.shape.input).map_err(|wrong| {
                Refusal::Mendable(format!("Could not load tree, probably due to invalid syntax: {wrong}"))
            })?;
            plain
                .check_unencrypted(self.shape.output)
                .map_err(|wrong| Refusal::Mendable(format!("Tree not valid for encryption: {wrong}")))?;
            if plain.is_empty() {
                return Err(Refusal::Mendable("Tree not valid for encryption: the file is empty".to_owned()));
            }
            self.plain = plain;
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
        if self.metadata.master_keys().next().is_none() {
            let message = "No master keys were provided, so sops can't encrypt the file.";
            return Err(Refusal::Mendable(message.to_owned()));
        }
        Ok(())
    }
}

/// Why the edited file is not taken.
enum Refusal {
    /// The person can mend it in the editor.
    Mendable(String),
    Final(Stop),
}

/// Runs the editor and reads what it leaves.
fn edited(watch: &mut Watch, file: &Path) -> Result<Zeroizing<Vec<u8>>, Stop> {
    let failed = |reason: String| Stop::new(format!("Could not run editor: {reason}")).code(Code::Editor);
    let mut words = editor().map_err(failed)?.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).arg(file);
    match watch.run(command).map_err(|wrong| failed(wrong.to_string()))? {
        Ended::Interrupted => Err(Stop::new("User canceled operation")),
        Ended::With(status) if status.success() => std::fs::read(file).map(Zeroizing::new).map_err(|wrong| {
            Stop::new(format!("Could not read edited file: {wrong}")).code(Code::CouldNotReadInput)
        }),
        Ended::With(status) => Err(failed(match status.code() {
            Some(code) => format!("exit status {code}"),
            None => status.to_string(),
        })),
    }
}

/// The editor's program and arguments.
fn editor() -> Result<Vec<String>, String> {
    for variable in [env::SOPS_EDITOR, env::EDITOR] {
        if let Some(line) = variable.text() {
            let words = shell_words::split(&line)
                .map_err(|wrong| format!("invalid ${}: {wrong}", variable.name()))?;
            return Ok(words);
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

fn ask_again(watch: &mut Watch, call: &Call, message: &str) -> Result<(), Stop> {
    log::error(
        call.presentation,
        &format!("{message}. Press enter to return to the editor, or Ctrl+C to exit."),
    );
    // At the end of standard input nobody is there who could mend it.
    match watch.line() {
        Ok(Ended::With(())) => Ok(()),
        Ok(Ended::Interrupted) | Err(_) => Err(Stop::new("User canceled operation")),
    }
}
