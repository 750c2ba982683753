//! Golden cases of the build engine: one tree, one command, one output or failure.

mod disk;

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use sealfast_kustomize::engine::{Options, Restriction, attempt};
use sealfast_kustomize::files::join;
use sealfast_kustomize::order::Order;
use sealfast_testkit::golden::{Case, Walk, same};

use crate::disk::Disk;

fn main() -> ExitCode {
    Walk::area("kustomize").only(|case| case.has("cmd.txt")).not_yet(include_str!("not-yet.txt")).run(check)
}

/// Runs a case and compares its outcome.
fn check(case: &Case) -> Result<()> {
    let input = case.dir.canonicalize()?.join("input").to_string_lossy().into_owned();
    let (dir, options) = parse(&case.read("cmd.txt")?);
    let dir = if dir.starts_with('/') { dir } else { join(&input, &dir) };
    match attempt(&Disk, &dir, &options) {
        Ok(built) if case.has("expected.yaml") => {
            if case.has("warnings.txt") {
                same("what is said", case.read("warnings.txt")?.trim_end(), &built.warnings.join("\n"))?;
            }
            same("output", &case.read("expected.yaml")?, &built.to_yaml())
        }
        Ok(built) => bail!("must fail, but gives:\n{}", built.to_yaml()),
        Err(failed) if case.has("expected.yaml") => bail!("fails: {}", failed.error.chain()),
        Err(failed) => {
            let message = failed.error.chain().replace(&input, "${INPUT}");
            for text in case.read("error-contains.txt")?.lines() {
                ensure!(message.contains(text), "lacks: {text}\n in: {message}");
            }
            Ok(())
        }
    }
}

/// Reads the command line of a case.
fn parse(command: &str) -> (String, Options) {
    let mut options = Options { order: Order::Legacy { kinds: None }, ..Options::default() };
    let mut dir = ".".to_owned();
    let mut words = command.split_whitespace().skip(2);
    while let Some(word) = words.next() {
        match word {
            "--load-restrictor" => {
                if words.next() == Some("LoadRestrictionsNone") {
                    options.load = Restriction::None;
                }
            }
            "--reorder" => {
                if words.next() == Some("none") {
                    options.order = Order::Fifo;
                }
            }
            path => path.clone_into(&mut dir),
        }
    }
    (dir, options)
}
