//! `flux trace`: from an object to what applied it, and to where that came from.
//!
//! Follows: `flux` 2.9, and kubectl in how objects are named.

use std::process::ExitCode;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::known::{HELM_RELEASE, KUSTOMIZATION, Known};
use super::{Failed, checked_namespace, connect, help, wants_help};
use crate::output;

mod report;
mod wanted;

pub(super) const FLAGS: &[Flag] = &[Flag::long("kind", Kind::Text), Flag::long("api-version", Kind::Text)];

pub(super) const HELP: &str = "\
Show which Kustomization or Helm release manages an object, and from which source and revision it comes.

Usage:
  flux trace RESOURCE NAME… [flags]
  flux trace RESOURCE/NAME… [flags]
  flux trace NAME --kind KIND --api-version VERSION [flags]

Flags:
      --kind KIND             kind of the object, with --api-version
      --api-version VERSION   its API version, as apps/v1

Examples:
  flux trace -n apps deployment my-app
  flux trace -n redis pod/redis-master-0 cm/redis
  flux trace redis --kind=HelmRelease --api-version=helm.toolkit.fluxcd.io/v2 -n redis
";

/// Runs the command.
pub(super) fn run(args: &Args, rest: &[String]) -> Result<ExitCode, Failed> {
    if wants_help(rest) {
        return Ok(help(HELP));
    }
    let namespace = checked_namespace(args)?;
    connect::with_client(args, |client| async move {
        let objects = wanted::objects(&client, args, &namespace).await?;
        let mut complaints = String::new();
        for (at, object) in objects.iter().enumerate() {
            match trace(&client, object).await {
                Ok(report) => drop(output::data(report.as_bytes())),
                Err(Failed(why)) => complaints.push_str(&complaint(object, &why)),
            }
            if at + 1 < objects.len() {
                output::data(b"---\n");
            }
        }
        // The reference puts nothing between them.
        if !complaints.is_empty() {
            output::talk(&complaints);
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn complaint(object: &Value, why: &str) -> String {
    let (kind, name, namespace) = (object::kind(object), object::name(object), object::namespace(object));
    format!("failed to trace {kind}/{name} in namespace {namespace}: {why}")
}

async fn trace(client: &Client, object: &Value) -> Result<String, Failed> {
    if let Some((namespace, name)) = manager(client, object, KUSTOMIZATION, DEEPEST).await {
        return report::kustomization(client, &namespace, &name, object).await;
    }
    if let Some((namespace, name)) = manager(client, object, HELM_RELEASE, DEEPEST).await {
        return report::helm_release(client, &namespace, &name, object).await;
    }
    Err("object not managed by Flux".into())
}

/// Owners of owners that are asked about.
const DEEPEST: usize = 16;

/// The manager that the labels of an object, or of an owner of it, name.
fn manager<'a>(
    client: &'a Client,
    object: &'a Value,
    known: Known,
    depth: usize,
) -> BoxFuture<'a, Option<(String, String)>> {
    async move {
        if let Some(found) = labelled(object, known) {
            return Some(found);
        }
        let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        for reference in owners.filter(|_| depth > 0) {
            let text = |field: &str| reference[field].as_str().unwrap_or_default();
            let gvk = GroupVersionKind::from_api_version(text("apiVersion"), text("kind"));
            let owner = client.get(&gvk, object::namespace(object), text("name")).await.ok()?;
            if let Some(found) = labelled(&owner, known) {
                return Some(found);
            }
            if owner["metadata"]["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty()) {
                return manager(client, &owner, known, depth - 1).await;
            }
        }
        None
    }
    .boxed()
}

/// Namespace and name from the labels that a controller puts on what it applies.
fn labelled(object: &Value, known: Known) -> Option<(String, String)> {
    let group = known.gvk().group;
    let label = |what: &str| object::label(object, &format!("{group}/{what}")).unwrap_or_default().to_owned();
    Some((label("namespace"), label("name"))).filter(|(_, name)| !name.is_empty())
}
