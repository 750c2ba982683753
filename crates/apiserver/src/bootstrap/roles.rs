//! Rules of the roles that people refer to by name.
//!
//! Follows: the default roles of kube-apiserver 1.36. What it gives for kinds that are not served here stays, so that who
//! copies a role or asks for its rules reads the same.

/// Verbs, groups and resources.
pub(super) type Rule = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Roles that gather rules: the name, the role that gathers it in turn, and the rules that are made for it.
pub(super) const GATHERING: [(&str, Option<&str>, &[Rule]); 3] =
    [("admin", None, ADMIN), ("edit", Some("admin"), EDIT), ("view", Some("edit"), VIEW)];

/// Without `escalate` and `bind`: who gives roles gives what he has.
const ALL: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];
const READ: [&str; 3] = ["get", "list", "watch"];
const ADMIN: &[Rule] = &[
    (&["create"], &["authorization.k8s.io"], &["localsubjectaccessreviews"]),
    (&ALL, &["rbac.authorization.k8s.io"], &["rolebindings", "roles"]),
];
const EDIT: &[Rule] = &[
    (
        &READ,
        &[""],
        &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"],
    ),
    (&["impersonate"], &[""], &["serviceaccounts"]),
    (&WRITE, &[""], &["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]),
    (&["create"], &[""], &["pods/eviction"]),
    (
        &WRITE,
        &[""],
        &[
            "configmaps",
            "persistentvolumeclaims",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "secrets",
            "serviceaccounts",
            "services",
            "services/proxy",
        ],
    ),
    (&["create"], &[""], &["serviceaccounts/token"]),
    (&WRITE, &["", "events.k8s.io"], &["events"]),
    (
        &WRITE,
        &["apps"],
        &[
            "daemonsets",
            "deployments",
            "deployments/rollback",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
        ],
    ),
    (&WRITE, &["autoscaling"], &["horizontalpodautoscalers"]),
    (&WRITE, &["batch"], &["cronjobs", "jobs"]),
    (
        &WRITE,
        &["extensions"],
        &[
            "daemonsets",
            "deployments",
            "deployments/rollback",
            "deployments/scale",
            "ingresses",
            "networkpolicies",
            "replicasets",
            "replicasets/scale",
            "replicationcontrollers/scale",
        ],
    ),
    (&WRITE, &["policy"], &["poddisruptionbudgets"]),
    (&WRITE, &["networking.k8s.io"], &["ingresses", "networkpolicies"]),
    (&ALL, &["coordination.k8s.io"], &["leases"]),
    (&WRITE, &["resource.k8s.io"], &["resourceclaims", "resourceclaimtemplates"]),
];
const VIEW: &[Rule] = &[
    (
        &READ,
        &[""],
        &[
            "configmaps",
            "endpoints",
            "persistentvolumeclaims",
            "persistentvolumeclaims/status",
            "pods",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "serviceaccounts",
            "services",
            "services/status",
        ],
    ),
    (
        &READ,
        &[""],
        &[
            "bindings",
            "limitranges",
            "namespaces/status",
            "pods/log",
            "pods/status",
            "replicationcontrollers/status",
            "resourcequotas",
            "resourcequotas/status",
        ],
    ),
    (&READ, &[""], &["namespaces"]),
    (&READ, &["", "events.k8s.io"], &["events"]),
    (&READ, &["discovery.k8s.io"], &["endpointslices"]),
    (
        &READ,
        &["apps"],
        &[
            "controllerrevisions",
            "daemonsets",
            "daemonsets/status",
            "deployments",
            "deployments/scale",
            "deployments/status",
            "replicasets",
            "replicasets/scale",
            "replicasets/status",
            "statefulsets",
            "statefulsets/scale",
            "statefulsets/status",
        ],
    ),
    (&READ, &["autoscaling"], &["horizontalpodautoscalers", "horizontalpodautoscalers/status"]),
    (&READ, &["batch"], &["cronjobs", "cronjobs/status", "jobs", "jobs/status"]),
    (
        &READ,
        &["extensions"],
        &[
            "daemonsets",
            "daemonsets/status",
            "deployments",
            "deployments/scale",
            "deployments/status",
            "ingresses",
            "ingresses/status",
            "networkpolicies",
            "replicasets",
            "replicasets/scale",
            "replicasets/status",
            "replicationcontrollers/scale",
        ],
    ),
    (&READ, &["policy"], &["poddisruptionbudgets", "poddisruptionbudgets/status"]),
    (&READ, &["networking.k8s.io"], &["ingresses", "ingresses/status", "networkpolicies"]),
    (&READ, &["resource.k8s.io"], &["resourceclaims", "resourceclaims/status", "resourceclaimtemplates"]),
];
