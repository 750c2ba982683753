//! Namespaces: what they get at birth, when they take objects, how their end shows.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::causes::Cause;
use crate::fields;
use crate::keys;
use crate::kinds::Resource;
use crate::status_error::Status;
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
    if resource == keys::NAMESPACES {
        fields::metadata(object).shift_remove("deletionGracePeriodSeconds");
        fields::child(object, "status").insert("phase".into(), "Terminating".into());
    }
}

/// Refuses an object of that name where the namespace is absent or on its way out.
pub(crate) fn take(app: &App, namespace: &str, resource: &Resource, name: &str) -> Result<(), Status> {
    if !resource.namespaced {
        return Ok(());
    }
    let key = Key::new(&Arc::from(keys::NAMESPACES), "", namespace);
    let Some(stored) = app.store.get(&key) else {
        return Err(Status::not_found("", "namespaces", namespace));
    };
    if stored.bonds().is_deleting() { Err(is_terminating(namespace, resource, name)) } else { Ok(()) }
}

/// A namespace on its way out takes no new object.
pub(crate) fn is_terminating(namespace: &str, resource: &Resource, name: &str) -> Status {
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let cause = Cause {
        reason: "NamespaceTerminating",
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".into(),
    };
    Status::forbidden(&resource.group, &resource.plural, name, &why).with_causes(vec![cause])
}

/// Creates a namespace with its default account unless it is there.
pub(crate) fn ensure(app: &App, name: &str) {
    let mut namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}});
    fields::stamp(&mut namespace);
    prepare(&mut namespace);
    let key = Key::new(&Arc::from(keys::NAMESPACES), "", name);
    let _ = app.store.put(&key, &namespace, Expect::Absent);
    ensure_account(app, name);
}

/// The account that every namespace has; false when it could not be written.
pub(crate) fn ensure_account(app: &App, namespace: &str) -> bool {
    let key = Key::new(&Arc::from(keys::SERVICE_ACCOUNTS), namespace, "default");
    if app.store.get(&key).is_some() {
        return true;
    }
    let mut account = json!({
        "kind": "ServiceAccount", "apiVersion": "v1",
        "metadata": {"name": "default", "namespace": namespace},
    });
    fields::stamp(&mut account);
    !matches!(app.store.put(&key, &account, Expect::Absent), Err(Refused::Disk(_)))
}

/// Namespaces that cannot be deleted.
pub(crate) const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];
/// Namespaces that are there from the start.
pub(crate) const INITIAL: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
