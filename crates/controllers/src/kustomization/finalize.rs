//! The end of a Kustomization: its objects go when it says so, then it goes itself.

use std::time::Instant;

use sealfast_cluster::error::Error;
use sealfast_cluster::prune;
use sealfast_k8s::id::{GroupVersionKind, ObjectId};

use crate::finalizer;
use crate::kustomization::shared::Run;
use crate::kustomization::{acting, claim};
use crate::queue::{Key, Next};
use crate::shape::{self, Misfit};

/// Fields that say whether, as whom and what to delete.
const TELLING: [&str; 6] = [
    "spec.prune",
    "spec.deletionPolicy",
    "spec.suspend",
    "spec.serviceAccountName",
    "spec.kubeConfig",
    "status.inventory",
];

/// Deletes what is to be deleted and removes the finalizer. Nothing is deleted when it cannot be read what, or as whom.
pub(crate) async fn finalize(run: &mut Run<'_>, misfits: &[Misfit], began: Instant) -> Next {
    let revision = run.typed.status.last_applied_revision.clone();
    if !revision.is_empty() {
        let origin = run.typed.status.last_applied_origin_revision.clone();
        run.report.about_revision(&revision, Some(origin.as_str()).filter(|origin| !origin.is_empty()));
    }
    let owned = claim::owned(&run.typed);
    let is_wanted = wants_deletion(run, misfits) && !owned.is_empty();
    let deleted = if is_wanted { delete(run, &owned).await } else { Ok(()) };
    let next = if deleted.is_err() {
        Next::BackOff
    } else {
        let metadata = &run.typed.metadata;
        let target = run.shared.target(&metadata.namespace, &metadata.name);
        match finalizer::remove(&target, &run.object).await {
            Ok(()) => Next::Gone,
            Err(error) => {
                let key = Key::of(&run.object);
                tracing::error!(kustomization = %key, error = %error.chain(), "cannot remove the finalizer");
                Next::BackOff
            }
        }
    };
    if next != Next::Gone {
        // Until it goes it has a status as any other object.
        run.report.settled();
        if let Err(why) = &deleted {
            run.report.deletion_waits(why);
        }
        run.handled();
        run.write_or_log().await;
    }
    // The last run of an object that was well is told as any other one.
    if run.report.is_true("Ready") && !run.typed.spec.suspend {
        run.report.finished(began.elapsed(), run.times.interval);
    }
    next
}

fn wants_deletion(run: &Run<'_>, misfits: &[Misfit]) -> bool {
    let spec = &run.typed.spec;
    if misfits.iter().any(|misfit| TELLING.iter().any(|field| misfit.is_in(field))) {
        run.report.not_pruned(&shape::listed(misfits));
        return false;
    }
    !spec.suspend
        && match spec.deletion_policy.as_deref() {
            Some("Delete" | "WaitForTermination") => true,
            Some("Orphan") => false,
            _ => spec.prune,
        }
}

/// Deletes the objects, or says why they cannot be deleted yet.
async fn delete(run: &mut Run<'_>, owned: &[ObjectId]) -> Result<(), String> {
    let key = Key::of(&run.object);
    let is_there = account_exists(run).await.map_err(|error| {
        tracing::warn!(kustomization = %key, error = %error.chain(), "cannot look for the ServiceAccount of a deleted Kustomization");
        format!("cannot look for its ServiceAccount: {}", error.chain())
    })?;
    if !is_there {
        let lines: Vec<String> = owned.iter().map(ToString::to_string).collect();
        run.report.not_pruned(&format!("\n{}", lines.join("\n")));
        return Ok(());
    }
    let acting = match acting::acting(run.shared, &run.typed).await {
        Ok(acting) => acting,
        Err(failure) => {
            tracing::warn!(kustomization = %key, error = %failure.message, "cannot act for a deleted Kustomization yet");
            return Err(failure.message);
        }
    };
    let deleted = run.delete(&acting, owned).await.inspect_err(|why| {
        tracing::warn!(kustomization = %key, error = %why, "pruning for deleted resource failed");
    })?;
    if run.typed.spec.deletion_policy.as_deref() == Some("WaitForTermination") {
        let gone = run.turn.aside(prune::gone(&acting.client, &deleted, run.times.timeout)).await;
        if !gone {
            run.report.termination_late();
        }
    }
    Ok(())
}

/// An account that is gone cannot delete anything, and must not hold the object back.
async fn account_exists(run: &Run<'_>) -> Result<bool, Error> {
    let Some(account) = acting::account(&run.shared.options, &run.typed) else { return Ok(true) };
    let accounts = GroupVersionKind::new("", "v1", "ServiceAccount");
    let found = run.shared.client.find(&accounts, &run.typed.metadata.namespace, account).await?;
    Ok(found.is_some())
}
