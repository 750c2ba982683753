//! An embedded server in this process, for programs that run beside it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sealfast_apiserver::server::{self, Running};
use sealfast_cluster::client::{Apply, Client, DryRun};
use sealfast_k8s::flux;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_testkit::git::Server;
use sealfast_testkit::scratch::Scratch;
use serde_json::{Value, json};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A server, and a repository `fleet` with a GitRepository for it.
pub(crate) struct Stage {
    pub(crate) scratch: Scratch,
    pub(crate) git: Server,
    pub(crate) client: Client,
    pub(crate) address: String,
    pub(crate) token: String,
    _running: Running,
}

pub(crate) fn kind(group: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind::new(group, "v1", kind)
}

pub(crate) fn kustomizations() -> GroupVersionKind {
    kind("kustomize.toolkit.fluxcd.io", "Kustomization")
}

pub(crate) fn sources() -> GroupVersionKind {
    kind("source.toolkit.fluxcd.io", "GitRepository")
}

pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|c| c["type"] == kind).unwrap_or(&Value::Null)
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = Result<bool>>>(is_so: impl Fn() -> F) -> Result<()> {
    let began = Instant::now();
    while !is_so().await? {
        ensure!(began.elapsed() < PATIENCE, "waited in vain");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A program that is killed on drop.
pub(crate) struct Program {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Program {
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Result<Program> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Program { child: command.spawn()?, log })
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Has a command be the controllers, with a folder for temporary files, and nothing else of this process.
pub(crate) fn run(command: &mut Command, temporary: &Path) {
    command.env_clear().env("TMPDIR", temporary);
    command.args(["run", "--log-encoding", "console", "--metrics-addr", "0", "--health-addr", "0"]);
    command.args(["--storage-addr", "127.0.0.1:0"]);
}

impl Stage {
    pub(crate) async fn new() -> Result<Stage> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let running = server::start(server::Options::default()).await?;
        let kubeconfig = running.kubeconfig();
        let client = Client::from_kubeconfig_text(&kubeconfig, None).await?;
        for definition in flux::crds() {
            client.create(&definition, "test").await?;
        }
        client.forget_kinds();
        let config = sealfast_yaml::json::from_yaml(kubeconfig.as_bytes())?;
        let text = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let stage = Stage {
            scratch: Scratch::new()?,
            git: Server::start()?,
            client,
            address: text("/clusters/0/cluster/server").context("a server")?,
            token: text("/users/0/user/token").context("a token")?,
            _running: running,
        };
        stage.git.create("fleet")?;
        let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}});
        stage.apply(space).await?;
        stage
            .apply(json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
                "metadata": {"namespace": "default", "name": "fleet"},
                "spec": {"interval": "1s", "url": stage.git.url("fleet"), "ref": {"branch": "main"}},
            }))
            .await?;
        Ok(stage)
    }

    pub(crate) async fn apply(&self, object: Value) -> Result<()> {
        let how = Apply { manager: "test", force: true, dry_run: DryRun::No };
        self.client.apply(&object, &how).await?;
        Ok(())
    }

    /// Applies a Kustomization of the repository.
    pub(crate) async fn kustomize(&self, name: &str, interval: &str) -> Result<()> {
        self.apply(json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"namespace": "default", "name": name},
            "spec": {"interval": interval, "retryInterval": "1s", "prune": true, "path": format!("./{name}"),
                "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
        }))
        .await
    }

    /// Waits until an object in `default` satisfies a condition, and returns it.
    pub(crate) async fn until(
        &self,
        gvk: &GroupVersionKind,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let began = Instant::now();
        loop {
            let object = self.client.get(gvk, "default", name).await?;
            if holds(&object) {
                return Ok(object);
            }
            ensure!(began.elapsed() < PATIENCE, "waited in vain for {name}: {}", object["status"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a Kustomization is Ready at a revision.
    pub(crate) async fn applied(&self, name: &str, revision: &str) -> Result<()> {
        let done = |object: &Value| {
            condition(object, "Ready")["status"] == "True"
                && object["status"]["lastAppliedRevision"] == revision
        };
        self.until(&kustomizations(), name, done).await.map(drop)
    }

    /// A kubeconfig for the server at an address.
    pub(crate) fn kubeconfig(&self, address: &str) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "stage",
            "clusters": [{"name": "stage", "cluster": {"server": address, "insecure-skip-tls-verify": true}}],
            "users": [{"name": "stage", "user": {"token": self.token}}],
            "contexts": [{"name": "stage", "context": {"cluster": "stage", "user": "stage"}}],
        })
        .to_string()
    }
}
