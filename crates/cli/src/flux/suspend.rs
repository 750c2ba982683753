//! `flux suspend` and `flux resume`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use futures::future::join_all;
use sealfast_cluster::client::{Client, Patch, Select};
use sealfast_k8s::object;
use serde_json::{Value, json};

use super::args::{Args, Flag, Kind};
use super::known::{self, Known};
use super::wait::{self, MANAGER};
use super::{Failed, checked_namespace, connect, help, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[Flag::long("all", Kind::Switch)];
pub(super) const RESUME_FLAGS: &[Flag] = &[Flag::long("all", Kind::Switch), Flag::long("wait", Kind::Switch)];

pub(super) const HELP: &str = "\
Stop reconciling objects, or go on with it.

Usage:
  flux suspend|resume kustomization|helmrelease NAME… [flags]
  flux suspend|resume source git|oci|bucket|helm|chart NAME… [flags]
  flux suspend|resume image repository|policy|update NAME… [flags]
  flux suspend|resume receiver|alert|alert-provider NAME… [flags]

Flags:
      --all    every object of the namespace
      --wait   wait until what is resumed is ready; for one name that is the default

Examples:
  flux suspend kustomization my-secrets
  flux resume kustomization my-secrets
";

/// Runs `flux suspend`.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let known = known::find("suspend", words)?;
    named(known, args)?;
    let namespace = checked_namespace(args)?;
    connect::with_client(args, |client| async move {
        let objects = list(&client, known, &namespace).await;
        if args.names.is_empty() {
            let objects = objects?;
            if objects.is_empty() {
                return Err("no objects found".into());
            }
            for object in objects {
                suspend(&client, known, &object).await?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let kind = known.kind;
        let failed = |name: &str, Failed(why): Failed| {
            output::talk(&format!("✗ failed suspending {kind} {name} in {namespace} namespace: {why}"));
        };
        let objects = match objects {
            Ok(objects) => objects,
            Err(why) => {
                failed(&args.names[0], why);
                return Ok(ExitCode::SUCCESS);
            }
        };
        for name in once(&args.names) {
            match objects.iter().find(|object| object::name(object) == name) {
                None => output::talk(&format!("✗ {kind} {name} not found in {namespace} namespace")),
                Some(object) => {
                    if let Err(why) = suspend(&client, known, object).await {
                        failed(name, why);
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Runs `flux resume`.
pub(super) fn resume(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let known = known::find("resume", words)?;
    named(known, args)?;
    let namespace = checked_namespace(args)?;
    let waits = args.is_on("wait") || args.text("wait").is_none() && args.names.len() == 1;
    connect::without_limit(args, |client| async move {
        let limit = tokio::time::Instant::now() + connect::limit(args);
        let objects = resumed(&client, known, &namespace, &args.names).await?;
        if !waits {
            return Ok(ExitCode::SUCCESS);
        }
        let ends = join_all(objects.iter().map(|object| ready(&client, known, object, limit))).await;
        let mut failed = 0;
        for (object, end) in objects.iter().zip(ends) {
            let what = format!("{} {} reconciliation", known.kind, object::name(object));
            match end {
                Ok(object) => {
                    output::talk(&format!("✔ {what} completed"));
                    output::talk(&format!("✔ {}", wait::success(known.kind, &object)));
                }
                Err(Failed(why)) => {
                    output::talk(&format!("✗ {what} failed: {why}"));
                    failed += 1;
                }
            }
        }
        if failed > 0 {
            return Err(format!("reconciliation failed for {failed} {}(s)", known.kind).into());
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn named(known: Known, args: &Args) -> Result<(), Failed> {
    if args.names.is_empty() && !args.is_on("all") {
        return Err(format!("{} name is required", known.human).into());
    }
    Ok(())
}

/// Each name once, in the order in which they were given.
fn once(names: &[String]) -> impl Iterator<Item = &str> {
    let mut seen = BTreeSet::new();
    names.iter().map(String::as_str).filter(move |name| seen.insert(*name))
}

async fn list(client: &Client, known: Known, namespace: &str) -> Result<Vec<Value>, Failed> {
    let listed = client.list(&known.gvk(), namespace, &Select::default()).await;
    Ok(listed?.items)
}

async fn suspend(client: &Client, known: Known, object: &Value) -> Result<(), Failed> {
    let (namespace, name) = (object::namespace(object), object::name(object));
    output::talk(&format!("► suspending {} {name} in {namespace} namespace", known.human));
    patch(client, known, object, &json!(true)).await?;
    output::talk(&format!("✔ {} suspended", known.human));
    Ok(())
}

async fn patch(client: &Client, known: Known, object: &Value, suspend: &Value) -> Result<(), Failed> {
    let patch = json!({ "spec": { "suspend": suspend } });
    let (namespace, name) = (object::namespace(object), object::name(object));
    let patched = client.patch(&known.gvk(), namespace, name, &Patch::Merge(&patch), MANAGER).await;
    patched?;
    Ok(())
}

/// Takes the suspension back; returns what was found, by name.
async fn resumed(
    client: &Client,
    known: Known,
    namespace: &str,
    names: &[String],
) -> Result<Vec<Value>, Failed> {
    let objects = match list(client, known, namespace).await {
        Err(Failed(why)) if names.is_empty() => return Err(format!("failed patching objects: {why}").into()),
        listed => listed?,
    };
    if names.is_empty() && objects.is_empty() {
        output::talk(&format!("✗ no {} objects found in {namespace} namespace", known.kind));
    }
    let named: Vec<&str> = match names {
        [] => objects.iter().map(object::name).collect(),
        names => once(names).collect(),
    };
    let mut found = Vec::new();
    for name in named {
        let Some(object) = objects.iter().find(|object| object::name(object) == name) else {
            // The reference names the first one whichever is missing.
            let first = names.first().map_or(name, String::as_str);
            output::talk(&format!("✗ {} object '{first}' not found in {namespace} namespace", known.kind));
            continue;
        };
        output::talk(&format!("► resuming {} {name} in {namespace} namespace", known.human));
        patch(client, known, object, &Value::Null).await?;
        output::talk(&format!("✔ {} resumed", known.human));
        found.push(object.clone());
    }
    found.sort_by(|left, right| object::name(left).cmp(object::name(right)));
    Ok(found)
}

/// Waits until an object is ready. A failed run may be followed by a better one, so that only time ends the wait, or a
/// controller that gives up.
async fn ready(
    client: &Client,
    known: Known,
    object: &Value,
    limit: tokio::time::Instant,
) -> Result<Value, Failed> {
    output::talk(&format!("◎ waiting for {} reconciliation", known.kind));
    let (namespace, name) = (object::namespace(object), object::name(object));
    let polling = async {
        loop {
            let object = known.get(client, namespace, name).await?;
            if let Some(why) = wait::stalled(&object) {
                return Err(why.into());
            }
            let is_ready = matches!(wait::outcome(&object), wait::Outcome::Ready);
            if is_ready || wait::is_static(known.kind, &object) {
                return Ok(object);
            }
            tokio::time::sleep(wait::PAUSE).await;
        }
    };
    tokio::time::timeout_at(limit, polling).await.unwrap_or_else(|_| Err("context deadline exceeded".into()))
}
