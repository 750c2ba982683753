//! `flux envsubst`: variables of the environment put into standard input.
//!
//! Follows: `flux` 2.9. Differs: a line may be longer than 64 KiB.

use std::io::{BufRead as _, Read as _};
use std::process::ExitCode;

use sealfast_kustomize::substitute::{self, Unset, Variables};

use super::args::{Args, Flag, Kind};
use super::{Failed, help, wants_help};
use crate::{env, output};

pub(super) const FLAGS: &[Flag] = &[Flag::long("strict", Kind::Switch)];

pub(super) const HELP: &str = "\
Put the values of environment variables into what comes on standard input.
Only names in braces are looked at: ${NAME}, ${NAME:-default} and the other forms of post-build substitution.
$${NAME} writes a plain ${NAME}.

Usage:
  flux envsubst [--strict]

Flags:
      --strict   fail when a variable without a default is not set

Examples:
  export cluster_region=eu-central-1
  kustomize build . | flux envsubst
  kustomize build . | flux envsubst --strict
";

/// The longest line, in bytes.
const LONGEST: u64 = 64 << 20;

/// Runs the command. What stands before a line that fails is printed.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if let Some(word) = args.names.first() {
        return Err(format!("unknown command {word:?} for \"flux envsubst\"").into());
    }
    let unset = if args.is_on("strict") { Unset::Refused } else { Unset::Empty };
    let variables = env::all();
    let mut input = std::io::stdin().lock();
    let mut number = 0;
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        number += 1;
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST {
            return Err(format!("line {number} is longer than {LONGEST} bytes").into());
        }
        if let Err(code) = output::part(&expanded(line, number, &variables, unset)?) {
            return Ok(code);
        }
    }
}

fn expanded(
    mut line: Vec<u8>,
    number: usize,
    variables: &Variables,
    unset: Unset,
) -> Result<Vec<u8>, Failed> {
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    if line.contains(&b'$') {
        let text = String::from_utf8(line).map_err(|_| format!("line {number} is not UTF-8"))?;
        let text = substitute::text(&text, variables, unset).map_err(|error| Failed(error.chain()))?;
        line = text.into_bytes();
    }
    line.push(b'\n');
    Ok(line)
}
