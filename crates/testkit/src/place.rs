//! Where the workspace and its recorded cases lie.

use std::path::{Path, PathBuf};

/// Returns the root folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or_else(|| here.to_path_buf(), Path::to_path_buf)
}

/// Returns the folder of recorded cases of an area, as `golden("sops")`.
#[must_use]
pub fn golden(area: &str) -> PathBuf {
    root().join("golden").join(area)
}

/// Returns a folder of the recordings beside the workspace from which `golden/` was copied, when it is there.
#[must_use]
pub fn recordings(area: &str) -> Option<PathBuf> {
    let beside = root().parent()?.join("shared").join(area);
    beside.is_dir().then_some(beside)
}
