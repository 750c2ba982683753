//! Clone, include, pack and keep: an artifact, or that nothing moved.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use sealfast_k8s::duration;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::git_repository::{GitRepository, Include};
use sealfast_source::archive::unpack::{Limits, measure, unpack};
use sealfast_source::error::Error;
use sealfast_source::git;
use sealfast_source::git::commit::Commit;
use sealfast_source::storage::Storage;
use sealfast_source::tree::{Entry, Kind, Memory, Over, Tree as _, Until};
use sealfast_source::verify::{Keys, Mode, verify};

use crate::clock::Clock;
use crate::report::Retry;
use crate::source::gather::Wanted;
use crate::source::report::Failure;
use crate::source::{Shared, address};

/// How messages call the place of an included artifact, and that of the commit; there are no such folders.
const UNPACKED: &str = "/tmp/flux-include-0/unpack";
const CHECKED_OUT: &str = "/tmp/gitrepository-0";

/// Packing may take as long as a fetch, but no longer than this.
const LONGEST: Duration = Duration::from_secs(15 * 60);

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
    let includes_changed = wanted.includes_changed;
    let place = Place {
        storage: Arc::clone(&shared.storage),
        host: shared.host.clone(),
        includes: Arc::clone(&shared.includes),
        most: shared.options.unpacked_bytes,
        clock: shared.options.clock.clone(),
    };
    let typed = typed.clone();
    let done = tokio::task::spawn_blocking(move || blocking(&place, &typed, wanted));
    let done = done.await.unwrap_or_else(|panic| {
        Err(Failure::fetch("GitOperationFailed", format!("the fetch broke off: {panic}")))
    });
    done.map_err(|failure| Failure { includes_changed, ..failure })
}

/// Where a fetch is at work.
struct Place {
    storage: Arc<Storage>,
    host: String,
    /// Memory for what is included.
    includes: Arc<Mutex<()>>,
    /// Bytes of all that one run includes.
    most: u64,
    clock: Clock,
}

fn blocking(place: &Place, typed: &GitRepository, mut wanted: Wanted) -> Result<Fetched, Failure> {
    let included: Vec<Artifact> = wanted.included.iter().map(|(_, artifact)| artifact.clone()).collect();
    let stored = wanted.stored.take().filter(|_| wanted.same_rules);
    let mut commit = match checked_out(&mut wanted.request, stored.as_ref())? {
        Checkout::Unchanged(artifact) => {
            return Ok(Fetched { artifact, included, subject: None, verified: None });
        }
        Checkout::Commit(commit) => commit,
    };
    keep_only(&mut commit, &typed.spec.sparse_checkout)?;
    let signatures = wanted.signatures.take();
    let verified =
        signatures.map(|(mode, keys)| verified(&commit, mode, &keys?, place.clock.now())).transpose()?;
    let subject = Some(commit.subject.clone());
    let artifact = match stored.filter(|old| old.revision == commit.revision) {
        Some(artifact) => artifact,
        None => packed(place, typed, &wanted, &commit)?,
    };
    Ok(Fetched { artifact, included, subject, verified })
}

/// What the remote has.
enum Checkout {
    /// What the artifact was made of.
    Unchanged(Artifact),
    /// A commit.
    Commit(Box<Commit>),
}

/// Fetches, once more if nothing moved and there is no artifact that would do.
fn checked_out(request: &mut git::Request, stored: Option<&Artifact>) -> Result<Checkout, Failure> {
    let fetch = |request: &git::Request| git::fetch(request).map_err(|error| clone_failed(&error));
    let mut fetched = fetch(request)?;
    if let git::Fetched::Unchanged { .. } = fetched {
        if let Some(artifact) = stored {
            return Ok(Checkout::Unchanged(artifact.clone()));
        }
        request.known_revision = None;
        fetched = fetch(request)?;
    }
    match fetched {
        git::Fetched::Commit(commit) => Ok(Checkout::Commit(commit)),
        git::Fetched::Unchanged { .. } => {
            Err(Failure::fetch("GitOperationFailed", "the remote told nothing"))
        }
    }
}

fn keep_only(commit: &mut Commit, sparse: &[String]) -> Result<(), Failure> {
    if sparse.is_empty() {
        return Ok(());
    }
    commit.keep_only(sparse).map_err(|error| {
        let sought = match &error {
            Error::NoSparsePath { path } => {
                format!(": lstat {CHECKED_OUT}/{path}: no such file or directory")
            }
            _ => String::new(),
        };
        Failure::fetch("GitOperationFailed", format!("{}{sought}", error.chain()))
    })
}

/// Packs a commit with what it includes, and stores that.
fn packed(
    place: &Place,
    typed: &GitRepository,
    wanted: &Wanted,
    commit: &Commit,
) -> Result<Artifact, Failure> {
    let storage = &place.storage;
    let revision = commit.revision.clone();
    // As long again as the fetch: nobody can stop a thread from outside.
    let timeout = wanted.request.timeout.min(LONGEST);
    let deadline = Instant::now() + timeout;
    let _held = match &wanted.included[..] {
        [] => None,
        _ => Some(place.includes.try_lock_until(deadline).ok_or_else(|| {
            let text = "others have included artifacts in memory for longer than spec.timeout";
            Failure::storage("CopyFailure", text, &revision)
        })?),
    };
    let top = included_files(storage, commit, &wanted.included, place.most)?;
    let tree = Over { base: commit, top };
    let tree = Until { tree: &tree, deadline };
    let about = &typed.metadata;
    let path =
        Storage::path("GitRepository", &about.namespace, &about.name, &format!("{}.tar.gz", commit.hash));
    let stored = storage.keep(&path, &tree, typed.spec.ignore.as_deref()).map_err(|error| {
        let text = match error {
            Error::Deadline => format!("packing takes longer than {}", duration::format(timeout)),
            full if full.is_disk_full() => no_space("the artifact storage"),
            other => other.chain(),
        };
        let text = format!("unable to archive artifact to storage: {text}");
        Failure::storage("ArchiveOperationFailed", text, &revision)
    })?;
    Ok(Artifact {
        digest: stored.digest,
        last_update_time: place.clock.stamp(),
        revision,
        size: i64::try_from(stored.size).ok(),
        url: address(&place.host, &stored.path),
        path: stored.path,
        ..Artifact::default()
    })
}

fn verified(commit: &Commit, mode: Mode, keys: &Keys, now: Timestamp) -> Result<String, Failure> {
    verify(commit, mode, keys, now).map_err(|error| {
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
    let why = if error.is_disk_full() { no_space("the folder for temporary files") } else { error.chain() };
    let text = format!("failed to checkout and determine revision: {why}");
    Failure::fetch("GitOperationFailed", text)
}

/// What a full disk of ours means: the words of whoever met it name paths of this machine.
fn no_space(place: &str) -> String {
    format!("No space left on device: make room in {place} of the controller")
}

/// Reads what other artifacts put over the content of a commit: one file in the place of another, or a directory where
/// there is none.
fn included_files(
    storage: &Storage,
    commit: &Commit,
    included: &[(Include, Artifact)],
    most: u64,
) -> Result<Memory, Failure> {
    let mut left = most;
    let mut files = Memory::default();
    if included.is_empty() {
        return Ok(files);
    }
    let below = commit
        .list()
        .map_err(|error| Failure::storage("ArchiveOperationFailed", error.chain(), &commit.revision))?;
    let mut taken = Taken::default();
    taken.folders.insert(String::new());
    for item in below {
        taken.note(item.path, item.kind == Kind::Directory);
    }
    for (include, artifact) in included {
        let name = &include.repository.name;
        let from = include.from_path.as_deref().unwrap_or_default();
        let to = include.to_path.as_deref().unwrap_or(name);
        let failed = |why: String| {
            let text = format!("failed to copy '{name}' include from {from} to {to}: {why}");
            Failure::storage("CopyFailure", text, &commit.revision)
        };
        let other = unpacked(storage, artifact, &mut left).map_err(|error| match error {
            Error::TooLarge { what: "bytes", .. } => failed(format!(
                "the included artifacts have more than {most} bytes unpacked (`--max-unpacked`)"
            )),
            other => failed(other.chain()),
        })?;
        let (source, target) = (inside(from), inside(to));
        copy(other, (&source, &target), &taken, &mut files).map_err(failed)?;
        for (path, entry) in &files.entries {
            taken.note(path.clone(), *entry == Entry::Directory);
        }
    }
    Ok(files)
}

/// What is there before something is put beside it.
#[derive(Default)]
struct Taken {
    folders: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Taken {
    fn note(&mut self, path: String, is_folder: bool) {
        if is_folder { &mut self.folders } else { &mut self.files }.insert(path);
    }
}

/// Puts what lies at one path of an artifact at another, as a rename would.
fn copy(
    other: Memory,
    (source, target): (&str, &str),
    taken: &Taken,
    files: &mut Memory,
) -> Result<(), String> {
    let shown = Path::new(UNPACKED).join(source);
    let shown = shown.display().to_string();
    let shown = shown.trim_end_matches('/');
    if !source.is_empty() && !other.entries.contains_key(source) {
        return Err(format!("cannot stat {shown}: stat {shown}: no such file or directory"));
    }
    let is_folder = source.is_empty() || other.entries.get(source) == Some(&Entry::Directory);
    let above = target.match_indices('/').map(|(at, _)| &target[..at]);
    let why = if taken.folders.contains(target) {
        Some("file exists")
    } else if is_folder && taken.files.contains(target) || above.into_iter().any(|p| taken.files.contains(p))
    {
        Some("not a directory")
    } else {
        None
    };
    if let Some(why) = why {
        let target = Path::new(CHECKED_OUT).join(target).display().to_string();
        let target = target.trim_end_matches('/');
        return Err(format!("link error: cannot rename {shown} to {target}: rename {shown} {target}: {why}"));
    }
    if is_folder {
        files.add(target, Entry::Directory);
    }
    for (path, entry) in other.entries {
        let Some(rest) = below(&path, source) else { continue };
        let path = if rest.is_empty() { target.to_owned() } else { format!("{target}/{rest}") };
        files.add(&path, entry);
    }
    Ok(())
}

/// Unpacks an artifact within what is left of the room for all of them.
fn unpacked(storage: &Storage, artifact: &Artifact, left: &mut u64) -> Result<Memory, Error> {
    storage.verify(&artifact.path, &artifact.digest)?;
    let size = measure(storage.open_file(&artifact.path)?, *left)?;
    let limits = Limits { bytes: *left, ..Limits::default() };
    *left -= size;
    unpack(storage.open_file(&artifact.path)?, &limits)
}

/// Returns the plain form of a path; what would lead out of the root ends at it.
fn inside(path: &str) -> String {
    let mut elements = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => {
                elements.pop();
            }
            element => elements.push(element),
        }
    }
    elements.join("/")
}

/// The rest of a path below another, empty for that one itself.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    match path.strip_prefix(folder)? {
        rest if folder.is_empty() => Some(rest),
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact() -> Memory {
        let mut files = Memory::default();
        let file = |text: &str| Entry::File { bytes: text.into(), executable: false };
        files.add("config/app.yaml", file("a"));
        files.add("config/deep/b.yaml", file("b"));
        files
    }

    fn copied(source: &str, target: &str) -> Result<Vec<String>, String> {
        let taken =
            Taken { folders: ["", "there"].map(str::to_owned).into(), files: ["file".to_owned()].into() };
        let mut files = Memory::default();
        copy(artifact(), (&inside(source), &inside(target)), &taken, &mut files)?;
        Ok(files.entries.into_keys().collect())
    }

    #[test]
    fn included_artifacts_share_one_room() -> anyhow::Result<()> {
        let folder = sealfast_testkit::scratch::Scratch::new()?;
        let storage = Storage::open(folder.path(), sealfast_source::storage::Retention::default())?;
        let stored = storage.keep("gitrepository/a/a/a.tar.gz", &artifact(), None)?;
        let artifact = Artifact { path: stored.path, digest: stored.digest, ..Artifact::default() };
        let size = measure(storage.open_file(&artifact.path)?, u64::MAX)?;
        let mut left = 2 * size + 1;
        for _ in 0..2 {
            unpacked(&storage, &artifact, &mut left)?;
        }
        assert_eq!(left, 1);
        let third = unpacked(&storage, &artifact, &mut left);
        assert!(matches!(third, Err(Error::TooLarge { what: "bytes", limit: 1 })), "{third:?}");
        Ok(())
    }

    #[test]
    fn files_and_directories_are_put_where_nothing_is() {
        assert_eq!(copied("config/app.yaml", "x/app.yaml"), Ok(vec!["x".into(), "x/app.yaml".into()]));
        assert_eq!(copied("config/deep", "../x"), Ok(vec!["x".into(), "x/b.yaml".into()]));
        assert_eq!(copied("", "x").map(|paths| paths.len()), Ok(5));
        let gone = copied("nope", "x").err().unwrap_or_default();
        assert!(
            gone.starts_with("cannot stat ") && gone.ends_with("nope: no such file or directory"),
            "{gone}"
        );
        for taken in ["there", ".", ""] {
            let told = copied("config", taken).err().unwrap_or_default();
            assert!(told.ends_with(": file exists"), "{told}");
        }
        for (source, taken) in [("config", "file"), ("", "file"), ("config/app.yaml", "file/x/y")] {
            let told = copied(source, taken).err().unwrap_or_default();
            assert!(told.ends_with(": not a directory"), "{source} to {taken}: {told}");
        }
        assert_eq!(copied("config/app.yaml", "file"), Ok(vec!["file".into()]));
    }
}
