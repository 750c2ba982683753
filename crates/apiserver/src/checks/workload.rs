//! Workloads: selectors that fit, templates of pods, how pods are replaced.

use serde_json::{Value, json};

use super::at::{At, same};
use super::{pod, selector, storage};
use crate::causes::{Cause, Causes};
use crate::grammar::{label, percent};

/// A Deployment.
pub(super) fn deployment(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    out.extend(spec.get("replicas").not_negative());
    selected_template(spec, "deployment", "ReplicaSet", "invalid label selector", out);
    strategy(spec.get("strategy"), out);
    out.extend(spec.get("minReadySeconds").not_negative());
    out.extend(spec.get("revisionHistoryLimit").not_negative());
    let deadline = spec.get("progressDeadlineSeconds");
    out.extend(deadline.not_negative());
    let ready = spec.get("minReadySeconds").number().unwrap_or(0);
    if deadline.number().is_some_and(|deadline| deadline <= ready) {
        out.push(deadline.invalid("must be greater than minReadySeconds"));
    }
}

/// A ReplicaSet.
pub(super) fn replica_set(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    out.extend(spec.get("replicas").not_negative());
    out.extend(spec.get("minReadySeconds").not_negative());
    selected_template(spec, "deployment", "ReplicaSet", "invalid label selector", out);
}

/// A StatefulSet.
pub(super) fn stateful_set(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let order = spec.get("podManagementPolicy");
    if order.is_empty() {
        out.push(order.required(""));
    } else if !["OrderedReady", "Parallel"].contains(&order.text()) {
        out.push(order.invalid("must be 'OrderedReady' or 'Parallel'"));
    }
    stateful_strategy(spec.get("updateStrategy"), out);
    let policy = spec.get("persistentVolumeClaimRetentionPolicy");
    if policy.is_set() {
        out.extend(policy.get("whenDeleted").one_of(&["Retain", "Delete"]));
        out.extend(policy.get("whenScaled").one_of(&["Retain", "Delete"]));
    }
    let template = spec.get("template");
    let pod = template.get("spec");
    let volumes = pod.get("volumes");
    for (at, claim) in spec.get("volumeClaimTemplates").items().enumerate() {
        storage::claim_spec(claim.get("spec"), out);
        // The volume that each pod has of it is called after it.
        let name = claim.get("metadata").get("name").text().to_owned();
        let place = format!("{}[{at}].", volumes.path());
        if name.is_empty() {
            for field in ["name", "persistentVolumeClaim.claimName"] {
                out.push(Cause::required(format!("{place}{field}"), ""));
            }
        } else {
            let whys = label(&name).into_iter();
            out.extend(whys.map(|why| Cause::invalid(format!("{place}name"), &json!(name), &why)));
        }
    }
    out.extend(spec.get("replicas").not_negative());
    out.extend(spec.get("minReadySeconds").not_negative());
    out.extend(spec.get("ordinals").get("start").not_negative());
    let service = spec.get("serviceName");
    if !service.is_empty() {
        out.extend(service.each(label(service.text())));
    }
    selected_template(spec, "statefulset", "StatefulSet", "", out);
}

fn stateful_strategy(at: At<'_>, out: &mut Causes) {
    let rolling = at.get("rollingUpdate");
    match at.get("type").text() {
        "" => out.push(at.required("")),
        "OnDelete" if rolling.is_set() => {
            out.push(rolling.invalid("only allowed for updateStrategy 'RollingUpdate'"));
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            out.extend(rolling.get("partition").not_negative());
            let down = rolling.get("maxUnavailable");
            if down.is_set() {
                share(down, out);
                if amount(down) == 0 {
                    out.push(down.invalid("cannot be 0"));
                }
                at_most_all(down, out);
            }
        }
        _ => out.push(at.invalid("must be 'RollingUpdate' or 'OnDelete'")),
    }
}

/// A DaemonSet.
pub(super) fn daemon_set(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let (selector, template) = (spec.get("selector"), spec.get("template"));
    selector::selector(selector, out);
    let labels = template.get("metadata");
    let labels = labels.get("labels");
    if selector::selects(selector, labels.value) == Some(false) {
        out.push(labels.wrong(labels.value.clone(), MISFIT));
    }
    if selector.is_set() && selector::selects_all(selector) {
        out.push(selector.wrong(json!({}), "empty selector is invalid for daemonset"));
    }
    pod::template(template, out);
    lasting(template, "DaemonSet", out);
    out.extend(spec.get("minReadySeconds").not_negative());
    daemon_strategy(spec.get("updateStrategy"), out);
    out.extend(spec.get("revisionHistoryLimit").not_negative());
}

fn daemon_strategy(at: At<'_>, out: &mut Causes) {
    let rolling = at.get("rollingUpdate");
    let (down, up) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
    match at.get("type").text() {
        "OnDelete" => {}
        "RollingUpdate" if !rolling.is_set() => out.push(rolling.required("")),
        "RollingUpdate" => {
            share(down, out);
            share(up, out);
            at_most_all(down, out);
            at_most_all(up, out);
            match (amount(down) != 0, amount(up) != 0) {
                (true, true) => out.push(up.invalid("may not be set when maxUnavailable is non-zero")),
                (false, false) => out.push(down.required("cannot be 0 when maxSurge is 0")),
                _ => {}
            }
        }
        _ => out.push(at.not_supported(&["RollingUpdate", "OnDelete"])),
    }
}

/// A ReplicationController.
pub(super) fn replication(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let (selector, template) = (spec.get("selector"), spec.get("template"));
    out.extend(spec.get("minReadySeconds").not_negative());
    out.extend(selector.needed());
    out.extend(spec.get("replicas").not_negative());
    if !template.is_set() {
        out.push(template.required(""));
        return;
    }
    let labels = template.get("metadata");
    let labels = labels.get("labels");
    let fits = selector.entries().iter().all(|entry| labels.key(entry.name()).value == entry.value);
    if !fits {
        out.push(labels.wrong(labels.value.clone(), MISFIT));
    }
    pod::template(template, out);
    lasting(template, "ReplicationController", out);
}

/// A selector and the template whose labels it has to select.
fn selected_template(spec: At<'_>, kind: &str, owner: &str, unreadable: &str, out: &mut Causes) {
    let (selector, template) = (spec.get("selector"), spec.get("template"));
    if selector.is_set() {
        selector::selector(selector, out);
        if selector::selects_all(selector) {
            out.push(selector.wrong(json!({}), &format!("empty selector is invalid for {kind}")));
        }
    } else {
        out.push(selector.required(""));
    }
    let labels = template.get("metadata");
    let labels = labels.get("labels");
    match selector::selects(selector, labels.value) {
        None => {
            let colon = |cause: Cause| if unreadable.is_empty() { without_why(cause) } else { cause };
            out.push(colon(selector.invalid(unreadable)));
            return;
        }
        Some(false) => out.push(labels.wrong(labels.value.clone(), MISFIT)),
        Some(true) => {}
    }
    if owner == "StatefulSet" {
        let claims: Vec<Value> = spec.get("volumeClaimTemplates").items().map(claimed).collect();
        // Its pods get their names from the set.
        let mut own = template.value.clone();
        if let Some(spec) = own.get_mut("spec").and_then(Value::as_object_mut) {
            spec.shift_remove("subdomain");
            spec.shift_remove("hostname");
            // Its claims come first, in the place of volumes of their names.
            let stated = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
            let is_free = |volume: &Value| claims.iter().all(|claim| claim["name"] != volume["name"]);
            let rest = stated.into_iter().filter(is_free).collect();
            spec.insert("volumes".into(), [claims, rest].concat().into());
        }
        pod::template(template.with_value(&own), out);
    } else {
        pod::template(template, out);
    }
    lasting(template, owner, out);
}

fn without_why(mut cause: Cause) -> Cause {
    cause.message.truncate(cause.message.trim_end_matches(": ").len());
    cause
}

/// The volume that stands for a claim of every pod.
fn claimed(claim: At<'_>) -> Value {
    let metadata = claim.get("metadata");
    let name = metadata.get("name").text();
    json!({"name": name, "persistentVolumeClaim": {"claimName": name}})
}

/// Pods that are kept running.
fn lasting(template: At<'_>, owner: &str, out: &mut Causes) {
    let spec = template.get("spec");
    let restart = spec.get("restartPolicy");
    if restart.text() != "Always" {
        out.push(restart.not_supported(&["Always"]));
    }
    let deadline = spec.get("activeDeadlineSeconds");
    if deadline.is_set() {
        out.push(deadline.forbidden(&format!("activeDeadlineSeconds in {owner} is not Supported")));
    }
}

/// The strategy of a Deployment.
fn strategy(at: At<'_>, out: &mut Causes) {
    let rolling = at.get("rollingUpdate");
    let (down, up) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
    match at.get("type").text() {
        "Recreate" if rolling.is_set() => {
            out.push(rolling.forbidden("may not be specified when strategy `type` is 'Recreate'"));
        }
        "Recreate" => {}
        "RollingUpdate" if !rolling.is_set() => {
            out.push(rolling.required("this should be defaulted and never be nil"));
        }
        "RollingUpdate" => {
            share(down, out);
            share(up, out);
            if amount(down) == 0 && amount(up) == 0 {
                out.push(down.invalid("may not be 0 when `maxSurge` is 0"));
            }
            at_most_all(down, out);
        }
        _ => out.push(at.not_supported(&["Recreate", "RollingUpdate"])),
    }
}

/// A number that is not negative, or a share.
pub(super) fn share(at: At<'_>, out: &mut Causes) {
    match at.value.as_str() {
        Some(text) => out.extend(at.each(percent(text))),
        None => out.extend(at.not_negative()),
    }
}

/// A share of at most everything.
pub(super) fn at_most_all(at: At<'_>, out: &mut Causes) {
    if percent(at.text()).is_empty() && amount(at) > 100 {
        out.push(at.invalid("must not be greater than 100%"));
    }
}

fn amount(at: At<'_>) -> i64 {
    let text = at.text();
    at.number().unwrap_or_else(|| text.strip_suffix('%').unwrap_or(text).parse().unwrap_or(0))
}

/// What may not change in a StatefulSet.
pub(super) fn stateful_set_changed(new: &Value, old: &Value, out: &mut Causes) {
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            map.retain(|name, _| !FREE.contains(&name.as_str()));
        }
        spec
    };
    if fixed(new) != fixed(old) {
        out.push(Cause::forbidden("spec", STATEFUL));
    }
}

/// Fields that stay as they are.
pub(super) fn fixed(new: &Value, old: &Value, path: &str, fields: &[&str], out: &mut Causes) {
    let (after, before) = (At::root(new, path), At::root(old, path));
    for field in fields {
        let now = after.get(field);
        if !same(now.value, before.get(field).value) {
            out.push(now.wrong(now.value.clone(), "field is immutable"));
        }
    }
}

const MISFIT: &str = "`selector` does not match template `labels`";
const FREE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];
const STATEFUL: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
