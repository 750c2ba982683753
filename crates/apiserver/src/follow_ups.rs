//! What follows at once from a write: accounts of namespaces, names of kinds.

use std::sync::Arc;

use serde_json::Value;

use crate::app::App;
use crate::crds;
use crate::definitions;
use crate::fields;
use crate::keys;
use crate::namespaces;

/// Does what follows from a new object. When that fails, the collector tries again.
pub(crate) fn created(app: &App, resource: &str, object: &Value) {
    complete(app, resource, object);
}

/// Does what follows from a changed object.
pub(crate) fn updated(app: &App, resource: &str, object: &Value) {
    if resource == keys::DEFINITIONS {
        definitions::establish(app, fields::name(object));
    }
}

/// Does what follows from an object that went.
pub(crate) fn deleted(app: &App, resource: &str) {
    if resource == keys::DEFINITIONS {
        definitions::changed(app);
    }
}

/// Brings into line what belongs to an object that stays; false when it could not be written.
pub(crate) fn complete(app: &App, resource: &str, object: &Value) -> bool {
    match resource {
        keys::NAMESPACES if !fields::is_deleting(object) => {
            namespaces::ensure_account(app, fields::name(object))
        }
        keys::DEFINITIONS if !crds::is_settled(object) => definitions::establish(app, fields::name(object)),
        _ => true,
    }
}

/// Does what should have followed writes before the last stop, and did not.
pub(crate) fn catch_up(app: &App) {
    for resource in [keys::NAMESPACES, keys::DEFINITIONS] {
        for stored in app.store.list(&Arc::from(resource), None).items {
            complete(app, resource, &stored.object());
        }
    }
}
