//! SIGKILL at any moment: every acknowledged write is there afterwards.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use sealfast_apiserver::server::{Options, State, Sync, start};
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

#[tokio::test(flavor = "multi_thread")]
async fn rewritings_of_the_file_survive_sigkill() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let object = |number: u64| json!({"metadata": {"name": "c"}, "data": {"n": number.to_string(), "x": "x".repeat(400_000)}});
    let one = format!("{COLLECTION}/c");
    let (mut number, mut acknowledged) = (0, 0);
    for round in 0..4_u64 {
        let mut server = Server::spawn(dir.path())?;
        let client = Client::by(&server.kubeconfig().await?)?;
        if round == 0 {
            anyhow::ensure!(client.call("POST", COLLECTION, Some(object(0))).await?.0 == 201);
        }
        let (_, found) = client.call("GET", &one, None).await?;
        let found: u64 = found["data"]["n"].as_str().context("a number")?.parse()?;
        anyhow::ensure!(found >= acknowledged, "{acknowledged} was acknowledged, {found} is there");
        // The file is written anew every ten writes or so; the kill comes at another one each time, once it was.
        let before = state_file(dir.path())?;
        let writer = client.clone();
        let path = one.clone();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let writes = tokio::spawn(async move {
            for number in number + 1.. {
                match writer.call("PUT", &path, Some(object(number))).await {
                    Ok((200, _)) => drop(sender.send(number)),
                    _ => return,
                }
            }
        });
        let (mut count, mut rewritten) = (0, false);
        while count < 12 + 5 * round || !rewritten {
            let written = tokio::time::timeout(Duration::from_secs(60), receiver.recv()).await?;
            acknowledged = written.context("the writer stopped")?;
            count += 1;
            rewritten |= state_file(dir.path())? != before;
            anyhow::ensure!(
                count < 2000,
                "{count} writes of 400,000 bytes, and the file was not written anew"
            );
        }
        server.kill()?;
        writes.await?;
        while let Ok(number) = receiver.try_recv() {
            acknowledged = number;
        }
        number = acknowledged + 1;
    }
    Ok(())
}

/// Which file holds the state: another one each time that it is written anew.
fn state_file(dir: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(dir.join("state/state"))?.ino())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_nothing_that_was_acknowledged() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let server = Server::spawn_with_files_of(dir.path(), 300)?;
    let client = Client::by(&server.kubeconfig().await?)?;
    let mut kept = 0;
    let refused = loop {
        let name = format!("c{kept}");
        let body = json!({"metadata": {"name": name}, "data": {"filler": "x".repeat(20_000)}});
        match client.call("POST", COLLECTION, Some(body)).await? {
            (201, _) => kept += 1,
            (status, answer) => {
                let why = answer["message"].as_str().unwrap_or_default();
                let head = "the state could not be written: cannot write `state/state`: ";
                assert!(status == 500 && why.starts_with(head), "{answer}");
                assert!(why.contains("File too large"), "{answer}");
                assert!(why.ends_with("writes are taken again once it can be"), "{answer}");
                break name;
            }
        }
        anyhow::ensure!(kept < 100, "the file grows beyond its limit");
    };
    assert!(kept > 3, "{kept} objects fit");
    assert_eq!(client.call("GET", &format!("{COLLECTION}/c0"), None).await?.0, 200, "reads go on");
    assert_eq!(client.call("GET", &format!("{COLLECTION}/{refused}"), None).await?.0, 404);
    drop(server);
    let running = start(Options::default().with_state(State::Dir(dir.path().join("state")))).await?;
    let client = Client::of(&running)?;
    for number in 0..kept {
        assert_eq!(client.call("GET", &format!("{COLLECTION}/c{number}"), None).await?.0, 200);
    }
    assert_eq!(client.call("GET", &format!("{COLLECTION}/{refused}"), None).await?.0, 404);
    running.stop().await;
    Ok(())
}

/// The server in a process of its own: this test program, told to run one of the tests below.
pub(crate) struct Server<'a> {
    child: Child,
    dir: &'a Path,
}

impl<'a> Server<'a> {
    fn spawn(dir: &'a Path) -> anyhow::Result<Self> {
        Self::spawn_with(dir, Sync::Second)
    }

    pub(crate) fn spawn_with(dir: &'a Path, sync: Sync) -> anyhow::Result<Self> {
        let _ = std::fs::remove_file(dir.join("kubeconfig"));
        let test = match sync {
            Sync::Second => "killed::serves_until_it_is_killed",
            Sync::Commit => "killed::serves_with_commit_until_it_is_killed",
        };
        let child = Command::new(std::env::current_exe()?)
            .args([test, "--exact", "--ignored"])
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { child, dir })
    }

    /// The same where no file may be larger than so many KiB: a write beyond it fails as on a full disk.
    fn spawn_with_files_of(dir: &'a Path, kib: u32) -> anyhow::Result<Self> {
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
        let child = Command::new("bash")
            .args(["-c", &script])
            .arg(std::env::current_exe()?)
            .args(["killed::serves_until_it_is_killed", "--exact", "--ignored"])
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { child, dir })
    }

    pub(crate) async fn kubeconfig(&self) -> anyhow::Result<String> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match std::fs::read_to_string(self.dir.join("kubeconfig")) {
                Ok(text) if text.ends_with('\n') => return Ok(text),
                _ if Instant::now() > end => anyhow::bail!("the server does not start"),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// The most memory that it had, in KiB.
    pub(crate) fn most_memory(&self) -> anyhow::Result<u64> {
        let about = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = about.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a peak")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
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
#[ignore = "a server for the tests above, which run it in a folder of its own"]
async fn serves_until_it_is_killed() -> anyhow::Result<()> {
    serve(Sync::Second).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the same server, which has each write on the disk before it answers"]
async fn serves_with_commit_until_it_is_killed() -> anyhow::Result<()> {
    serve(Sync::Commit).await
}

async fn serve(sync: Sync) -> anyhow::Result<()> {
    let running = start(Options::default().with_state(State::Dir("state".into())).with_sync(sync)).await?;
    std::fs::write("kubeconfig.new", running.kubeconfig())?;
    std::fs::rename("kubeconfig.new", "kubeconfig")?;
    tokio::time::sleep(Duration::from_secs(300)).await;
    Ok(())
}

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
