//! A fetched commit: its facts, and its tree without a work tree.

use std::collections::BTreeMap;

use gix::objs::tree::EntryKind;
use gix::prelude::FindExt as _;
use jiff::Timestamp;

use crate::error::Error;
use crate::tree::{Item, Kind, Tree, sort};

/// A tree may not be deeper than this.
const DEEPEST: usize = 128;

/// A commit whose objects lie in a folder of its own, which goes with it.
pub struct Commit {
    /// What was asked for and found, such as `main@sha1:…`.
    pub revision: String,
    /// The commit's hash in hex.
    pub hash: String,
    /// The first line of its message.
    pub subject: String,
    /// When it was committed.
    pub time: Timestamp,
    /// The annotated tag that led to it, in hex.
    pub tag: Option<String>,
    paths: BTreeMap<String, (Kind, gix::ObjectId)>,
    repository: gix::ThreadSafeRepository,
    _folder: tempfile::TempDir,
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Commit({})", self.revision)
    }
}

impl Commit {
    pub(super) fn open(
        repository: gix::Repository,
        folder: tempfile::TempDir,
        id: gix::ObjectId,
    ) -> Result<Self, Error> {
        let missing = |_| Error::NoCommit { commit: id.to_string() };
        let mut buffer = Vec::new();
        let commit = repository.objects.find_commit(&id, &mut buffer).map_err(missing)?;
        let (tree, subject) = (commit.tree(), commit.message().summary().to_string());
        let seconds = commit.time().map_or(0, |time| time.seconds);
        let mut paths = BTreeMap::new();
        walk(&repository, &id.to_string(), tree, "", 0, &mut paths)?;
        Ok(Self {
            revision: format!("sha1:{id}"),
            hash: id.to_string(),
            subject,
            time: Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
            tag: None,
            paths,
            repository: repository.into_sync(),
            _folder: folder,
        })
    }

    /// Keeps only what begins with one of the paths, and the directories above it.
    ///
    /// The comparison is of plain text, as in the reference: `apps` also keeps `apps-old/`.
    ///
    /// # Errors
    /// [`Error::NoSparsePath`] when one of them is not there.
    pub fn keep_only(&mut self, wanted: &[String]) -> Result<(), Error> {
        let wanted: Vec<&str> =
            wanted.iter().map(|path| path.trim_start_matches("./").trim_end_matches('/')).collect();
        if let Some(path) = wanted.iter().find(|path| !self.paths.contains_key(**path)) {
            return Err(Error::NoSparsePath { path: (*path).to_owned() });
        }
        let is_above =
            |folder: &str, path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.paths.retain(|path, (kind, _)| {
            wanted.iter().any(|wanted| {
                path.starts_with(wanted) || (*kind == Kind::Directory && is_above(path, wanted))
            })
        });
        Ok(())
    }

    /// Returns true when the tree has a list of submodules.
    #[must_use]
    pub fn has_submodules(&self) -> bool {
        self.paths.contains_key(".gitmodules")
    }
}

fn walk(
    repository: &gix::Repository,
    commit: &str,
    tree: gix::ObjectId,
    folder: &str,
    depth: usize,
    paths: &mut BTreeMap<String, (Kind, gix::ObjectId)>,
) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(Error::TooLarge { what: "nested directories", limit: DEEPEST as u64 });
    }
    let mut buffer = Vec::new();
    let found = repository
        .objects
        .find_tree(&tree, &mut buffer)
        .map_err(|error| unreadable(folder, commit, error))?;
    for entry in found.entries {
        let name = std::str::from_utf8(entry.filename).unwrap_or("");
        if matches!(name, "" | "." | ".." | ".git") || name.contains(['/', '\0']) {
            return Err(Error::UnsafePath { path: format!("{folder}/{}", entry.filename) });
        }
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let kind = match entry.mode.kind() {
            EntryKind::Tree => {
                walk(repository, commit, entry.oid.to_owned(), &path, depth + 1, paths)?;
                Kind::Directory
            }
            // A submodule that nobody asked for is an empty directory.
            EntryKind::Commit => Kind::Directory,
            EntryKind::Blob => Kind::File { executable: false },
            EntryKind::BlobExecutable => Kind::File { executable: true },
            EntryKind::Link => Kind::Link,
        };
        paths.insert(path, (kind, entry.oid.to_owned()));
    }
    Ok(())
}

fn unreadable(path: &str, commit: &str, error: impl Into<gix::Error>) -> Error {
    let source: gix::Error = error.into();
    Error::Object { path: path.to_owned(), commit: commit.to_owned(), source: Box::new(source) }
}

impl Tree for Commit {
    fn list(&self) -> Result<Vec<Item>, Error> {
        let mut items: Vec<Item> =
            self.paths.iter().map(|(path, (kind, _))| Item { path: path.clone(), kind: *kind }).collect();
        sort(&mut items);
        Ok(items)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let Some((_, id)) = self.paths.get(path) else {
            return Err(Error::file("read", std::path::Path::new(path))(std::io::ErrorKind::NotFound.into()));
        };
        let mut buffer = Vec::new();
        let repository = self.repository.to_thread_local();
        let blob = repository.objects.find_blob(id, &mut buffer);
        blob.map_err(|error| unreadable(path, &self.hash, error))?;
        Ok(buffer)
    }
}
