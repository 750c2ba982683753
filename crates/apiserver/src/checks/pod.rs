//! Pods and their templates.

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, once};
use super::facts::{Claims, Pod};
use super::{container, resources, scheduling, security, selector, volume};
use crate::causes::{Cause, Causes};
use crate::grammar::{ip, label, qualified, search_path, subdomain};

/// Whether a pod or a template of one is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pod,
    Template,
}

/// A pod.
pub(super) fn pod(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let at = root.get("spec");
    spec(at, crate::fields::name(object), Kind::Pod, out);
    for field in ["containers", "initContainers"] {
        for container in at.get(field).items() {
            let image = container.get("image");
            if image.text().trim() != image.text() {
                out.push(image.invalid("must not have leading or trailing whitespace"));
            }
        }
    }
}

/// What is refused in new pods alone.
pub(super) fn new(object: &Value, out: &mut Causes) {
    let root = At::root(object, "spec");
    let at = root.with_value(&object["spec"]);
    if !at.get("ephemeralContainers").is_empty() {
        out.push(at.get("ephemeralContainers").forbidden("cannot be set on create"));
    }
    if !at.get("nodeName").is_empty() && !at.get("schedulingGates").is_empty() {
        out.push(at.get("nodeName").forbidden("cannot be set until all schedulingGates have been cleared"));
    }
}

/// A template of pods.
pub(super) fn template(at: At<'_>, out: &mut Causes) {
    let metadata = at.get("metadata");
    selector::labels(at.with("labels", metadata.get("labels").value), out);
    selector::annotations(at.with("annotations", metadata.get("annotations").value), out);
    let spec = at.get("spec");
    self::spec(spec, "", Kind::Template, out);
    if !spec.get("ephemeralContainers").is_empty() {
        let why = "ephemeral containers not allowed in pod template";
        out.push(spec.get("ephemeralContainers").forbidden(why));
    }
}

/// Options for Windows have no place in a pod for Linux.
fn windows_options(at: At<'_>, out: &mut Causes) {
    let why = "windows options cannot be set for a linux pod";
    let context = at.get("securityContext");
    let lists = ["initContainers", "containers", "ephemeralContainers"].map(|list| at.get(list));
    let of_pod = context.get("windowsOptions");
    out.extend(of_pod.is_set().then(|| of_pod.forbidden(why)));
    for container in lists.iter().flat_map(At::items) {
        let context = container.get("securityContext");
        let options = context.get("windowsOptions");
        out.extend(options.is_set().then(|| options.forbidden(why)));
    }
}

fn spec(at: At<'_>, name: &str, kind: Kind, out: &mut Causes) {
    let volumes = at.get("volumes");
    let mountable = volume::all(volumes, name, out);
    let claims = at.get("resourceClaims");
    resource_claims(claims, out);
    let pod = Pod {
        volumes: mountable,
        claims: Claims::of(claims),
        host_users: at.get("hostUsers").value != &Value::Bool(false),
        restart: at.value["restartPolicy"].as_str().unwrap_or_default(),
        grace: at.get("terminationGracePeriodSeconds").number(),
        system: at.value["os"]["name"].as_str().unwrap_or_default(),
    };
    containers(at, &pod, out);
    first_containers(at, &pod, out);
    temporary_containers(at, &pod, out);
    resources::of_pod(at.get("resources"), out);
    if at.get("hostNetwork").is_true() {
        host_network(at.get("containers"), kind, out);
    }
    out.extend(at.get("restartPolicy").must_be(&["Always", "OnFailure", "Never"]));
    out.extend(at.get("dnsPolicy").must_be(&["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]));
    selector::labels(at.get("nodeSelector"), out);
    security::of_pod(at.get("securityContext"), at, out);
    scheduling::affinity(at.get("affinity"), out);
    dns(at, out);
    gates(at, out);
    scheduling::spread(at.get("topologySpreadConstraints"), out);
    if !pod.host_users {
        for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")]
        {
            if at.get(field).is_true() {
                out.push(at.get(shown).forbidden("when `hostUsers` is false"));
            }
        }
    }
    names_in(at, out);
}

/// The single fields at the end.
fn names_in(at: At<'_>, out: &mut Causes) {
    let host = at.get("hostnameOverride");
    if host.is_set() {
        for (field, shown) in [("setHostnameAsFQDN", "setHostnameAsFQDN"), ("hostNetwork", "hostNetwork")] {
            if at.get(field).is_true() {
                out.push(host.forbidden(&format!("may not be specified when {shown} is true")));
            }
        }
        if host.text().len() > 64 {
            out.push(Cause::too_long(host.path(), 64));
        }
        out.extend(host.each(subdomain(host.text())));
    }
    selector::name_in(at.get("serviceAccountName"), out);
    selector::name_in(at.get("nodeName"), out);
    out.extend(at.get("activeDeadlineSeconds").between(1, i64::from(i32::MAX)));
    selector::label_in(at.get("hostname"), out);
    selector::label_in(at.get("subdomain"), out);
    scheduling::tolerations(at.get("tolerations"), out);
    for alias in at.get("hostAliases").items() {
        out.extend(alias.get("ip").each(ip(alias.get("ip").text())));
        for name in alias.get("hostnames").items() {
            out.extend(name.each(subdomain(name.text())));
        }
    }
    selector::name_in(at.get("priorityClassName"), out);
    let (class, policy) = (at.get("runtimeClassName"), at.get("preemptionPolicy"));
    if class.is_set() {
        out.extend(class.each(subdomain(class.text())));
    }
    if policy.is_set() {
        out.extend(policy.must_be(&["PreemptLowerPriority", "Never"]));
    }
    resources::of_overhead(at.get("overhead"), out);
    let system = at.get("os");
    if system.is_set() {
        let name = system.get("name");
        if name.is_empty() {
            out.push(name.required(""));
        } else {
            out.extend(system.with_value(name.value).one_of(&["linux", "windows"]));
        }
        if name.text() == "linux" {
            windows_options(at, out);
        }
    }
}

fn resource_claims(list: At<'_>, out: &mut Causes) {
    let mut seen = HashSet::new();
    for claim in list.items() {
        let name = claim.get("name");
        let is_new = seen.insert(claim.text_of("name"));
        if name.is_empty() {
            out.push(name.required(""));
        } else if !is_new {
            out.push(name.duplicate());
        } else {
            out.extend(name.each(label(name.text())));
        }
        let (claim_name, template) = (claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName"));
        match (claim_name.is_set(), template.is_set()) {
            (true, true) => out.push(claim.invalid(
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            )),
            (false, false) => {
                out.push(
                    claim.invalid("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
                );
            }
            _ => {}
        }
        selector::name_in(claim_name, out);
        selector::name_in(template, out);
    }
}

/// The names that stand in some lists of a spec.
pub(super) fn names_in_lists<'a>(spec: At<'a>, lists: &[&str]) -> HashSet<&'a str> {
    let items = lists.iter().filter_map(|list| spec.value.get(list)?.as_array()).flatten();
    items.map(|one| crate::fields::text(one, &["name"])).collect()
}

fn containers(at: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    let list = at.get("containers");
    if list.is_empty() {
        out.push(list.required(""));
    }
    let mut seen = HashSet::new();
    for one in list.items() {
        if out.is_full() {
            return;
        }
        container::common(one, pod, out);
        once(&mut seen, one.text_of("name"), one.get("name"), out);
        container::lasting(one, pod, out);
        container::restart_rules(one, out);
    }
    container::host_ports(list, out);
}

fn first_containers(at: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    let list = at.get("initContainers");
    let (others, mut seen) = (names_in_lists(at, &["containers"]), HashSet::new());
    for one in list.items() {
        if out.is_full() {
            return;
        }
        container::common(one, pod, out);
        container::restart_rules(one, out);
        let name = one.get("name");
        let is_new = seen.insert(one.text_of("name"));
        if others.contains(name.text()) || (!name.is_empty() && !is_new) {
            out.push(name.duplicate());
        }
        if one.get("restartPolicy").text() == "Always" {
            container::lasting(one, pod, out);
            continue;
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if one.get(field).is_set() {
                let why = "may not be set for init containers without restartPolicy=Always";
                out.push(one.get(field).forbidden(why));
            }
        }
        for policy in one.get("resizePolicy").items() {
            let restart = policy.get("restartPolicy");
            if restart.text() == "RestartContainer" {
                out.push(
                    restart.invalid("must not be set to 'RestartContainer' for non-sidecar initContainers"),
                );
            }
        }
    }
}

fn temporary_containers(at: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    let list = at.get("ephemeralContainers");
    let lasting = names_in_lists(at, &["containers", "initContainers"]);
    let mut seen = HashSet::new();
    for one in list.items() {
        if out.is_full() {
            return;
        }
        container::common(one, pod, out);
        let (name, target) = (one.get("name"), one.get("targetContainerName"));
        let known = |name: &str| lasting.contains(name);
        if !seen.insert(one.text_of("name")) || known(name.text()) {
            out.push(name.duplicate());
        }
        if !target.is_empty() && !known(target.text()) {
            out.push(target.not_found());
        }
        for field in ["ports", "resources", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
            if !one.get(field).is_empty() {
                out.push(one.get(field).forbidden("cannot be set for an Ephemeral Container"));
            }
        }
        for mount in one.get("volumeMounts").items() {
            for field in ["subPath", "subPathExpr"] {
                if !mount.get(field).is_empty() {
                    out.push(mount.get(field).forbidden("cannot be set for an Ephemeral Container"));
                }
            }
        }
    }
}

/// A container in the host's network has the host's ports.
fn host_network(containers: At<'_>, kind: Kind, out: &mut Causes) {
    for container in containers.items() {
        for port in container.get("ports").items() {
            let number = |key: &str| port.get(key).number().unwrap_or(0);
            let host = number("hostPort");
            if (kind == Kind::Pod || host != 0) && host != number("containerPort") {
                let why = "must match `containerPort` when `hostNetwork` is true";
                out.push(port.get("hostPort").wrong(host, why));
            }
        }
    }
}

fn dns(at: At<'_>, out: &mut Causes) {
    let config = at.get("dnsConfig");
    let servers = config.get("nameservers");
    if at.get("dnsPolicy").text() == "None" {
        if !config.is_set() {
            out.push(config.required("must provide `dnsConfig` when `dnsPolicy` is None"));
            return;
        }
        if servers.is_empty() {
            out.push(servers.required("must provide at least one DNS nameserver when `dnsPolicy` is None"));
            return;
        }
    }
    if servers.items().count() > 3 {
        out.push(servers.invalid("must not have more than 3 nameservers"));
    }
    servers.items().for_each(|server| out.extend(server.each(ip(server.text()))));
    let searches = config.get("searches");
    if searches.items().count() > 32 {
        out.push(searches.invalid("must not have more than 32 search paths"));
    }
    if searches.items().map(|one| one.text().len() + 1).sum::<usize>() > 2049 {
        out.push(
            searches.invalid("must not have more than 2048 characters (including spaces) in the search list"),
        );
    }
    for search in searches.items().filter(|search| search.text() != ".") {
        let text = search.text().strip_suffix('.').unwrap_or(search.text());
        out.extend(search_path(text).iter().map(|why| search.wrong(text, why)));
    }
    for option in config.get("options").items() {
        if option.get("name").is_empty() {
            out.push(option.required("must not be empty"));
        }
    }
}

fn gates(at: At<'_>, out: &mut Causes) {
    for gate in at.get("readinessGates").items() {
        let kind = gate.get("conditionType");
        out.extend(kind.each(qualified(kind.text())));
    }
    let list = at.get("schedulingGates");
    let mut seen = HashSet::new();
    for gate in list.items() {
        let name = gate.text_of("name");
        let gate = gate.with_value(&gate.value["name"]);
        out.extend(gate.each(qualified(name)));
        once(&mut seen, name, gate, out);
    }
}
