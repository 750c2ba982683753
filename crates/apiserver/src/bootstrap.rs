//! Roles, priorities and the Service that are there from the start.

mod roles;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::auth;
use crate::fields;
use crate::keys;
use crate::storage::{Expect, Key};

/// Makes the roles and the bindings that people refer to by name, where they are not there.
pub(crate) fn roles(app: &App) {
    role(app, "cluster-admin", vec![auth::everything(), auth::every_path()]);
    roles::GATHERING.iter().for_each(|(name, gatherer, rules)| gathering(app, name, *gatherer, rules));
    bind(app, "cluster-admin", &["system:masters"]);
    open_roles(app);
}

/// A role that gathers, and the one that it begins with.
fn gathering(app: &App, name: &str, gatherer: Option<&str>, rules: &[roles::Rule]) {
    let mark = |name: &str| format!("rbac.authorization.k8s.io/aggregate-to-{name}");
    let labelled = |mut role: Value, label: Option<String>| {
        if let Some(label) = label {
            fields::child(&mut role, "metadata").entry("labels").or_insert_with(|| json!({}))[label] =
                "true".into();
        }
        role
    };
    let rules = rules.iter().map(
        |(verbs, groups, resources)| json!({"verbs": verbs, "apiGroups": groups, "resources": resources}),
    );
    let own = format!("system:aggregate-to-{name}");
    put(app, keys::CLUSTER_ROLES, labelled(cluster_role(&own, rules.collect()), Some(mark(name))));
    let mut role = labelled(cluster_role(name, Value::Null), gatherer.map(mark));
    let selector = json!({"matchLabels": {mark(name): "true"}});
    role["aggregationRule"] = json!({"clusterRoleSelectors": [selector]});
    let key = Key::new(&keys::CLUSTER_ROLES.into(), "", name);
    let Some(stored) = app.store.get(&key) else { return put(app, keys::CLUSTER_ROLES, role) };
    let mut kept = stored.object();
    // One that gathers nothing is of an older version of this program, or was changed by somebody who says so.
    let stays = fields::text(&kept, &["metadata", "annotations", AUTOUPDATE]) != "true";
    if !stays && !crate::gathered::gathers(&kept) {
        for part in ["rules", "aggregationRule"] {
            kept[part] = role[part].take();
        }
        fields::set_meta(&mut kept, "labels", role["metadata"]["labels"].take());
        let _ = app.store.put(&key, &kept, Expect::Revision(stored.revision));
    }
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
    put(app, keys::CLUSTER_ROLES, cluster_role(name, rules.into()));
}

fn cluster_role(name: &str, rules: Value) -> Value {
    marked(json!({"kind": "ClusterRole", "apiVersion": RBAC, "metadata": {"name": name}, "rules": rules}))
}

/// Binds groups to the role of the same name.
fn bind(app: &App, name: &str, groups: &[&str]) {
    let group = |group: &&str| json!({"kind": "Group", "apiGroup": keys::RBAC, "name": group});
    let binding = json!({
        "kind": "ClusterRoleBinding", "apiVersion": RBAC,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": keys::RBAC, "kind": "ClusterRole", "name": name},
        "subjects": groups.iter().map(group).collect::<Vec<_>>(),
    });
    put(app, keys::CLUSTER_ROLE_BINDINGS, marked(binding));
}

fn marked(mut object: Value) -> Value {
    fields::set_meta(&mut object, "labels", json!({"kubernetes.io/bootstrapping": "rbac-defaults"}));
    fields::set_meta(&mut object, "annotations", json!({AUTOUPDATE: "true"}));
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
        put(app, keys::PRIORITY_CLASSES, class);
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
    put(app, keys::SERVICES, service);
}

fn put(app: &App, resource: &str, mut object: Value) {
    fields::stamp(&mut object);
    let key = Key::new(&Arc::from(resource), fields::meta(&object, "namespace"), fields::name(&object));
    let _ = app.store.put(&key, &object, Expect::Absent);
}

/// Below those that other Services are given.
const FIRST_ADDRESS: &str = "10.96.0.1";
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
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
