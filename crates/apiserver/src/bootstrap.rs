//! Roles, priorities and the Service that are there from the start.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::auth;
use crate::fields;
use crate::server::App;
use crate::storage::{Expect, Key};

/// Makes the roles and the bindings that people refer to by name, where they are not there.
pub(crate) fn roles(app: &App) {
    let core = json!({"verbs": READ, "apiGroups": ["*"], "resources": VIEWED});
    let edit = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": EDITED});
    let rbac = json!({"verbs": ["*"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]});
    role(app, "cluster-admin", vec![auth::everything(), auth::every_path()]);
    role(app, "view", vec![core.clone()]);
    role(app, "edit", vec![core.clone(), edit.clone()]);
    role(app, "admin", vec![core, edit, rbac]);
    bind(app, "cluster-admin", &["system:masters"]);
    open_roles(app);
}

/// What everybody may do: ask what there is and what he is, and look whether the server is well.
fn open_roles(app: &App) {
    let paths = |paths: &[&str]| json!({"verbs": ["get"], "nonResourceURLs": paths});
    let create =
        |group: &str, kinds: &[&str]| json!({"verbs": ["create"], "apiGroups": [group], "resources": kinds});
    let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
    let known = [
        ("system:discovery", vec![paths(&DISCOVERY)], &["system:authenticated"][..]),
        (
            "system:public-info-viewer",
            vec![paths(&PUBLIC)],
            &["system:authenticated", "system:unauthenticated"],
        ),
        (
            "system:basic-user",
            vec![
                create("authorization.k8s.io", &reviews),
                create("authentication.k8s.io", &["selfsubjectreviews"]),
            ],
            &["system:authenticated"],
        ),
        ("system:service-account-issuer-discovery", vec![paths(&ISSUER)], &["system:serviceaccounts"]),
    ];
    for (name, rules, groups) in known {
        role(app, name, rules);
        bind(app, name, groups);
    }
}

fn role(app: &App, name: &str, rules: Vec<Value>) {
    let role = json!({"kind": "ClusterRole", "apiVersion": RBAC, "metadata": {"name": name}, "rules": rules});
    put(app, "clusterroles.rbac.authorization.k8s.io", marked(role));
}

/// Binds groups to the role of the same name.
fn bind(app: &App, name: &str, groups: &[&str]) {
    let group = |group: &&str| json!({"kind": "Group", "apiGroup": GROUP, "name": group});
    let binding = json!({
        "kind": "ClusterRoleBinding", "apiVersion": RBAC,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": groups.iter().map(group).collect::<Vec<_>>(),
    });
    put(app, "clusterrolebindings.rbac.authorization.k8s.io", marked(binding));
}

fn marked(mut object: Value) -> Value {
    fields::set_meta(&mut object, "labels", json!({"kubernetes.io/bootstrapping": "rbac-defaults"}));
    fields::set_meta(
        &mut object,
        "annotations",
        json!({"rbac.authorization.kubernetes.io/autoupdate": "true"}),
    );
    object
}

/// Makes the priorities of what a cluster needs itself, where they are not there.
pub(crate) fn priorities(app: &App) {
    for (name, value) in crate::admit::SYSTEM_PRIORITIES {
        let class = json!({
            "kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1",
            "metadata": {"name": name, "generation": 1}, "value": value,
            "description": "For what the cluster itself needs.",
            "preemptionPolicy": "PreemptLowerPriority",
        });
        put(app, "priorityclasses.scheduling.k8s.io", class);
    }
}

/// Makes the Service under which the server itself is found, where it is not there.
pub(crate) fn service(app: &App) {
    let port = json!({"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443});
    let service = json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "ports": [port], "clusterIP": FIRST_ADDRESS, "clusterIPs": [FIRST_ADDRESS], "type": "ClusterIP",
            "sessionAffinity": "None", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    });
    put(app, "services", service);
}

fn put(app: &App, resource: &str, mut object: Value) {
    app.stamp(&mut object);
    let key = Key::new(&Arc::from(resource), fields::meta(&object, "namespace"), fields::name(&object));
    let _ = app.store.put(&key, &object, Expect::Absent);
}

/// Below those that other Services are given.
const FIRST_ADDRESS: &str = "10.96.0.1";
const GROUP: &str = "rbac.authorization.k8s.io";
const DISCOVERY: [&str; 11] = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
];
const PUBLIC: [&str; 5] = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
const ISSUER: [&str; 4] = [
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
];
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
