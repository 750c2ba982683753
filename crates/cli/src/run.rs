//! `sealfast run`: both controllers against a cluster.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use sealfast_cluster::client::Client;
use sealfast_controllers::options::{CrossNamespace, Only, Options, SopsMac};
use sealfast_controllers::run;

use crate::diagnostic::Failure;
use crate::output;
use crate::up::{go_duration, stopped};

/// What `run` takes.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// Kubeconfig of the cluster [default: the cluster that the program runs in, else the person's kubeconfig].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Where artifacts are kept.
    #[arg(long, value_name = "DIR", default_value = "/data")]
    storage_path: PathBuf,
    /// Address at which artifacts are served.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:9090")]
    storage_addr: SocketAddr,
    /// Host (and port) under which other programs reach the artifacts.
    #[arg(long, value_name = "HOST")]
    storage_adv_addr: Option<String>,
    /// Runs one half only.
    #[arg(long, value_name = "HALF")]
    controllers: Option<Half>,
    /// How many objects of a kind are worked on at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    concurrent: usize,
    /// What a MAC that does not fit its file means.
    #[arg(long, value_name = "MODE", default_value = "warn")]
    sops_mac: Mac,
    /// Refuses references to other namespaces.
    #[arg(long)]
    no_cross_namespace_refs: bool,
    /// Account that applies when an object names none.
    #[arg(long, value_name = "NAME")]
    default_service_account: Option<String>,
    /// Wait before a dependency is looked at again.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = go_duration)]
    requeue_dependency: Duration,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Half {
    /// Sources alone.
    Source,
    /// Kustomizations alone.
    Kustomize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Mac {
    /// The run fails.
    Enforce,
    /// The run goes on with an event.
    Warn,
    /// Nobody looks.
    Ignore,
}

const EXAMPLES: &str = "\
Examples:
  sealfast run --kubeconfig ~/.kube/config --storage-path ./artifacts --storage-addr 127.0.0.1:0
  sealfast run --controllers kustomize --sops-mac enforce";

/// Runs `sealfast run`.
pub(crate) fn run(args: RunArgs) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::because("failed to start", &error).report(),
    };
    match runtime.block_on(serve(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn serve(args: RunArgs) -> Result<(), Failure> {
    let client = connect(&args).await?;
    output::talk(&format!("controllers run against {} until Ctrl-C", client.address()));
    let handle = run::start(client, options(args))
        .await
        .map_err(|error| Failure::because("failed to start the controllers", &error))?;
    stopped().await;
    handle.stop().await;
    Ok(())
}

async fn connect(args: &RunArgs) -> Result<Client, Failure> {
    if args.kubeconfig.is_none()
        && args.context.is_none()
        && let Ok(client) = Client::in_cluster()
    {
        return Ok(client);
    }
    Client::from_kubeconfig(args.kubeconfig.as_deref(), args.context.as_deref()).await.map_err(|error| {
        Failure::because("failed to connect to a cluster", &error)
            .hint("name a kubeconfig with `--kubeconfig FILE`, or try `sealfast up` without a cluster")
    })
}

fn options(args: RunArgs) -> Options {
    Options {
        storage_dir: args.storage_path,
        listen: args.storage_addr,
        advertise: args.storage_adv_addr,
        only: match args.controllers {
            None => Only::Both,
            Some(Half::Source) => Only::Source,
            Some(Half::Kustomize) => Only::Kustomize,
        },
        concurrency: args.concurrent,
        sops_mac: match args.sops_mac {
            Mac::Enforce => SopsMac::Enforce,
            Mac::Warn => SopsMac::Warn,
            Mac::Ignore => SopsMac::Ignore,
        },
        cross_namespace: if args.no_cross_namespace_refs {
            CrossNamespace::Blocked
        } else {
            CrossNamespace::Allowed
        },
        default_service_account: args.default_service_account,
        requeue_dependency: args.requeue_dependency,
        ..Options::default()
    }
}
