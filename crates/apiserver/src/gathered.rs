//! Rules that cluster roles gather from others.
//!
//! They hold from the moment on that a role is written; `gc/roles.rs` puts them into the roles that gather them, for
//! those who read.
//! Follows: the aggregation controller of kube-controller-manager 1.36.

use std::collections::HashSet;

use serde_json::Value;

use crate::fields;
use crate::keys;
use crate::storage::{Parsed, Store};

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
    rules(role, &store.parsed(keys::CLUSTER_ROLES)).into_iter().cloned().collect()
}
