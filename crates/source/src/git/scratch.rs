//! The folders in which fetches unpack, and those that killed ones left.
//!
//! Whoever works in one holds a lock on a file in it, which the kernel takes back however he ends. Numbers of processes
//! would not do: in a container each start has the same one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::Error;

/// How the name of every such folder begins.
const PREFIX: &str = "sealfast-git-";
/// The file in it that is locked.
const LOCK: &str = "lock";
/// Whoever makes a folder has locked its file by then.
const MADE: Duration = Duration::from_secs(60);
/// A folder without such a file is left over when nobody changed it for this long.
const LEFT_OVER: Duration = Duration::from_secs(60 * 60);

/// A folder that goes away when it is dropped.
pub(super) struct Folder {
    folder: tempfile::TempDir,
    _lock: File,
}

impl Folder {
    /// Where the repository is in it.
    pub(super) fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }
}

/// Makes a folder.
pub(super) fn make() -> Result<Folder, Error> {
    make_in(&std::env::temp_dir())
}

fn make_in(parent: &Path) -> Result<Folder, Error> {
    let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
    let folder = made.map_err(Error::file("make a folder in", parent))?;
    let path = folder.path().join(LOCK);
    let lock = OpenOptions::new().create_new(true).write(true).open(&path);
    let lock = lock.map_err(Error::file("make", &path))?;
    lock.lock().map_err(Error::file("lock", &path))?;
    Ok(Folder { folder, _lock: lock })
}

/// Removes the folders that nobody works in any more by this time; returns how many.
pub fn sweep(now: SystemTime) -> usize {
    sweep_in(&std::env::temp_dir(), now)
}

fn sweep_in(parent: &Path, now: SystemTime) -> usize {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let ours =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)));
    ours.filter(|entry| is_left_over(&entry.path(), now) && fs::remove_dir_all(entry.path()).is_ok()).count()
}

fn is_left_over(folder: &Path, now: SystemTime) -> bool {
    let age = |path: &Path| {
        let changed = fs::symlink_metadata(path).and_then(|about| about.modified()).ok()?;
        now.duration_since(changed).ok()
    };
    let path = folder.join(LOCK);
    match OpenOptions::new().write(true).open(&path) {
        // Where files cannot be locked at all, time has to do.
        Ok(lock) => match lock.try_lock() {
            Ok(()) => age(&path).is_some_and(|age| age > MADE),
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => age(folder).is_some_and(|age| age > LEFT_OVER),
        },
        Err(_) => age(folder).is_some_and(|age| age > LEFT_OVER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_nobody_holds_go_and_those_in_use_stay() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let used = make_in(home.path())?;
        fs::create_dir_all(used.repository())?;
        // As a killed process leaves it, whatever its number was.
        let Folder { folder, _lock: lock } = make_in(home.path())?;
        drop(lock);
        let killed = folder.keep();
        fs::create_dir_all(killed.join("repository/objects"))?;
        for name in [format!("{PREFIX}never-locked"), "other".to_owned()] {
            fs::create_dir(home.path().join(name))?;
        }
        let now = SystemTime::now();
        assert_eq!(sweep_in(home.path(), now), 0);
        assert_eq!(sweep_in(home.path(), now + 2 * MADE), 1);
        assert!(!killed.exists());
        assert_eq!(sweep_in(home.path(), now + 2 * LEFT_OVER), 1);
        assert!(used.repository().exists() && home.path().join("other").exists());
        let path = used.folder.path().to_owned();
        drop(used);
        assert!(!path.exists());
        Ok(())
    }
}
