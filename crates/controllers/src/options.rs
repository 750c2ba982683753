//! How the controllers are run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::queue::Pauses;

/// Which controllers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Only {
    /// Sources and Kustomizations.
    #[default]
    Both,
    /// Sources alone; another controller applies them.
    Source,
    /// Kustomizations alone; another controller fetches their sources.
    Kustomize,
}

/// What a MAC that does not fit its file means. Each value authenticates itself in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SopsMac {
    /// The run fails.
    Enforce,
    /// The run goes on; an event and the Ready message say so.
    #[default]
    Warn,
    /// Nobody looks, as in the reference.
    Ignore,
}

/// Whether messages end with what to do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hints {
    /// Messages are those of the reference, to the letter.
    #[default]
    Omit,
    /// The reference's text comes first, then a line with the place and the remedy.
    Append,
}

/// Whether objects may refer to sources and dependencies in other namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CrossNamespace {
    /// They may.
    #[default]
    Allowed,
    /// They may not.
    Blocked,
}

/// How the controllers are run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where artifacts are kept.
    pub storage_dir: PathBuf,
    /// Where artifacts are served; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The host (and port) that other programs find the artifact server under; that of `listen` when none.
    pub advertise: Option<String>,
    /// Which controllers run.
    pub only: Only,
    /// How many objects of a kind are worked on at a time.
    pub concurrency: usize,
    /// What a MAC that does not fit means.
    pub sops_mac: SopsMac,
    /// Whether messages say what to do.
    pub hints: Hints,
    /// References to other namespaces.
    pub cross_namespace: CrossNamespace,
    /// The account that applies when an object names none.
    pub default_service_account: Option<String>,
    /// Wait before a dependency or a missing artifact is looked at again.
    pub requeue_dependency: Duration,
    /// Successful runs come again after their interval, more or less so many percent.
    pub jitter_percent: u8,
    /// Pauses after failures.
    pub pauses: Pauses,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            storage_dir: PathBuf::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            only: Only::Both,
            concurrency: 8,
            sops_mac: SopsMac::Warn,
            hints: Hints::Omit,
            cross_namespace: CrossNamespace::Allowed,
            default_service_account: None,
            requeue_dependency: Duration::from_secs(30),
            jitter_percent: 5,
            pauses: Pauses::default(),
        }
    }
}
