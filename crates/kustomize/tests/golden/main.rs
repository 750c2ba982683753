//! Golden cases of the build engine: one tree, one command, one output or failure.

#![expect(clippy::unwrap_used, reason = "tests")]

mod disk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use sealfast_kustomize::engine::{Options, Restriction, build};
use sealfast_kustomize::files::join;
use sealfast_kustomize::order::Order;

use crate::disk::Disk;

fn main() -> ExitCode {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/kustomize").canonicalize().unwrap();
    let listed: Vec<String> = include_str!("not-yet.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": ").map(|(name, _)| name.to_owned()))
        .collect();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&golden)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("cmd.txt").exists())
        .collect();
    cases.sort();
    let names: Vec<String> =
        cases.iter().map(|case| case.file_name().unwrap().to_string_lossy().into_owned()).collect();
    for name in &listed {
        assert!(names.contains(name), "not-yet.txt names {name}, which is no case");
    }
    let trials = cases
        .into_iter()
        .zip(names)
        .map(|(case, name)| {
            let is_listed = listed.contains(&name);
            Trial::test(name, move || match (check(&case), is_listed) {
                (Ok(()), true) => Err(Failed::from("passes, but is listed in not-yet.txt")),
                (Err(_), true) | (Ok(()), false) => Ok(()),
                (Err(difference), false) => Err(Failed::from(difference)),
            })
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Runs a case and returns what is wrong with its outcome.
fn check(case: &Path) -> Result<(), String> {
    let command = std::fs::read_to_string(case.join("cmd.txt")).unwrap();
    let input = case.join("input");
    let (dir, options) = parse(&command);
    let dir = if dir.starts_with('/') { dir } else { join(input.to_str().unwrap(), &dir) };
    let outcome = build(&Disk, &dir, &options);
    let expected = case.join("expected.yaml");
    match outcome {
        Ok(built) if expected.exists() => {
            let warnings = case.join("warnings.txt");
            if warnings.exists() {
                let wanted = std::fs::read_to_string(warnings).unwrap();
                same(wanted.trim_end(), &built.warnings.join("\n"))?;
            }
            same(&std::fs::read_to_string(expected).unwrap(), &built.to_yaml())
        }
        Ok(built) => Err(format!("must fail, but gives:\n{}", built.to_yaml())),
        Err(error) if expected.exists() => Err(format!("fails: {}", error.chain())),
        Err(error) => {
            let message = error.chain().replace(input.to_str().unwrap(), "${INPUT}");
            let wanted = std::fs::read_to_string(case.join("error-contains.txt")).unwrap();
            let missing = wanted.lines().find(|text| !message.contains(text));
            missing.map_or(Ok(()), |text| Err(format!("lacks: {text}\n in: {message}")))
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

fn same(wanted: &str, found: &str) -> Result<(), String> {
    if wanted == found {
        return Ok(());
    }
    let mut lines = wanted.lines().zip(found.lines()).enumerate();
    let place = lines.find(|(_, (wanted, found))| wanted != found);
    Err(match place {
        Some((at, (wanted_line, found_line))) => {
            format!("line {}:\n  wanted {wanted_line:?}\n  found  {found_line:?}\n{found}", at + 1)
        }
        None => format!("one is longer:\n--- wanted\n{wanted}\n--- found\n{found}"),
    })
}
