//! The objects that `up` puts into the cluster.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_controllers::offer::OfferedAs;
use serde_json::{Value, json};

use super::identity::Identity;

/// Namespace of everything that `up` makes.
pub(super) const NAMESPACE: &str = "flux-system";

/// Name of the Secret that holds the identities given to `up`.
pub(super) const IDENTITIES: &str = "sealfast-identities";

/// The source object that a Kustomization builds from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceRef {
    /// Its kind.
    pub(super) offered_as: OfferedAs,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Whether it takes the place of an object that the folder itself may bring along.
    pub(super) stands_in: bool,
}

impl SourceRef {
    /// Returns the object for a folder: the GitRepository that it stands for, else one of its own.
    pub(super) fn folder(own: String, stands_for: Option<&str>) -> Self {
        let Some(word) = stands_for else {
            return Self { offered_as: OfferedAs::ExternalArtifact, ..Self::git(own) };
        };
        let (namespace, name) = word.split_once('/').unwrap_or((NAMESPACE, word));
        Self { namespace: namespace.to_owned(), stands_in: true, ..Self::git(name.to_owned()) }
    }

    /// Returns the object for a repository.
    pub(super) fn git(name: String) -> Self {
        Self { offered_as: OfferedAs::GitRepository, namespace: NAMESPACE.to_owned(), name, stands_in: false }
    }
}

/// Returns a namespace.
pub(super) fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// Returns a key Secret with one entry for each identity, named so that the controller knows its kind.
pub(super) fn key_secret(namespace: &str, name: &str, identities: &[Identity]) -> Value {
    let entry = |(number, identity): (usize, &Identity)| {
        let name = format!("identity-{number}.{}", identity.ending());
        (name, Value::String(STANDARD.encode(identity.bytes())))
    };
    let data: serde_json::Map<String, Value> = identities.iter().enumerate().map(entry).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace },
        "type": "Opaque",
        "data": data,
    })
}

/// Returns a GitRepository that follows a branch; the one that the repository itself names when none is given.
pub(super) fn git_repository(name: &str, url: &str, branch: Option<&str>, login: Option<&str>) -> Value {
    let reference = match branch {
        Some(branch) => json!({ "branch": branch }),
        None => json!({ "name": "HEAD" }),
    };
    let mut spec = json!({ "interval": "1m", "url": url, "ref": reference });
    if let Some(secret) = login {
        spec["secretRef"] = json!({ "name": secret });
    }
    object("source.toolkit.fluxcd.io/v1", "GitRepository", name, spec)
}

/// Returns the Kustomization that applies `path` of the source.
///
/// It has the name of its source, as the one that Flux's bootstrap writes: a folder that brings that one along applies
/// it to itself.
pub(super) fn kustomization(source: &SourceRef, path: &str, decrypts: bool) -> Value {
    let mut spec = json!({
        "interval": "10m",
        "retryInterval": "10s",
        "timeout": "2m",
        "path": path,
        "prune": true,
        // One that applies itself would wait for itself.
        "wait": !source.stands_in,
        "sourceRef": { "kind": source.offered_as.kind(), "name": source.name },
    });
    if source.namespace != NAMESPACE {
        spec["sourceRef"]["namespace"] = source.namespace.clone().into();
    }
    if decrypts {
        spec["decryption"] = json!({ "provider": "sops", "secretRef": { "name": IDENTITIES } });
    }
    object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", &source.name, spec)
}

fn object(api_version: &str, kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": spec,
    })
}
