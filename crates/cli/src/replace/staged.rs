//! A new file beside the one it replaces, gone again whatever ends this process.
//!
//! It may hold plaintext. Where the system can it has no name until it takes its place; while it has one, a signal that
//! ends this process removes it first. Only a kill in the moment between its name and the rename leaves it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::sops::child::{self, Watch};

/// All staged files that have a name.
static NAMES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A whole file that waits to take its place; gone on drop.
pub(super) struct Staged<'f> {
    dir: &'f Path,
    mode: u32,
    fill: Fill<'f>,
    made: Made,
}

/// Writes the content.
type Fill<'f> = &'f dyn Fn(&File) -> Result<()>;

enum Made {
    /// It ends with this process.
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(Named),
}

/// The name of a file, which is removed on drop.
struct Named(PathBuf);

impl<'f> Staged<'f> {
    /// Makes a file with `mode` (what the person's mask leaves of it) in a directory and has it filled.
    pub(super) fn new(dir: &'f Path, mode: u32, fill: Fill<'f>) -> Result<Self> {
        clean_up_on_signals();
        // Whatever keeps a file from being made without a name, one with a name tells why nothing can be made.
        let made = nameless(dir, mode, fill).or_else(|_| Named::new(dir, mode, fill).map(Made::Named))?;
        Ok(Self { dir, mode, fill, made })
    }

    /// Puts it where nothing is; tells whether nothing was.
    pub(super) fn appear(self, target: &Path) -> Result<bool> {
        let linked = match &self.made {
            #[cfg(target_os = "linux")]
            Made::Nameless(file) => link(file, target),
            Made::Named(Named(name)) => std::fs::hard_link(name, target),
        };
        match linked {
            Ok(()) => Ok(true),
            // A link that leads nowhere is no file that came up.
            Err(wrong) if wrong.kind() == ErrorKind::AlreadyExists && target.exists() => Ok(false),
            // Not every file system has links.
            Err(_) => self.replace(target).map(|()| true),
        }
    }

    /// Puts it in the place of another file.
    pub(super) fn replace(self, target: &Path) -> Result<()> {
        let Named(name) = &self.into_named()?;
        std::fs::rename(name, target)
    }

    /// One that can be given no name is made again with one.
    fn into_named(self) -> Result<Named> {
        match self.made {
            #[cfg(target_os = "linux")]
            Made::Nameless(file) => Named::at_free_name(self.dir, |name| link(&file, name))
                .map(|(named, ())| named)
                .or_else(|_| Named::new(self.dir, self.mode, self.fill)),
            Made::Named(named) => Ok(named),
        }
    }
}

#[cfg(target_os = "linux")]
fn nameless(dir: &Path, mode: u32, fill: Fill<'_>) -> Result<Made> {
    use rustix::fs::{Mode, OFlags, open};

    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(dir, flags, Mode::from_raw_mode(mode))?);
    fill(&file)?;
    Ok(Made::Nameless(file))
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path, _: u32, _: Fill<'_>) -> Result<Made> {
    Err(ErrorKind::Unsupported.into())
}

/// Gives a file without a name one.
#[cfg(target_os = "linux")]
fn link(file: &File, name: &Path) -> Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD, linkat};

    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, &nameless, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

impl Named {
    fn new(dir: &Path, mode: u32, fill: Fill<'_>) -> Result<Self> {
        let open = |name: &Path| File::options().write(true).create_new(true).mode(mode).open(name);
        let (staged, file) = Self::at_free_name(dir, open)?;
        fill(&file)?;
        Ok(staged)
    }

    /// Makes something under a name that is free.
    fn at_free_name<T>(dir: &Path, make: impl Fn(&Path) -> Result<T>) -> Result<(Self, T)> {
        let made = tempfile::Builder::new().prefix(".sealfast-").make_in(dir, |name| {
            // Held while it is made: no name comes up after a signal has removed them all.
            let mut names = names();
            let made = make(name)?;
            names.insert(name.to_owned());
            Ok(made)
        })?;
        let (made, name) = made.keep().map_err(|wrong| wrong.error)?;
        Ok((Self(name), made))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // After a rename there is nothing under this name.
        let _ = std::fs::remove_file(&self.0);
        names().remove(&self.0);
    }
}

fn names() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens once for signals that end programs, unless this command listens already and does not end at once.
fn clean_up_on_signals() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        if child::is_watched() {
            return;
        }
        // Without a listener the files without names are still safe.
        let started = Watch::new().and_then(|watch| {
            std::thread::Builder::new().name("signals".to_owned()).spawn(move || end_cleanly(watch))
        });
        drop::<std::result::Result<_, Error>>(started);
    });
}

fn end_cleanly(mut watch: Watch) {
    let Some(signal) = watch.signal() else { return };
    let names = names();
    for name in names.iter() {
        let _ = std::fs::remove_file(name);
    }
    // Ends this process as that signal does; the names stay locked.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    drop(names);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn listing(dir: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn write_x(mut file: &File) -> Result<()> {
        file.write_all(b"x")
    }

    #[test]
    fn a_staged_file_is_known_while_it_has_a_name() {
        for is_named in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("target");
            std::fs::write(&target, "old").unwrap();
            let mut staged = Staged::new(dir.path(), 0o600, &write_x).unwrap();
            if is_named {
                staged.made = Made::Named(Named::new(dir.path(), 0o600, &write_x).unwrap());
            }
            let named = staged.into_named().unwrap();
            assert!(listing(dir.path()).contains(&named.0) && names().contains(&named.0));
            let name = named.0.clone();
            drop(named);
            assert_eq!(listing(dir.path()), std::slice::from_ref(&target));
            assert!(!names().contains(&name));
            Staged::new(dir.path(), 0o600, &write_x).unwrap().replace(&target).unwrap();
            assert_eq!(std::fs::read(&target).unwrap(), b"x");
            assert_eq!(listing(dir.path()), [target]);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_has_no_name_while_it_waits() {
        let dir = tempfile::tempdir().unwrap();
        let staged = Staged::new(dir.path(), 0o600, &write_x).unwrap();
        // Not every file system of Linux makes files without names.
        let is_nameless = matches!(staged.made, Made::Nameless(_));
        assert_eq!(listing(dir.path()).is_empty(), is_nameless);
        drop(staged);
        assert_eq!(listing(dir.path()), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_new_file_takes_the_place_of_none() {
        let dir = tempfile::tempdir().unwrap();
        let (new, taken) = (dir.path().join("new"), dir.path().join("taken"));
        std::fs::write(&taken, "theirs").unwrap();
        let staged = || Staged::new(dir.path(), 0o600, &|mut file: &File| file.write_all(b"ours")).unwrap();
        assert!(staged().appear(&new).unwrap());
        assert!(!staged().appear(&taken).unwrap());
        assert_eq!(std::fs::read(&new).unwrap(), b"ours");
        assert_eq!(std::fs::read(&taken).unwrap(), b"theirs");
        assert_eq!(listing(dir.path()).len(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_filled_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let full = |_: &File| Err(ErrorKind::StorageFull.into());
        let wrong = Staged::new(dir.path(), 0o600, &full).err().unwrap();
        assert_eq!(wrong.kind(), ErrorKind::StorageFull);
        assert_eq!(listing(dir.path()), Vec::<PathBuf>::new());
    }
}
