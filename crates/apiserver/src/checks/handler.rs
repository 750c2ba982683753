//! Probes, and what runs when a container starts and stops.

use super::at::At;
use super::facts::Pod;
use crate::causes::Causes;
use crate::grammar::{header, port_name};

/// A liveness or startup probe.
pub(super) fn liveness(probe: At<'_>, out: &mut Causes) {
    if !probe.is_set() {
        return;
    }
    self::probe(probe, out);
    let threshold = probe.get("successThreshold");
    if threshold.number() != Some(1) {
        out.push(threshold.wrong(threshold.number().unwrap_or(0), "must be 1"));
    }
}

/// A readiness probe.
pub(super) fn readiness(probe: At<'_>, out: &mut Causes) {
    if !probe.is_set() {
        return;
    }
    self::probe(probe, out);
    let grace = probe.get("terminationGracePeriodSeconds");
    if grace.is_set() {
        out.push(grace.invalid("must not be set for readinessProbes"));
    }
}

fn probe(probe: At<'_>, out: &mut Causes) {
    one_action(probe, &["exec", "httpGet", "tcpSocket", "grpc"], None, out);
    for key in
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
    {
        out.extend(probe.get(key).not_negative());
    }
    let grace = probe.get("terminationGracePeriodSeconds");
    if grace.number().is_some_and(|seconds| seconds <= 0) {
        out.push(grace.invalid("must be greater than 0"));
    }
}

/// What a container does when it starts and stops.
pub(super) fn lifecycle(at: At<'_>, pod: &Pod<'_>, out: &mut Causes) {
    for key in ["postStart", "preStop"] {
        let action = at.get(key);
        if action.is_set() {
            one_action(action, &["exec", "httpGet", "tcpSocket", "sleep"], pod.grace, out);
        }
    }
    let signal = at.get("stopSignal");
    match (signal.is_set(), pod.system) {
        (false, _) => {}
        (true, "") => out.push(signal.forbidden("may not be set for containers with empty `spec.os.name`")),
        (true, "windows") => out.extend(signal.one_of(&["SIGKILL", "SIGTERM"])),
        (true, _) => {}
    }
}

fn one_action(at: At<'_>, kinds: &[&str], grace: Option<i64>, out: &mut Causes) {
    let mut found = false;
    for kind in kinds {
        let action = at.get(kind);
        if !action.is_set() {
            continue;
        }
        if found {
            out.push(action.forbidden("may not specify more than 1 handler type"));
            continue;
        }
        found = true;
        match *kind {
            "exec" => out.extend(action.get("command").needed()),
            "httpGet" => http(action, out),
            "sleep" => sleep(action, grace, out),
            _ => port(action.get("port"), out),
        }
    }
    if !found {
        out.push(at.required("must specify a handler type"));
    }
}

fn http(action: At<'_>, out: &mut Causes) {
    out.extend(action.get("path").needed());
    port(action.get("port"), out);
    let scheme = action.get("scheme");
    if !["HTTP", "HTTPS"].contains(&scheme.text()) {
        out.push(scheme.not_supported(&["HTTP", "HTTPS"]));
    }
    let headers = action.get("httpHeaders");
    for one in headers.items() {
        let name = one.get("name").text();
        out.extend(header(name).iter().map(|why| headers.wrong(name, why)));
    }
}

fn sleep(action: At<'_>, grace: Option<i64>, out: &mut Causes) {
    let seconds = action.get("seconds").number().unwrap_or(0);
    if let Some(grace) = grace.filter(|grace| !(0..=*grace).contains(&seconds)) {
        let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        out.push(action.wrong(seconds, &why));
    }
}

/// A port by number or by name.
pub(super) fn port(at: At<'_>, out: &mut Causes) {
    match at.value.as_str() {
        Some(name) => out.extend(at.each(port_name(name))),
        None if at.is_set() => out.extend(at.between(1, 65535)),
        None => out.push(at.wrong(0, "must be between 1 and 65535, inclusive")),
    }
}
