//! One process at a time in a state directory.

use std::path::Path;

use super::disk::{Disk, OpenFile, failed};
use crate::error::Error;

/// Held while a process uses a state directory.
pub(crate) struct Lock {
    _file: OpenFile,
}

impl Lock {
    /// Takes the directory, made with mode 0700 when absent.
    pub(crate) fn take(disk: &Disk, dir: &Path) -> Result<Self, Error> {
        disk.create_folders(dir).map_err(|source| failed("create", dir, source))?;
        let path = dir.join("lock");
        let file = disk.open(&path).map_err(|source| failed("open", &path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse { path: dir.to_owned() }),
            Err(std::fs::TryLockError::Error(source)) => Err(failed("lock", &path, source)),
        }
    }
}
