//! A folder of this machine as a source, offered again on every save.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher};
use sealfast_cluster::client::Client;
use sealfast_controllers::offer::{Offer, publish_directory};
use sealfast_controllers::run::Handle;
use sealfast_source::tree::Directory;
use tokio::sync::mpsc;

use super::objects::SourceRef;
use crate::diagnostic::Failure;

/// Changes that come together are offered together.
const SETTLE: Duration = Duration::from_millis(120);
const LONGEST_SETTLE: Duration = Duration::from_secs(2);

/// A folder on its way into the cluster.
pub(super) struct Offered<'a> {
    /// The controllers that keep and serve it.
    pub(super) handle: &'a Handle,
    /// The cluster.
    pub(super) client: &'a Client,
    /// The folder.
    pub(super) folder: &'a Path,
    /// What it is offered as.
    pub(super) source: &'a SourceRef,
    /// Files and folders that are never offered: identities, our own settings and state.
    pub(super) left_out: Vec<PathBuf>,
}

impl Offered<'_> {
    /// Offers the content as it is now.
    pub(super) async fn publish(&self) -> Result<(), Failure> {
        let Some(artifacts) = self.handle.artifacts() else {
            return Err(Failure::new("the artifact server does not run"));
        };
        let offer = Offer {
            clock: &artifacts.clock,
            offered_as: self.source.offered_as,
            namespace: &self.source.namespace,
            name: &self.source.name,
            label: "local",
            host: &artifacts.host,
        };
        let content = Directory::new(self.folder).as_committed().without(self.left_out.iter().cloned());
        let published = publish_directory(self.client, &artifacts.storage, content, &offer).await;
        published.map(drop).map_err(|error| {
            Failure::because(format!("failed to offer the folder `{}`", self.folder.display()), &error)
        })
    }

    /// Offers it again after each change, without end.
    pub(super) async fn follow(&self, mut watch: Watch) -> ! {
        loop {
            watch.changed().await;
            if let Err(failure) = self.publish().await {
                // A file may be gone between two looks; the next change brings another.
                let _ = failure.report();
            }
        }
    }
}

/// Notes every change below a folder from its start on, so that none falls between two looks.
pub(super) struct Watch {
    changes: mpsc::UnboundedReceiver<()>,
    _watcher: notify::RecommendedWatcher,
}

impl Watch {
    /// Begins to watch; what happens to the paths that are left out is no change.
    pub(super) fn start(folder: &Path, left_out: Vec<PathBuf>) -> Result<Self, Failure> {
        let (changed, changes) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerns_content(&event, &left_out)) {
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

    /// Waits for a change and the ones that come with it, but not for the end of a log that is always written to.
    async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        let settled = async { while tokio::time::timeout(SETTLE, self.changes.recv()).await.is_ok() {} };
        // Late ones are another change.
        let _ = tokio::time::timeout(LONGEST_SETTLE, settled).await;
    }
}

/// Reading is no change, and Git's own folder is not offered.
fn concerns_content(event: &notify::Event, left_out: &[PathBuf]) -> bool {
    let offered = |path: &PathBuf| {
        !path.components().any(|part| part.as_os_str() == ".git")
            && !left_out.iter().any(|out| path.starts_with(out))
    };
    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(offered)
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Event};

    use super::*;

    #[tokio::test]
    async fn what_never_settles_is_looked_at_all_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut watch = Watch::start(dir.path(), Vec::new()).expect("it is watched");
        let log = dir.path().join("log");
        let noise = tokio::spawn(async move {
            for line in 0u64.. {
                std::fs::write(&log, line.to_string()).expect("it is written");
                tokio::time::sleep(SETTLE / 6).await;
            }
        });
        let looked = tokio::time::timeout(10 * LONGEST_SETTLE, watch.changed()).await;
        noise.abort();
        assert!(looked.is_ok(), "it waits for the end of what has none");
    }

    #[test]
    fn what_up_writes_itself_is_no_change() {
        let out = [PathBuf::from("/fleet/state")];
        let created = |path: &str| Event::new(EventKind::Create(CreateKind::File)).add_path(path.into());
        assert!(concerns_content(&created("/fleet/apps/a.yaml"), &out));
        assert!(concerns_content(&created("/fleet/statement.yaml"), &out));
        assert!(!concerns_content(&created("/fleet/state/artifacts/a.tar.gz"), &out));
        assert!(!concerns_content(&created("/fleet/.git/index"), &out));
    }
}
