//! Files: read whole, replaced whole.
//!
//! A file is replaced by renaming a new one over it, mode and owner kept, symbolic links followed: a process that is
//! killed leaves the old file or the new one. What is read may be plaintext: it is wiped.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::sops::files::staged::Staged;
use crate::sops::stop::{Code, Stop};

mod staged;

/// Makes a path absolute without resolving links.
pub(super) fn absolute(path: &str) -> Result<PathBuf, Stop> {
    std::path::absolute(path)
        .map(|path| clean(&path))
        .map_err(|wrong| Stop::new(format!("cannot resolve {path}: {wrong}")))
}

/// Resolves `.` and `..` by name alone.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// Is there something under this path?
pub(super) fn exists(path: &Path) -> bool {
    std::fs::exists(path).unwrap_or(true)
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Stop> {
    std::fs::read(path).map(Zeroizing::new).map_err(|wrong| {
        Stop::new(format!("Error reading file: open {}: {}", path.display(), reason(&wrong)))
            .code(Code::CouldNotReadInput)
    })
}

/// Reads standard input to its end.
pub(super) fn read_stdin() -> Result<Zeroizing<Vec<u8>>, Stop> {
    read_to_end(std::io::stdin().lock())
        .map_err(|wrong| Stop::new(format!("Error reading file: {wrong}")).code(Code::CouldNotReadInput))
}

/// Reads to the end; what a growing buffer leaves behind is wiped.
fn read_to_end(mut from: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    const CHUNK: usize = 64 * 1024;
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    let mut bytes = Zeroizing::new(Vec::with_capacity(CHUNK));
    loop {
        let count = match from.read(&mut chunk) {
            Err(wrong) if wrong.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.capacity() - bytes.len() < count {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * bytes.capacity()));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}

/// Replaces a file that was read, or writes to what is no regular file.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    write(path, bytes, "in-place")
}

/// Does the same with the file of `--output`.
pub(super) fn write_output(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    write(path, bytes, "output")
}

fn write(path: &Path, bytes: &[u8], which: &str) -> Result<(), Stop> {
    try_replace(path, bytes).map_err(|wrong| {
        let (path, reason) = (path.display(), reason(&wrong));
        Stop::new(format!("Could not open {which} file for writing: open {path}: {reason}"))
            .code(Code::CouldNotWriteOutput)
    })
}

/// Replaces a file, with the system's own error.
pub(crate) fn try_replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = std::fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return std::fs::OpenOptions::new().write(true).open(&target)?.write_all(bytes);
    }
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A new file gets what the person's mask leaves of these; an old one keeps its own.
    let mode = if old.is_some() { 0o600 } else { 0o666 };
    match Staged::new(dir, mode, &|new| fill(new, old.as_ref(), bytes)) {
        Ok(new) => new.replace(&target),
        Err(wrong) if old.is_some() && takes_no_new_files(&wrong) => std::fs::write(&target, bytes),
        Err(wrong) => Err(wrong),
    }
}

fn fill(mut new: &File, old: Option<&Metadata>, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(old) = old {
        new.set_permissions(std::fs::Permissions::from_mode(old.permissions().mode() & 0o7777))?;
        // Only the owner of a file, or root, can give it away: failing to is no error.
        let _ = std::os::unix::fs::fchown(new, Some(old.uid()), Some(old.gid()));
    }
    new.write_all(bytes)?;
    new.sync_all()
}

/// A directory that takes no new files may still let an old one be written. After any other failure (a full disk) the
/// old one would be lost.
fn takes_no_new_files(wrong: &std::io::Error) -> bool {
    matches!(wrong.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// The system's words for an error, without the number.
pub(crate) fn reason(wrong: &std::io::Error) -> String {
    match wrong.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => {
            let told = wrong.to_string();
            match told.split_once(" (os error ") {
                Some((words, _)) => words.to_lowercase(),
                None => told,
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_long_input_is_read() {
        let bytes: Vec<u8> = (0..300_001_u32).map(|at| at.to_le_bytes()[0]).collect();
        assert_eq!(*read_to_end(bytes.as_slice()).unwrap(), bytes);
    }

    #[test]
    fn a_full_disk_is_no_reason_to_write_in_place() {
        let allowed = |kind: ErrorKind| takes_no_new_files(&kind.into());
        assert!(allowed(ErrorKind::PermissionDenied) && allowed(ErrorKind::ReadOnlyFilesystem));
        assert!(!allowed(ErrorKind::StorageFull) && !allowed(ErrorKind::QuotaExceeded));
        assert!(!allowed(ErrorKind::Other));
    }
}
