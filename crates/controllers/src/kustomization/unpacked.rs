//! Artifacts, fetched, checked and unpacked once, in bounded memory.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_k8s::duration;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_kustomize::files::join;
use sealfast_source::archive::unpack::{Limits, unpack};
use sealfast_source::digest;
use sealfast_source::tree::Memory;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::kustomization::gather::Fetched;
use crate::options::Options;
use crate::report::{EventText, Failure, Retry};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an artifact may take altogether, further tries and the wait for room included.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Bytes of a compressed artifact.
const MOST_DOWNLOADED: u64 = 1 << 30;

/// Unpacked artifacts that nobody used for this long are let go.
const UNUSED: Duration = Duration::from_secs(60);

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

/// Memory that an unpacked artifact takes; it is free again once the last one lets go.
#[derive(Clone, Default)]
pub struct Room(#[expect(dead_code, reason = "held, not read")] Option<Arc<OwnedSemaphorePermit>>);

/// Unpacked artifacts by digest, and those that somebody is unpacking.
struct Trees {
    /// Room for all of them, in KiB.
    room: Arc<Semaphore>,
    /// How much there is in all.
    most: u32,
    kept: Mutex<HashMap<String, Kept>>,
    /// Tells those who wait for room that there is a tree that may make place.
    one_more: Notify,
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

struct Kept {
    tree: Arc<Memory>,
    room: Room,
    used: Instant,
}

impl Trees {
    fn new(bytes: u64) -> Trees {
        let most = u32::try_from(bytes >> 10).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4);
        let room = Arc::new(Semaphore::new(most as usize));
        Trees { room, most, kept: Mutex::default(), one_more: Notify::new(), under_way: Mutex::default() }
    }

    fn find(&self, digest: &str) -> Option<(Arc<Memory>, Room)> {
        let mut kept = self.kept.lock();
        let found = kept.get_mut(digest)?;
        found.used = Instant::now();
        Some((found.tree.clone(), found.room.clone()))
    }

    /// Waits for room. Kept trees make place while somebody waits, the one used least lately first, those that are kept
    /// meanwhile too; what is larger than all the room there is waits until it is alone.
    async fn room(&self, bytes: u64) -> Room {
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.most);
        let mut room = std::pin::pin!(Arc::clone(&self.room).acquire_many_owned(wanted));
        loop {
            let one_more = self.one_more.notified();
            if let Poll::Ready(room) = futures::poll!(&mut room) {
                // The semaphore is never closed.
                return Room(room.ok().map(Arc::new));
            }
            if self.evict() {
                continue;
            }
            // Those who build hold the rest.
            tokio::select! {
                room = &mut room => return Room(room.ok().map(Arc::new)),
                () = one_more => {}
            }
        }
    }

    /// Lets the tree go that was used least lately; false when none is kept.
    fn evict(&self) -> bool {
        let mut kept = self.kept.lock();
        let oldest = kept.iter().min_by_key(|(_, k)| k.used).map(|(digest, _)| digest.clone());
        oldest.and_then(|oldest| kept.remove(&oldest)).is_some()
    }

    /// Keeps a tree for the next ones.
    fn keep(self: &Arc<Self>, digest: &str, tree: &Arc<Memory>, room: &Room) {
        let mut kept = self.kept.lock();
        if kept.is_empty() {
            tokio::spawn(Arc::clone(self).forget());
        }
        kept.insert(digest.to_owned(), Kept { tree: tree.clone(), room: room.clone(), used: Instant::now() });
        drop(kept);
        self.one_more.notify_waiters();
    }

    /// Lets trees go that nobody used for a while, until there are none.
    async fn forget(self: Arc<Self>) {
        loop {
            tokio::time::sleep(UNUSED).await;
            let mut kept = self.kept.lock();
            kept.retain(|_, k| k.used.elapsed() < UNUSED);
            if kept.is_empty() {
                kept.shrink_to_fit();
                return;
            }
        }
    }
}

/// How many bytes an archive has unpacked, as its last four say. Who lies here takes more than was set aside for it, up
/// to the bound of one archive.
fn unpacked_size(archive: &[u8]) -> u64 {
    archive.last_chunk().map_or(0, |size| u64::from(u32::from_le_bytes(*size)))
}

impl Artifacts {
    /// Artifacts that lie below our own storage are read there, all others from their address.
    pub fn new(options: &Options) -> Artifacts {
        let trees = Trees::new(options.unpacked_bytes);
        // What says nothing for a while is dead.
        let patient = reqwest::Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE);
        let http = patient.build().map_err(|error| error.to_string());
        let storage = options.storage_dir.clone();
        Artifacts {
            storage,
            hosts: options.source_hosts.clone(),
            http,
            tries: options.http_retry + 1,
            archives: Arc::new(Trees::new(options.unpacked_bytes)),
            trees: Arc::new(trees),
        }
    }

    /// Fetches, checks and unpacks an artifact and finds the path in it.
    ///
    /// # Errors
    /// ArtifactFailed with the reason; a missing artifact is waited for.
    pub async fn fetch(
        &self,
        artifact: &Artifact,
        path: &str,
        source: &Source<'_>,
        retry: Duration,
    ) -> Result<Fetched, Failure> {
        let (tree, room) = self.tree(artifact, source, retry).await?;
        let digest = artifact.digest.rsplit(':').next().unwrap_or_default();
        let root = format!("/kustomization-{}", digest.get(..12).unwrap_or(digest));
        let dir = join("/", path);
        let inside = dir.trim_start_matches('/');
        let full = format!("{root}{}", if inside.is_empty() { "" } else { &dir });
        match tree.entries.get(inside) {
            _ if inside.is_empty() => {}
            // Whether it is a directory shows when it is built.
            Some(_) => {}
            None => {
                return Err(Failure::new(
                    "ArtifactFailed",
                    format!("kustomization path not found: stat {full}: no such file or directory"),
                )
                .hint(format!("spec.path `{path}` does not exist in revision {}", artifact.revision)));
            }
        }
        Ok(Fetched { tree, room, root, path: full })
    }

    async fn tree(
        &self,
        artifact: &Artifact,
        source: &Source<'_>,
        retry: Duration,
    ) -> Result<(Arc<Memory>, Room), Failure> {
        if let Some(found) = self.trees.find(&artifact.digest) {
            return Ok(found);
        }
        let turn = self.trees.under_way.lock().entry(artifact.digest.clone()).or_default().clone();
        let _turn = turn.lock().await;
        if let Some(found) = self.trees.find(&artifact.digest) {
            return Ok(found);
        }
        let unpacked = self.unpacked(artifact, source, retry).await;
        if let Ok((tree, room)) = &unpacked {
            self.trees.keep(&artifact.digest, tree, room);
        }
        self.trees.under_way.lock().remove(&artifact.digest);
        unpacked
    }

    async fn unpacked(
        &self,
        artifact: &Artifact,
        source: &Source<'_>,
        retry: Duration,
    ) -> Result<(Arc<Memory>, Room), Failure> {
        let (bytes, _held) = match self.local(artifact).await {
            Some(read) => read,
            None => {
                let remote = self.remote(artifact, source, retry);
                let late =
                    |_| download_failed(&format!("it takes longer than {}", duration::format(LONGEST)));
                tokio::time::timeout(LONGEST, remote).await.map_err(late)??
            }
        };
        let room = self.trees.room(unpacked_size(&bytes)).await;
        let unpacked = tokio::task::spawn_blocking(move || unpack(&bytes[..], &Limits::default())).await;
        let broken = |why: String| {
            let what = "failed to extract archive (check whether file size exceeds max download size)";
            Failure::new("ArtifactFailed", format!("{what}: {why}"))
        };
        let tree = unpacked.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.chain()))?;
        Ok((Arc::new(tree), room))
    }

    /// The archive from our own storage, when it is there and is the right one.
    async fn local(&self, artifact: &Artifact) -> Option<(Bytes, Room)> {
        let relative = Path::new(&artifact.path);
        let safe = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if self.storage.as_os_str().is_empty() || !safe {
            return None;
        }
        let path = self.storage.join(relative);
        let size = tokio::fs::metadata(&path).await.ok()?.len();
        let held = self.archives.room(size).await;
        let bytes = tokio::fs::read(path).await.ok()?;
        check(artifact, &bytes).ok()?;
        Some((bytes.into(), held))
    }

    async fn remote(
        &self,
        artifact: &Artifact,
        source: &Source<'_>,
        retry: Duration,
    ) -> Result<(Bytes, Room), Failure> {
        let http = self.http.as_ref().map_err(|why| download_failed(why))?;
        let mut pause = Duration::from_millis(500);
        let mut url = self.hosts.reached(&artifact.url);
        for attempt in 1.. {
            let why = match http.get(&url).send().await {
                Ok(answer) if answer.status() == reqwest::StatusCode::NOT_FOUND => {
                    return Err(not_there(retry));
                }
                Ok(answer) if answer.status().is_success() => {
                    let size = answer.content_length().unwrap_or(MOST_DOWNLOADED);
                    let held = self.archives.room(size.min(MOST_DOWNLOADED)).await;
                    match downloaded(answer).await {
                        Ok(Some(bytes)) => {
                            check(artifact, &bytes)?;
                            return Ok((bytes, held));
                        }
                        Ok(None) => return Err(download_failed(&too_large())),
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
            tokio::time::sleep(pause).await;
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

/// Hosts that stand in for those of artifacts, where the cluster's own names lead nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// For source-controller.
    pub source: Option<String>,
    /// For source-watcher.
    pub watcher: Option<String>,
}

impl Hosts {
    /// The address under which an artifact is reached.
    fn reached(&self, url: &str) -> String {
        let host = if url.contains("//source-watcher") { &self.watcher } else { &self.source };
        let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
        match (host, rest.split_once('/')) {
            (Some(host), Some((_, path))) => format!("{scheme}://{host}/{path}"),
            _ => url.to_owned(),
        }
    }
}

/// The body of an answer; none when it is larger than any artifact may be.
async fn downloaded(mut answer: reqwest::Response) -> Result<Option<Bytes>, reqwest::Error> {
    if answer.content_length().is_some_and(|size| size > MOST_DOWNLOADED) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await? {
        if (bytes.len() + part.len()) as u64 > MOST_DOWNLOADED {
            return Ok(None);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Some(bytes.into()))
}

/// The source that an artifact is of.
pub struct Source<'a> {
    /// Where it is read.
    pub client: &'a Client,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl Source<'_> {
    /// The artifact that it has now.
    async fn artifact(&self) -> Option<Artifact> {
        let gvk = GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", self.kind);
        let mut object = self.client.find(&gvk, self.namespace, self.name).await.ok()??;
        serde_json::from_value(object["status"]["artifact"].take()).ok()
    }
}

fn not_there(retry: Duration) -> Failure {
    let text = format!("Source is not ready, artifact not found, retrying in {}", duration::format(retry));
    Failure::waiting("ArtifactFailed", text, EventText::None)
}

fn too_large() -> String {
    format!("it has more than the limit of {MOST_DOWNLOADED} bytes")
}

fn download_failed(why: &str) -> Failure {
    unreachable(format!("failed to download archive: {why}"))
}

fn unreachable(text: String) -> Failure {
    Failure::new("ArtifactFailed", text).hint(
        "the artifact's address has to be reachable from here; look at the source's status.artifact.url",
    )
}

fn check(artifact: &Artifact, bytes: &[u8]) -> Result<(), Failure> {
    let broken = |why: String| Failure::new("ArtifactFailed", format!("failed to verify archive: {why}"));
    let mut hash = digest::like(&artifact.digest).map_err(|error| broken(error.chain()))?;
    hash.update(bytes);
    if hash.finish() == artifact.digest {
        return Ok(());
    }
    Err(broken(format!(
        "computed digest doesn't match provided '{}' (check whether file size exceeds max download size)",
        artifact.digest
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_unpacked_waits_for_room() {
        let trees = Arc::new(Trees::new(100 << 10));
        let tree = Arc::new(Memory::default());
        let first = trees.room(60 << 10).await;
        trees.keep("first", &tree, &first);
        // In use: whoever comes next has to wait until it is let go, though it is no longer kept.
        let second = tokio::spawn({
            let trees = Arc::clone(&trees);
            async move { trees.room(60 << 10).await }
        });
        while trees.find("first").is_some() {
            tokio::task::yield_now().await;
        }
        assert!(!second.is_finished());
        drop(first);
        let second = second.await.expect("there is room");
        trees.keep("second", &tree, &second);
        drop(second);
        // Unused ones make place at once, also for what is larger than everything.
        let all = trees.room(1 << 30).await;
        assert!(trees.find("second").is_none() && trees.room.available_permits() == 0);
        drop(all);
        assert_eq!(trees.room.available_permits(), 100);
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_place_of_what_is_kept_meanwhile() {
        let trees = Arc::new(Trees::new(100 << 10));
        let first = trees.room(60 << 10).await;
        let second = tokio::spawn({
            let trees = Arc::clone(&trees);
            async move { trees.room(60 << 10).await }
        });
        while trees.room.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        trees.keep("first", &Arc::new(Memory::default()), &first);
        drop(first);
        let waited = tokio::time::timeout(Duration::from_secs(60), second).await;
        assert!(waited.is_ok_and(|second| second.is_ok()) && trees.find("first").is_none());
    }

    #[test]
    fn another_host_may_stand_in() {
        let hosts = Hosts { source: Some("localhost:8080".into()), watcher: None };
        assert_eq!(
            hosts.reached("http://source-controller.flux./a/b.tar.gz"),
            "http://localhost:8080/a/b.tar.gz"
        );
        assert_eq!(hosts.reached("http://source-watcher.flux./a"), "http://source-watcher.flux./a");
        assert_eq!(Hosts::default().reached("http://x/a"), "http://x/a");
    }

    #[test]
    fn an_archive_says_how_large_it_is() {
        assert_eq!(unpacked_size(&[1, 2, 3, 0, 4, 0, 0]), 1024);
        assert_eq!(unpacked_size(&[1]), 0);
    }
}
