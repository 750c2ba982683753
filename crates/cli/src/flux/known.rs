//! The kinds that the verbs for any object know, by the words that name them.

use sealfast_cluster::client::Client;
use sealfast_cluster::error::Error;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use super::Failed;

/// One kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// What people call it: `source git`.
    pub(super) human: &'static str,
    /// Its name in the API.
    pub(super) kind: &'static str,
    plural: &'static str,
    group: &'static str,
    version: &'static str,
    /// Where its objects say what they are made from.
    pub(super) refers: Option<Reference>,
}

/// A field that names another object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) path: &'static str,
    /// The kind, where the object does not say it.
    pub(super) kind: Option<&'static str>,
    /// Whether it may name another namespace.
    pub(super) crosses: bool,
}

impl Known {
    pub(super) fn gvk(self) -> GroupVersionKind {
        GroupVersionKind::new(self.group, self.version, self.kind)
    }

    /// The kind in a version that the server has: the usual one, or else the one that the server prefers.
    pub(super) async fn served(self, client: &Client) -> Result<GroupVersionKind, Error> {
        match client.resource(&self.gvk()).await {
            Err(error) if error.is_no_match() => client.served(&self.gvk()).await?.ok_or(error),
            found => found.map(|_| self.gvk()),
        }
    }

    /// Reads one object; says as the API does when it is not there.
    pub(super) async fn get(self, client: &Client, namespace: &str, name: &str) -> Result<Value, Failed> {
        client.get(&self.gvk(), namespace, name).await.map_err(|error| self.failed(name, error))
    }

    /// What is said when it could not be read.
    pub(super) fn failed(self, name: &str, error: Error) -> Failed {
        if error.is_not_found() { self.missing(name) } else { error.into() }
    }

    /// What is said when it is not there.
    pub(super) fn missing(self, name: &str) -> Failed {
        Failed(format!("{}.{} {name:?} not found", self.plural, self.group))
    }
}

const fn known(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> Known {
    Known { human: "", kind, plural, group, version, refers: None }
}

const fn source(human: &'static str, kind: &'static str, plural: &'static str) -> Known {
    Known { human, ..known("source.toolkit.fluxcd.io", "v1", kind, plural) }
}

const fn notification(version: &'static str, kind: &'static str, plural: &'static str) -> Known {
    known("notification.toolkit.fluxcd.io", version, kind, plural)
}

const fn image(kind: &'static str, plural: &'static str) -> Known {
    known("image.toolkit.fluxcd.io", "v1", kind, plural)
}

const fn by(path: &'static str) -> Option<Reference> {
    Some(Reference { path, kind: None, crosses: true })
}

pub(super) const GIT: Known = source("source git", "GitRepository", "gitrepositories");
pub(super) const OCI: Known = source("source oci", "OCIRepository", "ocirepositories");
pub(super) const BUCKET: Known = source("source bucket", "Bucket", "buckets");
pub(super) const HELM: Known = source("source helm", "HelmRepository", "helmrepositories");
pub(super) const CHART: Known =
    Known { refers: by("spec.sourceRef"), ..source("source chart", "HelmChart", "helmcharts") };
pub(super) const EXTERNAL: Known = source("source external", "ExternalArtifact", "externalartifacts");

pub(super) const KUSTOMIZATION: Known = Known {
    human: "kustomization",
    refers: by("spec.sourceRef"),
    ..known("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations")
};

pub(super) const HELM_RELEASE: Known = Known {
    human: "helmrelease",
    refers: by("spec.chart.spec.sourceRef"),
    ..known("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases")
};

/// The kinds that a controller works on, in the order of `stats`.
pub(super) const RECONCILERS: [Known; 13] = [
    GIT,
    OCI,
    HELM,
    CHART,
    BUCKET,
    KUSTOMIZATION,
    HELM_RELEASE,
    Known {
        refers: Some(Reference { path: "spec.providerRef", kind: Some("Provider"), crosses: false }),
        ..notification("v1beta3", "Alert", "alerts")
    },
    notification("v1beta3", "Provider", "providers"),
    notification("v1", "Receiver", "receivers"),
    image("ImageUpdateAutomation", "imageupdateautomations"),
    Known {
        refers: Some(Reference {
            path: "spec.imageRepositoryRef",
            kind: Some("ImageRepository"),
            crosses: true,
        }),
        ..image("ImagePolicy", "imagepolicies")
    },
    image("ImageRepository", "imagerepositories"),
];

const GENERATOR: Known =
    known("source.extensions.toolkit.fluxcd.io", "v1beta1", "ArtifactGenerator", "artifactgenerators");

/// Finds a kind that events are about by its name, without case.
pub(super) fn subject(kind: &str) -> Option<Known> {
    let mut every = RECONCILERS.into_iter().chain([GENERATOR]);
    every.find(|known| known.kind.eq_ignore_ascii_case(kind))
}

const SOURCES: [(&str, Known); 5] =
    [("git", GIT), ("oci", OCI), ("bucket", BUCKET), ("helm", HELM), ("chart", CHART)];

/// Finds the kind behind a verb.
pub(super) fn find(verb: &str, words: &[&str]) -> Result<Known, Failed> {
    let unknown =
        |word: &str, parent: &str| Failed(format!("unknown command {word:?} for \"flux {parent}\""));
    match words {
        ["source" | "sources", word] => {
            let found = SOURCES.iter().find(|(known, _)| known == word);
            found.map(|(_, known)| *known).ok_or_else(|| unknown(word, &format!("{verb} source")))
        }
        ["kustomization" | "ks"] => Ok(KUSTOMIZATION),
        ["helmrelease" | "hr"] => Ok(HELM_RELEASE),
        words => Err(unknown(words.last().copied().unwrap_or_default(), verb)),
    }
}

/// Finds a kind that a Kustomization can name as its source.
pub(super) fn source_of(kind: &str) -> Result<Known, Failed> {
    let found = SOURCES.iter().find(|(_, known)| known.kind == kind);
    found.map(|(_, known)| *known).ok_or_else(|| format!("source kind {kind:?} is not known").into())
}
