//! The files of this machine as a build sees them.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sealfast_kustomize::files::{Entry, Fetched, FileError, Files};

use super::remote::{Allowed, Remote, Ssh};
use crate::env;
use crate::flux::Failed;
use crate::flux::args::Args;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// Paths of so many bytes are too long for the system.
const LONGEST: usize = 4096;

/// All files of the machine, and what was fetched from elsewhere.
pub(crate) struct Disk {
    remote: Remote,
    /// Directories that were asked for, and where their links lead.
    directories: Mutex<HashMap<String, String>>,
}

/// The file of host keys that the person trusts, whether it is there or not.
pub(crate) fn own_known_hosts() -> Option<PathBuf> {
    env::HOME.path().map(|home| home.join(".ssh/known_hosts"))
}

impl Disk {
    /// All files of the machine, and those of other hosts that `--allow-remote` names.
    pub(crate) fn allowing(args: &Args) -> Result<Self, Failed> {
        let ssh = Ssh {
            identity: args.filled("ssh-identity").map(PathBuf::from),
            known_hosts: args.filled("known-hosts").map(PathBuf::from).or_else(own_known_hosts),
        };
        let remote = Remote::new(Allowed::parse(args.list("allow-remote"))?, ssh);
        Ok(Self { remote, directories: Mutex::default() })
    }

    /// Returns where the build starts: an absolute directory, or the address as it stands.
    pub(super) fn root(&self, dir: &str) -> Result<String, Failed> {
        if Remote::is_address(dir) {
            return Ok(dir.to_owned());
        }
        let path = std::path::absolute(dir).map_err(|error| format!("{dir}: {error}"))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Returns a directory with all links followed. A build asks for the same ones again and again.
    fn real_directory(&self, path: &str) -> std::io::Result<String> {
        if let Some(known) = self.known(path) {
            return Ok(known);
        }
        if !path.starts_with('/') {
            return real(Path::new(path));
        }
        // Part by part: most directories have the same ones before them.
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        ends.map(|end| &path[..end]).try_fold("/".to_owned(), |parent, path| self.below(&parent, path))
    }

    /// Returns a directory whose parent has no links any more.
    fn below(&self, parent: &str, path: &str) -> std::io::Result<String> {
        if let Some(known) = self.known(path) {
            return Ok(known);
        }
        if path.len() >= LONGEST {
            return Err(rustix::io::Errno::NAMETOOLONG.into());
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let inside = format!("{}/{name}", parent.trim_end_matches('/'));
        let is_plain = !matches!(name, "" | "." | "..") && !std::fs::symlink_metadata(&inside)?.is_symlink();
        let real = if is_plain { inside } else { real(Path::new(&inside))? };
        let mut known = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned(), real.clone());
        Ok(real)
    }

    fn known(&self, path: &str) -> Option<String> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Returns a path with all links followed, and what is there.
    fn follow(&self, path: &str) -> std::io::Result<(String, Entry)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.real_directory(if parent.is_empty() { "/" } else { parent })?;
        let inside = if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") };
        let metadata = std::fs::symlink_metadata(&inside)?;
        let (real, is_directory) = if metadata.is_symlink() {
            let real = real(Path::new(path))?;
            let is_directory = Path::new(&real).is_dir();
            (real, is_directory)
        } else {
            (inside, metadata.is_dir())
        };
        Ok((real, if is_directory { Entry::Directory } else { Entry::File }))
    }
}

fn real(path: &Path) -> std::io::Result<String> {
    Ok(path.canonicalize()?.to_string_lossy().into_owned())
}

impl Files for Disk {
    fn is_missing(&self, path: &str) -> bool {
        match self.remote.view(path) {
            Some(fetched) => fetched.is_missing(path),
            None => self.follow(path).is_err_and(|error| error.kind() == ErrorKind::NotFound),
        }
    }

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
        // The size is known, with some room in which the end is found.
        let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 64);
        let file = std::fs::File::open(path).map_err(|error| failed(path, &error))?;
        file.take(LARGEST + 1).read_to_end(&mut content).map_err(|error| failed(path, &error))?;
        if content.len() as u64 > LARGEST {
            return Err(refused("is larger than 256 MiB"));
        }
        Ok(content)
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
        self.follow(path).map_err(|error| failed(path, &error))
    }

    fn remote_file(&self, address: &str) -> Option<Result<Vec<u8>, FileError>> {
        self.remote.file(address)
    }

    fn remote(&self, address: &str) -> Option<Result<Fetched, FileError>> {
        self.remote.fetched(address)
    }
}

fn failed(path: &str, error: &std::io::Error) -> FileError {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return FileError::Loop { path: path.to_owned() };
    }
    if error.kind() == ErrorKind::NotFound {
        return FileError::missing(path, |part| Path::new(part).symlink_metadata().is_ok());
    }
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::IsADirectory => FileError::IsDirectory { path },
        ErrorKind::PermissionDenied => FileError::Refused { path, reason: "permission denied".to_owned() },
        _ => FileError::Refused { path, reason: error.to_string() },
    }
}
