//! What may change in a Pod.

use serde_json::Value;

use super::at::{At, same};
use super::{difference, scheduling};
use crate::causes::Causes;
use crate::fields;

/// What is wrong with a change of a Pod.
pub(super) fn changed(new: &Value, old: &Value, out: &mut Causes) {
    let root = At::root(new, "");
    let spec = root.get("spec");
    for list in ["containers", "initContainers"] {
        if count(new, list) != count(old, list) {
            out.push(spec.get(list).forbidden("pod updates may not add or remove containers"));
            return;
        }
        for container in spec.get(list).items() {
            let image = container.get("image");
            out.extend(image.needed());
            if image.text().trim() != image.text() {
                out.push(image.invalid("must not have leading or trailing whitespace"));
            }
        }
    }
    if deadline(spec.get("activeDeadlineSeconds"), &old["spec"]["activeDeadlineSeconds"], out) {
        return;
    }
    tolerations(spec.get("tolerations"), old, out);
    gates(spec.get("schedulingGates"), old, out);
    let (after, before) = (held(new, old), held(old, old));
    if !same(&after, &before) {
        out.push(spec.forbidden(&format!("{FIXED}\n{}", difference::of_pods(&before, &after))));
    }
}

fn count(pod: &Value, list: &str) -> usize {
    pod["spec"][list].as_array().map_or(0, Vec::len)
}

/// A deadline only comes nearer; true when the rest is not looked at.
fn deadline(new: At<'_>, old: &Value, out: &mut Causes) -> bool {
    let fault = match (new.number(), old.as_i64()) {
        (Some(now), _) if !(0..=i64::from(i32::MAX)).contains(&now) => new.between(0, i64::from(i32::MAX)),
        (Some(now), Some(before)) if before < now => {
            Some(new.invalid("must be less than or equal to previous value"))
        }
        (None, Some(_)) => {
            out.push(new.wrong(Value::Null, "must not update from a positive integer to nil value"));
            None
        }
        _ => None,
    };
    let stop = fault.is_some();
    out.extend(fault);
    stop
}

fn tolerations(new: At<'_>, old: &Value, out: &mut Causes) {
    let held = old["spec"]["tolerations"].as_array().into_iter().flatten();
    let kept =
        |old: &Value| new.items().any(|new| fields::equal_but(old, &without_seconds(new.value, old), &[]));
    if !held.clone().all(kept) {
        out.push(new.forbidden("existing toleration can not be modified except its tolerationSeconds"));
        return;
    }
    scheduling::tolerations(new, out);
}

/// A toleration with the seconds of another.
fn without_seconds(one: &Value, other: &Value) -> Value {
    let mut one = one.clone();
    fields::copy_field(&mut one, other, "tolerationSeconds");
    one
}

fn gates(new: At<'_>, old: &Value, out: &mut Causes) {
    let held: Vec<&Value> = old["spec"]["schedulingGates"].as_array().into_iter().flatten().collect();
    for gate in new.items() {
        let name = gate.get("name");
        if !held.iter().any(|old| old["name"] == name.text()) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{}'", name.text());
            out.push(name.forbidden(&why));
        }
    }
}

/// The spec of a Pod without what may change.
fn held(pod: &Value, old: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        fields::remove(&mut spec, field);
    }
    let negative = old["spec"]["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0);
    if negative && spec["terminationGracePeriodSeconds"] == 1 {
        spec["terminationGracePeriodSeconds"] = old["spec"]["terminationGracePeriodSeconds"].clone();
    }
    if count(old, "schedulingGates") > 0 {
        fields::remove(&mut spec, "nodeSelector");
        if let Some(affinity) = spec.get_mut("affinity") {
            fields::remove(affinity, "nodeAffinity");
        }
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            fields::remove(container, "image");
        }
    }
    spec
}

const FIXED: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
