//! `flux` where reading or writing fails: nothing is told as success.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use sealfast_testkit::program;
use serde_json::{Value, json};

use crate::flux_cluster::Desk;

const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
const IMAGE: &str = "image.toolkit.fluxcd.io";

fn object(version: &str, kind: &str, name: &str) -> Value {
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": "flux-system" } })
}

#[test]
fn what_cannot_be_counted_is_told() -> Result<()> {
    let policy = object(&format!("{IMAGE}/v1beta2"), "ImagePolicy", "app");
    let desk = Desk::new(vec![policy, object(&format!("{KUSTOMIZE}/v1"), "Kustomization", "one")])?;
    let rows = desk.told(&["stats"])?;
    let row = |kind: &str| {
        let row = rows.lines().find(|row| row.starts_with(kind)).unwrap_or_default();
        row.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("Kustomization"), ["1", "0", "0", "-"]);
    assert_eq!(row("ImagePolicy"), ["1", "0", "0", "-"], "in the version that the cluster has");
    assert_eq!(row("Alert"), ["0", "0", "0", "-"], "a kind that is not there");
    desk.forbid("kustomizations");
    let output = desk.flux(&["stats"])?;
    assert_eq!(output.status.code(), Some(1));
    let (rows, talk) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    assert!(rows.contains("\nImagePolicy ") && !rows.contains("\nKustomization "), "{rows}");
    assert_eq!(talk, "✗ Kustomization: kustomizations is forbidden: nobody may\n");
    let told = desk.refusal(&["stats", "--server=http://127.0.0.1:1"])?;
    assert!(told.starts_with("✗ GitRepository: cannot reach the API server"), "{told}");
    Ok(())
}

#[test]
fn a_check_fails_on_what_it_cannot_see() -> Result<()> {
    let part = json!({ "app.kubernetes.io/part-of": "flux", "app.kubernetes.io/version": "v2.9.0" });
    let mut deployment = object("apps/v1", "Deployment", "source-controller");
    deployment["metadata"]["labels"] = part.clone();
    deployment["metadata"]["generation"] = json!(1);
    deployment["spec"] =
        json!({ "replicas": 1, "template": { "spec": { "containers": [{ "image": "ghcr.io/x:v1" }] } } });
    deployment["status"] = json!({
        "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        "conditions": [{ "type": "Available", "status": "True" }],
    });
    let mut definition = object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "gitrepositories.source.toolkit.fluxcd.io",
    );
    definition["metadata"] = json!({ "name": definition["metadata"]["name"], "labels": part });
    definition["status"] = json!({ "storedVersions": ["v1"] });
    let desk = Desk::new(vec![deployment, definition])?;
    let talk = |output: std::process::Output| String::from_utf8(output.stderr);
    let output = desk.flux(&["check"])?;
    assert!(output.status.success(), "{}", talk(output)?);
    let told = talk(output)?;
    for line in
        ["✔ source-controller: deployment ready\n", "► ghcr.io/x:v1\n", "/v1\n", "✔ all checks passed\n"]
    {
        assert!(told.contains(line), "{told}");
    }
    desk.forbid("deployments");
    let told = desk.refusal(&["check"])?;
    assert!(told.contains("✗ listing Deployment failed: deployments is forbidden"), "{told}");
    assert!(told.ends_with("✗ check failed\n"), "{told}");
    desk.forbid("customresourcedefinitions");
    let told = desk.refusal(&["check"])?;
    assert!(told.contains("✗ listing CustomResourceDefinition failed: "), "{told}");
    Ok(())
}

#[test]
fn a_trace_looks_at_every_owner() -> Result<()> {
    let desk = |owners: &[(&str, &str)]| {
        let references = owners.iter().map(
            |(kind, name)| json!({ "apiVersion": if *kind == "Deployment" { "apps/v1" } else { "v1" }, "kind": kind, "name": name }),
        );
        let mut pod = object("v1", "Pod", "web-0");
        pod["metadata"]["ownerReferences"] = references.collect();
        let mut deployment = object("apps/v1", "Deployment", "web");
        deployment["metadata"]["labels"] =
            json!({ format!("{KUSTOMIZE}/name"): "one", format!("{KUSTOMIZE}/namespace"): "flux-system" });
        let one = object(&format!("{KUSTOMIZE}/v1"), "Kustomization", "one");
        Desk::new(vec![pod, deployment, one, object("v1", "ConfigMap", "bare")])
    };
    let words = ["trace", "pod", "web-0"];
    let several = desk(&[("ConfigMap", "gone"), ("ConfigMap", "bare"), ("Deployment", "web")])?;
    assert!(several.told(&words)?.contains("Kustomization:   one\n"));
    several.forbid("configmaps");
    assert!(several.told(&words)?.contains("Kustomization:   one\n"));
    several.forbid("deployments");
    assert_eq!(
        several.refusal(&words)?,
        "failed to trace Pod/web-0 in namespace flux-system: failed to get its owner ConfigMap/flux-system/gone: configmaps is forbidden: nobody may\n"
    );
    let bare = desk(&[("ConfigMap", "bare")])?;
    let output = bare.flux(&words)?;
    assert!(output.status.success() && String::from_utf8(output.stderr)?.contains("not managed by Flux"));
    Ok(())
}

#[test]
fn a_full_disk_is_no_success() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    let mut child = desk
        .command(&["envsubst"])
        .stdin(Stdio::piped())
        .stdout(File::options().write(true).open("/dev/full")?)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("it is piped")?;
    let _ = input.write_all(b"one\ntwo\nthree\n");
    drop(input);
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(told.matches("failed to write to standard output").count(), 1, "{told}");
    Ok(())
}

#[test]
fn a_watch_ends_when_nobody_reads_on() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    for words in [["events", "-w"], ["events", "-wA"]] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let child = desk.command(&words).stdout(writer).stderr(Stdio::null()).spawn()?;
        assert!(program::ended(child)?.success(), "{words:?}");
    }
    Ok(())
}

#[test]
fn rows_of_a_watch_stand_under_their_header() -> Result<()> {
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e", "namespace": "flux-system" },
        "involvedObject": { "kind": "Kustomization", "name": "app" }, "type": "Normal", "reason": "Done", "message": "shown",
    });
    let desk = Desk::new(vec![event])?;
    let mut child = desk.command(&["events", "-w"]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
    let (header, row) = (lines.next().context("a header")??, lines.next().context("a row")??);
    child.kill()?;
    child.wait()?;
    for (column, cell) in
        [("TYPE", "Normal"), ("REASON", "Done"), ("OBJECT", "Kustomization/app"), ("MESSAGE", "shown")]
    {
        assert_eq!(header.find(column), row.find(cell), "{header}\n{row}");
    }
    Ok(())
}

#[test]
fn flags_that_do_nothing_are_told() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    let output = desk.flux(&["stats", "--cache-dir=x", "--kube-api-qps=5", "--kube-api-burst=2"])?;
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr)?, "⚠️ --cache-dir has no effect here\n");
    assert!(
        desk.refusal(&["tree", "ks", "x", "-o", "table"])?
            .contains("--output must be json or yaml, not table")
    );
    Ok(())
}

#[test]
fn a_value_is_no_request_for_help() -> Result<()> {
    let desk = Desk::new(Vec::new())?;
    let words = ["create", "secret", "helm", "auth", "-u=me", "--password", "-h", "--export"];
    assert!(desk.told(&words)?.contains("password: -h\n"));
    assert!(
        desk.told(&["create", "secret", "helm", "auth", "-h"])?.contains("Usage:\n  flux create secret helm")
    );
    assert!(desk.told(&["push", "artifact", "--help"])?.contains("flux push artifact"));
    let overview = desk.told(&["help"])?;
    assert_eq!(desk.told(&["--help"])?, overview);
    assert!(
        overview.contains("\n  flux create tenant NAME ") && overview.contains("\nFlags of every command:\n")
    );
    for (words, why) in [
        (["push", "x"], "unknown command \"x\" for \"flux push\""),
        (["create", "source"], ""),
        (["create", "x"], "unknown command \"x\" for \"flux create\""),
    ] {
        match why {
            "" => assert!(desk.told(&words)?.contains("Usage:")),
            why => assert_eq!(desk.refusal(&words)?, format!("✗ {why}\n")),
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_read_is_not_told_as_created() -> Result<()> {
    let mut one = object(&format!("{KUSTOMIZE}/v1"), "Kustomization", "one");
    one["spec"] = json!({
        "interval": "5m", "path": "./", "prune": true, "sourceRef": { "kind": "GitRepository", "name": "repo" },
    });
    let map = object("v1", "ConfigMap", "app");
    let desk = Desk::new(vec![one, map.clone()])?;
    desk.folder("dir")?;
    desk.write("dir/app.yaml", &map.to_string())?;
    desk.forbid("configmaps");
    let output = desk.flux(&["diff", "kustomization", "one", "--path=dir"])?;
    let (found, talk) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    assert!(!output.status.success() && !found.contains("created"), "{found}");
    let wanted = "ConfigMap/flux-system/app could not be read: configmaps is forbidden: nobody may";
    assert!(talk.contains(wanted), "{talk}");
    Ok(())
}
