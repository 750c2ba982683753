//! `flux reconcile`: a run now.
//!
//! Differs: the message of a run that failed ends the wait.

use std::process::ExitCode;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sealfast_cluster::client::{Client, Patch};
use sealfast_k8s::flux::REQUESTED_AT;
use sealfast_k8s::object;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::args::{Args, Flag, Kind};
use super::known::{self, Known};
use super::wait::{self, Outcome};
use super::{Failed, checked_namespace, connect, help, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("with-source", Kind::Switch),
    Flag::long("force", Kind::Switch),
    Flag::long("reset", Kind::Switch),
];

pub(super) const HELP: &str = "\
Ask for a run now, and wait for its outcome.

Usage:
  flux reconcile kustomization NAME [--with-source] [flags]
  flux reconcile helmrelease NAME [--with-source] [--force] [--reset] [flags]
  flux reconcile source git|oci|bucket|helm NAME [flags]
  flux reconcile source chart NAME [--with-source] [flags]
  flux reconcile image repository|policy|update NAME [flags]
  flux reconcile receiver NAME [flags]

Flags:
      --with-source   first the source, and what that is made from
      --force         install or upgrade the Helm release once, whatever its state
      --reset         forget how often the Helm release failed

Examples:
  flux reconcile kustomization my-secrets --with-source
";

const PAUSE: Duration = Duration::from_millis(50);

/// Which kinds have a flag.
const ONLY_FOR: [(&str, &[&str]); 3] = [
    ("with-source", &["Kustomization", "HelmRelease", "HelmChart"]),
    ("force", &["HelmRelease"]),
    ("reset", &["HelmRelease"]),
];

/// Runs the command for one kind.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let known = known::find("reconcile", words)?;
    let mut given = ONLY_FOR.into_iter().filter(|(flag, _)| args.text(flag).is_some());
    if let Some((flag, _)) = given.find(|(_, kinds)| !kinds.contains(&known.kind)) {
        return Err(format!("unknown flag: --{flag}").into());
    }
    let name = args.names.first().ok_or_else(|| format!("{} name is required", known.kind))?;
    let place = Place { known, namespace: checked_namespace(args)?, name: name.clone() };
    connect::without_limit(args, |client| async move {
        let (forces, resets) = (args.is_on("force"), args.is_on("reset"));
        let call = Call { client, forces, resets, last: Mutex::default() };
        match timeout(connect::limit(args), call.run(&place, args.is_on("with-source"))).await {
            Ok(done) => done.map(|()| ExitCode::SUCCESS),
            Err(_) => Err(call.late()),
        }
    })
}

/// An object to be run.
struct Place {
    known: Known,
    namespace: String,
    name: String,
}

impl Place {
    async fn object(&self, client: &Client) -> Result<Value, Failed> {
        self.known.get(client, &self.namespace, &self.name).await
    }
}

/// The cluster, and what is asked of a Helm release.
struct Call {
    client: Client,
    forces: bool,
    resets: bool,
    /// What the object that is waited for said last.
    last: Mutex<String>,
}

impl Call {
    /// Runs an object; before it what it is made from, where that is asked for.
    fn run<'a>(&'a self, place: &'a Place, with_source: bool) -> BoxFuture<'a, Result<(), Failed>> {
        async move {
            let object = place.object(&self.client).await?;
            if wait::is_static(place.known.kind, &object) {
                output::talk("✔ reconciliation not supported by the object");
                return Ok(());
            }
            if object["spec"]["suspend"] == true {
                return Err("resource is suspended".into());
            }
            if with_source && let Some(source) = source(place, &object)? {
                // A chart is only as new as what it comes from.
                self.run(&source, source.known.kind == known::CHART.kind).await?;
            }
            self.ask(place).await?;
            self.wait(place, &object["status"]["lastHandledReconcileAt"]).await
        }
        .boxed()
    }

    async fn ask(&self, place: &Place) -> Result<(), Failed> {
        let Place { known, namespace, name } = place;
        output::talk(&format!("► annotating {} {name} in {namespace} namespace", known.kind));
        let now = jiff::Timestamp::now().to_string();
        let mut marks = Map::from_iter([(REQUESTED_AT.to_owned(), Value::from(now.as_str()))]);
        let release = known.kind == known::HELM_RELEASE.kind;
        for (mark, is_asked) in [("forceAt", self.forces), ("resetAt", self.resets)] {
            if is_asked && release {
                marks.insert(format!("reconcile.fluxcd.io/{mark}"), now.as_str().into());
            }
        }
        let patch = json!({ "metadata": { "annotations": marks } });
        self.client.patch(&known.gvk(), namespace, name, &Patch::Merge(&patch), wait::MANAGER).await?;
        output::talk(&format!("✔ {} annotated", known.kind));
        Ok(())
    }

    /// The time is over.
    fn late(&self) -> Failed {
        match self.last.lock().as_str() {
            "" => connect::LATE.into(),
            last => format!("{}: {last}", connect::LATE).into(),
        }
    }

    async fn wait(&self, place: &Place, before: &Value) -> Result<(), Failed> {
        let kind = place.known.kind;
        output::talk(&format!("◎ waiting for {kind} reconciliation"));
        loop {
            let object = place.object(&self.client).await?;
            let ready = wait::condition(&object, "Ready").and_then(|ready| ready["message"].as_str());
            *self.last.lock() = ready.unwrap_or_default().to_owned();
            if object["status"]["lastHandledReconcileAt"] != *before {
                match wait::outcome(&object) {
                    Outcome::Ready => {
                        output::talk(&format!("✔ {}", wait::success(kind, &object)));
                        return Ok(());
                    }
                    // The request was handled: waiting longer would only hide the reason.
                    Outcome::Failed(why) => return Err(why.into()),
                    Outcome::Waiting if is_done_without_a_word(&object) => {
                        return Err("status can't be determined".into());
                    }
                    Outcome::Waiting => {}
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Tells whether nothing is under way, and nothing says what came of it.
fn is_done_without_a_word(object: &Value) -> bool {
    let is_quiet =
        ["Ready", "Reconciling", "Stalled"].into_iter().all(|kind| wait::condition(object, kind).is_none());
    is_quiet && object["status"]["observedGeneration"].as_i64() == Some(object::generation(object))
}

/// What an object is made from; nothing where others write that.
fn source(place: &Place, object: &Value) -> Result<Option<Place>, Failed> {
    let spec = &object["spec"];
    let (reference, kinds): (&Value, &[Known]) = match place.known.kind {
        "HelmRelease" if spec["chartRef"].is_object() => (&spec["chartRef"], &[known::CHART, known::OCI]),
        "HelmRelease" => {
            let name = format!("{}-{}", place.namespace, place.name);
            let namespace = namespaced(&spec["chart"]["spec"]["sourceRef"], &place.namespace);
            return Ok(Some(Place { known: known::CHART, namespace, name }));
        }
        "HelmChart" => (&spec["sourceRef"], &[known::HELM, known::GIT, known::BUCKET]),
        _ => (&spec["sourceRef"], &[known::OCI, known::GIT, known::BUCKET]),
    };
    let kind = reference["kind"].as_str().unwrap_or_default();
    if kind == known::EXTERNAL.kind {
        output::talk("⚠️ an ExternalArtifact is written by others: there is nothing to reconcile");
        return Ok(None);
    }
    let known = kinds.iter().find(|known| known.kind == kind);
    let known = *known.ok_or_else(|| format!("cannot reconcile source of kind {kind}"))?;
    let name = reference["name"].as_str().unwrap_or_default().to_owned();
    Ok(Some(Place { known, namespace: namespaced(reference, &place.namespace), name }))
}

fn namespaced(reference: &Value, own: &str) -> String {
    reference["namespace"].as_str().filter(|namespace| !namespace.is_empty()).unwrap_or(own).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_what_the_controllers_make_objects_from() {
        let found = |known: Known, spec: Value| {
            let place = Place { known, namespace: "own".to_owned(), name: "x".to_owned() };
            source(&place, &json!({ "spec": spec })).map_err(|Failed(why)| why).map(|found| {
                found.map(|source| format!("{} {}/{}", source.known.kind, source.namespace, source.name))
            })
        };
        let reference = |kind: &str| json!({ "kind": kind, "name": "s", "namespace": "far" });
        let some = |text: &str| Ok(Some(text.to_owned()));
        let git = json!({ "sourceRef": reference("GitRepository") });
        assert_eq!(found(known::KUSTOMIZATION, git), some("GitRepository far/s"));
        let template =
            json!({ "chart": { "spec": { "sourceRef": { "kind": "HelmRepository", "name": "s" } } } });
        assert_eq!(found(known::HELM_RELEASE, template), some("HelmChart own/own-x"));
        let chart = json!({ "chartRef": reference("HelmChart") });
        assert_eq!(found(known::HELM_RELEASE, chart), some("HelmChart far/s"));
        let wrong = json!({ "sourceRef": reference("HelmRepository") });
        let refused = Err("cannot reconcile source of kind HelmRepository".to_owned());
        assert_eq!(found(known::KUSTOMIZATION, wrong), refused);
        assert_eq!(
            found(known::KUSTOMIZATION, json!({ "sourceRef": reference("ExternalArtifact") })),
            Ok(None)
        );
    }
}
