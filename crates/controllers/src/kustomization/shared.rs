//! What all runs share, and what the stages of one hand on.

use std::sync::Arc;

use sealfast_cluster::client::Client;
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use crate::events::Recorder;
use crate::fair::Fair;
use crate::identity::Identities;
use crate::kustomization::apply::Memories;
use crate::kustomization::opener::DataKeys;
use crate::kustomization::remotes::Remotes;
use crate::kustomization::report::{Report, Times};
use crate::kustomization::unpacked::Artifacts;
use crate::options::Options;
use crate::queue::Queue;
use crate::status::Target;
use crate::workers::Turn;

/// The field manager of what we write about Kustomizations themselves.
pub(crate) const MANAGER: &str = "gotk-kustomize-controller";

/// The kind that is worked on.
pub fn kind() -> GroupVersionKind {
    GroupVersionKind::new("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
}

/// All that runs share.
pub struct Shared {
    /// The API server.
    pub client: Client,
    /// How the controllers are run.
    pub options: Options,
    /// Takes events.
    pub recorder: Recorder,
    /// Fetches artifacts.
    pub artifacts: Arc<Artifacts>,
    /// Connections to remote clusters.
    pub remotes: Remotes,
    /// What earlier runs left behind.
    pub memories: Memories,
    /// Who objects are to clouds.
    pub identities: Arc<Identities>,
    /// Unwrapped data keys.
    pub data_keys: Arc<DataKeys>,
    /// How many builds at a time.
    pub builds: Fair,
    /// Where the next runs wait.
    pub queue: Queue,
}

impl Shared {
    /// Where what we write about an object goes.
    pub(crate) fn target<'a>(&'a self, namespace: &'a str, name: &'a str) -> Target<'a> {
        Target { client: &self.client, kind: kind(), namespace, name, manager: MANAGER }
    }
}

/// One object on its way through the stages.
pub(crate) struct Run<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) object: Value,
    pub(crate) typed: Kustomization,
    pub(crate) report: Report,
    pub(crate) times: Times,
    pub(crate) turn: Turn,
    /// The inventory names all that is left of this run and of earlier ones.
    pub(crate) is_accounted_for: bool,
}
