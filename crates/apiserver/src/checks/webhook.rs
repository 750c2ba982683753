//! Webhooks: where they are asked, and in which versions.
//!
//! Differs: what stands before the `@` of an address is not shown.

use std::collections::HashSet;

use serde_json::json;

use super::at::At;
use crate::causes::Causes;
use crate::grammar::{LABEL_1035, is_label_1035, subdomain};

/// The place where a webhook is asked: an address or a Service.
pub(super) fn client(at: At<'_>, out: &mut Causes) {
    let (url, service) = (at.get("url"), at.get("service"));
    match (url.is_set(), service.is_set()) {
        (true, false) => address(url, out),
        (false, true) => self::service(service, out),
        _ => out.push(at.required("exactly one of url or service is required")),
    }
}

fn address(at: At<'_>, out: &mut Causes) {
    let url = at.text();
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once("://").unwrap_or(("", rest));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let form = "; desired format: https://host[/path]";
    if scheme != "https" {
        out.push(at.wrong(scheme, &format!("'https' is the only allowed URL scheme{form}")));
    }
    if host.is_empty() {
        out.push(at.wrong(host, &format!("host must be specified{form}")));
    }
    // What a user is called may be a password, and is not shown.
    if user.is_some() {
        out.push(at.wrong("", "user information is not permitted in the URL"));
    }
    if !fragment.is_empty() {
        out.push(at.wrong(fragment, "fragments are not permitted in the URL"));
    }
    if !query.is_empty() {
        out.push(at.wrong(query, "query parameters are not permitted in the URL"));
    }
}

fn service(at: At<'_>, out: &mut Causes) {
    out.extend(at.get("name").needed());
    out.extend(at.get("namespace").needed());
    port(at.get("port"), out);
    let place = at.get("path");
    let path = place.text();
    if path == "//" {
        out.push(place.invalid("segment[0] may not be empty"));
    } else if !path.is_empty() && path != "/" {
        if !path.starts_with('/') {
            out.push(place.invalid("must start with a '/'"));
        }
        let steps = path.get(1..).unwrap_or_default();
        for (at, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
            if step.is_empty() {
                out.push(place.invalid(&format!("segment[{at}] may not be empty")));
                continue;
            }
            for why in subdomain(step) {
                out.push(place.invalid(&format!("segment[{at}]: {why}")));
            }
        }
    }
}

/// The port of the Service that is asked.
pub(super) fn port(at: At<'_>, out: &mut Causes) {
    let port = at.number().unwrap_or(443);
    if !(1..=65535).contains(&port) {
        out.push(at.wrong(port, "port is not valid: must be between 1 and 65535, inclusive"));
    }
}

/// The versions in which a webhook is asked.
pub(super) fn versions(at: At<'_>, missing: &str, out: &mut Causes) {
    if at.is_empty() {
        out.push(at.required(missing));
        return;
    }
    let mut seen = HashSet::new();
    for version in at.items() {
        if out.is_full() {
            return;
        }
        if !seen.insert(version.text()) {
            out.push(version.invalid("duplicate version"));
        } else {
            let text = version.text();
            if text.len() > LABEL {
                out.push(version.invalid(&format!("must be no more than {LABEL} characters")));
            }
            if !is_label_1035(text.get(..LABEL).unwrap_or(text)) {
                out.push(version.invalid(LABEL_1035));
            }
        }
    }
    if !["v1", "v1beta1"].iter().any(|version| seen.contains(version)) {
        let texts: Vec<&str> = at.items().map(|version| version.value.as_str().unwrap_or_default()).collect();
        out.push(at.with_value(&json!(texts)).invalid("must include at least one of v1, v1beta1"));
    }
}

/// Bytes of a label at the most.
const LABEL: usize = 63;
