//! Waiting until what was applied is healthy.

use std::time::{Duration, Instant};

use sealfast_cluster::apply::{Action, Change};
use sealfast_cluster::wait::{self, FailFast};
use sealfast_k8s::duration;
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::id::{GroupVersionKind, ObjectId};

use crate::expression::Health;
use crate::kustomization::Run;
use crate::kustomization::apply::Acting;
use crate::report::Failure;

/// The objects whose health counts: all that were applied, or those listed.
pub fn wanted(typed: &Kustomization, changes: &[Change]) -> Vec<ObjectId> {
    if typed.spec.wait {
        return changes.iter().filter(|c| c.action != Action::Skipped).map(|c| c.object.clone()).collect();
    }
    let listed = typed.spec.health_checks.iter().map(|check| {
        let api_version = check.api_version.as_deref().filter(|v| !v.is_empty()).unwrap_or("apps/v1");
        ObjectId {
            gvk: GroupVersionKind::from_api_version(api_version, &check.kind),
            namespace: check.namespace.clone().unwrap_or_default(),
            name: check.name.clone(),
        }
    });
    let itself = |id: &ObjectId| {
        id.gvk.kind == "Kustomization"
            && id.name == typed.metadata.name
            && id.namespace == typed.metadata.namespace
    };
    listed.filter(|id| !itself(id)).collect()
}

/// Waits for the objects.
///
/// # Errors
/// HealthCheckFailed with those that are not healthy.
pub(crate) async fn check(
    run: &mut Run<'_>,
    acting: &Acting,
    objects: &[ObjectId],
    health: &Health,
    was_healthy: bool,
    new_revision: bool,
) -> Result<(), Failure> {
    let began = Instant::now();
    let health = health.clone();
    let judge = move |live: &serde_json::Value| health.judge(live);
    let options = wait::Options {
        timeout: run.times.timeout,
        longest_pause: Duration::from_secs(5),
        fail_fast: FailFast::Yes,
    };
    let result = wait::until_current(&acting.client, objects, &judge, options).await;
    let took = duration::format(began.elapsed());
    match result {
        Ok(()) => {
            run.report.healthy(&format!("Health check passed in {took}"), was_healthy, new_revision);
            Ok(())
        }
        Err(message) => {
            run.report.unhealthy(&message);
            Err(Failure::new("HealthCheckFailed", format!("health check failed after {took}: {message}"))
                .hint("`kubectl describe` on the objects named here tells what they wait for"))
        }
    }
}
