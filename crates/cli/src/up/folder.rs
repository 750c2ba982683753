//! A folder of this machine as a source, offered again on every save.

use std::path::Path;
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher};
use sealfast_cluster::client::Client;
use sealfast_controllers::artifacts::{Offer, publish_directory};
use sealfast_controllers::run::Handle;
use tokio::sync::mpsc;

use super::objects::NAMESPACE;
use crate::diagnostic::Failure;

/// Changes that come together are offered together.
const SETTLE: Duration = Duration::from_millis(120);

/// Offers the folder's content as the ExternalArtifact `name`.
pub(super) async fn publish(
    handle: &Handle,
    client: &Client,
    folder: &Path,
    name: &str,
) -> Result<(), Failure> {
    let Some(artifacts) = handle.artifacts() else {
        return Err(Failure::new("the artifact server does not run"));
    };
    let offer = Offer { namespace: NAMESPACE, name, label: "local", host: &artifacts.host };
    publish_directory(client, &artifacts.storage, folder, &offer).await.map(drop).map_err(|error| {
        Failure::because(format!("failed to offer the folder `{}`", folder.display()), &error)
    })
}

/// Notes every change below a folder from its start on, so that none falls between two looks.
pub(super) struct Watch {
    changes: mpsc::UnboundedReceiver<()>,
    _watcher: notify::RecommendedWatcher,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn start(folder: &Path) -> Result<Self, Failure> {
        let (changed, changes) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerns_content(&event)) {
                // The receiver is gone only when the program ends.
                let _ = changed.send(());
            }
        })
        .map_err(|error| Failure::because("failed to watch for changes", &error))?;
        watcher
            .watch(folder, RecursiveMode::Recursive)
            .map_err(|error| Failure::because(format!("failed to watch `{}`", folder.display()), &error))?;
        Ok(Self { changes, _watcher: watcher })
    }

    /// Waits for a change and the ones that come with it.
    async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while tokio::time::timeout(SETTLE, self.changes.recv()).await.is_ok() {}
    }
}

/// Offers the folder again after each change, without end.
pub(super) async fn follow(mut watch: Watch, folder: &Path, handle: &Handle, client: &Client, name: &str) {
    loop {
        watch.changed().await;
        if let Err(failure) = publish(handle, client, folder, name).await {
            // A file may be gone between two looks; the next change brings another.
            let _ = failure.report();
        }
    }
}

/// Reading is no change, and Git's own folder is not offered.
fn concerns_content(event: &notify::Event) -> bool {
    !matches!(event.kind, EventKind::Access(_))
        && event.paths.iter().any(|path| !path.components().any(|part| part.as_os_str() == ".git"))
}
