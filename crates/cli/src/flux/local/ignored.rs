//! What `.sourceignore` files and `--ignore-paths` leave out of a build.
//!
//! Only the files of folders on the way to a manifest are read, as the build comes to them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sealfast_kustomize::files::{Entry, FileError, Files as _, join};
use sealfast_source::ignore::{FILE, Rules};

use super::fence::Fence;

/// The patterns that hold for one directory.
pub(super) struct Ignored {
    files: Arc<Fence>,
    /// The directory, without links.
    root: String,
    given: Rules,
    defaults: Rules,
    /// By folder, relative to the directory.
    folders: Mutex<HashMap<String, Arc<Rules>>>,
    failure: Mutex<Option<FileError>>,
}

impl Ignored {
    pub(super) fn new(files: &Arc<Fence>, directory: &str, given: &str) -> Self {
        // What cannot be looked at fails in the build itself.
        let root = files.resolve(directory).map_or_else(|_| directory.to_owned(), |(real, _)| real);
        Self {
            files: Arc::clone(files),
            root,
            given: Rules::only(given),
            defaults: Rules::defaults(),
            folders: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// Whether a path relative to the directory is left out. What is given counts most, then the deepest folder.
    pub(super) fn excludes(&self, path: &str, entry: Entry) -> bool {
        let says = |rules: &Rules| rules.says(path, entry == Entry::Directory);
        says(&self.given)
            .or_else(|| folders(path).find_map(|folder| says(&self.folder(folder))))
            .or_else(|| says(&self.defaults))
            .unwrap_or_default()
    }

    /// Why a file with patterns could not be read.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().as_ref().map(|error| format!("failed to load ignore patterns: {error}"))
    }

    fn folder(&self, folder: &str) -> Arc<Rules> {
        let mut folders = self.folders.lock();
        if let Some(known) = folders.get(folder) {
            return Arc::clone(known);
        }
        let rules = Arc::new(Rules::below(folder, &self.patterns(folder)));
        folders.insert(folder.to_owned(), Arc::clone(&rules));
        rules
    }

    fn patterns(&self, folder: &str) -> String {
        if folder.split('/').any(|part| part == ".git") {
            return String::new();
        }
        let path = join(&join(&self.root, folder), FILE);
        let content = match self.files.resolve(&path) {
            // A link may lead anywhere.
            Ok((real, Entry::File)) if real == path => self.files.read(&path),
            Ok(_) | Err(FileError::Missing { .. }) => return String::new(),
            Err(error) => Err(error),
        };
        match content {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) => {
                self.failure.lock().get_or_insert(error);
                String::new()
            }
        }
    }
}

/// The folders that a path lies in, the deepest one first.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |folder| parent(folder))
}

/// The folder of a path; the directory itself is in none.
fn parent(path: &str) -> Option<&str> {
    (!path.is_empty()).then(|| path.rsplit_once('/').map_or("", |(folder, _)| folder))
}
