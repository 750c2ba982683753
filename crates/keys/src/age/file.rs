//! The armored age file around one data key.

use std::io::Write as _;

use ::age::Encryptor;
use ::age::armor::{ArmoredWriter, Format};

use crate::error::Error;

/// Writes an armored age file for one recipient.
pub(super) fn write(recipient: &dyn ::age::Recipient, content: &[u8]) -> Result<String, Error> {
    let failed = |reason: String| Error::AgeWrap { reason };
    let io = |error: std::io::Error| failed(error.to_string());
    let encryptor =
        Encryptor::with_recipients(std::iter::once(recipient)).map_err(|error| failed(error.to_string()))?;
    let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).map_err(io)?;
    let mut writer = encryptor.wrap_output(armor).map_err(io)?;
    writer.write_all(content).map_err(io)?;
    let bytes = writer.finish().and_then(ArmoredWriter::finish).map_err(io)?;
    let mut text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
