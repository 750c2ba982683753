//! `flux build artifact`: the manifests of a directory, or one file, in an archive.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use sealfast_source::archive;
use sealfast_source::digest::Algorithm;
use sealfast_source::ignore::{self, Rules};
use sealfast_source::tree::{Directory, Entry, Memory, Tree};

use super::args::{Args, Flag, Kind};
use super::{Failed, help, told, wants_help};
use crate::output;
use crate::replace;
use crate::sops::files;

pub(super) const FLAGS: &[Flag] = &[
    Flag::short("path", 'p', Kind::Text),
    Flag::short("output", 'o', Kind::Text),
    Flag::long("ignore-paths", Kind::List),
    Flag::long("add-ignore-paths", Kind::List),
    Flag::long("resolve-symlinks", Kind::Switch),
];

pub(super) const HELP: &str = "\
Pack the manifests of a directory, or a single file, into an archive as Flux's controllers take it.

Usage:
  flux build artifact --path PATH [flags]

Flags:
  -p, --path PATH                 directory or file, - for standard input
  -o, --output FILE               where the archive is written (default artifact.tgz)
      --ignore-paths PATTERNS     leave out what matches, in the words of .gitignore, instead of pictures and Git's files
      --add-ignore-paths PATTERNS leave out this, too

Examples:
  flux build artifact --path ./path/to/local/manifests --output ./path/to/artifact.tgz
  flux build artifact --path ./path/to/local/manifest.yaml --output ./path/to/artifact.tgz
";

const OUTPUT: &str = "artifact.tgz";
/// What standard input is called in the archive.
const STDIN: &str = "stdin.yaml";
/// The largest file that is packed alone, in bytes.
const LARGEST: u64 = 256 << 20;

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let given = args.filled("path").ok_or("invalid path \"\"")?;
    if given != "-" && !Path::new(given).exists() {
        let why = format!("invalid path '{given}', must point to an existing directory or file");
        return Err(why.into());
    }
    if args.is_on("resolve-symlinks") {
        return Err("--resolve-symlinks is not supported: copy the directory with `cp -RL` first".into());
    }
    let target = args.filled("output").unwrap_or(OUTPUT);
    output::talk(&format!("► building artifact from {given}"));
    let bytes = packed(given, args)?;
    replace::file(Path::new(target), &bytes)
        .map_err(|error| format!("building artifact failed, error: {target}: {}", files::reason(&error)))?;
    output::talk(&format!("✔ artifact created at {target}"));
    Ok(ExitCode::SUCCESS)
}

fn packed(given: &str, args: &Args) -> Result<Vec<u8>, Failed> {
    let failed = |why: String| Failed(format!("building artifact failed, error: {why}"));
    let path = Path::new(given);
    let tree: Box<dyn Tree> = if path.is_dir() {
        Box::new(Directory::new(path))
    } else {
        let name = path.file_name().filter(|_| given != "-").map(|name| name.to_string_lossy().into_owned());
        let mut memory = Memory::default();
        let bytes = content(given).map_err(|error| failed(files::reason(&error)))?;
        memory.add(name.as_deref().unwrap_or(STDIN), Entry::File { bytes, executable: false });
        Box::new(memory)
    };
    let mut patterns: Vec<&str> = match args.text("ignore-paths") {
        Some(_) => args.list("ignore-paths").iter().map(String::as_str).collect(),
        None => ignore::VERSION_CONTROL.into_iter().chain(ignore::BINARIES).collect(),
    };
    patterns.extend(args.list("add-ignore-paths").iter().map(String::as_str));
    let mut bytes = Vec::new();
    let rules = Rules::only(&patterns.join("\n"));
    archive::pack_by(&*tree, &rules, &mut bytes, Algorithm::Sha256).map_err(|error| failed(told(&error)))?;
    Ok(bytes)
}

fn content(given: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match given {
        "-" => std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?,
        path => std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?,
    };
    if read as u64 > LARGEST {
        return Err(std::io::Error::other("it is larger than 256 MiB"));
    }
    Ok(bytes)
}
