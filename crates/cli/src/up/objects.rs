//! The objects that `up` puts into the cluster.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_controllers::offer::OfferedAs;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::diagnostic::Failure;

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

/// Returns the key Secret with one entry a file, named so that the controller knows its kind.
pub(super) fn identities(files: &[PathBuf]) -> Result<Value, Failure> {
    let mut data = serde_json::Map::new();
    for (number, file) in files.iter().enumerate() {
        let bytes = Zeroizing::new(std::fs::read(file).map_err(|error| {
            Failure::because(format!("failed to read the identity `{}`", file.display()), &error)
        })?);
        let ending = ending_of(&bytes, file)?;
        data.insert(format!("identity-{number}.{ending}"), Value::String(STANDARD.encode(bytes.as_slice())));
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": IDENTITIES, "namespace": NAMESPACE },
        "type": "Opaque",
        "data": data,
    }))
}

fn ending_of(bytes: &[u8], file: &Path) -> Result<&'static str, Failure> {
    let text = String::from_utf8_lossy(bytes);
    if text.contains("BEGIN PGP PRIVATE KEY BLOCK") {
        return Ok("asc");
    }
    if text.contains("AGE-SECRET-KEY-") || text.contains("AGE-PLUGIN-") {
        return Ok("agekey");
    }
    Err(Failure::new(format!(
        "`{}` holds neither an age identity nor an armored OpenPGP secret key",
        file.display()
    ))
    .hint("make one with `sealfast keys generate age --output cluster.agekey`"))
}

/// Returns a GitRepository that follows a branch (the repository's own `master` when none is named).
pub(super) fn git_repository(name: &str, url: &str, branch: Option<&str>) -> Value {
    let mut spec = json!({ "interval": "1m", "url": url });
    if let Some(branch) = branch {
        spec["ref"] = json!({ "branch": branch });
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
