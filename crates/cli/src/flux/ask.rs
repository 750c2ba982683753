//! A question to the person.

use std::io::{BufRead as _, Read as _};

use super::Failed;
use crate::output;

/// More than anybody types.
const LONGEST: u64 = 1 << 10;

/// Asks on standard output, as flux does; `y` and `Y` agree, as there. Who cannot read the question cannot agree.
pub(super) fn agrees(question: &str) -> Result<bool, Failed> {
    if output::part(format!("{question}? [y/N] ").as_bytes()).is_err() {
        return Ok(false);
    }
    let mut answer = Vec::new();
    let read = std::io::stdin().lock().take(LONGEST).read_until(b'\n', &mut answer);
    read?;
    let is_told = output::part(b"\n").is_ok();
    Ok(is_told && answer.trim_ascii().eq_ignore_ascii_case(b"y"))
}
