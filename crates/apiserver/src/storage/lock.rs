//! One process at a time in a state directory.

use std::fs::File;
use std::path::Path;

use super::journal::private;
use crate::error::Error;

/// Held while a process uses a state directory.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the directory, made with mode 0700 when absent.
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(dir).map_err(|source| Error::File {
            action: "create",
            path: dir.to_owned(),
            source,
        })?;
        let file = private(&dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse { path: dir.to_owned() }),
            Err(std::fs::TryLockError::Error(source)) => {
                Err(Error::File { action: "lock", path: dir.join("lock"), source })
            }
        }
    }
}
