//! `sealfast run` as a process: leases, probes, metrics, logs, and its end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::person::{Person, SEALFAST, need};

const SOON: Duration = Duration::from_secs(60);
const HOLDER: &str =
    "kubectl -n flux-system get lease source-controller-leader-election -o jsonpath='{.spec.holderIdentity}'";

/// The controllers in a process of their own, which ends on drop.
struct Controllers {
    child: Child,
    metrics: String,
    health: String,
    log: std::path::PathBuf,
}

impl Controllers {
    fn start(person: &Person, more: &[&str]) -> Result<Controllers> {
        let (metrics, health) = (free_address()?, free_address()?);
        let log = person.path(&format!("run-{}.log", metrics.replace(':', "-")));
        let child = person
            .command(SEALFAST)
            .args(["run", "--enable-leader-election", "--leader-election-lease-duration", "6s"])
            .args(["--leader-election-renew-deadline", "4s", "--leader-election-retry-period", "1s"])
            .args(["--metrics-addr", &metrics, "--health-addr", &health, "--storage-addr", "127.0.0.1:0"])
            .arg("--storage-path")
            .arg(person.path("artifacts"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        Ok(Controllers { child, metrics, health, log })
    }

    /// What it logged.
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for the end.
    fn ended(&mut self) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(began.elapsed() < SOON, "still there:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens at just now.
fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// The answer to a GET, head and body; asked again until it holds a text.
fn answer(address: &str, path: &str, wanted: &str) -> Result<String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let began = Instant::now();
    loop {
        let answer = ask();
        match &answer {
            Ok(text) if text.contains(wanted) => return Ok(text.clone()),
            _ if began.elapsed() > SOON => return answer.with_context(|| format!("{path} without {wanted}")),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

#[test]
fn whoever_leads_is_ready_tells_its_metrics_and_ends_when_told() -> Result<()> {
    need(&["kubectl", "bash"])?;
    let mut person = Person::new()?;
    let _up = person.up(&[])?;
    person.sh("kubectl create namespace flux-system --dry-run=client -o yaml | kubectl apply -f -")?;
    let mut controllers = Controllers::start(&person, &["--log-encoding", "json"])?;
    answer(&controllers.health, "/healthz", "200 OK")?;
    answer(&controllers.health, "/readyz", "200 OK")?;
    let leads = r#"leader_election_master_status{name="source-controller-leader-election"} 1"#;
    let metrics = answer(&controllers.metrics, "/metrics", leads)?;
    ensure!(metrics.contains("controller_runtime_active_workers"), "{metrics}");
    let second = Controllers::start(&person, &[])?;
    let waits = r#"leader_election_master_status{name="source-controller-leader-election"} 0"#;
    answer(&second.metrics, "/metrics", waits)?;
    drop(second);
    let holder = person.sh(HOLDER)?;
    ensure!(!holder.trim_matches('\'').is_empty(), "nobody holds the lease");
    person.sh(&format!("kill -TERM {}", controllers.child.id()))?;
    ensure!(controllers.ended()?.code() == Some(0), "{}", controllers.log());
    ensure!(person.sh(HOLDER)?.trim_matches('\'').is_empty(), "the lease was not freed");
    for line in controllers.log().lines() {
        serde_json::from_str::<Value>(line).with_context(|| format!("not a JSON object: {line}"))?;
    }
    Ok(())
}

/// Controllers that fetch from a Git server which takes connections and says nothing, for as long as it is held.
fn kept_waiting(person: &Person) -> Result<(TcpListener, Controllers)> {
    person.sh("kubectl create namespace flux-system --dry-run=client -o yaml | kubectl apply -f -")?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    person.sh(&format!(
        "kubectl apply -f - <<'END'
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: silent, namespace: flux-system}}
spec: {{interval: 1m, timeout: 5m, url: 'http://{}/a'}}
END",
        silent.local_addr()?
    ))?;
    let controllers = Controllers::start(person, &["--controllers", "source"])?;
    let works = r#"controller_runtime_active_workers{controller="gitrepository"} 1"#;
    answer(&controllers.metrics, "/metrics", works)?;
    Ok((silent, controllers))
}

#[test]
fn whoever_lost_its_lease_ends_though_a_git_server_keeps_it_waiting() -> Result<()> {
    need(&["kubectl", "bash"])?;
    let mut person = Person::new()?;
    let _up = person.up(&[])?;
    let (_silent, mut controllers) = kept_waiting(&person)?;
    let other = r#"{"spec":{"holderIdentity":"somebody-else","leaseDurationSeconds":600}}"#;
    person.sh(&format!(
        "kubectl -n flux-system patch lease source-controller-leader-election --type merge -p '{other}'"
    ))?;
    let status = controllers.ended()?;
    ensure!(status.code() == Some(1), "{status}\n{}", controllers.log());
    ensure!(controllers.log().contains("leader election lost"), "{}", controllers.log());
    Ok(())
}

#[test]
fn whoever_is_told_to_end_renews_its_lease_until_its_runs_are_over() -> Result<()> {
    need(&["kubectl", "bash"])?;
    let mut person = Person::new()?;
    let _up = person.up(&[])?;
    let (_silent, mut controllers) = kept_waiting(&person)?;
    let renewed = HOLDER.replace("holderIdentity", "renewTime");
    person.sh(&format!("kill -TERM {}", controllers.child.id()))?;
    std::thread::sleep(Duration::from_secs(2));
    let before = person.sh(&renewed)?;
    // Longer than the Lease holds without being renewed, shorter than what a run is given to finish.
    std::thread::sleep(Duration::from_secs(7));
    ensure!(controllers.child.try_wait()?.is_none(), "nothing was left to do:\n{}", controllers.log());
    ensure!(person.sh(&renewed)? != before, "somebody else may work already");
    ensure!(!person.sh(HOLDER)?.trim_matches('\'').is_empty(), "freed before the last run was over");
    ensure!(controllers.ended()?.code() == Some(0), "{}", controllers.log());
    ensure!(person.sh(HOLDER)?.trim_matches('\'').is_empty(), "the lease was not freed");
    Ok(())
}

#[test]
fn each_lease_that_is_held_is_told_while_another_is_waited_for() -> Result<()> {
    need(&["kubectl", "bash"])?;
    let mut person = Person::new()?;
    let _up = person.up(&[])?;
    person.sh("kubectl create namespace flux-system --dry-run=client -o yaml | kubectl apply -f -")?;
    let status = |half: &str, holds: u8| {
        format!("leader_election_master_status{{name=\"{half}-controller-leader-election\"}} {holds}")
    };
    let half = Controllers::start(&person, &["--controllers", "kustomize"])?;
    answer(&half.metrics, "/metrics", &status("kustomize", 1))?;
    let both = Controllers::start(&person, &[])?;
    let metrics = answer(&both.metrics, "/metrics", &status("source", 1))?;
    ensure!(metrics.contains(&status("kustomize", 0)), "{metrics}");
    Ok(())
}
