//! Folders for one test, removed with everything in them when the test ends.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A folder below the temporary directory (`TMPDIR` decides where), removed on drop.
#[derive(Debug)]
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// Makes an empty folder of mode 0700.
    ///
    /// # Errors
    /// When the temporary directory cannot be written.
    pub fn new() -> Result<Self> {
        // Short, because the sockets of gpg-agent below it have at most 107 bytes of path.
        let folder = tempfile::Builder::new().prefix("sf-").tempdir().context("making a scratch folder")?;
        Ok(Self(folder))
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a name in the folder.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, making the folders on its way, and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.join(name);
        write(&path, content.as_ref())?;
        Ok(path)
    }

    /// Reads a file as text.
    ///
    /// # Errors
    /// When it is not there or no UTF-8.
    pub fn read(&self, name: impl AsRef<Path>) -> Result<String> {
        let path = self.join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// Copies a folder with everything in it to a name in this one.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn copy(&self, from: &Path, name: impl AsRef<Path>) -> Result<PathBuf> {
        let to = self.join(name);
        copy(from, &to)?;
        Ok(to)
    }
}

/// Writes a file, making the folders on its way.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

/// Copies a folder; symbolic links stay links.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("listing {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("copying {}", source.display()))?;
        }
    }
    Ok(())
}

/// Lists every file and link below a folder, relative to it, sorted.
///
/// # Errors
/// When a folder cannot be listed.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).with_context(|| format!("listing {}", at.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}
