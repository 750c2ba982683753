//! Talk on standard output on the way, and questions that end with y or n.

use std::io::{BufRead as _, ErrorKind, Write as _};

use crate::sops::stop::{Code, Stop};

/// Shows a text; that nobody reads it any more is no error.
pub(super) fn show(text: &str) -> Result<(), Stop> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(wrong) if wrong.kind() != ErrorKind::BrokenPipe => {
            Err(Stop::new(wrong.to_string()).code(Code::CouldNotWriteOutput))
        }
        _ => Ok(()),
    }
}

/// Asks until the answer is y or n.
pub(super) fn yes_or_no(question: &str) -> Result<bool, Stop> {
    loop {
        show(question)?;
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).unwrap_or_default();
        match line.trim() {
            "y" => return Ok(true),
            "n" => return Ok(false),
            "" => return Err(Stop::new(if read == 0 { "EOF" } else { "unexpected newline" })),
            _ => {}
        }
    }
}
