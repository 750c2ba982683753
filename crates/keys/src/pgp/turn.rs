//! Turns in homes of `gpg`: the first call in a new one goes alone.
//!
//! It makes the trust database, and another call that comes upon half of it calls it corrupted.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
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

/// Waits for the turn in a home, which may not be there yet; none when nothing has to go alone there any more.
///
/// # Errors
/// Says that another call does not end, once `patience` is over.
pub(super) fn wait(home: &Path, patience: Duration) -> Result<Option<Turn>, String> {
    let until = Instant::now() + patience;
    let mut turn = loop {
        match claim(home) {
            Ok(turn) => break turn,
            Err(State::Settled) => return Ok(None),
            Err(State::Taken) => pause(home, patience, until)?,
        }
    };
    turn.lock = lock(home, patience, until)?;
    // What another process is about to make was there in part at most until its turn was over.
    Ok(Some(turn).filter(|_| !home.join(TRUST).exists()))
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

/// Locks a home against other processes. One that cannot be locked is used without, and so is one that is not there: no
/// call finds a key in it.
fn lock(home: &Path, patience: Duration, until: Instant) -> Result<Option<File>, String> {
    let Ok(folder) = File::open(home) else { return Ok(None) };
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => pause(home, patience, until)?,
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

fn pause(home: &Path, patience: Duration, until: Instant) -> Result<(), String> {
    if Instant::now() < until {
        sleep(PAUSE);
        return Ok(());
    }
    Err(format!(
        "another call has used the new home {} for more than {} seconds and does not end",
        home.display(),
        patience.as_secs()
    ))
}
