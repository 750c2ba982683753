//! Empties namespaces and definitions that are on their way out, and lets them go.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::app::App;
use crate::clock;
use crate::conditions;
use crate::crds;
use crate::definitions;
use crate::deletion;
use crate::fields;
use crate::follow_ups;
use crate::keys;
use crate::storage::{Expect, Key, Refused, Stored};

/// One round of emptying a namespace that is on its way out; false when something could not be written.
pub(crate) fn namespace(app: &App, name: &str) -> bool {
    let key = Key::new(&Arc::from(keys::NAMESPACES), "", name);
    if going(app, &key).is_none() {
        return true;
    }
    let mut done = true;
    for resource in app.store.resources_in(name) {
        for stored in app.store.list(&resource, Some(name)).items {
            let object = stored.object();
            let key = Key::new(&resource, name, fields::name(&object));
            done &= deletion::delete(app, &key, &stored, "Background");
        }
    }
    // Nothing is put into it since it was marked.
    let written = if app.store.resources_in(name).is_empty() {
        finish_namespace(app, &key)
    } else {
        report_rest(app, &key, name)
    };
    // Who changed it meanwhile has woken the collector.
    done && matches!(written, Ok(()) | Err(Refused::Changed))
}

/// A namespace that is on its way out, and not another one of that name.
fn going(app: &App, key: &Key) -> Option<Stored> {
    app.store.get(key).filter(|stored| stored.bonds().is_deleting())
}

/// Lets an empty namespace go as far as nothing else holds it.
fn finish_namespace(app: &App, key: &Key) -> Result<(), Refused> {
    let Some(stored) = going(app, key) else { return Ok(()) };
    let mut namespace = stored.object();
    let finalizers = fields::child(&mut namespace, "spec").entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut() {
        list.retain(|name| name != "kubernetes");
    }
    let others = namespace["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
    let held = others || !fields::finalizers(&namespace).is_empty();
    if !held {
        app.store.delete(key, stored.revision)?;
    } else if namespace != stored.object() {
        app.store.put(key, &namespace, Expect::Revision(stored.revision))?;
    }
    Ok(())
}

/// Says in the status of a namespace what is left in it.
fn report_rest(app: &App, key: &Key, name: &str) -> Result<(), Refused> {
    let Some(stored) = going(app, key) else { return Ok(()) };
    let mut namespace = stored.object();
    let rest = Rest::of(app, name);
    let now = clock::now();
    for (kind, status, reason, message) in rest.conditions() {
        conditions::set(&mut namespace, kind, status, reason, &message, &now);
    }
    if namespace != stored.object() {
        app.store.put(key, &namespace, Expect::Revision(stored.revision))?;
    }
    Ok(())
}

/// What is left in a namespace: how many objects of each resource, and in how many each finalizer is.
struct Rest {
    resources: Vec<(Arc<str>, usize)>,
    finalizers: BTreeMap<String, usize>,
}

impl Rest {
    fn of(app: &App, namespace: &str) -> Self {
        let (mut resources, mut finalizers) = (Vec::new(), BTreeMap::new());
        for resource in app.store.resources_in(namespace) {
            let items = app.store.list(&resource, Some(namespace)).items;
            for stored in &items {
                for finalizer in fields::finalizers(&stored.object()) {
                    *finalizers.entry(finalizer.to_owned()).or_default() += 1;
                }
            }
            resources.push((resource, items.len()));
        }
        Self { resources, finalizers }
    }

    /// Types, statuses, reasons and messages.
    fn conditions(&self) -> [(&'static str, &'static str, &'static str, String); 5] {
        let found = "All resources successfully discovered";
        let parsed = "All legacy kube types successfully parsed";
        let deleted = "All content successfully deleted, may be waiting on finalization";
        [
            ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", found.into()),
            ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions", parsed.into()),
            ("NamespaceDeletionContentFailure", "False", "ContentDeleted", deleted.into()),
            ("NamespaceContentRemaining", "True", "SomeResourcesRemain", self.content()),
            self.holders(),
        ]
    }

    fn content(&self) -> String {
        let shown = |(resource, count): &(Arc<str>, usize)| {
            let dot = if resource.contains('.') { "" } else { "." };
            format!("{resource}{dot} has {count} resource instances")
        };
        let resources: Vec<String> = self.resources.iter().map(shown).collect();
        format!("Some resources are remaining: {}", resources.join(", "))
    }

    fn holders(&self) -> (&'static str, &'static str, &'static str, String) {
        let kind = "NamespaceFinalizersRemaining";
        if self.finalizers.is_empty() {
            let text = "All content-preserving finalizers finished";
            return (kind, "False", "ContentHasNoFinalizers", text.into());
        }
        let shown = |(name, count): (&String, &usize)| format!("{name} in {count} resource instances");
        let list: Vec<String> = self.finalizers.iter().map(shown).collect();
        let text = format!("Some content in the namespace has finalizers remaining: {}", list.join(", "));
        (kind, "True", "SomeFinalizersRemain", text)
    }
}

/// Deletes the objects of a definition that is on its way out, then lets it go; false when something could not be
/// written.
pub(crate) fn definition(app: &App, name: &str) -> bool {
    let key = Key::new(&Arc::from(keys::DEFINITIONS), "", name);
    let Some(stored) = app.store.get(&key) else { return true };
    let definition = stored.object();
    if !fields::is_deleting(&definition) || !fields::finalizers(&definition).contains(&crds::CLEANUP) {
        return true;
    }
    let resource: Arc<str> = name.into();
    let left = || {
        let is_own = !app.kinds.keeps_built_in(name);
        if is_own { app.store.list(&resource, None).items } else { Vec::new() }
    };
    let mut done = true;
    for stored in left() {
        let object = stored.object();
        let key = Key::new(&resource, fields::meta(&object, "namespace"), fields::name(&object));
        done &= deletion::delete(app, &key, &stored, "");
    }
    let went = {
        // One look and one deletion: nothing is put in between, nor after it before the kind is known to be gone.
        let _alone = app.definitions.write();
        if !left().is_empty() {
            return done;
        }
        let went = deletion::take_off(app, &key, crds::CLEANUP);
        definitions::refresh(app);
        went
    };
    if let Ok(true) = went {
        follow_ups::deleted(app, keys::DEFINITIONS);
    }
    done && went.is_ok()
}
