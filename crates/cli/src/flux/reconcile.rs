//! `flux reconcile source git` and `flux reconcile kustomization`.

use std::process::ExitCode;
use std::time::Duration;

use sealfast_cluster::client::{Client, Patch};
use sealfast_k8s::flux::REQUESTED_AT;
use serde_json::{Value, json};

use super::args::{Args, Flag, Kind};
use super::known::{self, Known};
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
pub(super) fn run(kind: &str, args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let known = match kind {
        "git" => known::GIT,
        "kustomization" | "ks" => known::KUSTOMIZATION,
        _ => return Err(format!("unknown command {kind:?} for \"flux reconcile\"").into()),
    };
    if args.text("with-source").is_some() && known.kind != known::KUSTOMIZATION.kind {
        return Err("unknown flag: --with-source".into());
    }
    let name = args.names.first().ok_or_else(|| format!("{} name is required", known.kind))?;
    let namespace = checked_namespace(args)?;
    connect::with_client(args, |client| async move {
        if args.is_on("with-source") {
            source(&client, &known.get(&client, &namespace, name).await?, &namespace).await?;
        }
        one(&client, known, &namespace, name).await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn source(client: &Client, object: &Value, namespace: &str) -> Result<(), Failed> {
    let reference = &object["spec"]["sourceRef"];
    let text = |field: &str| reference[field].as_str();
    if text("kind") == Some("ExternalArtifact") {
        output::talk("⚠️ an ExternalArtifact is written by others: there is nothing to reconcile");
        return Ok(());
    }
    let known = known::source_of(text("kind").unwrap_or_default())?;
    one(client, known, text("namespace").unwrap_or(namespace), text("name").unwrap_or_default()).await
}

async fn one(client: &Client, known: Known, namespace: &str, name: &str) -> Result<(), Failed> {
    let kind = known.kind;
    let object = known.get(client, namespace, name).await?;
    if object["spec"]["suspend"] == true {
        return Err("resource is suspended".into());
    }
    output::talk(&format!("► annotating {kind} {name} in {namespace} namespace"));
    let before = object["status"]["lastHandledReconcileAt"].clone();
    let now = jiff::Timestamp::now().to_string();
    let patch = json!({ "metadata": { "annotations": { REQUESTED_AT: now } } });
    let patched = client.patch(&known.gvk(), namespace, name, &Patch::Merge(&patch), wait::MANAGER).await;
    patched?;
    output::talk(&format!("✔ {kind} annotated"));
    output::talk(&format!("◎ waiting for {kind} reconciliation"));
    loop {
        let object = known.get(client, namespace, name).await?;
        if object["status"]["lastHandledReconcileAt"] != before {
            match wait::outcome(&object) {
                Outcome::Ready => {
                    output::talk(&format!("✔ {}", wait::revision(&object)));
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
