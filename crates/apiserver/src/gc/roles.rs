//! Puts the rules that cluster roles gather into them, for those who read.

use std::collections::HashSet;

use serde_json::Value;

use crate::app::App;
use crate::fields;
use crate::gathered::{gathers, rules};
use crate::keys::CLUSTER_ROLES;
use crate::managed_fields::Operation;
use crate::owners::{self, Actor};
use crate::storage::{Expect, Key, Parsed, Refused};

/// Writes into all roles that gather what they gather; false when one of them could not be written.
pub(crate) fn gather(app: &App) -> bool {
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
        let owners = owners::after(resource, Some(&old), &new, &actor, "");
        fields::put_meta(&mut new, "managedFields", owners);
    }
    !matches!(app.store.put(&key, &new, Expect::Revision(stored.revision)), Err(Refused::Disk(_)))
}

const MANAGER: &str = "clusterrole-aggregation-controller";
