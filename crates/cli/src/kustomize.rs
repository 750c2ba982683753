//! The `kustomize` command line: `build`, `edit`, `version`.
//!
//! Follows: `kustomize` 5.8.1. Data goes to standard output; warnings and errors go to standard error.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::flux::Failed;
use crate::flux::args::{Args, Flag, Kind};
use crate::output;

mod build;
pub(crate) mod describe;
pub(crate) mod disk;
mod edit;
mod remote;

/// The version whose behaviour this command line has.
const VERSION: &str = "v5.8.1";

/// Runs `kustomize ARGS`.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let words: Vec<String> = args.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match dispatch(&words) {
        Ok(code) => code,
        Err(Failed(text)) => {
            output::talk(&format!("Error: {}", text.trim_end()));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[String]) -> Result<ExitCode, Failed> {
    let words = match words.split_first() {
        Some((first, rest)) if first == "--stack-trace" => rest,
        _ => words,
    };
    let Some((verb, rest)) = words.split_first() else { return Ok(output::data(HELP.as_bytes())) };
    match verb.as_str() {
        "build" => build::run(rest),
        "edit" => edit::run(rest),
        "version" => version(rest),
        "completion" => crate::completion::run(rest, describe::described()),
        "help" | "--help" | "-h" => match rest.first().map(String::as_str) {
            Some("build") => build::run(&["--help".to_owned()]),
            Some("edit") => edit::run(&["--help".to_owned()]),
            _ => Ok(output::data(HELP.as_bytes())),
        },
        "cfg" | "create" | "fn" | "localize" | "openapi" => Err(format!(
            "`kustomize {verb}` is not supported by this build; `build`, `completion`, `edit` and `version` are"
        )
        .into()),
        _ => {
            Err(format!("unknown command {verb:?} for \"kustomize\"\nRun 'kustomize --help' for usage.")
                .into())
        }
    }
}

/// Parses the words of a command; the second part is true when help is asked for.
fn parse(words: &[String], flags: &[Flag]) -> Result<(Args, bool), Failed> {
    let mut all = flags.to_vec();
    all.extend([Flag::short("help", 'h', Kind::Switch), Flag::long("stack-trace", Kind::Switch)]);
    let args = Args::parse(words, &all)?;
    let wants_help = args.is_on("help");
    Ok((args, wants_help))
}

fn version(words: &[String]) -> Result<ExitCode, Failed> {
    let flags = [Flag::long("short", Kind::Switch), Flag::short("output", 'o', Kind::Text)];
    let (args, wants_help) = parse(words, &flags)?;
    if wants_help {
        return Ok(output::data(VERSION_HELP.as_bytes()));
    }
    if args.is_on("short") {
        output::talk("Flag --short has been deprecated, and will be removed in the future.");
        if args.filled("output").is_some() {
            return Err("--short and --output are mutually exclusive".into());
        }
        return Ok(output::data(format!("{{{VERSION}  sealfast   }}\n").as_bytes()));
    }
    let facts = serde_json::json!({
        "version": VERSION,
        "gitCommit": format!("sealfast-{}", env!("CARGO_PKG_VERSION")),
        "buildDate": "unknown",
        "goOs": std::env::consts::OS,
        "goArch": match std::env::consts::ARCH { "x86_64" => "amd64", "aarch64" => "arm64", other => other },
    });
    let text = match args.text("output").unwrap_or_default() {
        "yaml" => format!("{}\n", sealfast_yaml::json::to_yaml(&facts)),
        "json" => format!("{facts:#}\n"),
        _ => format!("{VERSION}\n"),
    };
    Ok(output::data(text.as_bytes()))
}

const VERSION_HELP: &str = "\
Prints the version of kustomize whose behaviour this build has.

Usage:
  kustomize version [flags]

Flags:
  -o, --output FORMAT  'yaml' or 'json' instead of the version alone
      --short          the version in braces (old)
";

const HELP: &str = "\
Builds Kubernetes objects from directories with a kustomization.yaml, as kustomize v5.8.1 does.

Usage:
  kustomize [command]

Available Commands:
  build       Build the objects of a directory and print them
  completion  Print a completion script for bash, elvish, fish, powershell or zsh
  edit        Change a kustomization file in the current directory, keeping its layout
  version     Print the version
  help        Print this text or the help of a command

Examples:
  kustomize build overlays/production
  kustomize build overlays/production -o production.yaml
  kustomize edit set image nginx=nginx:1.29

Use \"kustomize [command] --help\" for more information about a command.
";
