//! Turns in homes of `gpg`: the first call in a new one goes alone.
//!
//! It makes the trust database, and another call that comes upon half of it calls it corrupted.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The file in a home that says whom its owner trusts.
const TRUST: &str = "trustdb.gpg";
/// How long it is waited before it is looked again.
const PAUSE: Duration = Duration::from_millis(20);

/// What is known of a home in this process.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// The first call is at work.
    Taken,
    /// It has its trust database, or the first call could make none.
    Settled,
}

static HOMES: Mutex<BTreeMap<PathBuf, State>> = Mutex::new(BTreeMap::new());

fn homes() -> MutexGuard<'static, BTreeMap<PathBuf, State>> {
    HOMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first call in a home; others wait until it is dropped.
pub(super) struct Turn {
    home: PathBuf,
    /// What keeps other processes out.
    lock: Option<File>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        homes().insert(std::mem::take(&mut self.home), State::Settled);
    }
}

/// Waits for the turn in a home, which may not be there yet; none when nothing has to go alone there any more, and once
/// `patience` is over: a first call that hangs holds up no others for ever, and one that is slow has most of it done.
pub(super) fn wait(home: &Path, patience: Duration) -> Option<Turn> {
    let until = Instant::now() + patience;
    let mut turn = loop {
        match claim(home) {
            Ok(turn) => break turn,
            Err(State::Taken) if pause(until) => {}
            Err(_) => return None,
        }
    };
    turn.lock = lock(home, until);
    // What another process is about to make was there in part at most until its turn was over.
    Some(turn).filter(|_| !home.join(TRUST).exists())
}

/// Makes the home that `gpg` would make itself, so that all processes that come upon none find the same one to lock.
pub(super) fn make(home: &Path) {
    // Where it cannot be made, `gpg` says so.
    drop(DirBuilder::new().mode(0o700).create(home));
}

fn claim(home: &Path) -> Result<Turn, State> {
    let mut homes = homes();
    match homes.get(home) {
        Some(state) => Err(*state),
        None => {
            homes.insert(home.to_owned(), State::Taken);
            Ok(Turn { home: home.to_owned(), lock: None })
        }
    }
}

/// Locks a home against other processes. One that cannot be locked is used without, and so is one that is not there.
fn lock(home: &Path, until: Instant) -> Option<File> {
    let folder = File::open(home).ok()?;
    loop {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) if pause(until) => {}
            Err(_) => return None,
        }
    }
}

/// Waits a little; false when the time is over.
fn pause(until: Instant) -> bool {
    let is_early = Instant::now() < until;
    if is_early {
        sleep(PAUSE);
    }
    is_early
}
