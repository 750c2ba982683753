//! Offers a directory as a source that Kustomizations may name.

use std::sync::Arc;

use sealfast_cluster::client::{Apply, Client, DryRun};
use sealfast_cluster::error::Error as ClusterError;
use sealfast_k8s::condition::{self, Condition};
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::git_repository::Status;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_source::storage::Storage;
use sealfast_source::tree::Directory;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::source::address;
use crate::status::{Target, Written};

/// The field manager of the objects made here.
const MANAGER: &str = "sealfast";

/// Why a directory could not be offered.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The directory cannot be read or the archive not kept.
    #[error("cannot pack the directory")]
    Pack(#[source] sealfast_source::error::Error),
    /// The API server refuses the object.
    #[error("cannot write {kind} `{namespace}/{name}`")]
    Write {
        /// Its kind.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: ClusterError,
    },
}

/// What a directory is offered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferedAs {
    /// An ExternalArtifact, the kind made for sources that others write.
    ExternalArtifact,
    /// A GitRepository that is suspended from its birth: nobody fetches, and what names it builds from the directory.
    GitRepository,
}

impl OfferedAs {
    /// The kind.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::ExternalArtifact => "ExternalArtifact",
            Self::GitRepository => "GitRepository",
        }
    }

    /// A GitRepository needs an address. No host has this one, should somebody resume the object.
    fn spec(self) -> Value {
        match self {
            Self::ExternalArtifact => json!({}),
            Self::GitRepository => {
                json!({"interval": "1h", "url": "https://folder.invalid/", "suspend": true})
            }
        }
    }
}

/// Where a directory is offered.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// The time of day.
    pub clock: &'a Clock,
    /// The kind of the object.
    pub offered_as: OfferedAs,
    /// Namespace of the object.
    pub namespace: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// What stands before the `@` of the revision, as `local`.
    pub label: &'a str,
    /// The artifact server's host, as in [`crate::source::Shared::host`].
    pub host: &'a str,
}

/// Packs a directory as it stands, without `.git` and what its `.sourceignore` names, and offers it as a source that
/// Kustomizations may name. The revision is `LABEL@sha256:…` of the content; when it is the one already offered, nothing
/// is written.
///
/// # Errors
/// [`PublishError`].
pub async fn publish_directory(
    client: &Client,
    storage: &Arc<Storage>,
    directory: Directory,
    offer: &Offer<'_>,
) -> Result<Artifact, PublishError> {
    let kind = GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", offer.offered_as.kind());
    let failed = |source| PublishError::Write {
        kind: offer.offered_as.kind(),
        namespace: offer.namespace.to_owned(),
        name: offer.name.to_owned(),
        source,
    };
    let artifact = keep(storage, directory, offer).await?;
    let known = client.find(&kind, offer.namespace, offer.name).await.map_err(failed)?;
    let was = known.as_ref().map(|object| &object["status"]["artifact"]);
    let same = was.is_some_and(|was| {
        was["revision"] == artifact.revision && was["url"] == artifact.url && was["digest"] == artifact.digest
    });
    if same {
        return Ok(artifact);
    }
    let object = match known {
        Some(object) => object,
        None => {
            let object = json!({
                "apiVersion": kind.api_version(), "kind": kind.kind,
                "metadata": {"name": offer.name, "namespace": offer.namespace},
                "spec": offer.offered_as.spec(),
            });
            let how = Apply { manager: MANAGER, force: true, dry_run: DryRun::No };
            client.apply(&object, &how).await.map_err(failed)?
        }
    };
    let target = Target { client, kind, namespace: offer.namespace, name: offer.name, manager: MANAGER };
    tell(&target, &object, &artifact, offer.clock.stamp()).await.map_err(failed)?;
    let (storage, path, now) = (Arc::clone(storage), artifact.path.clone(), offer.clock.now());
    let collected = tokio::task::spawn_blocking(move || storage.collect(&path, now.into())).await;
    if let Ok(Err(error)) = collected {
        tracing::warn!(error = %error.chain(), "cannot collect old artifacts");
    }
    Ok(artifact)
}

/// Says in the status that the artifact is there.
async fn tell(
    target: &Target<'_>,
    object: &Value,
    artifact: &Artifact,
    time: String,
) -> Result<(), ClusterError> {
    let before: Status = serde_json::from_value(object["status"].clone()).unwrap_or_default();
    let mut status = Status { artifact: Some(artifact.clone()), ..before.clone() };
    let ready = Condition {
        kind: "Ready".to_owned(),
        status: "True".to_owned(),
        reason: "Succeeded".to_owned(),
        message: format!("stored artifact for revision '{}'", artifact.revision),
        observed_generation: object["metadata"]["generation"].as_i64().unwrap_or_default(),
        last_transition_time: time,
    };
    condition::set(&mut status.conditions, ready);
    target.write(&mut Written::with(object, before), &mut status).await
}

/// Packs the directory under the name of its digest.
async fn keep(
    storage: &Arc<Storage>,
    directory: Directory,
    offer: &Offer<'_>,
) -> Result<Artifact, PublishError> {
    let storage = Arc::clone(storage);
    let (kind, namespace, name) =
        (offer.offered_as.kind(), offer.namespace.to_owned(), offer.name.to_owned());
    let stored =
        tokio::task::spawn_blocking(move || storage.keep_by_digest(kind, &namespace, &name, &directory));
    let stored = stored.await.unwrap_or_else(|panic| {
        Err(sealfast_source::error::Error::Archive(std::io::Error::other(panic.to_string())))
    });
    let stored = stored.map_err(PublishError::Pack)?;
    Ok(Artifact {
        revision: format!("{}@{}", offer.label, stored.digest),
        digest: stored.digest,
        last_update_time: offer.clock.stamp(),
        size: i64::try_from(stored.size).ok(),
        url: address(offer.host, &stored.path),
        path: stored.path,
        ..Artifact::default()
    })
}
