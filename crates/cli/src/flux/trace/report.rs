//! What `flux trace` prints about an object: a label and a value a line.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use crate::flux::known::{HELM_RELEASE, KUSTOMIZATION};
use crate::flux::wait::condition;
use crate::flux::{Failed, told};

/// Reports on an object that a Kustomization applied.
pub(super) async fn kustomization(
    client: &Client,
    namespace: &str,
    name: &str,
    traced: &Value,
) -> Result<String, Failed> {
    let found = KUSTOMIZATION.get(client, namespace, name).await;
    let item = found.map_err(|Failed(why)| format!("failed to find kustomization: {why}"))?;
    let reference = &item["spec"]["sourceRef"];
    let kind = text(reference, "/kind");
    let source = match kind {
        "GitRepository" | "OCIRepository" | "ExternalArtifact" => {
            Some(source(client, kind, reference, &item).await?)
        }
        _ => None,
    };
    let mut report = Report::on(traced, 17);
    report.part(17, &item);
    report.some("Target", text(&item, "/spec/targetNamespace"));
    report.line("Path", text(&item, "/spec/path"));
    report.line("Revision", text(&item, "/status/lastAppliedRevision"));
    report.ready(&item, Failures::Unsaid);
    if let Some(source) = source {
        report.part(17, &source);
        report.source(&source, Origin::Said);
    }
    Ok(report.text)
}

/// Reports on an object that a Helm release installed.
pub(super) async fn helm_release(
    client: &Client,
    namespace: &str,
    name: &str,
    traced: &Value,
) -> Result<String, Failed> {
    let found = HELM_RELEASE.get(client, namespace, name).await;
    let item = found.map_err(|Failed(why)| format!("failed to find HelmRelease: {why}"))?;
    let chart = chart_of(client, &item).await?;
    let source = source_of(client, &item).await?;
    let mut report = Report::on(traced, 16);
    report.part(16, &item);
    report.some("Target", text(&item, "/spec/targetNamespace"));
    report.line("Revision", text(&item, "/status/lastAttemptedRevision"));
    report.ready(&item, Failures::Unsaid);
    if let Some(chart) = chart {
        report.chart(&chart);
    }
    if let Some(source) = source {
        report.part(source_width(&source), &source);
        report.source(&source, Origin::Unsaid);
    }
    Ok(report.text)
}

/// The chart that a Helm release made for itself.
async fn chart_of(client: &Client, item: &Value) -> Result<Option<Value>, Failed> {
    let chart = text(item, "/status/helmChart");
    match chart.split_once('/').unwrap_or(("", chart)) {
        (_, "") => Ok(None),
        (namespace, name) => get(client, "HelmChart", namespace, name).await.map(Some),
    }
}

/// The source that the chart of a Helm release comes from.
async fn source_of(client: &Client, item: &Value) -> Result<Option<Value>, Failed> {
    let spec = &item["spec"];
    let (reference, kinds) = match spec.get("chart").filter(|chart| chart.is_object()) {
        Some(chart) => (&chart["spec"]["sourceRef"], ["GitRepository", "HelmRepository"]),
        None => (&spec["chartRef"], ["OCIRepository", "ExternalArtifact"]),
    };
    match text(reference, "/kind") {
        kind if kinds.contains(&kind) => source(client, kind, reference, item).await.map(Some),
        _ => Ok(None),
    }
}

/// The widths of the reference, kind by kind.
fn source_width(source: &Value) -> usize {
    match object::kind(source) {
        "HelmRepository" => 16,
        "GitRepository" => 15,
        _ => 17,
    }
}

async fn get(client: &Client, kind: &str, namespace: &str, name: &str) -> Result<Value, Failed> {
    let gvk = GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", kind);
    let found = client.get(&gvk, namespace, name).await;
    found.map_err(|error| format!("failed to find {kind}: {}", told(&error)).into())
}

/// The object that a reference names, in the namespace of who refers to it unless it says another.
async fn source(client: &Client, kind: &str, reference: &Value, item: &Value) -> Result<Value, Failed> {
    let namespace = Some(text(reference, "/namespace")).filter(|namespace| !namespace.is_empty());
    let namespace = namespace.unwrap_or_else(|| object::namespace(item));
    let mut source = get(client, kind, namespace, text(reference, "/name")).await?;
    source["kind"] = kind.into();
    Ok(source)
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a line tells that the last run failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failures {
    Said,
    Unsaid,
}

/// Whether a part tells what an artifact was made from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Said,
    Unsaid,
}

/// A report as it grows.
struct Report {
    text: String,
    /// Where values begin.
    width: usize,
}

impl Report {
    fn on(traced: &Value, width: usize) -> Self {
        let mut report = Self { text: "\n".to_owned(), width };
        report.line("Object", &format!("{}/{}", object::kind(traced), object::name(traced)));
        report.some("Namespace", object::namespace(traced));
        report.line("Status", "Managed by Flux");
        report
    }

    /// Begins the part of an object.
    fn part(&mut self, width: usize, item: &Value) {
        self.width = width;
        self.text.push_str("---\n");
        self.line(object::kind(item), object::name(item));
        self.line("Namespace", object::namespace(item));
    }

    fn line(&mut self, label: &str, value: &str) {
        let (label, width) = (format!("{label}:"), self.width);
        self.text.push_str(&format!("{label:width$}{value}\n"));
    }

    fn some(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.line(label, value);
        }
    }

    fn chart(&mut self, chart: &Value) {
        self.part(16, chart);
        self.line("Chart", text(chart, "/spec/chart"));
        self.line("Version", text(chart, "/spec/version"));
        self.revision(chart);
        self.ready(chart, Failures::Unsaid);
    }

    /// What a source says about itself.
    fn source(&mut self, source: &Value, origin: Origin) {
        let reference = &source["spec"]["ref"];
        match object::kind(source) {
            "ExternalArtifact" => {
                let [kind, namespace, name] = ["kind", "namespace", "name"]
                    .map(|part| text(&source["spec"]["sourceRef"], &format!("/{part}")));
                if !kind.is_empty() {
                    self.line("Source", &format!("{kind}/{namespace}/{name}"));
                }
            }
            kind => {
                self.line("URL", text(source, "/spec/url"));
                let last =
                    if kind == "OCIRepository" { ("Digest", "/digest") } else { ("Branch", "/branch") };
                let known = [("Tag", "/tag"), ("Tag", "/semver"), last];
                let given = known.into_iter().find(|(_, path)| !text(reference, path).is_empty());
                if let (Some((label, path)), true) = (given, kind != "HelmRepository") {
                    self.line(label, text(reference, path));
                }
            }
        }
        self.revision(source);
        let metadata = source.pointer("/status/artifact/metadata").and_then(Value::as_object);
        let is_annotated = metadata.is_some_and(|metadata| !metadata.is_empty());
        if is_annotated && origin == Origin::Said && object::kind(source) != "GitRepository" {
            self.origin(&source["status"]["artifact"]["metadata"]);
        }
        let failures =
            if object::kind(source) == "HelmRepository" { Failures::Unsaid } else { Failures::Said };
        self.ready(source, failures);
    }

    fn revision(&mut self, item: &Value) {
        if item["status"]["artifact"].is_object() {
            self.line("Revision", text(item, "/status/artifact/revision"));
        }
    }

    /// What the artifact was made from; what is not known is an empty line, as in the reference.
    fn origin(&mut self, metadata: &Value) {
        for (label, key) in [("Origin Revision", "revision"), ("Origin Source", "source")] {
            match metadata[format!("org.opencontainers.image.{key}")].as_str() {
                Some(value) if !value.is_empty() => self.line(label, value),
                _ => self.text.push('\n'),
            }
        }
    }

    fn ready(&mut self, item: &Value, failures: Failures) {
        let Some(ready) = condition(item, "Ready") else { return self.line("Status", "Unknown") };
        let failed = failures == Failures::Said && ready["status"] == "False";
        let end = if failed { "reconciliation failed" } else { "reconciled" };
        self.line("Status", &format!("Last {end} at {}", time(text(ready, "/lastTransitionTime"))));
        self.line("Message", text(ready, "/message"));
    }
}

/// A time in the zone of the machine, as Go prints it.
fn time(text: &str) -> String {
    let Ok(time) = text.parse::<Timestamp>() else { return "0001-01-01 00:00:00 +0000 UTC".to_owned() };
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}
