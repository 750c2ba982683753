//! The files of a source, as an artifact would hold them.
//!
//! What Git ignores, and what `.sourceignore` files and `spec.ignore` of the source leave out, is not there. Only names are read at first.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use sealfast_kustomize::files::join;
use sealfast_source::error::Error;
use sealfast_source::ignore::Rules;
use sealfast_source::lookup::{Listed, Lookup};
use sealfast_source::tree::{Directory, Item, Kind, Tree as _};

use super::real;
use crate::diagnostic::Failure;

/// A source, and the directory in it that is asked for.
#[derive(Clone)]
pub(crate) struct Repository {
    /// The files.
    pub(crate) tree: Arc<dyn Lookup>,
    /// The absolute path of the source.
    pub(crate) root: String,
    /// The directory, relative to the root; empty for the root itself.
    pub(crate) start: String,
    work_tree: Arc<WorkTree>,
}

/// All that lies there, and what sources with different `spec.ignore` have of it.
struct WorkTree {
    files: Directory,
    items: Vec<Item>,
    trees: Mutex<HashMap<String, Arc<dyn Lookup>>>,
}

impl WorkTree {
    fn list(root: &Path) -> Result<Self, Error> {
        let files = Directory::new(root).as_committed();
        let items = files.list()?;
        Ok(Self { files, items, trees: Mutex::default() })
    }

    fn without(&self, ignore: &str) -> Result<Arc<dyn Lookup>, Error> {
        let mut trees = self.trees.lock();
        if let Some(tree) = trees.get(ignore) {
            return Ok(Arc::clone(tree));
        }
        let rules = Rules::collect(&self.files, &self.items, Some(ignore))?;
        let tree: Arc<dyn Lookup> = Arc::new(Listed::new(self.files.clone(), &self.items, &rules));
        trees.insert(ignore.to_owned(), Arc::clone(&tree));
        Ok(tree)
    }
}

impl Repository {
    /// Lists the source around a directory.
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
        let failed = |error: Error| Failure::because(format!("failed to read `{}`", root.display()), &error);
        let work_tree = WorkTree::list(&root).map_err(failed)?;
        let tree = work_tree.without("").map_err(failed)?;
        let root = root.to_string_lossy().into_owned();
        Ok(Self { tree, root, start, work_tree: Arc::new(work_tree) })
    }

    /// Returns the same source as its `spec.ignore` leaves it.
    pub(crate) fn without(&self, ignore: &str) -> Result<Self, Failure> {
        let failed = |error: Error| Failure::because(format!("failed to read `{}`", self.root), &error);
        Ok(Self { tree: self.work_tree.without(ignore).map_err(failed)?, ..self.clone() })
    }

    /// Looks at the same source from another of its directories; none when that one lies elsewhere.
    pub(crate) fn seen_from(&self, directory: &Path) -> Option<Self> {
        let directory = real(directory).ok()?;
        let start = directory.strip_prefix(&self.root).ok()?.to_string_lossy().into_owned();
        Some(Self { start, ..self.clone() })
    }

    /// Returns the first link of the work tree that a message names with its whole path; the outcome is that below the root.
    pub(super) fn link_in(&self, message: &str) -> Option<&str> {
        let links = self.work_tree.items.iter().filter(|item| item.kind == Kind::Link);
        links.map(|item| item.path.as_str()).find(|link| names(message, &join(&self.root, link)))
    }

    /// Whether a relative path is a directory of the source.
    pub(super) fn has_directory(&self, path: &str) -> bool {
        path.is_empty() || self.tree.kind(path) == Some(Kind::Directory)
    }
}

/// Whether a path stands in a message, and not only as part of a longer name.
fn names(message: &str, path: &str) -> bool {
    let is_of_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_');
    message.match_indices(path).any(|(at, _)| {
        let (before, behind) = (&message[..at], &message[at + path.len()..]);
        !before.ends_with(is_of_name) && !behind.starts_with(is_of_name)
    })
}

fn repository_around(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().find(|ancestor| ancestor.join(".git").exists()).map(Path::to_owned)
}
