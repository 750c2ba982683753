//! Files: read whole, replaced whole.
//!
//! A file is replaced by renaming a new one over it, mode and owner kept, symbolic links followed: a process that is
//! killed leaves the old file or the new one.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::sops::stop::{Code, Stop};

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
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    std::fs::read(path).map_err(|wrong| {
        Stop::new(format!("Error reading file: open {}: {}", path.display(), reason(&wrong)))
            .code(Code::CouldNotReadInput)
    })
}

/// Reads standard input to its end.
pub(super) fn read_stdin() -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|wrong| Stop::new(format!("Error reading file: {wrong}")).code(Code::CouldNotReadInput))?;
    Ok(bytes)
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
    let fresh = std::fs::Permissions::from_mode(if old.is_some() { 0o600 } else { 0o666 });
    let mut new = match tempfile::Builder::new().prefix(".sealfast-").permissions(fresh).tempfile_in(dir) {
        Ok(new) => new,
        // A directory that takes no new files may still let this one be written.
        Err(_) if old.is_some() => return std::fs::write(&target, bytes),
        Err(wrong) => return Err(wrong),
    };
    if let Some(old) = &old {
        new.as_file().set_permissions(std::fs::Permissions::from_mode(old.permissions().mode() & 0o7777))?;
        // Only the owner of a file, or root, can give it away: failing to is no error.
        let _ = std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), Some(old.gid()));
    }
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(&target).map_err(|wrong| wrong.error)?;
    Ok(())
}

/// The system's words for an error, without the number.
pub(crate) fn reason(wrong: &std::io::Error) -> String {
    match wrong.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        std::io::ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => {
            let told = wrong.to_string();
            match told.split_once(" (os error ") {
                Some((words, _)) => words.to_lowercase(),
                None => told,
            }
        }
    }
}
