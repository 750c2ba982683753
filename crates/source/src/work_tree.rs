//! What Git keeps of a work tree: what it tracks, and what it does not ignore.

use std::path::{Path, PathBuf};

use gix::bstr::BStr;
use gix::index::entry::Mode;
use gix::worktree::stack::state::ignore::Source;

use crate::error::{Error, chain};

/// The repository around a directory.
pub(crate) struct WorkTree {
    root: PathBuf,
    repository: gix::Repository,
    /// The directory, seen from the root of the work tree; empty for the root itself.
    prefix: String,
}

impl WorkTree {
    /// Finds the work tree around a directory; none where there is none.
    pub(crate) fn around(directory: &Path) -> Result<Option<Self>, Error> {
        let directory = directory.canonicalize().map_err(Error::file("open", directory))?;
        let Some(root) = directory.ancestors().find(|above| is_root(&above.join(".git"))) else {
            return Ok(None);
        };
        let repository = gix::open_opts(root, gix::open::Options::isolated()).map_err(unasked(root))?;
        let prefix = directory.strip_prefix(root).unwrap_or(Path::new("")).to_string_lossy().into_owned();
        Ok(Some(Self { root: root.to_owned(), repository, prefix }))
    }

    /// Begins to ask what is ignored.
    pub(crate) fn ignored(&self) -> Result<Ignored<'_>, Error> {
        let index = self.repository.index_or_empty().map_err(unasked(&self.root))?;
        let source = Source::WorktreeThenIdMappingIfNotSkipped;
        let excludes = self.repository.excludes(&index, None, source).map_err(unasked(&self.root))?;
        Ok(Ignored { work_tree: self, index, excludes })
    }
}

/// A repository, or the file that names one elsewhere.
fn is_root(git: &Path) -> bool {
    git.is_file() || git.join("HEAD").exists()
}

/// Answers what is ignored, one path after the other.
pub(crate) struct Ignored<'a> {
    work_tree: &'a WorkTree,
    index: gix::worktree::Index,
    excludes: gix::AttributeStack<'a>,
}

impl Ignored<'_> {
    /// Whether Git would leave the path (relative to the directory that was asked about) alone.
    pub(crate) fn leaves_out(&mut self, path: &str, is_directory: bool) -> Result<bool, Error> {
        let WorkTree { root, prefix, .. } = self.work_tree;
        let path = if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") };
        let mode = if is_directory { Mode::DIR } else { Mode::FILE };
        let asked = self.excludes.at_entry(path.as_str(), Some(mode)).map_err(unasked(root))?;
        Ok(asked.is_excluded() && !self.is_tracked(path.as_str().into(), is_directory))
    }

    /// What was once added stays, whatever the patterns say.
    fn is_tracked(&self, path: &BStr, is_directory: bool) -> bool {
        if is_directory {
            self.index.path_is_directory(path)
        } else {
            self.index.entry_by_path(path).is_some()
        }
    }
}

fn unasked(root: &Path) -> impl FnOnce(gix::Error) -> Error {
    move |error| Error::WorkTree { path: root.to_owned(), text: chain(&error) }
}
