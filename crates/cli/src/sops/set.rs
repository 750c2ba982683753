//! `set` and `unset`: one value of an encrypted file.

use std::path::Path;

use sealfast_sops::document::{self, Plain};
use sealfast_sops::error::Error;
use sealfast_sops::path::{Change, Step};
use sealfast_sops::tree::Value;
use zeroize::Zeroizing;

use crate::sops::call::{Call, Done};
use crate::sops::crypt::{self, Noting, Opened, Shape};
use crate::sops::encrypt::Source;
use crate::sops::hold::Held;
use crate::sops::settings::Settings;
use crate::sops::stop::{Code, Stop};
use crate::sops::{batch, files, nearby};

pub(super) fn run_set(call: &Call) -> Result<Done, Stop> {
    let words = call.words();
    if call.is_set("value-file") && call.is_set("value-stdin") {
        return Err(Stop::misuse("cannot use both --value-file and --value-stdin"));
    }
    let behind = if call.is_set("value-stdin") { 1 } else { 2 };
    if words.len() <= behind || words.len() > behind + 1 && !call.is_native() {
        return Err(wrong_number_of_words(call));
    }
    let (given, path_and_value) = words.split_at(words.len() - behind);
    let settings = early_settings(call)?;
    let steps = steps(call, &path_and_value[0], "Invalid set index format")?;
    let text = match path_and_value.get(1) {
        None => files::read_stdin()?,
        Some(name) if call.is_set("value-file") => value_of_file(name)?,
        Some(text) => Zeroizing::new(text.clone().into_bytes()),
    };
    let value = json_value(call, &text)?;
    let work = batch::Work::Set { steps: steps.clone(), value: value.clone() };
    if let Some(done) = batch::run_on(call, given, work)? {
        return Ok(done);
    }
    let path = files::absolute(&words[0])?;
    apply(call, &path, settings, &steps, |plain| set(call, plain, &steps, value))?;
    Ok(Done::Quietly)
}

fn wrong_number_of_words(call: &Call) -> Stop {
    let message = if call.is_set("value-stdin") {
        "file specified, or index and value are missing. Need precisely 2 positional arguments since \
         --value-stdin is used."
    } else {
        "no file specified, or index and value are missing. Need precisely 3 positional arguments."
    };
    Stop::misuse(message).code(Code::NoFile).hint("as `set secret.yaml '[\"key\"]' '\"value\"'`")
}

/// As `sops`, an index changes nothing in a mapping, and that is no error.
fn set(call: &Call, plain: &mut Plain, steps: &[Step], value: Value) -> Result<Change, Error> {
    match plain.set(steps, value) {
        Err(Error::NoList { .. }) if !call.is_native() => Ok(Change::Changed),
        done => done,
    }
}

pub(super) fn run_unset(call: &Call) -> Result<Done, Stop> {
    let words = call.words();
    let [file, index] = words else {
        return Err(Stop::misuse("no file specified, or index is missing").code(Code::NoFile));
    };
    let settings = early_settings(call)?;
    let steps = steps(call, index, "Invalid unset index format")?;
    let path = files::absolute(file)?;
    let is_idempotent = call.is_set("idempotent");
    apply(call, &path, settings, &steps, |plain| match plain.unset(&steps) {
        Err(Error::NotFound { .. } | Error::OutOfBounds { .. } | Error::NoList { .. }) if is_idempotent => {
            Ok(Change::Unchanged)
        }
        Err(wrong) => Err(wrong),
        Ok(()) => Ok(Change::Changed),
    })?;
    Ok(Done::Quietly)
}

fn value_of_file(name: &str) -> Result<Zeroizing<Vec<u8>>, Stop> {
    files::try_read(Path::new(name))
        .map_err(|wrong| Stop::new(format!("open {name}: {}", files::reason(&wrong))))
}

/// The old spelling: path and value in one text.
pub(super) fn run_legacy(call: &Call, source: &Source, settings: &Settings) -> Result<(), Stop> {
    let invalid = || Stop::new("Invalid --set format").code(Code::InvalidSet);
    let (index, value) = call.text("set").split_once("] ").ok_or_else(invalid)?;
    let value = json_value(call, value.as_bytes())?;
    let steps = steps(call, &format!("{}]", index.trim_end()), "Invalid --set format")?;
    let (bytes, _) = changed(call, source, settings, &steps, |plain| set(call, plain, &steps, value))?;
    source.replace(&bytes)
}

/// As `sops`, a configuration that does not read is told before a path or value that does not.
fn early_settings(call: &Call) -> Result<Option<Settings>, Stop> {
    if call.is_native() { Ok(None) } else { Settings::of_file(call, Path::new("")).map(Some) }
}

/// Changes a file in place; with `--idempotent` nothing is written when nothing changed.
fn apply(
    call: &Call,
    path: &Path,
    settings: Option<Settings>,
    steps: &[Step],
    change: impl FnOnce(&mut Plain) -> Result<Change, Error>,
) -> Result<(), Stop> {
    let source = Source::of_file(Held::firmly(path));
    let settings = settings.map_or_else(|| Settings::of_file(call, path), Ok)?;
    let (bytes, change) = changed(call, &source, &settings, steps, change)?;
    if change == Change::Changed || !call.is_set("idempotent") {
        source.replace(&bytes)?;
    }
    Ok(())
}

/// Changes an encrypted file's text.
pub(super) fn changed(
    call: &Call,
    source: &Source,
    settings: &Settings,
    steps: &[Step],
    change: impl FnOnce(&mut Plain) -> Result<Change, Error>,
) -> Result<(Vec<u8>, Change), Stop> {
    let path = source.shown();
    let shape = Shape::of(call, &path.to_string_lossy(), settings.layout(call));
    let encrypted = source.read()?;
    let Opened { metadata, key, mut plain, nonces, original } =
        crypt::open(call, path, &encrypted, shape.input, Noting::Nonces)?;
    if steps.is_empty() {
        return Err(no_path("the path is empty"));
    }
    let in_file = |stop: Stop| stop.in_file(&path.to_string_lossy());
    let change =
        change(&mut plain).map_err(|wrong| in_file(nearby::told(Stop::of(&wrong, ""), &plain, steps)))?;
    plain.check_unencrypted(shape.output).map_err(|_| Stop::already_encrypted())?;
    let document = crypt::encrypt(call, plain, metadata, &key, Some(&nonces)).map_err(in_file)?;
    Ok((crypt::update(document, original.as_ref(), &key, &shape)?, change))
}

/// A path; as `sops`, a missing one is told when the file is open.
fn steps(call: &Call, text: &str, message: &str) -> Result<Vec<Step>, Stop> {
    crypt::path(call, text)
        .ok()
        .filter(|steps| !steps.is_empty() || !call.is_native())
        .ok_or_else(|| no_path(message))
}

fn no_path(message: &str) -> Stop {
    Stop::new(message).code(Code::InvalidSet).hint("write the path as '[\"key\"][0]'")
}

/// A JSON value as `sops` takes it: numbers are doubles unless they stand in an object, lists are refused. Under our own
/// verbs whole numbers are integers everywhere, refused where they would lose digits, and lists are values as others are.
fn json_value(call: &Call, text: &[u8]) -> Result<Value, Stop> {
    let invalid = || {
        Stop::new("Value for --set is not valid JSON")
            .plainly("the value is not valid JSON")
            .code(Code::InvalidSet)
            .hint("a string needs double quotes of its own, as '\"value\"'")
    };
    if call.is_native() {
        return document::read_exact_value(text).map_err(|wrong| match wrong {
            Error::Digits => Stop::of(&wrong, "")
                .code(Code::InvalidSet)
                .hint("write it as a string, as '\"12345678901234567890\"'"),
            _ => invalid(),
        });
    }
    match document::read_value(text).map_err(|_| invalid())? {
        Value::List(_) => Err(Stop::new("Invalid --set value format").code(Code::InvalidSet)),
        // A double has a negative zero, which an integer has not.
        Value::Int(0) if text.trim_ascii_start().starts_with(b"-") => Ok(Value::Float(-0.0)),
        #[expect(clippy::cast_precision_loss, reason = "as sops, which reads a double")]
        Value::Int(number) => Ok(Value::Float(number as f64)),
        value => Ok(value),
    }
}
