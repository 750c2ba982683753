//! `flux check`: does the cluster fit, and does Flux run in it.
//!
//! Follows: `flux` 2.9. Differs: what cannot be read is no success, `--timeout` holds for all,
//! and nobody is asked for newer versions.

use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use sealfast_cluster::client::Client;
use sealfast_cluster::client::request::Call;
use sealfast_cluster::health::{self, Status};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::args::{Args, Flag, Kind};
use super::labelled::{self, PART_OF};
use super::{Failed, checked_namespace, connect, help, told, version, wants_help};
use crate::{in_process, output};

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("pre", Kind::Switch),
    Flag::long("components", Kind::List),
    Flag::long("components-extra", Kind::List),
    Flag::long("poll-interval", Kind::Duration),
];

pub(super) const HELP: &str = "\
Check that the cluster is new enough and that the controllers in it are ready.

Usage:
  flux check [--pre] [flags]

Flags:
      --pre                      only look at the cluster itself
      --poll-interval DURATION   how often controllers that are not ready are looked at (default 5s)

Examples:
  flux check --pre
  flux check
";

/// The oldest version of Kubernetes that Flux runs on.
const OLDEST: (u64, u64) = (1, 33);

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if let Some(word) = args.names.first() {
        return Err(format!("unknown command {word:?} for \"flux check\"").into());
    }
    let namespace = checked_namespace(args)?;
    output::talk("► checking prerequisites");
    connect::with_client(args, |client| async move {
        let fits = said(kubernetes(&client).await);
        if args.is_on("pre") {
            if fits {
                output::talk("✔ prerequisites checks passed");
            }
            return Ok(code(fits));
        }
        let is_well = flux(&client, &namespace, args).await;
        output::talk(if fits && is_well { "✔ all checks passed" } else { "✗ check failed" });
        Ok(code(fits && is_well))
    })
}

/// Looks at Flux itself.
async fn flux(client: &Client, namespace: &str, args: &Args) -> bool {
    output::talk("► checking version in cluster");
    let is_known = said(installed(client).await);
    output::talk("► checking controllers");
    let are_ready = controllers(client, namespace, args).await;
    output::talk("► checking crds");
    let are_stored = definitions(client).await;
    is_known && are_ready && are_stored
}

fn code(is_well: bool) -> ExitCode {
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says what was found; returns whether it is well.
fn said(outcome: Result<String, Failed>) -> bool {
    match &outcome {
        Ok(line) => output::talk(&format!("✔ {line}")),
        Err(Failed(why)) => output::talk(&format!("✗ {why}")),
    }
    outcome.is_ok()
}

async fn kubernetes(client: &Client) -> Result<String, Failed> {
    let found = client.call(Call::new(Method::GET, "/version".to_owned())).await;
    let found = found.map_err(|error| format!("Kubernetes API call failed: {}", told(&error)))?;
    let written = found["gitVersion"].as_str().unwrap_or_default();
    let version = written.trim_start_matches('v');
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u64>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err("Kubernetes version can't be determined".into());
    };
    let range = format!(">={}.{}.0-0", OLDEST.0, OLDEST.1);
    if (major, minor) < OLDEST {
        return Err(format!("Kubernetes version {written} does not match {range}").into());
    }
    Ok(format!("Kubernetes {version} {range}"))
}

async fn installed(client: &Client) -> Result<String, Failed> {
    let failed = |Failed(why)| Failed(format!("checking failed: {why}"));
    let definition = version::definition(client).await.map_err(failed)?;
    let Some(definition) = definition else {
        return Err(failed(Failed(format!(
            "customresourcedefinitions.apiextensions.k8s.io {:?} not found",
            version::GIT_REPOSITORIES
        ))));
    };
    if let Some(distribution) = version::distribution(&definition) {
        output::talk(&format!("✔ distribution: {distribution}"));
    }
    let is_bootstrapped = object::label(&definition, "kustomize.toolkit.fluxcd.io/namespace").is_some();
    Ok(format!("bootstrapped: {is_bootstrapped}"))
}

/// Waits until the controllers are ready, for most of `--timeout` in all.
async fn controllers(client: &Client, namespace: &str, args: &Args) -> bool {
    let kind = GroupVersionKind::new("apps", "v1", "Deployment");
    let Some(found) = listed(client, kind, namespace).await else { return false };
    if found.is_empty()
        && let Some(version) = in_process::version(client).await
    {
        output::talk(&format!("✔ source-controller, kustomize-controller: inside `sealfast up` {version}"));
        return true;
    }
    if found.is_empty() {
        output::talk(&format!(
            "✗ no controllers found in the '{namespace}' namespace with the label selector '{PART_OF}'"
        ));
        return false;
    }
    let pause = args.duration("poll-interval").unwrap_or(Duration::from_secs(5));
    // What is left is enough to look at the definitions and to say what is not ready.
    let deadline = Instant::now() + connect::limit(args).mul_f64(0.9);
    let mut are_ready = true;
    for deployment in found {
        let name = object::name(&deployment);
        let outcome = timeout_at(deadline, ready(client, &deployment, pause)).await;
        are_ready &= said(match outcome {
            Ok(Ok(())) => Ok(format!("{name}: deployment ready")),
            Ok(Err(why)) => Err(format!("{name}: {why}").into()),
            Err(_) => Err(format!("{name}: deployment not ready").into()),
        });
        let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
        for container in containers.into_iter().flatten() {
            output::talk(&format!("► {}", container["image"].as_str().unwrap_or_default()));
        }
    }
    are_ready
}

/// Waits until one is ready; fails when it cannot be read.
async fn ready(client: &Client, deployment: &Value, pause: Duration) -> Result<(), String> {
    let id = object::id(deployment);
    loop {
        match client.get(&id.gvk, &id.namespace, &id.name).await {
            Ok(live) if health::status(&live, jiff::Timestamp::now()) == Status::Current => return Ok(()),
            Err(error) if !error.is_transient() => return Err(told(&error)),
            _ => tokio::time::sleep(pause).await,
        }
    }
}

async fn definitions(client: &Client) -> bool {
    let kind = GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let Some(found) = listed(client, kind, "").await else { return false };
    if found.is_empty() {
        output::talk(&format!("✗ no crds found with the label selector '{PART_OF}'"));
    }
    let mut are_stored = !found.is_empty();
    for definition in found {
        let name = object::name(&definition);
        let versions = definition["status"]["storedVersions"].as_array();
        let stored = versions.and_then(|versions| versions.last()?.as_str());
        let outcome = stored.map(|version| format!("{name}/{version}"));
        are_stored &= said(outcome.ok_or_else(|| format!("no stored versions for {name}").into()));
    }
    are_stored
}

/// What is part of Flux; says why when it could not be read.
async fn listed(client: &Client, kind: GroupVersionKind, namespace: &str) -> Option<Vec<Value>> {
    match labelled::list(client, &kind, namespace, PART_OF).await {
        Ok(listed) => Some(listed),
        Err(error) => {
            output::talk(&format!("✗ listing {} failed: {}", kind.kind, told(&error)));
            None
        }
    }
}
