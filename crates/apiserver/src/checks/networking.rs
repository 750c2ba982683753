//! Ingresses and NetworkPolicies.

use serde_json::Value;

use super::at::{At, same};
use super::selector;
use crate::causes::{Cause, Causes};
use crate::grammar::{address, cidr, label, port_name, subdomain, wildcard};

/// An Ingress.
pub(super) fn ingress(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let (rules, default) = (spec.get("rules"), spec.get("defaultBackend"));
    if rules.is_empty() && !default.is_set() {
        let why = "either `defaultBackend` or `rules` must be specified";
        out.push(spec.wrong(rules.value.clone(), why));
    }
    if default.is_set() {
        backend(default, out);
    }
    for rule in rules.items() {
        host(rule.get("host"), out);
        let http = rule.get("http");
        if !http.is_set() {
            continue;
        }
        out.extend(http.get("paths").needed());
        http.get("paths").items().for_each(|path| self::path(path, out));
    }
    for tls in spec.get("tls").items() {
        for name in tls.get("hosts").items() {
            let grammar = if name.text().contains('*') { wildcard } else { subdomain };
            out.extend(name.each(grammar(name.text())));
        }
        selector::name_in(tls.get("secretName"), out);
    }
    let class = spec.get("ingressClassName");
    if class.is_set() {
        out.extend(class.each(subdomain(class.text())));
    }
}

/// What only a new Ingress is checked for.
pub(super) fn new_ingress(object: &Value, out: &mut Causes) {
    let note = &object["metadata"]["annotations"]["kubernetes.io/ingress.class"];
    let class = &object["spec"]["ingressClassName"];
    if note.is_string() && class.is_string() && note != class {
        let why = "must match `ingressClassName` when both are specified";
        out.push(Cause::invalid("annotations.kubernetes.io/ingress.class", note, why));
    }
}

fn host(host: At<'_>, out: &mut Causes) {
    if host.is_empty() {
        return;
    }
    if address(host.text()).is_some() {
        out.push(host.invalid("must be a DNS name, not an IP address"));
    }
    let grammar = if host.text().contains('*') { wildcard } else { subdomain };
    out.extend(host.each(grammar(host.text())));
}

fn path(at: At<'_>, out: &mut Causes) {
    let (kind, path) = (at.get("pathType"), at.get("path"));
    if !kind.is_set() {
        out.push(kind.required("pathType must be specified"));
        return;
    }
    let text = path.text();
    match kind.text() {
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                out.push(path.invalid("must be an absolute path"));
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|part| text.contains(**part)) {
                out.push(path.invalid(&format!("must not contain '{part}'")));
            }
            for end in ["/..", "/."].iter().filter(|end| text.ends_with(**end)) {
                out.push(path.invalid(&format!("cannot end with '{end}'")));
            }
        }
        "ImplementationSpecific" if !text.is_empty() && !text.starts_with('/') => {
            out.push(path.invalid("must be an absolute path"));
        }
        "ImplementationSpecific" => {}
        _ => out.push(kind.not_supported(&["Exact", "ImplementationSpecific", "Prefix"])),
    }
    backend(at.get("backend"), out);
}

fn backend(at: At<'_>, out: &mut Causes) {
    let (resource, service) = (at.get("resource"), at.get("service"));
    match (resource.is_set(), service.is_set()) {
        (true, true) => out.push(at.wrong("", "cannot set both resource and service backends")),
        (false, false) => out.push(at.wrong("", "resource or service backend is required")),
        (true, false) => {
            selector::name_in(resource.get("apiGroup"), out);
            selector::reference(resource, out);
        }
        (false, true) => backing_service(at, service, out),
    }
}

fn backing_service(at: At<'_>, service: At<'_>, out: &mut Causes) {
    let (name, port) = (service.get("name"), service.get("port"));
    match name.needed() {
        Some(cause) => out.push(cause),
        None => out.extend(name.each(label(name.text()))),
    }
    let (named, number) = (port.get("name"), port.get("number"));
    match (!named.is_empty(), number.number().unwrap_or(0) != 0) {
        (true, true) => out.push(at.wrong("", "cannot set both port name & port number")),
        (true, false) => out.extend(named.each(port_name(named.text()))),
        (false, true) => out.extend(number.between(1, 65535)),
        (false, false) => out.push(at.required("port name or number is required")),
    }
}

/// An IngressClass; `old` is what it was before.
pub(super) fn ingress_class(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let controller = spec.get("controller");
    if let Some(old) = old
        && !same(controller.value, &old["spec"]["controller"])
    {
        out.push(controller.invalid("field is immutable"));
    }
    let text = controller.text();
    if text.len() > 250 {
        out.push(Cause::too_long(controller.path(), 250));
    }
    match text.split_once('/') {
        _ if text.is_empty() => out.push(controller.required("")),
        None | Some(("", _) | (_, "")) => {
            out.push(controller.invalid("must be a domain-prefixed path (such as \"acme.io/foo\")"));
        }
        Some((domain, _)) => out.extend(subdomain(domain).iter().map(|why| controller.wrong(domain, why))),
    }
    let parameters = spec.get("parameters");
    if !parameters.is_set() {
        return;
    }
    let group = parameters.get("apiGroup");
    if group.is_set() {
        out.extend(group.each(subdomain(group.text())));
    }
    selector::reference(parameters, out);
    let (scope, namespace) = (parameters.get("scope"), parameters.get("namespace"));
    match scope.text() {
        "Namespace" if !namespace.is_set() => {
            out.push(namespace.required("`parameters.scope` is set to 'Namespace'"));
        }
        "Namespace" => out.extend(namespace.each(label(namespace.text()))),
        "Cluster" if namespace.is_set() => {
            out.push(namespace.forbidden("`parameters.scope` is set to 'Cluster'"));
        }
        "Cluster" => {}
        _ => out.push(scope.not_supported(&["Cluster", "Namespace"])),
    }
}

/// A NetworkPolicy.
pub(super) fn policy(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    selector::selector(spec.get("podSelector"), out);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.get(direction).items() {
            rule.get("ports").items().for_each(|port| policy_port(port, out));
            rule.get(peers).items().for_each(|peer| policy_peer(peer, out));
        }
    }
    let kinds = spec.get("policyTypes");
    if kinds.items().count() > 2 {
        out.push(kinds.invalid("may not specify more than two policyTypes"));
        return;
    }
    kinds.items().for_each(|kind| out.extend(kind.one_of(&["Ingress", "Egress"])));
}

fn policy_port(at: At<'_>, out: &mut Causes) {
    out.extend(at.get("protocol").one_of(&["TCP", "UDP", "SCTP"]));
    let (port, end) = (at.get("port"), at.get("endPort"));
    match port.value.as_str() {
        Some(name) => {
            if end.is_set() {
                out.push(end.invalid("may not be specified when `port` is non-numeric"));
            }
            out.extend(port.each(port_name(name)));
        }
        None if port.is_set() => {
            out.extend(port.between(1, 65535));
            if let (Some(first), Some(last)) = (port.number(), end.number())
                && last < first
            {
                out.push(end.wrong(first, "must be greater than or equal to `port`"));
            }
            out.extend(end.between(1, 65535));
        }
        None if end.is_set() => out.push(end.invalid("may not be specified when `port` is not specified")),
        None => {}
    }
}

fn policy_peer(at: At<'_>, out: &mut Causes) {
    let (pods, namespaces, block) = (at.get("podSelector"), at.get("namespaceSelector"), at.get("ipBlock"));
    selector::selector(pods, out);
    selector::selector(namespaces, out);
    if block.is_set() {
        ip_block(block, out);
    }
    match ([pods, namespaces].iter().any(At::is_set), block.is_set()) {
        (false, false) => out.push(at.required("must specify a peer")),
        (true, true) => out.push(at.forbidden("may not specify both ipBlock and another peer")),
        _ => {}
    }
}

fn ip_block(block: At<'_>, out: &mut Causes) {
    let whole = block.get("cidr");
    if whole.is_empty() {
        out.push(whole.required(""));
        return;
    }
    out.extend(whole.each(cidr(whole.text())));
    let Some(outer) = range(whole.text()) else { return };
    for except in block.get("except").items() {
        out.extend(except.each(cidr(except.text())));
        let Some(inner) = range(except.text()) else { continue };
        let same_start = outer.1 == 0 || (inner.0 >> (128 - outer.1)) == (outer.0 >> (128 - outer.1));
        if outer.2 != inner.2 || !same_start || inner.1 <= outer.1 {
            out.push(except.invalid("must be a strict subset of `cidr`"));
        }
    }
}

/// Start (at the top of 128 bits), length and family of a range.
fn range(text: &str) -> Option<(u128, u32, bool)> {
    let (start, length) = text.split_once('/')?;
    let length = length.parse().ok()?;
    Some(match address(start)? {
        std::net::IpAddr::V4(start) if length <= 32 => (u128::from(u32::from(start)) << 96, length, true),
        std::net::IpAddr::V6(start) if length <= 128 => (u128::from(start), length, false),
        _ => return None,
    })
}
