//! The controllers as running tasks: watches feed queues, workers empty them.
//!
//! Nothing runs while nothing happens: watches sleep on their connections, queues on one timer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, select_all};
use sealfast_cluster::client::watch::Event as Seen;
use sealfast_cluster::client::{Client, Select};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use sealfast_source::git::scratch;
use sealfast_source::storage::Storage;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::artifacts::{self, Server};
use crate::clock::Clock;
use crate::error::Error;
use crate::events::Recorder;
use crate::fair::Fair;
use crate::follow::Follower;
use crate::gates::Gate;
use crate::identity::Identities;
use crate::identity::cache::Cache;
use crate::index::Index;
use crate::kustomization::apply::Memories;
use crate::kustomization::remotes::Remotes;
use crate::kustomization::unpacked::Artifacts as Unpacked;
use crate::kustomization::{self, shared::Shared};
use crate::metrics::{Controller, Metrics};
use crate::options::{Only, Options};
use crate::queue::{Key, Queue};
use crate::source;
use crate::workers::Crew;

/// Kinds whose artifacts are built.
const SOURCE_KINDS: [&str; 4] = ["GitRepository", "OCIRepository", "Bucket", "ExternalArtifact"];
/// How often folders of killed fetches are looked for.
const SWEPT: Duration = Duration::from_secs(5 * 60);
/// How long a stop waits for runs in progress before it cuts them off.
const GRACE: Duration = Duration::from_secs(18);
/// How long it takes at most, with the time to say what is to be said.
const STOP: Duration = Duration::from_secs(20);

const KUSTOMIZATION: Controller = Controller { name: "kustomization", kind: "Kustomization" };
const GIT_REPOSITORY: Controller = Controller { name: "gitrepository", kind: "GitRepository" };

/// Running controllers. Dropping it stops them at once, [`Handle::stop`] in order.
pub struct Handle {
    watches: Vec<JoinHandle<()>>,
    crews: Vec<JoinHandle<()>>,
    recorders: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    metrics: Arc<Metrics>,
    artifacts: Option<Artifacts>,
}

/// Where the source controller keeps its artifacts, and how others find them.
pub struct Artifacts {
    /// The files.
    pub storage: Arc<Storage>,
    /// `host:port`, or an address with scheme.
    pub host: String,
    /// The time of day by which they grow old.
    pub clock: Clock,
    _server: Server,
}

impl Handle {
    /// Returns the artifacts; none when sources are left to another controller.
    pub fn artifacts(&self) -> Option<&Artifacts> {
        self.artifacts.as_ref()
    }

    /// What the controllers count.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Returns when a task ends that should go on until all are stopped: what it followed or worked on, nobody looks after.
    pub async fn failed(&mut self) {
        let tasks = self.watches.iter_mut().chain(&mut self.crews).chain(&mut self.recorders);
        let (ended, _, _) = select_all(tasks).await;
        tracing::error!(panicked = ended.is_err(), "a task of the controllers ended");
    }

    /// Stops: no new runs are begun, those in progress are finished (or cut off when they take too long), those that
    /// only wait for health are given up, and what is to be said is said.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.watches.iter().for_each(JoinHandle::abort);
        let over = async {
            if timeout(GRACE, join_all(&mut self.crews)).await.is_err() {
                self.crews.iter().for_each(JoinHandle::abort);
            }
            // They end by themselves once nobody is left who could say something.
            join_all(&mut self.recorders).await;
        };
        // What is not over by then is cut off on drop, also when this future is dropped before.
        let _ = timeout(STOP, over).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
        for task in self.watches.iter().chain(&self.crews).chain(&self.recorders) {
            task.abort();
        }
    }
}

/// Starts the controllers against a cluster whose definitions are in place; everything is counted in `metrics`. Runs inside Tokio.
///
/// # Errors
/// [`Error`] when artifacts can be neither kept nor served.
pub async fn start(client: Client, options: Options, metrics: Arc<Metrics>) -> Result<Handle, Error> {
    // Another part of the process may have chosen its cryptography already; then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut handle = Handle {
        watches: Vec::new(),
        crews: Vec::new(),
        recorders: Vec::new(),
        stop: CancellationToken::new(),
        metrics,
        artifacts: None,
    };
    handle.metrics.follow_client(&client);
    if options.only != Only::Kustomize {
        handle.watches.push(tokio::spawn(sweep(options.clock.clone())));
        let artifacts = serve_artifacts(&options).await?;
        start_sources(&client, &options, &artifacts, &mut handle);
        handle.artifacts = Some(artifacts);
    }
    if options.only != Only::Source {
        start_kustomizations(&client, &options, &mut handle);
    }
    Ok(handle)
}

/// Removes what killed fetches left, again and again: a folder is only known to be left over after a while.
async fn sweep(clock: Clock) {
    let mut ticks = tokio::time::interval(SWEPT);
    loop {
        ticks.tick().await;
        let now = clock.now();
        let swept = tokio::task::spawn_blocking(move || scratch::sweep(now.into())).await.unwrap_or_default();
        if swept > 0 {
            tracing::info!(swept, "folders of fetches that were killed are removed");
        }
    }
}

async fn serve_artifacts(options: &Options) -> Result<Artifacts, Error> {
    let path = options.storage_dir.clone();
    let storage = Storage::open(&path, options.retention)
        .map_err(|error| Error::Storage { path, source: Box::new(error) })?
        .digesting(options.digest);
    let storage = Arc::new(storage);
    let address = options.listen;
    let server = artifacts::serve(Arc::clone(&storage), address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let host = options.advertise.clone().unwrap_or_else(|| server.address.to_string());
    Ok(Artifacts { storage, host, clock: options.clock.clone(), _server: server })
}

/// Which objects of a kind are ours to work on.
fn shard(options: &Options) -> Select {
    Select { labels: options.labels.clone(), ..Select::default() }
}

impl Handle {
    fn recorder(&mut self, client: &Client, options: &Options, component: &'static str) -> Recorder {
        let (recorder, tasks) = Recorder::start(client.clone(), component, options);
        self.recorders.extend(tasks);
        recorder
    }

    fn follower(&self, controller: Controller, queue: &Queue) -> Follower {
        Follower { controller, queue: queue.clone(), metrics: Arc::clone(&self.metrics) }
    }

    fn crew(&self, controller: Controller, queue: &Queue, count: usize) -> Crew {
        let (queue, stop, metrics) = (queue.clone(), self.stop.clone(), Arc::clone(&self.metrics));
        Crew { controller, queue, count, stop, metrics }
    }
}

fn start_sources(client: &Client, options: &Options, artifacts: &Artifacts, handle: &mut Handle) {
    let queue = Queue::new(options.pauses);
    let shared = Arc::new(source::Shared {
        client: client.clone(),
        options: options.clone(),
        recorder: handle.recorder(client, options, "source-controller"),
        storage: Arc::clone(&artifacts.storage),
        host: artifacts.host.clone(),
        identities: identities(client, options, handle),
        includes: Arc::default(),
    });
    let watch =
        client.watch(&source::kind(), options.namespace.as_deref().unwrap_or_default(), shard(options));
    let follower = handle.follower(GIT_REPOSITORY, &queue);
    handle.watches.push(tokio::spawn(follower.follow(watch, source::known::Known::default())));
    let crew = handle.crew(GIT_REPOSITORY, &queue, options.source_concurrency);
    handle.crews.push(tokio::spawn(crew.work(move |key, _turn| {
        let shared = Arc::clone(&shared);
        async move { source::reconcile(&shared, &key).await }
    })));
}

/// Who objects are to clouds.
fn identities(client: &Client, options: &Options, handle: &Handle) -> Arc<Identities> {
    let vault_map = options.vault_map.clone().map(|name| (options.own_namespace.clone(), name));
    let (clouds, gates) = (options.clouds.clone(), options.gates.clone());
    let cache = Cache::new(options.token_cache, handle.metrics(), options.clock.clone());
    Arc::new(Identities::new(client.clone(), clouds, gates, cache, vault_map))
}

fn start_kustomizations(client: &Client, options: &Options, handle: &mut Handle) {
    let queue = Queue::new(options.pauses);
    let builds = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let shared = Arc::new(Shared {
        client: client.clone(),
        options: options.clone(),
        recorder: handle.recorder(client, options, "kustomize-controller"),
        artifacts: Arc::new(Unpacked::new(options)),
        remotes: Remotes::default(),
        memories: Memories::default(),
        identities: identities(client, options, handle),
        data_keys: Arc::default(),
        builds: Fair::new(builds as u64),
        queue: queue.clone(),
    });
    let others = Others {
        client: client.clone(),
        namespace: options.namespace.clone().unwrap_or_default(),
        queue: queue.clone(),
        index: Arc::default(),
    };
    let watch = client.watch(&kustomization::shared::kind(), &others.namespace, shard(options));
    let follower = handle.follower(KUSTOMIZATION, &queue);
    handle.watches.push(tokio::spawn(follower.follow(watch, Arc::clone(&others.index))));
    for kind in SOURCE_KINDS {
        handle.watches.push(tokio::spawn(others.clone().sources(kind)));
    }
    if !options.gates.has(Gate::DisableConfigWatchers) {
        for kind in ["Secret", "ConfigMap"] {
            let labels = options.config_labels.clone();
            handle.watches.push(tokio::spawn(others.clone().configs(kind, labels)));
        }
    }
    let crew = handle.crew(KUSTOMIZATION, &queue, options.concurrency);
    handle.crews.push(tokio::spawn(crew.work(move |key, turn| {
        let shared = Arc::clone(&shared);
        async move { kustomization::reconcile(&shared, &key, turn).await }
    })));
}

/// Feeds the queue of Kustomizations from watches of what they read.
#[derive(Clone)]
struct Others {
    client: Client,
    namespace: String,
    queue: Queue,
    index: Arc<Index>,
}

impl Others {
    async fn sources(self, kind: &'static str) {
        let gvk = GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", kind);
        // A source may live in another namespace than those who build from it, unless we keep to one.
        let mut watch = self.client.watch(&gvk, &self.namespace, Select::default());
        loop {
            let objects = match watch.next().await {
                Seen::Listed(objects) => {
                    self.index.retain_sources(kind, &objects);
                    objects
                }
                Seen::Applied(object) => vec![object],
                Seen::Deleted(object) => {
                    self.index.source_gone(kind, &object);
                    continue;
                }
            };
            for object in &objects {
                let cause = format!("{kind}/{}", Key::of(object));
                self.index
                    .source_changed(kind, object)
                    .into_iter()
                    .for_each(|key| self.queue.add_because(key, &cause));
            }
        }
    }

    async fn configs(self, kind: &'static str, labels: String) {
        let select = Select { labels, metadata_only: true, ..Select::default() };
        let gvk = GroupVersionKind::new("", "v1", kind);
        let mut watch = self.client.watch(&gvk, &self.namespace, select);
        let mut versions: HashMap<Key, String> = HashMap::new();
        let mut first = true;
        loop {
            let changed: Vec<Value> = match watch.next().await {
                Seen::Listed(objects) => {
                    // What went while nobody looked is in the list no more.
                    let listed: HashSet<Key> = objects.iter().map(Key::of).collect();
                    for key in versions.extract_if(|key, _| !listed.contains(key)).map(|(key, _)| key) {
                        self.config_changed(kind, &key);
                    }
                    objects
                }
                Seen::Applied(object) => vec![object],
                Seen::Deleted(object) => {
                    let key = Key::of(&object);
                    versions.remove(&key);
                    self.config_changed(kind, &key);
                    continue;
                }
            };
            for object in changed {
                let version = object::metadata_text(&object, "resourceVersion").to_owned();
                let key = Key::of(&object);
                let news = versions.insert(key.clone(), version.clone()).as_ref() != Some(&version);
                if news && !first {
                    self.config_changed(kind, &key);
                }
            }
            first = false;
        }
    }

    fn config_changed(&self, kind: &str, key: &Key) {
        let cause = format!("{kind}/{key}");
        self.index.config_changed(kind, key).into_iter().for_each(|key| self.queue.add_because(key, &cause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_noticed() {
        let lasting = || tokio::spawn(std::future::pending());
        let mut handle = Handle {
            watches: vec![lasting()],
            crews: vec![lasting()],
            recorders: vec![lasting()],
            stop: CancellationToken::new(),
            metrics: Arc::default(),
            artifacts: None,
        };
        let soon = Duration::from_millis(50);
        assert!(timeout(soon, handle.failed()).await.is_err());
        let watch = &mut handle.watches[0];
        *watch = tokio::spawn(async { panic!("a fault of a test") });
        assert!(timeout(Duration::from_secs(60), handle.failed()).await.is_ok());
    }
}
