//! A question to the person.

use super::Failed;
use crate::output;

/// Asks on standard output, as flux does; `y` and `Y` agree, as there.
pub(super) fn agrees(question: &str) -> Result<bool, Failed> {
    output::data(format!("{question}? [y/N] ").as_bytes());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Failed::from_error(&error))?;
    output::data(b"\n");
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
