//! The `sops` command line, and the same verbs as our own.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::diagnostic::Failure;

/// Whose command line and layout is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presentation {
    /// Our own verbs and messages.
    Native,
    /// The exact command line of `sops`.
    AsSops,
}

/// Runs `sops ARGS`, or `sealfast ARGS` for one of its verbs.
pub(crate) fn run(args: Vec<OsString>, _presentation: Presentation) -> ExitCode {
    Failure::new(format!(
        "unknown command `{}`",
        args.first().map_or("".into(), |word| word.to_string_lossy())
    ))
    .report()
}
