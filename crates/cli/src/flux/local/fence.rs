//! Files that a build may read: all, or those below the current directory.

use std::borrow::Cow;
use std::path::Path;

use sealfast_kustomize::files::{Entry, Fetched, FileError, Files, is_within, join};

use crate::flux::Failed;
use crate::kustomize::disk::Disk;

/// Files, and the directory that nothing may lead out of.
pub(super) struct Fence {
    files: Disk,
    root: Option<String>,
}

impl Fence {
    /// All files.
    pub(super) fn none(files: Disk) -> Self {
        Self { files, root: None }
    }

    /// What lies below the current directory.
    pub(super) fn here(files: Disk) -> Result<Self, Failed> {
        let root = Path::new(".").canonicalize();
        let root = root.map_err(|error| format!("failed to get working directory: {error}"))?;
        Ok(Self { files, root: Some(root.to_string_lossy().into_owned()) })
    }

    /// What to open for a path: behind a fence what was looked at, so that no link can lead elsewhere meanwhile.
    fn readable<'a>(&self, path: &'a str) -> Result<Cow<'a, str>, FileError> {
        let (real, _) = self.inside(path, "read")?;
        Ok(if self.root.is_some() { Cow::Owned(real) } else { Cow::Borrowed(path) })
    }

    /// Follows the links of a path that may be looked at.
    fn inside(&self, path: &str, operation: &'static str) -> Result<(String, Entry), FileError> {
        let (real, entry) = self.files.resolve(path)?;
        match &self.root {
            Some(root) if !is_within(&join("/", &real), root) => {
                Err(FileError::Outside { operation, path: path.to_owned(), root: root.clone() })
            }
            _ => Ok((real, entry)),
        }
    }
}

impl Files for Fence {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.files.read(&self.readable(path)?)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        self.files.list(&self.readable(path)?)
    }

    fn resolve(&self, path: &str) -> Result<(String, Entry), FileError> {
        self.inside(path, "stat")
    }

    fn remote_file(&self, address: &str) -> Option<Result<Vec<u8>, FileError>> {
        self.files.remote_file(address)
    }

    fn remote(&self, address: &str) -> Option<Result<Fetched, FileError>> {
        self.files.remote(address)
    }
}
