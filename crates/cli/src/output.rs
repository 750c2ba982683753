//! Standard output for data, standard error for talk; a closed pipe is no error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

/// Writes data to standard output; the exit code is success, also when the reader has gone.
pub(crate) fn data(bytes: &[u8]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(gone) if gone.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes one line to standard error; there is nowhere to report its failure.
pub(crate) fn talk(line: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{line}");
}

/// Prints help to standard output or a usage mistake to standard error, as clap rendered it.
pub(crate) fn usage(usage: &clap::Error) {
    let _ = usage.print();
}

/// Returns true when progress may be drawn over and over: standard error is a terminal.
pub(crate) fn shows_progress() -> bool {
    std::io::stderr().is_terminal()
}
