//! The files of an artifact as a build sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use sealfast_kustomize::files::{Entry, FileError, Files, join};
use sealfast_source::lookup::Lookup;
use sealfast_source::tree::Kind;
use zeroize::Zeroizing;

/// A tree mounted at a virtual root, read only, with some files replaced.
pub struct View {
    tree: Arc<dyn Lookup>,
    root: String,
    opened: BTreeMap<String, Zeroizing<Vec<u8>>>,
    read: Mutex<BTreeSet<String>>,
}

impl View {
    /// Mounts the tree at `root` (absolute, without a slash at the end).
    pub fn new(tree: Arc<dyn Lookup>, root: String) -> View {
        View { tree, root, opened: BTreeMap::new(), read: Mutex::default() }
    }

    /// Puts other content in the place of a file.
    pub fn open(&mut self, path: &str, content: Zeroizing<Vec<u8>>) {
        self.opened.insert(path.to_owned(), content);
    }

    /// Whether a file's content was replaced.
    pub fn is_open(&self, path: &str) -> bool {
        self.opened.contains_key(path)
    }

    /// The files that were read so far.
    pub fn files_read(&self) -> Vec<String> {
        self.read.lock().iter().cloned().collect()
    }

    /// The file as it was committed.
    pub fn committed(&self, path: &str) -> Option<Vec<u8>> {
        self.tree.bytes(&self.inside(path, "read").ok()?).ok()?
    }

    /// A path below the root, without the root.
    pub fn relative<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(self.root.as_str()).map_or(path, |p| p.trim_start_matches('/'))
    }

    fn inside(&self, path: &str, operation: &'static str) -> Result<String, FileError> {
        let clean = join("/", path);
        match clean.strip_prefix(self.root.as_str()) {
            Some("") => Ok(String::new()),
            Some(rest) if rest.starts_with('/') => Ok(rest[1..].to_owned()),
            _ => Err(FileError::Outside { operation, path: path.to_owned(), root: self.root.clone() }),
        }
    }

    /// What leads to the root is there.
    fn missing(&self, path: &str) -> FileError {
        let is_there = |part: &str| {
            let part = join("/", part);
            match part.strip_prefix(self.root.as_str()) {
                Some(below) => below.is_empty() || self.tree.kind(below.trim_start_matches('/')).is_some(),
                None => self.root.starts_with(&part),
            }
        };
        FileError::missing(path, is_there)
    }
}

impl Files for View {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let inside = self.inside(path, "read")?;
        let full = join("/", path);
        if let Some(content) = self.opened.get(&full) {
            self.read.lock().insert(full.clone());
            return Ok(content.to_vec());
        }
        match self.tree.kind(&inside) {
            Some(Kind::File { .. }) => {
                self.read.lock().insert(full);
                match self.tree.bytes(&inside) {
                    Ok(bytes) => bytes.ok_or_else(|| self.missing(path)),
                    Err(error) => Err(FileError::Refused { path: path.to_owned(), reason: error.chain() }),
                }
            }
            Some(Kind::Directory) => Err(FileError::IsDirectory { path: path.to_owned() }),
            _ => Err(self.missing(path)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let inside = self.inside(path, "read")?;
        if !inside.is_empty() && self.tree.kind(&inside) != Some(Kind::Directory) {
            return Err(self.missing(path));
        }
        Ok(self.tree.names(&inside))
    }

    fn resolve(&self, path: &str) -> Result<(String, Entry), FileError> {
        let inside = self.inside(path, "abs")?;
        let full = join("/", path);
        if inside.is_empty() {
            return Ok((full, Entry::Directory));
        }
        match self.tree.kind(&inside) {
            Some(Kind::File { .. }) => Ok((full, Entry::File)),
            Some(Kind::Directory) => Ok((full, Entry::Directory)),
            _ => Err(self.missing(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use sealfast_source::tree::{Entry as Item, Memory};

    use super::*;

    #[test]
    fn the_first_missing_part_is_named() {
        let mut tree = Memory::default();
        tree.add("apps/a.yaml", Item::File { bytes: Vec::new(), executable: false });
        let view = View::new(Arc::new(tree), "/tmp/kustomization-1".to_owned());
        let missing = |path: &str| match view.read(path).and(view.resolve(path)) {
            Err(FileError::Missing { part, .. }) => part,
            other => format!("{other:?}"),
        };
        assert_eq!(missing("/tmp/kustomization-1/apps/none/b.yaml"), "/tmp/kustomization-1/apps/none");
        assert_eq!(missing("/tmp/kustomization-1/none/x/b.yaml"), "/tmp/kustomization-1/none");
        assert_eq!(missing("/tmp/kustomization-1/apps/b.yaml"), "/tmp/kustomization-1/apps/b.yaml");
    }
}
