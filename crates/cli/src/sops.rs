//! The `sops` command line, and the same verbs as our own.
//!
//! One table of commands and flags serves two presentations: the exact command line of `sops` (flags before file
//! names, legacy spellings without a verb, its messages) and our own (flags anywhere, errors with hints).
//!
//! Follows: `cmd/sops` of sops 3.13.2.

use std::ffi::OsString;
use std::process::ExitCode;

mod ask;
mod audit;
mod batch;
mod call;
pub(crate) mod child;
mod crypt;
mod decrypt;
mod edit;
mod encrypt;
mod exec;
mod file_status;
pub(crate) mod files;
mod flags;
mod groups;
pub(crate) mod help;
mod hold;
mod key_service;
pub(crate) mod keyring;
mod legacy;
mod log;
mod manifest;
mod nearby;
mod publish;
mod rotate;
mod set;
mod settings;
mod stop;
mod table;
mod update_keys;
mod version;
mod walk;

use call::Call;
use stop::Stop;

/// Whose command line and layout is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presentation {
    /// Our own verbs and messages.
    Native,
    /// The exact command line of `sops`.
    AsSops,
}

/// Runs `sops ARGS`, or `sealfast ARGS` for one of its verbs.
pub(crate) fn run(args: Vec<OsString>, presentation: Presentation) -> ExitCode {
    match start(args, presentation) {
        Ok(code) => code,
        Err(stop) => stop.report(presentation),
    }
}

fn start(args: Vec<OsString>, presentation: Presentation) -> Result<ExitCode, Stop> {
    let args = args
        .into_iter()
        .map(|arg| arg.into_string().map_err(|arg| Stop::new(format!("argument {arg:?} is not UTF-8"))))
        .collect::<Result<Vec<_>, _>>()?;
    let call = match presentation {
        Presentation::AsSops => Call::as_sops(args)?,
        Presentation::Native => Call::native(args)?,
    };
    call.run()
}
