//! Roles that are there from the start.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::auth;
use crate::fields;
use crate::server::App;
use crate::storage::{Expect, Key};

/// Makes the roles and the binding that people refer to by name, where they are not there.
pub(crate) fn roles(app: &App) {
    let core = json!({"verbs": READ, "apiGroups": ["*"], "resources": VIEWED});
    let edit = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": EDITED});
    let rbac = json!({"verbs": ["*"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]});
    role(app, "cluster-admin", vec![auth::everything(), auth::every_path()]);
    role(app, "view", vec![core.clone()]);
    role(app, "edit", vec![core.clone(), edit.clone()]);
    role(app, "admin", vec![core, edit, rbac]);
    let binding = json!({
        "kind": "ClusterRoleBinding", "apiVersion": RBAC,
        "metadata": {"name": "cluster-admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:masters"}],
    });
    put(app, "clusterrolebindings.rbac.authorization.k8s.io", binding);
}

fn role(app: &App, name: &str, rules: Vec<Value>) {
    let role = json!({"kind": "ClusterRole", "apiVersion": RBAC, "metadata": {"name": name}, "rules": rules});
    put(app, "clusterroles.rbac.authorization.k8s.io", role);
}

fn put(app: &App, resource: &str, mut object: Value) {
    app.stamp(&mut object);
    fields::set_meta(&mut object, "labels", json!({"kubernetes.io/bootstrapping": "rbac-defaults"}));
    let key = Key::new(&Arc::from(resource), "", fields::name(&object));
    let _ = app.store.put(&key, &object, Expect::Absent);
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const READ: [&str; 3] = ["get", "list", "watch"];
const VIEWED: [&str; 22] = [
    "configmaps",
    "endpoints",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "serviceaccounts",
    "services",
    "events",
    "limitranges",
    "namespaces",
    "resourcequotas",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "horizontalpodautoscalers",
    "cronjobs",
    "jobs",
    "ingresses",
    "networkpolicies",
    "poddisruptionbudgets",
    "endpointslices",
];
const EDITED: [&str; 17] = [
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "serviceaccounts",
    "services",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "horizontalpodautoscalers",
    "cronjobs",
    "jobs",
    "ingresses",
    "networkpolicies",
    "poddisruptionbudgets",
];
