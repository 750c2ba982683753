//! How a definition says that objects are brought from one version to another.
//!
//! Follows: the apiextensions part of kube-apiserver 1.36. Differs: what stands before the `@` of an address is not shown.

use serde_json::{Value, json};

use crate::checks::grammar::{LABEL_1035, is_label_1035, subdomain};
use crate::fields::text;
use crate::status_error::Cause;

/// What is wrong with it.
pub(super) fn check(conversion: &Value, causes: &mut Vec<Cause>) {
    let (strategy, webhook) = (text(conversion, &["strategy"]), &conversion["webhook"]);
    if !["", "None", "Webhook"].contains(&strategy) {
        let known = ["None", "Webhook"];
        causes.push(Cause::not_supported("spec.conversion.strategy", &json!(strategy), &known));
    }
    let (client, versions) = (&webhook["clientConfig"], &webhook["conversionReviewVersions"]);
    let is_listed = versions.as_array().is_some_and(|versions| !versions.is_empty());
    if strategy != "Webhook" {
        let why = "should not be set when strategy is not set to Webhook";
        for (is_set, field) in [(client.is_object(), CLIENT), (is_listed, REVIEWS)] {
            causes.extend(is_set.then(|| Cause::forbidden(field, why)));
        }
        return;
    }
    let (url, service) = (client["url"].as_str(), client["service"].as_object());
    match (url, service) {
        _ if !client.is_object() => {
            causes.push(Cause::required(CLIENT, "required when strategy is set to Webhook"));
        }
        (Some(url), None) => causes.extend(url_faults(url)),
        (None, Some(_)) => causes.extend(service_faults(&client["service"])),
        _ => causes.push(Cause::required(CLIENT, "exactly one of url or service is required")),
    }
    reviews(versions, causes);
}

fn url_faults(url: &str) -> Vec<Cause> {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once("://").unwrap_or(("", rest));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let form = "; desired format: https://host[/path]";
    let mut causes = Vec::new();
    let mut wrong =
        |shown: &str, why: &str| causes.push(Cause::invalid(format!("{CLIENT}.url"), &json!(shown), why));
    if scheme != "https" {
        wrong(scheme, &format!("'https' is the only allowed URL scheme{form}"));
    }
    if host.is_empty() {
        wrong(host, &format!("host must be specified{form}"));
    }
    // What a user is called may be a password, and is not shown.
    if user.is_some() {
        wrong("", "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        wrong(fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        wrong(query, "query parameters are not permitted in the URL");
    }
    causes
}

fn service_faults(service: &Value) -> Vec<Cause> {
    let place = |key: &str| format!("{CLIENT}.service.{key}");
    let mut causes: Vec<Cause> = ["name", "namespace"]
        .into_iter()
        .filter(|key| text(service, &[key]).is_empty())
        .map(|key| Cause::required(place(key), ""))
        .collect();
    let port = service["port"].as_i64().unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        causes.push(Cause::invalid(place("port"), &json!(port), why));
    }
    let path = text(service, &["path"]);
    let mut wrong = |why: &str| causes.push(Cause::invalid(place("path"), &json!(path), why));
    if path == "//" {
        wrong("segment[0] may not be empty");
    } else if !path.is_empty() && path != "/" {
        if !path.starts_with('/') {
            wrong("must start with a '/'");
        }
        let steps = path.get(1..).unwrap_or_default();
        for (at, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
            if step.is_empty() {
                wrong(&format!("segment[{at}] may not be empty"));
                continue;
            }
            subdomain(step).iter().for_each(|why| wrong(&format!("segment[{at}]: {why}")));
        }
    }
    causes
}

/// The versions in which a webhook is asked.
fn reviews(versions: &Value, causes: &mut Vec<Cause>) {
    let listed = versions.as_array().map(Vec::as_slice).unwrap_or_default();
    if listed.is_empty() {
        causes.push(Cause::required(REVIEWS, ""));
        return;
    }
    for (at, version) in listed.iter().enumerate() {
        let field = format!("{REVIEWS}[{at}]");
        if listed[..at].contains(version) {
            causes.push(Cause::invalid(field, version, "duplicate version"));
        } else if !is_label_1035(version.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(field, version, LABEL_1035));
        }
    }
    if !listed.iter().any(|version| *version == "v1" || *version == "v1beta1") {
        causes.push(Cause::invalid(REVIEWS, versions, "must include at least one of v1, v1beta1"));
    }
}

const CLIENT: &str = "spec.conversion.webhookClientConfig";
const REVIEWS: &str = "spec.conversion.conversionReviewVersions";
