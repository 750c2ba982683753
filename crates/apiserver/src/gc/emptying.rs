//! Empties namespaces and definitions that are on their way out, and lets them go.

use std::sync::Arc;

use serde_json::json;

use crate::app::App;
use crate::clock;
use crate::conditions;
use crate::crds;
use crate::deletion;
use crate::fields;
use crate::storage::{Expect, Key, Refused};

/// One round of emptying a namespace that is on its way out; false when something could not be written.
pub(crate) fn namespace(app: &App, name: &str) -> bool {
    let key = Key::new(&Arc::from("namespaces"), "", name);
    let Some(stored) = app.store.get(&key) else { return true };
    if !fields::is_deleting(&stored.object()) {
        return true;
    }
    let mut done = true;
    // Somebody who looked before the namespace was marked may put one more object into it.
    for _ in 0..ROUNDS {
        for resource in app.store.resources_in(name) {
            for stored in app.store.list(&resource, Some(name)).items {
                let object = stored.object();
                let key = Key::new(&resource, name, fields::name(&object));
                done &= deletion::delete(app, &key, &stored, "Background");
            }
        }
        if !app.store.resources_in(name).is_empty() {
            report_rest(app, &key, name);
            return done;
        }
        match finish_namespace(app, &key) {
            Ok(()) => return done,
            Err(Refused::Changed) => {}
            Err(_) => return false,
        }
    }
    done
}

/// Lets an empty namespace go as far as nothing else holds it.
fn finish_namespace(app: &App, key: &Key) -> Result<(), Refused> {
    let Some(stored) = app.store.get(key) else { return Ok(()) };
    let mut namespace = stored.object();
    let finalizers = fields::child(&mut namespace, "spec").entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut() {
        list.retain(|name| name != "kubernetes");
    }
    let others = namespace["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
    let held = others || !fields::finalizers(&namespace).is_empty();
    if !held {
        app.store.delete_namespace(key, stored.revision)?;
    } else if namespace != stored.object() {
        app.store.put(key, &namespace, Expect::Revision(stored.revision))?;
    }
    Ok(())
}

fn report_rest(app: &App, key: &Key, name: &str) {
    let Some(stored) = app.store.get(key) else { return };
    let mut namespace = stored.object();
    let (mut kinds, mut held) = (Vec::new(), std::collections::BTreeMap::<String, usize>::new());
    for resource in app.store.resources_in(name) {
        let items = app.store.list(&resource, Some(name)).items;
        let shown = if resource.contains('.') { resource.to_string() } else { format!("{resource}.") };
        kinds.push(format!("{shown} has {} resource instances", items.len()));
        for stored in items {
            for finalizer in fields::finalizers(&stored.object()) {
                *held.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }
    let now = clock::now();
    let mut say = |kind: &str, status: &str, reason: &str, message: &str| {
        conditions::set(&mut namespace, kind, status, reason, message, &now);
    };
    say(
        "NamespaceDeletionDiscoveryFailure",
        "False",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    );
    say(
        "NamespaceDeletionGroupVersionParsingFailure",
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    );
    say(
        "NamespaceDeletionContentFailure",
        "False",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    );
    let text = format!("Some resources are remaining: {}", kinds.join(", "));
    say("NamespaceContentRemaining", "True", "SomeResourcesRemain", &text);
    let list: Vec<String> =
        held.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    if list.is_empty() {
        say(
            "NamespaceFinalizersRemaining",
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        );
    } else {
        let text = format!("Some content in the namespace has finalizers remaining: {}", list.join(", "));
        say("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", &text);
    }
    if namespace != stored.object() {
        let _ = app.store.put(key, &namespace, Expect::Revision(stored.revision));
    }
}

/// Deletes the objects of a definition that is on its way out, then lets it go; false when something could not be
/// written.
pub(crate) fn definition(app: &App, name: &str) -> bool {
    let key = Key::new(&Arc::from(crds::KEY), "", name);
    let Some(stored) = app.store.get(&key) else { return true };
    let definition = stored.object();
    if !fields::is_deleting(&definition) || !fields::finalizers(&definition).contains(&crds::CLEANUP) {
        return true;
    }
    let resource: Arc<str> = name.into();
    let mut done = true;
    for stored in app.store.list(&resource, None).items {
        let object = stored.object();
        let key = Key::new(&resource, fields::meta(&object, "namespace"), fields::name(&object));
        done &= deletion::delete(app, &key, &stored, "");
    }
    // One look and one deletion: nothing is put in between.
    let _alone = app.definitions.write();
    if app.store.list(&resource, None).items.is_empty() {
        done &= deletion::drop_finalizer(app, &key, crds::CLEANUP);
    }
    done
}

/// How often an emptied namespace is emptied again when something was put into it meanwhile.
const ROUNDS: usize = 5;
