//! Services.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::at::{At, once, same};
use super::{handler, selector};
use crate::causes::{Cause, Causes};
use crate::grammar::{address, cidr, ip, label, qualified, subdomain};

/// A Service; `old` is what it was before.
pub(super) fn service(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    if let Some(old) = old {
        changed(spec, old, out);
    }
    let told = root.get("status");
    let told = told.get("loadBalancer");
    if !told.get("ingress").is_empty() && spec.get("type").text() != "LoadBalancer" {
        let why = "may only be used when `spec.type` is 'LoadBalancer'";
        out.push(told.get("ingress").forbidden(why));
    }
    let (kind, ports) = (spec.get("type").text(), spec.get("ports"));
    let headless = is_headless(object);
    if ports.is_empty() && !headless && kind != "ExternalName" {
        out.push(ports.required(""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let list = spec.get("clusterIPs");
            let why = format!("may not be set to 'None' for {kind} services");
            out.extend(list.items().next().map(|first| first.invalid(&why)));
        }
        "ExternalName" => external_name(spec, out),
        _ => {}
    }
    let count = ports.items().count();
    let mut names = HashSet::new();
    for port in ports.items() {
        self::port(port, count, names.insert(port.text_of("name")), out);
    }
    selector::labels(spec.get("selector"), out);
    affinity(spec, out);
    for one in spec.get("externalIPs").items() {
        let whys = ip(one.text());
        if whys.is_empty() {
            endpoint_address(one, out);
        }
        out.extend(one.each(whys));
    }
    out.extend(spec.get("type").must_be(&["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]));
    port_numbers(ports, kind, out);
    source_ranges(root, spec, kind, out);
    balancer(spec, kind, out);
    traffic(root, spec, kind, out);
}

/// What is wrong with the addresses that a Service states; such a Service is not looked at any further.
pub(crate) fn stated_addresses(object: &Value) -> Vec<Cause> {
    let mut out = Causes::default();
    let root = At::root(object, "");
    addresses(root.get("spec"), is_headless(object), &mut out);
    out.told()
}

/// True when something outside has to know which nodes serve.
pub(crate) fn needs_health_port(service: &Value) -> bool {
    let spec = &service["spec"];
    spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

/// True for a Service without an address of its own.
pub(super) fn is_headless(service: &Value) -> bool {
    service["spec"]["clusterIPs"] == json!(["None"])
}

fn external_name(spec: At<'_>, out: &mut Causes) {
    let addressed = !spec.get("clusterIP").is_empty();
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !spec.get(field).is_empty() || (field == "clusterIPs" && addressed) {
            out.push(spec.get(field).forbidden("may not be set for ExternalName services"));
        }
    }
    let name = spec.get("externalName");
    let text = name.text().strip_suffix('.').unwrap_or(name.text());
    if text.is_empty() {
        out.push(name.required(""));
    } else {
        out.extend(subdomain(text).iter().map(|why| name.wrong(text, why)));
    }
}

fn port(port: At<'_>, count: usize, is_new: bool, out: &mut Causes) {
    let name = port.get("name");
    if name.is_empty() && count > 1 {
        out.push(name.required(""));
    } else if !name.is_empty() {
        out.extend(name.each(label(name.text())));
        if !is_new {
            out.push(name.duplicate());
        }
    }
    handler::port(port.get("port"), out);
    out.extend(port.get("protocol").must_be(&["SCTP", "TCP", "UDP"]));
    handler::port(port.get("targetPort"), out);
    app_protocol(port.get("appProtocol"), out);
}

/// What is spoken over TCP or UDP.
pub(super) fn app_protocol(at: At<'_>, out: &mut Causes) {
    if at.is_set() {
        out.extend(at.each(qualified(at.text())));
    }
}

fn port_numbers(ports: At<'_>, kind: &str, out: &mut Causes) {
    let number = |port: At<'_>, key: &str| port.get(key).number().unwrap_or(0);
    if kind == "ClusterIP" {
        for port in ports.items().filter(|port| number(*port, "nodePort") != 0) {
            out.push(port.get("nodePort").forbidden("may not be used when `type` is 'ClusterIP'"));
        }
    }
    let mut seen = HashSet::new();
    for port in ports.items().filter(|port| number(*port, "nodePort") != 0) {
        let key = (port.text_of("protocol"), number(port, "nodePort"));
        once(&mut seen, key, port.get("nodePort"), out);
    }
    let mut seen = HashSet::new();
    for port in ports.items() {
        once(&mut seen, (port.text_of("protocol"), number(port, "port")), port, out);
    }
}

fn affinity(spec: At<'_>, out: &mut Causes) {
    let (kind, config) = (spec.get("sessionAffinity"), spec.get("sessionAffinityConfig"));
    out.extend(kind.must_be(&["ClientIP", "None"]));
    match kind.text() {
        "ClientIP" => {
            let client = config.get("clientIP");
            let seconds = client.get("timeoutSeconds");
            let missing = [config, client, seconds].into_iter().find(|part| !part.is_set());
            if let Some(missing) = missing {
                out.push(missing.required("when session affinity type is ClientIP"));
            }
            if seconds.number().is_some_and(|seconds| !(1..=86400).contains(&seconds)) {
                out.push(seconds.invalid("must be greater than 0 and less than 86400"));
            }
        }
        "None" if config.is_set() => {
            out.push(config.forbidden("must not be set when session affinity is None"));
        }
        _ => {}
    }
}

fn addresses(spec: At<'_>, headless: bool, out: &mut Causes) {
    let (one, all) = (spec.get("clusterIP"), spec.get("clusterIPs"));
    let count = all.items().count();
    let first = all.items().next().map(|first| first.text() == one.text());
    match (one.is_empty(), first) {
        (false, None) => out.push(all.required("")),
        (false, Some(false)) => out.push(all.invalid("first value must match `clusterIP`")),
        (true, Some(_)) => out.push(all.invalid("must be empty when `clusterIP` is not specified")),
        _ => {}
    }
    let families = spec.get("ipFamilies");
    let mut seen = HashSet::new();
    for family in families.items() {
        out.extend(family.one_of(&["IPv4", "IPv6"]));
        once(&mut seen, family.value.as_str(), family, out);
    }
    out.extend(spec.get("ipFamilyPolicy").one_of(&["PreferDualStack", "RequireDualStack", "SingleStack"]));
    let mut bad = false;
    for (at, address) in all.items().enumerate() {
        if at == 0 && address.text() == "None" {
            if count > 1 {
                bad = true;
                out.push(all.invalid("'None' must be the first and only value"));
            }
            continue;
        }
        let whys = ip(address.text());
        bad |= !whys.is_empty();
        out.extend(address.each(whys));
    }
    if count > 2 {
        out.push(all.invalid("may only hold up to 2 values"));
    }
    if !bad {
        fits(all, families, headless, out);
    }
}

fn fits(all: At<'_>, families: At<'_>, headless: bool, out: &mut Causes) {
    let old = |at: &At<'_>| matches!(address(at.text()), Some(IpAddr::V4(_)));
    let count = all.items().count();
    if count > 1 && all.items().filter(old).count() != 1 {
        out.push(all.invalid("may specify no more than one IP for each IP family"));
    }
    if headless {
        return;
    }
    for (at, (address, family)) in all.items().zip(families.items()).enumerate() {
        let wanted = family.text();
        if matches!(wanted, "IPv4" | "IPv6") && (wanted == "IPv4") != old(&address) {
            let article = format!("expected an {wanted} value as indicated by `ipFamilies[{at}]`");
            out.push(address.invalid(&article));
        }
    }
}

/// An address where somebody can be reached.
pub(super) fn endpoint_address(at: At<'_>, out: &mut Causes) {
    let Some(found) = address(at.text()) else {
        out.push(at.wrong(at.text(), "must be a valid IP address"));
        return;
    };
    let (link, many) = match found {
        IpAddr::V4(found) => (found.is_link_local(), found.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(found) => (found.segments()[0] & 0xffc0 == 0xfe80, found.segments()[0] & 0xff0f == 0xff02),
    };
    let unspecified = format!("may not be unspecified ({})", at.text());
    for (wrong, why) in [
        (found.is_unspecified(), unspecified.as_str()),
        (found.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (link, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (many, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    ] {
        if wrong {
            out.push(at.invalid(why));
        }
    }
}

fn source_ranges(root: At<'_>, spec: At<'_>, kind: &str, out: &mut Causes) {
    let ranges = spec.get("loadBalancerSourceRanges");
    let metadata = root.get("metadata");
    let notes = metadata.get("annotations");
    let note = notes.key("service.beta.kubernetes.io/load-balancer-source-ranges");
    let only = "may only be used when `type` is 'LoadBalancer'";
    if !ranges.is_empty() {
        let place = spec.with("LoadBalancerSourceRanges", ranges.value);
        if kind != "LoadBalancer" {
            out.push(place.forbidden(only));
        }
        for range in place.items() {
            let text = range.text().trim();
            out.extend(cidr(text).iter().map(|why| range.wrong(text, why)));
        }
    } else if note.is_set() {
        if kind != "LoadBalancer" {
            out.push(note.forbidden(only));
        }
        for range in note.text().split(',').map(str::trim).filter(|_| !note.text().trim().is_empty()) {
            out.extend(cidr(range).iter().map(|why| note.wrong(range, why)));
        }
    }
}

fn balancer(spec: At<'_>, kind: &str, out: &mut Causes) {
    let only = "may only be used when `type` is 'LoadBalancer'";
    let (ports, class) = (spec.get("allocateLoadBalancerNodePorts"), spec.get("loadBalancerClass"));
    if kind == "LoadBalancer" {
        if class.is_set() {
            out.extend(class.each(qualified(class.text())));
        }
        return;
    }
    out.extend([ports, class].iter().filter(|field| field.is_set()).map(|field| field.forbidden(only)));
}

fn traffic(root: At<'_>, spec: At<'_>, kind: &str, out: &mut Causes) {
    let (policy, health) = (spec.get("externalTrafficPolicy"), spec.get("healthCheckNodePort"));
    let reached = matches!(kind, "LoadBalancer" | "NodePort")
        || (kind == "ClusterIP" && !spec.get("externalIPs").is_empty());
    if !reached {
        if !policy.is_empty() {
            out.push(policy.invalid("may only be set for externally-accessible services"));
        }
    } else {
        out.extend(policy.must_be(&["Cluster", "Local"]));
    }
    let number = health.number().unwrap_or(0);
    match (needs_health_port(root.value), number) {
        (false, 0) => {}
        (false, _) => {
            let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            out.push(health.invalid(why));
        }
        (true, 0) => out.push(health.required("")),
        (true, _) => out.extend(health.between(1, 65535)),
    }
    out.extend(spec.get("internalTrafficPolicy").one_of(&["Cluster", "Local"]));
    out.extend(spec.get("trafficDistribution").one_of(&["PreferClose", "PreferSameZone", "PreferSameNode"]));
}

fn changed(spec: At<'_>, old: &Value, out: &mut Causes) {
    let before = &old["spec"];
    let external = |spec: &Value| spec["type"] == "ExternalName";
    let headless = |spec: &Value| spec["clusterIPs"] == json!(["None"]);
    if !external(spec.value) && !external(before) {
        let (was, is) = (headless(before), headless(spec.value));
        if !(was && is) {
            addresses_changed(spec, before, out);
        }
        if !was && !is {
            families_changed(spec, before, out);
        }
    }
    let balanced = |spec: &Value| spec["type"] == "LoadBalancer";
    let class = spec.get("loadBalancerClass");
    if balanced(spec.value) && balanced(before) && !same(class.value, &before["loadBalancerClass"]) {
        out.push(class.wrong(class.value.clone(), "may not change once set"));
    }
    let health = spec.get("healthCheckNodePort");
    let whole = json!({"spec": spec.value});
    if needs_health_port(old) && needs_health_port(&whole) && *health.value != before["healthCheckNodePort"] {
        out.push(health.forbidden("field is immutable"));
    }
}

fn addresses_changed(spec: At<'_>, before: &Value, out: &mut Causes) {
    let list = |value: &Value| value["clusterIPs"].as_array().cloned().unwrap_or_default();
    let (old, new) = (list(before), list(spec.value));
    let shown = json!(new);
    let moved =
        |at: usize| Cause::invalid(format!("spec.clusterIPs[{at}]"), &shown, "may not change once set");
    if old.len() == new.len() {
        out.extend((0..old.len()).filter(|&at| old[at] != new[at]).map(moved));
        return;
    }
    if new.is_empty() {
        out.push(Cause::invalid("spec.clusterIPs[0]", &shown, "primary clusterIP can not be unset"));
    } else if old.first().is_some_and(|first| *first != new[0]) {
        out.push(moved(0));
    }
    if old.len() > new.len() && new.len() == 1 && spec.get("ipFamilyPolicy").text() != "SingleStack" {
        let why = "must be set to 'SingleStack' when releasing the secondary clusterIP";
        out.push(spec.get("ipFamilyPolicy").invalid(why));
    }
}

fn families_changed(spec: At<'_>, before: &Value, out: &mut Causes) {
    let list = |value: &Value| value["ipFamilies"].as_array().cloned().unwrap_or_default();
    let (old, new) = (list(before), list(spec.value));
    let moved = || Cause::invalid("spec.ipFamilies[0]", &json!(new), "may not change once set");
    if old.len() == new.len() {
        out.extend(old.iter().zip(&new).filter(|(old, new)| old != new).map(|_| moved()));
    } else if let (Some(was), Some(is)) = (old.first(), new.first())
        && was != is
    {
        out.push(moved());
    }
}
