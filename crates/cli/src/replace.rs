//! Files written whole or not at all.
//!
//! A file is replaced by renaming a new one over it, symbolic links followed: a process that is killed leaves the old
//! file or the new one.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use staged::Staged;

mod staged;

/// Replaces a file, mode and owner kept, or writes to what is no regular file.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // One that came up meanwhile is there the next time.
    while !file_if(path, bytes, &|| true)? {}
    Ok(())
}

/// Does the same when it is still wanted in the last moment, and tells whether it was. A new file takes the place of none
/// that came up meanwhile.
pub(crate) fn file_if(path: &Path, bytes: &[u8], is_wanted: &dyn Fn() -> bool) -> std::io::Result<bool> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = std::fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return std::fs::OpenOptions::new().write(true).open(&target)?.write_all(bytes).map(|()| true);
    }
    // A new file gets what the person's mask leaves of these; an old one keeps its own.
    let mode = if old.is_some() { 0o600 } else { 0o666 };
    let filled = |new: &File| fill(new, old.as_ref(), bytes);
    match Staged::new(folder_of(&target), mode, &filled) {
        Ok(_) if !is_wanted() => Ok(false),
        Ok(new) if old.is_none() => new.appear(&target),
        Ok(new) => new.replace(&target).map(|()| true),
        Err(wrong) if old.is_some() && takes_no_new_files(&wrong) => {
            let is_wanted = is_wanted();
            if is_wanted { std::fs::write(&target, bytes).map(|()| true) } else { Ok(false) }
        }
        Err(wrong) => Err(wrong),
    }
}

/// Puts a file that only its owner may read in the place of what is there, whatever that is.
pub(crate) fn private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Temporary files have this mode from the start.
    let mut new = tempfile::NamedTempFile::new_in(folder_of(path))?;
    fill(new.as_file_mut(), None, bytes)?;
    new.persist(path).map_err(|wrong| wrong.error)?;
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_reason_to_write_in_place() {
        let allowed = |kind: ErrorKind| takes_no_new_files(&kind.into());
        assert!(allowed(ErrorKind::PermissionDenied) && allowed(ErrorKind::ReadOnlyFilesystem));
        assert!(!allowed(ErrorKind::StorageFull) && !allowed(ErrorKind::QuotaExceeded));
        assert!(!allowed(ErrorKind::Other));
    }

    #[test]
    fn a_private_file_replaces_one_that_others_could_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        private(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
