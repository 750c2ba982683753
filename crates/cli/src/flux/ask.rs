//! A question to the person.

use super::Failed;
use crate::{answer, output};

/// Asks on standard output, as flux does; `y` and `Y` agree, as there. Who cannot read the question cannot agree.
pub(super) fn agrees(question: &str) -> Result<bool, Failed> {
    if output::part(format!("{question}? [y/N] ").as_bytes()).is_err() {
        return Ok(false);
    }
    let answer = answer::line()?.unwrap_or_default();
    let is_told = output::part(b"\n").is_ok();
    Ok(is_told && answer.trim_ascii().eq_ignore_ascii_case(b"y"))
}
