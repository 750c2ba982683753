//! A tree <-> a `.tar.gz` whose bytes depend on the content alone.
//!
//! Follows: the archiver of source-controller: ustar with PAX where a name needs it, no times, no owners, modes 0750,
//! 0700 and 0600, only directories and regular files. The deflate stream differs from Go's, which nobody compares.

use std::io::Write;

use flate2::Compression;
use flate2::GzBuilder;

use crate::digest::{Algorithm, Hasher};
use crate::error::Error;
use crate::ignore::Rules;
use crate::tree::{Item, Kind, Tree};

mod header;
pub mod unpack;

/// Bytes of all files of one archive, before they are compressed: what is larger cannot be unpacked again.
const MOST_BYTES: u64 = 1 << 30;
/// Paths of one archive, and of a tree in Git with its submodules, directories included.
pub(crate) const MOST_PATHS: usize = 200_000;

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// `<algorithm>:<hex>` of the compressed bytes.
    pub digest: String,
    /// Number of compressed bytes.
    pub size: u64,
}

/// Packs a tree, without what its ignore files and `ignore` exclude, into a compressed archive.
///
/// # Errors
/// When the tree cannot be read or the output not written.
pub fn pack(
    tree: &dyn Tree,
    ignore: Option<&str>,
    output: impl Write,
    algorithm: Algorithm,
) -> Result<Packed, Error> {
    let items = tree.list()?;
    let rules = Rules::collect(tree, &items, ignore)?;
    compressed(output, algorithm, |mut gzip| write_items(tree, &items, &rules, &mut gzip))
}

/// Packs a tree, without what the rules exclude; its own ignore files are files like any other.
///
/// # Errors
/// As [`pack`].
pub fn pack_by(
    tree: &dyn Tree,
    rules: &Rules,
    output: impl Write,
    algorithm: Algorithm,
) -> Result<Packed, Error> {
    let items = tree.list()?;
    compressed(output, algorithm, |mut gzip| write_items(tree, &items, rules, &mut gzip))
}

fn compressed(
    output: impl Write,
    algorithm: Algorithm,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<Packed, Error> {
    let mut counted = Counted { inner: output, hash: Hasher::new(algorithm), size: 0 };
    // 255: an unknown operating system, as the reference writes.
    let mut gzip =
        GzBuilder::new().mtime(0).operating_system(255).write(&mut counted, Compression::default());
    write(&mut gzip)?;
    gzip.finish().map_err(Error::Archive)?;
    counted.inner.flush().map_err(Error::Archive)?;
    Ok(Packed { digest: counted.hash.finish(), size: counted.size })
}

/// Writes the uncompressed archive.
///
/// # Errors
/// When the tree cannot be read or the output not written.
pub fn write_tar(tree: &dyn Tree, ignore: Option<&str>, output: &mut impl Write) -> Result<(), Error> {
    let items = tree.list()?;
    let rules = Rules::collect(tree, &items, ignore)?;
    write_items(tree, &items, &rules, output)
}

fn write_items(tree: &dyn Tree, items: &[Item], rules: &Rules, output: &mut impl Write) -> Result<(), Error> {
    let mut left = MOST_BYTES;
    let mut put = |bytes: &[u8]| output.write_all(bytes).map_err(Error::Archive);
    put(&header::directory("."))?;
    for item in items {
        tree.goes_on()?;
        if rules.excludes(&item.path, item.kind == Kind::Directory) {
            continue;
        }
        match item.kind {
            Kind::Directory => put(&header::directory(&item.path))?,
            Kind::File { executable } => {
                let bytes = match tree.read(&item.path) {
                    Ok(bytes) => bytes,
                    // Gone between the listing and now: a directory that somebody works in.
                    Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                        continue;
                    }
                    Err(other) => return Err(other),
                };
                let too_large = Error::TooLarge { what: "bytes of files", limit: MOST_BYTES };
                left = left.checked_sub(bytes.len() as u64).ok_or(too_large)?;
                put(&header::file(&item.path, bytes.len(), executable))?;
                put(&bytes)?;
                put(&[0; header::BLOCK][..header::padding(bytes.len())])?;
            }
            Kind::Link => {}
        }
    }
    put(&[0; 2 * header::BLOCK])
}

/// Writes bytes as lower-case hex digits. They may be a secret: nothing is left behind but what is returned.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
    text
}

struct Counted<W> {
    inner: W,
    hash: Hasher,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
