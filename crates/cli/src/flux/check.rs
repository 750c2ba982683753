//! `flux check`: does the cluster fit, and does Flux run in it.
//!
//! Follows: `flux` 2.9. Differs: nobody is asked for newer versions.

use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use sealfast_cluster::client::request::Call;
use sealfast_cluster::client::{Client, Select};
use sealfast_cluster::health::{self, Status};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::{Failed, checked_namespace, connect, help, version, wants_help};
use crate::output;

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
const PART_OF: &str = "app.kubernetes.io/part-of=flux";

/// Runs the command.
pub(super) fn run(args: &Args, rest: &[String]) -> Result<ExitCode, Failed> {
    if wants_help(rest) {
        return Ok(help(HELP));
    }
    if let Some(word) = args.names.first() {
        return Err(format!("unknown command {word:?} for \"flux check\"").into());
    }
    let namespace = checked_namespace(args)?;
    output::talk("► checking prerequisites");
    connect::without_limit(args, |client| async move {
        let fits = said(kubernetes(&client).await);
        if args.is_on("pre") {
            if fits {
                output::talk("✔ prerequisites checks passed");
            }
            return Ok(code(fits));
        }
        output::talk("► checking version in cluster");
        let is_known = said(installed(&client).await);
        output::talk("► checking controllers");
        let are_ready = controllers(&client, &namespace, args).await;
        output::talk("► checking crds");
        let are_stored = definitions(&client).await;
        let all = fits && is_known && are_ready && are_stored;
        output::talk(if all { "✔ all checks passed" } else { "✗ check failed" });
        Ok(code(all))
    })
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
    let found =
        found.map_err(|error| format!("Kubernetes API call failed: {}", Failed::from_error(&error).0))?;
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

/// Waits until the controllers are ready, or `--timeout` is over for one of them.
async fn controllers(client: &Client, namespace: &str, args: &Args) -> bool {
    let Ok(found) = listed(client, GroupVersionKind::new("apps", "v1", "Deployment"), namespace).await else {
        return true;
    };
    if found.is_empty() {
        output::talk(&format!(
            "✗ no controllers found in the '{namespace}' namespace with the label selector '{PART_OF}'"
        ));
        return false;
    }
    let mut are_ready = true;
    for deployment in found {
        let name = object::name(&deployment);
        let limit = connect::limit(args);
        let is_ready = tokio::time::timeout(limit, ready(client, &deployment, args)).await.is_ok();
        let (sign, word) = if is_ready { ("✔", "ready") } else { ("✗", "not ready") };
        output::talk(&format!("{sign} {name}: deployment {word}"));
        are_ready &= is_ready;
        let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
        for container in containers.into_iter().flatten() {
            output::talk(&format!("► {}", container["image"].as_str().unwrap_or_default()));
        }
    }
    are_ready
}

async fn ready(client: &Client, deployment: &Value, args: &Args) {
    let pause = args.duration("poll-interval").unwrap_or(Duration::from_secs(5));
    let id = object::id(deployment);
    loop {
        let live = client.get(&id.gvk, &id.namespace, &id.name).await;
        if live.is_ok_and(|live| health::status(&live, jiff::Timestamp::now()) == Status::Current) {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

async fn definitions(client: &Client) -> bool {
    let kind = GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let Ok(found) = listed(client, kind, "").await else { return true };
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

async fn listed(client: &Client, kind: GroupVersionKind, namespace: &str) -> Result<Vec<Value>, Failed> {
    let select = Select { labels: PART_OF.to_owned(), ..Select::default() };
    let listed = client.list(&kind, namespace, &select).await;
    Ok(listed.map_err(|error| Failed::from_error(&error))?.items)
}
