//! Kustomizations of local directories: what `build` and `diff` have in common.

use std::path::{Path, PathBuf};

use super::Failed;
use super::args::{Args, Flag, Kind, pairs};

mod fence;
mod ignored;
pub(super) mod mask;
mod opened;
pub(super) mod plan;
pub(super) mod subject;

/// Flags of every local build.
const FLAGS: &[Flag] = &[
    Flag::long("path", Kind::Text),
    Flag::long("kustomization-file", Kind::Text),
    Flag::long("ignore-paths", Kind::List),
    Flag::long("strict-substitute", Kind::Switch),
    Flag::short("recursive", 'r', Kind::Switch),
    Flag::long("local-sources", Kind::Checked(pairs)),
    Flag::long("in-memory-build", Kind::Switch),
    Flag::long("allow-remote", Kind::List),
];

/// Parses the words of a command that builds, which has flags of its own, too.
pub(super) fn parse(words: &[String], own: &[Flag]) -> Result<Args, Failed> {
    super::parse(words, &[FLAGS, own].concat())
}

/// The file of `--kustomization-file`, which must be there.
pub(super) fn kustomization_file(args: &Args) -> Result<Option<PathBuf>, Failed> {
    let Some(file) = args.filled("kustomization-file") else { return Ok(None) };
    let path = Path::new(file);
    if !path.exists() || path.is_dir() {
        return Err(format!("invalid kustomization file {file:?}").into());
    }
    Ok(Some(path.to_owned()))
}
