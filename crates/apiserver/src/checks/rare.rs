//! Rarer kinds: storage drivers, flow control, API services, certificate requests.

use serde_json::{Value, json};

use super::at::At;
use super::grammar::{LABEL_1035, cidr, is_label_1035, label, qualified, segment, subdomain};
use super::{resources, selector, storage, webhook, workload};
use crate::causes::Causes;
use crate::fields;
use crate::kinds::Resource;
use crate::status_error::Cause;

/// An object of one of these kinds.
pub(super) fn check(resource: &Resource, object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    match &*resource.key {
        "csidrivers.storage.k8s.io" => csi_driver(spec, out),
        "csinodes.storage.k8s.io" => csi_node(spec, out),
        "csistoragecapacities.storage.k8s.io" => {
            selector::selector(root.get("nodeTopology"), out);
            let class = root.get("storageClassName");
            out.extend(class.each(subdomain(class.text())));
            resources::amount(root.get("capacity"), out);
        }
        "volumeattachments.storage.k8s.io" => attachment(spec, out),
        "volumeattributesclasses.storage.k8s.io" => attributes(root, out),
        "flowschemas.flowcontrol.apiserver.k8s.io" => flow_schema(fields::name(object), spec, out),
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => level(fields::name(object), spec, out),
        "apiservices.apiregistration.k8s.io" => api_service(object, spec, out),
        "ipaddresses.networking.k8s.io" => parent(spec.get("parentRef"), out),
        "servicecidrs.networking.k8s.io" => ranges(spec.get("cidrs"), out),
        "certificatesigningrequests.certificates.k8s.io" => certificate_request(root, out),
        _ => {}
    }
}

/// What may not change in them.
pub(super) fn changed(resource: &Resource, new: &Value, old: &Value, out: &mut Causes) {
    let (root, before) = (At::root(new, ""), At::root(old, ""));
    let (spec, old_spec) = (root.get("spec"), before.get("spec"));
    match &*resource.key {
        "csidrivers.storage.k8s.io" => {
            for (field, told) in
                [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
            {
                if spec.get(field).value != old_spec.get(field).value {
                    out.push(spec.with(told, spec.get(field).value).invalid(IMMUTABLE));
                }
            }
        }
        "csistoragecapacities.storage.k8s.io" => {
            workload::fixed(new, old, "", &["nodeTopology", "storageClassName"], out);
        }
        "volumeattachments.storage.k8s.io" => workload::fixed(new, old, "", &["spec"], out),
        "volumeattributesclasses.storage.k8s.io" => {
            for field in ["driverName", "parameters"] {
                if new[field] != old[field] {
                    out.push(root.get(field).forbidden(&format!("updates to {field} are forbidden.")));
                }
            }
        }
        "ipaddresses.networking.k8s.io" => {
            workload::fixed(&new["spec"], &old["spec"], "spec", &["parentRef"], out)
        }
        "servicecidrs.networking.k8s.io" => ranges_changed(spec.get("cidrs"), old_spec.get("cidrs"), out),
        _ => {}
    }
}

fn csi_driver(spec: At<'_>, out: &mut Causes) {
    for (field, told) in [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ] {
        if !spec.get(field).is_set() {
            out.push(spec.get(told).required(""));
        }
    }
    out.extend(spec.get("fsGroupPolicy").one_of(&["File", "None", "ReadWriteOnceWithFSType"]));
    let tokens = spec.get("tokenRequests");
    let mut audiences = Vec::new();
    for token in tokens.items() {
        let (audience, expiry) = (token.text_of("audience"), token.get("expirationSeconds"));
        if audiences.contains(&audience) {
            out.push(token.with("audience", &json!(audience)).duplicate());
            continue;
        }
        audiences.push(audience);
        match expiry.number() {
            Some(seconds) if seconds < 600 => {
                out.push(expiry.invalid("may not specify a duration less than 10 minutes"));
            }
            Some(seconds) if seconds > 1 << 32 => {
                out.push(expiry.invalid("may not specify a duration larger than 2^32 seconds"));
            }
            _ => {}
        }
    }
    let modes = spec.get("volumeLifecycleModes");
    for mode in modes.items().filter(|mode| !["Persistent", "Ephemeral"].contains(&mode.text())) {
        out.push(modes.with_value(mode.value).not_supported(&["Persistent", "Ephemeral"]));
    }
    let period = spec.get("nodeAllocatableUpdatePeriodSeconds");
    if period.number().is_some_and(|seconds| seconds < 10) {
        out.push(period.invalid("must be greater than or equal to 10 seconds"));
    }
    let secrets = spec.get("serviceAccountTokenInSecrets");
    if secrets.is_set() && tokens.is_empty() {
        let why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        out.push(secrets.invalid(why));
    }
}

fn csi_node(spec: At<'_>, out: &mut Causes) {
    let mut names = Vec::new();
    for driver in spec.get("drivers").items() {
        let (name, id) = (driver.get("name"), driver.get("nodeID"));
        storage::driver(name, out);
        out.extend(id.needed());
        if id.text().len() > MOST_NODE_ID {
            out.push(id.invalid(&format!("must be {MOST_NODE_ID} characters or less")));
        }
        out.extend(driver.get("allocatable").get("count").not_negative());
        if names.contains(&driver.text_of("name")) {
            out.push(name.duplicate());
        }
        names.push(driver.text_of("name"));
        let mut keys = Vec::new();
        for key in driver.get("topologyKeys").items() {
            let (text, place) = (key.text(), driver.with_value(key.value));
            if text.is_empty() {
                out.push(place.required(""));
            }
            if keys.contains(&key.value) {
                out.push(place.duplicate());
            }
            keys.push(key.value);
            out.extend(qualified(text).iter().map(|why| place.invalid(why)));
        }
    }
}

fn attachment(spec: At<'_>, out: &mut Causes) {
    const ONE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    storage::driver(spec.get("attacher"), out);
    let source = spec.get("source");
    let (inline, name) = (source.get("inlineVolumeSpec"), source.get("persistentVolumeName"));
    match (inline.is_set(), name.is_set()) {
        (false, false) => out.push(source.required(ONE)),
        (true, true) => out.push(source.forbidden(ONE)),
        (false, true) if name.is_empty() => {
            out.push(name.required("must specify non empty persistentVolumeName"));
        }
        _ => {}
    }
    let node = spec.get("nodeName");
    out.extend(node.each(subdomain(node.text())));
    if name.is_set() {
        out.extend(name.each(subdomain(name.text())));
    }
}

fn attributes(root: At<'_>, out: &mut Causes) {
    let (driver, parameters) = (root.get("driverName"), root.get("parameters"));
    storage::provisioner(driver, out);
    storage::parameters(parameters, out);
    if parameters.is_empty() {
        out.push(parameters.required("must contain at least one key/value pair"));
    }
}

fn flow_schema(name: &str, spec: At<'_>, out: &mut Causes) {
    let precedence = spec.get("matchingPrecedence");
    match precedence.number().unwrap_or(0) {
        ..=0 => out.push(precedence.invalid("must be a positive value")),
        1 if name != "exempt" => {
            out.push(precedence.invalid("only the schema named 'exempt' may have matchingPrecedence 1"));
        }
        10_001.. => out.push(precedence.invalid("must not be greater than 10000")),
        _ => {}
    }
    let method = spec.get("distinguisherMethod");
    if method.is_set() && !["ByNamespace", "ByUser"].contains(&method.text_of("type")) {
        let shown = json!({"Type": method.text_of("type")});
        out.push(method.with("type", &shown).not_supported(&["ByNamespace", "ByUser"]));
    }
    let level = spec.get("priorityLevelConfiguration");
    let level_name = level.get("name");
    match level_name.is_empty() {
        true => out.push(level_name.required("must reference a priority level")),
        false => out.extend(level_name.each(subdomain(level_name.text()))),
    }
    for rule in spec.get("rules").items() {
        let (subjects, of_resources, others) =
            (rule.get("subjects"), rule.get("resourceRules"), rule.get("nonResourceRules"));
        if subjects.is_empty() {
            out.push(subjects.required("subjects must contain at least one value"));
        }
        subjects.items().for_each(|one| subject(one, out));
        if of_resources.is_empty() && others.is_empty() {
            out.push(rule.required("at least one of resourceRules and nonResourceRules has to be non-empty"));
        }
        of_resources.items().for_each(|one| resource_rule(one, out));
        others.items().for_each(|one| path_rule(one, out));
    }
}

fn subject(at: At<'_>, out: &mut Causes) {
    const KINDS: [(&str, &str); 3] =
        [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let kind = at.get("kind");
    let Some((name, own)) = KINDS.into_iter().find(|(name, _)| *name == kind.text()) else {
        return out.push(kind.not_supported(&["Group", "ServiceAccount", "User"]));
    };
    let place = at.get(own);
    if !place.is_set() {
        out.push(place.required(&format!("{own} is required when subject kind is '{name}'")));
    } else {
        let (subject_name, namespace) = (place.get("name"), place.get("namespace"));
        out.extend(subject_name.needed());
        if name == "ServiceAccount" {
            if subject_name.text() != "*" {
                selector::name_in(subject_name, out);
            }
            match namespace.is_empty() {
                true => out.push(namespace.required("must specify namespace for service account")),
                false => selector::label_in(namespace, out),
            }
        }
    }
    for (other, field) in KINDS.into_iter().filter(|(other, _)| *other != name) {
        if at.get(field).is_set() {
            out.push(
                at.get(field).forbidden(&format!("{field} is forbidden when subject kind is not '{other}'")),
            );
        }
    }
}

fn verbs(at: At<'_>, out: &mut Causes) {
    if at.is_empty() {
        out.push(at.required("verbs must contain at least one value"));
    } else if at.items().any(|verb| verb.text() == "*") {
        alone(at, "verbs", out);
    } else if at.items().any(|verb| !VERBS.contains(&verb.text())) {
        out.push(at.not_supported(&VERBS));
    }
}

/// A list in which `*` is the only one.
pub(super) fn alone(at: At<'_>, what: &str, out: &mut Causes) {
    if at.items().count() > 1 && at.items().any(|item| item.text() == "*") {
        out.push(at.invalid(&format!("if '*' is present, must not specify other {what}")));
    }
}

fn resource_rule(rule: At<'_>, out: &mut Causes) {
    verbs(rule.get("verbs"), out);
    for (field, what, one) in
        [("apiGroups", "api groups", "api group"), ("resources", "resources", "resource")]
    {
        let list = rule.get(field);
        if list.is_empty() {
            out.push(list.required(&format!("resource rules must supply at least one {one}")));
        }
        alone(list, what, out);
    }
    let namespaces = rule.get("namespaces");
    if namespaces.is_empty() && !rule.get("clusterScope").is_true() {
        let why = "resource rules that are not cluster scoped must supply at least one namespace";
        out.push(namespaces.required(why));
    } else if namespaces.items().any(|namespace| namespace.text() == "*") {
        alone(namespaces, "namespaces", out);
    } else {
        for namespace in namespaces.items() {
            let whys = label(namespace.text());
            let intro = "each member of this list must be '*' or a DNS-1123 label; ";
            out.extend(whys.iter().map(|why| namespace.invalid(&format!("{intro}{why}"))));
        }
    }
}

fn path_rule(rule: At<'_>, out: &mut Causes) {
    verbs(rule.get("verbs"), out);
    let paths = rule.get("nonResourceURLs");
    if paths.is_empty() {
        out.push(paths.required("nonResourceURLs must contain at least one value"));
    } else if paths.items().any(|path| path.text() == "*") {
        alone(paths, "non-resource URLs", out);
    } else {
        for path in paths.items() {
            out.extend(path_fault(path.text()).map(|why| path.invalid(why)));
        }
    }
}

fn path_fault(path: &str) -> Option<&'static str> {
    let stars = path.matches('*').count();
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !path.starts_with('/') => Some("must start with slash"),
        _ if path.contains(' ') => Some("must not contain white-space"),
        _ if path.contains("//") => Some("must not contain double slash"),
        _ if stars > 1 || stars == 1 && !path.ends_with("/*") => Some("wildcard can only do suffix matching"),
        _ => None,
    }
}

fn level(name: &str, spec: At<'_>, out: &mut Causes) {
    let (kind, exempt, limited) = (spec.get("type"), spec.get("exempt"), spec.get("limited"));
    if (name == "exempt") != (kind.text() == "Exempt") {
        out.push(kind.wrong(kind.text(), "must be 'Exempt' if and only if `name` is 'exempt'"));
    }
    match kind.text() {
        "Exempt" => {
            if limited.is_set() {
                out.push(limited.forbidden("must be nil if the type is not Limited"));
            }
            shares(exempt, out);
        }
        "Limited" => {
            if exempt.is_set() {
                out.push(exempt.forbidden("must be nil if the type is Limited"));
            }
            match limited.is_set() {
                true => limits(limited, out),
                false => out.push(limited.required("must not be empty when type is Limited")),
            }
        }
        "" => out.push(kind.required("")),
        _ => out.push(kind.not_supported(&["Exempt", "Limited"])),
    }
}

fn shares(at: At<'_>, out: &mut Causes) {
    let shares = at.get("nominalConcurrencyShares");
    if shares.number().is_some_and(|number| number < 0) {
        out.push(shares.invalid("must be a non-negative integer"));
    }
}

fn limits(at: At<'_>, out: &mut Causes) {
    shares(at, out);
    let response = at.get("limitResponse");
    let (kind, queuing) = (response.get("type"), response.get("queuing"));
    match kind.text() {
        "Reject" if queuing.is_set() => {
            out.push(queuing.forbidden("must be nil if limited.limitResponse.type is not Limited"));
        }
        "Queue" if !queuing.is_set() => {
            out.push(queuing.required("must not be empty if limited.limitResponse.type is Limited"));
        }
        "Queue" => queues(queuing, out),
        "Reject" => {}
        "" => out.push(kind.required("")),
        _ => out.push(kind.not_supported(&["Queue", "Reject"])),
    }
    out.extend(at.get("lendablePercent").between(0, 100));
    let borrowing = at.get("borrowingLimitPercent");
    if borrowing.number().is_some_and(|number| number < 0) {
        out.push(borrowing.invalid("if specified, must be a non-negative integer"));
    }
}

fn queues(at: At<'_>, out: &mut Causes) {
    let [length, queues, hand] =
        ["queueLengthLimit", "queues", "handSize"].map(|field| at.value[field].as_i64().unwrap_or(0));
    if length <= 0 {
        out.push(at.get("queueLengthLimit").wrong(length, "must be positive"));
    }
    let place = at.get("queues");
    if queues <= 0 {
        out.push(place.wrong(queues, "must be positive"));
    } else if queues > MOST_QUEUES {
        out.push(place.wrong(queues, &format!("must not be greater than {MOST_QUEUES}")));
    }
    let place = at.get("handSize");
    if hand <= 0 {
        out.push(place.wrong(hand, "must be positive"));
    } else if hand > queues {
        out.push(place.wrong(hand, &format!("should not be greater than queues ({queues})")));
    } else if entropy(queues, hand) > MOST_BITS {
        out.push(place.wrong(hand, &format!("required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MOST_BITS}")));
    }
}

/// Bits that it takes to deal a hand of queues.
fn entropy(queues: i64, hand: i64) -> i64 {
    ((queues as f64).log2() * hand as f64).ceil() as i64
}

fn api_service(object: &Value, spec: At<'_>, out: &mut Causes) {
    let (group, version) = (spec.get("group"), spec.get("version"));
    let wanted = format!("{}.{}", version.text(), group.text());
    let name = fields::name(object);
    if !name.is_empty() && segment(name).is_empty() && name != wanted {
        let why = format!("must be `spec.version+\".\"+spec.group`: \"{wanted}\"");
        out.push(Cause::invalid("metadata.name", &json!(name), &why));
    }
    if group.is_empty() && version.text() != "v1" {
        out.push(group.required("only v1 may have an empty group and it better be legacy kube"));
    }
    selector::name_in(group, out);
    if !is_label_1035(version.text()) {
        out.push(version.wrong(version.text(), LABEL_1035));
    }
    for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let priority = spec.get(field);
        let number = priority.number().unwrap_or(0);
        if !(1..=most).contains(&number) {
            out.push(priority.wrong(number, &format!("must be positive and less than {most}")));
        }
    }
    let (service, authority, insecure) =
        (spec.get("service"), spec.get("caBundle"), spec.get("insecureSkipTLSVerify"));
    if !service.is_set() {
        if !authority.is_empty() {
            let shown = format!("{} bytes", authority.text().trim_end_matches('=').len() * 3 / 4);
            out.push(authority.wrong(shown, "local APIServices may not have a caBundle"));
        }
        if insecure.is_true() {
            out.push(insecure.invalid("local APIServices may not have insecureSkipTLSVerify"));
        }
        return;
    }
    out.extend(service.get("namespace").needed());
    out.extend(service.get("name").needed());
    webhook::port(service.get("port"), out);
    if insecure.is_true() && !authority.is_empty() {
        out.push(insecure.invalid("may not be true if caBundle is present"));
    }
}

/// What an address belongs to.
fn parent(at: At<'_>, out: &mut Causes) {
    if !at.is_set() {
        return out.push(at.required(""));
    }
    selector::name_in(at.get("group"), out);
    for field in ["resource", "name"] {
        let field = at.get(field);
        match field.needed() {
            Some(cause) => out.push(cause),
            None => out.extend(field.each(segment(field.text()))),
        }
    }
    let namespace = at.get("namespace");
    out.extend(namespace.each(segment(namespace.text())));
}

fn ranges(at: At<'_>, out: &mut Causes) {
    let count = at.items().count();
    if count == 0 {
        return out.push(at.required("at least one CIDR required"));
    }
    if count > 2 {
        let shown = json!({"CIDRs": at.value});
        return out.push(at.with_value(&shown).invalid("may only hold up to 2 values"));
    }
    at.items().for_each(|one| out.extend(one.each(cidr(one.text()))));
    let family = |one: &At<'_>| cidr(one.text()).is_empty().then(|| one.text().contains(':'));
    let families: Vec<Option<bool>> = at.items().map(|one| family(&one)).collect();
    if let [Some(first), Some(second)] = families[..]
        && first == second
    {
        out.push(at.invalid(
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        ));
    }
}

fn ranges_changed(new: At<'_>, old: At<'_>, out: &mut Causes) {
    let before: Vec<&str> = old.items().map(|one| one.value.as_str().unwrap_or_default()).collect();
    let count = new.items().count();
    if count != before.len() && (before.len(), count) != (1, 2) {
        return out.push(new.invalid(IMMUTABLE));
    }
    for (one, before) in new.items().zip(before) {
        if one.text() != before {
            out.push(one.invalid(IMMUTABLE));
        }
    }
}

fn certificate_request(root: At<'_>, out: &mut Causes) {
    let spec = root.get("spec");
    let (usages, signer) = (spec.get("usages"), spec.get("signerName"));
    let request = spec.get("request");
    if let Some(why) = request_fault(request.text()) {
        out.push(request.invalid(why));
    }
    out.extend(usages.needed());
    let mut seen = Vec::new();
    for usage in usages.items() {
        out.extend(usage.one_of(&USAGES));
        if seen.contains(&usage.value) {
            out.push(usage.duplicate());
        }
        seen.push(usage.value);
    }
    if signer.text() == "kubernetes.io/legacy-unknown" {
        out.push(signer.invalid("the legacy signerName is not allowed via this API version"));
    } else {
        signer_name(signer, out);
    }
    let expiry = spec.get("expirationSeconds");
    if expiry.number().is_some_and(|seconds| seconds < 600) {
        out.push(expiry.invalid("may not specify a duration less than 600 seconds (10 minutes)"));
    }
    conditions(root.get("status").get("conditions"), out);
}

/// The request is one block of text that holds a request.
fn request_fault(encoded: &str) -> Option<&'static str> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let kind = text.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----"));
    match kind {
        Some(("CERTIFICATE REQUEST", _)) => None,
        _ => Some("PEM block type must be CERTIFICATE REQUEST"),
    }
}

/// A domain and a path below it: `example.com/signer`.
fn signer_name(at: At<'_>, out: &mut Causes) {
    let text = at.text();
    if text.is_empty() {
        return out.push(at.required(""));
    }
    let (domain, path) = match text.split('/').collect::<Vec<_>>()[..] {
        [domain, path] => (domain, path),
        _ => {
            return out.push(
                at.invalid("must be a fully qualified domain and path of the form 'example.com/signer-name'"),
            );
        }
    };
    if let Some((part, whys)) = first_fault(domain, label) {
        out.extend(whys.iter().map(|why| at.wrong(domain, &format!("validating label {part:?}: {why}"))));
    }
    if !domain.contains('.') {
        out.push(at.wrong(domain, "should be a domain with at least two segments separated by dots"));
    }
    if let Some((part, whys)) = first_fault(path, subdomain) {
        out.extend(whys.iter().map(|why| at.wrong(path, &format!("validating label {part:?}: {why}"))));
    }
}

/// The first part of a name that does not follow a grammar.
fn first_fault(name: &str, grammar: fn(&str) -> Vec<String>) -> Option<(&str, Vec<String>)> {
    name.split('.').map(|part| (part, grammar(part))).find(|(_, whys)| !whys.is_empty())
}

fn conditions(at: At<'_>, out: &mut Causes) {
    let mut seen = Vec::new();
    for condition in at.items() {
        let (kind, status) = (condition.get("type"), condition.get("status"));
        out.extend(kind.needed());
        let is_verdict = ["Approved", "Denied", "Failed"].contains(&kind.text());
        let allowed: &[&str] = if is_verdict { &["True"] } else { &["False", "True", "Unknown"] };
        out.extend(status.must_be(allowed));
        let name = condition.text_of("type");
        if [("Approved", "Denied"), ("Denied", "Approved")]
            .iter()
            .any(|(own, other)| name == *own && seen.contains(other))
        {
            out.push(at.wrong(name, "Approved and Denied conditions are mutually exclusive"));
        }
        if seen.contains(&name) {
            out.push(kind.duplicate());
        }
        seen.push(name);
    }
}

const IMMUTABLE: &str = "field is immutable";
const MOST_NODE_ID: usize = 256;
const MOST_QUEUES: i64 = 10_000_000;
const MOST_BITS: i64 = 60;
/// Verbs of requests, sorted.
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
/// What a certificate may be used for, sorted.
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
