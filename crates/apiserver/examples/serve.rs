//! Runs the server alone: `serve KUBECONFIG [STATE_DIR [second|commit]]`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use sealfast_apiserver::server::{Options, State, Sync, start};

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "an example has no place of its own for settings")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let kubeconfig = arguments.next().unwrap_or_else(|| "kubeconfig".into());
    let state = arguments.next().map_or(State::Memory, |dir| State::Dir(dir.into()));
    let sync = match arguments.next().as_deref() {
        None | Some("second") => Sync::Second,
        Some("commit") => Sync::Commit,
        Some(other) => anyhow::bail!("`{other}` is neither `second` nor `commit`"),
    };
    let ready = std::env::var_os("READY_WORKLOADS").is_some();
    let running =
        start(Options::default().with_state(state).with_sync(sync).with_ready_workloads(ready)).await?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&kubeconfig)?;
    file.write_all(running.kubeconfig().as_bytes())?;
    std::future::pending::<()>().await;
    Ok(())
}
