//! `flux version`: whose verbs these are, and what runs in the cluster.

use std::process::ExitCode;

use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Map, Value};

use super::args::{Args, Flag, Kind};
use super::{Failed, checked_namespace, connect, help, labelled, wants_help};
use crate::{in_process, output};

pub(super) const FLAGS: &[Flag] =
    &[Flag::long("client", Kind::Switch), Flag::short("output", 'o', Kind::Text)];

pub(super) const HELP: &str = "\
Print the version of flux whose verbs these are, and of Flux in the cluster.

Usage:
  flux version [--client] [-o yaml|json]
";

/// Whose verbs, flags and kinds these are, for those who look whether theirs are known.
const FOLLOWS: &str = "2.9.0";

/// `flux --version`.
pub(super) fn line() -> ExitCode {
    output::data(format!("flux version {FOLLOWS}\n").as_bytes())
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let format = args.text("output").unwrap_or("yaml");
    if !["yaml", "json"].contains(&format) {
        return Err(format!("--output must be json or yaml, not {format}").into());
    }
    let mut versions = vec![("flux".to_owned(), format!("v{FOLLOWS}"))];
    if !args.is_on("client") {
        let namespace = checked_namespace(args)?;
        versions.extend(connect::with_client(args, |client| async move {
            let distribution = definition(&client).await?.as_ref().and_then(distribution);
            let mut found: Vec<_> =
                distribution.map(|text| ("distribution".to_owned(), text)).into_iter().collect();
            found.extend(controllers(&client, &namespace).await?);
            Ok(found)
        })?);
    }
    let text = if format == "json" {
        versions.sort();
        let versions: Map<String, Value> =
            versions.into_iter().map(|(name, version)| (name, version.into())).collect();
        format!("{:#}\n", Value::Object(versions))
    } else {
        versions.iter().map(|(name, version)| format!("{name}: {version}\n")).collect()
    };
    Ok(output::data(text.as_bytes()))
}

/// The definition that tells which Flux is in the cluster.
pub(super) const GIT_REPOSITORIES: &str = "gitrepositories.source.toolkit.fluxcd.io";

/// Reads that definition; none when Flux is not there.
pub(super) async fn definition(client: &Client) -> Result<Option<Value>, Failed> {
    let kind = GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    Ok(client.find(&kind, "", GIT_REPOSITORIES).await?)
}

/// What a definition says it came with.
pub(super) fn distribution(definition: &Value) -> Option<String> {
    let label = |name: &str| definition["metadata"]["labels"][format!("app.kubernetes.io/{name}")].as_str();
    let version = label("version").unwrap_or_default();
    let distribution = match label("part-of").filter(|whole| !whole.is_empty()) {
        Some(whole) => format!("{whole}-{version}"),
        None => version.to_owned(),
    };
    Some(distribution).filter(|text| !text.is_empty())
}

/// Name and tag of the images of Flux's Deployments, by name.
async fn controllers(client: &Client, namespace: &str) -> Result<Vec<(String, String)>, Failed> {
    let kind = GroupVersionKind::new("apps", "v1", "Deployment");
    let deployments = labelled::list(client, &kind, namespace, labelled::PART_OF).await?;
    if deployments.is_empty()
        && let Some(version) = in_process::version(client).await
    {
        return Ok(vec![("sealfast".to_owned(), format!("v{version}"))]);
    }
    if deployments.is_empty() {
        return Err(format!("no deployments found in {namespace} namespace").into());
    }
    let containers = deployments
        .iter()
        .filter_map(|deployment| deployment["spec"]["template"]["spec"]["containers"].as_array());
    let images = containers.flatten().filter_map(|container| container["image"].as_str());
    let mut found = images.map(image).collect::<Result<Vec<_>, Failed>>()?;
    found.sort();
    found.dedup_by(|left, right| left.0 == right.0);
    Ok(found)
}

fn image(image: &str) -> Result<(String, String), Failed> {
    let last = image.rsplit('/').next().unwrap_or(image);
    let missing = || Failed::from(format!("missing image tag in image {image}"));
    let (name, tag) = last.split_once(':').ok_or_else(missing)?;
    Ok((name.to_owned(), tag.to_owned()))
}
