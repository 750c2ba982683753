//! Clone, include, pack and keep: an artifact, or that nothing moved.

use std::sync::Arc;

use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::git_repository::{GitRepository, Include};
use sealfast_source::archive::unpack::{Limits, unpack};
use sealfast_source::error::Error;
use sealfast_source::git;
use sealfast_source::git::commit::Commit;
use sealfast_source::storage::Storage;
use sealfast_source::tree::{Entry, Kind, Memory, Tree};

use crate::source::gather::Wanted;
use crate::source::report::{Failure, now};
use crate::source::{Shared, address};

/// What a run has: an artifact that is stored.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The artifact.
    pub artifact: Artifact,
    /// Artifacts that were copied in.
    pub included: Vec<Artifact>,
    /// The first line of the commit's message; none when nothing was fetched.
    pub subject: Option<String>,
}

/// Fetches and stores what is wanted, unless the remote has nothing new.
///
/// # Errors
/// What went wrong with the remote or the storage.
pub async fn fetch(shared: &Shared, typed: &GitRepository, wanted: Wanted) -> Result<Fetched, Failure> {
    let storage = Arc::clone(&shared.storage);
    let (typed, host) = (typed.clone(), shared.host.clone());
    let done = tokio::task::spawn_blocking(move || blocking(&storage, &host, &typed, wanted));
    done.await.unwrap_or_else(|panic| {
        Err(Failure::fetch("GitOperationFailed", format!("the fetch broke off: {panic}")))
    })
}

fn blocking(
    storage: &Storage,
    host: &str,
    typed: &GitRepository,
    wanted: Wanted,
) -> Result<Fetched, Failure> {
    let included: Vec<Artifact> = wanted.included.iter().map(|(_, artifact)| artifact.clone()).collect();
    let mut request = wanted.request;
    let mut fetched = git::fetch(&request).map_err(|error| clone_failed(&error))?;
    if let git::Fetched::Unchanged { .. } = &fetched {
        match wanted.stored.clone().filter(|_| wanted.same_rules) {
            Some(artifact) => return Ok(Fetched { artifact, included, subject: None }),
            None => {
                request.known_revision = None;
                fetched = git::fetch(&request).map_err(|error| clone_failed(&error))?;
            }
        }
    }
    let git::Fetched::Commit(mut commit) = fetched else {
        return Err(Failure::fetch("GitOperationFailed", "the remote told nothing"));
    };
    let spec = &typed.spec;
    if !spec.sparse_checkout.is_empty() {
        commit
            .keep_only(&spec.sparse_checkout)
            .map_err(|error| Failure::fetch("GitOperationFailed", error.chain()))?;
    }
    let subject = Some(commit.subject.clone());
    let as_before = wanted.stored.clone().filter(|old| wanted.same_rules && old.revision == commit.revision);
    if let Some(artifact) = as_before {
        return Ok(Fetched { artifact, included, subject });
    }
    let tree: Box<dyn Tree> = if wanted.included.is_empty() {
        Box::new(Reader(&commit))
    } else {
        Box::new(with_included(storage, &commit, &wanted.included)?)
    };
    let about = &typed.metadata;
    let path =
        Storage::path("GitRepository", &about.namespace, &about.name, &format!("{}.tar.gz", commit.hash));
    let stored = storage.keep(&path, &*tree, spec.ignore.as_deref()).map_err(|error| {
        let text = format!("unable to archive artifact to storage: {}", error.chain());
        Failure::storage("ArchiveOperationFailed", text)
    })?;
    let artifact = Artifact {
        digest: stored.digest,
        last_update_time: now(),
        revision: commit.revision.clone(),
        size: i64::try_from(stored.size).ok(),
        url: address(host, &stored.path),
        path: stored.path,
        ..Artifact::default()
    };
    Ok(Fetched { artifact, included, subject })
}

fn clone_failed(error: &Error) -> Failure {
    if error.is_empty_repository() {
        return Failure::fetch("EmptyGitRepository", "git repository is empty");
    }
    let text = format!("failed to checkout and determine revision: {}", error.chain());
    Failure::fetch("GitOperationFailed", text)
}

struct Reader<'a>(&'a Commit);

impl Tree for Reader<'_> {
    fn list(&self) -> Result<Vec<sealfast_source::tree::Item>, Error> {
        self.0.list()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.0.read(path)
    }
}

/// Puts the content of other artifacts over that of the commit.
fn with_included(
    storage: &Storage,
    commit: &Commit,
    included: &[(Include, Artifact)],
) -> Result<Memory, Failure> {
    let failed = |error: &Error| Failure::storage("CopyFailure", error.chain());
    let mut files = in_memory(commit).map_err(|error| failed(&error))?;
    for (include, artifact) in included {
        let name = &include.repository.name;
        let from = inside(include.from_path.as_deref().unwrap_or_default())?;
        let to = inside(include.to_path.as_deref().filter(|path| !path.is_empty()).unwrap_or(name))?;
        let bytes = storage.read(&artifact.path).map_err(|error| failed(&error))?;
        let other = unpack(bytes.as_slice(), &Limits::default()).map_err(|error| failed(&error))?;
        for (path, entry) in other.entries {
            let Some(rest) = below(&path, &from) else { continue };
            let target = if to.is_empty() { rest.to_owned() } else { format!("{to}/{rest}") };
            files.add(&target, entry);
        }
    }
    Ok(files)
}

fn in_memory(commit: &Commit) -> Result<Memory, Error> {
    let mut files = Memory::default();
    for item in commit.list()? {
        let entry = match item.kind {
            Kind::Directory => Entry::Directory,
            Kind::File { executable } => Entry::File { bytes: commit.read(&item.path)?, executable },
            Kind::Link => continue,
        };
        files.add(&item.path, entry);
    }
    Ok(files)
}

/// Returns the plain form of a path that stays inside.
fn inside(path: &str) -> Result<String, Failure> {
    let elements: Vec<&str> = path.split('/').filter(|element| !matches!(*element, "" | ".")).collect();
    if elements.contains(&"..") {
        return Err(Failure::storage("IllegalPath", format!("path '{path}' leads out of the repository")));
    }
    Ok(elements.join("/"))
}

fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}
