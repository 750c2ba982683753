//! One run over a GitRepository: look at the storage, gather, fetch, keep, report.
//!
//! Follows: source-controller 1.9. Differs: a phase that is over quickly is never written to the status.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_cluster::error::Error as ClusterError;
use sealfast_k8s::duration;
use sealfast_k8s::flux::REQUESTED_AT;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::git_repository::GitRepository;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_source::storage::Storage;
use serde_json::Value;

use crate::events::Recorder;
use crate::finalizer;
use crate::identity::Identities;
use crate::options::Options;
use crate::queue::{Key, Next};
use crate::report::{self as reports, Retry};
use crate::shape;
use crate::source::fetch::Fetched;
use crate::source::report::{Failure, Report};
use crate::status::Target;

pub mod credentials;
pub mod fetch;
pub mod gather;
pub(crate) mod known;
pub mod report;
mod secret;

/// The field manager of what we write about sources.
const MANAGER: &str = "source-controller";

/// The kind that is worked on.
pub fn kind() -> GroupVersionKind {
    GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", "GitRepository")
}

/// All that runs share.
pub struct Shared {
    /// The API server.
    pub client: Client,
    /// How the controllers are run.
    pub options: Options,
    /// Takes events.
    pub recorder: Recorder,
    /// Where artifacts are kept.
    pub storage: Arc<Storage>,
    /// Where others find them: `host:port`, or an address with scheme.
    pub host: String,
    /// Who objects are to clouds.
    pub identities: Arc<Identities>,
    /// Held by whoever has included artifacts in memory: one at a time.
    pub includes: Arc<Mutex<()>>,
}

/// One object on its way through the stages.
pub(crate) struct Run<'a> {
    pub(crate) shared: &'a Shared,
    key: &'a Key,
    pub(crate) typed: GitRepository,
    pub(crate) report: Report,
}

/// Works on one object.
pub async fn reconcile(shared: &Shared, key: &Key) -> Next {
    match work(shared, key).await {
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(source = %key, error = %error.chain(), "will try again");
            Next::BackOff
        }
    }
}

async fn work(shared: &Shared, key: &Key) -> Result<Next, ClusterError> {
    let Some(mut object) = shared.client.find(&kind(), &key.namespace, &key.name).await? else {
        return Ok(Next::Gone);
    };
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return remove(shared, key, &object).await;
    }
    if !finalizer::is_on(&object) {
        object = finalizer::add(&target(shared, key), &object).await?;
    }
    let (typed, misfits) = match shape::read::<GitRepository>(&object) {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(source = %key, %error, "the object does not have the shape of its kind");
            return Ok(Next::WhenAdded);
        }
    };
    let report = Report::new(&object, &typed, shared.recorder.clone(), shared.options.clock.clone());
    let mut run = Run { shared, key, typed, report };
    if run.typed.spec.suspend {
        run.report.suspended();
        run.handled();
        run.write().await?;
        return Ok(Next::WhenAdded);
    }
    let result = match &misfits[..] {
        [] => run.stages().await?,
        misfits => Err(Failure::stalled(shape::INVALID, shape::listed(misfits))),
    };
    run.report.summary(result.as_ref().err());
    run.handled();
    run.write().await?;
    run.report.tell(result.as_ref());
    Ok(run.next(result.as_ref().err()))
}

/// Removes the artifacts of an object that is being deleted, then lets it go.
async fn remove(shared: &Shared, key: &Key, object: &Value) -> Result<Next, ClusterError> {
    if !finalizer::is_on(object) {
        return Ok(Next::Gone);
    }
    if let Err(error) = shared.storage.remove_all("GitRepository", &key.namespace, &key.name) {
        tracing::warn!(source = %key, error = %error.chain(), "cannot remove the artifacts");
        return Ok(Next::BackOff);
    }
    finalizer::remove(&target(shared, key), object).await.map(|()| Next::Gone)
}

/// Where what we write about an object goes.
fn target<'a>(shared: &'a Shared, key: &'a Key) -> Target<'a> {
    let Shared { client, .. } = shared;
    Target { client, kind: kind(), namespace: &key.namespace, name: &key.name, manager: MANAGER }
}

impl Run<'_> {
    /// The trip, each step marked by what it does. The outer error is about the API server and leaves no trace in the
    /// status; the inner one is for people.
    async fn stages(&mut self) -> Result<Result<Fetched, Failure>, ClusterError> {
        let announced = self.report.begin(self.typed.metadata.annotations.get(REQUESTED_AT));
        if announced {
            self.write().await?;
        }
        // Reads and cleans: the storage.
        self.check_storage().await;
        let (shared, typed, artifact) =
            (self.shared, self.typed.clone(), self.report.status.artifact.clone());
        let settled = self.report.is_settled();
        let work = async {
            // Reads: credentials, included repositories.
            let wanted = gather::gather(shared, &typed, artifact, settled).await?;
            // Reads the remote, writes the storage.
            fetch::fetch(shared, &typed, wanted).await
        };
        let done = self.shown(work).await?;
        if let Ok(fetched) = &done {
            self.report.keep(&self.typed.spec, fetched);
        }
        Ok(done)
    }

    /// Collects old files, and makes sure that the artifact of the status is what it was.
    async fn check_storage(&mut self) {
        let Some(artifact) = self.report.status.artifact.clone() else {
            self.report.no_artifact("building artifact");
            return;
        };
        // Whoever may write the status of a source is not to have the files of others looked at, collected or removed.
        let own = Storage::is_of(&artifact.path, "GitRepository", &self.key.namespace, &self.key.name);
        let verdict = if own { self.verified(&artifact).await } else { None };
        match verdict {
            Some(Ok(())) => {
                let url = address(&self.shared.host, &artifact.path);
                self.report.served_at(url);
                return;
            }
            Some(Err(text)) => {
                let message = format!("failed to verify integrity of artifact: {text}");
                self.report.warn("ArtifactVerificationFailed", &message);
            }
            None => {}
        }
        self.report.status.artifact = None;
        self.report.no_artifact("building artifact: disappeared from storage");
    }

    /// Collects old files beside an artifact, and compares its digest; none when it is not there. What was changed goes.
    async fn verified(&mut self, artifact: &Artifact) -> Option<Result<(), String>> {
        let storage = Arc::clone(&self.shared.storage);
        let (path, digest) = (artifact.path.clone(), artifact.digest.clone());
        let now = self.shared.options.clock.now();
        let checked = tokio::task::spawn_blocking(move || {
            let collected = storage.collect(&path, now.into()).unwrap_or_else(|error| {
                tracing::warn!(error = %error.chain(), "cannot collect old artifacts");
                0
            });
            if !storage.holds(&path) {
                return (collected, None);
            }
            let verdict = storage.verify_once(&path, &digest).map_err(|error| error.chain());
            if verdict.is_err()
                && let Err(error) = storage.remove(&path)
            {
                tracing::warn!(error = %error.chain(), "cannot remove an artifact that was changed");
            }
            (collected, Some(verdict))
        });
        let (collected, verdict) = checked.await.unwrap_or_default();
        self.report.collected(collected);
        verdict
    }

    /// Does something; when it takes long, the status says that a run is under way.
    async fn shown<T>(&mut self, work: impl Future<Output = T>) -> Result<T, ClusterError> {
        let (done, written) = reports::shown(work, self.write()).await;
        written.transpose()?;
        Ok(done)
    }

    /// Notes that the request in the annotation was handled.
    fn handled(&mut self) {
        if let Some(token) = self.typed.metadata.annotations.get(REQUESTED_AT) {
            self.report.status.last_handled_reconcile_at.clone_from(token);
        }
    }

    async fn write(&mut self) -> Result<(), ClusterError> {
        self.report.write(&target(self.shared, self.key)).await
    }

    fn next(&self, failure: Option<&Failure>) -> Next {
        let interval = duration::parse(&self.typed.spec.interval).unwrap_or(Duration::from_secs(60));
        match failure.map(|failure| failure.retry) {
            None => crate::queue::jittered(interval, self.shared.options.jitter_percent),
            Some(Retry::Dependency) => Next::Retry(self.shared.options.requeue_dependency),
            Some(Retry::Terminal) => Next::WhenAdded,
            // A source has no retry interval of its own.
            Some(Retry::BackOff | Retry::Interval) => Next::BackOff,
            Some(Retry::AtOnce) => Next::After(Duration::ZERO),
        }
    }
}

/// Returns the HTTP address of a stored file.
pub(crate) fn address(host: &str, path: &str) -> String {
    if host.contains("://") {
        format!("{}/{path}", host.trim_end_matches('/'))
    } else {
        format!("http://{host}/{path}")
    }
}
