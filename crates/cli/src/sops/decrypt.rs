//! `decrypt`: an encrypted file, or a part of it, in the clear.

use sealfast_sops::document::{self, SecretBytes};
use sealfast_sops::error::Error;
use sealfast_sops::path::Step;
use sealfast_sops::store::EmitOptions;
use sealfast_sops::tree::Value;

use crate::sops::call::{Call, Done};
use crate::sops::crypt::{self, Noting, Shape};
use crate::sops::encrypt::Source;
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{batch, nearby};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    if let Some(done) = batch::run(call, batch::Work::Decrypt)? {
        return Ok(done);
    }
    let source = Source::of(call)?;
    let layout = Settings::of_file(call, &source.known_as)?.layout(call);
    let path = extract_path(call)?;
    source.finish(call, decrypt(call, &source, path.as_deref(), layout)?)
}

/// Decrypts a file, or a part of it.
pub(super) fn decrypt(
    call: &Call,
    source: &Source,
    path: Option<&[Step]>,
    layout: EmitOptions,
) -> Result<SecretBytes, Stop> {
    let shape = Shape::of(call, &source.name(), layout);
    let encrypted = source.read()?;
    let mut opened = crypt::open(call, source.shown(), &encrypted, shape.input, Noting::Nothing)?;
    if let Some(path) = path {
        let part = opened.plain.extract(path).map_err(|wrong| {
            let stop = nearby::told(Stop::of(&wrong, "error truncating tree: "), &opened.plain, path);
            stop.in_file(&source.shown().to_string_lossy())
        })?;
        return match part {
            Value::Branch(branch) => {
                opened.plain.replace_first(branch);
                opened.plain.emit(shape.output, &shape.layout).map_err(|wrong| unwritable(&wrong))
            }
            part => document::emit_value(&part, shape.output, &shape.layout)
                .map_err(|wrong| Stop::dumping(&wrong, "Error dumping tree: ")),
        };
    }
    crypt::plain_text(&opened, &shape).map_err(|wrong| unwritable(&wrong))
}

/// The path of `--extract`; none when nothing is extracted.
pub(super) fn extract_path(call: &Call) -> Result<Option<Vec<Step>>, Stop> {
    let text = call.text("extract");
    if text.is_empty() {
        return Ok(None);
    }
    crypt::path(call, text).map(Some).map_err(|wrong| {
        Stop::of(&wrong, "error parsing --extract path: ")
            .code(Code::InvalidPath)
            .hint("write the path as '[\"key\"][0]'")
    })
}

/// A document that its format cannot hold.
pub(super) fn unwritable(wrong: &Error) -> Stop {
    Stop::dumping(wrong, "Error dumping file: ")
}
