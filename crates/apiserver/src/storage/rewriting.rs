//! A state file that is written anew beside the old one, while writes go on.
//!
//! The folder belongs to this server until the last part of a rewriting is gone, whatever became of the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aes_gcm::Aes256Gcm;

use super::disk::{Disk, OpenFile, failed};
use super::lock::Lock;
use super::records::{HEADER, mark, seal};
use crate::error::Error;

/// An object that is to be kept: its revision, resource, namespace and name, and its text.
pub(crate) type Live<'a> = (u64, (&'a str, &'a str, &'a str), &'a [u8]);

/// What is needed to write the file anew from the objects as they are now.
pub(crate) struct Rewriting {
    pub(super) place: Place,
    pub(super) cipher: Aes256Gcm,
    pub(super) revision: u64,
    /// As much of the old file as the objects stand for.
    pub(super) from: u64,
    /// Why the old file takes nothing more.
    pub(super) unusable: Option<&'static str>,
    pub(super) lock: Option<Arc<Lock>>,
}

/// A new state file, on the disk beside the old one.
pub(crate) struct Fresh {
    pub(super) place: Place,
    pub(super) file: OpenFile,
    pub(super) length: u64,
    pub(super) from: u64,
    pub(super) unusable: Option<&'static str>,
    _lock: Option<Arc<Lock>>,
}

impl Rewriting {
    /// Writes the live objects to the new file.
    pub(crate) fn write<'a>(self, live: impl Iterator<Item = Live<'a>>) -> Result<Fresh, Error> {
        let wrong = |source| failed("write", &self.place.path, source);
        let file = self.place.create().map_err(wrong)?;
        let mut out = HEADER.to_vec();
        out.extend(seal(&self.cipher, self.revision, None, None)?);
        out.extend(mark(&self.cipher, self.revision, 0)?);
        let mut length = 0;
        for (revision, key, value) in live {
            out.extend(seal(&self.cipher, revision, Some(key), Some(value))?);
            if out.len() as u64 >= PIECE {
                file.write_at(&out, length).map_err(wrong)?;
                length += out.len() as u64;
                out.clear();
            }
        }
        file.write_at(&out, length).and_then(|()| file.sync()).map_err(wrong)?;
        length += out.len() as u64;
        let Self { place, from, unusable, lock, .. } = self;
        Ok(Fresh { place, file, length, from, unusable, _lock: lock })
    }
}

impl Fresh {
    /// How much of the old file is still to be taken along.
    pub(crate) fn behind(&self, length: u64) -> u64 {
        length.saturating_sub(self.from)
    }

    /// Takes along what the old file holds up to a length.
    pub(crate) fn catch_up(&mut self, old: &OpenFile, length: u64) -> Result<(), Error> {
        self.copy(old, length).map_err(|source| failed("write", &self.place.path, source))
    }

    fn copy(&mut self, old: &OpenFile, length: u64) -> std::io::Result<()> {
        let mut piece = vec![0; self.behind(length).min(PIECE) as usize];
        while self.from < length {
            let piece = &mut piece[..self.behind(length).min(PIECE) as usize];
            old.read_at(piece, self.from)?;
            self.file.write_at(piece, self.length)?;
            self.from += piece.len() as u64;
            self.length += piece.len() as u64;
        }
        if piece.is_empty() { Ok(()) } else { self.file.sync() }
    }
}

/// Where the new file is; what is not put in place of the old one goes away.
pub(crate) struct Place {
    disk: Disk,
    path: PathBuf,
}

impl Place {
    /// Beside a state file.
    pub(super) fn beside(disk: &Disk, path: &Path) -> Self {
        Self { disk: disk.clone(), path: path.with_extension("new") }
    }

    /// Puts the file in place of another.
    pub(super) fn move_to(&self, path: &Path) -> Result<(), Error> {
        self.disk.rename(&self.path, path).map_err(|source| failed("write", &self.path, source))
    }

    /// Removes what a kill left there.
    pub(super) fn clear(&self) {
        let _ = self.disk.remove(&self.path);
    }

    fn create(&self) -> std::io::Result<OpenFile> {
        self.clear();
        self.disk.create(&self.path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}

const PIECE: u64 = 1 << 20;
