//! `sealfast manifests`: what a cluster needs to run the controllers, as YAML.
//!
//! Follows: the rights and the pods of Flux's two controllers; the names are our own, so that both may be there.

use std::process::ExitCode;

use clap::Args;
use sealfast_k8s::{flux, object};
use serde_json::{Value, json};

use crate::diagnostic::Failure;
use crate::output;

/// What `manifests` takes.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManifestsArgs {
    /// Namespace of the controllers.
    #[arg(long, short, value_name = "NAME", default_value = "flux-system")]
    namespace: String,
    /// Image that holds the program, made with the project's Dockerfile; pods need one.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// What to print.
    #[arg(long, value_name = "PARTS", value_delimiter = ',', default_value = "definitions,rights,pods")]
    components: Vec<Part>,
}

/// One part of an installation.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The definitions of Flux's kinds.
    Definitions,
    /// The account and what it may do.
    Rights,
    /// The Service and the Deployment.
    Pods,
}

const EXAMPLES: &str = "\
Examples:
  sealfast manifests --image registry.example.com/sealfast:1.0 | kubectl apply --server-side -f -
  sealfast manifests --components rights --namespace delivery";

/// What most of the objects are called.
pub(crate) const NAME: &str = "sealfast";
/// Behind `flux-`, the distribution that `flux check` names.
const VERSION: &str = concat!("sealfast-", env!("CARGO_PKG_VERSION"));
const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// What helps who names no image.
pub(crate) const NO_IMAGE: &str = "build one with the project's Dockerfile and push it to where the cluster takes images from: `docker build -t REGISTRY/sealfast:TAG .`";

/// Everything that an installation has.
pub(crate) fn all(namespace: &str, image: &str) -> Vec<Value> {
    let components = vec![Part::Definitions, Part::Rights, Part::Pods];
    objects(&ManifestsArgs { namespace: namespace.to_owned(), image: Some(image.to_owned()), components })
}

/// The controllers and their rights in the order in which they go: a cluster role before the binding of its name, which
/// tells whose it is. Other namespaces see what is bound in the whole cluster, too.
pub(crate) fn controllers(namespace: &str) -> Vec<Value> {
    // Whatever image it is, it goes.
    let mut objects = [rights(namespace), pods(namespace, "")].concat();
    objects.reverse();
    objects.sort_by_key(|object| match object["kind"].as_str() {
        Some("Deployment" | "Service") => 0,
        Some("ClusterRole") => 1,
        _ => 2,
    });
    objects
}

/// Runs `sealfast manifests`.
pub(crate) fn run(args: &ManifestsArgs) -> ExitCode {
    if args.image.is_none() && args.components.contains(&Part::Pods) {
        return Failure::new("`--image` is needed for pods").hint(NO_IMAGE).report();
    }
    let text: Vec<String> = objects(args).iter().map(sealfast_yaml::json::to_yaml).collect();
    output::data(text.join("---\n").as_bytes())
}

fn objects(args: &ManifestsArgs) -> Vec<Value> {
    let namespace = args.namespace.as_str();
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})];
    for part in [Part::Definitions, Part::Rights, Part::Pods] {
        if args.components.contains(&part) {
            objects.extend(match part {
                Part::Definitions => definitions(),
                Part::Rights => rights(namespace),
                Part::Pods => pods(namespace, args.image.as_deref().unwrap_or_default()),
            });
        }
    }
    objects
}

/// The definitions, marked as `flux check` and `flux version` look for them.
pub(crate) fn definitions() -> Vec<Value> {
    let mut definitions = flux::crds();
    for definition in &mut definitions {
        object::set_label(definition, "app.kubernetes.io/part-of", "flux");
        object::set_label(definition, "app.kubernetes.io/version", VERSION);
    }
    definitions
}

/// What the controllers read and write themselves; what they apply for others they apply as cluster-admin, unless
/// objects name accounts of their own.
fn rights(namespace: &str) -> Vec<Value> {
    let subject = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}]);
    let bound = |kind: &str, name: &str, role: Value| {
        let mut binding = json!({"apiVersion": RBAC, "kind": kind, "metadata": {"name": name}, "roleRef": role, "subjects": subject});
        if kind == "RoleBinding" {
            binding["metadata"]["namespace"] = namespace.into();
        }
        binding
    };
    let role =
        |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let all = ["get", "list", "watch", "create", "update", "patch", "delete"];
    let own = |group: &str, kinds: &[&str]| {
        let parts = kinds
            .iter()
            .flat_map(|kind| [kind.to_string(), format!("{kind}/status"), format!("{kind}/finalizers")]);
        json!({"apiGroups": [group], "resources": parts.collect::<Vec<_>>(), "verbs": all})
    };
    let read = ["get", "list", "watch"];
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace}}),
        json!({
            "apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": NAME},
            "rules": [
                own("kustomize.toolkit.fluxcd.io", &["kustomizations"]),
                own("source.toolkit.fluxcd.io", &["gitrepositories"]),
                rule("source.toolkit.fluxcd.io", &["buckets", "externalartifacts", "ocirepositories"], &read),
                rule("", &["configmaps", "secrets", "serviceaccounts"], &read),
                rule("", &["serviceaccounts/token"], &["create"]),
                rule("", &["events"], &["create", "patch"]),
            ],
        }),
        bound("ClusterRoleBinding", NAME, role("ClusterRole", NAME)),
        bound("ClusterRoleBinding", &format!("{NAME}-apply"), role("ClusterRole", "cluster-admin")),
        json!({
            "apiVersion": RBAC, "kind": "Role", "metadata": {"name": NAME, "namespace": namespace},
            "rules": [rule("coordination.k8s.io", &["leases"], &all)],
        }),
        bound("RoleBinding", NAME, role("Role", NAME)),
    ]
}

fn pods(namespace: &str, image: &str) -> Vec<Value> {
    let labels = json!({"app.kubernetes.io/name": NAME});
    let marks = json!({"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "flux"});
    let field =
        |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "health"}});
    let container = json!({
        "name": NAME,
        "image": image,
        "args": [
            "run", "--enable-leader-election", "--log-level=info", "--log-encoding=json", "--storage-path=/data",
            format!("--storage-adv-addr={NAME}.{namespace}.svc.cluster.local."),
        ],
        "env": [field("RUNTIME_NAMESPACE", "metadata.namespace")],
        "ports": [
            {"name": "artifacts", "containerPort": 9090},
            {"name": "metrics", "containerPort": 8080},
            {"name": "health", "containerPort": 9440},
        ],
        "livenessProbe": probe("/healthz"),
        "readinessProbe": {"httpGet": {"path": "/", "port": "artifacts"}},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1000m", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
    });
    vec![
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "artifacts"}]},
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "namespace": namespace, "labels": marks},
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": NAME,
                        "securityContext": {"fsGroup": 1337, "runAsUser": 65534},
                        "terminationGracePeriodSeconds": 60,
                        "containers": [container],
                        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
                    },
                },
            },
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_goes_before_its_binding_and_the_account_last() {
        let going = controllers("x");
        let kinds: Vec<&str> = going.iter().filter_map(|object| object["kind"].as_str()).collect();
        let binding = "ClusterRoleBinding";
        let rights = ["ClusterRole", "RoleBinding", "Role", binding, binding, "ServiceAccount"];
        assert_eq!(kinds[..2], ["Deployment", "Service"]);
        assert_eq!(kinds[2..], rights);
    }

    #[test]
    fn parts_are_printed_as_asked() {
        let args = |components: Vec<Part>| ManifestsArgs {
            namespace: "x".into(),
            image: Some("i".into()),
            components,
        };
        let kinds = |components| {
            let objects = objects(&args(components));
            objects.iter().map(|o| o["kind"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(kinds(vec![Part::Pods]), ["Namespace", "Service", "Deployment"]);
        let all = kinds(vec![Part::Definitions, Part::Rights, Part::Pods]);
        assert_eq!(all.iter().filter(|kind| *kind == "CustomResourceDefinition").count(), 5);
        assert_eq!(all.last().map(String::as_str), Some("Deployment"));
    }
}
