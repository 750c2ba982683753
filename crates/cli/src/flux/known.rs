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
}

impl Known {
    pub(super) fn gvk(self) -> GroupVersionKind {
        GroupVersionKind::new(self.group, self.version, self.kind)
    }

    /// Reads one object; says as the API does when it is not there.
    pub(super) async fn get(self, client: &Client, namespace: &str, name: &str) -> Result<Value, Failed> {
        client.get(&self.gvk(), namespace, name).await.map_err(|error| self.failed(name, &error))
    }

    /// What is said when it could not be read.
    pub(super) fn failed(self, name: &str, error: &Error) -> Failed {
        if error.is_not_found() { self.missing(name) } else { Failed::from_error(error) }
    }

    /// What is said when it is not there.
    pub(super) fn missing(self, name: &str) -> Failed {
        Failed(format!("{}.{} {name:?} not found", self.plural, self.group))
    }
}

const fn source(human: &'static str, kind: &'static str, plural: &'static str) -> Known {
    Known { human, kind, plural, group: "source.toolkit.fluxcd.io", version: "v1" }
}

pub(super) const GIT: Known = source("source git", "GitRepository", "gitrepositories");

pub(super) const KUSTOMIZATION: Known = Known {
    human: "kustomization",
    kind: "Kustomization",
    plural: "kustomizations",
    group: "kustomize.toolkit.fluxcd.io",
    version: "v1",
};

pub(super) const HELM_RELEASE: Known = Known {
    human: "helmrelease",
    kind: "HelmRelease",
    plural: "helmreleases",
    group: "helm.toolkit.fluxcd.io",
    version: "v2",
};

const SOURCES: [(&str, Known); 5] = [
    ("git", GIT),
    ("oci", source("source oci", "OCIRepository", "ocirepositories")),
    ("bucket", source("source bucket", "Bucket", "buckets")),
    ("helm", source("source helm", "HelmRepository", "helmrepositories")),
    ("chart", source("source chart", "HelmChart", "helmcharts")),
];

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
