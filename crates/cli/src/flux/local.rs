//! Kustomizations of local directories: what `build` and `diff` have in common.

use std::path::{Path, PathBuf};

use super::Failed;
use super::args::Args;

mod fence;
mod ignored;
pub(super) mod mask;
pub(super) mod plan;
pub(super) mod subject;

/// The file of `--kustomization-file`, which must be there.
pub(super) fn kustomization_file(args: &Args) -> Result<Option<PathBuf>, Failed> {
    let Some(file) = args.filled("kustomization-file") else { return Ok(None) };
    let path = Path::new(file);
    if !path.exists() || path.is_dir() {
        return Err(format!("invalid kustomization file {file:?}").into());
    }
    Ok(Some(path.to_owned()))
}
