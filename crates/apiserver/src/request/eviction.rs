//! Evictions: deletions of pods that a budget may forbid.
//!
//! Follows: the eviction of kube-apiserver 1.36. Differs: nobody counts for budgets here, so a budget whose status is not
//! kept by another program is counted at the time, of the pods that it selects alone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::delete::{self, DeleteOptions};
use super::{Call, update};
use crate::clock;
use crate::fields::{self, get};
use crate::http::Answer;
use crate::objects;
use crate::select;
use crate::status_error::{Cause, Status};
use crate::storage::{Expect, Key, Refused, Stored};

/// Deletes a Pod as an Eviction asks.
pub(crate) fn from_request(call: &Call<'_>) -> Result<Answer, Status> {
    let written = call.options("CreateOptions")?;
    let (eviction, _) = objects::read(call)?;
    let stated = fields::name(&eviction);
    if !stated.is_empty() && stated != call.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let pod = call.existing()?.object();
    let wanted = |key: &str| fields::text(&eviction, &["deleteOptions", "preconditions", key]).to_owned();
    let (uid, version) = (wanted("uid"), wanted("resourceVersion"));
    let options = DeleteOptions { dry_run: written.dry_run, uid, version, ..DeleteOptions::default() };
    ask_budget(call, &pod, &options)?;
    delete::delete(call, &options)?;
    Ok(Answer::json(
        201,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    ))
}

/// Refuses to let a pod go that its budget needs.
fn ask_budget(call: &Call<'_>, pod: &Value, options: &DeleteOptions) -> Result<(), Status> {
    let phase = fields::text(pod, &["status", "phase"]);
    if ["Failed", "Pending", "Succeeded"].contains(&phase) || fields::is_deleting(pod) {
        return Ok(());
    }
    for _ in 0..update::RETRIES {
        let Some(stored) = budget_of(call, pod)? else { return Ok(()) };
        match take_from(call, &stored, pod, options)? {
            Ok(()) => return Ok(()),
            Err(Refused::Changed) => {}
            Err(other) => return Err(call.refused(other, &call.name)),
        }
    }
    Err(call.conflict(&call.name))
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

fn take_from(
    call: &Call<'_>,
    stored: &Stored,
    pod: &Value,
    options: &DeleteOptions,
) -> Result<Result<(), Refused>, Status> {
    let mut budget = stored.object();
    let kept = Count::kept(&budget);
    let count = kept.unwrap_or_else(|| Count::of_pods(call, &budget["spec"]));
    if !is_ready(pod) {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        if always || (count.desired > 0 && count.healthy >= count.desired) {
            return Ok(Ok(()));
        }
    }
    if count.allowed <= 0 {
        return Err(refusal(fields::name(&budget), count));
    }
    if kept.is_none() || options.dry_run {
        return Ok(Ok(()));
    }
    budget["status"]["disruptionsAllowed"] = (count.allowed - 1).into();
    budget["status"]["disruptedPods"][fields::name(pod)] = clock::now().into();
    let key = Key::new(&Arc::from(BUDGETS), &call.namespace, fields::name(&budget));
    Ok(call.app.store.put(&key, &budget, Expect::Revision(stored.revision)).map(drop))
}

fn refusal(name: &str, count: Count) -> Status {
    let cause = Cause {
        reason: "DisruptionBudget",
        message: format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            count.desired, count.healthy
        ),
        field: String::new(),
    };
    let why = "Cannot evict pod as it would violate the pod's disruption budget.";
    Status::plain(429, "TooManyRequests", why).with_causes(vec![cause])
}

/// How many pods a budget has and needs, and how many may go.
#[derive(Clone, Copy)]
struct Count {
    healthy: i64,
    desired: i64,
    allowed: i64,
}

impl Count {
    /// What another program keeps in the status of a budget.
    fn kept(budget: &Value) -> Option<Self> {
        let status = &budget["status"];
        let number = |of: &Value| of.as_i64().unwrap_or(0);
        let seen = number(&status["observedGeneration"]) >= number(&budget["metadata"]["generation"]);
        seen.then(|| Self {
            healthy: number(&status["currentHealthy"]),
            desired: number(&status["desiredHealthy"]),
            allowed: number(&status["disruptionsAllowed"]),
        })
    }

    fn of_pods(call: &Call<'_>, spec: &Value) -> Self {
        let pods = call.app.store.list(&call.resource.key, Some(&call.namespace)).items;
        let (mut all, mut healthy) = (0, 0);
        for pod in pods.iter().map(Stored::object) {
            if select::chooses(&spec["selector"], &pod) && !fields::is_deleting(&pod) {
                all += 1;
                healthy += i64::from(is_ready(&pod));
            }
        }
        let share =
            |of: &Value| match of.as_str().and_then(|text| text.trim_end_matches('%').parse::<i64>().ok()) {
                Some(percent) => (all * percent + 99_i64) / 100,
                None => of.as_i64().unwrap_or(0),
            };
        let desired = match &spec["maxUnavailable"] {
            Value::Null => share(&spec["minAvailable"]),
            most => (all - share(most)).max(0),
        };
        Self { healthy, desired, allowed: (healthy - desired).max(0) }
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = get(pod, &["status", "conditions"]).and_then(Value::as_array);
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

const BUDGETS: &str = "poddisruptionbudgets.policy";
