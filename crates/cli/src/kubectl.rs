//! The `kubectl` command line.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::diagnostic::Failure;

/// Runs `kubectl ARGS`.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    Failure::new(format!(
        "unknown command `{}`",
        args.first().map_or("".into(), |word| word.to_string_lossy())
    ))
    .report()
}
