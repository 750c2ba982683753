//! `flux reconcile source git` and `flux reconcile kustomization`.

use std::process::ExitCode;
use std::time::Duration;

use sealfast_cluster::client::{Client, Patch};
use sealfast_k8s::flux::REQUESTED_AT;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

use super::args::{Args, Flag, Kind};
use super::wait::{self, Outcome};
use super::{Failed, checked_namespace, connect, help, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[Flag::long("with-source", Kind::Switch)];

pub(super) const HELP: &str = "\
Ask for a run now, and wait for its outcome.

Usage:
  flux reconcile source git NAME [flags]
  flux reconcile kustomization NAME [--with-source] [flags]

Examples:
  flux reconcile kustomization my-secrets --with-source
";

const PAUSE: Duration = Duration::from_millis(50);

/// Runs the command for one kind.
pub(super) fn run(kind: &str, args: &Args, words: &[String]) -> Result<ExitCode, Failed> {
    if wants_help(words) {
        return Ok(help(HELP));
    }
    let gvk = match kind {
        "git" => git_repository(),
        "kustomization" | "ks" => GroupVersionKind::new("kustomize.toolkit.fluxcd.io", "v1", "Kustomization"),
        _ => return Err(format!("unknown command {kind:?} for \"flux reconcile\"").into()),
    };
    let name = args.names.first().ok_or_else(|| format!("{} name is required", gvk.kind))?;
    let namespace = checked_namespace(args)?;
    connect::with_client(args, |client| async move {
        if args.is_on("with-source") {
            source(&client, &gvk, &namespace, name).await?;
        }
        one(&client, &gvk, &namespace, name).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn git_repository() -> GroupVersionKind {
    GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", "GitRepository")
}

async fn source(client: &Client, gvk: &GroupVersionKind, namespace: &str, name: &str) -> Result<(), Failed> {
    let object = get(client, gvk, namespace, name).await?;
    let reference = &object["spec"]["sourceRef"];
    let text = |field: &str| reference[field].as_str();
    if text("kind") == Some("ExternalArtifact") {
        output::talk("⚠️ an ExternalArtifact is written by others: there is nothing to reconcile");
        return Ok(());
    }
    let kind = GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", text("kind").unwrap_or_default());
    one(client, &kind, text("namespace").unwrap_or(namespace), text("name").unwrap_or_default()).await
}

async fn get(client: &Client, gvk: &GroupVersionKind, namespace: &str, name: &str) -> Result<Value, Failed> {
    client.get(gvk, namespace, name).await.map_err(|error| {
        if error.is_not_found() {
            let plural = if gvk.kind == "Kustomization" { "kustomizations" } else { "gitrepositories" };
            return format!("{plural}.{} {name:?} not found", gvk.group).into();
        }
        Failed::from_error(&error)
    })
}

async fn one(client: &Client, gvk: &GroupVersionKind, namespace: &str, name: &str) -> Result<(), Failed> {
    let kind = &gvk.kind;
    let object = get(client, gvk, namespace, name).await?;
    if object["spec"]["suspend"] == true {
        return Err("resource is suspended".into());
    }
    output::talk(&format!("► annotating {kind} {name} in {namespace} namespace"));
    let before = object["status"]["lastHandledReconcileAt"].clone();
    let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string();
    let patch = json!({ "metadata": { "annotations": { REQUESTED_AT: now } } });
    let patched = client.patch(gvk, namespace, name, &Patch::Merge(&patch), "flux").await;
    patched.map_err(|error| Failed::from_error(&error))?;
    output::talk(&format!("✔ {kind} annotated"));
    output::talk(&format!("◎ waiting for {kind} reconciliation"));
    loop {
        let object = get(client, gvk, namespace, name).await?;
        if object["status"]["lastHandledReconcileAt"] != before {
            match wait::outcome(&object) {
                Outcome::Ready => {
                    output::talk(&format!("✔ {}", revision(&object)));
                    return Ok(());
                }
                // The request was handled: waiting longer would only hide the reason.
                Outcome::Failed(why) => return Err(why.into()),
                Outcome::Waiting => {}
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn revision(object: &Value) -> String {
    match object["status"]["artifact"]["revision"].as_str() {
        Some(revision) => format!("fetched revision {revision}"),
        None => format!(
            "applied revision {}",
            object["status"]["lastAppliedRevision"].as_str().unwrap_or_default()
        ),
    }
}
