//! The command line without a command: `-e`, `-d`, `-r`, `--set`, or edit.

use sealfast_sops::document::SecretBytes;

use crate::sops::call::{Call, Done};
use crate::sops::encrypt::{Source, must_exist, warn_about_words};
use crate::sops::hold::Held;
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{crypt, decrypt, edit, encrypt, files, log, rotate, set};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let Some(word) = call.words().first() else { return Err(Stop::no_file()) };
    warn_about_words(call, 1);
    if call.is_set("in-place") && !call.text("output").is_empty() {
        return Err(Stop::misuse("cannot operate on both --output and --in-place").code(Code::Conflict));
    }
    let path = files::absolute(word)?;
    let (encrypts, decrypts, rotates) =
        (call.is_set("encrypt"), call.is_set("decrypt"), call.is_set("rotate"));
    let sets = !call.text("set").is_empty();
    if !files::exists(&path) {
        if rotate::changes_keys(call) {
            return Err(rotate::keys_of_missing_file(&path, "`--kms` and `--pgp`"));
        }
        if encrypts || decrypts || rotates {
            must_exist(&path)?;
        }
    }
    if [encrypts, decrypts, rotates, sets].into_iter().filter(|mode| *mode).count() > 1 {
        log::warn(
            call.presentation,
            "More than one command (--encrypt, --decrypt, --rotate, --set) has been specified. Only the changes made \
             by the last one will be visible. Note that this behavior is deprecated and will cause an error eventually.",
        );
    }
    let known_as = match call.text("filename-override") {
        "" => path.clone(),
        name => files::absolute(name)?,
    };
    let file = if sets {
        Held::firmly(&path)
    } else if encrypts || decrypts || rotates {
        Held::by(call, &path)
    } else {
        // Without a mode the file is edited, however long that takes.
        Held::loosely(&path)
    };
    let source = Source { file: Some(file), known_as };
    let settings = Settings::of_file(call, &source.known_as)?;
    if !decrypts || encrypts || rotates || sets {
        // A configuration that is wrong for this file is an error even where its rule is not needed.
        settings.check_rule(call, &source.known_as)?;
    }
    // What it would be encrypted for has to be right even when another mode counts.
    let format = call.format("input-type", &source.name());
    let metadata = encrypts.then(|| settings.metadata(call, &source.known_as, format)).transpose()?;
    if sets {
        set::run_legacy(call, &source, &settings)?;
        return Ok(Done::Quietly);
    }
    if rotates {
        let bytes = rotate::rotate(call, &source, &settings)?;
        return source.finish(call, SecretBytes::new(bytes));
    }
    let layout = settings.layout(call);
    if decrypts {
        let steps = decrypt::extract_path(call)?;
        let bytes = decrypt::decrypt(call, &source, steps.as_deref(), layout)?;
        return source.finish(call, bytes);
    }
    let Some(metadata) = metadata else { return edit::run_on(call, &source, &settings) };
    let shape = crypt::Shape::of(call, &source.name(), layout);
    let bytes = encrypt::encrypt(call, &source, &settings, &source.read()?, metadata, &shape)?;
    source.finish(call, SecretBytes::new(bytes))
}
