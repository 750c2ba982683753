//! Kinds with a rule or two.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::at::{At, same};
use super::{resources, scheduling, selector, service, workload};
use crate::causes::{Cause, Causes};
use crate::fields;
use crate::grammar::{address, ip, label, label_value, qualified, subdomain};

/// Lease: positive durations.
pub(super) fn lease(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let duration = spec.get("leaseDurationSeconds");
    if duration.number().is_some_and(|seconds| seconds <= 0) {
        out.push(duration.invalid("must be greater than 0"));
    }
    out.extend(spec.get("leaseTransitions").not_negative());
}

/// PodDisruptionBudget: one bound.
pub(super) fn budget(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let (least, most) = (spec.get("minAvailable"), spec.get("maxUnavailable"));
    if least.is_set() && most.is_set() {
        out.push(spec.invalid("minAvailable and maxUnavailable cannot be both set"));
    }
    for bound in [least, most] {
        workload::share(bound, out);
        workload::at_most_all(bound, out);
    }
    selector::selector(spec.get("selector"), out);
    out.extend(spec.get("unhealthyPodEvictionPolicy").one_of(&["AlwaysAllow", "IfHealthyBudget"]));
}

/// PriorityClass: high values and names of the system are its own.
pub(super) fn priority(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let value = root.get("value").number().unwrap_or(0);
    let name = fields::name(object);
    if name.starts_with("system-") {
        out.extend(system_priority(name, value).map(|why| {
            let lead = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            Cause::forbidden("metadata.name", &format!("{lead}{why}"))
        }));
    } else if value > 1_000_000_000 {
        out.push(
            root.get("value").forbidden("maximum allowed value of a user defined priority is 1000000000"),
        );
    }
    let policy = root.get("preemptionPolicy");
    if policy.is_set() {
        out.extend(policy.must_be(&["PreemptLowerPriority", "Never"]));
    }
}

fn system_priority(name: &str, value: i64) -> Option<String> {
    let known = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
    match known.iter().find(|(known, _)| *known == name) {
        None => Some(format!("{name} is not a known system priority class")),
        Some((_, right)) if *right != value => Some(format!("value of {name} PriorityClass must be {right}")),
        Some(_) => None,
    }
}

/// What may not change in a PriorityClass.
pub(super) fn priority_changed(new: &Value, old: &Value, out: &mut Causes) {
    if new["value"] != old["value"] {
        out.push(Cause::forbidden("value", "may not be changed in an update."));
    }
    workload::fixed(new, old, "", &["preemptionPolicy"], out);
}

/// Endpoints: addresses and ports.
pub(super) fn endpoints(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    for subset in root.get("subsets").items() {
        let (ready, waiting) = (subset.get("addresses"), subset.get("notReadyAddresses"));
        if ready.is_empty() && waiting.is_empty() {
            out.push(subset.required("must specify `addresses` or `notReadyAddresses`"));
        }
        for one in ready.items().chain(waiting.items()) {
            let at = one.get("ip");
            out.extend(at.each(ip(at.text())));
            selector::label_in(one.get("hostname"), out);
            let node = one.get("nodeName");
            if node.is_set() {
                out.extend(node.each(subdomain(node.text())));
            }
            service::endpoint_address(at, out);
        }
        let ports = subset.get("ports");
        let count = ports.items().count();
        for port in ports.items() {
            let name = port.get("name");
            if name.is_empty() && count > 1 {
                out.push(name.required(""));
            }
            selector::label_in(name, out);
            super::handler::port(port.get("port"), out);
            out.extend(port.get("protocol").must_be(&["SCTP", "TCP", "UDP"]));
            service::app_protocol(port.get("appProtocol"), out);
        }
    }
}

/// EndpointSlice: addresses of one type, and ports.
pub(super) fn slice(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    out.extend(root.get("addressType").must_be(&["FQDN", "IPv4", "IPv6"]));
    let ports = root.get("ports");
    let mut seen = HashSet::new();
    for port in ports.items() {
        let name = port.get("name");
        selector::label_in(name, out);
        if !seen.insert(port.text_of("name")) {
            out.push(Cause::duplicate(name.path(), &json!(name.text())));
        }
        out.extend(port.get("protocol").one_of(&["SCTP", "TCP", "UDP"]));
        service::app_protocol(port.get("appProtocol"), out);
    }
    let endpoints = root.get("endpoints");
    let count = endpoints.items().count();
    if count > 1000 {
        out.push(Cause::too_many(endpoints.path(), count, 1000));
        return;
    }
    endpoints.items().for_each(|one| endpoint(one, root.get("addressType").text(), out));
}

fn endpoint(one: At<'_>, kind: &str, out: &mut Causes) {
    let addresses = one.get("addresses");
    match addresses.items().count() {
        0 => out.push(addresses.required("must contain at least 1 address")),
        count if count > 100 => out.push(Cause::too_many(addresses.path(), count, 100)),
        _ => {}
    }
    for at in addresses.items() {
        match kind {
            "FQDN" => domain(at, out),
            "IPv4" | "IPv6" => {
                let whys = ip(at.text());
                let fits = address(at.text()).is_some_and(|found| found.is_ipv4() == (kind == "IPv4"));
                if whys.is_empty() && !fits {
                    out.push(addresses.wrong(at.text(), &format!("must be an {kind} address")));
                }
                if whys.is_empty() {
                    service::endpoint_address(at, out);
                }
                out.extend(at.each(whys));
            }
            _ => {}
        }
    }
    let (node, host) = (one.get("nodeName"), one.get("hostname"));
    if node.is_set() {
        out.extend(node.each(subdomain(node.text())));
    }
    if host.is_set() {
        out.extend(host.each(label(host.text())));
    }
    hints(one.get("hints"), out);
}

fn domain(at: At<'_>, out: &mut Causes) {
    let name = at.text().strip_suffix('.').unwrap_or(at.text());
    let whys = subdomain(name);
    if whys.is_empty() && !name.contains('.') {
        out.push(at.invalid("should be a domain with at least two segments separated by dots"));
    } else if !whys.is_empty() {
        out.push(at.invalid(&whys.join(",")));
    }
}

/// Zones and nodes that an endpoint should serve.
fn hints(hints: At<'_>, out: &mut Causes) {
    for (list, grammar) in [("forZones", label_value as fn(&str) -> Vec<String>), ("forNodes", subdomain)] {
        let list = hints.get(list);
        let count = list.items().count();
        if count > 8 {
            out.push(Cause::too_many(list.path(), count, 8));
            return;
        }
        for (at, hint) in list.items().enumerate() {
            let name = hint.get("name");
            if list.items().take(at).any(|other| other.get("name").text() == name.text()) {
                out.push(name.duplicate());
            }
            out.extend(name.each(grammar(name.text())));
        }
    }
}

/// Node: taints and amounts; `old` is what it was before.
pub(super) fn node(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let taints = At::root(spec.get("taints").value, "metadata.taints");
    scheduling::taints(taints, out);
    for field in ["capacity", "allocatable"] {
        let amounts = root.get("status");
        let amounts = amounts.get(field);
        for amount in amounts.entries() {
            resources::amount(amounts.get(amount.name()), out);
        }
    }
    let Some(old) = old else { return };
    if !old["spec"]["podCIDRs"].is_null() && !same(&object["spec"]["podCIDRs"], &old["spec"]["podCIDRs"]) {
        let why = "node updates may not change podCIDR except from \"\" to valid";
        out.push(Cause::forbidden("spec.podCIDRs", why));
    }
    let provider = fields::text(old, &["spec", "providerID"]);
    if !provider.is_empty() && object["spec"]["providerID"] != old["spec"]["providerID"] {
        let why = "node updates may not change providerID except from \"\" to valid";
        out.push(Cause::forbidden("spec.providerID", why));
    }
}

/// Namespace: its phase follows its deletion, and its finalizers have names.
pub(super) fn namespace(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    for finalizer in spec.get("finalizers").items() {
        let whys = qualified(finalizer.text()).into_iter();
        out.extend(whys.map(|why| Cause::invalid("spec.finalizers", finalizer.value, &why)));
        let standard = ["kubernetes", "orphan", "foregroundDeletion"].contains(&finalizer.text());
        if !finalizer.text().contains('/') && !standard {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            out.push(Cause::invalid("spec.finalizers", finalizer.value, why));
        }
    }
    // These are asked of objects that are right otherwise.
    if out.is_empty() {
        security_labels(object, out);
    }
    let moved = old.is_some_and(|old| old["status"]["phase"] != object["status"]["phase"]);
    let (wanted, why) = match fields::is_deleting(object) {
        true => ("Terminating", "may only be 'Terminating' if `deletionTimestamp` is not empty"),
        false => ("Active", "may only be 'Active' if `deletionTimestamp` is empty"),
    };
    if moved && object["status"]["phase"] != wanted {
        out.push(Cause::invalid("status.Phase", &object["status"]["phase"], why));
    }
}

/// The labels that say how much pods of a namespace may do.
fn security_labels(namespace: &Value, out: &mut Causes) {
    let labels = fields::get(namespace, &["metadata", "labels"]).and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        let Some(word) = key.strip_prefix("pod-security.kubernetes.io/") else { continue };
        let text = value.as_str().unwrap_or_default();
        let place = format!("metadata.labels[{key}]");
        match word {
            "enforce" | "audit" | "warn" if !LEVELS.contains(&text) => {
                let why = format!("must be one of {}", LEVELS.join(", "));
                out.push(Cause::invalid(place, value, &why));
            }
            "enforce-version" | "audit-version" | "warn-version" if !is_release(text) => {
                out.push(Cause::invalid(place, value, "must be \"latest\" or \"v1.x\""));
            }
            _ => {}
        }
    }
}

fn is_release(text: &str) -> bool {
    let minor = text.strip_prefix("v1.").unwrap_or_default();
    let plain = !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit());
    text == "latest" || plain && (minor == "0" || !minor.starts_with('0'))
}

/// How much pods may do, least careful first.
const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// ControllerRevision: a number that does not fall below zero, and its state.
pub(super) fn revision(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    out.extend(root.get("revision").not_negative());
    match old {
        Some(old) => workload::fixed(object, old, "", &["data"], out),
        None if root.get("data").value.is_null() => out.push(root.get("data").required("data is mandatory")),
        None if !root.get("data").value.is_object() => {
            out.push(root.get("data").required("data must be a valid JSON object"));
        }
        None => {}
    }
}

/// RuntimeClass: a handler.
pub(super) fn runtime(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let handler = root.get("handler");
    match handler.needed() {
        Some(cause) => out.push(cause),
        None => out.extend(handler.each(label(handler.text()))),
    }
    let scheduling = root.get("scheduling");
    selector::labels(scheduling.get("nodeSelector"), out);
    scheduling::tolerations(scheduling.get("tolerations"), out);
}
