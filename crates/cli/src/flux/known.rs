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

const fn notification(
    human: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> Known {
    Known { human, ..known("notification.toolkit.fluxcd.io", version, kind, plural) }
}

const fn image(human: &'static str, kind: &'static str, plural: &'static str) -> Known {
    Known { human, ..known("image.toolkit.fluxcd.io", "v1", kind, plural) }
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
pub(super) const EXTERNAL: Known =
    source("source external-artifact", "ExternalArtifact", "externalartifacts");

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

pub(super) const ALERT: Known = Known {
    refers: Some(Reference { path: "spec.providerRef", kind: Some("Provider"), crosses: false }),
    ..notification("alert", "v1beta3", "Alert", "alerts")
};
pub(super) const PROVIDER: Known = notification("alert provider", "v1beta3", "Provider", "providers");
pub(super) const RECEIVER: Known = notification("receiver", "v1", "Receiver", "receivers");

pub(super) const IMAGE_REPOSITORY: Known = image("image repository", "ImageRepository", "imagerepositories");
pub(super) const IMAGE_POLICY: Known = Known {
    refers: Some(Reference { path: "spec.imageRepositoryRef", kind: Some("ImageRepository"), crosses: true }),
    ..image("image policy", "ImagePolicy", "imagepolicies")
};
pub(super) const IMAGE_UPDATE: Known =
    image("image update automation", "ImageUpdateAutomation", "imageupdateautomations");

const GENERATOR: Known = Known {
    human: "artifactgenerator",
    ..known("source.extensions.fluxcd.io", "v1beta1", "ArtifactGenerator", "artifactgenerators")
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
    ALERT,
    PROVIDER,
    RECEIVER,
    IMAGE_UPDATE,
    IMAGE_POLICY,
    IMAGE_REPOSITORY,
];

/// Finds a kind that events are about by its name, without case.
pub(super) fn subject(kind: &str) -> Option<Known> {
    let mut every = RECONCILERS.into_iter().chain([GENERATOR]);
    every.find(|known| known.kind.eq_ignore_ascii_case(kind))
}

/// The words behind a verb that name a kind: that of a group, and those of the kind.
const WORDS: [(&str, &[&str], Known); 15] = [
    ("source", &["git"], GIT),
    ("source", &["oci"], OCI),
    ("source", &["bucket"], BUCKET),
    ("source", &["helm"], HELM),
    ("source", &["chart"], CHART),
    ("source", &["external"], EXTERNAL),
    ("image", &["repository"], IMAGE_REPOSITORY),
    ("image", &["policy"], IMAGE_POLICY),
    ("image", &["update"], IMAGE_UPDATE),
    ("artifact", &["generator", "generators"], GENERATOR),
    ("", &["kustomization", "ks", "kustomizations"], KUSTOMIZATION),
    ("", &["helmrelease", "hr", "helmreleases"], HELM_RELEASE),
    ("", &["alert", "alerts"], ALERT),
    ("", &["alert-provider", "alert-providers"], PROVIDER),
    ("", &["receiver", "receivers"], RECEIVER),
];

/// The words for the kinds that a verb means anything for: that of a group, and those of the kind.
pub(super) fn words(verb: &str) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    WORDS.into_iter().filter(move |(.., known)| serves(verb, *known)).map(|(group, words, _)| (group, words))
}

/// Returns the group of kinds that a word names, in the singular.
pub(super) fn group(word: &str) -> Option<&'static str> {
    let singular = word.strip_suffix('s').unwrap_or(word);
    ["source", "image", "artifact"].into_iter().find(|group| *group == singular)
}

/// Finds the kind behind a verb.
pub(super) fn find(verb: &str, words: &[&str]) -> Result<Known, Failed> {
    let (group, word) = match words {
        [first, word, ..] => (group(first).unwrap_or(first), *word),
        words => ("", words.first().copied().unwrap_or_default()),
    };
    let found = WORDS.iter().find(|(known, words, _)| *known == group && words.contains(&word));
    match found {
        Some((.., known)) if serves(verb, *known) => Ok(*known),
        _ => {
            let parent = format!("flux {verb} {group}");
            Err(format!("unknown command {word:?} for {:?}", parent.trim_end()).into())
        }
    }
}

/// Tells whether a verb means anything for a kind.
fn serves(verb: &str, known: Known) -> bool {
    match known.kind {
        "ExternalArtifact" | "ArtifactGenerator" => matches!(verb, "export" | "get"),
        "Alert" | "Provider" => verb != "reconcile",
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_the_words_behind_a_verb() {
        let found =
            |verb: &str, words: &[&str]| find(verb, words).map(|known| known.kind).map_err(|Failed(why)| why);
        assert_eq!(found("get", &["sources", "chart"]), Ok("HelmChart"));
        assert_eq!(found("suspend", &["image", "update"]), Ok("ImageUpdateAutomation"));
        assert_eq!(found("export", &["artifact", "generator"]), Ok("ArtifactGenerator"));
        assert_eq!(found("resume", &["alert-provider"]), Ok("Provider"));
        for (verb, words, parent) in [
            ("reconcile", ["alert"].as_slice(), "flux reconcile"),
            ("delete", &["source", "external"], "flux delete source"),
            ("get", &["images", "git"], "flux get image"),
            ("export", &["git"], "flux export"),
        ] {
            let word = words.last().copied().unwrap_or_default();
            assert_eq!(found(verb, words), Err(format!("unknown command {word:?} for {parent:?}")));
        }
    }
}
