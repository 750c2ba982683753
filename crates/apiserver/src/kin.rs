//! Who owns whom, by uid.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::fields;
use crate::keys;
use crate::storage::{Bonds, Key};

/// Owners and dependents of everything that is stored.
#[derive(Default)]
pub(crate) struct Kin {
    living: HashMap<String, Key>,
    dependents: HashMap<String, HashSet<Key>>,
}

impl Kin {
    pub(crate) fn remember(&mut self, key: &Key, bonds: &Bonds) {
        self.living.insert(bonds.uid().to_owned(), key.clone());
        for owner in is_followed(key).then(|| bonds.owners()).into_iter().flatten() {
            self.dependents.entry(owner.to_owned()).or_default().insert(key.clone());
        }
    }

    pub(crate) fn forget(&mut self, key: &Key, bonds: &Bonds, gone: bool) {
        if gone {
            self.living.remove(bonds.uid());
        }
        for owner in bonds.owners() {
            if let Some(set) = self.dependents.get_mut(owner) {
                set.remove(key);
                if set.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    /// What names this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// The object of this uid.
    pub(crate) fn living(&self, uid: &str) -> Option<&Key> {
        self.living.get(uid)
    }
}

/// Whether an object is followed. Events are not: they stay when their owners go, and so does what they own.
pub(crate) fn is_followed(key: &Key) -> bool {
    &*key.resource != keys::EVENTS
}

/// The owner references of an object.
pub(crate) fn references(object: &Value) -> Vec<Value> {
    fields::get(object, &["metadata", "ownerReferences"])
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}
