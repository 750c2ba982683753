//! The errands of the workspace: `cargo xtask test`.
//!
//! `cargo xtask test [ARGS]` makes sure of the programs that tests call, by apt-get where that is allowed, runs every test
//! (`cargo test --workspace --no-fail-fast ARGS`) and ends with a summary.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an errand talks to the person who runs it")]

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

mod programs;
mod tests;

const HELP: &str = "\
The errands of the workspace.

  cargo xtask test [ARGS]    get what the tests need, run all of them; ARGS go to `cargo test`
                             (as in: cargo xtask test -p sealfast-keys)
  cargo xtask help           this text";

fn main() -> ExitCode {
    let mut args: Vec<OsString> = env::args_os().skip(1).collect();
    let verb = if args.is_empty() { OsString::from("help") } else { args.remove(0) };
    match verb.to_str() {
        Some("test") => {
            let missing = programs::provide();
            tests::run(&args, &missing)
        }
        Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("error: there is no errand `{}`\n\n{HELP}", verb.display());
            ExitCode::FAILURE
        }
    }
}
