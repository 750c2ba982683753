//! Talk on standard output on the way, and questions that end with y or n.

use std::io::{ErrorKind, Write as _};

use crate::answer;
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
        let line = answer::line().map_err(|wrong| Stop::new(wrong.to_string()))?;
        match line.as_deref().map(<[u8]>::trim_ascii) {
            Some(b"y") => return Ok(true),
            Some(b"n") => return Ok(false),
            Some(b"") => return Err(Stop::new("unexpected newline")),
            Some(_) => {}
            None => return Err(Stop::new("EOF")),
        }
    }
}
