//! The files of a state: every step that a power cut may come between.
//!
//! All of these steps are taken here, so that tests see their order and can refuse some. Nobody watches otherwise.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Result};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;

/// Takes the steps.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    witness: Option<Arc<Witness>>,
}

/// Hears of a step before it is taken, and may refuse it.
pub(crate) type Witness = dyn Fn(Step<'_>) -> Result<()> + Send + Sync;

/// One step.
#[cfg_attr(not(test), expect(dead_code, reason = "tests alone look at it"))]
pub(crate) enum Step<'a> {
    /// A folder is made.
    Folder(&'a Path),
    /// A file was opened, and made when it was absent.
    Opened(&'a Path, &'a File),
    /// Bytes are written at a place of a file.
    Write(&'a File, u64, &'a [u8]),
    /// A file gets a length.
    Cut(&'a File, u64),
    /// What a file holds is handed to the disk.
    Sync(&'a File),
    Rename(&'a Path, &'a Path),
    Remove(&'a Path),
    /// The names in a folder are handed to the disk.
    SyncFolder(&'a Path),
}

impl Disk {
    #[cfg(test)]
    pub(crate) fn watched(witness: impl Fn(Step<'_>) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { witness: Some(Arc::new(witness)) }
    }

    fn tell(&self, step: Step<'_>) -> Result<()> {
        self.witness.as_ref().map_or(Ok(()), |witness| witness(step))
    }

    /// Opens a file of mode 0600 for reading and writing, created when absent.
    pub(crate) fn open(&self, path: &Path) -> Result<OpenFile> {
        self.opened(path, OpenOptions::new().create(true).truncate(false))
    }

    /// Makes a file of mode 0600 where none is.
    pub(crate) fn create(&self, path: &Path) -> Result<OpenFile> {
        self.opened(path, OpenOptions::new().create_new(true))
    }

    fn opened(&self, path: &Path, options: &mut OpenOptions) -> Result<OpenFile> {
        let file = options.read(true).write(true).mode(0o600).open(path)?;
        self.tell(Step::Opened(path, &file))?;
        Ok(OpenFile { file, disk: self.clone() })
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.tell(Step::Rename(from, to))?;
        std::fs::rename(from, to)
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        self.tell(Step::Remove(path))?;
        std::fs::remove_file(path)
    }

    /// Makes a folder of mode 0700 and what is missing above it, and has the disk know of each.
    pub(crate) fn create_folders(&self, dir: &Path) -> Result<()> {
        let missing: Vec<&Path> =
            dir.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
        let there = missing.last().map_or(Some(dir), |last| last.parent());
        if let Some(there) = there.filter(|there| there.file_name().is_some()) {
            // Who made it may have been killed before the disk knew.
            match self.folder_of(there).and_then(|folder| folder.sync()) {
                Err(error) if error.kind() != ErrorKind::PermissionDenied => return Err(error),
                _ => {}
            }
        }
        for made in missing.into_iter().rev() {
            self.tell(Step::Folder(made))?;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(made)?;
            self.folder_of(made)?.sync()?;
        }
        Ok(())
    }

    /// The folder that a path is in.
    pub(crate) fn folder_of(&self, path: &Path) -> Result<Folder> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let path = folder.unwrap_or(Path::new("."));
        Ok(Folder { file: File::open(path)?, path: path.to_owned(), disk: self.clone() })
    }
}

/// An open file.
pub(crate) struct OpenFile {
    pub(super) file: File,
    pub(super) disk: Disk,
}

impl OpenFile {
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.file).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn read_at(&self, bytes: &mut [u8], at: u64) -> Result<()> {
        self.file.read_exact_at(bytes, at)
    }

    pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> Result<()> {
        self.disk.tell(Step::Write(&self.file, at, bytes))?;
        self.file.write_all_at(bytes, at)
    }

    pub(crate) fn cut(&self, length: u64) -> Result<()> {
        self.disk.tell(Step::Cut(&self.file, length))?;
        self.file.set_len(length)
    }

    /// Returns once the disk has what the file holds.
    pub(crate) fn sync(&self) -> Result<()> {
        self.disk.tell(Step::Sync(&self.file))?;
        self.file.sync_data()
    }

    /// Keeps others who ask for the same away from it.
    pub(crate) fn try_lock(&self) -> std::result::Result<(), std::fs::TryLockError> {
        self.file.try_lock()
    }
}

/// An open folder.
pub(crate) struct Folder {
    pub(super) file: File,
    path: PathBuf,
    disk: Disk,
}

impl Folder {
    /// Returns once the disk has the names in it.
    pub(crate) fn sync(&self) -> Result<()> {
        self.disk.tell(Step::SyncFolder(&self.path))?;
        self.file.sync_all()
    }
}

/// The error of a step that the disk refused.
pub(super) fn failed(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}
