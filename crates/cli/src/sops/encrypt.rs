//! `encrypt`: a plain file into an encrypted one.

use std::path::{Path, PathBuf};

use sealfast_sops::document::{self, Plain};
use sealfast_sops::error::Error;
use sealfast_sops::metadata::Metadata;
use sealfast_sops::store::{EmitOptions, Format};

use crate::sops::call::{Call, Done};
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{crypt, files, log};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let source = Source::of(call)?;
    if source.path.is_none() && call.text("filename-override").is_empty() {
        return Err(Stop::new("Error: must specify --filename-override when reading from stdin")
            .code(Code::Conflict)
            .hint("name the file, or add --filename-override NAME, from which format and rule are chosen"));
    }
    let settings = Settings::load(call)?;
    let input = call.format("input-type", &source.name());
    let bytes = source.read()?;
    if call.is_native() && document::is_encrypted(&bytes, input) {
        return Err(Stop::already_encrypted().in_file(&source.shown().to_string_lossy()));
    }
    let metadata = settings.metadata(call, &source.known_as, input)?;
    let output = call.format("output-type", &source.name());
    let bytes = encrypt(call, &bytes, input, metadata, output, &settings.layout(call))
        .map_err(|stop| stop.in_file(&source.shown().to_string_lossy()))?;
    source.finish(call, bytes)
}

/// Encrypts plain bytes for new metadata.
pub(super) fn encrypt(
    call: &Call,
    bytes: &[u8],
    input: Format,
    mut metadata: Metadata,
    output: Format,
    layout: &EmitOptions,
) -> Result<Vec<u8>, Stop> {
    let plain = Plain::load(bytes, input).map_err(|wrong| Stop::loading_plain(&wrong))?;
    if plain.is_empty() {
        return Err(Stop::new("File cannot be completely empty, it must contain at least one document")
            .code(Code::EmptyDocument));
    }
    match plain.check_unencrypted(output) {
        Err(Error::AlreadyEncrypted) => return Err(Stop::already_encrypted()),
        Err(later) => return Err(Stop::dumping(&later, "Could not marshal tree: ")),
        Ok(()) => {}
    }
    let key = crypt::new_key(call, &mut metadata)?;
    let document = crypt::encrypt(plain, metadata, &key, None)?;
    if call.is_native() && document.encrypted_values() == 0 {
        log::warn(
            call.presentation,
            "no value was encrypted: the selector chose none, or there was nothing to encrypt",
        );
    }
    crypt::emit_over(call, &document, bytes, [input, output], layout)
}

/// Where a command reads from and writes to.
pub(super) struct Source {
    /// The file; none for standard input.
    pub(super) path: Option<PathBuf>,
    /// The path that format and rule are chosen by.
    pub(super) known_as: PathBuf,
}

impl Source {
    /// The first word, or standard input when there is none.
    pub(super) fn of(call: &Call) -> Result<Self, Stop> {
        let word = call.words().first();
        if word.is_none() && call.is_set("in-place") {
            return Err(
                Stop::new("Error: cannot use --in-place when reading from stdin").code(Code::Conflict)
            );
        }
        if call.is_set("in-place") && !call.text("output").is_empty() {
            return Err(
                Stop::new("Error: cannot operate on both --output and --in-place").code(Code::Conflict)
            );
        }
        warn_about_words(call, 1);
        let path = word.map(|word| files::absolute(word)).transpose()?;
        if let Some(path) = &path {
            must_exist(path)?;
        }
        let known_as = match call.text("filename-override") {
            "" => path.clone().unwrap_or_default(),
            name => files::absolute(name)?,
        };
        Ok(Self { path, known_as })
    }

    pub(super) fn name(&self) -> String {
        self.known_as.to_string_lossy().into_owned()
    }

    /// The file in messages.
    pub(super) fn shown(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, Stop> {
        match &self.path {
            Some(path) => files::read(path),
            None => files::read_stdin(),
        }
    }

    /// Writes where the flags say.
    pub(super) fn finish(&self, call: &Call, bytes: Vec<u8>) -> Result<Done, Stop> {
        match (&self.path, call.text("output")) {
            (Some(path), _) if call.is_set("in-place") => files::replace(path, &bytes)?,
            (_, "") => return Ok(Done::Print(bytes)),
            (_, output) => files::replace(Path::new(output), &bytes)?,
        }
        Ok(Done::Quietly)
    }
}

/// Fails when a file that is to be worked on is not there.
pub(super) fn must_exist(path: &Path) -> Result<(), Stop> {
    if files::exists(path) {
        return Ok(());
    }
    Err(Stop::new(format!("Error: cannot operate on non-existent file \"{}\"", path.display()))
        .code(Code::NoFile))
}

/// Flags behind a file name are words; that is seldom meant.
pub(super) fn warn_about_words(call: &Call, wanted: usize) {
    if call.words().len() > wanted {
        log::warn(
            call.presentation,
            &format!(
                "More than {wanted} positional argument(s) provided. Only the first is used, and flags after it are \
                 ignored: {}",
                call.words()[wanted..].join(" ")
            ),
        );
    }
}
