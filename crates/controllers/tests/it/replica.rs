//! Controllers as a process that can be killed: this test program, called again.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sealfast_cluster::client::Client;
use sealfast_controllers::clock::Clock;
use sealfast_controllers::lease::{Candidate, Release};
use sealfast_controllers::options::{Only, Options};
use sealfast_controllers::queue::Pauses;
use sealfast_controllers::run;
use serde_json::{Value, json};

/// A running replica; it ends on drop, and when this process does.
pub(crate) struct Replica {
    child: Child,
    /// What it calls itself in Leases.
    pub(crate) name: String,
}

/// A Lease that outlasts a busy machine.
pub(crate) const PATIENT: Duration = Duration::from_secs(3);

/// One of the controllers, for a part of the objects.
pub(crate) struct Half<'a> {
    /// `source` or `kustomize`.
    pub(crate) only: &'a str,
    /// Selects the objects.
    pub(crate) labels: &'a str,
    /// Who is told of events.
    pub(crate) events: &'a str,
}

/// What a replica may not do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// It may write what it likes.
    Roomy,
    /// No file may be larger than 64 KiB (128 KiB by another shell).
    Full,
}

impl Replica {
    /// Starts a replica that stands for election.
    pub(crate) fn start(
        kubeconfig: &str,
        storage: &Path,
        name: &str,
        disk: Disk,
        lease: Duration,
    ) -> Result<Replica> {
        let own = std::env::current_exe()?;
        let command = match disk {
            Disk::Roomy => Command::new(&own),
            Disk::Full => {
                // The signal of the limit would end the process; ignored, a large write fails. Small ones go on, unlike on a full disk.
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -f 128; trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&own);
                shell
            }
        };
        let order = json!({"kubeconfig": kubeconfig, "storage": storage, "name": name,
            "lease": lease.as_millis()});
        Replica::ordered(command, &order)
    }

    /// Starts a replica of one half, which stands for that half's election.
    pub(crate) fn half(kubeconfig: &str, storage: &Path, name: &str, half: &Half<'_>) -> Result<Replica> {
        let Half { only, labels, events } = half;
        let order = json!({"kubeconfig": kubeconfig, "storage": storage, "name": name,
            "lease": PATIENT.as_millis(), "only": only, "labels": labels, "events": events});
        Replica::ordered(Command::new(std::env::current_exe()?), &order)
    }

    fn ordered(mut command: Command, order: &Value) -> Result<Replica> {
        command.args(["--ignored", "--exact", "replica::process", "--nocapture"]);
        // What keeps it from working is said where everybody sees it.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        writeln!(child.stdin.as_mut().context("a pipe")?, "{order}")?;
        Ok(Replica { child, name: order["name"].as_str().unwrap_or_default().to_owned() })
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The process. Without an order on standard input it has nothing to do.
#[test]
#[ignore = "other tests call it"]
fn process() -> Result<()> {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    if line.is_empty() {
        return Ok(());
    }
    let order: Value = serde_json::from_str(&line)?;
    let (orphaned, parent_is_gone) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.spawn_blocking(move || {
        let mut rest = String::new();
        // The pipe ends with the process that holds it.
        drop(std::io::stdin().lock().read_line(&mut rest));
        let _ = orphaned.send(());
    });
    drop(input);
    runtime.block_on(async {
        tokio::select! {
            done = work(&order) => done,
            _ = parent_is_gone => Ok(()),
        }
    })?;
    runtime.shutdown_background();
    Ok(())
}

async fn work(order: &Value) -> Result<()> {
    let text = |key: &str| order[key].as_str().unwrap_or_default();
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::from_kubeconfig_text(text("kubeconfig"), None).await?;
    let lease = Duration::from_millis(order["lease"].as_u64().context("a Lease has a length")?);
    let candidate = Candidate {
        clock: Clock::default(),
        namespace: "default".into(),
        name: format!("{}controllers", text("only")),
        identity: text("name").to_owned(),
        duration: lease,
        renew_deadline: lease * 5 / 6,
        retry_period: lease / 15,
        release: Release::AtOnce,
    };
    let options = Options {
        storage_dir: text("storage").into(),
        requeue_dependency: Duration::from_secs(1),
        pauses: Pauses { first: Duration::from_millis(200), longest: Duration::from_secs(2) },
        jitter_percent: 0,
        only: match text("only") {
            "source" => Only::Source,
            "kustomize" => Only::Kustomize,
            _ => Only::Both,
        },
        labels: text("labels").to_owned(),
        events_address: order["events"].as_str().map(str::to_owned),
        instance: text("name").to_owned(),
        ..Options::default()
    };
    loop {
        let mut leadership = candidate.clone().elected(client.clone()).await;
        let handle = run::start(client.clone(), options.clone(), Arc::default()).await?;
        leadership.lost().await;
        drop(handle);
    }
}
