//! A remote and a reference -> a commit and its tree, over HTTP and SSH.
//!
//! Credentials live in the transport alone: no configuration, helper or environment of the machine is asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use gix::remote::fetch::{Shallow, Tags};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;
use crate::url::Address;
use crate::version::Range;

pub mod commit;
pub mod deploy_key;
mod dial;
pub(crate) mod http;
mod known_hosts;
mod pipe;
mod proxy;
mod remote;
pub mod scratch;
pub mod ssh;
mod submodule;
mod trust;
mod verdict;

use commit::Commit;
use remote::{Listed, Remote};

/// Which commit is wanted. Of several fields the first in this order counts: commit, name, tag, semver, branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Branch name; `master` when nothing at all is given.
    pub branch: Option<String>,
    /// Tag name.
    pub tag: Option<String>,
    /// Version range over the tags.
    pub semver: Option<String>,
    /// Full reference name.
    pub name: Option<String>,
    /// Commit hash in hex.
    pub commit: Option<String>,
}

/// How a request proves who it is from.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Not at all, or by what the address holds.
    #[default]
    None,
    /// User and password (RFC 7617).
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// A token (RFC 6750).
    Bearer(SecretString),
    /// An SSH key, and the host keys that are trusted.
    Ssh(ssh::Login),
}

/// A certificate of our own for TLS.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// PEM.
    pub certificate: Vec<u8>,
    /// PEM.
    pub key: SecretString,
}

impl ClientCertificate {
    /// # Errors
    /// When there is no certificate or no key in it.
    fn check(&self) -> Result<(), Error> {
        let none =
            |what| Error::Protocol { text: format!("tls: failed to find any PEM data in {what} input") };
        let has = |bytes: &[u8]| bytes.windows(11).any(|part| part == b"-----BEGIN ");
        if !has(&self.certificate) {
            return Err(none("certificate"));
        }
        if has(self.key.expose_secret().as_bytes()) { Ok(()) } else { Err(none("key")) }
    }
}

/// The way through a proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// `http`, `https` or `socks5` address.
    pub address: String,
    /// User and password.
    pub user: Option<(String, SecretString)>,
}

impl Proxy {
    /// The proxy as an HTTP client takes it.
    ///
    /// # Errors
    /// When the address is none.
    pub fn for_clients(&self) -> Result<reqwest::Proxy, reqwest::Error> {
        let all = reqwest::Proxy::all(&self.address)?;
        Ok(match &self.user {
            Some((user, password)) => all.basic_auth(user, password.expose_secret()),
            None => all,
        })
    }
}

/// What is wanted from a remote.
#[derive(Clone, Debug)]
pub struct Request {
    /// The repository.
    pub address: Address,
    /// The commit.
    pub reference: Reference,
    /// Credentials.
    pub auth: Auth,
    /// PEM of authorities that are trusted beside the system's.
    pub ca: Option<Vec<u8>>,
    /// Our own certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// The proxy.
    pub proxy: Option<Proxy>,
    /// Bounds the whole operation.
    pub timeout: Duration,
    /// With a revision the remote is asked first, and nothing is fetched when it still has it.
    pub known_revision: Option<String>,
    /// Whether the content of submodules is fetched too.
    pub submodules: bool,
    /// What the addresses of submodules may begin with; anything where it is not given.
    pub submodule_prefixes: Option<Vec<String>>,
    /// What the remote may send at most.
    pub limits: Limits,
    /// What is offered over SSH.
    pub ssh: ssh::Algorithms,
}

/// What a remote may send at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one conversation, packed objects included.
    pub received: u64,
    /// Bytes of one object.
    pub object: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { received: 2 << 30, object: 256 << 20 }
    }
}

impl Request {
    /// Returns a request without credentials for a reference.
    #[must_use]
    pub fn new(address: Address, reference: Reference) -> Self {
        Self {
            address,
            reference,
            auth: Auth::None,
            ca: None,
            client_certificate: None,
            proxy: None,
            timeout: Duration::from_secs(60),
            known_revision: None,
            submodules: false,
            submodule_prefixes: None,
            limits: Limits::default(),
            ssh: ssh::Algorithms::default(),
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Fetched {
    /// The remote still has the known revision.
    Unchanged {
        /// That revision.
        revision: String,
    },
    /// The commit is here.
    Commit(Box<Commit>),
}

/// Fetches the wanted commit. Blocks up to the request's timeout.
///
/// # Errors
/// [`Error::List`] or [`Error::Clone`] with the reason beneath, [`Error::Empty`], [`Error::Unresolved`],
/// [`Error::NoVersion`].
pub fn fetch(request: &Request) -> Result<Fetched, Error> {
    let deadline = Instant::now() + request.timeout;
    let (stop, _running) = watchdog(request.timeout);
    let remote = Remote { request, deadline, stop };
    let wanted = Wanted::of(&request.reference);
    if let Some(known) = &request.known_revision
        && wanted.current(&remote)?.as_ref() == Some(known)
    {
        return Ok(Fetched::Unchanged { revision: known.clone() });
    }
    let mut commit = wanted.fetch(&remote)?;
    if request.submodules {
        submodule::fill(&mut commit, &remote).map_err(|error| error.in_clone(request))?;
    }
    Ok(Fetched::Commit(Box::new(commit)))
}

/// Returns a flag that becomes true after a time, for work that waits for nobody and so meets no other bound; it stays
/// false once the other part is dropped.
fn watchdog(timeout: Duration) -> (Arc<AtomicBool>, mpsc::Sender<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (running, over) = mpsc::channel();
    let flag = Arc::clone(&stop);
    std::thread::spawn(move || {
        if over.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
            flag.store(true, Ordering::Relaxed);
        }
    });
    (stop, running)
}

/// One of the five ways to name a commit.
enum Wanted {
    Branch(String),
    Tag(String),
    Semver(String),
    Name(String),
    Commit { hash: String, branch: Option<String> },
}

impl Wanted {
    fn of(reference: &Reference) -> Self {
        let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        let branch = given(&reference.branch);
        if let Some(hash) = given(&reference.commit) {
            return Self::Commit { hash, branch };
        }
        if let Some(name) = given(&reference.name) {
            return Self::Name(name);
        }
        if let Some(tag) = given(&reference.tag) {
            return Self::Tag(tag);
        }
        if let Some(range) = given(&reference.semver) {
            return Self::Semver(range);
        }
        Self::Branch(branch.unwrap_or_else(|| "master".to_owned()))
    }

    /// Asks the remote for the revision that a fetch would bring; none when only the fetch can tell.
    fn current(&self, remote: &Remote<'_>) -> Result<Option<String>, Error> {
        let list = |select: &str| remote.list(select).map_err(|error| error.in_list(remote.request));
        // The reference does not ask first for these, so that a failure is one of the clone.
        let cloning = |select: &str| remote.list(select).map_err(|error| error.in_clone(remote.request));
        match self {
            Self::Branch(_) | Self::Tag(_) | Self::Name(_) => {
                let full = self.full_name();
                Ok(list(&full)?.find(&full).map(|found| self.revision(&found.commit)))
            }
            Self::Semver(range) => {
                let tags = highest(range, &parsed(range)?, &cloning("refs/tags/*")?)?;
                match tags.as_slice() {
                    [(tag, commit)] => Ok(Some(format!("{tag}@sha1:{commit}"))),
                    // Which of several was committed last is told by their commits.
                    _ => Ok(None),
                }
            }
            // The commit is what it was; the listing tells that the remote is there and still lets us in.
            Self::Commit { hash, branch: Some(branch) } => {
                let full = format!("refs/heads/{branch}");
                Ok(cloning(&full)?.find(&full).map(|_| self.revision(hash)))
            }
            Self::Commit { hash, branch: None } => {
                Ok((!cloning("refs/heads/*")?.references.is_empty()).then(|| self.revision(hash)))
            }
        }
    }

    /// Returns the full name of a reference that has one.
    fn full_name(&self) -> String {
        match self {
            Self::Branch(branch) => format!("refs/heads/{branch}"),
            Self::Tag(tag) => format!("refs/tags/{tag}"),
            Self::Name(name) => name.trim_end_matches("^{}").to_owned(),
            Self::Semver(_) | Self::Commit { .. } => String::new(),
        }
    }

    fn revision(&self, commit: &str) -> String {
        match self {
            Self::Branch(name)
            | Self::Tag(name)
            | Self::Name(name)
            | Self::Commit { branch: Some(name), .. } => {
                format!("{name}@sha1:{commit}")
            }
            Self::Commit { branch: None, .. } | Self::Semver(_) => format!("sha1:{commit}"),
        }
    }

    fn fetch(&self, remote: &Remote<'_>) -> Result<Commit, Error> {
        let request = remote.request;
        match self {
            Self::Branch(_) | Self::Tag(_) => match (remote.one(&self.full_name()), self) {
                (Ok(commit), _) => Ok(self.named(commit)),
                (Err(Error::Empty), Self::Branch(_)) => Err(Error::Empty),
                (Err(error), _) => Err(error.in_clone(request)),
            },
            Self::Name(name) => self.fetch_name(name, remote),
            Self::Semver(range) => fetch_version(range, remote),
            Self::Commit { hash, branch } => {
                let commit = fetch_commit(hash, branch.as_deref(), remote)?;
                Ok(self.named(commit))
            }
        }
    }

    fn fetch_name(&self, name: &str, remote: &Remote<'_>) -> Result<Commit, Error> {
        let full = name.trim_end_matches("^{}");
        let unresolved = || Error::Unresolved { name: name.to_owned() };
        if name.starts_with('/') || name.ends_with('/') {
            return Err(Error::InvalidName { name: name.to_owned() });
        }
        match remote.one(full) {
            Ok(commit) => Ok(self.named(commit)),
            Err(Error::NoReference { .. }) => Err(unresolved()),
            // The reference asks for the name before anything else.
            Err(error) => Err(error.in_list(remote.request)),
        }
    }

    fn named(&self, mut commit: Commit) -> Commit {
        commit.revision = self.revision(&commit.hash);
        commit
    }
}

/// Takes the highest tag in the range; among equal versions the one that was committed last.
fn fetch_version(range: &str, remote: &Remote<'_>) -> Result<Commit, Error> {
    let parsed = parsed(range)?;
    let listed = remote.list("refs/tags/*").map_err(|error| error.in_clone(remote.request))?;
    let mut newest: Option<Commit> = None;
    for (tag, _) in highest(range, &parsed, &listed)? {
        let commit = Wanted::Tag(tag).fetch(remote)?;
        if newest.as_ref().is_none_or(|known| known.time < commit.time) {
            newest = Some(commit);
        }
    }
    newest.ok_or_else(|| Error::NoVersion { range: range.to_owned() })
}

fn parsed(range: &str) -> Result<Range, Error> {
    Range::parse(range).map_err(|why| Error::Range { why })
}

/// Returns the tags of the highest version in the range with their commits: several when they differ in build metadata
/// or spelling alone.
fn highest(range: &str, parsed: &Range, listed: &Listed) -> Result<Vec<(String, String)>, Error> {
    let mut tags: Vec<(semver::Version, &str, &str)> = listed
        .references
        .iter()
        .filter_map(|found| Some((found.name.strip_prefix("refs/tags/")?, found.commit.as_str())))
        .filter_map(|(tag, commit)| Some((crate::version::of_tag(tag)?, tag, commit)))
        .filter(|(version, ..)| parsed.contains(version))
        .collect();
    tags.sort_by(|left, right| right.0.cmp_precedence(&left.0));
    let Some((highest, ..)) = tags.first().cloned() else {
        return Err(Error::NoVersion { range: range.to_owned() });
    };
    let equal = tags.into_iter().take_while(|(version, ..)| version.cmp_precedence(&highest).is_eq());
    Ok(equal.map(|(_, tag, commit)| (tag.to_owned(), commit.to_owned())).collect())
}

/// A commit must be on the branch when one is given, so that its history is needed; else a remote that serves commits by
/// hash is asked for this one alone, and the history of all branches is the last resort.
fn fetch_commit(hash: &str, branch: Option<&str>, remote: &Remote<'_>) -> Result<Commit, Error> {
    let request = remote.request;
    let missing = || Error::NoCommit { commit: hash.to_owned() };
    let id = gix::ObjectId::from_hex(hash.as_bytes()).map_err(|_| missing())?;
    if branch.is_none()
        && let Ok(commit) =
            remote.fetch(&[format!("{hash}:refs/wanted")], Shallow::DepthAtRemote(one()), Tags::None, |_| {
                Some(id)
            })
    {
        return Ok(commit);
    }
    let specs = [branch.map_or_else(
        || "+refs/heads/*:refs/heads/*".to_owned(),
        |b| format!("+refs/heads/{b}:refs/heads/{b}"),
    )];
    let full = branch.map(|branch| format!("refs/heads/{branch}"));
    let has_branch = std::cell::Cell::new(true);
    let pick = |listed: &Listed| {
        has_branch.set(full.as_ref().is_none_or(|full| listed.find(full).is_some()));
        has_branch.get().then_some(id)
    };
    match (remote.fetch(&specs, Shallow::NoChange, Tags::None, pick), &full) {
        (Err(Error::NoCommit { .. }), Some(name)) if !has_branch.get() => {
            Err(Error::NoReference { name: name.clone() }.in_clone(request))
        }
        (Err(Error::NoCommit { .. }), _) => Err(missing()),
        (commit, _) => commit.map_err(|error| error.in_clone(request)),
    }
}

const fn one() -> std::num::NonZeroU32 {
    std::num::NonZeroU32::MIN
}

impl Error {
    /// Says that it happened on the way to a clone; what needs no such introduction stays as it is.
    fn in_clone(self, request: &Request) -> Self {
        match self {
            Self::Empty => Self::NothingToClone { url: request.address.shown().to_owned() },
            Self::Login { text } => Self::Login { text },
            other => Self::Clone { url: request.address.shown().to_owned(), source: Box::new(other) },
        }
    }

    fn in_list(self, request: &Request) -> Self {
        match self {
            Self::Login { text } => Self::Login { text },
            other => Self::List { url: request.address.shown().to_owned(), source: Box::new(other) },
        }
    }
}
