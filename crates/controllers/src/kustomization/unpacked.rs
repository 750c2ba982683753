//! Artifacts, fetched, checked and unpacked once, in bounded memory.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealfast_k8s::duration;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_kustomize::files::join;
use sealfast_source::error::Error;
use sealfast_source::tree::Memory;
use tokio::time::{Instant, timeout_at};

use crate::fair::Taken;
use crate::kustomization::archive::{Archive, Hosts, Source};
use crate::kustomization::gather::Fetched;
use crate::kustomization::missing::Missing;
use crate::kustomization::report::{EventText, Failure, Reason};
use crate::kustomization::room::{Room, Spared, Trees};
use crate::options::Options;
use crate::report::Retry;
use crate::workers::Turn;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an artifact may take altogether, further tries and the wait for room included.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Bytes of a compressed artifact.
const MOST_DOWNLOADED: u64 = 1 << 30;

/// Fetches artifacts and keeps those that were used lately unpacked, once for all who build from them.
pub struct Artifacts {
    storage: PathBuf,
    hosts: Hosts,
    http: Result<reqwest::Client, String>,
    tries: u32,
    /// Room for archives until they are unpacked. Who holds some may wait for that of a tree, never the other way round.
    archives: Arc<Trees>,
    trees: Arc<Trees>,
}

/// One artifact that a run wants.
pub struct Wanted<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// What it is of.
    pub source: Source<'a>,
    /// Who builds from it.
    pub namespace: &'a str,
    /// When a missing one is looked for again.
    pub retry: Duration,
    /// The right to work, which long waits give up.
    pub turn: &'a Turn,
}

/// An archive with the room that it takes, and how much it has unpacked.
type Found = (Archive, Room, Result<u64, Error>);

impl Artifacts {
    /// Artifacts that lie below our own storage are read there, all others from their address.
    pub fn new(options: &Options) -> Artifacts {
        // What says nothing for a while is dead.
        let patient = reqwest::Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE);
        Artifacts {
            storage: options.storage_dir.clone(),
            hosts: options.source_hosts.clone(),
            http: patient.build().map_err(|error| error.to_string()),
            tries: options.http_retry + 1,
            archives: Arc::new(Trees::new(options.unpacked_bytes)),
            trees: Arc::new(Trees::new(options.unpacked_bytes)),
        }
    }

    /// Fetches, checks and unpacks an artifact and finds the path in it.
    ///
    /// # Errors
    /// ArtifactFailed with the reason; a missing artifact is waited for.
    pub async fn fetch(&self, wanted: &Wanted<'_>, path: &str) -> Result<Fetched, Failure> {
        let (tree, room) = self.tree(wanted).await?;
        let digest = wanted.artifact.digest.rsplit(':').next().unwrap_or_default();
        let root = format!("/tmp/kustomization-{}", digest.get(..12).unwrap_or(digest));
        let dir = join("/", path);
        let inside = dir.trim_start_matches('/');
        let full = format!("{root}{}", if inside.is_empty() { "" } else { &dir });
        // Whether it is a directory shows when it is built.
        if !inside.is_empty() && !tree.entries.contains_key(inside) {
            let why = Missing::Path(full).to_string();
            let hint = format!("spec.path `{path}` does not exist in revision {}", wanted.artifact.revision);
            return Err(Failure::new(Reason::ArtifactFailed, why).hint(hint));
        }
        Ok(Fetched { tree, room, root, path: full })
    }

    /// Room for the objects of a run that waits; none when there is not that much to spare.
    pub(super) fn spare(&self, namespace: &str, bytes: u64) -> Option<Spared> {
        self.trees.spare(namespace, bytes)
    }

    /// A share of what objects of waiting runs may take, for those whose room is held already; none when there is not that
    /// much to spare.
    pub(super) fn share(&self, namespace: &str, bytes: u64) -> Option<Taken> {
        self.trees.share(namespace, bytes)
    }

    /// Room for objects that were built. Whoever waits for it must hold none: all that there is may be in such hands.
    pub(super) async fn built(&self, namespace: &str, bytes: u64) -> Room {
        self.trees.room(namespace, bytes).await
    }

    async fn tree(&self, wanted: &Wanted<'_>) -> Result<(Arc<Memory>, Room), Failure> {
        let name = name(wanted.artifact);
        if let Some(found) = self.trees.find(&name) {
            return Ok(found);
        }
        let place = self.trees.place(&name);
        let _one = wanted.turn.patiently(place.turn()).await;
        if let Some(found) = self.trees.find(&name) {
            return Ok(found);
        }
        let unpacked = self.unpacked(wanted).await;
        // The wait that was cut off may have been one aside.
        wanted.turn.back().await;
        if let Ok((tree, room)) = &unpacked {
            self.trees.keep(&name, tree, room);
        }
        unpacked
    }

    async fn unpacked(&self, wanted: &Wanted<'_>) -> Result<(Arc<Memory>, Room), Failure> {
        let until = Instant::now() + LONGEST;
        let late = |what: &str| format!("{what} takes longer than {}", duration::format(LONGEST));
        let (archive, _held, size) = match self.local(wanted).await {
            Some(found) => found,
            None => {
                timeout_at(until, self.remote(wanted)).await.map_err(|_| download_failed(&late("it")))??
            }
        };
        let size = size.map_err(|error| self.too_large(error))?;
        let room = timeout_at(until, wanted.turn.patiently(self.trees.room(wanted.namespace, size))).await;
        let room = room.map_err(|_| not_extracted(&late("waiting for room (`--max-unpacked`)")))?;
        let unpacked = tokio::task::spawn_blocking(move || archive.unpacked(size)).await;
        let unpacked = unpacked.map_err(|error| not_extracted(&error.to_string()))?;
        let tree = unpacked.map_err(|error| not_extracted(&error.chain()))?;
        Ok((Arc::new(tree), room))
    }

    /// What will never fit is said to be so.
    fn too_large(&self, error: Error) -> Failure {
        let Error::TooLarge { .. } = error else { return not_extracted(&error.chain()) };
        let most = self.trees.bytes();
        not_extracted(&format!("it has more than {most} bytes unpacked, and there is room for no more"))
            .hint("`--max-unpacked` gives room for it, in MiB; `.sourceignore` leaves out of the source what nobody builds from")
    }

    /// The archive in our own storage, when it is there and is the right one.
    async fn local(&self, wanted: &Wanted<'_>) -> Option<Found> {
        let relative = Path::new(&wanted.artifact.path);
        let safe = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if self.storage.as_os_str().is_empty() || !safe {
            return None;
        }
        let archive =
            Archive::File(tokio::fs::File::open(self.storage.join(relative)).await.ok()?.into_std().await);
        self.measured(archive, wanted.artifact, Room::default()).await.ok()
    }

    async fn measured(&self, archive: Archive, artifact: &Artifact, held: Room) -> Result<Found, Failure> {
        let (artifact, most) = (artifact.clone(), self.trees.bytes());
        let work = tokio::task::spawn_blocking(move || (archive.measured(&artifact, most), archive));
        let (size, archive) = work.await.map_err(|error| not_extracted(&error.to_string()))?;
        Ok((archive, held, size?))
    }

    async fn remote(&self, wanted: &Wanted<'_>) -> Result<Found, Failure> {
        let Wanted { artifact, source, namespace, retry, turn } = wanted;
        let http = self.http.as_ref().map_err(|why| download_failed(why))?;
        let mut pause = Duration::from_millis(500);
        let mut url = self.hosts.reached(&artifact.url);
        for attempt in 1.. {
            let why = match http.get(&url).send().await {
                Ok(answer) if answer.status() == reqwest::StatusCode::NOT_FOUND => {
                    return Err(not_there(*retry));
                }
                Ok(answer) if answer.status().is_success() => {
                    let most = MOST_DOWNLOADED.min(self.archives.bytes());
                    let size = answer.content_length().unwrap_or(most);
                    let held = turn.patiently(self.archives.room(namespace, size)).await;
                    match downloaded(answer, most).await {
                        Ok(Some(parts)) => {
                            return self.measured(Archive::Parts(parts), artifact, held).await;
                        }
                        Ok(None) => return Err(download_failed(&larger_than(most))),
                        Err(error) => error.without_url().to_string(),
                    }
                }
                Ok(answer) if !answer.status().is_server_error() => {
                    let text = format!("failed to download archive from {url} (status: {})", answer.status());
                    return Err(unreachable(text));
                }
                Ok(answer) => answer.status().to_string(),
                Err(error) => error.without_url().to_string(),
            };
            if attempt >= self.tries {
                return Err(download_failed(&why));
            }
            turn.aside(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(30));
            // Another replica may serve it meanwhile, or something newer.
            match source.artifact().await {
                Some(now) if now.digest == artifact.digest => url = self.hosts.reached(&now.url),
                Some(_) => return Err(Failure { retry: Retry::BackOff, ..download_failed(&why) }),
                None => {}
            }
        }
        Err(download_failed("no answer"))
    }
}

/// What an artifact is kept under: who names the digest of somebody else's has to know where that lies as well, as who
/// fetches it has to.
fn name(artifact: &Artifact) -> String {
    [artifact.digest.as_str(), &artifact.path, &artifact.url].join("\n")
}

/// The body of an answer as it comes; none when it is larger than any artifact may be.
async fn downloaded(
    mut answer: reqwest::Response,
    most: u64,
) -> Result<Option<VecDeque<Bytes>>, reqwest::Error> {
    let mut left = most;
    if answer.content_length().is_some_and(|size| size > left) {
        return Ok(None);
    }
    let mut parts = VecDeque::new();
    while let Some(part) = answer.chunk().await? {
        let Some(less) = left.checked_sub(part.len() as u64) else { return Ok(None) };
        left = less;
        parts.push_back(part);
    }
    Ok(Some(parts))
}

fn not_there(retry: Duration) -> Failure {
    let text = format!("Source is not ready, artifact not found, retrying in {}", duration::format(retry));
    Failure::waiting(Reason::ArtifactFailed, text, EventText::None)
}

fn larger_than(most: u64) -> String {
    format!("it has more than the limit of {most} bytes")
}

fn not_extracted(why: &str) -> Failure {
    let what = "failed to extract archive (check whether file size exceeds max download size)";
    Failure::new(Reason::ArtifactFailed, format!("{what}: {why}"))
}

fn download_failed(why: &str) -> Failure {
    unreachable(format!("failed to download archive: {why}"))
}

fn unreachable(text: String) -> Failure {
    Failure::new(Reason::ArtifactFailed, text).hint(
        "the artifact's address has to be reachable from here; look at the source's status.artifact.url",
    )
}
