//! The life of a definition of custom resources: names, conditions, service.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{App, TRIES};
use crate::clock;
use crate::conditions;
use crate::crds;
use crate::fields;
use crate::keys;
use crate::managed_fields::Operation;
use crate::owners::{self, Actor};
use crate::storage::{Expect, Key, Stored};

/// Serves what the stored definitions say.
pub(crate) fn refresh(app: &App) {
    let _guard = app.writes_to_kinds.lock();
    app.kinds.define(&app.store.list(&Arc::from(keys::DEFINITIONS), None).items);
}

/// Gives names that became free to those that wait for them, and serves what is there now.
pub(crate) fn changed(app: &App) {
    refresh(app);
    for name in app.kinds.waiting() {
        establish(app, &name);
    }
}

/// Settles the names and the conditions of a definition; false when they could not be written.
pub(crate) fn establish(app: &App, name: &str) -> bool {
    let settled = {
        // What others have got is looked at and written in one go: of two that want a name, one gets it.
        let _guard = app.naming.lock();
        (0..TRIES).any(|_| try_to_establish(app, name))
    };
    refresh(app);
    settled
}

/// Does it once; false when another write came before.
fn try_to_establish(app: &App, name: &str) -> bool {
    let key = Key::new(&Arc::from(keys::DEFINITIONS), "", name);
    let Some(stored) = app.store.get(&key) else { return true };
    let before = stored.object();
    let mut definition = before.clone();
    let rivals = rivals(app, fields::text(&definition, &["spec", "group"]));
    let now = clock::now();
    crds::establish(&mut definition, &rivals, &now);
    if fields::is_deleting(&definition) {
        let text = "CustomResource deletion is in progress";
        let reason = "InstanceDeletionInProgress";
        conditions::set(&mut definition, "Terminating", "True", reason, text, &now);
    }
    if definition == before {
        return true;
    }
    if let Some(resource) = app.kinds.current().stored_under(keys::DEFINITIONS) {
        let actor = Actor { manager: "kube-apiserver".into(), operation: Operation::Update };
        let owners = owners::after(resource, Some(&before), &definition, &actor, "status");
        fields::put_meta(&mut definition, "managedFields", owners);
    }
    app.store.put(&key, &definition, Expect::Revision(stored.revision)).is_ok()
}

/// What has names in a group: its definitions, whose names end with it, and the built-in kinds in the same form.
fn rivals(app: &App, group: &str) -> Vec<Value> {
    let all = app.store.list(&Arc::from(keys::DEFINITIONS), None).items;
    let is_of = |stored: &&Stored| {
        let name = stored.marks().name.strip_suffix(group);
        name.is_some_and(|plural| plural.ends_with('.'))
    };
    let built_in = app.kinds.built_in(group).map(|resource| {
        let names = json!({
            "plural": resource.plural, "singular": resource.singular, "shortNames": resource.short_names,
            "kind": resource.kind, "listKind": resource.list_kind,
        });
        json!({"spec": {"group": group}, "status": {"acceptedNames": names}})
    });
    all.iter().filter(is_of).map(Stored::object).chain(built_in).collect()
}

/// Drops objects whose definition is gone: they would come back under the next one of that name.
pub(crate) fn drop_undefined(app: &App) {
    let definition = |name: &str| app.store.get(&Key::new(&Arc::from(keys::DEFINITIONS), "", name));
    for (resource, _) in app.store.counts() {
        if app.kinds.keeps_built_in(&resource) || definition(&resource).is_some() {
            continue;
        }
        for stored in app.store.list(&resource, None).items {
            let marks = stored.marks();
            let key = Key::new(&resource, &marks.namespace, &marks.name);
            let _ = app.store.delete(&key, stored.revision);
        }
    }
}
