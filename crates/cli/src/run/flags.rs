//! The flags of `run`: those of both Flux controllers, and a few of ours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use sealfast_cluster::client::{Client, Foreign, Honoured};
use sealfast_controllers::clock::Clock;
use sealfast_controllers::gates::{Gate, Gates};
use sealfast_controllers::identity::cache::Size;
use sealfast_controllers::kustomization::archive::Hosts;
use sealfast_controllers::lease::{Candidate, Release};
use sealfast_controllers::options::{CrossNamespace, Only, Options, SopsMac};
use sealfast_controllers::queue::Pauses;
use sealfast_source::digest::Algorithm;
use sealfast_source::git::ssh::Algorithms;
use sealfast_source::storage::Retention;
use sha2::{Digest, Sha256};

use crate::env;
use crate::flux::args::go_bool;
use crate::run::clouds::{self, CloudIdentity};
use crate::up::go_duration;

/// Ports of addresses that are not given.
const METRICS: &str = ":8080";
const HEALTH: &str = ":9440";
const STORAGE: &str = ":9090";

/// What `run` takes.
#[derive(Args)]
// A flag that is given twice counts as the last one says: patches of a Deployment add theirs behind those that are there.
#[command(after_help = EXAMPLES, args_override_self = true)]
pub(crate) struct RunArgs {
    /// Kubeconfig of the cluster [default: the cluster that the program runs in, else the person's kubeconfig].
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Runs one half only, beside Flux's other half.
    #[arg(long, value_name = "HALF")]
    controllers: Option<Half>,
    /// What a MAC that does not fit its file means.
    #[arg(long, value_name = "MODE", default_value = "warn")]
    sops_mac: Mac,
    /// MiB for unpacked artifacts and for built objects until they are applied; as much again for archives on their way.
    /// An artifact that has more is refused.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    max_unpacked: u64,
    /// Who asks clouds for an object that names no service account.
    #[arg(long, value_name = "WHO", default_value = "pod")]
    cloud_identity: CloudIdentity,
    #[command(flatten)]
    shared: SharedArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    kustomize: KustomizeArgs,
}

/// Flags that both controllers know.
#[derive(Args)]
#[command(next_help_heading = "Both controllers")]
struct SharedArgs {
    /// Address of /metrics; 0 for none [default: :8080, or METRICS_ADDR].
    #[arg(long, value_name = "ADDR")]
    metrics_addr: Option<String>,
    /// Address of /healthz and /readyz; 0 for none.
    #[arg(long, value_name = "ADDR", default_value = HEALTH)]
    health_addr: String,
    /// Address that events are forwarded to [default: EVENTS_ADDR, or none].
    #[arg(long, value_name = "URL")]
    events_addr: Option<String>,
    /// How many objects of a kind are worked on at a time [default: 4 Kustomizations, 2 sources].
    #[arg(long, value_name = "NUMBER")]
    concurrent: Option<usize>,
    /// Wait before a dependency is looked at again.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = go_duration)]
    requeue_dependency: Duration,
    /// Works on objects of all namespaces, not only of the one that the program runs in.
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, value_parser = go_bool, action = ArgAction::Set)]
    watch_all_namespaces: bool,
    /// Works on objects with these labels alone, as `sharding.fluxcd.io/key=shard1`.
    #[arg(long, value_name = "SELECTOR", default_value = "")]
    watch_label_selector: String,
    /// Successful runs come again after their interval, more or less so many percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..100))]
    interval_jitter_percentage: u8,
    /// Pause after a first failure; it doubles from failure to failure.
    #[arg(long, value_name = "DURATION", default_value = "750ms", value_parser = go_duration)]
    min_retry_delay: Duration,
    /// Longest pause after a failure.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = go_duration)]
    max_retry_delay: Duration,
    /// Works only while it holds the controllers' Leases.
    #[arg(long, value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true, value_parser = go_bool, action = ArgAction::Set)]
    enable_leader_election: bool,
    /// Frees the Leases when it stops.
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, value_parser = go_bool, action = ArgAction::Set)]
    leader_election_release_on_cancel: bool,
    /// A Lease that was not renewed for this long is free.
    #[arg(long, value_name = "DURATION", default_value = "35s", value_parser = go_duration)]
    leader_election_lease_duration: Duration,
    /// A leader that could not renew for this long gives up.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = go_duration)]
    leader_election_renew_deadline: Duration,
    /// Pause between two looks at a Lease.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = go_duration)]
    leader_election_retry_period: Duration,
    /// What is logged: trace, debug, info, error.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: crate::log::Level,
    /// How it is logged.
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(super) log_encoding: crate::log::Encoding,
    /// Switches, as `Name=true,Other=false`.
    #[arg(long, value_name = "GATES", value_delimiter = ',')]
    feature_gates: Vec<String>,
    /// Account that applies when an object names none.
    #[arg(long, value_name = "NAME")]
    default_service_account: Option<String>,
    /// Requests a second, on average, to an API server without priority and fairness [default: no limit].
    #[arg(long, value_name = "NUMBER")]
    kube_api_qps: Option<f64>,
    /// How many of them may go at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 300)]
    kube_api_burst: u32,
    /// How many tokens of clouds are remembered; 0 for none.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    token_cache_max_size: usize,
    /// For how long, an hour at most.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = go_duration)]
    token_cache_max_duration: Duration,
}

/// Flags of the source controller.
#[derive(Args)]
#[command(next_help_heading = "Sources")]
struct SourceArgs {
    /// Where artifacts are kept [default: /data, or STORAGE_PATH].
    #[arg(long, value_name = "DIR")]
    storage_path: Option<PathBuf>,
    /// Address at which artifacts are served [default: :9090, or STORAGE_ADDRESS].
    #[arg(long, value_name = "ADDR")]
    storage_addr: Option<String>,
    /// Host (and port) under which other programs reach the artifacts [default: STORAGE_ADV_ADDR, else from --storage-addr].
    #[arg(long, value_name = "HOST")]
    storage_adv_addr: Option<String>,
    /// Artifacts that are no longer current go when they are older than this.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = go_duration)]
    artifact_retention_ttl: Duration,
    /// No more artifacts of an object than this are kept.
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    artifact_retention_records: usize,
    /// Digest of artifacts.
    #[arg(long, value_name = "NAME", default_value = "sha256", value_parser = str::parse::<Algorithm>)]
    artifact_digest_algo: Algorithm,
    /// Key exchanges that are offered over SSH, the best first.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ssh_kex_algos: Vec<String>,
    /// Host key algorithms that are taken over SSH, the best first [default: those of the keys in known_hosts].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ssh_hostkey_algos: Vec<String>,
    #[command(flatten)]
    helm: HelmArgs,
}

/// Flags about Helm charts, which are left to other controllers.
#[derive(Args)]
struct HelmArgs {
    #[arg(long, hide = true)]
    helm_index_max_size: Option<i64>,
    #[arg(long, hide = true)]
    helm_chart_max_size: Option<i64>,
    #[arg(long, hide = true)]
    helm_chart_file_max_size: Option<i64>,
    #[arg(long, hide = true)]
    helm_cache_max_size: Option<i64>,
    #[arg(long, hide = true)]
    helm_cache_ttl: Option<String>,
    #[arg(long, hide = true)]
    helm_cache_purge_interval: Option<String>,
}

/// Flags of the kustomize controller.
#[derive(Args)]
#[command(next_help_heading = "Kustomizations")]
struct KustomizeArgs {
    /// How many objects of a Kustomization are tried at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    concurrent_ssa: usize,
    /// Taken for compatibility: remote bases are never fetched.
    #[arg(long, value_name = "BOOL", hide = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, value_parser = go_bool)]
    no_remote_bases: Option<bool>,
    /// Refuses sources of other namespaces, and expressions about dependencies there.
    #[arg(long, value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true, value_parser = go_bool, action = ArgAction::Set)]
    no_cross_namespace_refs: bool,
    /// How often an artifact server that does not answer is asked again.
    #[arg(long, value_name = "NUMBER", default_value_t = 9)]
    http_retry: u32,
    /// Account for key services when an object names none.
    #[arg(long, value_name = "NAME")]
    default_decryption_service_account: Option<String>,
    /// Account for remote clusters when a ConfigMap names none.
    #[arg(long, value_name = "NAME")]
    default_kubeconfig_service_account: Option<String>,
    /// Secret in the program's namespace with age identities for objects that name no Secret.
    #[arg(long, value_name = "NAME")]
    sops_age_secret: Option<String>,
    /// ConfigMap in the program's namespace that says at which Vaults accounts log in, and how.
    #[arg(long, value_name = "NAME")]
    sops_vault_configmap: Option<String>,
    /// Vaults that may be asked for keys of encrypted files: `all`, `none`, or URLs with commas between them
    /// [default: SOPS_HC_VAULT_ALLOWLIST, else all].
    #[arg(long, value_name = "URLS")]
    sops_vault_allowlist: Option<String>,
    /// Field managers whose fields are taken over, by prefix; may be repeated.
    #[arg(long, value_name = "PREFIX")]
    override_manager: Vec<String>,
    /// Kinds that are applied before the rest, as `group/Kind`.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    custom_apply_stage_kinds: Vec<String>,
    /// Secrets and ConfigMaps whose changes are watched for.
    #[arg(long, value_name = "SELECTOR", default_value = "reconcile.fluxcd.io/watch=Enabled")]
    watch_configs_label_selector: String,
    /// Honours programs in the kubeconfigs of remote clusters.
    #[arg(long, value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true, value_parser = go_bool, action = ArgAction::Set)]
    insecure_kubeconfig_exec: bool,
    /// Honours unchecked TLS in the kubeconfigs of remote clusters.
    #[arg(long, value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true, value_parser = go_bool, action = ArgAction::Set)]
    insecure_kubeconfig_tls: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Half {
    /// Sources alone.
    Source,
    /// Kustomizations alone.
    Kustomize,
}

/// What a MAC that does not fit its file means.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Mac {
    /// The run fails.
    Enforce,
    /// The run goes on with an event.
    Warn,
    /// Nobody looks.
    Ignore,
}

impl From<Mac> for SopsMac {
    fn from(mac: Mac) -> Self {
        match mac {
            Mac::Enforce => Self::Enforce,
            Mac::Warn => Self::Warn,
            Mac::Ignore => Self::Ignore,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  sealfast run --kubeconfig ~/.kube/config --storage-path ./artifacts --storage-addr 127.0.0.1:0
  sealfast run --controllers kustomize --sops-mac enforce --enable-leader-election";

/// What an address stands for: `:8080` is port 8080 of every interface, `0` or nothing is no address.
fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is no address such as `:8080` or `127.0.0.1:8080`");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let ip = match host {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.trim_matches(['[', ']']).parse().map_err(|_| wrong())?,
    };
    Ok(Some(SocketAddr::new(ip, port)))
}

impl RunArgs {
    /// Where metrics and health are served.
    pub(super) fn probes(&self) -> Result<(Option<SocketAddr>, Option<SocketAddr>), String> {
        let metrics = self.shared.metrics_addr.clone().or_else(|| env::METRICS_ADDR.text());
        Ok((address(metrics.as_deref().unwrap_or(METRICS))?, address(&self.shared.health_addr)?))
    }

    /// How it logs.
    pub(super) fn logs(&self) -> (crate::log::Level, crate::log::Encoding) {
        (self.shared.log_level, self.shared.log_encoding)
    }

    fn only(&self) -> Only {
        match self.controllers {
            None => Only::Both,
            Some(Half::Source) => Only::Source,
            Some(Half::Kustomize) => Only::Kustomize,
        }
    }

    /// The Leases that have to be held before anything is done; none when nobody is elected.
    pub(super) fn leases(&self, clock: &Clock) -> Vec<Candidate> {
        let shared = &self.shared;
        if !shared.enable_leader_election {
            return Vec::new();
        }
        let halves: &[&str] = match self.only() {
            Only::Both => &["source-controller", "kustomize-controller"],
            Only::Source => &["source-controller"],
            Only::Kustomize => &["kustomize-controller"],
        };
        let shard = match shared.watch_label_selector.as_str() {
            "" => String::new(),
            selector => {
                let digest = Sha256::digest(selector);
                format!("-{}", digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>())
            }
        };
        let identity = format!("{}_{:016x}", instance(), rand08::random::<u64>());
        let candidate = |half: &&str| Candidate {
            clock: clock.clone(),
            namespace: own_namespace(),
            name: format!("{half}-leader-election{shard}"),
            identity: identity.clone(),
            duration: shared.leader_election_lease_duration,
            renew_deadline: shared.leader_election_renew_deadline,
            retry_period: shared.leader_election_retry_period,
            release: if shared.leader_election_release_on_cancel { Release::AtOnce } else { Release::Never },
        };
        halves.iter().map(candidate).collect()
    }

    /// The connection with its limits.
    pub(super) fn throttled(&self, client: Client) -> Client {
        match self.shared.kube_api_qps {
            Some(per_second) => client.throttled(per_second, f64::from(self.shared.kube_api_burst)),
            None => client,
        }
    }

    /// What was asked for and changes nothing, with the reason.
    pub(super) fn idle(&self) -> Vec<String> {
        const HELM: &str = "Helm charts are left to other controllers";
        let helm = &self.source.helm;
        let bases = self.kustomize.no_remote_bases == Some(false);
        // A gate that is not known is told when the gates are read.
        let gates = self.shared.gates().unwrap_or_default();
        let caches = gates.has(Gate::CacheSecretsAndConfigMaps);
        let polls = !gates.has(Gate::DisableStatusPollerCache);
        let said = [
            (helm.helm_index_max_size.is_some(), "--helm-index-max-size", HELM),
            (helm.helm_chart_max_size.is_some(), "--helm-chart-max-size", HELM),
            (helm.helm_chart_file_max_size.is_some(), "--helm-chart-file-max-size", HELM),
            (helm.helm_cache_max_size.is_some(), "--helm-cache-max-size", HELM),
            (helm.helm_cache_ttl.is_some(), "--helm-cache-ttl", HELM),
            (helm.helm_cache_purge_interval.is_some(), "--helm-cache-purge-interval", HELM),
            (bases, "--no-remote-bases=false", "remote bases are never fetched"),
            (caches, "--feature-gates=CacheSecretsAndConfigMaps=true", "they are always read anew"),
            (polls, "--feature-gates=DisableStatusPollerCache=false", "status is always read anew"),
        ];
        let idle = said.into_iter().filter(|(given, ..)| *given);
        idle.map(|(_, flag, why)| format!("`{flag}` has no effect: {why}")).collect()
    }

    /// How the controllers are run.
    pub(super) fn options(self) -> Result<Options, String> {
        let clouds = clouds::clouds(self.cloud_identity, self.kustomize.sops_vault_allowlist.as_deref())?;
        let options = Options {
            only: self.only(),
            unpacked_bytes: self.max_unpacked << 20,
            sops_mac: self.sops_mac.into(),
            clouds,
            own_namespace: own_namespace(),
            instance: instance(),
            source_hosts: Hosts {
                source: env::SOURCE_CONTROLLER_LOCALHOST.text(),
                watcher: env::SOURCE_WATCHER_LOCALHOST.text(),
            },
            ..Options::default()
        };
        self.kustomize.put(self.source.put(self.shared.put(options)?)?)
    }
}

impl SharedArgs {
    fn gates(&self) -> Result<Gates, String> {
        self.feature_gates
            .join(",")
            .parse()
            .map_err(|error: sealfast_controllers::error::Error| error.to_string())
    }

    fn put(self, options: Options) -> Result<Options, String> {
        let gates = self.gates()?;
        Ok(Options {
            concurrency: self.concurrent.unwrap_or(options.concurrency),
            source_concurrency: self.concurrent.unwrap_or(options.source_concurrency),
            // Without a namespace of its own there is nothing to keep to.
            namespace: env::RUNTIME_NAMESPACE.text().filter(|_| !self.watch_all_namespaces),
            labels: self.watch_label_selector,
            gates,
            token_cache: Size {
                most: self.token_cache_max_size,
                longest: self.token_cache_max_duration.min(Size::default().longest),
            },
            events_address: self
                .events_addr
                .or_else(|| env::EVENTS_ADDR.text())
                .filter(|text| !text.is_empty()),
            // A flag without a text switches nothing on.
            default_service_account: named(self.default_service_account),
            requeue_dependency: self.requeue_dependency,
            jitter_percent: self.interval_jitter_percentage,
            pauses: Pauses { first: self.min_retry_delay, longest: self.max_retry_delay },
            ..options
        })
    }
}

impl SourceArgs {
    fn put(self, options: Options) -> Result<Options, String> {
        let text = self.storage_addr.or_else(|| env::STORAGE_ADDRESS.text()).unwrap_or(STORAGE.into());
        let listen = address(&text)?.ok_or("`--storage-addr` needs an address")?;
        // An unspecified address that was written out means the host's name, an empty one this machine.
        let by_name = text.starts_with("0.0.0.0:").then(|| format!("{}:{}", instance(), listen.port()));
        Ok(Options {
            storage_dir: self.storage_path.or_else(|| env::STORAGE_PATH.path()).unwrap_or("/data".into()),
            listen,
            advertise: named(self.storage_adv_addr).or_else(|| env::STORAGE_ADV_ADDR.text()).or(by_name),
            retention: Retention {
                age: self.artifact_retention_ttl,
                records: self.artifact_retention_records,
            },
            digest: self.artifact_digest_algo,
            ssh: Algorithms::parse(&self.ssh_kex_algos, &self.ssh_hostkey_algos)
                .map_err(|error| error.to_string())?,
            ..options
        })
    }
}

/// A flag without a text is one that was not given.
fn named(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl KustomizeArgs {
    fn put(self, options: Options) -> Result<Options, String> {
        let defaults = [&self.default_decryption_service_account, &self.default_kubeconfig_service_account];
        let has_default = defaults.into_iter().flatten().any(|name| !name.is_empty());
        if has_default && !options.gates.has(Gate::ObjectLevelWorkloadIdentity) {
            return Err("default service accounts for decryption and kubeconfigs need `--feature-gates ObjectLevelWorkloadIdentity=true`".to_owned());
        }
        let honoured = |flag: bool| if flag { Honoured::Yes } else { Honoured::No };
        Ok(Options {
            concurrent_ssa: self.concurrent_ssa,
            config_labels: self.watch_configs_label_selector,
            http_retry: self.http_retry,
            override_managers: self.override_manager,
            custom_stage_kinds: self.custom_apply_stage_kinds,
            foreign: Foreign {
                programs: honoured(self.insecure_kubeconfig_exec),
                unchecked_tls: honoured(self.insecure_kubeconfig_tls),
            },
            sops_age_secret: named(self.sops_age_secret),
            vault_map: named(self.sops_vault_configmap),
            default_decryption_account: named(self.default_decryption_service_account),
            default_kubeconfig_account: named(self.default_kubeconfig_service_account),
            cross_namespace: match self.no_cross_namespace_refs {
                true => CrossNamespace::Blocked,
                false => CrossNamespace::Allowed,
            },
            ..options
        })
    }
}

/// The namespace that the program runs in.
fn own_namespace() -> String {
    env::RUNTIME_NAMESPACE.text().unwrap_or_else(|| "flux-system".to_owned())
}

/// The name of this replica.
fn instance() -> String {
    env::HOSTNAME.text().unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use sealfast_keys::vault::Allowed;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    fn parsed(words: &[&str]) -> Result<RunArgs, String> {
        let words = std::iter::once("run").chain(words.iter().copied());
        Line::try_parse_from(words).map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_lines_of_both_controllers_are_understood() -> Result<(), String> {
        let words = [
            "--events-addr=http://notification-controller.flux-system.svc.cluster.local./",
            "--watch-all-namespaces=true",
            "--log-level=info",
            "--log-encoding=json",
            "--enable-leader-election",
            "--storage-path=/data",
            "--storage-adv-addr=source-controller.flux-system.svc.cluster.local.",
            "--concurrent=10",
            "--requeue-dependency=5s",
            "--no-cross-namespace-refs=true",
            "--no-remote-bases=true",
            "--default-service-account=default",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--feature-gates=ExternalArtifact=true,GroupChangeLog=true",
            "--helm-cache-max-size=10",
            "--override-manager=a",
            "--override-manager",
            "b",
            "--interval-jitter-percentage=0",
            "--token-cache-max-duration=1h",
            "--watch-label-selector=sharding.fluxcd.io/key=shard1",
            "--sops-vault-allowlist=https://vault.example.com",
            "--artifact-retention-ttl=5m",
            "--artifact-retention-records=7",
            "--artifact-digest-algo=sha512",
            "--custom-apply-stage-kinds=policy/PodDisruptionBudget,a.example.com/B",
            "--sops-age-secret=keys",
        ];
        let args = parsed(&words)?;
        assert_eq!(args.leases(&Clock::default()).len(), 2);
        assert!(args.leases(&Clock::default())[0].name.starts_with("source-controller-leader-election-"));
        let options = args.options()?;
        assert_eq!((options.concurrency, options.source_concurrency, options.jitter_percent), (10, 10, 0));
        assert_eq!(options.override_managers, ["a", "b"]);
        let Retention { age, records } = options.retention;
        assert_eq!((age, records, options.digest), (Duration::from_secs(300), 7, Algorithm::Sha512));
        assert_eq!(options.custom_stage_kinds, ["policy/PodDisruptionBudget", "a.example.com/B"]);
        assert_eq!(options.sops_age_secret.as_deref(), Some("keys"));
        assert_eq!(options.default_service_account.as_deref(), Some("default"));
        let flags = [
            "--default-service-account",
            "--storage-adv-addr",
            "--sops-age-secret",
            "--sops-vault-configmap",
            "--default-decryption-service-account",
            "--default-kubeconfig-service-account",
        ];
        let empty = flags.map(|flag| format!("{flag}="));
        let unnamed = parsed(&empty.each_ref().map(String::as_str))?.options()?;
        let Options { default_service_account, advertise, sops_age_secret, vault_map, .. } = unnamed;
        let (decryption, kubeconfig) =
            (unnamed.default_decryption_account, unnamed.default_kubeconfig_account);
        for named in [default_service_account, advertise, sops_age_secret, vault_map, decryption, kubeconfig]
        {
            assert_eq!(named, None, "a flag without a text switches nothing on");
        }
        assert_eq!(options.labels, "sharding.fluxcd.io/key=shard1");
        assert_eq!(options.cross_namespace, CrossNamespace::Blocked);
        let vaults = Allowed::Prefixes(vec!["https://vault.example.com/".to_owned()]);
        assert_eq!(options.clouds.vault.allowed, vaults);
        Ok(())
    }

    #[test]
    fn defaults_are_those_of_the_controllers() -> Result<(), String> {
        let args = parsed(&[])?;
        assert!(args.leases(&Clock::default()).is_empty());
        assert_eq!(args.probes()?.1.map(|a| a.port()), Some(9440));
        let options = args.options()?;
        assert_eq!((options.concurrency, options.source_concurrency, options.concurrent_ssa), (4, 2, 4));
        assert_eq!((options.http_retry, options.jitter_percent), (9, 5));
        assert_eq!(options.namespace, None);
        Ok(())
    }

    #[test]
    fn the_last_one_counts_of_a_flag_that_is_given_twice() -> Result<(), String> {
        let words = [
            "--concurrent=1",
            "--concurrent=20",
            "--enable-leader-election",
            "--enable-leader-election=false",
            "--log-level=info",
            "--log-level=debug",
            "--feature-gates=GroupChangeLog=true",
            "--feature-gates=ExternalArtifact=true",
            "--override-manager=a",
            "--override-manager=b",
        ];
        let args = parsed(&words)?;
        assert!(args.leases(&Clock::default()).is_empty());
        let options = args.options()?;
        assert_eq!((options.concurrency, options.override_managers.len()), (20, 2));
        assert!(options.gates.has(Gate::GroupChangeLog) && options.gates.has(Gate::ExternalArtifact));
        Ok(())
    }

    #[test]
    fn what_changes_nothing_is_told() -> Result<(), String> {
        assert_eq!(parsed(&["--no-remote-bases", "--feature-gates=DirectSourceFetch=true"])?.idle(), [""; 0]);
        let words = [
            "--helm-cache-ttl=1m",
            "--no-remote-bases=false",
            "--feature-gates=DisableStatusPollerCache=false",
        ];
        assert_eq!(
            parsed(&words)?.idle(),
            [
                "`--helm-cache-ttl` has no effect: Helm charts are left to other controllers",
                "`--no-remote-bases=false` has no effect: remote bases are never fetched",
                "`--feature-gates=DisableStatusPollerCache=false` has no effect: status is always read anew",
            ]
        );
        Ok(())
    }

    #[test]
    fn booleans_are_spelled_as_in_go() -> Result<(), String> {
        let words = ["--enable-leader-election=T", "--watch-all-namespaces=0", "--no-remote-bases=1"];
        let args = parsed(&words)?;
        assert_eq!(args.leases(&Clock::default()).len(), 2);
        // No namespace of its own is known here.
        assert_eq!(args.options()?.namespace, None);
        Ok(())
    }

    #[test]
    fn mistakes_are_told() {
        for words in [
            ["--metrics-addr=8080x"].as_slice(),
            &["--feature-gates=Nonsense=true"],
            &["--sops-vault-allowlist=https://vault.example.com,,"],
        ] {
            let wrong = parsed(words).and_then(|args| args.probes().and_then(|_| args.options().map(drop)));
            assert!(wrong.is_err(), "{words:?}");
        }
        assert!(parsed(&["--interval-jitter-percentage=100"]).is_err());
        let refused = parsed(&["--enable-leader-election=yes"]).err().unwrap_or_default();
        assert!(refused.contains("strconv.ParseBool: parsing \"yes\": invalid syntax"), "{refused}");
        assert!(parsed(&["--no-such-flag"]).is_err());
    }
}
