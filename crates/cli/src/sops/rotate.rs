//! `rotate`: a new data key, and master keys added or removed on the way.

use sealfast_sops::document::{Original, SecretBytes};
use sealfast_sops::metadata::KeyGroup;

use crate::sops::call::{Call, Done};
use crate::sops::crypt::{self, Noting, Opened, Shape};
use crate::sops::encrypt::{Source, warn_about_words};
use crate::sops::hold::Held;
use crate::sops::settings::{self, Settings};
use crate::sops::stop::{Code, Stop};
use crate::sops::{batch, files, keyring};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    if let Some(done) = batch::run(call, batch::Work::Rotate)? {
        return Ok(done);
    }
    let Some(word) = call.words().first() else { return Err(Stop::no_file()) };
    warn_about_words(call, 1);
    if call.is_set("in-place") && !call.text("output").is_empty() {
        return Err(Stop::misuse("cannot operate on both --output and --in-place").code(Code::Conflict));
    }
    let path = files::absolute(word)?;
    if changes_keys(call) && !files::exists(&path) {
        return Err(keys_of_missing_file(&path, "the `edit` subcommand"));
    }
    let known_as = match call.text("filename-override") {
        "" => path.clone(),
        name => files::absolute(name)?,
    };
    let source = Source { file: Some(Held::by(call, &path)), known_as };
    let bytes = rotate(call, &source, &Settings::of_file(call, &source.known_as)?)?;
    source.finish(call, SecretBytes::new(bytes))
}

/// Does a flag add or remove keys?
pub(super) fn changes_keys(call: &Call) -> bool {
    ["kms", "pgp", "gcp-kms", "hckms", "hc-vault-transit", "azure-kv", "age"].iter().any(|service| {
        ["add", "rm"].iter().any(|change| !call.text(&format!("{change}-{service}")).is_empty())
    })
}

pub(super) fn keys_of_missing_file(path: &std::path::Path, instead: &str) -> Stop {
    Stop::misuse(format!(
        "cannot add or remove keys on non-existent file \"{}\", use {instead} instead.",
        path.display()
    ))
    .code(Code::KeysOfMissingFile)
}

/// Encrypts a file under a new data key.
pub(super) fn rotate(call: &Call, source: &Source, settings: &Settings) -> Result<Vec<u8>, Stop> {
    let now = settings::now();
    let context = settings::lenient_context(call)?;
    let keys = |change| settings::keys_of_flags(call, change, &context, now);
    let (added, mut removed) = (keys("add-")?, keys("rm-")?);
    keyring::complete(&mut removed)?;
    let shape = Shape::of(call, &source.name(), settings.layout(call));
    let encrypted = source.read()?;
    let opened = crypt::open(call, source.shown(), &encrypted, shape.input, Noting::Nonces)?;
    let text = if call.is_native() { crypt::plain_text(&opened, &shape).ok() } else { None };
    let Opened { mut metadata, plain, nonces, original, .. } = opened;
    match metadata.key_groups.first_mut() {
        Some(first) => first.keys.extend(added),
        None => metadata.key_groups.push(KeyGroup { keys: added }),
    }
    for group in &mut metadata.key_groups {
        group.keys.retain(|key| !removed.iter().any(|gone| gone.is_same_key(key)));
    }
    if call.is_native() && metadata.key_groups.iter().any(|group| group.keys.is_empty()) {
        return Err(Stop::new("a key group would have no key left")
            .hint("add another key in the same call, as `--add-age age1…`"));
    }
    let key = crypt::new_key(call, &mut metadata)?;
    let document = crypt::encrypt(call, plain, metadata, &key, Some(&nonces))?;
    let text = text.as_ref().map(|text| Original::of(text.expose(), shape.input));
    crypt::seal(document, text.as_ref(), original.as_ref(), &key, &shape)
}
