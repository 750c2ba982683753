//! Containers: image, ports, environment, mounts.

use std::collections::HashSet;

use super::at::{At, once};
use super::facts::Pod;
use super::{handler, resources, security};
use crate::causes::{Cause, Causes};
use crate::grammar::{
    config_key, inner_path, label, no_steps_back, port_name, qualified, subdomain, variable,
};
use crate::quantity;

/// What every kind of container is checked for.
pub(super) fn common(container: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    let name = container.get("name");
    out.extend(name.needed());
    if !name.is_empty() {
        out.extend(name.each(label(name.text())));
    }
    out.extend(container.get("image").needed());
    out.extend(container.get("terminationMessagePolicy").must_be(&["File", "FallbackToLogsOnError"]));
    ports(container.get("ports"), out);
    environment(container.get("env"), out);
    environment_from(container.get("envFrom"), out);
    mounts(container, pod, out);
    devices(container, pod, out);
    out.extend(container.get("imagePullPolicy").must_be(&["Always", "IfNotPresent", "Never"]));
    resources::of_container(container.get("resources"), &pod.claims, out);
    resize_policy(container.get("resizePolicy"), pod, out);
    security::of_container(container.get("securityContext"), pod.host_users, out);
}

/// What a container that stays is checked for besides.
pub(super) fn lasting(container: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    handler::lifecycle(container.get("lifecycle"), pod, out);
    handler::liveness(container.get("livenessProbe"), out);
    handler::readiness(container.get("readinessProbe"), out);
    handler::liveness(container.get("startupProbe"), out);
}

/// When a container is started again, apart from what holds for its pod.
pub(super) fn restart_rules(container: At<'_>, out: &mut Causes) {
    let (policy, rules) = (container.get("restartPolicy"), container.get("restartPolicyRules"));
    if !policy.is_set() {
        if !rules.is_empty() {
            out.push(policy.required("must specify restartPolicy when restart rules are used"));
            self::rules(rules, out);
        }
        return;
    }
    out.extend(policy.one_of(&["Always", "Never", "OnFailure"]));
    self::rules(rules, out);
}

fn rules(rules: At<'_>, out: &mut Causes) {
    let count = rules.items().count();
    if count > 20 {
        out.push(Cause::too_many(rules.path(), count, 20));
    }
    for rule in rules.items() {
        let action = rule.get("action");
        if !["Restart", "RestartAllContainers"].contains(&action.text()) {
            out.push(action.not_supported(&["Restart", "RestartAllContainers"]));
        }
        let codes = rule.get("exitCodes");
        if !codes.is_set() {
            out.push(codes.required("must be specified"));
            continue;
        }
        let operator = codes.get("operator");
        if !["In", "NotIn"].contains(&operator.text()) {
            out.push(operator.not_supported(&["In", "NotIn"]));
        }
        let count = codes.get("values").items().count();
        if count > 255 {
            out.push(Cause::too_many(codes.get("values").path(), count, 255));
        }
    }
}

fn ports(ports: At<'_>, out: &mut Causes) {
    let mut seen = HashSet::new();
    for port in ports.items() {
        let name = port.get("name");
        if !name.is_empty() {
            let whys = port_name(name.text());
            if !seen.insert(port.text_of("name")) && whys.is_empty() {
                out.push(name.duplicate());
            }
            out.extend(name.each(whys));
        }
        match port.get("containerPort").number() {
            None | Some(0) => out.push(port.get("containerPort").required("")),
            Some(_) => out.extend(port.get("containerPort").between(1, 65535)),
        }
        if port.get("hostPort").number() != Some(0) {
            out.extend(port.get("hostPort").between(1, 65535));
        }
        out.extend(port.get("protocol").must_be(&["SCTP", "TCP", "UDP"]));
    }
}

/// Two containers cannot have one port of the host.
pub(super) fn host_ports(containers: At<'_>, out: &mut Causes) {
    let mut taken = HashSet::new();
    for container in containers.items() {
        for port in container.get("ports").items() {
            let number = port.get("hostPort").number().unwrap_or(0);
            if number == 0 {
                continue;
            }
            let key = format!("{}/{}/{number}", port.get("protocol").text(), port.get("hostIP").text());
            if taken.contains(&key) {
                out.push(Cause::duplicate(port.get("hostPort").path(), &key.as_str().into()));
            }
            taken.insert(key);
        }
    }
}

fn environment(list: At<'_>, out: &mut Causes) {
    for one in list.items() {
        let name = one.get("name");
        out.extend(name.needed());
        out.extend(name.each(variable(name.text())));
        let from = one.get("valueFrom");
        if from.is_set() {
            value_from(from, one.get("value").text(), out);
        }
    }
}

fn value_from(from: At<'_>, value: &str, out: &mut Causes) {
    field_ref(from.get("fieldRef"), &ENVIRONMENT, out);
    resource_ref(from.get("resourceFieldRef"), InVolume::No, out);
    key_ref(from.get("configMapKeyRef"), out);
    key_ref(from.get("secretKeyRef"), out);
    file_ref(from.get("fileKeyRef"), out);
    let sources = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    match sources.iter().filter(|source| from.get(source).is_set()).count() {
        0 => out.push(from.wrong("", NO_SOURCE)),
        _ if !value.is_empty() => out.push(from.wrong("", "may not be specified when `value` is not empty")),
        1 => {}
        _ => out.push(from.wrong("", "may not have more than one field specified at a time")),
    }
}

/// A field of the pod that a variable or file shows.
pub(super) fn field_ref(at: At<'_>, known: &[&str], out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    let (version, path) = (at.get("apiVersion"), at.get("fieldPath"));
    if let Some(cause) = version.needed().or_else(|| path.needed()) {
        out.push(cause);
        return;
    }
    if version.text() != "v1" {
        let why = format!("error converting fieldPath: unsupported pod version: {}", version.text());
        out.push(path.invalid(&why));
        return;
    }
    let text = path.text();
    let subscript = text.strip_suffix("']").and_then(|rest| rest.split_once("['"));
    match subscript {
        Some(("metadata.annotations", key)) => {
            out.extend(qualified(&key.to_lowercase()).iter().map(|why| at.wrong(key.to_lowercase(), why)));
        }
        Some(("metadata.labels", key)) => out.extend(qualified(key).iter().map(|why| at.wrong(key, why))),
        Some(_) => {
            let why = format!("error converting fieldPath: field label does not support subscript: {text}");
            out.push(path.invalid(&why));
        }
        None if text == "spec.host" || known.contains(&text) => {}
        None if POD_FIELDS.contains(&text) => out.push(path.not_supported(known)),
        None => {
            out.push(path.invalid(&format!("error converting fieldPath: field label not supported: {text}")));
        }
    }
}

/// Whether a reference stands in a volume, which has to name the container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum InVolume {
    Yes,
    No,
}

/// An amount that a variable or file shows.
pub(super) fn resource_ref(at: At<'_>, place: InVolume, out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    let (container, resource) = (at.get("containerName"), at.get("resource"));
    let name = resource.text();
    let huge = ["requests.hugepages-", "limits.hugepages-"].iter().any(|start| name.starts_with(start));
    if place == InVolume::Yes && container.is_empty() {
        out.push(container.required(""));
    } else if name.is_empty() {
        out.push(resource.required(""));
    } else if !AMOUNTS.contains(&name) && !huge {
        out.push(resource.not_supported(&AMOUNTS));
    }
    let divisor = at.get("divisor");
    if quantity::nanos(divisor.text()).unwrap_or(0) == 0 {
        return;
    }
    let kind = name.split_once('.').map_or("", |(_, kind)| kind);
    let (allowed, what) = match kind {
        "cpu" => ("1m and 1", "cpu"),
        "memory" => (SIZES, "memory"),
        "ephemeral-storage" => (SIZES, "local ephemeral storage"),
        _ if huge => (SIZES, "hugepages"),
        _ => return,
    };
    if !allowed.split(", ").flat_map(|part| part.split(" and ")).any(|one| one == divisor.text()) {
        let why = format!("only divisor's values {allowed} are supported with the {what} resource");
        out.push(divisor.wrong(name, &why));
    }
}

fn key_ref(at: At<'_>, out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    let (name, key) = (at.get("name"), at.get("key"));
    out.extend(name.each(subdomain(name.text())));
    match key.needed() {
        Some(cause) => out.push(cause),
        None => out.extend(key.each(config_key(key.text()))),
    }
}

fn file_ref(at: At<'_>, out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    type Grammar = fn(&str) -> Vec<String>;
    let grammars: [(&str, Grammar); 3] = [("key", variable), ("volumeName", label), ("path", no_steps_back)];
    for (field, grammar) in grammars {
        let field = at.get(field);
        match field.needed() {
            Some(cause) => out.push(cause),
            None => out.extend(field.each(grammar(field.text()))),
        }
    }
}

fn environment_from(list: At<'_>, out: &mut Causes) {
    for one in list.items() {
        let prefix = one.get("prefix");
        out.extend(prefix.each(variable(prefix.text())));
        let mut sources = 0;
        for key in ["configMapRef", "secretRef"] {
            let source = one.get(key);
            let name = source.get("name");
            if !source.is_set() {
                continue;
            }
            sources += 1;
            match name.needed() {
                Some(cause) => out.push(cause),
                None => out.extend(name.each(subdomain(name.text().trim_end_matches('-')))),
            }
        }
        match sources {
            0 => out.push(list.wrong("", "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => out.push(list.wrong("", "may not have more than one field specified at a time")),
        }
    }
}

fn mounts(container: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    let (list, devices) = (container.get("volumeMounts"), container.get("volumeDevices"));
    let (device_names, device_paths) = (texts(devices, "name"), texts(devices, "devicePath"));
    let mut seen = HashSet::new();
    for mount in list.items() {
        if out.is_full() {
            return;
        }
        let (name, path) = (mount.get("name"), mount.get("mountPath"));
        out.extend(name.needed());
        if !pod.volumes.contains_key(name.text()) {
            out.push(name.not_found());
        }
        out.extend(path.needed());
        if !seen.insert(mount.text_of("mountPath")) {
            out.push(path.invalid("must be unique"));
        }
        if device_names.contains(name.text()) {
            out.push(name.invalid("must not already exist in volumeDevices"));
        }
        if device_paths.contains(path.text()) {
            out.push(path.invalid("must not already exist as a path in volumeDevices"));
        }
        mount_details(list, mount, container, out);
    }
}

/// What a field of the items of a list says.
fn texts<'a>(list: At<'a>, field: &str) -> HashSet<&'a str> {
    let items = list.value.as_array().into_iter().flatten();
    items.map(|item| crate::fields::text(item, &[field])).collect()
}

/// These name the list, not the mount, as their place.
fn mount_details(list: At<'_>, mount: At<'_>, container: At<'_>, out: &mut Causes) {
    let inner = |key: &str, out: &mut Causes| {
        let text = mount.get(key);
        let whys = if text.is_empty() { Vec::new() } else { inner_path(text.text()) };
        out.extend(whys.iter().map(|why| list.with(key, text.value).invalid(why)));
    };
    inner("subPath", out);
    if !mount.get("subPathExpr").is_empty() && !mount.get("subPath").is_empty() {
        out.push(mount.get("subPathExpr").invalid("subPathExpr and subPath are mutually exclusive"));
    }
    inner("subPathExpr", out);
    let spread = mount.get("mountPropagation");
    let place = list.with("mountPropagation", spread.value);
    out.extend(place.one_of(&["Bidirectional", "HostToContainer", "None"]));
    if spread.text() == "Bidirectional" && !container.get("securityContext").get("privileged").is_true() {
        out.push(
            place.forbidden("Bidirectional mount propagation is available only to privileged containers"),
        );
    }
    let read_only = mount.get("recursiveReadOnly");
    let place = list.with("recursiveReadOnly", read_only.value);
    match read_only.text() {
        "Enabled" | "IfPossible" => {
            if !mount.get("readOnly").is_true() {
                out.push(place.forbidden("may only be specified when readOnly is true"));
            }
            if !matches!(spread.text(), "" | "None") {
                out.push(
                    place.forbidden("may only be specified when mountPropagation is None or not specified"),
                );
            }
        }
        _ => out.extend(place.one_of(&["Disabled", "Enabled", "IfPossible"])),
    }
}

fn devices(container: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    let (list, mounts) = (container.get("volumeDevices"), container.get("volumeMounts"));
    let (mount_names, mount_paths) = (texts(mounts, "name"), texts(mounts, "mountPath"));
    let (mut names, mut paths) = (HashSet::new(), HashSet::new());
    for device in list.items() {
        if out.is_full() {
            return;
        }
        let (name, path) = (device.get("name"), device.get("devicePath"));
        out.extend(name.needed());
        if !names.insert(device.text_of("name")) {
            out.push(name.invalid("must be unique"));
        }
        match pod.volumes.get(name.text()) {
            None => out.push(name.not_found()),
            Some(volume) if volume["persistentVolumeClaim"].is_null() && volume["ephemeral"].is_null() => {
                let why =
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                out.push(name.invalid(why));
            }
            Some(_) => {}
        }
        out.extend(path.needed());
        if !paths.insert(device.text_of("devicePath")) {
            out.push(path.invalid("must be unique"));
        }
        if !no_steps_back(path.text()).is_empty() {
            out.push(path.invalid("can not contain backsteps ('..')"));
        }
        if mount_names.contains(name.text()) {
            out.push(name.invalid("must not already exist in volumeMounts"));
        }
        if mount_paths.contains(path.text()) {
            out.push(path.invalid("must not already exist as a path in volumeMounts"));
        }
    }
}

fn resize_policy(list: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    let mut seen = HashSet::new();
    for policy in list.items() {
        let (resource, restart) = (policy.get("resourceName"), policy.get("restartPolicy"));
        once(&mut seen, policy.text_of("resourceName"), policy.with_value(resource.value), out);
        for (field, words) in [(resource, ["cpu", "memory"]), (restart, ["NotRequired", "RestartContainer"])]
        {
            if field.is_empty() {
                out.push(list.required(""));
            } else if !words.contains(&field.text()) {
                out.push(Cause::not_supported(list.path(), field.value, &words));
            }
        }
        if pod.restart == "Never" && restart.text() != "NotRequired" {
            out.push(list.wrong(restart.text(), "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
        }
    }
}

const NO_SOURCE: &str =
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
const ENVIRONMENT: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const POD_FIELDS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const AMOUNTS: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SIZES: &str = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei";
