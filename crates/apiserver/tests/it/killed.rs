//! SIGKILL at any moment: every acknowledged write is there afterwards.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use sealfast_apiserver::server::{Options, State, start};
use serde_json::json;

use crate::client::Client;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_sigkill() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut acknowledged = Vec::new();
    for round in 0..5_u32 {
        let mut server = Server::spawn(dir.path())?;
        let client = Client::by(&server.kubeconfig().await?)?;
        for name in &acknowledged {
            let (status, _) = client.call("GET", &format!("{COLLECTION}/{name}"), None).await?;
            anyhow::ensure!(status == 200, "{name} is lost in round {round}");
        }
        // A different number of writes each time, and a kill while more are on their way.
        let writer = client.clone();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let writes = tokio::spawn(async move {
            for number in 0.. {
                let name = format!("c{round}-{number}");
                let body = json!({"metadata": {"name": name}, "data": {"filler": "x".repeat(2000)}});
                match writer.call("POST", COLLECTION, Some(body)).await {
                    Ok((201, _)) => drop(sender.send(name)),
                    _ => return,
                }
            }
        });
        let mut wanted = 10 + 7 * round;
        while wanted > 0 {
            let name = tokio::time::timeout(Duration::from_secs(30), receiver.recv()).await?;
            acknowledged.push(name.context("the writer stopped early")?);
            wanted -= 1;
        }
        server.kill()?;
        writes.await?;
        while let Ok(name) = receiver.try_recv() {
            acknowledged.push(name);
        }
    }
    let running = start(Options::default().with_state(State::Dir(dir.path().join("state")))).await?;
    let client = Client::of(&running)?;
    let (_, list) = client.call("GET", COLLECTION, None).await?;
    let kept = list["items"].as_array().map_or(0, Vec::len);
    assert!(kept >= acknowledged.len(), "{kept} objects are kept, {} were acknowledged", acknowledged.len());
    running.stop().await;
    Ok(())
}

/// The server in a process of its own: this test program, told to run the test below.
struct Server<'a> {
    child: Child,
    dir: &'a Path,
}

impl<'a> Server<'a> {
    fn spawn(dir: &'a Path) -> anyhow::Result<Self> {
        let _ = std::fs::remove_file(dir.join("kubeconfig"));
        let child = Command::new(std::env::current_exe()?)
            .args(["killed::serves_until_it_is_killed", "--exact", "--ignored"])
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { child, dir })
    }

    async fn kubeconfig(&self) -> anyhow::Result<String> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match std::fs::read_to_string(self.dir.join("kubeconfig")) {
                Ok(text) if text.ends_with('\n') => return Ok(text),
                _ if Instant::now() > end => anyhow::bail!("the server does not start"),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a server for the test above, which runs it in a folder of its own"]
async fn serves_until_it_is_killed() -> anyhow::Result<()> {
    let running = start(Options::default().with_state(State::Dir("state".into()))).await?;
    std::fs::write("kubeconfig.new", running.kubeconfig())?;
    std::fs::rename("kubeconfig.new", "kubeconfig")?;
    tokio::time::sleep(Duration::from_secs(120)).await;
    Ok(())
}

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
