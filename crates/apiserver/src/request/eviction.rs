//! Evictions: deletions of pods that a budget may forbid.
//!
//! Follows: the eviction of kube-apiserver 1.36. Differs: where nobody keeps the status of a budget, it is counted at the
//! time, in the way of the controller that would.

use std::sync::Arc;

use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

use super::delete;
use crate::call::{Call, RETRIES};
use crate::causes::Cause;
use crate::clock;
use crate::conditions;
use crate::deletion::DeleteOptions;
use crate::fields;
use crate::follow_ups;
use crate::http::Answer;
use crate::keys::BUDGETS;
use crate::objects;
use crate::select;
use crate::status_error::Status;
use crate::storage::{Expect, Key, Refused, Stored};
use crate::workloads::budget::Count;

/// Deletes a Pod as an Eviction asks.
///
/// # Errors
/// For a body that is no Eviction of this pod, and 429 where a budget needs the pod.
pub(crate) fn from_request(call: &Call<'_>) -> Result<Answer, Status> {
    let (options, warnings) = wanted(call)?;
    // One after the other: who counts must not be overtaken by who deletes.
    let _alone = call.app.evictions.lock();
    for _ in 0..RETRIES {
        if evict(call, &options)? {
            let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
            return Ok(Answer::json(201, done).warned(warnings));
        }
    }
    Err(call.conflict(&call.name))
}

/// The deletion that the body asks for, and warnings about the body.
fn wanted(call: &Call<'_>) -> Result<(DeleteOptions, Vec<String>), Status> {
    let written = call.options("CreateOptions")?;
    let kinds = ["v1", "v1beta1"].map(|version| GroupVersionKind::new("policy", version, "Eviction"));
    let decoded = objects::decode_other(call, &kinds, &written)?;
    let mut eviction = decoded.object;
    super::create::check_namespace(call, &mut eviction)?;
    if fields::name(&eviction) != call.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut options = delete::options_of(&eviction["deleteOptions"])?;
    options.dry_run |= written.dry_run;
    Ok((options, decoded.warnings))
}

/// Deletes the pod, unless it or its budget changes meanwhile.
fn evict(call: &Call<'_>, options: &DeleteOptions) -> Result<bool, Status> {
    let stored = call.existing()?;
    delete::check_preconditions(call, &stored, options)?;
    let is_pinned = match ask_budget(call, &stored.object(), options.dry_run)? {
        Asked::Changed => return Ok(false),
        Asked::Passed => true,
        Asked::Free => false,
    };
    if options.dry_run {
        return delete::delete(call, options).map(|_| true);
    }
    let Some(marked) = mark(call, stored, is_pinned)? else { return Ok(false) };
    let mut options = options.clone();
    if is_pinned || !options.version.is_empty() {
        options.version = marked;
    }
    match delete::delete(call, &options) {
        Err(status) if is_pinned && status.code == 409 => Ok(false),
        outcome => outcome.map(|_| true),
    }
}

/// Notes in the pod why it goes; its new version, or nothing when a pinned pod changed.
fn mark(call: &Call<'_>, mut stored: Stored, is_pinned: bool) -> Result<Option<String>, Status> {
    for _ in 0..RETRIES {
        let mut pod = stored.object();
        conditions::put(&mut pod["status"]["conditions"], disruption_target());
        match call.app.store.put(&call.key(), &pod, Expect::Revision(stored.revision)) {
            Ok(stored) => {
                follow_ups::updated(call.app, &call.resource.key, &pod);
                return Ok(Some(stored.revision.to_string()));
            }
            Err(Refused::Changed) if is_pinned => return Ok(None),
            Err(Refused::Changed) => stored = call.existing()?,
            Err(other) => return Err(call.refused(other, &call.name)),
        }
    }
    Err(call.conflict(&call.name))
}

fn disruption_target() -> Value {
    json!({
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": clock::now(),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    })
}

/// What the budget of a pod says.
enum Asked {
    /// Nobody needs the pod.
    Free,
    /// Nobody needs the pod as it is: it must not change before it goes.
    Passed,
    /// The budget changed while it was asked.
    Changed,
}

/// Refuses to let a pod go that its budget needs.
fn ask_budget(call: &Call<'_>, pod: &Value, dry_run: bool) -> Result<Asked, Status> {
    let phase = fields::text(pod, &["status", "phase"]);
    if ["Failed", "Succeeded"].contains(&phase) || fields::is_deleting(pod) {
        return Ok(Asked::Free);
    }
    if phase == "Pending" {
        return Ok(Asked::Passed);
    }
    let Some(stored) = budget_of(call, pod)? else { return Ok(Asked::Free) };
    let mut budget = stored.object();
    let number = |of: &Value| of.as_i64().unwrap_or(0);
    let is_kept =
        number(&budget["status"]["observedGeneration"]) >= number(&budget["metadata"]["generation"]);
    let count = match is_kept {
        true => Count::stated(&budget["status"]),
        false => Count::now(call.app, &call.namespace, &budget),
    };
    if !conditions::holds(pod, "Ready") {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        if always || (count.desired > 0 && count.healthy >= count.desired) {
            return Ok(Asked::Passed);
        }
    }
    check_allowed(&budget, count)?;
    if !is_kept || dry_run {
        return Ok(Asked::Free);
    }
    take_from(&mut budget, count, fields::name(pod));
    let key = Key::new(&Arc::from(BUDGETS), &call.namespace, fields::name(&budget));
    match call.app.store.put(&key, &budget, Expect::Revision(stored.revision)) {
        Ok(_) => Ok(Asked::Free),
        Err(Refused::Changed) => Ok(Asked::Changed),
        Err(other) => Err(call.refused(other, &call.name)),
    }
}

/// The one budget that selects a pod.
fn budget_of(call: &Call<'_>, pod: &Value) -> Result<Option<Stored>, Status> {
    let budgets = call.app.store.list(&Arc::from(BUDGETS), Some(&call.namespace)).items;
    let mut selecting = budgets.into_iter().filter(|stored| {
        let selector = stored.object()["spec"]["selector"].clone();
        !selector.is_null() && select::chooses(&selector, pod)
    });
    let first = selecting.next();
    if selecting.next().is_some() {
        let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return Err(Status::internal(why));
    }
    Ok(first)
}

fn check_allowed(budget: &Value, count: Count) -> Result<(), Status> {
    let (name, status) = (fields::name(budget), &budget["status"]);
    let forbidden = |why: &str| Err(Status::forbidden("policy", "poddisruptionbudget", name, why));
    if count.allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if status["disruptedPods"].as_object().is_some_and(|pods| pods.len() > MOST_DISRUPTED) {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if count.allowed > 0 {
        return Ok(());
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let failed = conditions
        .filter(|one| one["type"] == ALLOWED && one["status"] == "False" && one["reason"] == "SyncFailed")
        .map(|one| fields::text(one, &["message"]))
        .next();
    let message = match failed {
        Some(why) => {
            format!(
                "The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}"
            )
        }
        None if count.healthy <= count.desired => {
            let Count { healthy, desired, .. } = count;
            format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently")
        }
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    };
    let cause = Cause { reason: "DisruptionBudget", message, field: String::new() };
    let why = "Cannot evict pod as it would violate the pod's disruption budget.";
    Err(Status::plain(429, "TooManyRequests", why).with_causes(vec![cause]))
}

/// Counts a pod as gone in a status that another program keeps.
fn take_from(budget: &mut Value, count: Count, pod: &str) {
    let status = &mut budget["status"];
    status["disruptionsAllowed"] = (count.allowed - 1).into();
    status["disruptedPods"][pod] = clock::now().into();
    if count.allowed == 1 {
        let seen = status["observedGeneration"].clone();
        let condition = json!({
            "type": ALLOWED,
            "status": "False",
            "observedGeneration": seen,
            "lastTransitionTime": clock::now(),
            "reason": "InsufficientPods",
            "message": "",
        });
        conditions::put(&mut budget["status"]["conditions"], condition);
    }
}

const ALLOWED: &str = "DisruptionAllowed";
/// So many pods at the most may be on their way out before a budget is counted anew.
const MOST_DISRUPTED: usize = 2000;
