//! One run over a Kustomization: the stages, in order.
//!
//! Each stage's output is the next one's input, so none can be skipped. Sources, keys and
//! variables are read with our own identity; objects are written as the identity asked for.
//!
//! Follows: kustomize-controller 1.9.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use sealfast_cluster::apply::weight;
use sealfast_cluster::error::Error as ClusterError;
use sealfast_k8s::condition;
use sealfast_k8s::duration;
use sealfast_k8s::flux::REQUESTED_AT;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::inventory::Inventory;
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::id::ObjectId;

use crate::expression::Health;
use crate::finalizer;
use crate::kustomization::acting::Acting;
use crate::kustomization::apply::Applied;
use crate::kustomization::archive::Source;
use crate::kustomization::claim::Claims;
use crate::kustomization::gather::Fetched;
use crate::kustomization::render::Rendered;
use crate::kustomization::report::{Failure, Reason, Report, Times};
use crate::kustomization::room::Held;
use crate::kustomization::shared::{Run, Shared, kind};
use crate::kustomization::unpacked::Wanted;
use crate::queue::{Key, Next, jittered};
use crate::report::{self as reports, Retry};
use crate::shape::{self, Misfit};
use crate::workers::Turn;

pub mod acting;
pub mod apply;
pub mod archive;
pub mod check;
pub mod claim;
pub mod decrypt;
pub mod finalize;
mod forms;
pub mod gather;
pub mod health;
pub mod import;
mod journal;
mod landing;
pub mod lending;
pub mod macs;
pub mod mask;
pub mod missing;
pub mod opener;
mod prune;
pub mod remotes;
pub mod render;
pub mod report;
pub mod room;
mod search;
pub mod select;
pub mod shared;
pub mod substitute;
pub mod unpacked;
pub mod view;
pub mod witness;

/// Works on one object.
pub async fn reconcile(shared: &Shared, key: &Key, turn: Turn) -> Next {
    match work(shared, key, turn).await {
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(kustomization = %key, error = %error.chain(), "will try again");
            Next::BackOff
        }
    }
}

async fn work(shared: &Shared, key: &Key, turn: Turn) -> Result<Next, ClusterError> {
    let began = Instant::now();
    let Some(mut object) = shared.client.find(&kind(), &key.namespace, &key.name).await? else {
        return Ok(Next::Gone);
    };
    let is_new = object["metadata"]["deletionTimestamp"].is_null() && !finalizer::is_on(&object);
    if is_new {
        object = finalizer::add(&shared.target(&key.namespace, &key.name), &object).await?;
    }
    let (typed, misfits) = match shape::read::<Kustomization>(&object) {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(kustomization = %key, %error, "the object does not have the shape of its kind");
            return Ok(Next::WhenAdded);
        }
    };
    let report = Report::new(&object, &typed, shared.recorder.clone(), &shared.options);
    let times = Times::of(&typed.spec);
    let mut run = Run { shared, object, typed, report, times, turn, is_accounted_for: false };
    if is_new {
        // The reference has a run for the finalizer alone, and that one handles a request.
        run.handled();
    }
    if run.typed.metadata.deletion_timestamp.is_some() {
        return Ok(finalize::finalize(&mut run, &misfits, began).await);
    }
    if run.typed.spec.suspend {
        return Ok(run.suspended().await);
    }
    run.whole(&misfits, began).await
}

impl Run<'_> {
    /// A run over an object that is there to stay, and all that is written of it.
    async fn whole(&mut self, misfits: &[Misfit], began: Instant) -> Result<Next, ClusterError> {
        let result = if misfits.is_empty() { self.stages(began).await } else { Err(self.misshapen(misfits)) };
        let next = self.next(result.as_ref().err());
        self.handled();
        self.write().await?;
        if self.is_accounted_for
            && let Err(error) = claim::clear(&self.shared.client, &self.typed).await
        {
            // The next run that comes as far does it.
            tracing::warn!(kustomization = %Key::of(&self.object), error = %error.chain(), "cannot clear what failed runs left");
        }
        Ok(next)
    }

    /// The trip, each step marked by what it does.
    async fn stages(&mut self, began: Instant) -> Result<(), Failure> {
        // Reads: configuration, source, dependencies.
        let early = self.early().await;
        let (health, artifact) = match early {
            Ok(found) => found,
            Err(failure) => {
                match failure.retry {
                    Retry::Terminal => self.report.stalled(&failure),
                    _ => self.report.failed(&failure),
                }
                return Err(failure);
            }
        };
        let revision = artifact.revision.clone();
        let origin = artifact.metadata.get("org.opencontainers.image.revision").cloned();
        // On the heap, as what it holds: together they are larger than a stack can bear in a build with all checks.
        let done = Box::pin(self.reconcile(&health, &artifact, origin.as_deref(), began)).await;
        if let Err(failure) = &done {
            self.report.failed(failure);
            return done;
        }
        self.report.status.last_applied_revision = revision;
        self.report.status.last_applied_origin_revision = origin.unwrap_or_default();
        self.report.finished(began.elapsed(), self.times.interval);
        done
    }

    async fn early(&mut self) -> Result<(Health, Artifact), Failure> {
        let health = check::expressions(&self.typed).await?;
        check::account(&self.typed, &self.shared.options.gates)?;
        let source = check::source(self.shared, &self.typed).await?;
        let artifact = check::artifact(&source, self.shared.options.requeue_dependency)?;
        let origin = artifact.metadata.get("org.opencontainers.image.revision");
        self.report.about_revision(&artifact.revision, origin.map(String::as_str));
        check::dependencies(self.shared, &self.object, &self.typed, &artifact.revision).await?;
        Ok((health, artifact))
    }

    async fn reconcile(
        &mut self,
        health: &Health,
        artifact: &Artifact,
        origin: Option<&str>,
        began: Instant,
    ) -> Result<(), Failure> {
        let revision = artifact.revision.as_str();
        let was_healthy = self.report.is_true("Healthy");
        let timeout = duration::format(self.times.timeout);
        let of_revision = format!("for revision {revision} with a timeout of {timeout}");

        // Reads: the artifact, then keys and variables.
        self.report.phase(&format!("Fetching manifests {of_revision}"));
        let fetched = self.fetched(artifact).await?;
        self.report.phase(&format!("Building manifests {of_revision}"));
        self.report.status.last_attempted_revision = revision.to_owned();
        let acting = acting::acting(self.shared, &self.typed).await?;
        let mut rendered = self.rendered(fetched).await?;
        let digest = std::mem::take(&mut rendered.digest);
        let warnings = std::mem::take(&mut rendered.warnings);

        // Writes: objects, inventory, what left.
        let writing = self.write_objects(&acting, rendered, health, &of_revision, was_healthy, revision);
        let result = Box::pin(writing).await;
        let failed = result.as_ref().err().map(|failure| failure.reason);
        if failed != Some(Reason::HealthCheckCanceled) {
            let outcome = failed.map_or("ReconciliationSucceeded", Reason::as_str);
            self.report.remember(&digest, outcome, began.elapsed(), revision, origin);
        }
        result?;
        self.report.succeeded(&applied_message(revision, &warnings));
        warnings.iter().for_each(|warning| self.report.warned(warning));
        Ok(())
    }

    async fn fetched(&mut self, artifact: &Artifact) -> Result<Fetched, Failure> {
        let shared = self.shared;
        let path = self.typed.spec.path.clone();
        let reference = self.typed.spec.source_ref.clone();
        let own = self.typed.metadata.namespace.clone();
        let source = Source {
            client: &shared.client,
            kind: &reference.kind,
            namespace: reference.namespace.as_deref().unwrap_or(&own),
            name: &reference.name,
        };
        let (retry, turn) = (shared.options.requeue_dependency, self.turn.clone());
        let wanted = Wanted { artifact, source, namespace: &own, retry, turn: &turn };
        self.shown(Box::pin(shared.artifacts.fetch(&wanted, &path))).await
    }

    /// Reads keys and variables, some over the network, and builds; writes nothing.
    async fn rendered(&mut self, fetched: Fetched) -> Result<Rendered, Failure> {
        let (shared, typed, spec) = (self.shared, self.typed.clone(), self.object["spec"].clone());
        let (timeout, witness) = (self.times.timeout, self.report.witness());
        let rules = render::Rules::of(shared, Instant::now() + timeout);
        let rendering = async {
            let namespace = &typed.metadata.namespace;
            let laid_out = render::lay_out(fetched, &spec, &shared.builds, namespace).await?;
            let gathered = gather::inputs(shared, &typed, laid_out, &witness).await?;
            render::render(gathered, &typed, &rules).await
        };
        let rendered = self.shown(tokio::time::timeout(timeout, rendering.boxed())).await;
        rendered.map_err(|_| render::late(timeout))?
    }

    async fn write_objects(
        &mut self,
        acting: &Acting,
        rendered: Rendered,
        health: &Health,
        of_revision: &str,
        was_healthy: bool,
        revision: &str,
    ) -> Result<(), Failure> {
        self.report.phase(&format!("Detecting drift {of_revision}"));
        let Applied { changes, passing } = self.apply(acting, rendered, health).await?;
        self.log_applied(&changes, revision);
        let lines = apply::change_lines(&changes);
        if !lines.is_empty() {
            self.report.changed(&lines);
        }
        let owned: Vec<ObjectId> = changes.iter().map(|c| c.object.clone()).collect();
        self.prune(acting, &owned).await?;
        let Some(to_check) = health::wanted(&self.typed, &changes) else {
            self.report.no_health();
            return Ok(());
        };
        // A wait may be long, and what live objects say of themselves repeats nothing of what was sent.
        self.report.dismiss_witness();
        self.report.checking_health(&format!("Running health checks {of_revision}"));
        self.write_or_log().await;
        let new_revision = self.typed.status.last_applied_revision != revision && !lines.is_empty();
        let checked = health::Checked { objects: &to_check, passing, was_healthy, new_revision };
        health::check(self, acting, checked, health).await
    }

    /// Applies the objects; what of them was claimed stays known to the server, however that ends.
    async fn apply(
        &mut self,
        acting: &Acting,
        mut rendered: Rendered,
        health: &Health,
    ) -> Result<Applied, Failure> {
        let typed = self.typed.clone();
        let room = Held::new(std::mem::take(&mut rendered.room));
        let prepared = apply::prepared(rendered, &typed)?;
        let known = self.shared.memories.of(&acting.identity);
        if self.is_asked_for() || self.has_failed() {
            known.forget(prepared.objects());
        }
        let claims = Claims::of(&self.shared.client, &typed);
        let (turn, artifacts) = (self.turn.clone(), Arc::clone(&self.shared.artifacts));
        // The server of a tenant may be as slow as it likes. So it keeps nobody from working as long as not too much of the
        // room is held by those who wait.
        let share = typed.spec.kube_config.as_ref().and_then(|_| {
            let bytes = prepared.objects().iter().map(weight).sum();
            artifacts.share(&typed.metadata.namespace, bytes)
        });
        let how = apply::How {
            options: &self.shared.options,
            known: &known,
            health,
            claims: &claims,
            place: apply::place(turn, artifacts, &typed.metadata.namespace, room.clone()),
        };
        let (turn, is_elsewhere) = (self.turn.clone(), share.is_some());
        let work = async {
            let applied = apply::apply(acting, prepared, &typed, &how).await;
            // Before a place is waited for: those who have one may wait for this room.
            room.let_go();
            drop(share);
            applied
        };
        let applying = async { if is_elsewhere { turn.elsewhere(work).await } else { work.await } };
        let applied = self.shown(Box::pin(applying)).await;
        if let Some(claimed) = claims.written().await {
            self.report.claimed(claimed.clone());
            match applied {
                // With what another leader claimed meanwhile, which has to be pruned, too.
                Ok(_) => self.typed.status.inventory = Some(claimed),
                Err(_) => self.leave(claimed).await,
            }
        }
        applied
    }

    /// Puts what a failed run claimed where the next one finds it, in this process or another one.
    async fn leave(&mut self, claimed: Inventory) {
        let noted = claim::leave(&self.shared.client, &self.typed, &claimed).await;
        match noted {
            Ok(true) => self.report.differs_on_server(|_| {}),
            Ok(false) => self.report.status.inventory = Some(claimed),
            Err(error) => {
                tracing::warn!(kustomization = %Key::of(&self.object), error = %error.chain(), "cannot note what a failed run left");
                self.report.status.inventory = Some(claimed);
            }
        }
    }

    /// Whether somebody changed the object, or asked for a run, since the last one that succeeded.
    fn is_asked_for(&self) -> bool {
        let Kustomization { metadata, status, .. } = &self.typed;
        let token = metadata.annotations.get(REQUESTED_AT);
        metadata.generation != status.observed_generation
            || token.is_some_and(|token| *token != status.last_handled_reconcile_at)
    }

    /// Whether the run before did not end well.
    fn has_failed(&self) -> bool {
        let ready = condition::find(&self.typed.status.conditions, "Ready");
        ready.is_some_and(|ready| ready.status == "False")
    }

    /// Does something; when it takes long, the status says what.
    async fn shown<T>(&mut self, work: impl Future<Output = T>) -> T {
        reports::shown(work, self.write_or_log()).await.0
    }

    /// Says which fields of the object cannot be read.
    fn misshapen(&mut self, misfits: &[Misfit]) -> Failure {
        let failure = Failure::terminal(Reason::InvalidObject, shape::listed(misfits));
        self.report.stalled(&failure);
        failure
    }

    async fn suspended(&mut self) -> Next {
        if self.report.is_true("Ready") {
            self.report.status.observed_generation = self.typed.metadata.generation;
        }
        self.handled();
        self.write_or_log().await;
        Next::WhenAdded
    }

    /// Notes that the request in the annotation was handled.
    fn handled(&mut self) {
        if let Some(token) = self.typed.metadata.annotations.get(REQUESTED_AT) {
            self.report.status.last_handled_reconcile_at = token.clone();
        }
    }

    /// Writes what changed in the status.
    pub(crate) async fn write(&mut self) -> Result<(), ClusterError> {
        let metadata = &self.typed.metadata;
        self.report.write(&self.shared.target(&metadata.namespace, &metadata.name)).await
    }

    pub(crate) async fn write_or_log(&mut self) {
        if let Err(error) = self.write().await {
            tracing::warn!(kustomization = %Key::of(&self.object), error = %error.chain(), "cannot write the status");
        }
    }

    fn next(&self, failure: Option<&Failure>) -> Next {
        match failure.map(|failure| failure.retry) {
            None => jittered(self.times.interval, self.shared.options.jitter_percent),
            Some(Retry::Interval) if self.times.retry.is_zero() => Next::WhenAdded,
            Some(Retry::Interval) => Next::Retry(self.times.retry),
            Some(Retry::Dependency) => Next::Retry(self.shared.options.requeue_dependency),
            Some(Retry::Terminal) => Next::Terminal,
            Some(Retry::BackOff) => Next::BackOff,
            Some(Retry::AtOnce) => Next::After(Duration::ZERO),
        }
    }
}

/// Does something that holds no room in the cluster of an object. One that a tenant named may be as slow as it likes, and
/// keeps nobody from working.
async fn at<T>(turn: &Turn, typed: &Kustomization, work: impl Future<Output = T>) -> T {
    match typed.spec.kube_config {
        Some(_) => turn.elsewhere(work).await,
        None => work.await,
    }
}

fn applied_message(revision: &str, warnings: &[String]) -> String {
    let mut message = format!("Applied revision: {revision}");
    for warning in warnings {
        message = format!("{message}\nwarning: {warning}");
    }
    message
}
