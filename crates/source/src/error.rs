//! What can go wrong between a reference and its archive.
//!
//! The texts about remotes are those that people know from Flux; [`Error::chain`] joins a message and its causes.

use std::path::{Path, PathBuf};

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried, as `read`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// An address that is no `http` or `https` URL.
    #[error("invalid repository address: {reason}")]
    Url {
        /// What is wrong with it; never the address itself.
        reason: String,
    },
    /// Not an address at all.
    #[error("{text}")]
    UrlSyntax {
        /// What is wrong with it, and the address without credentials.
        text: String,
    },
    /// Cloning failed.
    #[error("unable to clone '{url}'")]
    Clone {
        /// The address without credentials.
        url: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// Listing the references of the remote failed.
    #[error("unable to list remote for '{url}'")]
    List {
        /// The address without credentials.
        url: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// The remote has no reference at all.
    #[error("remote repository is empty")]
    Empty,
    /// The remote has no references at all, and one of them was to be cloned.
    #[error("unable to clone: remote repository is empty: git repository: '{url}'")]
    NothingToClone {
        /// The address without credentials.
        url: String,
    },
    /// The remote does not have the reference.
    #[error("couldn't find remote ref \"{name}\"")]
    NoReference {
        /// Its full name.
        name: String,
    },
    /// What was named in full is no name of a reference.
    #[error("ref {name} is invalid; Git refs cannot begin or end with a slash '/'")]
    InvalidName {
        /// As it was given.
        name: String,
    },
    /// The reference that was named in full is not there, or does not lead to a commit.
    #[error("unable to resolve ref '{name}' to a specific commit")]
    Unresolved {
        /// Its full name.
        name: String,
    },
    /// The wanted commit is not there, or not on the wanted branch.
    #[error("unable to resolve commit object for '{commit}': object not found")]
    NoCommit {
        /// Its hash.
        commit: String,
    },
    /// No tag is in the version range.
    #[error("no match found for semver: {range}")]
    NoVersion {
        /// The range.
        range: String,
    },
    /// The version range cannot be read.
    #[error("semver parse error: {why}")]
    Range {
        /// What is wrong with it.
        why: String,
    },
    /// The remote wants other credentials.
    #[error("authentication required{}", behind(said))]
    Authentication {
        /// What it says to it.
        said: Option<String>,
    },
    /// The remote refuses these credentials.
    #[error("authorization failed{}", behind(said))]
    Forbidden {
        /// What it says to it.
        said: Option<String>,
    },
    /// The remote does not know the repository.
    #[error("repository not found{}", behind(said))]
    NoRepository {
        /// What it says to it.
        said: Option<String>,
    },
    /// The time allowed is over.
    #[error("context deadline exceeded")]
    Deadline,
    /// The remote answered otherwise than expected.
    #[error("unexpected client error: unexpected requesting \"{address}\" status code: {status}")]
    Status {
        /// The address asked for, without credentials.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// The connection or the Git protocol failed.
    #[error("{text}")]
    Protocol {
        /// What happened, all causes in one line.
        text: String,
    },
    /// Git's own folder cannot be asked what is ignored.
    #[error("cannot ask the Git repository at `{}` what it ignores: {text}", path.display())]
    WorkTree {
        /// The work tree.
        path: PathBuf,
        /// Why, all causes in one line.
        text: String,
    },
    /// No token could be had for an app.
    #[error("{text}")]
    App {
        /// Why.
        text: String,
    },
    /// A CA, a client certificate, an SSH key or a proxy that cannot be used.
    #[error("invalid transport setting `{setting}`")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is to log in over SSH cannot be read.
    #[error("unable to construct auth method with options: {text}")]
    Login {
        /// What is wrong with it.
        text: String,
    },
    /// A private key is locked, and no password was given.
    #[error("ssh: this private key is passphrase protected")]
    KeyLocked,
    /// A password does not open a private key, or the key is locked in a way that is not understood.
    #[error("ssh: the passphrase does not open the private key")]
    KeyPassword {
        /// What the reader of keys says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A password was given for a private key that is not locked.
    #[error("ssh: key is not password protected")]
    KeyOpen,
    /// A text is no private key.
    #[error("ssh: no key found")]
    NoKey,
    /// A key would be too weak.
    #[error("RSA keys of less than {shortest} bits are not made")]
    ShortKey {
        /// How many bits it must have.
        shortest: usize,
    },
    /// An object of the repository cannot be read.
    #[error("cannot read `{path}` of commit {commit}")]
    Object {
        /// Path in the tree; empty for the tree itself.
        path: String,
        /// The commit.
        commit: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A submodule cannot be fetched.
    #[error("unable to fetch submodule '{path}'")]
    Submodule {
        /// Its path in the outermost repository.
        path: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A directory that sparse checkout asks for is not there.
    #[error(
        "failed to sparse checkout directories : sparse checkout dir '{path}' does not exist in repository"
    )]
    NoSparsePath {
        /// The directory.
        path: String,
    },
    /// A tag must be signed, and no tag led to the commit.
    #[error("cannot verify tag object's signature if a tag reference is not specified")]
    NoTag,
    /// A tag must be signed and is not, or is no object at all.
    #[error("cannot verify signature of tag '{tag}' since it is not signed")]
    UnsignedTag {
        /// Its name, and its hash when it has one.
        tag: String,
    },
    /// The signature of a tag is not by a trusted key.
    #[error("signature verification of tag '{tag}' failed: {reason}")]
    TagSignature {
        /// Its name and hash.
        tag: String,
        /// What was found.
        reason: String,
    },
    /// The signature of a commit is not by a trusted key.
    #[error("signature verification of commit '{commit}' failed: {reason}")]
    CommitSignature {
        /// Its hash.
        commit: String,
        /// What was found.
        reason: String,
    },
    /// A name that an archive must not hold.
    #[error("unsafe path `{path}` in archive")]
    UnsafePath {
        /// The name.
        path: String,
    },
    /// More than an archive, a repository or an answer may hold.
    #[error("there is more than the limit of {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// Ignore files with more in them than is looked at.
    #[error(
        "`{file}`: with it the ignore files have more than {limit} {what}; take out what excludes nothing, or leave out whole folders by one pattern each"
    )]
    Ignore {
        /// The file that is too much.
        file: String,
        /// How much there may be.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// Not a readable archive.
    #[error("cannot read the archive")]
    Archive(#[source] std::io::Error),
    /// An SSH algorithm that is not known.
    #[error("`{name}` is no {what} that is known")]
    SshAlgorithm {
        /// What it was to be.
        what: &'static str,
        /// The name as given.
        name: String,
    },
    /// No digest is made so.
    #[error("`{name}` is no digest algorithm that is known: sha256, sha384, sha512, blake3")]
    DigestAlgorithm {
        /// The name as given.
        name: String,
    },
    /// The stored file is not what was stored.
    #[error("computed digest doesn't match '{expected}'")]
    Digest {
        /// The digest it should have.
        expected: String,
    },
}

impl Error {
    /// Returns the whole chain on one line: the message, then each cause behind a colon.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// Returns true when the failure, or what caused it, is an empty repository.
    #[must_use]
    pub fn is_empty_repository(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Returns true when a disk of this machine took no more.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        // Libraries below us hand on the text alone. A server that is full itself does not word it so.
        self.chain().contains(DISK_FULL)
    }

    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}

/// How an answer `ENOSPC` of the system ends.
const DISK_FULL: &str = "(os error 28)";

fn behind(said: &Option<String>) -> String {
    said.as_ref().map_or_else(String::new, |said| format!(": {said}"))
}

/// Joins an error and its causes with colons; a cause that the text before it already ends with is left out.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
