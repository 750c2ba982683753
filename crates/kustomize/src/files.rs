//! The view of files that a build reads: a trait and an in-memory tree.
//!
//! Paths are absolute, `/` separates, and `..` is resolved before a view sees them. A view decides
//! how far a symbolic link may lead; the in-memory tree lets none leave it.

use std::collections::BTreeMap;

use thiserror::Error;

/// What is found under a path after links have been followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// A failed look at the view.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FileError {
    /// Nothing is there.
    #[error("evalsymlink failure on '{path}' : lstat {part}: no such file or directory")]
    Missing {
        /// The path asked for.
        path: String,
        /// The first part of it that is not there.
        part: String,
    },
    /// A directory where a file is needed.
    #[error("'{path}' must resolve to a file")]
    IsDirectory {
        /// The path asked for.
        path: String,
    },
    /// The path leads out of the part of the tree that may be seen.
    #[error("fs-security-constraint {operation} {path}: path '{path}' is not in or below '{root}'{}", link(.path, .root))]
    Outside {
        /// What was tried.
        operation: &'static str,
        /// The path asked for.
        path: String,
        /// The part that may be seen.
        root: String,
    },
    /// Links lead in a circle.
    #[error("evalsymlink failure on '{path}' : EvalSymlinks: too many links")]
    Loop {
        /// The path asked for.
        path: String,
    },
    /// The operating system refuses.
    #[error("{path}: {reason}")]
    Refused {
        /// The path asked for.
        path: String,
        /// The system's words.
        reason: String,
    },
}

impl FileError {
    /// Says that nothing is there; `is_there` tells of which part of the path there is something.
    #[must_use]
    pub fn missing(path: &str, is_there: impl Fn(&str) -> bool) -> Self {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        let mut parts = ends.map(|end| &path[..end]);
        let part = parts.find(|part| !is_there(part)).unwrap_or(path);
        Self::Missing { path: path.to_owned(), part: part.to_owned() }
    }
}

/// Says so where it is a link that leads out.
fn link(path: &str, root: &str) -> &'static str {
    if is_within(path, root) { ": a link leads out of it" } else { "" }
}

/// A tree of files, directories and symbolic links, read only.
pub trait Files {
    /// Whether nothing is at `path`, not even a link.
    fn is_missing(&self, path: &str) -> bool {
        matches!(self.resolve(path), Err(FileError::Missing { .. }))
    }

    /// Returns the content of the file at `path`.
    ///
    /// # Errors
    /// When there is no file or it may not be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;

    /// Returns the names in the directory at `path`, sorted by bytes.
    ///
    /// # Errors
    /// When there is no directory or it may not be read.
    fn list(&self, path: &str) -> Result<Vec<String>, FileError>;

    /// Returns `path` with all links followed, and what is there.
    ///
    /// # Errors
    /// When nothing is there, or a link leads out of the view.
    fn resolve(&self, path: &str) -> Result<(String, Entry), FileError>;

    /// Returns the content of a file of another host; none when the view has nothing of the kind.
    ///
    /// # Errors
    /// When the address may not be used or nothing could be had from it.
    fn remote_file(&self, _address: &str) -> Option<Result<Vec<u8>, FileError>> {
        None
    }

    /// Returns where the view shows a directory of another host; none when it shows nothing of the kind.
    ///
    /// # Errors
    /// When the address may not be used or nothing could be had from it.
    fn remote(&self, _address: &str) -> Option<Result<Fetched, FileError>> {
        None
    }
}

/// Where a view shows what came from another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The directory that the address names.
    pub directory: String,
    /// The top of what came with it; nothing below it may lead out of it.
    pub top: String,
}

/// Joins `path` to `base` (unless it is absolute) and removes `.`, `..` and doubled slashes.
#[must_use]
pub fn join(base: &str, path: &str) -> String {
    let base = if path.starts_with('/') { "" } else { base };
    let mut joined = String::with_capacity(base.len() + path.len() + 2);
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => joined.truncate(joined.rfind('/').unwrap_or(0)),
            other => {
                joined.push('/');
                joined.push_str(other);
            }
        }
    }
    if joined.is_empty() {
        joined.push('/');
    }
    joined
}

/// Whether `path` is `root` or lies below it.
#[must_use]
pub fn is_within(path: &str, root: &str) -> bool {
    root == "/" || path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

/// Returns the last part of a path.
#[must_use]
pub fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// Returns `path` seen from the directory `base`; both absolute and clean.
#[must_use]
pub fn relative(base: &str, path: &str) -> String {
    let from: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut parts = vec![".."; from.len() - shared];
    parts.extend(&to[shared..]);
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// What the in-memory tree holds under a path.
#[derive(Clone, Debug)]
enum Item {
    /// A file's bytes.
    File(Vec<u8>),
    /// A symbolic link's target.
    Link(String),
}

/// A tree in memory, rooted at `/`.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    items: BTreeMap<String, Item>,
    has_links: bool,
}

/// How many links one path may lead through.
const MAX_LINKS: usize = 40;

impl Memory {
    /// Returns an empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at `path`, in place of what was there.
    pub fn insert(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.items.insert(join("/", path), Item::File(content.into()));
    }

    /// Puts a symbolic link at `path`; a relative target counts from the link's directory.
    pub fn insert_link(&mut self, path: &str, target: impl Into<String>) {
        self.items.insert(join("/", path), Item::Link(target.into()));
        self.has_links = true;
    }

    /// Whether `path` is a directory, that is, something lies below it.
    fn is_directory(&self, path: &str) -> bool {
        if path == "/" {
            return true;
        }
        let below = format!("{path}/");
        self.items.range(below.clone()..).next().is_some_and(|(key, _)| key.starts_with(&below))
    }

    /// Follows links part by part.
    fn follow(&self, path: &str, links: &mut usize) -> Result<String, FileError> {
        if !self.has_links && !path.contains("..") {
            return Ok(join("/", path));
        }
        let mut done = String::from("/");
        let mut rest: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).rev().map(str::to_owned).collect();
        while let Some(part) = rest.pop() {
            if part == "." {
                continue;
            }
            if part == ".." {
                if done == "/" {
                    return Err(FileError::Outside {
                        operation: "read",
                        path: path.to_owned(),
                        root: "/".to_owned(),
                    });
                }
                done = join(&done, "..");
                continue;
            }
            let next = join(&done, &part);
            let Some(Item::Link(target)) = self.items.get(&next) else {
                done = next;
                continue;
            };
            *links += 1;
            if *links > MAX_LINKS {
                return Err(FileError::Loop { path: path.to_owned() });
            }
            if target.starts_with('/') {
                return Err(FileError::Outside {
                    operation: "read",
                    path: path.to_owned(),
                    root: "/".to_owned(),
                });
            }
            rest.extend(target.split('/').filter(|part| !part.is_empty()).rev().map(str::to_owned));
        }
        Ok(done)
    }
}

impl Memory {
    fn missing(&self, path: &str) -> FileError {
        let is_there = |part: &str| {
            let real = self.follow(part, &mut 0);
            real.is_ok_and(|real| self.items.contains_key(&real) || self.is_directory(&real))
        };
        FileError::missing(path, is_there)
    }
}

impl Files for Memory {
    fn is_missing(&self, path: &str) -> bool {
        let real = self.follow(path, &mut 0);
        real.is_ok_and(|real| !self.items.contains_key(&real) && !self.is_directory(&real))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let real = self.follow(path, &mut 0)?;
        match self.items.get(&real) {
            Some(Item::File(content)) => Ok(content.clone()),
            _ if self.is_directory(&real) => Err(FileError::IsDirectory { path: path.to_owned() }),
            _ => Err(self.missing(path)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let real = self.follow(path, &mut 0)?;
        if !self.is_directory(&real) {
            return Err(self.missing(path));
        }
        let below = if real == "/" { real } else { format!("{real}/") };
        let mut names: Vec<String> = Vec::new();
        for (key, _) in self.items.range(below.clone()..) {
            let Some(rest) = key.strip_prefix(&below) else { break };
            let name = rest.split('/').next().unwrap_or(rest);
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn resolve(&self, path: &str) -> Result<(String, Entry), FileError> {
        let real = self.follow(path, &mut 0)?;
        if let Some(Item::File(_)) = self.items.get(&real) {
            return Ok((real, Entry::File));
        }
        if self.is_directory(&real) {
            return Ok((real, Entry::Directory));
        }
        Err(self.missing(path))
    }
}
