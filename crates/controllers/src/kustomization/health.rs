//! Waiting until what was applied is healthy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealfast_cluster::apply::{Action, Change};
use sealfast_cluster::wait::{self, FailFast};
use sealfast_k8s::duration;
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::id::{GroupVersionKind, ObjectId};

use crate::expression::Health;
use crate::gates::Gate;
use crate::kustomization::acting::Acting;
use crate::kustomization::report::{EventText, Failure, Reason};
use crate::kustomization::shared::Run;
use crate::queue::Key;
use crate::report::Retry;

/// The objects whose health counts: all that were applied, or those listed, but for the Kustomization itself. None when
/// nothing is to be checked; a list that names only the Kustomization itself is one all the same.
pub fn wanted(typed: &Kustomization, changes: &[Change]) -> Option<Vec<ObjectId>> {
    let named = if typed.spec.wait { applied(changes) } else { listed(typed) };
    let itself = |id: &ObjectId| {
        id.gvk.kind == "Kustomization"
            && id.name == typed.metadata.name
            && id.namespace == typed.metadata.namespace
    };
    (!named.is_empty()).then(|| named.into_iter().filter(|id| !itself(id)).collect())
}

fn applied(changes: &[Change]) -> Vec<ObjectId> {
    changes.iter().filter(|c| c.action != Action::Skipped).map(|c| c.object.clone()).collect()
}

fn listed(typed: &Kustomization) -> Vec<ObjectId> {
    let listed = typed.spec.health_checks.iter().map(|check| {
        let api_version = check.api_version.as_deref().filter(|v| !v.is_empty()).unwrap_or("apps/v1");
        ObjectId {
            gvk: GroupVersionKind::from_api_version(api_version, &check.kind),
            namespace: check.namespace.clone().unwrap_or_default(),
            name: check.name.clone(),
        }
    });
    listed.collect()
}

/// What is waited for, and how it was before.
pub(crate) struct Checked<'a> {
    /// The objects.
    pub(crate) objects: &'a [ObjectId],
    /// Objects that go away by themselves once they are done.
    pub(crate) passing: Vec<ObjectId>,
    /// Whether the last check went well.
    pub(crate) was_healthy: bool,
    /// Whether another revision changed something.
    pub(crate) new_revision: bool,
}

/// Waits for the objects.
///
/// # Errors
/// HealthCheckFailed with those that are not healthy.
pub(crate) async fn check(
    run: &mut Run<'_>,
    acting: &Acting,
    checked: Checked<'_>,
    health: &Health,
) -> Result<(), Failure> {
    let began = Instant::now();
    let Checked { was_healthy, new_revision, .. } = checked;
    let result = match until_current(run, acting, checked, health).await {
        Ok(result) => result,
        Err(cause) => return Err(cancelled(&Key::of(&run.object), &cause)),
    };
    let took = duration::format(began.elapsed());
    match result {
        Ok(()) => {
            run.report.healthy(&format!("Health check passed in {took}"), was_healthy, new_revision);
            Ok(())
        }
        Err(message) => {
            run.report.unhealthy(&message);
            Err(Failure::new(
                Reason::HealthCheckFailed,
                format!("health check failed after {took}: {message}"),
            )
            .hint("`kubectl describe` on the objects named here tells what they wait for"))
        }
    }
}

/// Waits aside, and tells what came of it; the outer error is why nobody waits any longer.
async fn until_current(
    run: &Run<'_>,
    acting: &Acting,
    checked: Checked<'_>,
    health: &Health,
) -> Result<Result<(), String>, String> {
    let (health, clock) = (health.clone(), run.shared.options.clock.clone());
    let judge: Arc<wait::Judge> = Arc::new(move |live: &serde_json::Value| health.judge(live, clock.now()));
    let gates = &run.shared.options.gates;
    let options = wait::Options {
        timeout: run.times.timeout,
        longest_pause: Duration::from_secs(5),
        fail_fast: if gates.has(Gate::DisableFailFastBehavior) { FailFast::No } else { FailFast::Yes },
        passing: checked.passing,
    };
    let (queue, key) = (run.shared.queue.clone(), Key::of(&run.object));
    let asked_again = async {
        match gates.has(Gate::CancelHealthCheckOnNewRevision) {
            true => queue.asked_again(&key).await,
            false => std::future::pending().await,
        }
    };
    let waiting = async {
        tokio::select! {
            result = wait::until_current(&acting.client, checked.objects, &judge, options) => Ok(result),
            cause = asked_again => Err(cause),
        }
    };
    run.turn.aside(waiting).await
}

/// The wait ended because there is something new; the next run begins at once.
fn cancelled(key: &Key, cause: &str) -> Failure {
    let cause = if cause.is_empty() { format!("Kustomization/{key}") } else { cause.to_owned() };
    let message = format!("New reconciliation triggered by {cause}");
    let notice = format!("Health checks canceled due to new reconciliation triggered by {cause}");
    Failure {
        retry: Retry::AtOnce,
        event: EventText::Notice(notice),
        ..Failure::new(Reason::HealthCheckCanceled, message)
    }
}
