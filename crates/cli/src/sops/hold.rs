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
use crate::sops::stop::{Code, Stop};

/// A file that is to be replaced.
pub(super) struct Held {
    path: PathBuf,
    how: How,
    /// From the reading on, where it is held firmly; let go when it is dropped.
    turn: OnceCell<Option<File>>,
    seen: OnceCell<Seen>,
}

/// What others may do meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// Whatever they like: it stays as it is.
    ToRead,
    /// Change it, which is noticed.
    Loosely,
    /// Read it.
    Firmly,
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
        Self::new(path, How::ToRead)
    }

    /// Holds a file whose owner may take long: it is locked in the moment of writing alone.
    pub(super) fn loosely(path: &Path) -> Self {
        Self::new(path, How::Loosely)
    }

    /// Holds a file from its reading on, once no other run does.
    pub(super) fn firmly(path: &Path) -> Self {
        Self::new(path, How::Firmly)
    }

    /// Holds the file of a command that changes it when it is asked to.
    pub(super) fn by(call: &Call, path: &Path) -> Self {
        if call.is_set("in-place") { Self::firmly(path) } else { Self::as_output(call, path) }
    }

    /// Holds a file that is read, and written when `--output` names it, too.
    pub(super) fn as_output(call: &Call, path: &Path) -> Self {
        let output = call.text("output");
        let is_output = !output.is_empty() && is_same_file(Path::new(output), path);
        if is_output { Self::firmly(path) } else { Self::to_read(path) }
    }

    fn new(path: &Path, how: How) -> Self {
        Self { path: path.to_owned(), how, turn: OnceCell::new(), seen: OnceCell::new() }
    }

    /// Is it written back?
    pub(super) fn is_changed(&self) -> bool {
        self.how != How::ToRead
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it.
    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Stop> {
        if self.how == How::Firmly && self.turn.get().is_none() {
            let _ = self.turn.set(turn(&self.path)?);
        }
        let bytes = files::read(&self.path)?;
        if self.is_changed() {
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
        let _turn = match self.turn.get() {
            Some(_) => None,
            None => turn(&self.path)?,
        };
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

/// Do two paths lead to one file that is there?
fn is_same_file(one: &Path, other: &Path) -> bool {
    let places =
        [one, other].map(|path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino())));
    places[0].is_some() && places[0] == places[1]
}

/// Waits until no other run holds the file. None where nothing can be locked: no file, or a file system without locks.
fn turn(path: &Path) -> Result<Option<File>, Stop> {
    loop {
        // Opening a pipe would wait for somebody to write into it.
        let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file());
        let Some(file) = is_file.then(|| open(path)).flatten() else { return Ok(None) };
        if !wait(&file, path)? {
            return Ok(None);
        }
        let (Ok(held), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return Ok(None) };
        if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
            return Ok(Some(file));
        }
    }
}

/// Some network file systems lock only what may be written.
fn open(path: &Path) -> Option<File> {
    File::options().read(true).write(true).open(path).or_else(|_| File::open(path)).ok()
}

/// Whether there is a lock at all. Says so when it takes long, and ends: who may read a file can hold it for ever.
fn wait(file: &File, path: &Path) -> Result<bool, Stop> {
    const PAUSE: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(2);
    const TOO_LONG: Duration = Duration::from_secs(30);
    let start = Instant::now();
    let mut is_told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(_)) => return Ok(false),
        }
        if start.elapsed() > LONG && !is_told {
            output::talk(&format!("waiting for another run that changes {}", path.display()));
            is_told = true;
        }
        if start.elapsed() > TOO_LONG {
            return Err(Stop::new(format!("{} is held by another program", path.display()))
                .code(Code::CouldNotWriteOutput)
                .hint("nothing was written: do it again when that program has ended (`flock` and `lslocks` know it)"));
        }
    }
}
