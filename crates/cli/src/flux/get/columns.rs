//! The columns of `flux get`, kind by kind.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::Value;

use crate::flux::wait;

/// The columns behind the name.
pub(super) fn of(kind: &str) -> &'static [&'static str] {
    match kind {
        "ExternalArtifact" => &["REVISION", "SOURCE", "READY", "MESSAGE"],
        "ImageRepository" => &["LAST SCAN", "SUSPENDED", "READY", "MESSAGE"],
        "ImagePolicy" => &["IMAGE", "TAG", "READY", "MESSAGE"],
        "ImageUpdateAutomation" => &["LAST RUN", "SUSPENDED", "READY", "MESSAGE"],
        "Alert" | "Receiver" | "ArtifactGenerator" => &["SUSPENDED", "READY", "MESSAGE"],
        "Provider" => &["READY", "MESSAGE"],
        _ => &["REVISION", "SUSPENDED", "READY", "MESSAGE"],
    }
}

/// What stands in a column.
pub(super) fn cell(column: &str, kind: &str, object: &Value) -> String {
    let status = &object["status"];
    match column {
        "REVISION" => revision(kind, object),
        "SOURCE" => reference(&object["spec"]["sourceRef"], ""),
        "SUSPENDED" => if is_suspended(kind, object) { "True" } else { "False" }.to_owned(),
        "READY" => ready(kind, object).0.to_owned(),
        "MESSAGE" => message(kind, one_line(ready(kind, object).1)),
        "IMAGE" => text(&status["latestRef"]["name"]).to_owned(),
        "TAG" => text(&status["latestRef"]["tag"]).to_owned(),
        "LAST SCAN" => local_time(text(&status["lastScanResult"]["scanTime"])),
        _ => local_time(text(&status["lastAutomationRunTime"])),
    }
}

/// The source that an object is made from.
pub(super) fn source(kind: &str, object: &Value) -> String {
    let spec = &object["spec"];
    let found = match kind {
        "HelmRelease" if spec["chartRef"].is_object() => &spec["chartRef"],
        "HelmRelease" => &spec["chart"]["spec"]["sourceRef"],
        _ => &spec["sourceRef"],
    };
    reference(found, sealfast_k8s::object::namespace(object))
}

/// A reference as `Kind/namespace/name`; nothing when there is none.
fn reference(found: &Value, namespace: &str) -> String {
    if !found.is_object() {
        return String::new();
    }
    let namespace = Some(text(&found["namespace"])).filter(|given| !given.is_empty()).unwrap_or(namespace);
    format!("{}/{namespace}/{}", text(&found["kind"]), text(&found["name"]))
}

fn revision(kind: &str, object: &Value) -> String {
    let revision = match kind {
        "Kustomization" => text(&object["status"]["lastAppliedRevision"]),
        "HelmRelease" => return wait::release_revision(object).to_owned(),
        _ => text(&object["status"]["artifact"]["revision"]),
    };
    if kind == "HelmChart" { revision.to_owned() } else { shortened(revision) }
}

/// A generator has no field that suspends it.
fn is_suspended(kind: &str, object: &Value) -> bool {
    let mark = "source.extensions.fluxcd.io/reconcile";
    match kind {
        "ArtifactGenerator" => object["metadata"]["annotations"][mark] == "disabled",
        _ => object["spec"]["suspend"] == true,
    }
}

/// Status and message of the condition; what no controller works on is ready.
fn ready<'a>(kind: &str, object: &'a Value) -> (&'a str, &'a str) {
    match (kind, wait::condition(object, "Ready")) {
        ("Alert", _) => ("True", "Alert is Ready"),
        ("Provider", _) => ("True", "Provider is Ready"),
        ("HelmRepository", _) if wait::is_static(kind, object) => ("True", "Helm repository is Ready"),
        (_, Some(ready)) => (text(&ready["status"]), text(&ready["message"])),
        (_, None) => ("False", "waiting to be reconciled"),
    }
}

/// A row is a line: what our controllers add behind a message is for those who look at the object.
fn one_line(message: &str) -> &str {
    message.split("\nhint: ").next().unwrap_or(message)
}

/// Hashes are cut where messages of sources and Kustomizations name them.
fn message(kind: &str, message: &str) -> String {
    match kind {
        "HelmRelease" | "Receiver" | "ArtifactGenerator" => message.to_owned(),
        kind if kind.starts_with("Image") => message.to_owned(),
        _ => shortened(message),
    }
}

/// A time in the zone of the machine, as RFC 3339 writes it.
fn local_time(text: &str) -> String {
    let Ok(time) = text.parse::<Timestamp>() else { return String::new() };
    let time = time.to_zoned(TimeZone::try_system().unwrap_or(TimeZone::UTC));
    let format = if time.offset() == Offset::UTC { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    time.strftime(format).to_string()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Cuts every hash (a word of 40 to 128 hexadecimal digits) to its first 8 digits.
fn shortened(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let flush = |word: &mut String, out: &mut String| {
        let hexadecimal = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let kept = if hexadecimal && (40..=128).contains(&word.len()) { &word[..8] } else { word.as_str() };
        out.push_str(kept);
        word.clear();
    };
    for letter in text.chars() {
        if is_word(letter) {
            word.push(letter);
        } else {
            flush(&mut word, &mut out);
            out.push(letter);
        }
    }
    flush(&mut word, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_has_columns_of_its_own() {
        let row = |kind: &str, object: &Value| -> Vec<String> {
            of(kind).iter().map(|column| cell(column, kind, object)).collect()
        };
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let ready = json!([{ "type": "Ready", "status": "True", "message": format!("did {hash}") }]);
        let release = json!({ "spec": { "suspend": true }, "status": {
            "history": [{ "chartVersion": "1.2.3" }], "lastAttemptedRevision": "9", "conditions": ready } });
        assert_eq!(row("HelmRelease", &release), ["1.2.3", "True", "True", &format!("did {hash}")]);
        let external = json!({ "spec": { "sourceRef": { "kind": "K", "namespace": "n", "name": "x" } },
            "status": { "artifact": { "revision": format!("a@sha1:{hash}") } } });
        let waiting = ["a@sha1:01234567", "K/n/x", "False", "waiting to be reconciled"];
        assert_eq!(row("ExternalArtifact", &external), waiting);
        let policy = json!({ "status": { "latestRef": { "name": "i", "tag": "t" }, "conditions": ready } });
        assert_eq!(row("ImagePolicy", &policy), ["i", "t", "True", &format!("did {hash}")]);
        assert_eq!(row("Provider", &json!({})), ["True", "Provider is Ready"]);
        let oci = json!({ "spec": { "type": "oci" } });
        assert_eq!(row("HelmRepository", &oci), ["", "False", "True", "Helm repository is Ready"]);
        let off =
            json!({ "metadata": { "annotations": { "source.extensions.fluxcd.io/reconcile": "disabled" } } });
        assert_eq!(row("ArtifactGenerator", &off)[0], "True");
    }

    #[test]
    fn the_source_of_a_release_is_its_chart_or_that_of_its_template() {
        let object = |spec: Value| json!({ "metadata": { "namespace": "own" }, "spec": spec });
        let template = object(
            json!({ "chart": { "spec": { "sourceRef": { "kind": "HelmRepository", "name": "r" } } } }),
        );
        assert_eq!(source("HelmRelease", &template), "HelmRepository/own/r");
        let chart = object(json!({ "chartRef": { "kind": "OCIRepository", "name": "c", "namespace": "n" } }));
        assert_eq!(source("HelmRelease", &chart), "OCIRepository/n/c");
    }
}
