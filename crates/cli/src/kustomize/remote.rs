//! Bases and files of other hosts: fetched once, from allowed addresses alone.
//!
//! Each base is shown as a tree of its own, with its submodules. Its address is a Git repository, a directory in it and a
//! reference: `https://host/org/repo//dir?ref=v1`, `ssh://git@host/org/repo`, `git@host:org/repo`. The directory follows
//! `_git/repo/`, `//` or `.git/`, else the first two parts of the path are the repository. Any address over HTTP may be
//! that of a single file, too.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;

use sealfast_controllers::kustomization::view::View;
use sealfast_kustomize::files::{Fetched, FileError, is_within, join};
use sealfast_source::git::ssh::Login;
use sealfast_source::git::{self, Auth, Reference, Request};
use sealfast_source::tree::Memory;
use sealfast_source::url::Address;
use secrecy::SecretString;

use crate::flux::Failed;

/// How long one repository may take, unless its address says otherwise.
const TIMEOUT: Duration = Duration::from_secs(27);
/// The largest tree that is taken, in bytes.
const LARGEST: usize = 256 << 20;

/// The largest file that is taken, in bytes.
const LARGEST_FILE: u64 = 64 << 20;
/// How often one file may be said to lie elsewhere.
const REDIRECTS: usize = 10;

/// What addresses may begin with; nothing at first.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed(Vec<String>);

impl Allowed {
    /// Reads the values of `--allow-remote`.
    pub(super) fn parse(prefixes: &[String]) -> Result<Self, Failed> {
        let local = ["http://127.0.0.1:", "http://localhost:"];
        let mut allowed = Vec::new();
        for given in prefixes {
            let prefix = with_scheme(given);
            let is_local = local.iter().any(|local| prefix.starts_with(local));
            let host = prefix.strip_prefix("https://").or_else(|| prefix.strip_prefix("ssh://"));
            if !is_local && !host.unwrap_or_default().contains('/') {
                return Err(format!(
                    "--allow-remote {given}: give the start of an address with its whole host, as https://github.com/org/"
                )
                .into());
            }
            allowed.push(prefix);
        }
        Ok(Self(allowed))
    }

    fn allows(&self, address: &str) -> bool {
        self.0.iter().any(|prefix| address.starts_with(prefix.as_str()))
    }
}

/// How we log in over SSH.
#[derive(Default)]
pub(super) struct Ssh {
    /// File with the private key.
    pub(super) identity: Option<PathBuf>,
    /// File with the keys of hosts that are trusted.
    pub(super) known_hosts: Option<PathBuf>,
}

impl Ssh {
    fn login(&self) -> Result<Auth, String> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let missing = "over SSH a base is fetched with the key that --ssh-identity names";
        let identity = self.identity.as_ref().ok_or_else(|| missing.to_owned()).and_then(read)?;
        let known_hosts = self.known_hosts.as_ref().ok_or_else(|| {
            "no home directory has a .ssh/known_hosts: name the file with --known-hosts".to_owned()
        });
        let known_hosts = known_hosts.and_then(read)?;
        Ok(Auth::Ssh(Login { identity: SecretString::from(identity), password: None, known_hosts }))
    }
}

/// What was fetched so far.
pub(super) struct Remote {
    allowed: Allowed,
    ssh: Ssh,
    trees: Mutex<BTreeMap<String, Arc<View>>>,
}

impl Remote {
    pub(super) fn new(allowed: Allowed, ssh: Ssh) -> Self {
        Self { allowed, ssh, trees: Mutex::default() }
    }

    /// Whether a text is the address of a repository rather than a path.
    pub(super) fn is_address(text: &str) -> bool {
        with_scheme(text).contains("://") || text.starts_with("github.com/")
    }

    /// Returns the fetched tree that a path lies in.
    pub(super) fn view(&self, path: &str) -> Option<Arc<View>> {
        let trees = self.trees.lock().ok()?;
        trees.iter().find(|(top, _)| is_within(path, top)).map(|(_, view)| Arc::clone(view))
    }

    /// Fetches the repository of an address; none when nothing at all may be fetched.
    pub(super) fn fetched(&self, address: &str) -> Option<Result<Fetched, FileError>> {
        (!self.allowed.0.is_empty()).then(|| self.fetch(address))
    }

    /// Fetches a single file; none when nothing at all may be fetched.
    pub(super) fn file(&self, address: &str) -> Option<Result<Vec<u8>, FileError>> {
        let is_http = address.starts_with("https://") || address.starts_with("http://");
        (!self.allowed.0.is_empty() && is_http).then(|| {
            self.get(address).map_err(|reason| FileError::Refused { path: address.to_owned(), reason })
        })
    }

    fn get(&self, address: &str) -> Result<Vec<u8>, String> {
        if !self.allowed.allows(address) {
            return Err(NOT_ALLOWED.to_owned());
        }
        let allowed = self.allowed.clone();
        let policy = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                attempt.error("it is said to lie elsewhere too often")
            } else if allowed.allows(attempt.url().as_str()) {
                attempt.follow()
            } else {
                attempt.error("it is said to lie where --allow-remote does not allow it")
            }
        });
        let client = Client::builder().timeout(TIMEOUT).redirect(policy).build();
        let answer = client.and_then(|client| client.get(address).send()).map_err(|error| words(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("the server answers with status {}", status.as_u16()));
        }
        let mut content = Vec::new();
        answer.take(LARGEST_FILE + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
        if content.len() as u64 > LARGEST_FILE {
            return Err(format!("it has more than {LARGEST_FILE} bytes"));
        }
        Ok(content)
    }

    fn fetch(&self, address: &str) -> Result<Fetched, FileError> {
        let refused = |reason: String| FileError::Refused { path: address.to_owned(), reason };
        let place = Place::parse(address).map_err(refused)?;
        if !self.allowed.allows(&place.repository) {
            return Err(refused(NOT_ALLOWED.to_owned()));
        }
        let top = place.top();
        let mut trees = self.trees.lock().map_err(|_| refused("an earlier fetch failed".to_owned()))?;
        if !trees.contains_key(&top) {
            let tree = place.tree(&self.allowed, &self.ssh).map_err(refused)?;
            trees.insert(top.clone(), Arc::new(View::new(Arc::new(tree), top.clone())));
        }
        Ok(Fetched { directory: join(&top, &format!("./{}", place.directory)), top })
    }
}

const NOT_ALLOWED: &str = "--allow-remote does not name the start of this address";

/// Returns an error and its causes, without the address, which may hold a password.
fn words(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words.push(inner.to_string());
        cause = inner.source();
    }
    if words.is_empty() { "it could not be fetched".to_owned() } else { words.join(": ") }
}

/// The parts of an address.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    repository: String,
    directory: String,
    reference: String,
    timeout: Duration,
    submodules: bool,
}

impl Place {
    fn parse(address: &str) -> Result<Self, String> {
        let address = address.strip_prefix("git::").unwrap_or(address);
        let address =
            match address.strip_prefix("github.com/").or_else(|| address.strip_prefix("github.com:")) {
                Some(rest) => format!("https://github.com/{rest}"),
                None => with_scheme(address),
            };
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let Some((scheme, rest)) =
            path.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http" | "ssh"))
        else {
            return Err("only https and ssh addresses are fetched".to_owned());
        };
        let (repository, directory) = split(rest);
        let mut place = Self {
            repository: format!("{scheme}://{repository}"),
            directory: directory.trim_matches('/').to_owned(),
            reference: String::new(),
            timeout: TIMEOUT,
            submodules: true,
        };
        let query = Url::parse(&format!("query:?{query}")).map_err(|error| error.to_string())?;
        for (key, value) in query.query_pairs() {
            match &*key {
                "ref" => place.reference = value.into_owned(),
                "version" if place.reference.is_empty() => place.reference = value.into_owned(),
                "timeout" => place.timeout = timeout(&value)?,
                "submodules" => {
                    place.submodules = !matches!(&*value, "0" | "f" | "F" | "false" | "FALSE" | "False");
                }
                _ => {}
            }
        }
        Ok(place)
    }

    /// The directory under which the tree is shown: no real one has such a name.
    fn top(&self) -> String {
        let modules = if self.submodules { "" } else { "!" };
        let plain: String = format!("{}@{}{modules}", self.repository, self.reference.replace('/', ":"))
            .replace("://", ":")
            .replace("..", "_");
        format!("/{plain}")
    }

    fn tree(&self, allowed: &Allowed, ssh: &Ssh) -> Result<Memory, String> {
        let address = Address::parse(&self.repository).map_err(|error| error.chain())?;
        let is_hash =
            self.reference.len() == 40 && self.reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        let named = |name: String| Reference { name: Some(name), ..Reference::default() };
        let wanted = match self.reference.as_str() {
            "" => vec![named("HEAD".to_owned())],
            hash if is_hash => vec![Reference { commit: Some(hash.to_owned()), ..Reference::default() }],
            name => vec![named(format!("refs/tags/{name}")), named(format!("refs/heads/{name}"))],
        };
        let mut failure = String::new();
        for reference in wanted {
            let mut request = Request::new(address.clone(), reference);
            request.timeout = self.timeout;
            request.submodules = self.submodules;
            request.submodule_prefixes = Some(allowed.0.clone());
            if request.address.is_ssh() {
                request.auth = ssh.login()?;
            }
            match git::fetch(&request) {
                Ok(git::Fetched::Commit(commit)) => {
                    return Memory::read_all(commit.as_ref(), LARGEST).map_err(|error| error.chain());
                }
                Ok(git::Fetched::Unchanged { .. }) => {}
                Err(error) => failure = error.chain(),
            }
        }
        Err(failure)
    }
}

/// Returns `git@host:path` as `ssh://git@host/path`, anything else as it is.
fn with_scheme(address: &str) -> String {
    match address.split_once(':') {
        Some((host, path)) if host.contains('@') && !host.contains('/') && !path.starts_with("//") => {
            format!("ssh://{host}/{}", path.trim_start_matches('/'))
        }
        _ => address.to_owned(),
    }
}

/// Splits an address without its scheme into the repository and the directory in it.
fn split(rest: &str) -> (String, &str) {
    if let Some((host, path)) = rest.split_once("_git/") {
        let (name, directory) = path.split_once('/').unwrap_or((path, ""));
        return (format!("{host}_git/{name}"), directory);
    }
    if let Some((repository, directory)) = rest.split_once("//") {
        return (repository.to_owned(), directory);
    }
    if let Some(at) = rest.find(".git/") {
        return (rest[..at + 4].to_owned(), &rest[at + 5..]);
    }
    if rest.ends_with(".git") {
        return (rest.to_owned(), "");
    }
    let cut = rest.match_indices('/').nth(2).map_or(rest.len(), |(at, _)| at);
    (rest[..cut].to_owned(), &rest[cut..])
}

fn timeout(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().ok().map(Duration::from_secs);
    let found = seconds.or_else(|| sealfast_k8s::duration::parse(value).ok());
    found.filter(|timeout| !timeout.is_zero()).ok_or_else(|| format!("the timeout `{value}` is no duration"))
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Place};

    fn parts(address: &str) -> (String, String, String) {
        let place = Place::parse(address).expect("an address of a repository");
        (place.repository, place.directory, place.reference)
    }

    #[test]
    fn addresses_split_into_repository_directory_and_reference() {
        let expect = |repository: &str, directory: &str, reference: &str| {
            (repository.to_owned(), directory.to_owned(), reference.to_owned())
        };
        let repository = "https://example.com/org/app";
        assert_eq!(parts("https://example.com/org/app"), expect(repository, "", ""));
        assert_eq!(parts("https://example.com/org/app/a/b?ref=v1"), expect(repository, "a/b", "v1"));
        assert_eq!(parts("https://example.com/org/app//a?version=v2&ref=v1"), expect(repository, "a", "v1"));
        assert_eq!(
            parts("https://example.com/x/org/app.git/a"),
            expect("https://example.com/x/org/app.git", "a", "")
        );
        assert_eq!(
            parts("https://example.com/org/team/_git/app/a/b?ref=release%2Fv1"),
            expect("https://example.com/org/team/_git/app", "a/b", "release/v1")
        );
        assert_eq!(parts("github.com/org/app/a"), expect("https://github.com/org/app", "a", ""));
        let ssh = "ssh://git@example.com/org/app";
        assert_eq!(parts("git@example.com:org/app/a?ref=v1"), expect(ssh, "a", "v1"));
        assert_eq!(parts("git::ssh://git@example.com/org/app"), expect(ssh, "", ""));
        assert_eq!(
            parts("ssh://git@example.com:22/x/y/app.git//a"),
            expect("ssh://git@example.com:22/x/y/app.git", "a", "")
        );
        assert_eq!(parts("github.com:org/app/a"), expect("https://github.com/org/app", "a", ""));
        assert!(
            Place::parse("github.com\u{e9}://x").is_err(),
            "another host, whose next letter has two bytes"
        );
        assert!(Place::parse("ftp://example.com/org/app").is_err());
        assert!(Place::parse("https://example.com/org/app?timeout=soon").is_err());
        let takes = |query: &str| {
            Place::parse(&format!("https://example.com/org/app{query}")).is_ok_and(|place| place.submodules)
        };
        assert!(takes("") && takes("?submodules=true") && !takes("?submodules=0"));
    }

    #[test]
    fn an_allowed_start_names_a_whole_host() {
        let allowed = |prefix: &str| Allowed::parse(&[prefix.to_owned()]);
        assert!(allowed("https://example.com").is_err(), "example.com.evil.example would begin like it");
        assert!(allowed("http://example.com/").is_err() && allowed("ssh://git@example.com").is_err());
        let ssh = allowed("git@example.com:org/").unwrap_or_else(|failed| panic!("{failed:?}"));
        assert!(
            ssh.allows("ssh://git@example.com/org/app") && !ssh.allows("ssh://git@example.com/other/app")
        );
        let org = allowed("https://example.com/org/").unwrap_or_else(|failed| panic!("{failed:?}"));
        assert!(org.allows("https://example.com/org/app"));
        assert!(!org.allows("https://example.com/other/app"));
    }
}
