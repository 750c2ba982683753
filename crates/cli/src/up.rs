//! `sealfast up`: embedded server and controllers over a folder or repository.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sealfast_apiserver::server::{self, Running, State, Sync};
use sealfast_cluster::client::Client;
use sealfast_controllers::gates::{Gate, Gates};
use sealfast_controllers::options::{Hints, Options};
use sealfast_controllers::run::{self, Handle};
use sealfast_kustomize::flux::SETTINGS;
use tempfile::TempDir;
use tokio::signal::unix::{self, Signal, SignalKind};

use crate::diagnostic::Failure;
use crate::run::Mac;
use crate::{log, output, replace};
use config::{Defaults, Source};
use follow::Followed;
use git_login::GitLogin;
use identity::Identity;
use objects::SourceRef;

mod address;
mod bootstrap;
mod config;
mod folder;
mod follow;
mod git_login;
mod identity;
mod key_secrets;
mod kubeconfig;
mod objects;
mod progress;
mod table;

/// What `up` takes.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UpArgs {
    /// Folder or Git URL with the manifests; without one, an empty cluster with the controllers in it.
    #[arg(value_name = "DIR|URL")]
    source: Option<String>,
    /// Branch to follow (with a URL) [default: the one that the repository names].
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    #[command(flatten)]
    login: GitLogin,
    /// Namespace for what is built without one, and for all the rest of it, too.
    #[arg(long, value_name = "NAME")]
    target_namespace: Option<String>,
    /// Path of the kustomization below the source [default: ./, or what `.sealfast.yaml` says].
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// GitRepository that the folder stands in for: what names it as its source builds from the folder.
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    stands_for: Option<String>,
    /// File with an age identity or an armored OpenPGP secret key; may be repeated [default: for a folder, the
    /// person's age keys]. What
    /// Kustomizations of the source decrypt with and nobody has made is made from them.
    #[arg(long, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// What a MAC that does not fit its file means.
    #[arg(long, value_name = "MODE", default_value = "enforce")]
    sops_mac: Mac,
    /// Where the kubeconfig is written, with mode 0600 [default: a private temporary file]. One of other clusters is left
    /// alone.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where the cluster is kept: a folder, or `memory`.
    #[arg(long, value_name = "DIR|memory", default_value = "memory")]
    state: String,
    /// When a write of a cluster that is kept is acknowledged.
    #[arg(long, value_name = "WHEN", default_value = "second")]
    sync: When,
    /// Loopback address of the server; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Ends when everything is Ready (exit code 0) or cannot become so (exit code 1).
    #[arg(long)]
    once: bool,
    /// How long to wait for everything to become Ready.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = go_duration)]
    timeout: Duration,
    /// Format of the closing table.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// What server and controllers log to standard error [default: what is wrong with the state, the lines about each
    /// object tell the rest].
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<log::Level>,
}

/// When a write is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    /// At once: it survives a kill, and a power cut may lose the last second.
    Second,
    /// Once it is on the disk: it survives a power cut.
    Commit,
}

impl From<When> for Sync {
    fn from(when: When) -> Self {
        match when {
            When::Second => Self::Second,
            When::Commit => Self::Commit,
        }
    }
}

/// How the closing table is written.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  sealfast up examples/guide --once
  sealfast up . --path ./clusters/staging --identity ~/.config/sops/age/keys.txt
  sealfast up fleet --path ./clusters/staging --stands-for flux-system --identity staging.agekey
  sealfast up https://github.com/my-org/my-secrets --branch main --identity cluster.agekey
  sealfast up git@github.com:my-org/my-secrets --ssh-identity ~/.ssh/id_ed25519
  sealfast up --state ./cluster --kubeconfig ./kubeconfig";

/// How long work that is under way, and then work that cannot be cut off, may hold up the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads a Go duration such as `90s`.
pub(crate) fn go_duration(text: &str) -> Result<Duration, String> {
    sealfast_k8s::duration::parse(text).map_err(|error| match text.parse::<f64>() {
        Ok(_) => format!("missing unit in duration `{text}`, as in `{text}s`"),
        Err(_) => error.to_string(),
    })
}

/// Runs `sealfast up`.
pub(crate) fn run(args: UpArgs) -> ExitCode {
    match args.log_level {
        Some(level) => log::start(level, log::Encoding::Console),
        None => log::start_for_the_state(),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::because("failed to start", &error).report(),
    };
    let ended = runtime.block_on(up(args));
    // A remote that hangs is not waited for.
    runtime.shutdown_timeout(PATIENCE);
    ended.unwrap_or_else(Failure::report)
}

/// Everything that runs, in the order in which it is stopped.
struct Cluster {
    controllers: Handle,
    server: Running,
    client: Client,
    kubeconfig: PathBuf,
    /// Files that go with the process.
    scratch: TempDir,
}

impl Cluster {
    async fn end(self) {
        self.controllers.stop().await;
        self.server.stop().await;
    }
}

async fn up(args: UpArgs) -> Result<ExitCode, Failure> {
    let source = Source::parse(args.source.as_deref())?;
    let defaults = match &source {
        Source::Folder(folder) => Defaults::read(folder)?,
        Source::Git(_) | Source::Nothing => Defaults::default(),
    };
    let identities = identity::all(&args, &defaults, &source)?;
    if let Some(file) = &args.kubeconfig {
        kubeconfig::check(file)?;
    }
    // From here on the end is orderly, whenever it comes.
    let mut stop = Stop::listen()?;
    let cluster = tokio::select! {
        cluster = start(&args) => cluster?,
        code = stop.asked() => return Ok(code),
    };
    let kubeconfig = cluster.kubeconfig.clone();
    let outcome = tokio::select! {
        outcome = serve(&args, &source, &defaults, &identities, &cluster) => outcome,
        code = stop.asked() => Ok(code),
    };
    tokio::select! {
        _ = tokio::time::timeout(PATIENCE, cluster.end()) => {}
        // Who asks twice does not want to wait at all.
        _ = stop.asked() => {}
    }
    // It leads nowhere any more; where it was none of ours there was no start.
    let _ = std::fs::remove_file(kubeconfig);
    outcome
}

/// What helps when the embedded server does not start.
fn start_hint(error: &sealfast_apiserver::error::Error) -> &'static str {
    use sealfast_apiserver::error::Error;
    match error {
        Error::DamagedRecord { .. } | Error::Damaged { .. } => {
            "the disk no longer holds what it took once: put a backup of the folder in its place, or move it away and let `sealfast up` build the cluster anew from its source"
        }
        Error::WrongKey { .. } | Error::NoKey { .. } => {
            "put back the `state.key` that belongs to this state, or move the folder away and let `sealfast up` build the cluster anew from its source"
        }
        Error::OpenToOthers { .. } => "take it from others with `chmod 600`",
        _ => {
            "--state takes a folder of your own that no other `sealfast up` uses, --listen a free loopback address such as 127.0.0.1:0"
        }
    }
}

async fn start(args: &UpArgs) -> Result<Cluster, Failure> {
    let scratch = TempDir::with_prefix("sealfast-")
        .map_err(|error| Failure::because("failed to make a temporary folder", &error))?;
    let (state, artifacts) = places(&args.state, scratch.path());
    let listen = address::kept(args.listen, &args.state);
    let options = server::Options::default().with_state(state).with_listen(listen);
    let server = server::start(options.with_sync(args.sync.into())).await.map_err(|error| {
        Failure::because("failed to start the embedded server", &error).hint(start_hint(&error))
    })?;
    address::keep(server.addr(), &args.state)?;
    let kubeconfig = args.kubeconfig.clone().unwrap_or_else(|| scratch.path().join("kubeconfig"));
    let text = server.kubeconfig();
    let client = Client::from_kubeconfig_text(&text, None)
        .await
        .map_err(|error| Failure::because("failed to connect to the embedded server", &error))?;
    bootstrap::cluster(&client).await?;
    let options = Options {
        storage_dir: artifacts,
        // Nobody else has a claim on this machine.
        concurrency: 8,
        source_concurrency: 4,
        sops_mac: args.sops_mac.into(),
        hints: Hints::Append,
        requeue_dependency: Duration::from_secs(1),
        gates: Gates::default().with(Gate::ExternalArtifact),
        ..Options::default()
    };
    let controllers = run::start(client.clone(), options, Arc::default())
        .await
        .map_err(|error| Failure::because("failed to start the controllers", &error))?;
    // Written last: who sees the file finds everything running.
    replace::private(&kubeconfig, text.as_bytes())
        .map_err(|error| Failure::because(format!("failed to write `{}`", kubeconfig.display()), &error))?;
    Ok(Cluster { controllers, server, client, kubeconfig, scratch })
}

/// Where the cluster and the artifacts are kept.
fn places(state: &str, scratch: &Path) -> (State, PathBuf) {
    if state == "memory" {
        return (State::Memory, scratch.join("artifacts"));
    }
    let folder = PathBuf::from(state);
    (State::Dir(folder.join("cluster")), folder.join("artifacts"))
}

async fn serve(
    args: &UpArgs,
    source: &Source,
    defaults: &Defaults,
    identities: &[Identity],
    cluster: &Cluster,
) -> Result<ExitCode, Failure> {
    bootstrap::identities(&cluster.client, identities).await?;
    tokio::select! {
        done = follow_source(args, source, defaults, identities, cluster) => done,
        never = key_secrets::stand_in(&cluster.client, identities) => never,
    }
}

async fn follow_source(
    args: &UpArgs,
    source: &Source,
    defaults: &Defaults,
    identities: &[Identity],
    cluster: &Cluster,
) -> Result<ExitCode, Failure> {
    let Cluster { client, controllers, .. } = cluster;
    let path = args.path.clone().or_else(|| defaults.path.clone()).unwrap_or_else(|| "./".to_owned());
    let kustomization = |source: &SourceRef| {
        let mut made = objects::kustomization(source, &path, !identities.is_empty());
        if let Some(namespace) = &args.target_namespace {
            made["spec"]["targetNamespace"] = namespace.as_str().into();
        }
        made
    };
    match source {
        Source::Nothing => tell(args, cluster, None).await,
        Source::Folder(folder) => {
            let left_out = left_out(args, folder, identities, cluster);
            // Watched before it is first read: what is saved in between is seen.
            let watch = folder::Watch::start(folder, left_out.clone())?;
            let stands_for = args.stands_for.as_deref().or(defaults.stands_for.as_deref());
            let source = SourceRef::folder(source.name(), stands_for);
            if source.namespace != objects::NAMESPACE {
                bootstrap::apply(client, &objects::namespace(&source.namespace)).await?;
            }
            let offered = folder::Offered { handle: controllers, client, folder, source: &source, left_out };
            offered.publish().await?;
            bootstrap::apply(client, &kustomization(&source)).await?;
            tokio::select! {
                done = tell(args, cluster, Some(folder)) => done,
                never = offered.follow(watch) => never,
            }
        }
        Source::Git(url) => {
            let source = SourceRef::git(source.name());
            let login = args.login.secret(url)?;
            if let Some(secret) = &login {
                bootstrap::apply(client, secret).await?;
            }
            let login = login.is_some().then_some(git_login::NAME);
            let repository = objects::git_repository(&source.name, url, args.branch.as_deref(), login);
            bootstrap::apply(client, &repository).await?;
            bootstrap::apply(client, &kustomization(&source)).await?;
            tell(args, cluster, None).await
        }
    }
}

/// What is no part of the content though it may lie in the folder: keys, and what `up` itself keeps and writes.
fn left_out(args: &UpArgs, folder: &Path, identities: &[Identity], cluster: &Cluster) -> Vec<PathBuf> {
    let state = (args.state != "memory").then(|| PathBuf::from(&args.state));
    let own = [cluster.kubeconfig.clone(), cluster.scratch.path().to_owned()];
    let keys = identities.iter().filter_map(Identity::path).map(Path::to_owned);
    let kept = keys.chain(own).chain(state);
    kept.filter_map(|path| path.canonicalize().ok()).chain([folder.join(SETTINGS)]).collect()
}

/// Shows what happens until everything has come to rest, then (unless `--once`) until the end.
async fn tell(args: &UpArgs, cluster: &Cluster, folder: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut followed = Followed::start(&cluster.client);
    if args.source.is_some() {
        let ready = followed.until_rest(args.timeout).await;
        let applied = follow::applied(&cluster.client).await?;
        if ready.is_ok() && applied.is_empty() {
            output::talk(
                "nothing was applied: there is no manifest (*.yaml, *.yml) in the path that was built",
            );
        }
        let shown = show(args.output, &applied);
        match ready {
            Err(failure) if args.once => return Err(failure),
            Ok(()) if args.once => return Ok(shown),
            Err(failure) => {
                let _ = failure.report();
            }
            Ok(()) => {}
        }
    }
    if args.once {
        output::talk(
            "the cluster came up and goes again: without a folder or URL there is nothing to wait for",
        );
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(folder) = folder {
        output::talk(&format!("watching `{}`: save a file to apply it", folder.display()));
    }
    output::talk(&format!(
        "the cluster runs until Ctrl-C; use it with\n  kubectl --kubeconfig {} get all --all-namespaces",
        cluster.kubeconfig.display()
    ));
    followed.tell().await
}

fn show(format: Format, applied: &[serde_json::Value]) -> ExitCode {
    let text = match format {
        Format::Table => table::render(applied),
        Format::Json => format!("{:#}", table::to_json(applied)),
    };
    output::data(format!("{text}\n").as_bytes())
}

/// The ways in which a process is asked to end: Ctrl-C, `kill`, a closed terminal.
pub(crate) struct Stop {
    signals: [Signal; 3],
}

impl Stop {
    /// Begins to listen; from now on these signals end the process through [`Stop::asked`] alone.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            unix::signal(kind).map_err(|error| Failure::because("failed to listen for signals", &error))
        };
        Ok(Self {
            signals: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
        })
    }

    /// Waits until the process is asked to end: in order, so the code is that of success.
    pub(crate) async fn asked(&mut self) -> ExitCode {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        ExitCode::SUCCESS
    }
}
