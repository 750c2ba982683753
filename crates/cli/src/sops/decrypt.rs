//! `decrypt`: an encrypted file, or a part of it, in the clear.

use sealfast_sops::document::{self, SecretBytes};
use sealfast_sops::path::{self, Step};
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::tree::Value;

use crate::sops::call::{Call, Done};
use crate::sops::crypt::{self, Opened};
use crate::sops::encrypt::Source;
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let source = Source::of(call)?;
    let layout = Settings::load(call)?.layout(call);
    let path = extract_path(call)?;
    let (input, output) =
        (call.format("input-type", &source.name()), call.format("output-type", &source.name()));
    let opened = crypt::open(call, source.shown(), &source.read()?, input)?;
    let bytes = render(opened, path.as_deref(), output, &layout)?;
    source.finish(call, bytes.expose().to_vec())
}

/// The path of `--extract`; none when nothing is extracted.
pub(super) fn extract_path(call: &Call) -> Result<Option<Vec<Step>>, Stop> {
    let text = call.text("extract");
    if text.is_empty() {
        return Ok(None);
    }
    path::parse(text).map(Some).map_err(|wrong| {
        Stop::of(&wrong, "error parsing --extract path: ")
            .code(Code::InvalidPath)
            .hint("write the path as '[\"key\"][0]'")
    })
}

/// Writes the document or the part that a path leads to.
pub(super) fn render(
    mut opened: Opened,
    path: Option<&[Step]>,
    format: Format,
    layout: &EmitOptions,
) -> Result<SecretBytes, Stop> {
    if let Some(path) = path {
        let part = opened.plain.extract(path).map_err(|wrong| Stop::of(&wrong, "error truncating tree: "))?;
        match part {
            Value::Branch(branch) => opened.plain.replace_first(branch),
            part => {
                return document::emit_value(&part, format, layout)
                    .map_err(|wrong| Stop::dumping(&wrong, "Error dumping tree: "));
            }
        }
    }
    opened.plain.emit(format, layout).map_err(|wrong| {
        let stop = Stop::dumping(&wrong, "Error dumping file: ");
        if format == Format::Binary {
            stop.hint("the file is not binary: say its format with --output-type json or yaml")
        } else {
            stop
        }
    })
}
