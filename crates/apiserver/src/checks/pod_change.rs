//! What may change in a Pod.

use serde_json::Value;

use super::at::{At, same};
use super::{difference, scheduling};
use crate::causes::Causes;
use crate::fields;
use crate::quality::quality;

/// What is wrong with a change of a Pod, made through one of its doors.
pub(super) fn changed(new: &Value, old: &Value, subresource: &str, out: &mut Causes) {
    match subresource {
        "ephemeralcontainers" => temporary(new, old, out),
        "resize" => resized(new, old, out),
        _ => whole(new, old, out),
    }
}

fn whole(new: &Value, old: &Value, out: &mut Causes) {
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

/// Temporary containers come, and then stay as they are.
fn temporary(new: &Value, old: &Value, out: &mut Causes) {
    let root = At::root(new, "");
    let spec = root.get("spec");
    let place = spec.get("ephemeralContainers");
    for before in old["spec"]["ephemeralContainers"].as_array().into_iter().flatten() {
        let name = fields::text(before, &["name"]);
        match place.items().find(|one| one.text_of("name") == name) {
            None => out.push(
                place.forbidden(&format!("existing ephemeral containers \"{name}\" may not be removed\n")),
            ),
            Some(one) if one.value != before => {
                let shown = difference::of_pods(before, one.value);
                let why = format!("existing ephemeral containers \"{name}\" may not be changed\n{shown}");
                out.push(place.forbidden(&why));
            }
            Some(_) => {}
        }
    }
}

/// The sizes of containers change: of processors and memory, within the class of the pod.
fn resized(new: &Value, old: &Value, out: &mut Causes) {
    const MUTABLE: &str = "only cpu and memory resources are mutable";
    let (root, before) = (At::root(new, ""), At::root(old, ""));
    let (spec, old_spec) = (root.get("spec"), before.get("spec"));
    if quality(&new["spec"]) != quality(&old["spec"]) {
        let why = "Pod QOS Class may not change as a result of resizing";
        out.push(spec.wrong(fields::text(new, &["status", "qosClass"]), why));
    }
    let mut rest = new["spec"].clone();
    for list in ["initContainers", "containers"] {
        let (now, was) = (spec.get(list), old_spec.get(list));
        if now.items().count() != was.items().count() {
            return out.push(now.forbidden(&format!("{list} may not be added or removed on resize")));
        }
        for (one, twin) in now.items().zip(was.items()) {
            if one.text_of("name") != twin.text_of("name") {
                let why = format!("{list} may not be renamed or reordered on resize");
                return out.push(one.get("name").forbidden(&why));
            }
            let resources = one.get("resources");
            for (part, what) in [("requests", "resource requests"), ("limits", "resource limits")] {
                let kept = |name: &At<'_>| !resources.get(part).key(name.name()).is_set();
                if twin.get("resources").get(part).entries().iter().any(kept) {
                    out.push(resources.get(part).forbidden(&format!("{what} cannot be removed")));
                }
            }
        }
        let containers = rest.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, twin) in containers.zip(was.items()) {
            if !same(&without_sizes(container), &without_sizes(twin.value)) {
                out.push(spec.forbidden(MUTABLE));
            }
            *container = twin.value.clone();
        }
    }
    fields::copy_field(&mut rest, &old["spec"], "resources");
    if out.is_empty() && !same(&rest, &old["spec"]) {
        out.push(spec.forbidden(MUTABLE));
    }
}

/// A container without its processors and its memory.
fn without_sizes(container: &Value) -> Value {
    let mut rest = container.clone();
    fields::remove(&mut rest, "resizePolicy");
    for part in ["requests", "limits"] {
        if let Some(amounts) = rest.get_mut("resources").and_then(|resources| resources.get_mut(part)) {
            fields::remove(amounts, "cpu");
            fields::remove(amounts, "memory");
        }
    }
    let empty = |part: &Value| part.as_object().is_none_or(serde_json::Map::is_empty);
    if let Some(resources) = rest.get_mut("resources").and_then(Value::as_object_mut) {
        resources.retain(|_, part| !empty(part) || part.is_array());
    }
    rest
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
