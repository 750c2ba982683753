//! The steps that commands share: unlock and decrypt, wrap and encrypt.

use std::path::Path;

use sealfast_sops::cipher::{DataKey, Nonces};
use sealfast_sops::document::{
    ClearComment, Context, Decrypted, Encrypted, MacCheck, Original, Plain, SecretBytes,
};
use sealfast_sops::error::Error;
use sealfast_sops::metadata::Metadata;
use sealfast_sops::path::{self, Step};
use sealfast_sops::store::{EmitOptions, Format};

use crate::sops::call::Call;
use crate::sops::stop::{Code, Stop};
use crate::sops::{audit, keyring, log, settings, version};

mod old_context;

/// A decrypted document with what is needed to encrypt it again.
pub(super) struct Opened<'b> {
    pub(super) metadata: Metadata,
    pub(super) key: DataKey,
    pub(super) plain: Plain,
    /// None in documents that were opened to be read.
    pub(super) nonces: Nonces,
    /// The text it was read from; under the name `sops` nothing is written into it.
    pub(super) original: Option<Original<'b>>,
}

/// What is kept in mind of a document that is opened.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Noting {
    /// It is only read.
    Nothing,
    /// It is encrypted again afterwards.
    Nonces,
}

/// Reads an encrypted document and decrypts it; `file` is for messages.
pub(super) fn open<'b>(
    call: &Call,
    file: &Path,
    bytes: &'b [u8],
    format: Format,
    noting: Noting,
) -> Result<Opened<'b>, Stop> {
    open_unnamed(call, bytes, format, noting)
        .map_err(|stop| stop.locate(bytes, format).in_file(&file.to_string_lossy()))
}

fn open_unnamed<'b>(
    call: &Call,
    bytes: &'b [u8],
    format: Format,
    noting: Noting,
) -> Result<Opened<'b>, Stop> {
    // An order that is none is told before a file that is none.
    decryption_order(call)?;
    let (document, original) = load(call, bytes, format)?;
    let key = unlock(call, document.metadata())?;
    if call.is_native() && !document.metadata().has_whole_layout(&key) {
        tell_of_damaged_layout(call)?;
    }
    let mut metadata = document.metadata().clone();
    if !call.is_native() {
        // `sops` lays out anew.
        metadata.layout.clear();
    }
    let check = if call.is_set("ignore-mac") { MacCheck::Skip } else { MacCheck::Verify };
    let decrypted = match noting {
        Noting::Nothing => document.decrypt(&key, check).map(|decrypted| (decrypted, Nonces::default())),
        Noting::Nonces => document.decrypt_to_change(&key, check),
    };
    let (Decrypted { plain, clear_comments }, nonces) = decrypted.map_err(|wrong| {
        if matches!(wrong, Error::MacDecrypt { .. } | Error::MacMismatch { .. }) {
            warn_before_failing(call, bytes, format, &key);
        }
        Stop::decrypting(&wrong)
    })?;
    warn_about_comments(call, &clear_comments);
    Ok(Opened { metadata, key, plain, nonces, original })
}

/// The values are what they were, but not how they were written.
fn tell_of_damaged_layout(call: &Call) -> Result<(), Stop> {
    let message = "`sealfast_layout` was changed or damaged: values are written in other ways than they were";
    if call.is_set("strict") {
        return Err(Stop::new(message)
            .code(Code::DecryptingTree)
            .hint("restore the file from history, or drop --strict"));
    }
    log::warn(call.presentation, message);
    Ok(())
}

/// Comments that were added or changed are what a MAC that does not fit may come from.
fn warn_before_failing(call: &Call, bytes: &[u8], format: Format, key: &DataKey) {
    let opened = Encrypted::load(bytes, format).and_then(|document| document.decrypt(key, MacCheck::Skip));
    if let Ok(Decrypted { clear_comments, .. }) = opened {
        warn_about_comments(call, &clear_comments);
    }
}

fn warn_about_comments(call: &Call, comments: &[ClearComment]) {
    for ClearComment { path, text } in comments {
        if call.is_native() {
            let message = format!("a comment in the clear stands at {path} among encrypted values");
            log::warn(call.presentation, &message);
        } else {
            log::warn_of_comment(&text.to_string_lossy());
        }
    }
}

/// Reads an encrypted document and checks that its version is one.
pub(super) fn load<'b>(
    call: &Call,
    bytes: &'b [u8],
    format: Format,
) -> Result<(Encrypted, Option<Original<'b>>), Stop> {
    let read = if call.is_native() {
        Encrypted::read(bytes, format).map(|(document, original)| (document, Some(original)))
    } else {
        Encrypted::load(bytes, format).map(|document| (document, None))
    };
    let (document, original) = read.map_err(|wrong| damaged(bytes, &wrong))?;
    let version = &document.metadata().version;
    version::numbers(version).map_err(Stop::new)?;
    Ok((document, original))
}

/// A text does not read as an encrypted document.
pub(super) fn damaged(bytes: &[u8], wrong: &Error) -> Stop {
    let stop = Stop::loading(wrong);
    if bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"<<<<<<< ")) {
        return stop.hint("it holds the marks of a merge conflict: settle it first");
    }
    stop
}

/// Recovers the data key with the keys at hand.
pub(super) fn unlock(call: &Call, metadata: &Metadata) -> Result<DataKey, Stop> {
    audit::refuse()?;
    let order = decryption_order(call)?;
    if !old_context::is_suspect(metadata, version::numbers(&metadata.version).ok()) {
        return keyring::unlock(call, metadata, &order);
    }
    log::warn(call.presentation, old_context::EXPLANATION);
    keyring::unlock(call, metadata, &order).or_else(|stop| {
        let variants = old_context::variants(metadata);
        variants.iter().find_map(|variant| keyring::unlock(call, variant, &order).ok()).ok_or(stop)
    })
}

fn decryption_order(call: &Call) -> Result<Vec<String>, Stop> {
    let text = call.text("decryption-order");
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let order: Vec<String> = text.split(',').map(str::to_owned).collect();
    for (index, name) in order.iter().enumerate() {
        if order[..index].contains(name) {
            return Err(Stop::new(format!("Duplicate decryption key type: {name}"))
                .code(Code::DuplicateKeyType)
                .hint("name each key type once"));
        }
    }
    Ok(order)
}

/// How a file is read and written.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) input: Format,
    pub(super) output: Format,
    pub(super) layout: EmitOptions,
}

impl Shape {
    /// The formats of a file by flags and name.
    pub(super) fn of(call: &Call, name: &str, layout: EmitOptions) -> Self {
        Self { input: call.format("input-type", name), output: call.format("output-type", name), layout }
    }

    /// What is written can keep the looks of what was read.
    fn is_same(&self) -> bool {
        self.input == self.output
    }
}

fn unwritable(wrong: Error) -> Stop {
    Stop::dumping(&wrong, "Could not marshal tree: ")
}

/// Writes an encrypted document, under our own verbs into the encrypted text it comes from.
pub(super) fn update(
    document: Encrypted,
    original: Option<&Original<'_>>,
    key: &DataKey,
    shape: &Shape,
) -> Result<Vec<u8>, Stop> {
    match original.filter(|_| shape.is_same()) {
        Some(original) => document.update(original, key, &mut random(), &shape.layout).map_err(unwritable),
        None => emit(&document, shape.output, &shape.layout),
    }
}

/// Writes an encrypted document, under our own verbs into the plain text it comes from; `former` is an encrypted text
/// from before.
pub(super) fn seal(
    document: Encrypted,
    plain: Option<&Original<'_>>,
    former: Option<&Original<'_>>,
    key: &DataKey,
    shape: &Shape,
) -> Result<Vec<u8>, Stop> {
    match plain.filter(|_| shape.is_same()) {
        Some(plain) => document.seal(plain, former, key, &mut random(), &shape.layout).map_err(unwritable),
        None => emit(&document, shape.output, &shape.layout),
    }
}

/// Writes a decrypted document, under our own verbs into the encrypted text it comes from.
pub(super) fn plain_text(opened: &Opened<'_>, shape: &Shape) -> Result<SecretBytes, Error> {
    let Opened { plain, metadata, key, original, .. } = opened;
    match original.as_ref().filter(|_| shape.is_same()) {
        Some(original) => plain.open(original, metadata, key, &shape.layout),
        None => plain.emit(shape.output, &shape.layout),
    }
}

/// Draws a new data key and wraps it for every master key.
pub(super) fn new_key(call: &Call, metadata: &mut Metadata) -> Result<DataKey, Stop> {
    audit::refuse()?;
    let key = DataKey::generate(&mut rand08::rngs::OsRng);
    keyring::wrap(call, metadata, &key, settings::now())?;
    Ok(key)
}

/// Encrypts a document.
pub(super) fn encrypt(
    call: &Call,
    plain: Plain,
    metadata: Metadata,
    key: &DataKey,
    reuse: Option<&Nonces>,
) -> Result<Encrypted, Stop> {
    let mut rng = random();
    let context = Context { now: settings::now(), rng: &mut rng, reuse };
    let encrypted = if call.is_native() {
        plain.encrypt(metadata, key, context)
    } else {
        plain.encrypt_leniently(metadata, key, context)
    };
    encrypted.map_err(|wrong| Stop::encrypting(&wrong))
}

/// Reads a path into a tree; a key needs its closing quote under our own verbs.
pub(super) fn path(call: &Call, text: &str) -> Result<Vec<Step>, Error> {
    if call.is_native() { path::parse(text) } else { path::parse_leniently(text) }
}

/// Writes an encrypted document.
pub(super) fn emit(document: &Encrypted, format: Format, layout: &EmitOptions) -> Result<Vec<u8>, Stop> {
    document.emit(format, layout).map_err(|wrong| Stop::dumping(&wrong, "Could not marshal tree: "))
}

/// Asking the system for each nonce would take longer than the encryption.
fn random() -> rand08::rngs::ThreadRng {
    rand08::thread_rng()
}
