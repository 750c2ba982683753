//! Requests for certificates.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, once};
use crate::causes::{Cause, Causes};
use crate::grammar::{label, subdomain};

pub(super) fn certificate_request(root: At<'_>, out: &mut Causes) {
    let spec = root.get("spec");
    let (usages, signer) = (spec.get("usages"), spec.get("signerName"));
    let request = spec.get("request");
    if let Some(why) = request_fault(request.text()) {
        out.push(request.invalid(why));
    }
    out.extend(usages.needed());
    let mut seen = HashSet::new();
    for usage in usages.items() {
        out.extend(usage.one_of(&USAGES));
        once(&mut seen, usage.value, usage, out);
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
    certificate(root.get("status").get("certificate"), out);
}

/// Verdicts come by approval alone and never go, and a certificate that was given stays.
pub(super) fn changed(new: &Value, old: &Value, subresource: &str, out: &mut Causes) {
    let of = |request: &Value, kind: &str| -> Vec<Value> {
        let conditions = request["status"]["conditions"].as_array().into_iter().flatten();
        conditions.filter(|one| one["type"] == kind).cloned().collect()
    };
    let mut forbid = |what: &str, kind: &str| {
        let why = format!("updates may not {what} a condition of type {kind:?}");
        out.push(Cause::forbidden("status.conditions", &why));
    };
    for kind in VERDICTS {
        if of(new, kind).len() < of(old, kind).len() {
            forbid("remove", kind);
        }
    }
    for kind in VERDICTS.into_iter().filter(|kind| *kind != "Failed" && subresource != "approval") {
        match of(new, kind).len().cmp(&of(old, kind).len()) {
            Ordering::Greater => forbid("add", kind),
            Ordering::Equal if of(new, kind) != of(old, kind) => forbid("modify", kind),
            _ => {}
        }
    }
    let given = &old["status"]["certificate"];
    if given.as_str().is_some_and(|text| !text.is_empty()) && new["status"]["certificate"] != *given {
        let why = "updates may not modify existing certificate content";
        out.push(Cause::forbidden("status.certificate", why));
    }
}

/// A certificate is one block of text that holds one, or several.
fn certificate(at: At<'_>, out: &mut Causes) {
    if at.text().is_empty() {
        return;
    }
    let text = decoded(at.text());
    let kinds: Vec<&str> = blocks(&text).collect();
    let why = match kinds.iter().find(|kind| **kind != "CERTIFICATE") {
        Some(other) => format!("only CERTIFICATE PEM blocks are allowed, found {other:?}"),
        None if kinds.is_empty() => "must contain at least one CERTIFICATE PEM block".to_owned(),
        None => return,
    };
    out.push(at.wrong("<certificate data>", &why));
}

/// What the blocks of a text say they hold.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("-----BEGIN ")?.trim_end().strip_suffix("-----"))
}

fn decoded(encoded: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The request is one block of text that holds a request.
fn request_fault(encoded: &str) -> Option<&'static str> {
    match blocks(&decoded(encoded)).next() {
        Some("CERTIFICATE REQUEST") => None,
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
    let mut seen = HashSet::new();
    for condition in at.items() {
        let (kind, status) = (condition.get("type"), condition.get("status"));
        out.extend(kind.needed());
        let is_verdict = VERDICTS.contains(&kind.text());
        let allowed: &[&str] = if is_verdict { &["True"] } else { &["False", "True", "Unknown"] };
        out.extend(status.must_be(allowed));
        let name = condition.text_of("type");
        if [("Approved", "Denied"), ("Denied", "Approved")]
            .iter()
            .any(|(own, other)| name == *own && seen.contains(other))
        {
            out.push(at.wrong(name, "Approved and Denied conditions are mutually exclusive"));
        }
        once(&mut seen, name, kind, out);
    }
}

/// Conditions that never go again.
const VERDICTS: [&str; 3] = ["Approved", "Denied", "Failed"];
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
