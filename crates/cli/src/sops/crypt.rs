//! The steps that commands share: unlock and decrypt, wrap and encrypt.

use std::path::Path;

use sealfast_sops::cipher::{DataKey, Nonces};
use sealfast_sops::document::{Context, Decrypted, Encrypted, MacCheck, Plain, SecretBytes};
use sealfast_sops::metadata::Metadata;
use sealfast_sops::store::{EmitOptions, Format};

use crate::sops::call::Call;
use crate::sops::stop::{Code, Stop};
use crate::sops::{keyring, log, settings};

mod old_context;

/// A decrypted document with what is needed to encrypt it again.
pub(super) struct Opened {
    pub(super) metadata: Metadata,
    pub(super) key: DataKey,
    pub(super) plain: Plain,
    pub(super) nonces: Nonces,
}

/// Reads an encrypted document and decrypts it; `file` is for messages.
pub(super) fn open(call: &Call, file: &Path, bytes: &[u8], format: Format) -> Result<Opened, Stop> {
    open_unnamed(call, bytes, format)
        .map_err(|stop| stop.locate(bytes, format).in_file(&file.to_string_lossy()))
}

fn open_unnamed(call: &Call, bytes: &[u8], format: Format) -> Result<Opened, Stop> {
    let document = load(bytes, format)?;
    let key = unlock(call, document.metadata())?;
    let mut metadata = document.metadata().clone();
    if !call.is_native() {
        // `sops` lays out anew.
        metadata.layout.clear();
    }
    let check = if call.is_set("ignore-mac") { MacCheck::Skip } else { MacCheck::Verify };
    let Decrypted { plain, nonces, clear_comments } =
        document.decrypt(&key, check).map_err(|wrong| Stop::decrypting(&wrong))?;
    for place in clear_comments {
        log::warn(
            call.presentation,
            &format!(
                "Found possibly unencrypted comment in file at {place}. This is to be expected if the file being \
                 decrypted was created with an older version of SOPS."
            ),
        );
    }
    Ok(Opened { metadata, key, plain, nonces })
}

/// Reads an encrypted document and checks that its version is one.
pub(super) fn load(bytes: &[u8], format: Format) -> Result<Encrypted, Stop> {
    let document = Encrypted::load(bytes, format).map_err(|wrong| Stop::loading(&wrong))?;
    let version = &document.metadata().version;
    if version.is_empty() {
        return Err(Stop::new("Version string empty"));
    }
    if numbers(version).is_none() {
        return Err(Stop::new(format!("version of the sops metadata: {version} is no version")));
    }
    Ok(document)
}

/// Recovers the data key with the keys at hand.
pub(super) fn unlock(call: &Call, metadata: &Metadata) -> Result<DataKey, Stop> {
    let order = decryption_order(call)?;
    if !old_context::is_suspect(metadata, numbers(&metadata.version)) {
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

    /// Under our own verbs what is written keeps the looks of what was read.
    fn keeps_looks(&self, call: &Call) -> bool {
        call.is_native() && self.input == self.output
    }
}

fn unwritable(wrong: sealfast_sops::error::Error) -> Stop {
    Stop::dumping(&wrong, "Could not marshal tree: ")
}

/// Writes an encrypted document, under our own verbs into the encrypted text it comes from.
pub(super) fn emit_over(
    call: &Call,
    document: &Encrypted,
    original: &[u8],
    shape: &Shape,
) -> Result<Vec<u8>, Stop> {
    if !shape.keeps_looks(call) {
        return emit(document, shape.output, &shape.layout);
    }
    document.emit_over(original, shape.output, &shape.layout).map_err(unwritable)
}

/// Writes an encrypted document, under our own verbs into the plain text it comes from; `former` is an encrypted text
/// from before.
pub(super) fn emit_over_plain(
    call: &Call,
    document: &mut Encrypted,
    plain: &[u8],
    former: Option<&[u8]>,
    key: &DataKey,
    shape: &Shape,
) -> Result<Vec<u8>, Stop> {
    if !shape.keeps_looks(call) {
        return emit(document, shape.output, &shape.layout);
    }
    document
        .emit_over_plain(plain, former, key, &mut random(), shape.output, &shape.layout)
        .map_err(unwritable)
}

/// Writes a decrypted document, under our own verbs into the encrypted text it comes from.
pub(super) fn plain_text(
    call: &Call,
    opened: &Opened,
    encrypted: &[u8],
    shape: &Shape,
) -> Result<SecretBytes, sealfast_sops::error::Error> {
    let Opened { plain, metadata, key, .. } = opened;
    if !shape.keeps_looks(call) {
        return plain.emit(shape.output, &shape.layout);
    }
    plain.emit_over(encrypted, metadata, key, shape.output, &shape.layout)
}

/// Draws a new data key and wraps it for every master key.
pub(super) fn new_key(call: &Call, metadata: &mut Metadata) -> Result<DataKey, Stop> {
    let key = DataKey::generate(&mut random());
    keyring::wrap(call, metadata, &key, settings::now())?;
    Ok(key)
}

/// Encrypts a document.
pub(super) fn encrypt(
    plain: Plain,
    metadata: Metadata,
    key: &DataKey,
    reuse: Option<&Nonces>,
) -> Result<Encrypted, Stop> {
    let mut rng = random();
    let context = Context { now: settings::now(), rng: &mut rng, reuse };
    plain.encrypt(metadata, key, context).map_err(|wrong| Stop::encrypting(&wrong))
}

/// Writes an encrypted document.
pub(super) fn emit(document: &Encrypted, format: Format, layout: &EmitOptions) -> Result<Vec<u8>, Stop> {
    document.emit(format, layout).map_err(|wrong| Stop::dumping(&wrong, "Could not marshal tree: "))
}

fn random() -> rand08::rngs::OsRng {
    rand08::rngs::OsRng
}

/// The numbers of a version; versions that start with `1.` are old ones of any shape.
pub(super) fn numbers(version: &str) -> Option<[u64; 3]> {
    if version.starts_with("1.") {
        return Some([1, 0, 0]);
    }
    let version = version.strip_prefix('v').unwrap_or(version);
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = core.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}
