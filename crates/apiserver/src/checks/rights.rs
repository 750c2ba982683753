//! Roles and their bindings.

use serde_json::{Value, json};

use super::at::At;
use super::{list, selector};
use crate::causes::{Cause, Causes};
use crate::fields::text;
use crate::grammar::segment;
use crate::keys;

/// What is wrong with a Role or ClusterRole.
pub(super) fn role(object: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    for (at, stated) in list(object, "rules").iter().enumerate() {
        rule(stated, &format!("rules[{at}]"), object["kind"] == "Role", &mut causes);
    }
    let root = At::root(object, "");
    let rule = root.get("aggregationRule");
    let selectors = rule.get("clusterRoleSelectors");
    if rule.is_set() && selectors.is_empty() {
        let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        causes.push(selectors.required(why));
    }
    for one in selectors.items() {
        let mut faults = Causes::default();
        selector::selector(one, &mut faults);
        let is_bad = !faults.is_empty();
        causes.extend(faults.told());
        if is_bad {
            causes.push(one.wrong(Value::Null, "invalid label selector."));
        }
    }
    causes.told()
}

/// One rule, of a role in a namespace or of one for the whole cluster.
fn rule(rule: &Value, place: &str, namespaced: bool, out: &mut Causes) {
    let has = |key: &str| !list(rule, key).is_empty();
    if !has("verbs") {
        out.push(Cause::required(format!("{place}.verbs"), "verbs must contain at least one value"));
    }
    if has("nonResourceURLs") {
        let mut wrong = |why: &str| {
            out.push(Cause::invalid(format!("{place}.nonResourceURLs"), &rule["nonResourceURLs"], why));
        };
        if namespaced {
            wrong("namespaced rules cannot apply to non-resource URLs");
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|key| has(key)) {
            wrong("rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if !has("apiGroups") {
        let why = "resource rules must supply at least one api group";
        out.push(Cause::required(format!("{place}.apiGroups"), why));
    }
    if !has("resources") {
        let why = "resource rules must supply at least one resource";
        out.push(Cause::required(format!("{place}.resources"), why));
    }
}

/// What is wrong with a binding.
pub(super) fn binding(object: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    let role = &object["roleRef"];
    let group = text(role, &["apiGroup"]);
    if group != keys::RBAC {
        causes.push(Cause::not_supported("roleRef.apiGroup", &json!(group), &[keys::RBAC]));
    }
    let kinds: &[&str] =
        if object["kind"] == "RoleBinding" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    let kind = text(role, &["kind"]);
    if !kinds.contains(&kind) {
        causes.push(Cause::not_supported("roleRef.kind", &json!(kind), kinds));
    }
    let name = text(role, &["name"]);
    if name.is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    causes.extend(segment(name).iter().map(|why| Cause::invalid("roleRef.name", &json!(name), why)));
    let root = At::root(object, "");
    for one in root.get("subjects").items() {
        subject(one, object["kind"] == "ClusterRoleBinding", &mut causes);
    }
    causes.told()
}

fn subject(at: At<'_>, everywhere: bool, out: &mut Causes) {
    let (name, group, kind) = (at.get("name"), at.get("apiGroup"), at.get("kind"));
    out.extend(name.needed());
    match kind.text() {
        "ServiceAccount" => {
            selector::name_in(name, out);
            if !group.is_empty() {
                out.push(group.not_supported(&[""]));
            }
            if everywhere {
                out.extend(at.get("namespace").needed());
            }
        }
        "User" | "Group" if group.text() != keys::RBAC => out.push(group.not_supported(&[keys::RBAC])),
        "User" | "Group" => {}
        _ => out.push(kind.not_supported(&["ServiceAccount", "User", "Group"])),
    }
}
