//! `flux` for every kind of Flux, and command lines as people type them.

use anyhow::Result;
use serde_json::{Value, json};

use crate::flux_cluster::Desk;

const NAMESPACE: &str = "flux-system";
const SOURCE: &str = "source.toolkit.fluxcd.io/v1";
const NOTIFICATION: &str = "notification.toolkit.fluxcd.io";

fn object(version: &str, kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
    let metadata = json!({ "name": name, "namespace": NAMESPACE });
    json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "status": status })
}

fn ready(rest: &Value) -> Value {
    let condition = json!({ "type": "Ready", "status": "True", "message": "done", "observedGeneration": 1 });
    let mut status = json!({ "observedGeneration": 1, "conditions": [condition] });
    for (field, value) in rest.as_object().into_iter().flatten() {
        status[field] = value.clone();
    }
    status
}

fn desk() -> Result<Desk> {
    let reference = json!({ "kind": "HelmRepository", "name": "charts" });
    let artifact = ready(&json!({ "artifact": { "revision": "sha256:1" } }));
    let release = json!({ "chart": { "spec": { "chart": "web", "sourceRef": reference } } });
    Desk::new(vec![
        object(SOURCE, "HelmRepository", "charts", &json!({ "interval": "10m" }), &artifact),
        object(SOURCE, "HelmChart", "flux-system-web", &json!({ "sourceRef": reference }), &artifact),
        object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web", &release, &ready(&json!({}))),
        object(&format!("{NOTIFICATION}/v1beta3"), "Alert", "page", &json!({ "suspend": true }), &json!({})),
        object(&format!("{NOTIFICATION}/v1"), "Receiver", "hook", &json!({}), &json!({})),
    ])
}

#[test]
fn every_kind_has_its_table() -> Result<()> {
    let desk = desk()?;
    for (words, table) in [
        ("alerts", "NAME SUSPENDED READY MESSAGE page True True Alert is Ready"),
        ("receivers", "NAME SUSPENDED READY MESSAGE hook False False waiting to be reconciled"),
        (
            "hr --show-source",
            "NAME SOURCE REVISION SUSPENDED READY MESSAGE web HelmRepository/flux-system/charts False True done",
        ),
    ] {
        let words: Vec<&str> = ["get"].into_iter().chain(words.split(' ')).collect();
        let told = desk.told(&words)?;
        assert_eq!(told.split_whitespace().collect::<Vec<_>>().join(" "), table);
    }
    let all = desk.flux(&["get", "all", "page"])?;
    let (rows, talk) = (String::from_utf8(all.stdout)?, String::from_utf8(all.stderr)?);
    assert!(all.status.success() && rows.contains("alert/page"), "{rows}");
    assert!(
        talk.contains("✗ HelmRepository object 'page' not found in \"flux-system\" namespace\n"),
        "{talk}"
    );
    assert!(!talk.contains("Alert"), "{talk}");
    Ok(())
}

#[test]
fn every_kind_is_suspended_resumed_and_exported() -> Result<()> {
    let desk = desk()?;
    let talk = |words: &[&str]| -> Result<String> { Ok(String::from_utf8(desk.flux(words)?.stderr)?) };
    let resumed = talk(&["resume", "alert", "page"])?;
    assert!(
        resumed.ends_with("✔ Alert page reconciliation completed\n✔ Alert reconciliation completed\n"),
        "{resumed}"
    );
    let alert = desk.object(NOTIFICATION, "alerts", NAMESPACE, "page");
    assert_ne!(alert["spec"]["suspend"], true);
    assert!(talk(&["suspend", "source", "helm", "charts"])?.contains("✔ source helm suspended\n"));
    assert!(talk(&["resume", "source", "helm", "charts"])?.ends_with("✔ fetched revision sha256:1\n"));
    assert!(desk.told(&["export", "source", "helm", "charts"])?.contains("interval: 10m0s\n"));
    let refusal = desk.refusal(&["reconcile", "alert", "page"])?;
    assert_eq!(refusal, "✗ unknown command \"alert\" for \"flux reconcile\"\n");
    Ok(())
}

#[test]
fn a_release_is_run_after_its_chart_and_that_after_its_repository() -> Result<()> {
    let desk = desk()?;
    let output = desk.flux(&["reconcile", "hr", "web", "--with-source", "--reset"])?;
    let talk = String::from_utf8(output.stderr)?;
    let annotated: Vec<&str> = talk.lines().filter_map(|line| line.strip_prefix("► annotating ")).collect();
    assert_eq!(
        annotated,
        [
            "HelmRepository charts in flux-system namespace",
            "HelmChart flux-system-web in flux-system namespace",
            "HelmRelease web in flux-system namespace",
        ]
    );
    let release = desk.object("helm.toolkit.fluxcd.io", "helmreleases", NAMESPACE, "web");
    let marks = &release["metadata"]["annotations"];
    assert!(
        marks["reconcile.fluxcd.io/resetAt"].is_string() && marks["reconcile.fluxcd.io/forceAt"].is_null()
    );
    Ok(())
}

#[test]
fn what_is_asked_for_wrongly_is_refused_in_the_words_of_flux() -> Result<()> {
    let desk = desk()?;
    for (words, why) in [
        ("get sources helm --show-source", "unknown flag: --show-source"),
        (
            "get hr -l ===",
            "unable to parse label selector: couldn't parse the selector string \"===\": found '==', expected: !, identifier, or 'end of string'",
        ),
        ("get hr --kubeconfig=/none", "stat /none: no such file or directory"),
        ("get hr --timeout=0s", "context deadline exceeded"),
        ("get --nope", "unknown flag: --nope"),
        ("--nope", "unknown flag: --nope"),
        ("reconcile source helm charts --with-source", "unknown flag: --with-source"),
        ("diff artifact", "artifact URL is required"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(desk.refusal(&words)?, format!("✗ {why}\n"), "{words:?}");
    }
    Ok(())
}

#[test]
fn flags_may_stand_before_the_kind() -> Result<()> {
    let desk = desk()?;
    let words = "create -n apps --export source --interval 2m git app --url=https://x.test/a --branch=b";
    let told = desk.told(&words.split(' ').collect::<Vec<_>>())?;
    assert!(told.contains("namespace: apps\n") && told.contains("interval: 2m0s\n"), "{told}");
    assert_eq!(
        desk.told(&["get", "-A", "hr", "--no-header"])?,
        desk.told(&["get", "hr", "-A=true", "--no-header"])?
    );
    let bare = desk.told(&["create", "ks", "app", "--source=a", "--export", "--namespace="])?;
    assert!(!bare.contains("namespace"), "{bare}");
    Ok(())
}

#[test]
fn an_environment_that_names_no_namespace_is_always_told() -> Result<()> {
    let desk = desk()?;
    let mut command = desk.command(&["get", "hr", "-n", NAMESPACE]);
    let output = command.env("FLUX_SYSTEM_NAMESPACE", "BAD").output()?;
    let talk = String::from_utf8(output.stderr)?;
    assert_eq!(talk, "⚠️  ignoring invalid FLUX_SYSTEM_NAMESPACE: \"BAD\"\n");
    assert!(output.status.success());
    Ok(())
}

#[test]
fn a_run_that_says_nothing_is_no_success() -> Result<()> {
    let desk = desk()?;
    let output = desk.flux(&["reconcile", "receiver", "hook"])?;
    assert_eq!(output.status.code(), Some(1));
    let talk = String::from_utf8(output.stderr)?;
    assert!(talk.ends_with("✗ status can't be determined\n"), "{talk}");
    Ok(())
}
