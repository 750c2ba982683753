//! A Deployment and its ReplicaSets, one for each pod template it had.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    AVAILABLE, alive, children, condition, make, ready, reference, replica_set, template_hash, write,
    write_status,
};
use crate::app::App;
use crate::fields::{self, get};
use crate::keys::REPLICA_SETS;
use crate::kin::Kin;
use crate::storage::Key;

/// Makes the ReplicaSet of the current template, scales the others down, and reports.
pub(super) fn settle(app: &Arc<App>, kin: &mut Kin, key: &Key) {
    let Some((_, deployment)) = alive(app, key) else { return };
    let name = format!("{}-{}", key.name, template_hash(&deployment["spec"]["template"]));
    let sets = children(app, kin, &deployment, REPLICA_SETS);
    let (current, others): (Vec<_>, Vec<_>) = sets.into_iter().partition(|(set, _)| set.name == name);
    let revision = others.iter().map(|(_, set)| revision(set)).max().unwrap_or(0).saturating_add(1);
    let paused = deployment["spec"]["paused"] == true;
    match current.first() {
        Some((set, _)) => bring_up(app, set, &deployment, revision),
        None if paused => {}
        None => make(app, kin, REPLICA_SETS, fresh(&name, &deployment, revision)),
    }
    if !paused {
        others.iter().for_each(|(set, _)| scale_down(app, set));
        drop_old(app, &deployment, &others);
        note_revision(app, key, revision);
    }
    report(app, kin, key, &name);
}

fn fresh(name: &str, deployment: &Value, revision: i64) -> Value {
    let hash = name.rsplit('-').next().unwrap_or_default();
    let spec = &deployment["spec"];
    let mut selector = spec["selector"].clone();
    fields::child(&mut selector, "matchLabels").insert(HASH.into(), hash.into());
    let mut template = spec["template"].clone();
    let labels = fields::child(&mut template, "metadata").entry("labels").or_insert_with(|| json!({}));
    labels[HASH] = hash.into();
    let metadata = json!({
        "name": name, "namespace": fields::meta(deployment, "namespace"), "labels": labels.clone(),
        "annotations": annotations(deployment, revision), "ownerReferences": [reference("Deployment", deployment)],
    });
    let mut set = json!({
        "kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": metadata,
        "spec": {"replicas": spec["replicas"], "selector": selector, "template": template},
    });
    if let Some(seconds) = spec.get("minReadySeconds") {
        set["spec"]["minReadySeconds"] = seconds.clone();
    }
    set
}

/// The Deployment's own annotations, without what clients keep there for themselves.
fn annotations(deployment: &Value, revision: i64) -> Value {
    let stated = get(deployment, &["metadata", "annotations"]).and_then(Value::as_object);
    let mut out: Map<String, Value> = stated.cloned().unwrap_or_default();
    out.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
    let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let surge = replicas.saturating_add(surge(&deployment["spec"]["strategy"], replicas));
    out.insert(REVISION.into(), revision.to_string().into());
    out.insert("deployment.kubernetes.io/desired-replicas".into(), replicas.to_string().into());
    out.insert("deployment.kubernetes.io/max-replicas".into(), surge.to_string().into());
    out.into()
}

/// How many Pods more than wanted there may be; a share rounds up.
fn surge(strategy: &Value, replicas: i64) -> i64 {
    match &strategy["rollingUpdate"]["maxSurge"] {
        Value::Number(number) => number.as_i64().unwrap_or(0),
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            replicas.saturating_mul(percent).saturating_add(99) / 100
        }
        _ => 0,
    }
}

fn bring_up(app: &App, key: &Key, deployment: &Value, revision: i64) {
    let Some((stored, mut set)) = alive(app, key) else { return };
    let before = set.clone();
    let held = self::revision(&set).max(revision);
    let kept = get(&set, &["metadata", "annotations"]).and_then(Value::as_object).cloned();
    let mut all: Map<String, Value> = kept.unwrap_or_default();
    all.extend(annotations(deployment, held).as_object().cloned().unwrap_or_default());
    fields::set_meta(&mut set, "annotations", all.into());
    set["spec"]["replicas"] = deployment["spec"]["replicas"].clone();
    count_generation(&before, &mut set);
    write(app, key, &stored, set, "");
}

fn scale_down(app: &App, key: &Key) {
    let Some((stored, mut set)) = alive(app, key) else { return };
    let before = set.clone();
    set["spec"]["replicas"] = 0.into();
    count_generation(&before, &mut set);
    write(app, key, &stored, set, "");
}

fn count_generation(before: &Value, set: &mut Value) {
    if before["spec"] != set["spec"] {
        fields::raise_generation(set);
    }
}

/// ReplicaSets beyond the history that is kept go, the oldest first.
fn drop_old(app: &App, deployment: &Value, others: &[(Key, Value)]) {
    let limit = deployment["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut idle: Vec<&(Key, Value)> =
        others.iter().filter(|(_, set)| replica_set::counts(set)[0] == 0).collect();
    idle.sort_by_key(|(_, set)| revision(set));
    let surplus = idle.len().saturating_sub(limit);
    for (key, _) in idle.into_iter().take(surplus) {
        if let Some(stored) = app.store.get(key) {
            crate::deletion::delete(app, key, &stored, "Background");
        }
    }
}

fn note_revision(app: &App, key: &Key, revision: i64) {
    let Some((stored, mut deployment)) = alive(app, key) else { return };
    let revision = revision.max(self::revision(&deployment));
    let notes = fields::metadata(&mut deployment).entry("annotations").or_insert_with(|| json!({}));
    notes[REVISION] = revision.to_string().into();
    write(app, key, &stored, deployment, "status");
}

fn report(app: &App, kin: &Kin, key: &Key, current: &str) {
    let Some((stored, deployment)) = alive(app, key) else { return };
    let sets = children(app, kin, &deployment, REPLICA_SETS);
    let status = if app.ready_workloads {
        ready::status(&key.resource, &deployment)
    } else {
        Some(status(&deployment, &sets, current))
    };
    let Some(mut status) = status else { return };
    if deployment["spec"]["paused"] == true {
        pause(&mut status, &deployment["status"], sets.iter().any(|(set, _)| set.name == current));
    }
    write_status(app, key, &stored, status);
}

/// Says that nothing goes on, and that a template without a ReplicaSet has no pods.
fn pause(status: &mut Value, old: &Value, has_current: bool) {
    if !has_current {
        fields::remove(status, "updatedReplicas");
    }
    let paused = condition(old, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
    let conditions = status["conditions"].as_array_mut().into_iter().flatten();
    conditions.filter(|one| one["type"] == "Progressing").for_each(|one| *one = paused.clone());
}

fn status(deployment: &Value, sets: &[(Key, Value)], current: &str) -> Value {
    let old = &deployment["status"];
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let sum = |at: usize| sets.iter().map(|(_, set)| replica_set::counts(set)[at]).sum::<i64>();
    let [replicas, ready, available] = [sum(0), sum(1), sum(2)];
    let updated = sets.iter().find(|(key, _)| key.name == current);
    let updated = updated.map_or(0, |(_, set)| replica_set::counts(set)[0]);
    let mut status = json!({});
    for (name, number) in [
        ("observedGeneration", deployment["metadata"]["generation"].as_i64().unwrap_or(1)),
        ("replicas", replicas),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", wanted.max(replicas) - available),
    ] {
        if number > 0 {
            status[name] = number.into();
        }
    }
    let least = wanted.saturating_sub(unavailable(&deployment["spec"]["strategy"], wanted));
    let enough = match available >= least {
        true => condition(old, "Available", "True", "MinimumReplicasAvailable", AVAILABLE),
        false => condition(old, "Available", "False", "MinimumReplicasUnavailable", UNAVAILABLE),
    };
    let whole = available == wanted && updated == wanted && replicas == wanted;
    let progress = if whole {
        let text = format!("ReplicaSet \"{current}\" has successfully progressed.");
        condition(old, "Progressing", "True", "NewReplicaSetAvailable", &text)
    } else {
        let text = format!("ReplicaSet \"{current}\" is progressing.");
        condition(old, "Progressing", "True", "ReplicaSetUpdated", &text)
    };
    status["terminatingReplicas"] = 0.into();
    status["conditions"] = json!([enough, progress]);
    status
}

/// How many Pods may be missing; a share rounds down.
fn unavailable(strategy: &Value, replicas: i64) -> i64 {
    match &strategy["rollingUpdate"]["maxUnavailable"] {
        Value::Number(number) => number.as_i64().unwrap_or(0),
        Value::String(text) => replicas.saturating_mul(text.trim_end_matches('%').parse().unwrap_or(0)) / 100,
        _ => 0,
    }
}

fn revision(object: &Value) -> i64 {
    let text = fields::text(object, &["metadata", "annotations", REVISION]);
    text.parse().unwrap_or(0)
}

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const UNAVAILABLE: &str = "Deployment does not have minimum availability.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_numbers_are_no_panic() {
        for much in [json!(i64::MAX), json!(format!("{}%", i64::MAX))] {
            let strategy = json!({"rollingUpdate": {"maxSurge": much, "maxUnavailable": much}});
            let deployment = json!({"spec": {"replicas": 3, "strategy": strategy}});
            let most = annotations(&deployment, 1)["deployment.kubernetes.io/max-replicas"].clone();
            let most: i64 = most.as_str().and_then(|text| text.parse().ok()).expect("a number");
            assert!(most >= i64::MAX / 100, "{most}");
            assert_eq!(status(&deployment, &[], "x")["conditions"][0]["status"], "True");
        }
    }
}
