//! What is taken and yet odd about objects of built-in kinds: warnings.
//!
//! Follows: the warnings of kube-apiserver 1.36 for pods and their templates, Services, Jobs and Ingresses. Differs: of
//! addresses only whether they are written as they should be is told where that is plain.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::Value;

use super::admission;
use super::at::At;
use crate::fields;
use crate::grammar;
use crate::kinds::Resource;
use crate::quantity;

/// The warnings about an object, or about a change of it.
pub(super) fn warnings(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<String> {
    let root = At::root(new, "");
    let spec = root.get("spec");
    let template = spec.get("template");
    let is_new = old.is_none();
    let changes = old.is_none_or(|old| old["spec"] != new["spec"]);
    let mut out = Vec::new();
    out.extend(admission::warning(resource).filter(|_| is_new));
    match &*resource.key {
        "pods" if is_new => {
            name(new, "the Pod's hostname", &mut out);
            pod(root, &mut out);
        }
        "deployments.apps" | "replicasets.apps" | "replicationcontrollers" | "jobs.batch" if changes => {
            if is_new {
                name(new, "Pod names and hostnames", &mut out);
            }
            if &*resource.key == "jobs.batch" {
                out.extend(indexed(spec));
            }
            pod(template, &mut out);
        }
        "statefulsets.apps" if changes => stateful_set(spec, &mut out),
        "daemonsets.apps" if changes => pod(template, &mut out),
        "persistentvolumes" => volume(root, &mut out),
        "storageclasses.storage.k8s.io" => storage_class(root, &mut out),
        "csidrivers.storage.k8s.io" => out.extend(driver(new, old)),
        "runtimeclasses.node.k8s.io" => runtime_class(root, &mut out),
        "cronjobs.batch" => cron_job(new, spec, is_new, changes, &mut out),
        "podtemplates" => pod(root.get("template"), &mut out),
        "persistentvolumeclaims" => {
            let why = "deprecated since v1.8; use \"storageClassName\" attribute instead";
            out.extend(instead(root, "volume.beta.kubernetes.io/storage-class", why));
            claim(spec, &mut out);
        }
        "services" => service(new, spec, &mut out),
        "secrets" => out.extend(key_pair(new)),
        "ingresses.networking.k8s.io" if is_new => {
            let class = "kubernetes.io/ingress.class";
            if !annotation(root, class).is_null() && !spec.get("ingressClassName").is_set() {
                out.push(format!(
                    "annotation {class:?} is deprecated, please use 'spec.ingressClassName' instead"
                ));
            }
        }
        _ => {}
    }
    out
}

fn stateful_set(spec: At<'_>, out: &mut Vec<String>) {
    pod(spec.get("template"), out);
    for template in spec.get("volumeClaimTemplates").items() {
        claim(template.with_value(&template.value["spec"]), out);
    }
    let kept = spec.get("revisionHistoryLimit");
    if kept.number().is_some_and(|number| number < 0) {
        out.push(format!(
            "{}: a negative value retains all historical revisions; a value >= 0 is recommended",
            kept.path()
        ));
    }
}

fn storage_class(class: At<'_>, out: &mut Vec<String>) {
    for term in class.get("allowedTopologies").items() {
        for label in term.get("matchLabelExpressions").items() {
            let key = label.get("key");
            out.extend(deprecated(key.text()).map(|why| format!("{}: {why}", key.path())));
        }
    }
}

/// A driver that is newly given tokens, and does not say where they are put.
fn driver(new: &Value, old: Option<&Value>) -> Option<String> {
    const REQUESTS: &str = "tokenRequests";
    let spec = At::root(&new["spec"], "spec");
    let fresh = old.is_none_or(|old| old["spec"][REQUESTS] != new["spec"][REQUESTS]);
    let asks = !spec.get(REQUESTS).is_empty() && fresh;
    let why = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes";
    (asks && !spec.get("serviceAccountTokenInSecrets").is_set()).then(|| why.to_owned())
}

fn runtime_class(class: At<'_>, out: &mut Vec<String>) {
    let scheduling = class.get("scheduling");
    let selector = scheduling.get("nodeSelector");
    let mut found: Vec<&str> =
        selector.entries().iter().filter_map(|label| deprecated(label.name())).collect();
    found.sort_unstable();
    out.extend(found.iter().map(|why| format!("{}: {why}", selector.path())));
}

/// A Secret for TLS holds what is no certificate, or no key.
fn key_pair(secret: &Value) -> Option<String> {
    if secret["type"] != "kubernetes.io/tls" {
        return None;
    }
    let text = |key: &str| match secret["stringData"][key].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => STANDARD.decode(secret["data"][key].as_str().unwrap_or_default()).unwrap_or_default(),
    };
    let bare = |key: &str| {
        let bytes = zeroize::Zeroizing::new(text(key));
        !bytes.windows(BEGIN.len()).any(|part| part == BEGIN)
    };
    let input = [("tls.crt", "certificate"), ("tls.key", "key")].into_iter().find(|(key, _)| bare(key));
    match input {
        Some((_, input)) => Some(format!("tls: failed to find any PEM data in {input} input")),
        None if are_strangers(&text("tls.crt"), &zeroize::Zeroizing::new(text("tls.key"))) => {
            Some("tls: private key does not match public key".to_owned())
        }
        None => None,
    }
}

/// Whether a certificate and a key can both be read and do not belong together.
fn are_strangers(certificate: &[u8], key: &[u8]) -> bool {
    let certificate = CertificateDer::from_pem_slice(certificate);
    let key = PrivateKeyDer::from_pem_slice(key);
    let (Ok(certificate), Ok(key)) = (certificate, key) else { return false };
    let Ok(key) = any_supported_type(&key) else { return false };
    let pair = CertifiedKey::new(vec![certificate], key).keys_match();
    matches!(pair, Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)))
}

/// How what is armoured begins.
const BEGIN: &[u8] = b"-----BEGIN ";

/// Pods are named after it.
fn name(object: &Value, used: &str, out: &mut Vec<String>) {
    let name = fields::name(object);
    let whys = grammar::label(name);
    if !name.is_empty() && !whys.is_empty() {
        out.push(format!(
            "metadata.name: this is used in {used}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            whys.join(" ")
        ));
    }
}

fn cron_job(new: &Value, spec: At<'_>, is_new: bool, changes: bool, out: &mut Vec<String>) {
    if is_new {
        name(new, "Pod names and hostnames", out);
    }
    let template = spec.get("jobTemplate");
    let job = template.get("spec");
    if changes {
        out.extend(indexed(job));
        pod(job.get("template"), out);
    }
    if !is_new && spec.get("schedule").text().contains("TZ") {
        out.push("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details".to_owned());
    }
}

/// A Job of so many indexes that those that failed cannot all be told.
fn indexed(job: At<'_>) -> Option<String> {
    let number = |key: &str| job.get(key).number().unwrap_or(0);
    let many = number("completions") > 100_000 && number("parallelism") > 10_000;
    let why = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail";
    (many && job.get("completionMode").text() == "Indexed").then(|| format!("{}: {why}", job.path()))
}

/// A pod, or the template of one.
fn pod(at: At<'_>, out: &mut Vec<String>) {
    let spec = at.get("spec");
    places(spec, out);
    out.extend(ANNOTATIONS.iter().filter_map(|(key, why)| instead(at, key, why)));
    if !spec.get("securityContext").get("seccompProfile").is_set() {
        out.extend(instead(at, SECCOMP_POD, SECCOMP_WHY));
    }
    let volumes = spec.get("volumes");
    for volume in volumes.items() {
        out.extend(old_drivers(volume, &[]));
    }
    repeated(spec.get("hostAliases"), "ip", out);
    repeated(spec.get("imagePullSecrets"), "name", out);
    for secret in spec.get("imagePullSecrets").items().filter(|secret| secret.text_of("name").is_empty()) {
        out.push(format!("{}: invalid empty name \"\"", secret.get("name").path()));
    }
    fractions(spec.get("overhead"), out);
    let mut ports = HashMap::new();
    let mut late = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec.get(list).items() {
            let resources = container.get("resources");
            fractions(resources.get("limits"), out);
            fractions(resources.get("requests"), out);
            variables(container.get("env"), out);
            let (context, name) = (container.get("securityContext"), container.text_of("name"));
            for (field, prefix, why) in PROFILES {
                if !context.get(field).is_set() {
                    out.extend(instead(at, &format!("{prefix}{name}"), why));
                }
            }
            let stated = container.get("ports");
            stated.items().for_each(|port| overlaps(port, &mut ports, &mut late));
        }
    }
    out.append(&mut late);
    let grace = spec.get("terminationGracePeriodSeconds");
    if grace.number().is_some_and(|seconds| seconds < 0) {
        out.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            grace.path()
        ));
    }
    affinities(spec.get("affinity"), out);
}

/// An annotation for which there is a field.
fn instead(at: At<'_>, key: &str, why: &str) -> Option<String> {
    (!annotation(at, key).is_null()).then(|| format!("{}: {why}", annotation_path(at, key)))
}

/// A volume of the cluster.
fn volume(root: At<'_>, out: &mut Vec<String>) {
    let spec = root.get("spec");
    let why = "deprecated since v1.8; use \"storageClassName\" attribute instead";
    out.extend(instead(root, "volume.beta.kubernetes.io/storage-class", why));
    let why = "deprecated since v1.31; use \"mountOptions\" attribute instead";
    out.extend(instead(root, "volume.beta.kubernetes.io/mount-options", why));
    if spec.get("persistentVolumeReclaimPolicy").text() == "Recycle" {
        out.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".to_owned());
    }
    let affinity = spec.get("nodeAffinity");
    let required = affinity.get("required");
    required.get("nodeSelectorTerms").items().for_each(|term| expressions(term, out));
    out.extend(old_drivers(spec, &IN_PODS_ALONE));
}

/// What is said of kinds of volumes that nobody drives any more.
fn old_drivers(volume: At<'_>, unsaid: &[&str]) -> Vec<String> {
    let found = VOLUMES.iter().filter(|(kind, _)| volume.get(kind).is_set() && !unsaid.contains(kind));
    found.map(|(kind, why)| format!("{}: {why}", volume.get(word(kind)).path())).collect()
}

/// The reference writes one kind of volume otherwise than it is written.
fn word(kind: &'static str) -> &'static str {
    if kind == "storageos" { "storageOS" } else { kind }
}

/// Where a pod may run: labels of nodes that are no longer used, and selectors of nothing.
fn places(spec: At<'_>, out: &mut Vec<String>) {
    for label in spec.get("nodeSelector").entries() {
        out.extend(deprecated(label.name()).map(|why| format!("{}: {why}", label.path())));
    }
    let affinity = spec.get("affinity");
    let nodes = affinity.get("nodeAffinity");
    let required = nodes.get(REQUIRED);
    required.get("nodeSelectorTerms").items().for_each(|term| expressions(term, out));
    nodes.get(PREFERRED).items().for_each(|term| expressions(term.get("preference"), out));
    for spread in spec.get("topologySpreadConstraints").items() {
        let key = spread.get("topologyKey");
        out.extend(deprecated(key.text()).map(|why| format!("{}: {} is {why}", key.path(), key.text())));
        out.extend(selects_nothing(spread));
    }
}

fn expressions(term: At<'_>, out: &mut Vec<String>) {
    for expression in term.get("matchExpressions").items() {
        let key = expression.get("key");
        out.extend(deprecated(key.text()).map(|why| format!("{}: {} is {why}", key.path(), key.text())));
    }
}

fn affinities(affinity: At<'_>, out: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.get(kind);
        out.extend(pods.get(REQUIRED).items().filter_map(selects_nothing));
        out.extend(
            pods.get(PREFERRED).items().filter_map(|term| selects_nothing(term.get("podAffinityTerm"))),
        );
    }
}

fn selects_nothing(term: At<'_>) -> Option<String> {
    let selector = term.get("labelSelector");
    let why = "a null labelSelector results in matching no pod";
    (!selector.is_set()).then(|| format!("{}: {why}", selector.path()))
}

/// Items of a list that have the same text in a field.
fn repeated(list: At<'_>, field: &str, out: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for item in list.items() {
        let text = item.text_of(field);
        if !seen.insert(text.to_owned()) {
            out.push(format!("{}: duplicate {field} {text:?}", item.get(field).path()));
        }
    }
}

/// A claim of storage.
fn claim(spec: At<'_>, out: &mut Vec<String>) {
    let resources = spec.get("resources");
    fractions(resources.get("limits"), out);
    fractions(resources.get("requests"), out);
}

/// Parts of a byte.
fn fractions(amounts: At<'_>, out: &mut Vec<String>) {
    for key in ["memory", "ephemeral-storage", "storage"] {
        let amount = amounts.key(key);
        let nanos = quantity::nanos(amount.text()).unwrap_or(0);
        if nanos % 1_000_000_000 != 0 {
            let shown = amount.text();
            out.push(format!(
                "{}: fractional byte value {shown:?} is invalid, must be an integer",
                amount.path()
            ));
        }
    }
}

/// Variables that take the place of others.
fn variables(list: At<'_>, out: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for variable in list.items() {
        let (name, value) = (variable.text_of("name"), variable.text_of("value"));
        let before = format!("$({name})");
        let keeps = value != before && value.contains(&before) && !variable.get("valueFrom").is_set();
        if !seen.insert(name.to_owned()) && !keeps {
            let place = variable.path();
            out.push(format!(
                "{place}: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

/// A port of a host: its address, its number, and where it stands.
type Bound = (String, i64, String);

/// Ports that several containers have.
fn overlaps(port: At<'_>, all: &mut HashMap<(i64, String), Vec<Bound>>, out: &mut Vec<String>) {
    if out.len() >= MOST_PORTS {
        return;
    }
    let number = |key: &str| port.get(key).number().unwrap_or(0);
    let protocol = Some(port.text_of("protocol")).filter(|text| !text.is_empty()).unwrap_or("TCP");
    let (address, host, place) = (port.text_of("hostIP"), number("hostPort"), port.path());
    if !address.is_empty() && host == 0 {
        out.push(format!(
            "{place}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{} Protocol:{protocol} HostIP:{address}}}",
            port.text_of("name"),
            number("containerPort")
        ));
    }
    let others = all.entry((number("containerPort"), protocol.to_owned())).or_default();
    for (other_address, other_host, other_place) in others.iter().take(MOST_OTHERS) {
        let word = if address == other_address && host == *other_host {
            "duplicate"
        } else if host == 0 || *other_host == 0 {
            "overlapping"
        } else if host == *other_host && address.is_empty() != other_address.is_empty() {
            "dangerously ambiguous"
        } else {
            continue;
        };
        out.push(format!("{place}: {word} port definition with {other_place}"));
    }
    others.push((address.to_owned(), host, place));
}

fn service(object: &Value, spec: At<'_>, out: &mut Vec<String>) {
    let hints = "service.kubernetes.io/topology-aware-hints";
    if !annotation(At::root(object, ""), hints).is_null() {
        out.push(format!(
            "annotation {hints} is deprecated, please use service.kubernetes.io/topology-mode instead"
        ));
    }
    let kind = Some(spec.text_of("type")).filter(|kind| !kind.is_empty()).unwrap_or("ClusterIP");
    let headless = kind == "ClusterIP" && spec.text_of("clusterIP") == "None";
    let external = spec.get("externalIPs");
    if headless {
        let affinity = spec.text_of("sessionAffinity");
        for (is_set, field) in [
            (!spec.text_of("loadBalancerIP").is_empty(), "loadBalancerIP"),
            (!external.is_empty(), "externalIPs"),
            (!["", "None"].contains(&affinity), "SessionAffinity"),
        ] {
            out.extend(is_set.then(|| format!("spec.{field} is ignored for headless services")));
        }
    }
    external.items().for_each(|address| out.extend(written(address)));
    if !external.is_empty() && !headless && kind != "ExternalName" {
        out.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned(),
        );
    }
    out.extend(written(spec.get("loadBalancerIP")));
    if kind == "ExternalName" && !external.is_empty() {
        out.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if kind != "ExternalName" && !spec.text_of("externalName").is_empty() {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec.text_of("trafficDistribution") == "PreferClose" {
        let why = "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"";
        out.push(why.to_owned());
    }
}

/// An address of version 6 that has a shorter form.
fn written(at: At<'_>) -> Option<String> {
    let parsed: std::net::Ipv6Addr = at.text().parse().ok()?;
    let (shown, place) = (at.text(), at.path());
    match parsed.to_ipv4_mapped() {
        Some(mapped) => Some(format!(
            "{place}: non-standard IP address {shown:?} is invalid: use {:?}",
            mapped.to_string()
        )),
        None if parsed.to_string() != shown => Some(format!(
            "{place}: IPv6 address {shown:?} should be in RFC 5952 canonical format ({:?})",
            parsed.to_string()
        )),
        None => None,
    }
}

fn annotation<'a>(at: At<'a>, key: &str) -> &'a Value {
    &at.value["metadata"]["annotations"][key]
}

fn annotation_path(at: At<'_>, key: &str) -> String {
    let metadata = at.get("metadata");
    let annotations = metadata.get("annotations");
    annotations.key(key).path()
}

fn deprecated(label: &str) -> Option<&'static str> {
    LABELS.iter().find(|(name, _)| *name == label).map(|(_, why)| *why)
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
/// Ports that one port is compared with.
const MOST_OTHERS: usize = 100;
/// Warnings about ports: far more than an answer tells.
const MOST_PORTS: usize = 1000;
const LABELS: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];
const ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_WHY: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
/// Fields of containers, beginnings of the annotations that were before them, and what is said of those.
const PROFILES: [(&str, &str, &str); 2] = [
    (
        "appArmorProfile",
        "container.apparmor.security.beta.kubernetes.io/",
        "deprecated since v1.30; use the \"appArmorProfile\" field instead",
    ),
    ("seccompProfile", "container.seccomp.security.alpha.kubernetes.io/", SECCOMP_WHY),
];
/// Kinds that the reference says nothing of in volumes of the cluster.
const IN_PODS_ALONE: [&str; 2] = ["flocker", "quobyte"];
const VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];
