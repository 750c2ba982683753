//! One process at a time in a state directory.

use std::fs::File;
use std::path::Path;

use super::journal::private;
use crate::error::Error;

/// Makes a directory and what is missing above it, and has the disk know of each.
fn create(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let missing: Vec<&Path> =
        dir.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir)?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Held while a process uses a state directory.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the directory, made with mode 0700 when absent.
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        create(dir).map_err(|source| Error::File { action: "create", path: dir.to_owned(), source })?;
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
