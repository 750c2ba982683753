//! The controllers as running tasks: watches feed queues, workers empty them.
//!
//! Nothing runs while nothing happens: watches sleep on their connections, queues on one timer.

use std::collections::HashMap;
use std::sync::Arc;

use sealfast_cluster::client::watch::Event as Seen;
use sealfast_cluster::client::{Client, Select};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use sealfast_source::storage::{Retention, Storage};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::artifacts::{self, Server};
use crate::error::Error;
use crate::events::Recorder;
use crate::index::Index;
use crate::kustomization::apply::Memories;
use crate::kustomization::gather::Artifacts as Unpacked;
use crate::kustomization::{self, Shared};
use crate::options::{Only, Options};
use crate::queue::{Key, Next, Queue};
use crate::source;

/// Kinds whose artifacts are built.
const SOURCE_KINDS: [&str; 4] = ["GitRepository", "OCIRepository", "Bucket", "ExternalArtifact"];
/// Secrets and ConfigMaps with this label are watched.
const WATCHED: &str = "reconcile.fluxcd.io/watch=Enabled";

/// Running controllers. Dropping it stops them at once, [`Handle::stop`] in order.
pub struct Handle {
    tasks: Vec<JoinHandle<()>>,
    artifacts: Option<Artifacts>,
}

/// Where the source controller keeps its artifacts, and how others find them.
pub struct Artifacts {
    /// The files.
    pub storage: Arc<Storage>,
    /// `host:port`, or an address with scheme.
    pub host: String,
    _server: Server,
}

impl Handle {
    /// Returns the artifacts; none when sources are left to another controller.
    pub fn artifacts(&self) -> Option<&Artifacts> {
        self.artifacts.as_ref()
    }

    /// Stops all tasks and waits for them. What a run has begun is cut off between requests; the
    /// next start takes it up again.
    pub async fn stop(mut self) {
        let tasks = std::mem::take(&mut self.tasks);
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            let _ = task.await;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts the controllers against a cluster whose definitions are in place. Runs inside Tokio.
///
/// # Errors
/// [`Error`] when artifacts can be neither kept nor served.
pub async fn start(client: Client, options: Options) -> Result<Handle, Error> {
    // Another part of the process may have chosen its cryptography already; then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut handle = Handle { tasks: Vec::new(), artifacts: None };
    if options.only != Only::Kustomize {
        let artifacts = serve_artifacts(&options).await?;
        start_sources(&client, &options, &artifacts, &mut handle);
        handle.artifacts = Some(artifacts);
    }
    if options.only != Only::Source {
        start_kustomizations(&client, &options, &mut handle);
    }
    Ok(handle)
}

async fn serve_artifacts(options: &Options) -> Result<Artifacts, Error> {
    let path = options.storage_dir.clone();
    let storage = Storage::open(&path, Retention::default())
        .map_err(|error| Error::Storage { path, source: Box::new(error) })?;
    let storage = Arc::new(storage);
    let address = options.listen;
    let server = artifacts::serve(Arc::clone(&storage), address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let host = options.advertise.clone().unwrap_or_else(|| server.address.to_string());
    Ok(Artifacts { storage, host, _server: server })
}

fn start_sources(client: &Client, options: &Options, artifacts: &Artifacts, handle: &mut Handle) {
    let queue = Queue::new(options.pauses);
    let shared = Arc::new(source::Shared {
        client: client.clone(),
        options: options.clone(),
        recorder: Recorder::start(client.clone(), "source-controller"),
        storage: Arc::clone(&artifacts.storage),
        host: artifacts.host.clone(),
    });
    handle.tasks.push(tokio::spawn(source::follow::follow(client.clone(), queue.clone())));
    handle.tasks.extend(workers(&queue, options.concurrency, move |key| {
        let shared = Arc::clone(&shared);
        async move { source::reconcile(&shared, &key).await }
    }));
}

fn start_kustomizations(client: &Client, options: &Options, handle: &mut Handle) {
    let queue = Queue::new(options.pauses);
    let index = Arc::new(Index::default());
    let builds = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let shared = Arc::new(Shared {
        client: client.clone(),
        options: options.clone(),
        recorder: Recorder::start(client.clone(), "kustomize-controller"),
        artifacts: Unpacked::new(options.storage_dir.clone()),
        memories: Memories::default(),
        builds: Semaphore::new(builds),
    });
    handle.tasks.push(tokio::spawn(follow_kustomizations(client.clone(), queue.clone(), index.clone())));
    for kind in SOURCE_KINDS {
        handle.tasks.push(tokio::spawn(follow_sources(client.clone(), kind, queue.clone(), index.clone())));
    }
    for kind in ["Secret", "ConfigMap"] {
        handle.tasks.push(tokio::spawn(follow_configs(client.clone(), kind, queue.clone(), index.clone())));
    }
    handle.tasks.extend(workers(&queue, options.concurrency, move |key| {
        let shared = shared.clone();
        async move { kustomization::reconcile(&shared, &key).await }
    }));
}

/// Starts workers that empty a queue. A run that panics counts as a failure.
pub fn workers<F, W>(queue: &Queue, count: usize, work: F) -> Vec<JoinHandle<()>>
where
    F: Fn(Key) -> W + Clone + Send + 'static,
    W: Future<Output = Next> + Send + 'static,
{
    let worker = |_| {
        let (queue, work) = (queue.clone(), work.clone());
        tokio::spawn(async move {
            loop {
                let key = queue.next().await;
                let mut run = AbortOnDrop(tokio::spawn(work(key.clone())));
                let next = match (&mut run.0).await {
                    Ok(next) => next,
                    Err(error) => {
                        tracing::error!(object = %key, %error, "a run stopped unexpectedly");
                        Next::BackOff
                    }
                };
                queue.done(&key, next);
            }
        })
    };
    (0..count.max(1)).map(worker).collect()
}

struct AbortOnDrop(JoinHandle<Next>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn follow_kustomizations(client: Client, queue: Queue, index: Arc<Index>) {
    let mut watch = client.watch(&kustomization::kind(), "", Select::default());
    loop {
        match watch.next().await {
            Seen::Listed(objects) => {
                index.retain(&objects);
                objects.iter().flat_map(|object| index.applied(object)).for_each(|key| queue.add(key));
            }
            Seen::Applied(object) => index.applied(&object).into_iter().for_each(|key| queue.add(key)),
            Seen::Deleted(object) => index.deleted(&object),
        }
    }
}

async fn follow_sources(client: Client, kind: &'static str, queue: Queue, index: Arc<Index>) {
    let gvk = GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", kind);
    let mut watch = client.watch(&gvk, "", Select::default());
    loop {
        let objects = match watch.next().await {
            Seen::Listed(objects) => objects,
            Seen::Applied(object) => vec![object],
            Seen::Deleted(_) => continue,
        };
        objects.iter().flat_map(|object| index.source_changed(kind, object)).for_each(|key| queue.add(key));
    }
}

async fn follow_configs(client: Client, kind: &'static str, queue: Queue, index: Arc<Index>) {
    let select = Select { labels: WATCHED.to_owned(), metadata_only: true, ..Select::default() };
    let gvk = GroupVersionKind::new("", "v1", kind);
    let mut watch = client.watch(&gvk, "", select);
    let mut versions: HashMap<Key, String> = HashMap::new();
    let mut first = true;
    loop {
        let changed: Vec<Value> = match watch.next().await {
            Seen::Listed(objects) => objects,
            Seen::Applied(object) => vec![object],
            Seen::Deleted(object) => {
                versions.remove(&Key::of(&object));
                index.config_changed(kind, &object).into_iter().for_each(|key| queue.add(key));
                continue;
            }
        };
        for object in changed {
            let version = object::metadata_text(&object, "resourceVersion").to_owned();
            let news = versions.insert(Key::of(&object), version.clone()).as_ref() != Some(&version);
            if news && !first {
                index.config_changed(kind, &object).into_iter().for_each(|key| queue.add(key));
            }
        }
        first = false;
    }
}
