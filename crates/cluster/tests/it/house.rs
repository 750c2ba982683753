//! A server in this process and a client of it.

use anyhow::Result;
use sealfast_apiserver::server::{self, Running};
use sealfast_cluster::client::{Client, Patch};
use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

pub(crate) struct House {
    pub(crate) client: Client,
    _running: Running,
}

impl House {
    /// A server in whose cluster no workload becomes ready by itself.
    pub(crate) async fn new() -> Result<House> {
        // Another test of this process may have chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let running = server::start(server::Options::default().with_ready_workloads(false)).await?;
        let client = Client::from_kubeconfig_text(&running.kubeconfig(), None).await?;
        Ok(House { client, _running: running })
    }

    pub(crate) async fn patch(
        &self,
        kind: &GroupVersionKind,
        name: &str,
        body: Value,
        manager: &str,
    ) -> Result<()> {
        Ok(self.client.patch(kind, "default", name, &Patch::Merge(&body), manager).await.map(drop)?)
    }
}

pub(crate) fn core(kind: &str) -> GroupVersionKind {
    GroupVersionKind::new("", "v1", kind)
}

pub(crate) fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data})
}
