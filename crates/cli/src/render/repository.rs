//! The files of a source in memory, as an artifact would hold them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealfast_source::error::Error;
use sealfast_source::tree::{Directory, Entry, Memory};

use super::real;
use crate::diagnostic::Failure;

/// The largest source that is taken, in bytes.
const LARGEST: usize = 1 << 30;

/// A source, and the directory in it that is asked for.
#[derive(Clone)]
pub(crate) struct Repository {
    /// The files.
    pub(crate) tree: Arc<Memory>,
    /// The absolute path of the source.
    pub(crate) root: String,
    /// The directory, relative to the root; empty for the root itself.
    pub(crate) start: String,
}

impl Repository {
    /// Reads the source around a directory.
    pub(crate) fn read(directory: &Path, root: Option<&Path>) -> Result<Self, Failure> {
        let directory = real(directory)?;
        if !directory.is_dir() {
            return Err(Failure::new(format!("`{}` is no directory", directory.display())));
        }
        let root = match root {
            Some(root) => real(root)?,
            None => repository_around(&directory).unwrap_or_else(|| directory.clone()),
        };
        let start = directory.strip_prefix(&root).map_err(|_| {
            Failure::new(format!("`{}` is not below the root `{}`", directory.display(), root.display()))
        })?;
        let start = start.to_string_lossy().into_owned();
        let tree = Memory::read_all(&Directory::new(&root), LARGEST).map_err(|error| {
            let failure = Failure::because(format!("failed to read `{}`", root.display()), &error);
            match error {
                Error::TooLarge { .. } => failure.hint("name a smaller directory with --root"),
                _ => failure,
            }
        })?;
        Ok(Self { tree: Arc::new(tree), root: root.to_string_lossy().into_owned(), start })
    }

    /// Looks at the same source from another of its directories; none when that one lies elsewhere.
    pub(crate) fn seen_from(&self, directory: &Path) -> Option<Self> {
        let directory = real(directory).ok()?;
        let start = directory.strip_prefix(&self.root).ok()?.to_string_lossy().into_owned();
        Some(Self { start, ..self.clone() })
    }

    /// Whether a relative path is a directory of the source.
    pub(super) fn has_directory(&self, path: &str) -> bool {
        path.is_empty() || matches!(self.tree.entries.get(path), Some(Entry::Directory))
    }
}

fn repository_around(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().find(|ancestor| ancestor.join(".git").exists()).map(Path::to_owned)
}
