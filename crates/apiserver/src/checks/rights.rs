//! Roles and their bindings.

use serde_json::{Value, json};

use super::list;
use super::pod::one_of;
use crate::fields::text;
use crate::status_error::Cause;

/// What is wrong with a Role or ClusterRole.
pub(super) fn role(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (at, rule) in list(object, "rules").iter().enumerate() {
        let place = format!("rules[{at}]");
        let has = |key: &str| !list(rule, key).is_empty();
        if !has("verbs") {
            causes.push(Cause::required(format!("{place}.verbs"), "verbs must contain at least one value"));
        }
        if has("nonResourceURLs") {
            if object["kind"] == "Role" {
                let why = "namespaced rules cannot apply to non-resource URLs";
                causes.push(Cause::invalid(
                    format!("{place}.nonResourceURLs"),
                    &rule["nonResourceURLs"],
                    why,
                ));
            }
            if ["apiGroups", "resources", "resourceNames"].iter().any(|key| has(key)) {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                causes.push(Cause::invalid(
                    format!("{place}.nonResourceURLs"),
                    &rule["nonResourceURLs"],
                    why,
                ));
            }
            continue;
        }
        if !has("apiGroups") {
            let why = "resource rules must supply at least one api group";
            causes.push(Cause::required(format!("{place}.apiGroups"), why));
        }
        if !has("resources") {
            let why = "resource rules must supply at least one resource";
            causes.push(Cause::required(format!("{place}.resources"), why));
        }
    }
    causes
}

/// What is wrong with a binding.
pub(super) fn binding(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let role = &object["roleRef"];
    let group = text(role, &["apiGroup"]);
    if group != GROUP {
        causes.push(Cause::not_supported("roleRef.apiGroup", &json!(group), &[GROUP]));
    }
    let kinds: &[&str] =
        if object["kind"] == "RoleBinding" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    let kind = text(role, &["kind"]);
    if !kinds.contains(&kind) {
        causes.push(Cause::not_supported("roleRef.kind", &json!(kind), kinds));
    }
    if text(role, &["name"]).is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for (at, subject) in list(object, "subjects").iter().enumerate() {
        let place = format!("subjects[{at}]");
        if text(subject, &["name"]).is_empty() {
            causes.push(Cause::required(format!("{place}.name"), ""));
        }
        causes.extend(one_of(subject, &place, "kind", &["ServiceAccount", "User", "Group"]));
        let home_unknown = object["kind"] == "ClusterRoleBinding" && text(subject, &["namespace"]).is_empty();
        if subject["kind"] == "ServiceAccount" && home_unknown {
            causes.push(Cause::required(format!("{place}.namespace"), ""));
        }
    }
    causes
}

const GROUP: &str = "rbac.authorization.k8s.io";
