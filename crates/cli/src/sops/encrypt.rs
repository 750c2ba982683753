//! `encrypt`: a plain file into an encrypted one.

use std::path::{Path, PathBuf};

use sealfast_sops::document::{self, Original, Plain, SecretBytes};
use sealfast_sops::error::Error;
use sealfast_sops::metadata::Metadata;
use zeroize::Zeroizing;

use crate::sops::call::{Call, Done};
use crate::sops::crypt::{self, Noting, Shape};
use crate::sops::hold::Held;
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{batch, files, log, manifest, update_keys};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    if let Some(done) = batch::run(call, batch::Work::Encrypt)? {
        return Ok(done);
    }
    let source = Source::of(call)?;
    if source.file.is_none() && call.text("filename-override").is_empty() {
        return Err(Stop::misuse("must specify --filename-override when reading from stdin")
            .code(Code::Conflict)
            .hint("name the file, or add --filename-override NAME, from which format and rule are chosen"));
    }
    let settings = Settings::of_file(call, &source.known_as)?;
    let shape = Shape::of(call, &source.name(), settings.layout(call));
    let bytes = source.read()?;
    let in_file = |stop: Stop| stop.in_file(&source.shown().to_string_lossy());
    if call.is_native() && document::is_encrypted(&bytes, shape.input) {
        return Err(in_file(Stop::already_encrypted()));
    }
    let former = call.text("reuse");
    if call.is_native() && !former.is_empty() {
        let former = Held::as_output(call, Path::new(former));
        let bytes = encrypt_again(call, &bytes, &former, &source, &settings, &shape)?;
        if former.is_changed() {
            former.replace(&bytes)?;
            return Ok(Done::Quietly);
        }
        return source.finish(call, SecretBytes::new(bytes));
    }
    let metadata = settings.metadata(call, &source.known_as, shape.input)?;
    let bytes = encrypt(call, &source, &settings, &bytes, metadata, &shape).map_err(in_file)?;
    source.finish(call, SecretBytes::new(bytes))
}

/// Encrypts plain bytes for new metadata.
pub(super) fn encrypt(
    call: &Call,
    source: &Source,
    settings: &Settings,
    bytes: &[u8],
    mut metadata: Metadata,
    shape: &Shape,
) -> Result<Vec<u8>, Stop> {
    let (plain, original) = load(call, bytes, shape)?;
    let key = crypt::new_key(call, &mut metadata)
        .map_err(|stop| settings.name_rule(call, &source.known_as, stop))?;
    let document =
        crypt::encrypt(call, plain, metadata, &key, None).map_err(|stop| stop.locate(bytes, shape.input))?;
    manifest::check(call, source.shown(), &document)?;
    crypt::seal(document, original.as_ref(), None, &key, shape)
}

fn load<'b>(call: &Call, bytes: &'b [u8], shape: &Shape) -> Result<(Plain, Option<Original<'b>>), Stop> {
    let read = if call.is_native() {
        Plain::read(bytes, shape.input).map(|(plain, original)| (plain, Some(original)))
    } else {
        Plain::load(bytes, shape.input).map(|plain| (plain, None))
    };
    let (plain, original) = read.map_err(|wrong| Stop::loading_plain(&wrong))?;
    if plain.is_empty() {
        return Err(Stop::new("File cannot be completely empty, it must contain at least one document")
            .code(Code::EmptyDocument));
    }
    match plain.check_unencrypted(shape.output) {
        Err(Error::AlreadyEncrypted) => Err(Stop::already_encrypted()),
        Err(later) => Err(Stop::dumping(&later, "Could not marshal tree: ")),
        Ok(()) => Ok((plain, original)),
    }
}

/// Encrypts plain bytes over an encrypted version from before: same data key, same ciphertext for what did not change.
fn encrypt_again(
    call: &Call,
    bytes: &[u8],
    former: &Held,
    source: &Source,
    settings: &Settings,
    shape: &Shape,
) -> Result<Vec<u8>, Stop> {
    let about_former = |stop: Stop| stop.hint("--reuse names the encrypted version from before");
    let encrypted = former.read().map_err(about_former)?;
    let opened =
        crypt::open(call, former.path(), &encrypted, shape.input, Noting::Nonces).map_err(about_former)?;
    let in_file = |stop: Stop| stop.in_file(&source.shown().to_string_lossy());
    let (plain, original) = load(call, bytes, shape).map_err(in_file)?;
    let mut metadata = opened.metadata.clone();
    if settings.says_keys(call) {
        let wanted = settings.metadata(call, &source.known_as, shape.input)?;
        metadata.selector = wanted.selector;
        metadata.mac_only_encrypted = wanted.mac_only_encrypted;
        update_keys::rewrap(call, &mut metadata, &opened.key, wanted.key_groups, wanted.shamir_threshold)?;
    }
    let is_same_text = crypt::plain_text(&opened, shape).is_ok_and(|text| text.expose() == bytes);
    if is_same_text && metadata == opened.metadata {
        return Ok(encrypted.to_vec());
    }
    let document =
        crypt::encrypt(call, plain, metadata, &opened.key, Some(&opened.nonces)).map_err(in_file)?;
    manifest::check(call, source.shown(), &document).map_err(in_file)?;
    crypt::seal(document, original.as_ref(), opened.original.as_ref(), &opened.key, shape)
}

/// Where a command reads from and writes to.
pub(super) struct Source {
    /// The file; none for standard input.
    pub(super) file: Option<Held>,
    /// The path that format and rule are chosen by.
    pub(super) known_as: PathBuf,
}

impl Source {
    /// The first word, or standard input when there is none.
    pub(super) fn of(call: &Call) -> Result<Self, Stop> {
        let word = call.words().first();
        if word.is_none() && call.is_set("in-place") {
            return Err(Stop::misuse("cannot use --in-place when reading from stdin").code(Code::Conflict));
        }
        warn_about_words(call, 1);
        if call.is_set("in-place") && !call.text("output").is_empty() {
            return Err(Stop::misuse("cannot operate on both --output and --in-place").code(Code::Conflict));
        }
        let path = word.map(|word| files::absolute(word)).transpose()?;
        if let Some(path) = &path {
            must_exist(path)?;
        }
        let known_as = match call.text("filename-override") {
            "" => path.clone().unwrap_or_default(),
            name => files::absolute(name)?,
        };
        Ok(Self { file: path.map(|path| Held::by(call, &path)), known_as })
    }

    pub(super) fn name(&self) -> String {
        self.known_as.to_string_lossy().into_owned()
    }

    /// The file in messages.
    pub(super) fn shown(&self) -> &Path {
        self.file.as_ref().map_or(Path::new(""), Held::path)
    }

    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Stop> {
        match &self.file {
            Some(file) => file.read(),
            None => files::read_stdin(),
        }
    }

    /// A file that is written back.
    pub(super) fn of_file(file: Held) -> Self {
        Self { known_as: file.path().to_owned(), file: Some(file) }
    }

    /// Writes the file back.
    pub(super) fn replace(&self, bytes: &[u8]) -> Result<(), Stop> {
        self.file.as_ref().map_or(Ok(()), |file| file.replace(bytes))
    }

    /// Writes where the flags say.
    pub(super) fn finish(&self, call: &Call, bytes: SecretBytes) -> Result<Done, Stop> {
        match (&self.file, call.text("output")) {
            (Some(file), _) if file.is_changed() => file.replace(bytes.expose())?,
            (_, "") => return Ok(Done::Hand(bytes)),
            (_, output) => files::write_output(Path::new(output), bytes.expose())?,
        }
        Ok(Done::Quietly)
    }
}

/// Fails when a file that is to be worked on is not there.
pub(super) fn must_exist(path: &Path) -> Result<(), Stop> {
    if files::exists(path) {
        return Ok(());
    }
    Err(Stop::misuse(format!("cannot operate on non-existent file \"{}\"", path.display()))
        .code(Code::NoFile))
}

/// Flags behind a file name are words; that is seldom meant.
pub(super) fn warn_about_words(call: &Call, wanted: usize) {
    let ignored = call.words().get(wanted..).unwrap_or_default();
    if ignored.is_empty() {
        return;
    }
    log::warn(
        call.presentation,
        "More than one positional argument provided. Only the first one will be used!",
    );
    if let Some(flag) = ignored.iter().rfind(|word| word.starts_with('-')) {
        let message = format!(
            "Note that one of the ignored positional argument is {flag:?}, which looks like a flag. Flags must always be \
             provided before the first positional argument!"
        );
        log::warn(call.presentation, &message);
    }
}
