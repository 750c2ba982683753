//! Creates or updates an object, and waits until it is ready.

use std::time::Duration;

use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::Failed;

/// Field manager of this command line.
pub(super) const MANAGER: &str = "flux";

/// How often an object is looked at.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Writes an object: labels and spec are replaced whole, annotations stay. Returns `created` or `updated`.
pub(super) async fn create_or_update(client: &Client, wanted: &Value) -> Result<&'static str, Failed> {
    let id = object::id(wanted);
    let found = client.find(&id.gvk, &id.namespace, &id.name).await?;
    let Some(mut live) = found else {
        client.create(wanted, MANAGER).await?;
        return Ok("created");
    };
    if let Some(metadata) = object::metadata_mut(&mut live) {
        match wanted["metadata"].get("labels") {
            Some(labels) => drop(metadata.insert("labels".to_owned(), labels.clone())),
            None => drop(metadata.shift_remove("labels")),
        }
    }
    live["spec"] = wanted["spec"].clone();
    client.update(&live, MANAGER).await?;
    Ok("updated")
}

/// Waits until the object is ready for its generation; fails with the message of a failed run.
pub(super) async fn until_ready(
    client: &Client,
    gvk: &GroupVersionKind,
    namespace: &str,
    name: &str,
) -> Result<Value, Failed> {
    loop {
        let object = client.get(gvk, namespace, name).await?;
        match outcome(&object) {
            Outcome::Ready => return Ok(object),
            Outcome::Failed(why) => return Err(why.into()),
            Outcome::Waiting => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// How far an object is.
pub(super) enum Outcome {
    /// Ready for its generation.
    Ready,
    /// Failed for its generation, and no run is under way.
    Failed(String),
    /// Neither yet.
    Waiting,
}

/// Reads how far an object is from its conditions.
pub(super) fn outcome(object: &Value) -> Outcome {
    let generation = object::generation(object);
    let Some(ready) = condition(object, "Ready") else { return Outcome::Waiting };
    let observed = ready["observedGeneration"].as_i64().or(object["status"]["observedGeneration"].as_i64());
    if observed != Some(generation) {
        return Outcome::Waiting;
    }
    let message = ready["message"].as_str().unwrap_or_default();
    match ready["status"].as_str() {
        Some("True") if object["status"]["observedGeneration"].as_i64() == Some(generation) => Outcome::Ready,
        Some("False") if !is_transient(ready) => Outcome::Failed(message.to_owned()),
        _ => Outcome::Waiting,
    }
}

/// Says which revision an object holds or applied.
pub(super) fn revision(object: &Value) -> String {
    match object["status"]["artifact"]["revision"].as_str() {
        Some(revision) => format!("fetched revision {revision}"),
        None => format!(
            "applied revision {}",
            object["status"]["lastAppliedRevision"].as_str().unwrap_or_default()
        ),
    }
}

/// Failures that end by themselves once something else is there.
fn is_transient(ready: &Value) -> bool {
    matches!(ready["reason"].as_str(), Some("DependencyNotReady" | "ArtifactFailed" | "Progressing"))
}

/// Returns the condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}
