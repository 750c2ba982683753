//! Formats: bytes <-> tree, and where the metadata lives in each.
//!
//! One file a format; this file picks. YAML, JSON and binary keep metadata under the key `sops`, INI flattened in a
//! section `[sops]`, dotenv flattened under the prefix `sops_`.
//!
//! Follows: the stores of sops 3.13.2.

use crate::error::Error;
use crate::metadata::Metadata;
use crate::tree::{Branch, Comment, Entry, Value};

mod binary;
mod dotenv;
mod flatten;
mod ini;
mod json;
mod json_text;
pub(crate) mod over;
mod scalar;
mod yaml;

pub use scalar::text_of;

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML, one or more documents.
    Yaml,
    /// A JSON object.
    Json,
    /// `KEY=value` lines.
    Dotenv,
    /// Sections of keys.
    Ini,
    /// Anything else; encrypted it is a JSON object.
    Binary,
}

impl Format {
    /// Picks the format by the end of a path; binary for unknown ones.
    #[must_use]
    pub fn for_path(path: &str) -> Self {
        const SUFFIXES: [(&str, Format); 5] = [
            (".yaml", Format::Yaml),
            (".yml", Format::Yaml),
            (".json", Format::Json),
            (".env", Format::Dotenv),
            (".ini", Format::Ini),
        ];
        SUFFIXES
            .into_iter()
            .find(|(suffix, _)| path.ends_with(suffix))
            .map_or(Self::Binary, |(_, format)| format)
    }

    /// Picks the format by its name; none for unknown ones.
    #[must_use]
    pub fn for_name(name: &str) -> Option<Self> {
        Some(match name {
            "yaml" => Self::Yaml,
            "json" => Self::Json,
            "dotenv" => Self::Dotenv,
            "ini" => Self::Ini,
            "binary" => Self::Binary,
            _ => return None,
        })
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
            Self::Binary => "binary",
        }
    }
}

/// How documents are laid out; the numbers are those of `stores` in `.sops.yaml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmitOptions {
    /// Blanks a level in YAML; 0 for the usual 4.
    pub yaml_indent: i32,
    /// Blanks a level in JSON; -1 for one tab.
    pub json_indent: i32,
    /// Blanks a level in the JSON of encrypted binary files; -1 for one tab.
    pub binary_indent: i32,
}

impl Default for EmitOptions {
    fn default() -> Self {
        Self { yaml_indent: 0, json_indent: -1, binary_indent: -1 }
    }
}

/// Bytes that a document may have, in the clear and encrypted: its tree takes a multiple of them.
pub const MAX_BYTES: usize = 128 << 20;

/// Values that a document may have; in formats of lines, lines.
pub(in crate::store) const MAX_VALUES: usize = 2_000_000;

/// Refuses a text that is larger than this program holds.
pub(in crate::store) fn check_size(input: &[u8], format: Format) -> Result<(), Error> {
    check_bytes(input)?;
    // No line is shorter than its break.
    if input.len() <= MAX_VALUES {
        return Ok(());
    }
    let lines = || input.split(|byte| *byte == b'\n');
    let (lines, unit) = match format {
        Format::Dotenv | Format::Ini => (lines().count(), "lines"),
        Format::Yaml => {
            let is_comment = |line: &&[u8]| line.trim_ascii_start().starts_with(b"#");
            (lines().filter(is_comment).count(), "lines of comments")
        }
        Format::Json | Format::Binary => return Ok(()),
    };
    if lines > MAX_VALUES { Err(Error::Size { limit: MAX_VALUES, unit }) } else { Ok(()) }
}

fn check_bytes(text: &[u8]) -> Result<(), Error> {
    if text.len() > MAX_BYTES { Err(Error::Size { limit: MAX_BYTES, unit: "bytes" }) } else { Ok(()) }
}

/// Reads a document without looking at metadata.
pub(crate) fn load(input: &[u8], format: Format) -> Result<Vec<Branch>, Error> {
    check_size(input, format)?;
    match format {
        Format::Yaml => yaml::load(input),
        Format::Json => json::load(input).map(|branch| vec![branch]),
        Format::Dotenv => dotenv::load(input).map(|branch| vec![branch]),
        Format::Ini => ini::load(input).map(|branch| vec![branch]),
        Format::Binary => Ok(vec![binary::load(input)]),
    }
}

/// Reads a document that should hold metadata, and takes the metadata out.
pub(crate) fn load_encrypted(input: &[u8], format: Format) -> Result<(Vec<Branch>, Metadata), Error> {
    // Encrypted binary files are JSON.
    let stored = if format == Format::Binary { Format::Json } else { format };
    let mut branches = load(input, stored)?;
    let metadata = take_metadata(&mut branches, format)?;
    Ok((branches, metadata))
}

/// Writes a document without metadata.
pub(crate) fn emit(branches: &[Branch], format: Format, options: &EmitOptions) -> Result<Vec<u8>, Error> {
    let first =
        || branches.first().ok_or_else(|| Error::Emit { message: "the document is empty".to_owned() });
    match format {
        Format::Yaml => yaml::emit(branches, options.yaml_indent),
        Format::Json => json::emit(first()?, options.json_indent),
        Format::Dotenv => dotenv::emit(first()?),
        Format::Ini => ini::emit(branches),
        Format::Binary => binary::emit(branches),
    }
}

/// Writes a document with its metadata.
pub(crate) fn emit_encrypted(
    branches: &[Branch],
    metadata: &Metadata,
    format: Format,
    options: &EmitOptions,
) -> Result<Vec<u8>, Error> {
    let text = with_metadata(&mut branches.to_vec(), metadata, format, |whole| {
        emit_stored(whole, format, options)
    })??;
    // What is written shall be read again.
    check_bytes(&text)?;
    Ok(text)
}

/// Writes a document that has its metadata.
fn emit_stored(whole: &[Branch], format: Format, options: &EmitOptions) -> Result<Vec<u8>, Error> {
    if format == Format::Binary {
        return emit(whole, Format::Json, &EmitOptions { json_indent: options.binary_indent, ..*options });
    }
    if format == Format::Ini {
        ini::check_flat(whole)?;
    }
    emit(whole, format, options)
}

/// What becomes of whole numbers that no integer holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// They are doubles.
    AsTheyFit,
    /// They are refused.
    Exactly,
}

/// Reads a value in JSON that stands alone.
pub(crate) fn load_value(text: &[u8], whole: Whole) -> Result<Value, Error> {
    check_size(text, Format::Json)?;
    json::load_value(text, whole)
}

/// Writes one value, as extracting it prints it.
pub(crate) fn emit_value(value: &Value, format: Format, options: &EmitOptions) -> Result<Vec<u8>, Error> {
    match format {
        Format::Yaml => yaml::emit_value(value),
        Format::Json => json::emit_value(value, options.json_indent),
        Format::Ini => json::emit_value_compact(value),
        Format::Dotenv => Err(Error::Emit {
            message: format!("the dotenv store only supports emitting strings, got {}", value.type_name()),
        }),
        Format::Binary => Err(Error::Emit {
            message: "Binary files are not structured and extracting a single value is not possible"
                .to_owned(),
        }),
    }
}

/// The line of the last key on a way through the document.
pub(crate) fn line_of(input: &[u8], format: Format, path: &[String]) -> Option<usize> {
    match format {
        // JSON is YAML as far as positions go.
        Format::Yaml | Format::Json | Format::Binary => yaml::line_of(input, path),
        Format::Dotenv => dotenv::place_of(input, path).map(|start| line_at(input, start)),
        Format::Ini => ini::place_of(input, path).map(|start| line_at(input, start)),
    }
}

/// The line, from 1, of a byte of a text.
fn line_at(input: &[u8], start: usize) -> usize {
    input[..start].iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Returns true when a plain document already holds what would be read as metadata.
pub(crate) fn has_metadata_entry(branch: &Branch, format: Format) -> bool {
    branch.entries.iter().any(|entry| is_metadata(entry, format))
}

/// The document that a new file starts from in an editor.
#[must_use]
pub fn example(format: Format) -> Vec<Branch> {
    const WELCOME: &str = "Welcome to SOPS! Edit this file as you please!";
    let mut branch = Branch::new();
    match format {
        Format::Yaml | Format::Json => {
            branch.push("hello", WELCOME);
            branch.push("example_key", "example_value");
            branch.push_comment(Comment::line(" Example comment"));
            let texts: Vec<Value> = vec!["example_value1".into(), "example_value2".into()];
            branch.push("example_array", texts);
            branch.push("example_number", 1234.56789);
            branch.push("example_booleans", vec![Value::Bool(true), Value::Bool(false)]);
        }
        Format::Dotenv => {
            branch.push_comment(Comment::line(" This is an example file."));
            branch.push("hello", WELCOME);
            branch.push("example_key", "example_value");
            branch.push("example_multiline", "foo\nbar\nbaz");
        }
        Format::Ini => {
            let mut section = Branch::new();
            section.push_comment(Comment::line("This is an example file."));
            section.push("hello", WELCOME);
            section.push("example_key", "example_value");
            branch.push("Welcome!", section);
        }
        Format::Binary => branch.push("data", WELCOME),
    }
    vec![branch]
}

const ENTRY: &str = "sops";
const PREFIX: &str = "sops_";

/// Only the first document's metadata is read; the entries of later documents are dropped unread.
pub(crate) fn take_metadata(branches: &mut [Branch], format: Format) -> Result<Metadata, Error> {
    let block = match format {
        Format::Dotenv => take_prefixed(branches).map(flatten::unflatten).transpose()?,
        Format::Ini => take_entry(branches)?.map(unescape).map(flatten::unflatten).transpose()?,
        Format::Yaml | Format::Json | Format::Binary => take_entry(branches)?,
    };
    // As the reference has it, an empty block of a YAML file is one all the same.
    let block = block.filter(|block| format == Format::Yaml || !block.entries.is_empty());
    Metadata::from_branch(&block.ok_or(Error::NoMetadata)?)
}

fn take_entry(branches: &mut [Branch]) -> Result<Option<Branch>, Error> {
    let mut found = Vec::new();
    for (index, branch) in branches.iter_mut().enumerate() {
        for entry in std::mem::take(&mut branch.entries) {
            if entry.key.name() != Some(ENTRY) {
                branch.entries.push(entry);
            } else if index == 0 {
                found.push(entry.value);
            }
        }
    }
    let refuse = |message: &str| Err(Error::Metadata { message: message.to_owned() });
    if found.len() > 1 {
        return refuse("Found duplicate sops entry");
    }
    match found.pop() {
        None => Ok(None),
        Some(Value::Branch(block)) => Ok(Some(block)),
        Some(_) => refuse("Found sops entry that is not a mapping"),
    }
}

fn take_prefixed(branches: &mut [Branch]) -> Option<Branch> {
    let branch = branches.first_mut()?;
    let mut block = Branch::new();
    for entry in std::mem::take(&mut branch.entries) {
        match entry.key.name().and_then(|name| name.strip_prefix(PREFIX)) {
            Some(name) => block.push(name, entry.value),
            None => branch.entries.push(entry),
        }
    }
    (!block.entries.is_empty()).then_some(block)
}

/// INI has its metadata written with `\n` for line breaks by the metadata layer itself.
fn unescape(mut block: Branch) -> Branch {
    for entry in &mut block.entries {
        if let Some(text) = entry.value.as_str().map(|text| text.replace("\\n", "\n")) {
            entry.value = text.into();
        }
    }
    block
}

fn escape(mut block: Branch) -> Branch {
    for entry in &mut block.entries {
        if let Some(text) = entry.value.as_str().map(|text| text.replace('\n', "\\n")) {
            entry.value = text.into();
        }
    }
    block
}

/// Does something with a document that has its metadata: every branch gets them, dotenv as prefixed keys.
fn with_metadata<T>(
    branches: &mut [Branch],
    metadata: &Metadata,
    format: Format,
    act: impl FnOnce(&mut [Branch]) -> T,
) -> Result<T, Error> {
    let block = metadata.to_branch();
    let block = match format {
        Format::Dotenv => flatten::flatten(&block)?,
        Format::Ini => escape(flatten::flatten(&block)?),
        Format::Yaml | Format::Json | Format::Binary => block,
    };
    if let Some(index) = branches.iter().position(|branch| has_metadata_entry(branch, format)) {
        return Err(if index == 0 {
            Error::AlreadyEncrypted
        } else {
            Error::LaterAlreadyEncrypted { index: index + 1 }
        });
    }
    for branch in &mut *branches {
        if format == Format::Dotenv {
            for (name, value) in block.named() {
                branch.push(format!("{PREFIX}{name}"), value.clone());
            }
        } else {
            branch.push(ENTRY, block.clone());
        }
    }
    let done = act(branches);
    branches.iter_mut().for_each(|branch| branch.entries.retain(|entry| !is_metadata(entry, format)));
    Ok(done)
}

fn is_metadata(entry: &Entry, format: Format) -> bool {
    entry.key.name().is_some_and(|name| match format {
        Format::Dotenv => name.starts_with(PREFIX),
        _ => name == ENTRY,
    })
}
