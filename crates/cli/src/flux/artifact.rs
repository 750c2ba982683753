//! `flux push|pull|tag|diff artifact`, `flux list artifacts`: only their arguments.
//!
//! Differs: no registry is spoken to; a right command line is answered with that.

use std::process::ExitCode;

use super::args::{Args, Flag, Kind};
use super::{Failed, help, image, parse, verbs, wants_help};
use crate::sops::files;

pub(super) const HELP: &str = "\
Check the arguments for OCI artifacts. Sealfast delivers from Git and speaks to no registry: what is right is refused with
that, for Flux's own program to do.

Usage:
  flux push artifact oci://HOST/REPOSITORY:TAG --path PATH --source URL --revision REVISION [flags]
  flux pull artifact oci://HOST/REPOSITORY:TAG --output DIR [flags]
  flux tag artifact oci://HOST/REPOSITORY:TAG --tag TAG [flags]
  flux list artifacts oci://HOST/REPOSITORY [flags]
  flux diff artifact oci://HOST/REPOSITORY:TAG --path PATH [flags]

Flags:
  -f, --path PATH            file or directory to push, - for standard input
      --source URL           where the content comes from
      --revision REVISION    BRANCH@sha1:COMMIT
  -a, --annotations KEY=VALUE
  -o, --output               for pull an existing directory; for push json or yaml
      --tag TAG              name to add
      --creds USER:PASSWORD, --provider generic|aws|azure|gcp, --insecure-registry

Examples:
  flux push artifact oci://ghcr.io/my-org/app:v1 --path=. --source=https://github.com/my-org/app --revision=main@sha1:0f1e
";

const COMMON: [Flag; 2] = [Flag::long("creds", Kind::Text), Flag::long("provider", Kind::Checked(provider))];

const INSECURE: Flag = Flag::long("insecure-registry", Kind::Switch);

const PUSH: [Flag; 11] = [
    INSECURE,
    Flag::short("path", 'f', Kind::Text),
    Flag::long("source", Kind::Text),
    Flag::long("revision", Kind::Text),
    Flag::long("ignore-paths", Kind::List),
    Flag::long("add-ignore-paths", Kind::List),
    Flag::short("annotations", 'a', Kind::Text),
    Flag::short("output", 'o', Kind::Text),
    Flag::long("debug", Kind::Switch),
    Flag::long("reproducible", Kind::Switch),
    Flag::long("resolve-symlinks", Kind::Switch),
];

const LIST: [Flag; 3] =
    [INSECURE, Flag::long("filter-semver", Kind::Text), Flag::long("filter-regex", Kind::Text)];

const DIFF: [Flag; 4] = [
    INSECURE,
    Flag::long("path", Kind::Text),
    Flag::long("ignore-paths", Kind::List),
    Flag::long("add-ignore-paths", Kind::List),
];

type Check = fn(&Args) -> Result<(), Failed>;

/// Runs `flux VERB artifact`.
pub(super) fn run(verb: &str, words: &[&str], rest: &[String]) -> Result<ExitCode, Failed> {
    match words {
        ["artifact"] => {}
        ["artifacts"] if verb == "list" => {}
        words => return Err(verbs::unknown(words, verb)),
    }
    let (flags, check): (&[Flag], Check) = match verb {
        "push" => (&PUSH, push),
        "pull" => (&[INSECURE, Flag::short("output", 'o', Kind::Text)], pull),
        "tag" => (&[Flag::long("tag", Kind::List)], tag),
        "diff" => (&DIFF, diff),
        _ => (&LIST, list),
    };
    let args = parse(rest, &[flags, &COMMON].concat())?;
    if wants_help(&args) {
        return Ok(help(HELP));
    }
    check(&args)?;
    Err(format!("OCI artifacts are out of scope here: the arguments are right, run this `flux {verb}` with Flux's own program").into())
}

fn push(args: &Args) -> Result<(), Failed> {
    let url = args.names.first().ok_or("artifact URL is required")?;
    for flag in ["source", "revision"] {
        args.filled(flag).ok_or_else(|| format!("--{flag} is required"))?;
    }
    let path = args.filled("path").ok_or("invalid path \"\"")?;
    image::artifact(url)?;
    if path != "-"
        && let Err(error) = std::fs::metadata(path)
    {
        let why = format!("stat {path}: {}", files::reason(&error));
        return Err(
            format!("invalid path '{path}', must point to an existing directory or file: {why}").into()
        );
    }
    match args.list("annotations").iter().find(|pair| pair.matches('=').count() != 1) {
        Some(pair) => Err(format!("invalid annotation {pair}, must be in the format key=value").into()),
        None => Ok(()),
    }
}

fn pull(args: &Args) -> Result<(), Failed> {
    let url = args.names.first().ok_or("artifact URL is required")?;
    let folder = args.filled("output").ok_or("output path cannot be empty")?;
    let why = match std::fs::metadata(folder) {
        Ok(about) if about.is_dir() => None,
        Ok(_) => Some("it is no directory".to_owned()),
        Err(error) => Some(format!("stat {folder}: {}", files::reason(&error))),
    };
    if let Some(why) = why {
        return Err(format!("invalid output path {folder:?}: {why}").into());
    }
    image::artifact(url).map(drop)
}

fn tag(args: &Args) -> Result<(), Failed> {
    let url = args.names.first().ok_or("artifact name is required")?;
    if args.list("tag").is_empty() {
        return Err("--tag is required".into());
    }
    image::artifact(url).map(drop)
}

fn diff(args: &Args) -> Result<(), Failed> {
    let url = args.names.first().ok_or("artifact URL is required")?;
    let path = args.filled("path").ok_or("invalid path \"\"")?;
    image::artifact(url)?;
    if std::fs::metadata(path).is_err() {
        return Err(format!("invalid path '{path}', must point to an existing directory or file").into());
    }
    Ok(())
}

fn list(args: &Args) -> Result<(), Failed> {
    let url = args.names.first().ok_or("artifact repository URL is required")?;
    image::artifact(url).map(drop)
}

fn provider(text: &str) -> Result<(), String> {
    const KNOWN: [&str; 4] = ["generic", "aws", "azure", "gcp"];
    if text.trim().is_empty() {
        return Err("no source OCI provider given, please specify the OCI provider name".to_owned());
    }
    if KNOWN.contains(&text) {
        return Ok(());
    }
    Err(format!("source OCI provider '{text}' is not supported, must be one of: {}", KNOWN.join(", ")))
}
