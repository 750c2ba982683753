//! A fetched commit: its facts, and its tree without a work tree.

use std::collections::BTreeMap;
use std::fmt;

use gix::ObjectId;
use gix::objs::Kind as ObjectKind;
use gix::objs::tree::EntryKind;
use gix::prelude::FindExt as _;
use jiff::Timestamp;

use crate::archive::MOST_PATHS;
use crate::error::Error;
use crate::git::scratch::Folder;
use crate::tree::{Item, Kind, Tree, sort};

/// A tree may not be deeper than this.
const DEEPEST: usize = 128;
/// Tags may lead to tags, but not for ever.
const LONGEST_TAG_CHAIN: usize = 8;

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
    /// The tag that led to it.
    pub tag: Option<Tag>,
    /// The object as it is stored, which is what a signature is about.
    pub raw: Vec<u8>,
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) sources: Vec<Source>,
}

/// A tag on the way to a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Its name without `refs/tags/`.
    pub name: String,
    /// The hash of the tag object in hex; none for a lightweight tag.
    pub hash: Option<String>,
    /// The tag object as it is stored; empty for a lightweight tag.
    pub raw: Vec<u8>,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hash {
            Some(hash) => write!(f, "{}@{hash}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What lies at a path, and where its bytes are.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// An object of one of the sources.
    Object { source: usize, id: ObjectId },
    /// A commit of another repository.
    Submodule(ObjectId),
    /// Bytes of our own.
    Made(Vec<u8>),
}

/// A repository with objects, which goes when it is dropped.
pub(super) struct Source {
    repository: gix::ThreadSafeRepository,
    _folder: Folder,
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commit({})", self.revision)
    }
}

impl Commit {
    /// Opens the commit that an object is, or leads to when it is a tag.
    pub(super) fn open(repository: gix::Repository, folder: Folder, id: ObjectId) -> Result<Self, Error> {
        let (id, tag) = peel(&repository, id)?;
        let hash = id.to_string();
        let mut buffer = Vec::new();
        let found = repository.objects.find_commit(&id, &mut buffer);
        let commit = found.map_err(|_| Error::NoCommit { commit: hash.clone() })?;
        let (tree, subject) = (commit.tree(), first_line(commit.message));
        let seconds = commit.time().map_or(0, |time| time.seconds);
        drop(commit);
        let mut walk = Walk { repository: &repository, commit: &hash, source: 0, nodes: BTreeMap::new() };
        walk.tree(tree, "", 0)?;
        let nodes = walk.nodes;
        Ok(Self {
            raw: buffer,
            revision: format!("sha1:{hash}"),
            hash,
            subject,
            time: Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
            tag,
            nodes,
            sources: vec![Source { repository: repository.into_sync(), _folder: folder }],
        })
    }

    /// Keeps only what begins with one of the paths, and the directories above it.
    ///
    /// The comparison is of plain text, as in the reference: `apps` also keeps `apps-old/`.
    ///
    /// # Errors
    /// [`Error::NoSparsePath`] when one of them is not there.
    pub fn keep_only(&mut self, wanted: &[String]) -> Result<(), Error> {
        let plain = |path: &str| path.trim_start_matches("./").trim_end_matches('/').to_owned();
        // The root itself has no name.
        let is_there = |path: &String| path.is_empty() || self.nodes.contains_key(path);
        if let Some(path) = wanted.iter().find(|path| !is_there(&plain(path))) {
            return Err(Error::NoSparsePath { path: path.clone() });
        }
        let wanted: Vec<String> = wanted.iter().map(|path| plain(path)).collect();
        let is_above =
            |folder: &str, path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.nodes.retain(|path, node| {
            wanted.iter().any(|wanted| {
                path.starts_with(wanted.as_str()) || (node.kind == Kind::Directory && is_above(path, wanted))
            })
        });
        Ok(())
    }

    /// Lists the submodules: path and commit.
    pub(super) fn submodules(&self) -> Vec<(String, ObjectId)> {
        let submodule = |(path, node): (&String, &Node)| match node.content {
            Content::Submodule(id) => Some((path.clone(), id)),
            Content::Object { .. } | Content::Made(_) => None,
        };
        self.nodes.iter().filter_map(submodule).collect()
    }

    /// Puts the content of another commit into a directory, with a `.git` file that names where its repository would be.
    pub(super) fn attach(&mut self, folder: &str, other: Self, git_directory: &str) -> Result<(), Error> {
        let shift = self.sources.len();
        self.sources.extend(other.sources);
        for (path, mut node) in other.nodes {
            if let Content::Object { source, .. } = &mut node.content {
                *source += shift;
            }
            self.nodes.insert(format!("{folder}/{path}"), node);
        }
        let text = format!("gitdir: {git_directory}\n").into_bytes();
        let file = Node { kind: Kind::File { executable: false }, content: Content::Made(text) };
        self.nodes.insert(format!("{folder}/.git"), file);
        bounded(self.nodes.len())
    }
}

/// The text of a message up to its first line break.
fn first_line(message: &[u8]) -> String {
    let line = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

/// Follows tags to a commit by what the objects say, whatever the remote told about them.
fn peel(repository: &gix::Repository, mut id: ObjectId) -> Result<(ObjectId, Option<Tag>), Error> {
    let mut first = None;
    for _ in 0..LONGEST_TAG_CHAIN {
        let mut raw = Vec::new();
        let missing = |_| Error::NoCommit { commit: id.to_string() };
        let found = repository.objects.find(&id, &mut raw).map_err(missing)?;
        if found.kind != ObjectKind::Tag {
            return Ok((id, first));
        }
        let tag = gix::objs::TagRef::from_bytes(found.data, gix::hash::Kind::Sha1);
        let tag = tag.map_err(|_| Error::NoCommit { commit: id.to_string() })?;
        let (name, target) = (tag.name.to_string(), tag.target());
        first.get_or_insert(Tag { name, hash: Some(id.to_string()), raw });
        id = target;
    }
    Err(Error::NoCommit { commit: id.to_string() })
}

struct Walk<'a> {
    repository: &'a gix::Repository,
    commit: &'a str,
    source: usize,
    nodes: BTreeMap<String, Node>,
}

impl Walk<'_> {
    fn tree(&mut self, tree: ObjectId, folder: &str, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(Error::TooLarge { what: "nested directories", limit: DEEPEST as u64 });
        }
        let mut buffer = Vec::new();
        let found = self.repository.objects.find_tree(&tree, &mut buffer);
        for entry in found.map_err(|error| unreadable(folder, self.commit, error))?.entries {
            let name = std::str::from_utf8(entry.filename).unwrap_or("");
            if is_unsafe(name) {
                return Err(Error::UnsafePath { path: format!("{folder}/{}", entry.filename) });
            }
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let id = entry.oid.to_owned();
            let object = Content::Object { source: self.source, id };
            let (kind, content) = match entry.mode.kind() {
                EntryKind::Tree => {
                    self.tree(id, &path, depth + 1)?;
                    (Kind::Directory, object)
                }
                // A submodule that nobody asked for is an empty directory.
                EntryKind::Commit => (Kind::Directory, Content::Submodule(id)),
                EntryKind::Blob => (Kind::File { executable: false }, object),
                EntryKind::BlobExecutable => (Kind::File { executable: true }, object),
                EntryKind::Link => (Kind::Link, object),
            };
            self.nodes.insert(path, Node { kind, content });
            bounded(self.nodes.len())?;
        }
        Ok(())
    }
}

fn bounded(paths: usize) -> Result<(), Error> {
    if paths > MOST_PATHS {
        return Err(Error::TooLarge { what: "paths", limit: MOST_PATHS as u64 });
    }
    Ok(())
}

/// `.git` in any spelling that a file system may take for it does not come from a tree.
fn is_unsafe(name: &str) -> bool {
    matches!(name, "" | "." | "..") || name.eq_ignore_ascii_case(".git") || name.contains(['/', '\0'])
}

fn unreadable(path: &str, commit: &str, error: impl Into<gix::Error>) -> Error {
    let source: gix::Error = error.into();
    Error::Object { path: path.to_owned(), commit: commit.to_owned(), source: Box::new(source) }
}

impl Tree for Commit {
    fn list(&self) -> Result<Vec<Item>, Error> {
        let mut items: Vec<Item> =
            self.nodes.iter().map(|(path, node)| Item { path: path.clone(), kind: node.kind }).collect();
        sort(&mut items);
        Ok(items)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let absent = || Error::file("read", std::path::Path::new(path))(std::io::ErrorKind::NotFound.into());
        match self.nodes.get(path).map(|node| &node.content) {
            Some(Content::Made(bytes)) => Ok(bytes.clone()),
            Some(Content::Object { source, id }) => {
                let source = self.sources.get(*source).ok_or_else(absent)?;
                let mut buffer = Vec::new();
                let repository = source.repository.to_thread_local();
                let blob = repository.objects.find_blob(id, &mut buffer);
                blob.map_err(|error| unreadable(path, &self.hash, error))?;
                Ok(buffer)
            }
            Some(Content::Submodule(_)) | None => Err(absent()),
        }
    }
}
