//! A `.tar.gz` -> files in memory, within limits.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::error::Error;
use crate::tree::{Entry, Memory};

/// What an archive may hold at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Number of entries.
    pub entries: u64,
    /// Uncompressed bytes of all files and paths, those of the directories above them included.
    pub bytes: u64,
    /// Bytes of one path.
    pub path: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // The directory that holds all others is an entry, too.
        Self { entries: super::MOST_PATHS as u64 + 1, bytes: super::MOST_BYTES, path: 4096 }
    }
}

/// Counts the bytes that a compressed archive has unpacked, headers included, and keeps none of them.
///
/// # Errors
/// [`Error::Archive`], [`Error::TooLarge`] once there are more than `most`.
pub fn measure(compressed: impl Read, most: u64) -> Result<u64, Error> {
    let mut unpacked = MultiGzDecoder::new(compressed).take(most.saturating_add(1));
    let found = std::io::copy(&mut unpacked, &mut std::io::sink()).map_err(Error::Archive)?;
    bound("bytes", found, most)?;
    Ok(found)
}

/// Unpacks a compressed archive. Links and special files are left out, as no artifact of ours holds any.
///
/// # Errors
/// [`Error::Archive`], [`Error::TooLarge`], [`Error::UnsafePath`].
pub fn unpack(compressed: impl Read, limits: &Limits) -> Result<Memory, Error> {
    // Headers and padding count too; they are at most a few blocks an entry.
    let most = limits.bytes.saturating_add(limits.entries.saturating_mul(2048));
    let mut archive = tar::Archive::new(MultiGzDecoder::new(compressed).take(most));
    let mut files = Memory::default();
    let (mut count, mut size) = (0, 0);
    for entry in archive.entries().map_err(Error::Archive)? {
        let mut entry = entry.map_err(Error::Archive)?;
        count += 1;
        bound("entries", count, limits.entries)?;
        let name = entry.path_bytes().into_owned();
        bound("bytes in a path", name.len() as u64, limits.path)?;
        let Some(path) = safe(&name)? else { continue };
        let what = match entry.header().entry_type() {
            EntryType::Directory => Entry::Directory,
            EntryType::Regular | EntryType::Continuous => {
                size += entry.size();
                bound("bytes", size, limits.bytes)?;
                let executable = entry.header().mode().map_err(Error::Archive)? & 0o111 != 0;
                let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or_default());
                entry.read_to_end(&mut bytes).map_err(Error::Archive)?;
                Entry::File { bytes, executable }
            }
            _ => continue,
        };
        size += files.add(&path, what) as u64;
        bound("bytes", size, limits.bytes)?;
    }
    Ok(files)
}

fn bound(what: &'static str, found: u64, limit: u64) -> Result<(), Error> {
    if found > limit { Err(Error::TooLarge { what, limit }) } else { Ok(()) }
}

/// Returns the path in its plain form; none for the root.
fn safe(name: &[u8]) -> Result<Option<String>, Error> {
    let unsafe_path = || Error::UnsafePath { path: String::from_utf8_lossy(name).into_owned() };
    let text = std::str::from_utf8(name).map_err(|_| unsafe_path())?;
    if text.starts_with('/') || text.contains(['\0', '\\']) {
        return Err(unsafe_path());
    }
    let elements: Vec<&str> = text.split('/').filter(|element| !matches!(*element, "" | ".")).collect();
    if elements.contains(&"..") {
        return Err(unsafe_path());
    }
    Ok((!elements.is_empty()).then(|| elements.join("/")))
}
