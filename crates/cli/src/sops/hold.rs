//! A file that is written back: one run at a time, never over what others wrote.
//!
//! Runs of this program wait for each other by an advisory lock on the file. It is replaced by a rename, so whoever got
//! the lock looks whether the path still leads to the file that is locked. Other programs know nothing of that lock:
//! what the file holds is compared right before it is replaced.

use std::cell::OnceCell;
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::output;
use crate::sops::call::Call;
use crate::sops::files;
use crate::sops::stop::Stop;

/// A file that is to be replaced.
pub(super) struct Held {
    path: PathBuf,
    /// Let go when it is dropped; none while others may change the file.
    turn: Option<File>,
    seen: OnceCell<Seen>,
    is_read_alone: bool,
}

/// What was read.
#[derive(PartialEq)]
enum Seen {
    Nothing,
    /// Its digest.
    Content([u8; 32]),
}

impl Held {
    /// A file that stays as it is.
    pub(super) fn to_read(path: &Path) -> Self {
        Self { is_read_alone: true, ..Self::loosely(path) }
    }

    /// Holds a file whose owner may take long: it is locked in the moment of writing alone.
    pub(super) fn loosely(path: &Path) -> Self {
        Self { path: path.to_owned(), turn: None, seen: OnceCell::new(), is_read_alone: false }
    }

    /// Holds a file from now on, once no other run does.
    pub(super) fn firmly(path: &Path) -> Self {
        Self { turn: turn(path), ..Self::loosely(path) }
    }

    /// Holds the file of a command that changes it when it is asked to.
    pub(super) fn by(call: &Call, path: &Path) -> Self {
        if call.is_set("in-place") { Self::firmly(path) } else { Self::to_read(path) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it.
    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Stop> {
        let bytes = files::read(&self.path)?;
        if !self.is_read_alone {
            let _ = self.seen.set(Seen::of(&bytes));
        }
        Ok(bytes)
    }

    /// Reads it when it is there.
    pub(super) fn read_if_there(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Stop> {
        if files::exists(&self.path) {
            return self.read().map(Some);
        }
        let _ = self.seen.set(Seen::Nothing);
        Ok(None)
    }

    /// Replaces it, unless it holds something else than was read.
    pub(super) fn replace(&self, bytes: &[u8]) -> Result<(), Stop> {
        let _turn = if self.turn.is_none() { turn(&self.path) } else { None };
        files::replace(&self.path, bytes, &|| self.is_as_it_was())
    }

    fn is_as_it_was(&self) -> bool {
        let Some(seen) = self.seen.get() else { return true };
        match std::fs::metadata(&self.path) {
            // What was read from a pipe is gone.
            Ok(found) if !found.is_file() => true,
            Ok(_) => files::try_read(&self.path).is_ok_and(|bytes| Seen::of(&bytes) == *seen),
            Err(_) => *seen == Seen::Nothing,
        }
    }
}

impl Seen {
    fn of(bytes: &[u8]) -> Self {
        Self::Content(Sha256::digest(bytes).into())
    }
}

/// Waits until no other run holds the file. None where there is nothing to lock: no file, or a file system without locks.
fn turn(path: &Path) -> Option<File> {
    loop {
        // Opening a pipe would wait for somebody to write into it.
        std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let file = File::open(path).ok()?;
        wait(&file, path)?;
        let (held, there) = (file.metadata().ok()?, std::fs::metadata(path).ok()?);
        if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
            return Some(file);
        }
    }
}

/// Says so when it takes long.
fn wait(file: &File, path: &Path) -> Option<()> {
    const PAUSE: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(2);
    let start = Instant::now();
    while start.elapsed() < LONG {
        match file.try_lock() {
            Ok(()) => return Some(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    output::talk(&format!("waiting for another run that changes {}", path.display()));
    file.lock().ok()
}
