//! Is a text an encrypted document, a clear one, or a damaged encrypted one?

use crate::document::Encrypted;
use crate::error::Error;
use crate::store::Format;

/// What a text is.
#[derive(Debug)]
pub enum State {
    /// It reads as an encrypted document with version and MAC.
    Encrypted,
    /// It is no encrypted document.
    Clear,
    /// It carries the marks of an encrypted document and does not read as one.
    Damaged(Error),
}

/// Tells what a text is.
#[must_use]
pub fn state(input: &[u8], format: Format) -> State {
    // Most files are not encrypted, and need no parsing to tell.
    if !contains(input, b"sops") {
        return State::Clear;
    }
    match Encrypted::load(input, format).and_then(|document| document.check_complete()) {
        Ok(()) => State::Encrypted,
        Err(Error::NoMetadata) => State::Clear,
        Err(wrong) if has_marks(input, format) => State::Damaged(wrong),
        Err(_) => State::Clear,
    }
}

/// Returns true when the input reads as an encrypted document with version and MAC.
#[must_use]
pub fn is_encrypted(input: &[u8], format: Format) -> bool {
    matches!(state(input, format), State::Encrypted)
}

impl Encrypted {
    /// Checks that there is a version and a MAC.
    ///
    /// # Errors
    /// [`Error::Metadata`] with the field that is missing.
    pub fn check_complete(&self) -> Result<(), Error> {
        let metadata = self.metadata();
        for (name, text) in [("version", &metadata.version), ("mac", &metadata.mac)] {
            if text.is_empty() {
                return Err(Error::Metadata { message: format!("`{name}` is missing") });
            }
        }
        Ok(())
    }
}

/// Does a text look as if metadata stood in it, and not a text that only speaks of them?
fn has_marks(input: &[u8], format: Format) -> bool {
    if !contains(input, b"ENC[AES256_GCM,") && !contains(input, b"lastmodified") {
        return false;
    }
    let has_line = |start: &[u8]| input.split(|byte| *byte == b'\n').any(|line| line.starts_with(start));
    match format {
        Format::Yaml => has_line(b"sops:") || is_object(input),
        Format::Json | Format::Binary => is_object(input),
        Format::Dotenv => has_line(b"sops_"),
        Format::Ini => has_line(b"[sops]"),
    }
}

/// An object, maybe behind the first mark of a merge conflict.
fn is_object(input: &[u8]) -> bool {
    let start = input.trim_ascii_start();
    (start.starts_with(b"{") || start.starts_with(b"<<<<<<< ")) && contains(input, b"\"sops\"")
}

fn contains(input: &[u8], part: &[u8]) -> bool {
    input.windows(part.len()).any(|text| text == part)
}
