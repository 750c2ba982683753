//! Clone, include, pack and keep: an artifact, or that nothing moved.

use std::sync::Arc;

use jiff::Timestamp;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::git_repository::{GitRepository, Include};
use sealfast_source::archive::unpack::{Limits, unpack};
use sealfast_source::error::Error;
use sealfast_source::git;
use sealfast_source::git::commit::Commit;
use sealfast_source::storage::Storage;
use sealfast_source::tree::{Memory, Over};
use sealfast_source::verify::{Keys, Mode, verify};

use crate::source::gather::Wanted;
use crate::source::report::{Failure, Retry, now};
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
    /// What was verified by which key; none when nothing was.
    pub verified: Option<String>,
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
            Some(artifact) => return Ok(Fetched { artifact, included, subject: None, verified: None }),
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
    let verified = wanted.signatures.map(|(mode, keys)| verified(&commit, mode, &keys?)).transpose()?;
    let subject = Some(commit.subject.clone());
    let as_before = wanted.stored.clone().filter(|old| wanted.same_rules && old.revision == commit.revision);
    if let Some(artifact) = as_before {
        return Ok(Fetched { artifact, included, subject, verified });
    }
    let revision = commit.revision.clone();
    let top = included_files(storage, &revision, &wanted.included)?;
    let tree = Over { base: &*commit, top };
    let about = &typed.metadata;
    let path =
        Storage::path("GitRepository", &about.namespace, &about.name, &format!("{}.tar.gz", commit.hash));
    let stored = storage.keep(&path, &tree, spec.ignore.as_deref()).map_err(|error| {
        let text = format!("unable to archive artifact to storage: {}", error.chain());
        Failure::storage("ArchiveOperationFailed", text, &revision)
    })?;
    let artifact = Artifact {
        digest: stored.digest,
        last_update_time: now(),
        revision,
        size: i64::try_from(stored.size).ok(),
        url: address(host, &stored.path),
        path: stored.path,
        ..Artifact::default()
    };
    Ok(Fetched { artifact, included, subject, verified })
}

fn verified(commit: &Commit, mode: Mode, keys: &Keys) -> Result<String, Failure> {
    verify(commit, mode, keys, Timestamp::now()).map_err(|error| {
        let text = error.to_string();
        match error {
            Error::NoTag => {
                Failure { retry: Retry::Terminal, ..Failure::signature("InvalidVerificationMode", text) }
            }
            Error::UnsignedTag { .. } => Failure::signature("InvalidGitObject", text),
            Error::TagSignature { .. } => Failure::signature("InvalidTagSignature", text),
            _ => Failure::signature("InvalidCommitSignature", text),
        }
    })
}

fn clone_failed(error: &Error) -> Failure {
    if error.is_empty_repository() {
        return Failure::fetch("EmptyGitRepository", "git repository is empty");
    }
    let text = format!("failed to checkout and determine revision: {}", error.chain());
    Failure::fetch("GitOperationFailed", text)
}

/// Reads what other artifacts put over the content of a commit.
fn included_files(
    storage: &Storage,
    revision: &str,
    included: &[(Include, Artifact)],
) -> Result<Memory, Failure> {
    let mut files = Memory::default();
    for (include, artifact) in included {
        let name = &include.repository.name;
        let (from, to) = (include.from_path.as_deref().unwrap_or_default(), include.to_path.as_deref());
        let to = to.filter(|path| !path.is_empty()).unwrap_or(name);
        let (below_from, below_to) = (inside(from, revision)?, inside(to, revision)?);
        let other = unpacked(storage, artifact).map_err(|error| {
            let text = format!("failed to copy '{name}' include from {from} to {to}: {}", error.chain());
            Failure::storage("CopyFailure", text, revision)
        })?;
        for (path, entry) in other.entries {
            let Some(rest) = below(&path, &below_from) else { continue };
            let target = if below_to.is_empty() { rest.to_owned() } else { format!("{below_to}/{rest}") };
            files.add(&target, entry);
        }
    }
    Ok(files)
}

fn unpacked(storage: &Storage, artifact: &Artifact) -> Result<Memory, Error> {
    storage.verify(&artifact.path, &artifact.digest)?;
    unpack(storage.open_file(&artifact.path)?, &Limits::default())
}

/// Returns the plain form of a path that stays inside.
fn inside(path: &str, revision: &str) -> Result<String, Failure> {
    let elements: Vec<&str> = path.split('/').filter(|element| !matches!(*element, "" | ".")).collect();
    if elements.contains(&"..") {
        let text = format!("path '{path}' leads out of the repository");
        return Err(Failure::storage("IllegalPath", text, revision));
    }
    Ok(elements.join("/"))
}

fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}
