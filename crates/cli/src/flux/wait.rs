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

/// Says why a controller gave an object up, as it is now.
pub(super) fn stalled(object: &Value) -> Option<&str> {
    let stalled = condition(object, "Stalled").filter(|stalled| stalled["status"] == "True")?;
    let is_new = object["status"]["observedGeneration"].as_i64() == Some(object::generation(object));
    is_new.then(|| stalled["message"].as_str().unwrap_or_default())
}

/// Reads how far an object is from its conditions.
pub(super) fn outcome(object: &Value) -> Outcome {
    if let Some(why) = stalled(object) {
        return Outcome::Failed(why.to_owned());
    }
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

/// Says what came of a run.
pub(super) fn success(kind: &str, object: &Value) -> String {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let ready = || condition(object, "Ready").and_then(|ready| ready["message"].as_str()).unwrap_or_default();
    match kind {
        "Kustomization" => format!("applied revision {}", text("/status/lastAppliedRevision")),
        "HelmRelease" => format!("applied revision {}", release_revision(object)),
        "ImageRepository" => {
            format!(
                "scan fetched {} tags",
                object["status"]["lastScanResult"]["tagCount"].as_u64().unwrap_or_default()
            )
        }
        "ImagePolicy" => {
            let [name, tag, digest] =
                ["name", "tag", "digest"].map(|part| text(&format!("/status/latestRef/{part}")));
            let digest = if digest.is_empty() { String::new() } else { format!("@{digest}") };
            format!("selected ref {name}:{tag}{digest}")
        }
        "ImageUpdateAutomation" => ready().to_owned(),
        "HelmRepository" if is_static(kind, object) => ready().to_owned(),
        "Alert" | "Provider" | "Receiver" => format!("{kind} reconciliation completed"),
        _ => format!("fetched revision {}", text("/status/artifact/revision")),
    }
}

/// The version of the chart that a Helm release installed last.
pub(super) fn release_revision(object: &Value) -> &str {
    let status = &object["status"];
    let installed = status["history"].get(0).map(|last| &last["chartVersion"]);
    installed.unwrap_or(&status["lastAttemptedRevision"]).as_str().unwrap_or_default()
}

/// Tells whether no controller works on an object.
pub(super) fn is_static(kind: &str, object: &Value) -> bool {
    matches!(kind, "Alert" | "Provider") || kind == "HelmRepository" && object["spec"]["type"] == "oci"
}

/// Failures that end by themselves once something else is there.
fn is_transient(ready: &Value) -> bool {
    match ready["reason"].as_str() {
        Some("DependencyNotReady" | "Progressing") => true,
        // A path or a source that is not there stays so until somebody changes something.
        Some("ArtifactFailed") => {
            ready["message"].as_str().is_some_and(|message| message.contains("retrying in"))
        }
        _ => false,
    }
}

/// Returns the condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Outcome, outcome, stalled, success};

    #[test]
    fn what_a_controller_gave_up_is_failed_until_it_changes() {
        let mut object = json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": 2, "conditions": [
            { "type": "Ready", "status": "False", "reason": "X", "message": "not ready" },
            { "type": "Stalled", "status": "True", "message": "given up" },
        ] } });
        assert!(matches!(outcome(&object), Outcome::Failed(why) if why == "given up"));
        object["metadata"]["generation"] = json!(3);
        assert_eq!(stalled(&object), None);
        assert!(matches!(outcome(&object), Outcome::Waiting));
    }

    #[test]
    fn every_kind_says_what_came_of_a_run() {
        let reference = json!({ "name": "i", "tag": "t", "digest": "sha256:0" });
        let ready = json!([{ "type": "Ready", "message": "all well" }]);
        for (kind, object, told) in [
            ("Bucket", json!({ "artifact": { "revision": "r" } }), "fetched revision r"),
            ("HelmRelease", json!({ "lastAttemptedRevision": "2" }), "applied revision 2"),
            ("ImageRepository", json!({ "lastScanResult": { "tagCount": 3 } }), "scan fetched 3 tags"),
            ("ImagePolicy", json!({ "latestRef": reference }), "selected ref i:t@sha256:0"),
            ("ImageUpdateAutomation", json!({ "conditions": ready }), "all well"),
            ("Alert", json!({}), "Alert reconciliation completed"),
        ] {
            assert_eq!(success(kind, &json!({ "status": object })), told);
        }
    }
}
