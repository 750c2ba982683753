//! Keeps archives on disk: by path, with digest, old ones collected.
//!
//! A file of an object is never changed in place, so a reader sees the old archive or the new one. Nothing here is read
//! back without its digest: a file that somebody changed is found out by [`Storage::verify`].

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::archive::{self, Packed};
use crate::digest::{self, Algorithm};
use crate::error::Error;
use crate::tree::Tree;

/// A directory with archives.
#[derive(Debug)]
pub struct Storage {
    root: PathBuf,
    retention: Retention,
    algorithm: Algorithm,
    /// Files whose digest was found right, as they were then.
    verified: Mutex<HashMap<String, (String, Looks)>>,
}

/// What a file system tells about a file, and changes whenever somebody writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    file: u64,
    size: u64,
    modified: SystemTime,
    changed: (i64, i64),
}

/// How long archives stay that are no longer current.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Those older than this go.
    pub age: Duration,
    /// No more than this many stay, the current one included.
    pub records: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(60), records: 2 }
    }
}

/// How the names of files begin that are being written.
const SCRATCH: &str = ".new-";
/// Whoever wrote such a file for this long does so no more.
const ABANDONED: Duration = Duration::from_secs(60 * 60);
/// At most this many files of an object are looked at in one collection.
const MOST_FILES: usize = 1000;
/// So many files are remembered as verified.
const MOST_VERIFIED: usize = 10_000;

/// An archive in the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Relative to the storage's root, with `/`.
    pub path: String,
    /// `<algorithm>:<hex>` of the file.
    pub digest: String,
    /// Bytes of the file.
    pub size: u64,
}

impl Storage {
    /// Opens a directory, made with mode 0700 when it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(root: impl Into<PathBuf>, retention: Retention) -> Result<Self, Error> {
        let (algorithm, verified) = (Algorithm::default(), Mutex::default());
        let storage = Self { root: root.into(), retention, algorithm, verified };
        make_directory(&storage.root)?;
        Ok(storage)
    }

    /// The same, with digests by another algorithm.
    #[must_use]
    pub fn digesting(self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// Returns the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of an object's archive: `kind/namespace/name/file`, the kind in lower case.
    #[must_use]
    pub fn path(kind: &str, namespace: &str, name: &str, file: &str) -> String {
        format!("{}/{namespace}/{name}/{file}", kind.to_lowercase())
    }

    /// Whether a path is that of an archive of this object, and leads to no other one's.
    #[must_use]
    pub fn is_of(path: &str, kind: &str, namespace: &str, name: &str) -> bool {
        let file = path.strip_prefix(&Self::path(kind, namespace, name, ""));
        file.is_some_and(|file| !file.is_empty() && !file.contains('/'))
    }

    /// Packs a tree and keeps it under a path.
    ///
    /// # Errors
    /// When the tree cannot be read or the file not written; the old file, if any, is then still there.
    pub fn keep(&self, path: &str, tree: &dyn Tree, ignore: Option<&str>) -> Result<Stored, Error> {
        let target = self.absolute(path)?;
        let folder = target.parent().unwrap_or(&self.root);
        make_directory(folder)?;
        let _lock = lock(&target)?;
        let mut scratch = scratch(folder)?;
        let Packed { digest, size } =
            archive::pack(tree, ignore, BufWriter::new(&mut scratch), self.algorithm)?;
        persist(scratch, &target)?;
        Ok(Stored { path: path.to_owned(), digest, size })
    }

    /// Packs a tree and keeps it under its own digest, `kind/namespace/name/<hex>.tar.gz`; one that is there stays.
    ///
    /// # Errors
    /// As for [`Storage::keep`].
    pub fn keep_by_digest(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        tree: &dyn Tree,
    ) -> Result<Stored, Error> {
        let folder = self.absolute(&format!("{}/{namespace}/{name}", kind.to_lowercase()))?;
        make_directory(&folder)?;
        let mut scratch = scratch(&folder)?;
        let Packed { digest, size } =
            archive::pack(tree, None, BufWriter::new(&mut scratch), self.algorithm)?;
        let hash = digest.rsplit(':').next().unwrap_or_default();
        let path = Self::path(kind, namespace, name, &format!("{hash}.tar.gz"));
        let target = self.absolute(&path)?;
        if self.verify(&path, &digest).is_err() {
            persist(scratch, &target)?;
        }
        Ok(Stored { path, digest, size })
    }

    /// Returns true when the file is there, as a regular file.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        self.absolute(path)
            .is_ok_and(|path| fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_file()))
    }

    /// Reads the whole file and compares its digest.
    ///
    /// # Errors
    /// [`Error::Digest`] when it has another one, [`Error::File`] when it cannot be read.
    pub fn verify(&self, path: &str, digest: &str) -> Result<(), Error> {
        let absolute = self.absolute(path)?;
        let mut file = BufReader::new(File::open(&absolute).map_err(Error::file("open", &absolute))?);
        let mut hash = digest::like(digest)?;
        let mut part = [0; 16 << 10];
        loop {
            let count = file.read(&mut part).map_err(Error::file("read", &absolute))?;
            if count == 0 {
                break;
            }
            hash.update(&part[..count]);
        }
        if hash.finish() == digest {
            return Ok(());
        }
        Err(Error::Digest { expected: digest.to_owned() })
    }

    /// Does what [`Storage::verify`] does, unless the file was found right before and still looks as it did.
    ///
    /// # Errors
    /// As for [`Storage::verify`].
    pub fn verify_once(&self, path: &str, digest: &str) -> Result<(), Error> {
        let absolute = self.absolute(path)?;
        let looks = looks(&fs::symlink_metadata(&absolute).map_err(Error::file("read", &absolute))?);
        let known = |all: &HashMap<String, (String, Looks)>| {
            looks
                .is_some_and(|looks| all.get(path).is_some_and(|known| known.0 == digest && known.1 == looks))
        };
        if known(&self.verified()) {
            return Ok(());
        }
        self.verify(path, digest)?;
        let mut all = self.verified();
        if all.len() >= MOST_VERIFIED {
            all.clear();
        }
        if let Some(looks) = looks {
            all.insert(path.to_owned(), (digest.to_owned(), looks));
        }
        Ok(())
    }

    fn verified(&self) -> MutexGuard<'_, HashMap<String, (String, Looks)>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_file(&self, path: &str) -> Result<File, Error> {
        let path = self.absolute(path)?;
        File::open(&path).map_err(Error::file("open", &path))
    }

    /// Reads a file whole.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let path = self.absolute(path)?;
        fs::read(&path).map_err(Error::file("read", &path))
    }

    /// Removes a file; one that is not there is fine.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, path: &str) -> Result<(), Error> {
        remove_file(&self.absolute(path)?)
    }

    /// Removes the files of an object that are too old or too many, never the current one; returns how many went.
    ///
    /// # Errors
    /// When a directory cannot be listed or a file not removed.
    pub fn collect(&self, current: &str, now: SystemTime) -> Result<usize, Error> {
        let current = self.absolute(current)?;
        let Some(folder) = current.parent() else { return Ok(0) };
        let (mut others, unfinished) = old_files(folder, &current)?;
        others.sort();
        let keep = self.retention.records.saturating_sub(1);
        let too_many = others.len().saturating_sub(keep);
        let mut removed = 0;
        for (changed, path) in unfinished {
            // Somebody may be writing it just now.
            if now.duration_since(changed).unwrap_or_default() > ABANDONED {
                remove_file(&path)?;
                removed += 1;
            }
        }
        for (place, (changed, path)) in others.iter().enumerate() {
            let age = now.duration_since(*changed).unwrap_or_default();
            if place < too_many || age > self.retention.age {
                remove_file(path)?;
                remove_file(&lock_path(path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes everything of an object.
    ///
    /// # Errors
    /// When its directory is there and cannot be removed.
    pub fn remove_all(&self, kind: &str, namespace: &str, name: &str) -> Result<(), Error> {
        let folder = self.absolute(&format!("{}/{namespace}/{name}", kind.to_lowercase()))?;
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file("remove", &folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// Returns where a path lies on disk; it cannot lead outside.
    fn absolute(&self, path: &str) -> Result<PathBuf, Error> {
        let bad = |element: &str| matches!(element, "" | "." | "..") || element.contains(['\\', '\0']);
        if path.split('/').any(bad) {
            return Err(Error::UnsafePath { path: path.to_owned() });
        }
        Ok(self.root.join(path))
    }
}

#[cfg(unix)]
fn looks(about: &fs::Metadata) -> Option<Looks> {
    use std::os::unix::fs::MetadataExt as _;
    let changed = (about.ctime(), about.ctime_nsec());
    Some(Looks { file: about.ino(), size: about.len(), modified: about.modified().ok()?, changed })
}

/// Elsewhere the file system tells too little.
#[cfg(not(unix))]
fn looks(_: &fs::Metadata) -> Option<Looks> {
    None
}

fn scratch(folder: &Path) -> Result<tempfile::NamedTempFile, Error> {
    let made = tempfile::Builder::new().prefix(SCRATCH).tempfile_in(folder);
    made.map_err(Error::file("make a file in", folder))
}

/// Puts a written file into its place; it is on the disk before it has its name.
fn persist(scratch: tempfile::NamedTempFile, target: &Path) -> Result<(), Error> {
    scratch.as_file().sync_all().map_err(Error::file("write", target))?;
    scratch.persist(target).map_err(|failed| Error::file("replace", target)(failed.error))?;
    Ok(())
}

/// Files with the times of their last change.
type Dated = Vec<(SystemTime, PathBuf)>;

/// The archives beside the current one, and files that have not become archives.
fn old_files(folder: &Path, current: &Path) -> Result<(Dated, Dated), Error> {
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        other => other.map_err(Error::file("list", folder))?,
    };
    let (mut files, mut unfinished) = (Vec::new(), Vec::new());
    for entry in listing.take(MOST_FILES) {
        let entry = entry.map_err(Error::file("list", folder))?;
        let path = entry.path();
        let about = entry.metadata().map_err(Error::file("read", &path))?;
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        if about.is_file() && !is_lock && path != current {
            let changed = about.modified().map_err(Error::file("read", &path))?;
            let is_scratch = entry.file_name().to_string_lossy().starts_with(SCRATCH);
            if is_scratch { &mut unfinished } else { &mut files }.push((changed, path));
        }
    }
    Ok((files, unfinished))
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Holds others off until the file is dropped.
fn lock(target: &Path) -> Result<File, Error> {
    let path = lock_path(target);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    file.lock().map_err(Error::file("lock", &path))?;
    Ok(file)
}

fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn make_directory(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(Error::file("make directory", path))
}

#[cfg(not(unix))]
fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::file("make directory", path))
}
