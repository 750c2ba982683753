//! A cluster in this process, and a folder offered as a source of it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sealfast_apiserver::server::{self, Running, State};
use sealfast_cluster::client::{Apply, Client, DryRun, Select};
use sealfast_controllers::gates::{Gate, Gates};
use sealfast_controllers::offer::{Offer, OfferedAs, publish_directory};
use sealfast_controllers::options::Options;
use sealfast_controllers::queue::Pauses;
use sealfast_controllers::run::{self, Handle};
use sealfast_k8s::flux;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_source::tree::Directory;
use sealfast_testkit::scratch::Scratch;
use serde_json::{Value, json};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A server and its scratch folder; controllers come and go.
pub(crate) struct House {
    pub(crate) scratch: Scratch,
    pub(crate) running: Option<Running>,
    pub(crate) client: Client,
    pub(crate) kubeconfig: String,
}

pub(crate) fn kind(group: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind::new(group, "v1", kind)
}

pub(crate) fn kustomizations() -> GroupVersionKind {
    kind("kustomize.toolkit.fluxcd.io", "Kustomization")
}

impl House {
    /// A server whose state is in a folder, with the definitions in place.
    pub(crate) async fn new() -> Result<House> {
        static CRYPTOGRAPHY: OnceLock<()> = OnceLock::new();
        CRYPTOGRAPHY.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let scratch = Scratch::new()?;
        let running =
            server::start(server::Options::default().with_state(State::Dir(scratch.join("state")))).await?;
        let kubeconfig = running.kubeconfig();
        let client = Client::from_kubeconfig_text(&kubeconfig, None).await?;
        for definition in flux::crds() {
            client.create(&definition, "test").await?;
        }
        client.forget_kinds();
        Ok(House { scratch, running: Some(running), client, kubeconfig })
    }

    /// A server with controllers that run, and files that are offered in `default`.
    pub(crate) async fn lived_in(files: &[(&str, &str)]) -> Result<(House, Handle)> {
        let house = House::new().await?;
        let handle = house.start(&house.client, house.options()).await?;
        for (file, text) in files {
            house.write(file, text)?;
        }
        house.publish(&handle, "default").await?;
        Ok((house, handle))
    }

    /// Applies the Kustomization `app`, waits until its Ready condition is for this reason, and returns the message.
    pub(crate) async fn app(&self, spec: Value, reason: &str) -> Result<String> {
        self.apply(kustomization("default", "app", spec)).await?;
        let object = self.until("default", "app", |object| ready(object)["reason"] == reason).await?;
        Ok(ready(&object)["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Stops the server and starts it again at the same address.
    pub(crate) async fn restart(&mut self, away: Duration) -> Result<()> {
        let running = self.running.take().context("the server runs")?;
        let address = running.addr();
        running.stop().await;
        // The server is away for a while; that is the fault.
        tokio::time::sleep(away).await;
        let options = server::Options::default()
            .with_state(State::Dir(self.scratch.join("state")))
            .with_listen(address);
        self.running = Some(server::start(options).await?);
        Ok(())
    }

    /// How controllers are run here: quick to try again.
    pub(crate) fn options(&self) -> Options {
        Options {
            storage_dir: self.scratch.join("artifacts"),
            gates: Gates::default().with(Gate::ExternalArtifact),
            requeue_dependency: Duration::from_secs(2),
            pauses: Pauses { first: Duration::from_millis(200), longest: Duration::from_secs(5) },
            jitter_percent: 0,
            ..Options::default()
        }
    }

    pub(crate) async fn start(&self, client: &Client, options: Options) -> Result<Handle> {
        Ok(run::start(client.clone(), options, Arc::default()).await?)
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> Result<PathBuf> {
        self.scratch.write(format!("tree/{file}"), text)
    }

    /// Offers what was written as the ExternalArtifact `repo` of a namespace; returns its revision.
    pub(crate) async fn publish(&self, handle: &Handle, namespace: &str) -> Result<String> {
        let artifacts = handle.artifacts().context("artifacts are served")?;
        let offer = Offer {
            clock: &artifacts.clock,
            offered_as: OfferedAs::ExternalArtifact,
            namespace,
            name: "repo",
            label: "local",
            host: &artifacts.host,
        };
        let folder = self.scratch.join("tree");
        Ok(publish_directory(&self.client, &artifacts.storage, Directory::new(folder), &offer)
            .await?
            .revision)
    }

    pub(crate) async fn apply(&self, object: Value) -> Result<Value> {
        let how = Apply { manager: "test", force: true, dry_run: DryRun::No };
        Ok(self.client.apply(&object, &how).await?)
    }

    pub(crate) async fn namespace(&self, name: &str) -> Result<()> {
        self.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
            .await
            .map(drop)
    }

    /// Waits until a Kustomization satisfies a condition, and returns it.
    pub(crate) async fn until(
        &self,
        namespace: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.until_any(&kustomizations(), namespace, name, holds).await
    }

    /// Waits until an object satisfies a condition, and returns it.
    pub(crate) async fn until_any(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let began = Instant::now();
        let mut last = Value::Null;
        while began.elapsed() < PATIENCE {
            // The server may be away just now.
            if let Ok(Some(object)) = self.client.find(gvk, namespace, name).await {
                if holds(&object) {
                    return Ok(object);
                }
                last = object;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("waited in vain for {namespace}/{name}; last seen: {}", last["status"])
    }

    /// The messages of all events of a namespace.
    pub(crate) async fn events(&self, namespace: &str) -> Result<Vec<String>> {
        let events = self.client.list(&kind("", "Event"), namespace, &Select::default()).await?;
        Ok(events.items.iter().filter_map(|e| e["message"].as_str().map(str::to_owned)).collect())
    }
}

/// A Kustomization of the ExternalArtifact `repo` beside it.
pub(crate) fn kustomization(namespace: &str, name: &str, more: Value) -> Value {
    let mut object = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "interval": "10m", "prune": true, "path": "./",
            "sourceRef": {"kind": "ExternalArtifact", "name": "repo"},
        },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: default\ndata:\n  key: {value}\n"
    )
}

pub(crate) fn ready(object: &Value) -> &Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.and_then(|all| all.iter().find(|c| c["type"] == "Ready")).unwrap_or(&Value::Null)
}

pub(crate) fn is_applied(object: &Value, revision: &str) -> bool {
    ready(object)["status"] == "True"
        && object["status"]["lastAppliedRevision"] == revision
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}
