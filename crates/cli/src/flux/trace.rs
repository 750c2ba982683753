//! `flux trace`: from an object to what applied it, and to where that came from.
//!
//! Follows: `flux` 2.9, and kubectl in how objects are named. Differs: an owner that cannot be
//! read is no reason to say that nothing manages the object.

use std::collections::{BTreeSet, VecDeque};
use std::process::ExitCode;

use sealfast_cluster::client::Client;
use sealfast_k8s::id::{GroupVersionKind, ObjectId};
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::known::{HELM_RELEASE, KUSTOMIZATION, Known};
use super::{Failed, checked_namespace, connect, help, told, wants_help};
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
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let namespace = checked_namespace(args)?;
    connect::with_client(args, |client| async move {
        let objects = wanted::objects(&client, args, &namespace).await?;
        Ok(report_all(&client, &objects).await.unwrap_or_else(|code| code))
    })
}

/// Prints a report on each object, and behind them what could not be told.
async fn report_all(client: &Client, objects: &[Value]) -> Result<ExitCode, ExitCode> {
    let mut complaints = String::new();
    let mut code = ExitCode::SUCCESS;
    for (at, object) in objects.iter().enumerate() {
        match trace(client, object).await {
            Ok(Some(report)) => output::part(report.as_bytes())?,
            Ok(None) => complaints.push_str(&complaint(object, "object not managed by Flux")),
            Err(Failed(why)) => {
                complaints.push_str(&complaint(object, &why));
                code = ExitCode::FAILURE;
            }
        }
        if at + 1 < objects.len() {
            output::part(b"---\n")?;
        }
    }
    // The reference puts nothing between them.
    if !complaints.is_empty() {
        output::talk(&complaints);
    }
    Ok(code)
}

fn complaint(object: &Value, why: &str) -> String {
    let (kind, name, namespace) = (object::kind(object), object::name(object), object::namespace(object));
    format!("failed to trace {kind}/{name} in namespace {namespace}: {why}")
}

/// Reports on an object; none when nothing of Flux manages it.
async fn trace(client: &Client, object: &Value) -> Result<Option<String>, Failed> {
    Ok(match manager(client, object).await? {
        Some(Manager::Kustomization(Place { namespace, name })) => {
            Some(report::kustomization(client, &namespace, &name, object).await?)
        }
        Some(Manager::HelmRelease(Place { namespace, name })) => {
            Some(report::helm_release(client, &namespace, &name, object).await?)
        }
        None => None,
    })
}

/// What manages an object.
enum Manager {
    Kustomization(Place),
    HelmRelease(Place),
}

/// Where a manager lies.
struct Place {
    namespace: String,
    name: String,
}

/// How many owners, and owners of owners, are asked for.
const MOST: usize = 64;

/// The manager that the labels of an object, or of an owner of it, name: a Kustomization before a Helm release.
async fn manager(client: &Client, object: &Value) -> Result<Option<Manager>, Failed> {
    let mut waiting = VecDeque::from([object.clone()]);
    let mut asked = BTreeSet::new();
    let (mut release, mut unread) = (None, None);
    while let Some(object) = waiting.pop_front() {
        if let Some(place) = labelled(&object, KUSTOMIZATION) {
            return Ok(Some(Manager::Kustomization(place)));
        }
        release = release.or_else(|| labelled(&object, HELM_RELEASE));
        for owner in owners(&object) {
            if asked.len() == MOST || !asked.insert((owner.gvk.group.clone(), owner.to_string())) {
                continue;
            }
            match client.find(&owner.gvk, &owner.namespace, &owner.name).await {
                Ok(found) => waiting.extend(found),
                Err(error) => {
                    let why = told(&error);
                    unread.get_or_insert(format!("failed to get its owner {owner}: {why}"));
                }
            }
        }
    }
    match (release, unread) {
        (Some(place), _) => Ok(Some(Manager::HelmRelease(place))),
        (None, Some(why)) => Err(why.into()),
        (None, None) => Ok(None),
    }
}

/// The objects that own an object; they lie in its own namespace, or in none.
fn owners(object: &Value) -> impl Iterator<Item = ObjectId> {
    let references = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    references.map(move |reference| {
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        ObjectId {
            gvk: GroupVersionKind::from_api_version(text("apiVersion"), text("kind")),
            namespace: object::namespace(object).to_owned(),
            name: text("name").to_owned(),
        }
    })
}

/// Namespace and name from the labels that a controller puts on what it applies.
fn labelled(object: &Value, known: Known) -> Option<Place> {
    let group = known.gvk().group;
    let label = |what: &str| object::label(object, &format!("{group}/{what}")).unwrap_or_default().to_owned();
    let place = Place { namespace: label("namespace"), name: label("name") };
    (!place.name.is_empty()).then_some(place)
}
