//! Amounts of resources: their names, requests within limits.

use std::collections::HashSet;

use super::at::{At, NEGATIVE};
use super::facts::Claims;
use crate::causes::{Cause, Causes};
use crate::grammar::{label, qualified};
use crate::quantity;

/// What a container requests and is limited to; `claims` are the names of the pod's claims.
pub(super) fn of_container(at: At<'_>, claims: &Claims<'_>, out: &mut Causes) {
    amounts(at, container_name, out);
    claim_names(at.get("claims"), claims, out);
}

/// What a whole pod requests and is limited to.
pub(super) fn of_pod(at: At<'_>, out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    if at.get("claims").is_set() {
        out.push(at.get("claims").forbidden("claims may not be set for Resources at pod-level"));
    }
    amounts(at, pod_name, out);
}

/// What a pod needs beside its containers; the reference tells of it as of limits.
pub(super) fn of_overhead(at: At<'_>, out: &mut Causes) {
    let limits = at.with("limits", at.value);
    for limit in limits.entries() {
        out.extend(container_name(limit));
        amount(limit, out);
        huge_page(limit, out);
    }
    let names: Vec<&str> = limits.entries().iter().map(At::name).collect();
    if names.iter().any(|name| is_huge(name)) && !names.iter().any(|name| ["cpu", "memory"].contains(name)) {
        out.push(at.forbidden("HugePages require cpu or memory"));
    }
}

fn amounts(at: At<'_>, name: fn(At<'_>) -> Vec<Cause>, out: &mut Causes) {
    let (limits, requests) = (at.get("limits"), at.get("requests"));
    for limit in limits.entries() {
        out.extend(name(limit));
        amount(limit, out);
        huge_page(limit, out);
    }
    for request in requests.entries() {
        out.extend(name(request));
        amount(request, out);
        within(request, limits, requests, out);
        huge_page(request, out);
    }
    let names =
        || limits.entries().into_iter().chain(requests.entries()).map(|entry| entry.name().to_owned());
    if names().any(|name| is_huge(&name)) && !names().any(|name| ["cpu", "memory"].contains(&&*name)) {
        out.push(at.forbidden("HugePages require cpu or memory"));
    }
}

fn within(request: At<'_>, limits: At<'_>, requests: At<'_>, out: &mut Causes) {
    let name = request.name();
    let limit = limits.key(name);
    let bound = !is_native(name) || is_huge(name);
    if !limit.is_set() {
        if bound {
            out.push(limits.required("Limit must be set for non overcommitable resources"));
        }
        return;
    }
    let (Some(wanted), Some(most)) = (nanos(request), nanos(limit)) else { return };
    if bound && wanted != most {
        let why = format!("must be equal to {name} limit of {}", limit.text());
        out.push(requests.wrong(request.text(), &why));
    } else if wanted > most {
        let why = format!("must be less than or equal to {name} limit of {}", limit.text());
        out.push(requests.wrong(request.text(), &why));
    }
}

fn huge_page(at: At<'_>, out: &mut Causes) {
    let Some(size) = at.name().strip_prefix("hugepages-") else { return };
    let Some(amount) = nanos(at) else { return };
    let whole = quantity::nanos(size).is_some_and(|size| size > 0 && amount % size == 0);
    if !whole {
        let why = format!("{} is not positive integer multiple of {}", at.text(), at.name());
        out.push(at.wrong(at.text(), &why));
    }
}

/// An amount: not negative, and whole where only whole ones can be had.
pub(super) fn amount(at: At<'_>, out: &mut Causes) {
    let Some(nanos) = nanos(at) else { return };
    if nanos < 0 {
        out.push(at.wrong(at.text(), NEGATIVE));
    }
    if is_whole(at.name()) && nanos % 1_000_000_000 != 0 {
        out.push(at.wrong(at.text(), "must be an integer"));
    }
}

/// The value of a quantity.
pub(super) fn nanos(at: At<'_>) -> Option<i128> {
    quantity::nanos(at.text())
}

fn claim_names(at: At<'_>, pod: &Claims<'_>, out: &mut Causes) {
    let mut seen: HashSet<String> = HashSet::new();
    let mut claimed: HashSet<&str> = HashSet::new();
    for claim in at.items() {
        if out.is_full() {
            return;
        }
        let (name, request) = (claim.text_of("name"), claim.get("request").text());
        if name.is_empty() {
            out.push(claim.required(""));
            continue;
        }
        if !request.is_empty() {
            out.extend(claim.get("request").each(label(request)));
        }
        let key = if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") };
        let again =
            seen.contains(&key) || seen.contains(name) || (request.is_empty() && claimed.contains(name));
        if again {
            out.push(Cause::duplicate(claim.path(), &key.as_str().into()));
        }
        claimed.insert(name.split('/').next().unwrap_or_default());
        seen.insert(key);
        if !pod.known.contains(name) {
            let mut cause = Cause::not_found(claim.path(), &name.into());
            let rest = if pod.stated.is_empty() {
                " which is empty".into()
            } else {
                format!(": {}", pod.stated.join(", "))
            };
            cause.message.push_str(&format!(": must be one of the names in pod.spec.resourceClaims{rest}"));
            out.push(cause);
        }
    }
}

/// What is wrong with the name of any resource.
pub(super) fn any_name(at: At<'_>) -> Vec<Cause> {
    let name = at.name();
    let mut causes: Vec<Cause> = qualified(name).iter().map(|why| at.wrong(name, why)).collect();
    if causes.is_empty() && !name.contains('/') && !is_standard(name) {
        causes.push(at.wrong(name, "must be a standard resource type or fully qualified"));
    }
    causes
}

/// What is wrong with the name of a resource of containers.
pub(super) fn container_name(at: At<'_>) -> Vec<Cause> {
    let mut causes = any_name(at);
    let name = at.name();
    if !name.contains('/') {
        if !(COMPUTE.contains(&name) || is_huge(name)) {
            causes.push(at.wrong(name, "must be a standard resource for containers"));
        }
    } else if !is_native(name) && !is_extended(name) {
        causes.push(at.wrong(name, "doesn't follow extended resource name standard"));
    }
    causes
}

fn pod_name(at: At<'_>) -> Vec<Cause> {
    let mut causes = any_name(at);
    if causes.is_empty() && !(["cpu", "memory"].contains(&at.name()) || is_huge(at.name())) {
        causes.push(Cause::not_supported(at.path(), &at.name().into(), &["cpu", "memory"]));
    }
    causes
}

/// What is wrong with the name of a resource that a quota bounds.
pub(super) fn quota_name(at: At<'_>) -> Vec<Cause> {
    let mut causes = any_name(at);
    let name = at.name();
    let known = name != "storage" && is_standard(name);
    if !name.contains('/') && !known {
        causes.push(at.wrong(name, "must be a standard resource for quota"));
    }
    causes
}

fn is_huge(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && qualified(&format!("requests.{name}")).is_empty()
}

fn is_standard(name: &str) -> bool {
    let part = name.strip_prefix("requests.").unwrap_or(name);
    let bounded = name.strip_prefix("limits.").unwrap_or(part);
    COMPUTE.contains(&bounded) || COUNTED.contains(&name) || part == "storage" || is_huge(part)
}

fn is_whole(name: &str) -> bool {
    COUNTED.contains(&name) || is_extended(name)
}

const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
