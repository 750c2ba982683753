//! The files of this machine as a build sees them.

use std::io::ErrorKind;
use std::path::Path;

use sealfast_kustomize::files::{Entry, Fetched, FileError, Files};

use super::remote::Remote;
use crate::flux::Failed;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// All files of the machine, and what was fetched from elsewhere.
pub(crate) struct Disk {
    remote: Remote,
}

impl Disk {
    pub(super) fn new(remote: Remote) -> Self {
        Self { remote }
    }

    /// Returns where the build starts: an absolute directory, or the address as it stands.
    pub(super) fn root(&self, dir: &str) -> Result<String, Failed> {
        if Remote::is_address(dir) {
            return Ok(dir.to_owned());
        }
        let path = std::path::absolute(dir).map_err(|error| format!("{dir}: {error}"))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        if let Some(fetched) = self.remote.view(path) {
            return fetched.read(path);
        }
        let metadata = std::fs::metadata(path).map_err(|error| failed(path, &error))?;
        let refused = |reason: &str| FileError::Refused { path: path.to_owned(), reason: reason.to_owned() };
        if metadata.is_dir() {
            return Err(FileError::IsDirectory { path: path.to_owned() });
        }
        // A device or a pipe may never end.
        if !metadata.is_file() {
            return Err(refused("is no regular file"));
        }
        if metadata.len() > LARGEST {
            return Err(refused("is larger than 256 MiB"));
        }
        std::fs::read(path).map_err(|error| failed(path, &error))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        if let Some(fetched) = self.remote.view(path) {
            return fetched.list(path);
        }
        let entries = std::fs::read_dir(path).map_err(|error| failed(path, &error))?;
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn resolve(&self, path: &str) -> Result<(String, Entry), FileError> {
        if let Some(fetched) = self.remote.view(path) {
            return fetched.resolve(path);
        }
        let real = Path::new(path).canonicalize().map_err(|error| failed(path, &error))?;
        let entry = if real.is_dir() { Entry::Directory } else { Entry::File };
        Ok((real.to_string_lossy().into_owned(), entry))
    }

    fn remote(&self, address: &str) -> Option<Result<Fetched, FileError>> {
        self.remote.fetched(address)
    }
}

fn failed(path: &str, error: &std::io::Error) -> FileError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound => FileError::Missing { path },
        ErrorKind::IsADirectory => FileError::IsDirectory { path },
        ErrorKind::PermissionDenied => FileError::Refused { path, reason: "permission denied".to_owned() },
        _ => FileError::Refused { path, reason: error.to_string() },
    }
}
