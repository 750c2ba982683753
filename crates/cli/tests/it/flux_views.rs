//! `flux tree`, `trace`, `events`, `stats` and `logs`, against a cluster.

use anyhow::Result;
use serde_json::{Value, json};

use crate::flux_cluster::Desk;

const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
const HELM: &str = "helm.toolkit.fluxcd.io";
const SOURCE: &str = "source.toolkit.fluxcd.io";

fn object(version: &str, kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({
        "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": "apps" },
    });
    for (key, value) in rest.as_object().into_iter().flatten() {
        match key.as_str() {
            "labels" | "ownerReferences" | "annotations" => object["metadata"][key] = value.clone(),
            _ => object[key] = value.clone(),
        }
    }
    object
}

fn kustomization(name: &str, ids: &[&str]) -> Value {
    let entries: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "v": "v1" })).collect();
    let reference = json!({ "kind": "OCIRepository", "name": "oci" });
    let rest = json!({ "spec": { "sourceRef": reference, "path": "./x" }, "status": { "inventory": { "entries": entries } } });
    object(&format!("{KUSTOMIZE}/v1"), "Kustomization", name, &rest)
}

fn ready(status: &str, message: &str) -> Value {
    json!([{ "type": "Ready", "status": status, "message": message, "lastTransitionTime": "2026-01-02T03:04:05Z" }])
}

#[test]
fn a_tree_ends_where_it_would_begin_again() -> Result<()> {
    let id = |name: &str| format!("apps_{name}_{KUSTOMIZE}_Kustomization");
    let mut remote = kustomization("remote", &[&id("far")]);
    remote["spec"]["kubeConfig"] = json!({ "secretRef": { "name": "k" } });
    let desk = Desk::new(vec![
        kustomization(
            "one",
            &[&id("one"), &id("two"), "_system__reader_rbac.authorization.k8s.io_ClusterRole"],
        ),
        kustomization("two", &[&id("one"), &id("remote"), &id("lost")]),
        remote,
    ])?;
    let told = desk.refusal(&["tree", "ks", "one", "-n", "apps"])?;
    assert!(told.starts_with("✗ failed to find object: ") && told.contains("\"lost\" not found"), "{told}");
    let desk = Desk::new(vec![
        kustomization(
            "one",
            &[&id("one"), &id("two"), "_system__reader_rbac.authorization.k8s.io_ClusterRole"],
        ),
        kustomization("two", &[&id("one"), "apps_x__ConfigMap"]),
    ])?;
    let tree = desk.told(&["tree", "kustomization", "one", "-n", "apps"])?;
    let lines: Vec<&str> = tree.lines().collect();
    assert_eq!(
        lines,
        [
            "Kustomization/apps/one",
            "├── Kustomization/apps/two",
            "│   ├── Kustomization/apps/one",
            "│   └── ConfigMap/apps/x",
            "└── ClusterRole/system:reader",
            "",
        ]
    );
    let broken = Desk::new(vec![kustomization("one", &["x_y"])])?;
    assert!(broken.refusal(&["tree", "ks", "one", "-n", "apps"])?.contains("x_y"));
    assert!(desk.refusal(&["tree", "helmrelease", "one"])?.contains("unknown command \"helmrelease\""));
    Ok(())
}

#[test]
fn a_helm_release_shows_what_helm_keeps() -> Result<()> {
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {word: hidden}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: extra}\n";
    let stored =
        base64(&base64(&json!({ "manifest": manifest, "config": { "word": "hidden" } }).to_string()));
    let release = json!({
        "spec": { "install": { "crds": "CreateReplace" } },
        "status": { "storageNamespace": "apps", "history": [
            { "name": "db", "version": 1, "namespace": "old" }, { "name": "db", "version": 2, "namespace": "data" },
        ] },
    });
    let labels = json!({ format!("{HELM}/name"): "db", format!("{HELM}/namespace"): "apps" });
    let mut definition = object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "dbs.x.io",
        &json!({ "labels": labels }),
    );
    definition["metadata"].as_object_mut().map(|metadata| metadata.remove("namespace"));
    let desk = Desk::new(vec![
        kustomization("one", &[&format!("apps_db_{HELM}_HelmRelease")]),
        object(&format!("{HELM}/v2"), "HelmRelease", "db", &release),
        object("v1", "Secret", "sh.helm.release.v1.db.v2", &json!({ "data": { "release": stored } })),
        definition,
    ])?;
    let tree = desk.told(&["tree", "ks", "one", "-n", "apps"])?;
    assert_eq!(
        tree,
        "Kustomization/apps/one\n└── HelmRelease/apps/db\n    ├── Secret/data/db\n    ├── Namespace/extra\n    └── CustomResourceDefinition/dbs.x.io\n\n"
    );
    assert!(!desk.told(&["tree", "ks", "one", "-n", "apps", "--compact"])?.contains("Secret"));
    Ok(())
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn a_trace_goes_from_owners_to_sources() -> Result<()> {
    let labels = |group: &str, name: &str| json!({ format!("{group}/name"): name, format!("{group}/namespace"): "apps" });
    let artifact = json!({ "revision": "v1@sha256:aa", "metadata": { "org.opencontainers.image.source": "https://git.local/x" } });
    let owner = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }]);
    let release = json!({
        "spec": { "chart": { "spec": { "sourceRef": { "kind": "HelmRepository", "name": "charts" } } } },
        "status": { "helmChart": "apps/apps-db", "lastAttemptedRevision": "1.2.3", "conditions": ready("False", "no") },
    });
    let chart = json!({ "spec": { "chart": "db", "version": "1.x" }, "status": { "artifact": { "revision": "1.2.3" } } });
    let oci = json!({
        "spec": { "url": "oci://x/y", "ref": { "semver": ">=1" } },
        "status": { "artifact": artifact, "conditions": ready("False", "gone") },
    });
    let desk = Desk::new(vec![
        kustomization("one", &[]),
        object(&format!("{SOURCE}/v1"), "OCIRepository", "oci", &oci),
        object("apps/v1", "Deployment", "web", &json!({ "labels": labels(KUSTOMIZE, "one") })),
        object("v1", "Pod", "web-0", &json!({ "ownerReferences": owner })),
        object("v1", "Service", "db", &json!({ "labels": labels(HELM, "db") })),
        object(&format!("{HELM}/v2"), "HelmRelease", "db", &release),
        object(&format!("{SOURCE}/v1"), "HelmChart", "apps-db", &chart),
        object(
            &format!("{SOURCE}/v1"),
            "HelmRepository",
            "charts",
            &json!({ "spec": { "url": "https://charts" } }),
        ),
        object("v1", "ConfigMap", "lost", &json!({ "labels": labels(KUSTOMIZE, "nobody") })),
    ])?;
    let told = desk.told(&["trace", "pod", "web-0", "-n", "apps"])?;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "",
            "Object:          Pod/web-0",
            "Namespace:       apps",
            "Status:          Managed by Flux",
            "---",
            "Kustomization:   one",
            "Namespace:       apps",
            "Path:            ./x",
            "Revision:        ",
            "Status:          Unknown",
            "---",
            "OCIRepository:   oci",
            "Namespace:       apps",
            "URL:             oci://x/y",
            "Tag:             >=1",
            "Revision:        v1@sha256:aa",
            "",
            "Origin Source:   https://git.local/x",
            "Status:          Last reconciliation failed at 2026-01-02 03:04:05 +0000 UTC",
            "Message:         gone",
        ]
    );
    let told = desk.told(&["trace", "svc/db".replace("svc", "services").as_str(), "-n", "apps"])?;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "",
            "Object:         Service/db",
            "Namespace:      apps",
            "Status:         Managed by Flux",
            "---",
            "HelmRelease:    db",
            "Namespace:      apps",
            "Revision:       1.2.3",
            "Status:         Last reconciled at 2026-01-02 03:04:05 +0000 UTC",
            "Message:        no",
            "---",
            "HelmChart:      apps-db",
            "Namespace:      apps",
            "Chart:          db",
            "Version:        1.x",
            "Revision:       1.2.3",
            "Status:         Unknown",
            "---",
            "HelmRepository: charts",
            "Namespace:      apps",
            "URL:            https://charts",
            "Status:         Unknown",
        ]
    );
    let output = desk.flux(&["trace", "cm/lost", "deploy.apps/web", "-n", "apps"])?;
    assert!(String::from_utf8(output.stdout)?.starts_with("---\n\nObject:          Deployment/web\n"));
    let talk = String::from_utf8(output.stderr)?;
    assert!(
        talk.starts_with("failed to trace ConfigMap/lost in namespace apps: failed to find kustomization: "),
        "{talk}"
    );
    for (words, why) in [
        (vec!["trace"], "either `<resource>/<name>` or `<resource> <name>` is required as an argument"),
        (vec!["trace", "cm"], "resource(s) were provided, but no name was specified"),
        (vec!["trace", "cm/a", "b"], "there is no need to specify a resource type as a separate argument"),
        (vec!["trace", "cm/a/b"], "may not have more than one slash"),
        (vec!["trace", "cm/"], "must have a single resource and name"),
        (vec!["trace", "nothings.apps/x"], "the server doesn't have a resource type \"nothings\""),
        (
            vec!["trace", "cm,deploy", "x", "-n", "apps"],
            "[configmaps \"x\" not found, deployments.apps \"x\" not found]",
        ),
        (
            vec!["trace", "x", "--kind=Thing", "--api-version=v1"],
            "failed to find object: no matches for kind \"Thing\"",
        ),
        (vec!["trace", "--kind=Thing"], "object name is required"),
        (vec!["trace", "x", "--kind=Thing"], "object apiVersion is required (--api-version)"),
    ] {
        let told = desk.refusal(&words)?;
        assert!(told.starts_with("✗ ") && told.contains(why), "{words:?}: {told}");
    }
    Ok(())
}

#[test]
fn events_of_an_object_come_with_those_of_its_source() -> Result<()> {
    let event = |name: &str, kind: &str, about: &str, namespace: &str, at: &str| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": name, "namespace": namespace },
            "involvedObject": { "kind": kind, "name": about }, "type": "Normal", "reason": "R", "message": name,
            "firstTimestamp": at, "lastTimestamp": at,
        })
    };
    let mut release = object(&format!("{HELM}/v2"), "HelmRelease", "db", &json!({}));
    release["spec"] = json!({ "chart": { "spec": { "sourceRef": {
        "kind": "HelmRepository", "name": "charts", "namespace": "shared",
    } } } });
    let desk = Desk::new(vec![
        release,
        object(&format!("{HELM}/v2"), "HelmRelease", "bare", &json!({ "spec": {} })),
        event("late", "HelmRelease", "db", "apps", "2020-01-03T00:00:00Z"),
        event("early", "HelmRepository", "charts", "shared", "2020-01-01T00:00:00Z"),
        event("middle", "HelmChart", "apps-db", "shared", "2020-01-02T00:00:00Z"),
        event("other", "HelmRelease", "else", "apps", "2020-01-01T00:00:00Z"),
    ])?;
    let told = desk.told(&["events", "--for", "helmrelease/db", "-n", "apps"])?;
    let messages: Vec<&str> =
        told.lines().map(|line| line.trim_end().rsplit('\t').next().unwrap_or_default().trim()).collect();
    assert_eq!(messages, ["MESSAGE", "early", "middle", "late"], "{told}");
    assert!(told.starts_with("NAMESPACE\tLAST SEEN\t") && told.contains("\nshared   \t"), "{told}");
    for (words, why) in [
        (["events", "--for", "/"], "--for selector must be of format <kind>[/<name>]"),
        (["events", "--for", "a/b/c"], "'a/b/c' is not a recognized Flux kind"),
        (
            ["events", "-napps", "--for=HelmRelease/bare"],
            "field 'spec.chart.spec.sourceRef.kind' for 'apps/bare' not found",
        ),
        (["events", "-napps", "--for=HelmRelease/lost"], "\"lost\" not found"),
    ] {
        let told = desk.refusal(&words)?;
        assert!(told.contains(why), "{words:?}: {told}");
    }
    Ok(())
}

#[test]
fn logs_are_those_of_one_pod_of_each_controller() -> Result<()> {
    let part = json!({ "app.kubernetes.io/part-of": "flux" });
    let template = |app: &str| json!({ "labels": part, "spec": { "template": { "metadata": { "labels": { "app": app } } } } });
    let pod = |app: &str, phase: &str, containers: usize, log: &str| {
        json!({
            "labels": { "app": app }, "annotations": { "log": log }, "status": { "phase": phase },
            "spec": { "containers": vec![json!({}); containers] },
        })
    };
    let log = concat!(
        "not JSON\n",
        r#"{"ts":"T1","level":"info","msg":"done","reconciler kind":"Kustomization","name":"one","namespace":"apps"}"#,
        "\n",
        r#"{"ts":"T2","level":"error","msg":"broke","error":"why","controllerKind":"Kustomization","name":"two","namespace":"apps"}"#,
        "\n",
        r#"{"ts":"T3","level":"info","msg":"{query}","controllerKind":"Kustomization"}"#,
        "\n{broken\n",
    );
    let desk = Desk::new(vec![
        object("apps/v1", "Deployment", "ks", &template("ks")),
        object("apps/v1", "Deployment", "empty", &template("empty")),
        object("v1", "Pod", "ks-0", &pod("ks", "Pending", 1, "{\"msg\":\"from the wrong pod\"}\n")),
        object("v1", "Pod", "ks-1", &pod("ks", "Running", 2, log)),
    ])?;
    let all = ["logs", "--flux-namespace=apps", "-A", "--tail=5", "--since=90s"];
    let output = desk.flux(&all)?;
    assert_eq!(
        String::from_utf8(output.stdout)?,
        "T1 info Kustomization/one.apps - done \nT2 error Kustomization/two.apps - broke why\nT3 info Kustomization - container=manager&sinceSeconds=90&tailLines=5 \n"
    );
    assert!(String::from_utf8(output.stderr)?.starts_with("✗ parse error: "));
    let told = desk.told(&[
        "logs",
        "--flux-namespace=apps",
        "-n",
        "apps",
        "--level=error",
        "--kind=kustomization",
        "--name=TWO",
        "-f",
    ])?;
    assert_eq!(told, "T2 error Kustomization/two.apps - broke why\n");
    assert_eq!(desk.told(&["logs", "--flux-namespace=apps", "--since-time=2026-01-01T00:00:00+01:00"])?, "");
    for (words, why) in [
        (vec!["logs"], "no Flux pods found in namespace \"flux-system\""),
        (vec!["logs", "x"], "no argument required"),
        (
            vec!["logs", "--since=1s", "--since-time=2026-01-01T00:00:00Z"],
            "at most one of `sinceTime` or `sinceDuration`",
        ),
        (vec!["logs", "--since-time=yesterday"], "yesterday is not a valid (RFC3339) time"),
        (vec!["logs", "--tail=x"], "invalid argument \"x\" for \"--tail\" flag"),
    ] {
        let told = desk.refusal(&words)?;
        assert!(told.contains(why), "{words:?}: {told}");
    }
    Ok(())
}

#[test]
fn stats_take_no_words_and_artifacts_are_not_delivered() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    assert!(desk.refusal(&["stats", "x"])?.contains("unknown command \"x\" for \"flux stats\""));
    let push = ["push", "artifact", "oci://x.test/app:b", "--path=.", "--source=s", "--revision=r"];
    for (more, why) in [
        (vec![], "OCI artifacts are out of scope"),
        (vec!["--path=none"], "invalid path 'none', must point to an existing directory or file"),
        (vec!["-a", "k"], "invalid annotation k, must be in the format key=value"),
        (
            vec!["--provider=x"],
            "source OCI provider 'x' is not supported, must be one of: generic, aws, azure, gcp",
        ),
        (vec!["--revision="], "--revision is required"),
    ] {
        let told = desk.refusal(&[push.as_slice(), &more].concat())?;
        assert!(told.contains(why), "{more:?}: {told}");
    }
    for (words, why) in [
        (vec!["pull", "artifact", "oci://x.test/app:b", "-o", "none"], "invalid output path \"none\""),
        (vec!["pull", "artifact", "x.test/app:b", "-o", "."], "URL must be in format"),
        (
            vec!["tag", "artifact", "oci://x.test/A:b", "--tag=c"],
            "'oci://x.test/A:b' invalid URL: could not parse reference: x.test/A:b",
        ),
        (vec!["list", "artifacts"], "artifact repository URL is required"),
    ] {
        let told = desk.refusal(&words)?;
        assert!(told.contains(why), "{words:?}: {told}");
    }
    Ok(())
}
