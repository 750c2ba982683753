//! The life of a namespace: its marks at birth, and its emptying at the end.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock;
use crate::conditions;
use crate::fields;
use crate::request::Call;
use crate::server::App;
use crate::status_error::{Cause, Status};
use crate::storage::{Expect, Key, Refused};

/// What a new namespace gets.
pub(crate) fn prepare(namespace: &mut Value) {
    label(namespace);
    let stated = fields::get(namespace, &["spec", "finalizers"]).and_then(Value::as_array);
    let mut finalizers = stated.cloned().unwrap_or_default();
    if !finalizers.iter().any(|name| name == "kubernetes") {
        finalizers.push("kubernetes".into());
    }
    namespace["spec"] = json!({"finalizers": finalizers});
    namespace["status"] = json!({"phase": "Active"});
}

/// The label with the name, whatever a client says.
pub(crate) fn label(namespace: &mut Value) {
    let name = fields::name(namespace).to_owned();
    let labels = fields::metadata(namespace).entry("labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    labels["kubernetes.io/metadata.name"] = name.into();
}

/// Marks of a namespace whose deletion was asked for.
pub(crate) fn terminating(resource: &str, object: &mut Value) {
    if resource == "namespaces" {
        fields::metadata(object).shift_remove("deletionGracePeriodSeconds");
        fields::child(object, "status").insert("phase".into(), "Terminating".into());
    }
}

impl App {
    /// Refuses new content where the namespace is absent or on its way out.
    pub(crate) fn namespaces_take(&self, call: &Call<'_>, name: &str) -> Result<(), Status> {
        if !call.resource.namespaced {
            return Ok(());
        }
        let key = Key::new(&Arc::from("namespaces"), "", &call.namespace);
        let namespace = &call.namespace;
        let Some(stored) = self.store.get(&key) else {
            return Err(Status::not_found("", "namespaces", namespace));
        };
        if !stored.bonds().is_deleting() {
            return Ok(());
        }
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let cause = Cause {
            reason: "NamespaceTerminating",
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".into(),
        };
        let resource = &call.resource;
        Err(Status::forbidden(&resource.group, &resource.plural, name, &why).with_causes(vec![cause]))
    }

    /// Creates a namespace with its default account unless it is there.
    pub(crate) fn ensure_namespace(&self, name: &str) {
        let mut namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}});
        self.stamp(&mut namespace);
        prepare(&mut namespace);
        let key = Key::new(&Arc::from("namespaces"), "", name);
        let _ = self.store.put(&key, &namespace, Expect::Absent);
        self.ensure_account(name);
    }

    /// The account that every namespace has; false when it could not be written.
    pub(crate) fn ensure_account(&self, namespace: &str) -> bool {
        let key = Key::new(&Arc::from("serviceaccounts"), namespace, "default");
        if self.store.get(&key).is_some() {
            return true;
        }
        let mut account = json!({
            "kind": "ServiceAccount", "apiVersion": "v1",
            "metadata": {"name": "default", "namespace": namespace},
        });
        self.stamp(&mut account);
        !matches!(self.store.put(&key, &account, Expect::Absent), Err(Refused::Disk(_)))
    }

    pub(crate) fn stamp(&self, object: &mut Value) {
        fields::set_meta(object, "uid", clock::uuid().into());
        fields::set_meta(object, "creationTimestamp", clock::now().into());
    }

    /// One round of emptying a namespace that is on its way out; false when something could not be written.
    pub(crate) fn empty_namespace(&self, name: &str) -> bool {
        let key = Key::new(&Arc::from("namespaces"), "", name);
        let Some(stored) = self.store.get(&key) else { return true };
        if !fields::is_deleting(&stored.object()) {
            return true;
        }
        let mut done = true;
        // Somebody who looked before the namespace was marked may put one more object into it.
        for _ in 0..ROUNDS {
            for resource in self.store.resources_in(name) {
                for stored in self.store.list(&resource, Some(name)).items {
                    let object = stored.object();
                    let key = Key::new(&resource, name, fields::name(&object));
                    done &= self.delete_stored(&key, &stored, "Background");
                }
            }
            if !self.store.resources_in(name).is_empty() {
                self.report_rest(&key, name);
                return done;
            }
            match self.finish_namespace(&key) {
                Ok(()) => return done,
                Err(Refused::Changed) => {}
                Err(_) => return false,
            }
        }
        done
    }

    /// Lets an empty namespace go as far as nothing else holds it.
    fn finish_namespace(&self, key: &Key) -> Result<(), Refused> {
        let Some(stored) = self.store.get(key) else { return Ok(()) };
        let mut namespace = stored.object();
        let finalizers =
            fields::child(&mut namespace, "spec").entry("finalizers").or_insert_with(|| json!([]));
        if let Some(list) = finalizers.as_array_mut() {
            list.retain(|name| name != "kubernetes");
        }
        let others = namespace["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let held = others || !fields::finalizers(&namespace).is_empty();
        if !held {
            self.store.delete_namespace(key, stored.revision)?;
        } else if namespace != stored.object() {
            self.store.put(key, &namespace, Expect::Revision(stored.revision))?;
        }
        Ok(())
    }

    fn report_rest(&self, key: &Key, name: &str) {
        let Some(stored) = self.store.get(key) else { return };
        let mut namespace = stored.object();
        let (mut kinds, mut held) = (Vec::new(), std::collections::BTreeMap::<String, usize>::new());
        for resource in self.store.resources_in(name) {
            let items = self.store.list(&resource, Some(name)).items;
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
            let _ = self.store.put(key, &namespace, Expect::Revision(stored.revision));
        }
    }
}

/// How often an emptied namespace is emptied again when something was put into it meanwhile.
const ROUNDS: usize = 5;
/// Namespaces that cannot be deleted.
pub(crate) const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];
/// Namespaces that are there from the start.
pub(crate) const INITIAL: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
