//! Rules that cluster roles gather from others.
//!
//! They hold from the moment on that a role is written, and are put into the roles that gather them for those who read.
//! Follows: the aggregation controller of kube-controller-manager 1.36.

use std::collections::HashSet;

use serde_json::Value;

use crate::fields;
use crate::objects::{self, Actor, Operation};
use crate::server::App;
use crate::storage::{Expect, Key, Parsed, Refused, Store};

/// Whether a role's rules are those of others.
pub(crate) fn gathers(role: &Value) -> bool {
    role.get("aggregationRule").is_some_and(|rule| !rule.is_null())
}

/// The rules of a role; what one that gathers says itself does not count.
pub(crate) fn rules<'a>(role: &'a Value, roles: &'a Parsed) -> Vec<&'a Value> {
    let mut out = Vec::new();
    let mut seen = HashSet::from([fields::name(role)]);
    let mut waiting = vec![role];
    while let Some(role) = waiting.pop() {
        if !gathers(role) {
            out.extend(role["rules"].as_array().into_iter().flatten());
            continue;
        }
        let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array();
        let chosen = selectors
            .into_iter()
            .flatten()
            .flat_map(|selector| roles.values().filter(move |other| crate::select::chooses(selector, other)));
        let fresh: Vec<&Value> = chosen.filter(|other| seen.insert(fields::name(other))).collect();
        waiting.extend(fresh.into_iter().rev());
    }
    out
}

/// The same for a role that may not be there yet.
pub(crate) fn rules_of(role: &Value, store: &Store) -> Vec<Value> {
    rules(role, &store.parsed(CLUSTER_ROLES)).into_iter().cloned().collect()
}

/// Writes into all roles that gather what they gather; false when one of them could not be written.
pub(crate) fn settle(app: &App) -> bool {
    let roles = app.store.parsed(CLUSTER_ROLES);
    let unwritten = roles.values().filter(|role| gathers(role) && !write(app, role, &roles));
    unwritten.count() == 0
}

/// Another write between is told of like any other, and leads here again.
fn write(app: &App, role: &Value, roles: &Parsed) -> bool {
    let mut told = HashSet::new();
    let gathered = rules(role, roles).into_iter().filter(|rule| told.insert(rule.to_string())).cloned();
    let gathered: Vec<Value> = gathered.collect();
    if role["rules"].as_array().map(Vec::as_slice).unwrap_or_default() == gathered {
        return true;
    }
    let key = Key::new(&CLUSTER_ROLES.into(), "", fields::name(role));
    let Some(stored) = app.store.get(&key) else { return true };
    let old = stored.object();
    if old != *role {
        return true;
    }
    let mut new = old.clone();
    new["rules"] = gathered.into();
    if let Some(resource) = app.kinds.current().stored_under(&key.resource) {
        let actor = Actor { manager: MANAGER.into(), operation: Operation::Update };
        let owners = objects::owners(resource, Some(&old), &new, &actor, "");
        fields::put_meta(&mut new, "managedFields", owners);
    }
    !matches!(app.store.put(&key, &new, Expect::Revision(stored.revision)), Err(Refused::Disk(_)))
}

pub(crate) const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const MANAGER: &str = "clusterrole-aggregation-controller";
