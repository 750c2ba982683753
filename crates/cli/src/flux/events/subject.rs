//! The kinds that events are about, and what their objects refer to.

use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use crate::flux::Failed;

/// One kind.
pub(super) struct Subject {
    pub(super) kind: &'static str,
    group: &'static str,
    version: &'static str,
    refers: Option<Reference>,
}

/// Where an object says what it is made from.
#[derive(Clone, Copy)]
struct Reference {
    path: &'static str,
    /// The kind, where the object does not say it.
    kind: Option<&'static str>,
    /// Whether it may name another namespace.
    crosses: bool,
}

const fn plain(group: &'static str, version: &'static str, kind: &'static str) -> Subject {
    Subject { kind, group, version, refers: None }
}

const fn referring(
    (group, version, kind): (&'static str, &'static str, &'static str),
    path: &'static str,
    named: Option<&'static str>,
    crosses: bool,
) -> Subject {
    Subject { kind, group, version, refers: Some(Reference { path, kind: named, crosses }) }
}

const SUBJECTS: [Subject; 14] = [
    referring(("kustomize", "v1", "Kustomization"), "spec.sourceRef", None, true),
    referring(("helm", "v2", "HelmRelease"), "spec.chart.spec.sourceRef", None, true),
    referring(("notification", "v1beta3", "Alert"), "spec.providerRef", Some("Provider"), false),
    plain("notification", "v1", "Receiver"),
    plain("notification", "v1beta3", "Provider"),
    referring(("image", "v1", "ImagePolicy"), "spec.imageRepositoryRef", Some("ImageRepository"), true),
    referring(("source", "v1", "HelmChart"), "spec.sourceRef", None, true),
    plain("source", "v1", "GitRepository"),
    plain("source", "v1", "OCIRepository"),
    plain("source", "v1", "Bucket"),
    plain("source", "v1", "HelmRepository"),
    plain("image", "v1", "ImageUpdateAutomation"),
    plain("image", "v1", "ImageRepository"),
    plain("source.extensions", "v1beta1", "ArtifactGenerator"),
];

/// Finds a kind by its name, without case.
pub(super) fn find(kind: &str) -> Option<&'static Subject> {
    SUBJECTS.iter().find(|subject| subject.kind.eq_ignore_ascii_case(kind))
}

impl Subject {
    /// Kind, name and namespace of what an object is made from.
    pub(super) async fn references(
        &self,
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<(String, String, String)>, Failed> {
        let Some(reference) = self.refers else { return Ok(Vec::new()) };
        let group = format!("{}.toolkit.fluxcd.io", self.group);
        let gvk = GroupVersionKind::new(group, self.version, self.kind);
        let found = client.get(&gvk, namespace, name).await;
        let object = found.map_err(|error| Failed::from_error(&error))?;
        let place = object.pointer(&format!("/{}", reference.path.replace('.', "/"))).unwrap_or(&Value::Null);
        let text = |field: &str| place[field].as_str();
        let required = |field: &str| {
            let missing = || format!("field '{}.{field}' for '{namespace}/{name}' not found", reference.path);
            text(field).ok_or_else(missing)
        };
        let kind = match reference.kind {
            Some(kind) => kind,
            None => required("kind")?,
        };
        let source = required("name")?;
        let other = text("namespace").filter(|_| reference.crosses).unwrap_or(namespace).to_owned();
        let mut references = vec![(kind.to_owned(), source.to_owned(), other.clone())];
        if self.kind == "HelmRelease" {
            references.push(("HelmChart".to_owned(), format!("{namespace}-{name}"), other));
        }
        Ok(references)
    }
}
