//! One root and the way that led to it.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::Error;
use crate::files::{Entry, FileError, Files, is_within, join};
use crate::spec::FILE_NAMES;

/// Which files a root may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restriction {
    /// Those in it or below it.
    #[default]
    RootOnly,
    /// All that the view shows.
    None,
}

/// How many bytes one build may read; a file that many name counts each time.
pub(crate) const MAX_READ: usize = 1 << 30;

/// A root.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    files: &'a dyn Files,
    restriction: Restriction,
    /// The roots from the outermost to this one.
    chain: Vec<String>,
    /// The directory that nothing may leave, for what came from another host.
    fence: Option<String>,
    /// How many bytes the whole build has read.
    bytes: Rc<Cell<usize>>,
}

impl<'a> Loader<'a> {
    /// Opens the outermost root.
    ///
    /// Messages call it `shown`.
    pub(crate) fn open(
        files: &'a dyn Files,
        restriction: Restriction,
        dir: &str,
        shown: &str,
    ) -> Result<Self, Error> {
        let mut loader = Self { files, restriction, chain: Vec::new(), fence: None, bytes: Rc::default() };
        if is_remote(dir) {
            return loader.descend(dir);
        }
        let root = directory(files, &join("/", dir), shown)?;
        loader.chain.push(root);
        Ok(loader)
    }

    /// Returns the absolute path of the root.
    pub(crate) fn root(&self) -> &str {
        self.chain.last().map_or("/", String::as_str)
    }

    /// Returns how many roots lie on the way to this one.
    pub(crate) fn depth(&self) -> usize {
        self.chain.len()
    }

    /// Opens a root that this one names.
    pub(crate) fn descend(&self, path: &str) -> Result<Self, Error> {
        if path.is_empty() {
            return Err(Error::Root("new root cannot be empty".to_owned()));
        }
        if is_remote(path) {
            return self.fetched(path);
        }
        if path.starts_with('/') {
            return Err(Error::Root(format!("new root '{path}' cannot be absolute")));
        }
        let joined = join(self.root(), path);
        let root = directory(self.files, &joined, &joined)?;
        if let Some(visited) = self.chain.iter().rev().find(|visited| is_within(visited, &root)) {
            return Err(Error::Root(format!(
                "cycle detected: candidate root '{root}' contains visited root '{visited}'"
            )));
        }
        self.check_fence(&joined, &root)?;
        let mut chain = self.chain.clone();
        chain.push(root);
        Ok(Self { chain, ..self.clone() })
    }

    /// Opens a root on another host that the view has.
    fn fetched(&self, address: &str) -> Result<Self, Error> {
        let Some(fetched) = self.files.remote(address) else {
            return Err(Error::Root(format!(
                "remote root '{address}' is not allowed: only local files are read"
            )));
        };
        let fetched = fetched?;
        let root = directory(self.files, &fetched.directory, address)?;
        if self.chain.contains(&root) {
            return Err(Error::Root(format!("cycle detected: root '{address}' is visited already")));
        }
        let mut chain = self.chain.clone();
        chain.push(root);
        Ok(Self { chain, fence: Some(fetched.top), ..self.clone() })
    }

    /// Refuses what leads out of the tree that came from another host.
    fn check_fence(&self, path: &str, real: &str) -> Result<(), Error> {
        match &self.fence {
            Some(top) if !is_within(real, top) => {
                let link = link(path, real, top);
                Err(Error::Root(format!("security; '{path}' is not in or below '{top}'{link}")))
            }
            _ => Ok(()),
        }
    }

    /// Reads a file that this root names.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.read_file(path).map_err(|error| match error {
            // Without a fence the original reads at once, and is told so.
            Error::File(FileError::IsDirectory { path }) if self.restriction == Restriction::None => {
                Error::Root(format!("read {path}: is a directory"))
            }
            Error::File(FileError::Missing { path, .. }) if self.restriction == Restriction::None => {
                Error::Root(format!("open {path}: no such file or directory"))
            }
            Error::File(FileError::Outside { path, root, .. }) => {
                FileError::Outside { operation: "read", path, root }.into()
            }
            other => other,
        })
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, Error> {
        if is_remote(path) && path.contains("://") {
            return match self.files.remote_file(path) {
                Some(content) => self.counted(path, content?),
                None => Err(Error::Root(format!(
                    "remote file '{path}' is not allowed: only local files are read"
                ))),
            };
        }
        let joined = join(self.root(), path);
        let (real, entry) = self.files.resolve(&joined)?;
        if entry == Entry::Directory {
            return Err(FileError::IsDirectory { path: joined }.into());
        }
        self.check_fence(&joined, &real)?;
        if self.restriction == Restriction::RootOnly && !is_within(&real, self.root()) {
            let root = self.root();
            let link = link(&joined, &real, root);
            return Err(Error::Root(format!("security; file '{joined}' is not in or below '{root}'{link}")));
        }
        // By the path that was looked at: a link cannot lead elsewhere meanwhile.
        self.counted(path, self.files.read(&real)?)
    }

    /// Counts what was read.
    fn counted(&self, path: &str, content: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.bytes.set(self.bytes.get().saturating_add(content.len()));
        if self.bytes.get() > MAX_READ {
            return Err(Error::Limit(format!(
                "'{path}' in '{}': with it the build reads more than {MAX_READ} bytes",
                self.root()
            )));
        }
        Ok(content)
    }

    /// Reads the kustomization file of the root; returns its content and its name.
    pub(crate) fn kustomization(&self) -> Result<(Vec<u8>, &'static str), Error> {
        let unable = || {
            format!(
                "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{}'",
                self.root()
            )
        };
        let mut found = None;
        let is_there = |name: &&str| !self.files.is_missing(&join(self.root(), name));
        for name in FILE_NAMES.into_iter().filter(is_there) {
            let content = match self.read_file(name) {
                Ok(content) => content,
                Err(Error::File(FileError::Missing { .. } | FileError::IsDirectory { .. })) => continue,
                Err(error) => return Err(error.within(unable())),
            };
            if found.replace((content, name)).is_some() {
                return Err(Error::Root(format!(
                    "Found multiple kustomization files under: {}\n",
                    self.root()
                )));
            }
        }
        found.ok_or_else(|| Error::Root(unable()))
    }
}

/// Says so where it is a link that leads out of a directory.
fn link(path: &str, real: &str, directory: &str) -> String {
    if is_within(path, directory) { format!(": a link leads to '{real}'") } else { String::new() }
}

/// Returns the real path of a directory; `shown` is the path as the user wrote it.
pub(crate) fn directory(files: &dyn Files, path: &str, shown: &str) -> Result<String, Error> {
    match files.resolve(path) {
        Ok((real, Entry::Directory)) => Ok(real),
        Ok((_, Entry::File)) => {
            Err(Error::Root(format!("must build at directory: '{shown}': file is not directory")))
        }
        Err(error) => {
            let error = match error {
                FileError::Missing { part, .. } => FileError::Missing { path: shown.to_owned(), part },
                other => other,
            };
            Err(Error::File(error).within("must build at directory: not a valid directory"))
        }
    }
}

/// Whether an entry names something on another host.
pub(crate) fn is_remote(path: &str) -> bool {
    let path = path.strip_prefix("git::").unwrap_or(path);
    ["https://", "http://", "ssh://", "file://", "github.com/", "github.com:"]
        .iter()
        .any(|scheme| path.starts_with(scheme))
        || path.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Loader, MAX_READ, Restriction};
    use crate::files::Memory;

    #[test]
    fn all_roots_share_one_count_of_bytes() {
        let size = 64 << 20;
        let mut files = Memory::new();
        files.insert("/app/a", vec![b'x'; size]);
        files.insert("/app/base/b", vec![b'x'; size]);
        let loader = Loader::open(&files, Restriction::RootOnly, "/app", "/app").unwrap();
        let below = loader.descend("base").unwrap();
        for _ in 0..MAX_READ / size / 2 {
            assert_eq!(loader.read("a").unwrap().len(), size);
            assert_eq!(below.read("b").unwrap().len(), size);
        }
        let message = below.read("b").unwrap_err().chain();
        assert_eq!(message, "'b' in '/app/base': with it the build reads more than 1073741824 bytes");
    }
}
