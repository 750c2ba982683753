//! How the controllers are run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sealfast_cluster::client::Foreign;
use sealfast_source::digest::Algorithm;
use sealfast_source::git::ssh::Algorithms;
use sealfast_source::storage::Retention;

use crate::clock::Clock;
use crate::gates::Gates;
use crate::identity::Clouds;
use crate::identity::cache::Size;
use crate::kustomization::archive::Hosts;
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

/// Whether objects may refer to sources in other namespaces, and judge dependencies there by expressions of their own.
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
    /// The time of day.
    pub clock: Clock,
    /// Where artifacts are kept.
    pub storage_dir: PathBuf,
    /// Where artifacts are served; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The host (and port) that other programs find the artifact server under; that of `listen` when none.
    pub advertise: Option<String>,
    /// Which controllers run.
    pub only: Only,
    /// How many Kustomizations are worked on at a time; those that wait for health do not count.
    pub concurrency: usize,
    /// How many sources are worked on at a time.
    pub source_concurrency: usize,
    /// How many objects of a Kustomization are tried at a time.
    pub concurrent_ssa: usize,
    /// Works on the objects of this namespace alone; on those of all when none.
    pub namespace: Option<String>,
    /// Works on the objects that these labels select (a shard); empty for all.
    pub labels: String,
    /// Which Secrets and ConfigMaps are watched for changes.
    pub config_labels: String,
    /// The namespace that the program runs in, where its own Secrets are.
    pub own_namespace: String,
    /// What is switched on.
    pub gates: Gates,
    /// How often an artifact server that does not answer is asked again.
    pub http_retry: u32,
    /// Hosts that stand in for those of artifacts.
    pub source_hosts: Hosts,
    /// Prefixes of further field managers whose fields are taken over.
    pub override_managers: Vec<String>,
    /// `group/Kind` of objects that go before the rest.
    pub custom_stage_kinds: Vec<String>,
    /// What is honoured in the kubeconfigs of remote clusters.
    pub foreign: Foreign,
    /// Secret in our own namespace with age identities for objects that name no Secret.
    pub sops_age_secret: Option<String>,
    /// Account for key services when an object names none.
    pub default_decryption_account: Option<String>,
    /// ConfigMap in our own namespace with the Vaults that accounts log in to.
    pub vault_map: Option<String>,
    /// How clouds are reached.
    pub clouds: Clouds,
    /// How many tokens of clouds are remembered.
    pub token_cache: Size,
    /// Account for remote clusters when a ConfigMap names none.
    pub default_kubeconfig_account: Option<String>,
    /// How long artifacts are kept.
    pub retention: Retention,
    /// How artifacts are digested.
    pub digest: Algorithm,
    /// What is offered over SSH.
    pub ssh: Algorithms,
    /// Where events are forwarded to.
    pub events_address: Option<String>,
    /// The name of this replica: its host.
    pub instance: String,
    /// Bytes of artifacts that may be unpacked at a time, those that are kept included, with the objects that were built
    /// and are not yet applied;
    /// archives on their way may take as many again. An artifact that has more is refused.
    pub unpacked_bytes: u64,
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
            clock: Clock::default(),
            storage_dir: PathBuf::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            only: Only::Both,
            concurrency: 4,
            source_concurrency: 2,
            concurrent_ssa: 4,
            namespace: None,
            labels: String::new(),
            config_labels: "reconcile.fluxcd.io/watch=Enabled".to_owned(),
            own_namespace: "flux-system".to_owned(),
            gates: Gates::default(),
            http_retry: 9,
            source_hosts: Hosts::default(),
            override_managers: Vec::new(),
            custom_stage_kinds: Vec::new(),
            foreign: Foreign::default(),
            sops_age_secret: None,
            default_decryption_account: None,
            vault_map: None,
            clouds: Clouds::default(),
            token_cache: Size::default(),
            default_kubeconfig_account: None,
            retention: Retention::default(),
            digest: Algorithm::default(),
            ssh: Algorithms::default(),
            events_address: None,
            instance: String::new(),
            unpacked_bytes: 256 << 20,
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
