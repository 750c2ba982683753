//! A folder of this machine as a source, offered again on every save.

use std::path::Path;
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher};
use sealfast_cluster::client::Client;
use sealfast_controllers::artifacts::{Offer, publish_directory};
use sealfast_controllers::run::Handle;
use tokio::sync::mpsc;

use super::config::Source;
use super::objects::NAMESPACE;
use crate::diagnostic::Failure;
use crate::output;

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

/// Offers the folder again after each change; other sources watch themselves.
pub(super) async fn watch(
    source: &Source,
    handle: &Handle,
    client: &Client,
    name: &str,
) -> Result<(), Failure> {
    let Source::Folder(folder) = source else { return std::future::pending().await };
    let (changed, mut changes) = mpsc::unbounded_channel();
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
    output::talk(&format!("watching `{}`: save a file to apply it", folder.display()));
    while changes.recv().await.is_some() {
        while tokio::time::timeout(SETTLE, changes.recv()).await.is_ok() {}
        if let Err(failure) = publish(handle, client, folder, name).await {
            // A file may be gone between two looks; the next change brings another.
            let _ = failure.report();
        }
    }
    Ok(())
}

/// Reading is no change, and Git's own folder is not offered.
fn concerns_content(event: &notify::Event) -> bool {
    !matches!(event.kind, EventKind::Access(_))
        && event.paths.iter().any(|path| !path.components().any(|part| part.as_os_str() == ".git"))
}
