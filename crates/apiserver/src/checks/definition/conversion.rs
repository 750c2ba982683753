//! How a definition says that objects are brought from one version to another.
//!
//! Follows: the apiextensions part of kube-apiserver 1.36.

use serde_json::{Value, json};

use crate::causes::{Cause, Causes};
use crate::checks::at::At;
use crate::checks::webhook;
use crate::fields::text;

/// What is wrong with it.
pub(super) fn check(conversion: &Value, causes: &mut Causes) {
    let (strategy, webhook) = (text(conversion, &["strategy"]), &conversion["webhook"]);
    if strategy.is_empty() && conversion.is_object() {
        causes.push(Cause::required("spec.conversion.strategy", ""));
    } else if !["", "None", "Webhook"].contains(&strategy) {
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
    let place = At::root(client, CLIENT);
    match client.is_object() {
        true => webhook::client(place, causes),
        false => causes.push(place.required("required when strategy is set to Webhook")),
    }
    webhook::versions(At::root(versions, REVIEWS), "", causes);
}

const CLIENT: &str = "spec.conversion.webhookClientConfig";
const REVIEWS: &str = "spec.conversion.conversionReviewVersions";
