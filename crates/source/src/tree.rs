//! What an archive is made from: names with kinds, bytes on demand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::Error;
use crate::work_tree::{Ignored, WorkTree};

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Whether it has an executable bit.
        executable: bool,
    },
    /// A symbolic link.
    Link,
}

/// One path of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Relative to the root, with `/` between its elements.
    pub path: String,
    /// What lies there.
    pub kind: Kind,
}

/// A tree of files.
pub trait Tree {
    /// Lists everything but the root, each directory before its content, in byte order within a directory.
    ///
    /// # Errors
    /// When the tree cannot be read.
    fn list(&self) -> Result<Vec<Item>, Error>;

    /// Reads the content of a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, Error>;

    /// Whether work on the tree may go on; asked at each of its items.
    ///
    /// # Errors
    /// Why it may not.
    fn goes_on(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A tree that may be worked on up to an instant.
#[derive(Clone, Copy, Debug)]
pub struct Until<'a, T> {
    /// The tree.
    pub tree: &'a T,
    /// When the time is over.
    pub deadline: Instant,
}

impl<T: Tree> Tree for Until<'_, T> {
    fn list(&self) -> Result<Vec<Item>, Error> {
        self.tree.list()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.goes_on()?;
        self.tree.read(path)
    }

    fn goes_on(&self) -> Result<(), Error> {
        if Instant::now() < self.deadline { self.tree.goes_on() } else { Err(Error::Deadline) }
    }
}

/// Puts items into the order of a walk: a directory is followed by what is in it.
pub(crate) fn sort(items: &mut [Item]) {
    items.sort_by(|left, right| left.path.split('/').cmp(right.path.split('/')));
}

/// A directory on disk as it stands, without `.git`.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    left_out: Vec<PathBuf>,
    is_as_committed: bool,
}

impl Directory {
    /// Returns the tree below a directory.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), left_out: Vec::new(), is_as_committed: false }
    }

    /// Leaves these files out; each is named as the directory itself is, absolute or not.
    #[must_use]
    pub fn without(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        self.left_out.extend(files);
        self
    }

    /// Leaves out what Git ignores, where the directory lies in a work tree: what a commit of all changes would hold.
    #[must_use]
    pub fn as_committed(mut self) -> Self {
        self.is_as_committed = true;
        self
    }

    fn walk(
        &self,
        folder: &Path,
        prefix: &str,
        ignored: &mut Option<Ignored<'_>>,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        for entry in std::fs::read_dir(folder).map_err(Error::file("list", folder))? {
            let entry = entry.map_err(Error::file("list", folder))?;
            let path = entry.path();
            let name = entry.file_name();
            if name == ".git" || self.left_out.contains(&path) {
                continue;
            }
            let Some(name) = name.to_str() else {
                return Err(Error::UnsafePath { path: path.to_string_lossy().into_owned() });
            };
            let below = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            let about = match entry.metadata() {
                Ok(about) => about,
                // Editors replace files all the time.
                Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => continue,
                Err(other) => return Err(Error::file("read", &path)(other)),
            };
            let Some(kind) = kind(&about) else { continue };
            if let Some(ignored) = ignored
                && ignored.leaves_out(&below, kind == Kind::Directory)?
            {
                continue;
            }
            items.push(Item { path: below.clone(), kind });
            if kind == Kind::Directory {
                self.walk(&path, &below, ignored, items)?;
            }
        }
        Ok(())
    }
}

fn kind(about: &std::fs::Metadata) -> Option<Kind> {
    let sort = about.file_type();
    if sort.is_dir() {
        return Some(Kind::Directory);
    }
    if sort.is_symlink() {
        return Some(Kind::Link);
    }
    sort.is_file().then(|| Kind::File { executable: executable(about) })
}

#[cfg(unix)]
fn executable(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn executable(_: &std::fs::Metadata) -> bool {
    false
}

impl Tree for Directory {
    fn list(&self) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let work_tree = if self.is_as_committed { WorkTree::around(&self.root)? } else { None };
        let mut ignored = work_tree.as_ref().map(WorkTree::ignored).transpose()?;
        self.walk(&self.root, "", &mut ignored, &mut items)?;
        sort(&mut items);
        Ok(items)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let path = self.root.join(path);
        std::fs::read(&path).map_err(Error::file("read", &path))
    }
}

/// A file or link in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its content.
        bytes: Vec<u8>,
        /// Whether it has an executable bit.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as written.
        target: String,
    },
}

impl Entry {
    /// Returns what it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Directory => Kind::Directory,
            Self::File { executable, .. } => Kind::File { executable: *executable },
            Self::Link { .. } => Kind::Link,
        }
    }
}

/// Files in memory by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Relative paths with `/`; parents of files are there too.
    pub entries: BTreeMap<String, Entry>,
}

impl Memory {
    /// Reads a whole tree, but for its links.
    ///
    /// # Errors
    /// When a file cannot be read, or all of them have more than `largest` bytes.
    pub fn read_all(tree: &dyn Tree, largest: usize) -> Result<Self, Error> {
        let mut files = Self::default();
        let mut left = largest;
        for item in tree.list()? {
            match item.kind {
                Kind::Directory => {
                    files.add(&item.path, Entry::Directory);
                }
                Kind::File { executable } => {
                    let bytes = tree.read(&item.path)?;
                    left = left
                        .checked_sub(bytes.len())
                        .ok_or(Error::TooLarge { what: "bytes of files", limit: largest as u64 })?;
                    files.add(&item.path, Entry::File { bytes, executable });
                }
                Kind::Link => {}
            }
        }
        Ok(files)
    }

    /// Adds an entry and the directories above it; returns how many bytes the new paths have.
    pub fn add(&mut self, path: &str, entry: Entry) -> usize {
        let mut added = 0;
        for (at, _) in path.match_indices('/') {
            self.entries.entry(path[..at].to_owned()).or_insert_with(|| {
                added += at;
                Entry::Directory
            });
        }
        if self.entries.insert(path.to_owned(), entry).is_none() {
            added += path.len();
        }
        added
    }

    /// Returns the bytes of a regular file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.entries.get(path) {
            Some(Entry::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }
}

impl Tree for Memory {
    fn list(&self) -> Result<Vec<Item>, Error> {
        let item = |(path, entry): (&String, &Entry)| Item { path: path.clone(), kind: entry.kind() };
        let mut items: Vec<Item> = self.entries.iter().map(item).collect();
        sort(&mut items);
        Ok(items)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        match self.entries.get(path) {
            Some(Entry::File { bytes, .. }) => Ok(bytes.clone()),
            Some(Entry::Link { target }) => Ok(target.clone().into_bytes()),
            Some(Entry::Directory) | None => {
                Err(Error::file("read", Path::new(path))(std::io::ErrorKind::NotFound.into()))
            }
        }
    }
}

/// Files in memory over another tree.
#[derive(Debug)]
pub struct Over<'a, T> {
    /// What lies below.
    pub base: &'a T,
    /// What lies above, and counts where both have something.
    pub top: Memory,
}

impl<T: Tree> Tree for Over<'_, T> {
    fn list(&self) -> Result<Vec<Item>, Error> {
        let mut items = self.base.list()?;
        if self.top.entries.is_empty() {
            return Ok(items);
        }
        items.retain(|item| !self.hides(&item.path));
        items.extend(self.top.list()?);
        sort(&mut items);
        Ok(items)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        if self.top.entries.contains_key(path) { self.top.read(path) } else { self.base.read(path) }
    }
}

impl<T> Over<'_, T> {
    /// A file above hides all that lies below its own path, too.
    fn hides(&self, path: &str) -> bool {
        let above =
            |(at, _)| self.top.entries.get(&path[..at]).is_some_and(|entry| *entry != Entry::Directory);
        self.top.entries.contains_key(path) || path.match_indices('/').any(above)
    }
}
