//! `sealfast run`: both controllers, or one of them, against a cluster.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use http::Method;
use sealfast_cluster::client::Client;
use sealfast_cluster::client::request::Call;
use sealfast_controllers::clock::Clock;
use sealfast_controllers::lease::{Candidate, Leadership};
use sealfast_controllers::metrics::{Metrics, labels};
use sealfast_controllers::options::{Only, Options};
use sealfast_controllers::probes::{self, Health, Ready};
use sealfast_controllers::run;

use crate::diagnostic::Failure;
use crate::up::Stop;
use crate::{in_process, kubeconfig, log};

mod clouds;
mod flags;

pub(crate) use flags::{Mac, RunArgs};

/// Requests and watches keep no more threads busy; builds have their own, and each of all costs memory.
const MOST_WORKERS: usize = 4;

/// Runs `sealfast run`.
pub(crate) fn run(args: RunArgs) -> ExitCode {
    let (level, encoding) = args.logs();
    log::start(level, encoding);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(available_parallelism().map_or(2, NonZero::get).min(MOST_WORKERS))
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::because("failed to start", &error).report(),
    };
    let served = runtime.block_on(serve(args));
    // A fetch that a server keeps waiting must not keep this process alive: somebody else may lead by now.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn serve(args: RunArgs) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let (metrics, health) = args.probes().map_err(Failure::new)?;
    let client = args.throttled(connect(&args).await?);
    tokio::select! {
        answered = answers(&client) => answered?,
        _ = stop.asked() => return Ok(()),
    }
    if in_process::version(&client).await.is_some() {
        tracing::warn!(target: "sealfast_cli", "the controllers run inside `sealfast up` here: both work on the same objects");
    }
    for idle in args.idle() {
        tracing::warn!(target: "sealfast_cli", "{idle}");
    }
    let clock = Clock::default();
    let leases = args.leases(&clock);
    let options = Options { clock, ..args.options().map_err(Failure::new)? };
    let counted = Arc::<Metrics>::default();
    // Who waits for its turn is counted, too.
    let _metrics = match metrics {
        Some(address) => Some(started(probes::serve_metrics(address, Arc::clone(&counted)).await)?),
        None => None,
    };
    let state = Health::default();
    let _health = match health {
        Some(address) => Some(started(probes::serve_health(address, state.clone()).await)?),
        None => None,
    };
    // Artifacts are served by the leader alone, so that who waits for its turn must not be sent requests for them.
    let serves = options.only != Only::Kustomize;
    state.set_ready(if serves { Ready::No } else { Ready::Yes });
    let names: Vec<String> = leases.iter().map(|lease| lease.name.clone()).collect();
    let show = |name: &str, holds| {
        counted.set("leader_election_master_status", labels(&[("name", name)]), holds);
    };
    names.iter().for_each(|name| show(name, 0.0));
    let led = tokio::select! {
        led = elected(leases, &client, |name| show(name, 1.0)) => led,
        _ = stop.asked() => return Ok(()),
    };
    let Some(mut led) = led else { return Err(lost_lease()) };
    tracing::info!(target: "sealfast_cli", server = client.address(), "the controllers run until they are told to end");
    // A process that stood still, and moves again when somebody else leads, must not get a single request out.
    let client = client.fenced(led.iter().map(Leadership::fence));
    let mut handle = started(run::start(client, options, Arc::clone(&counted)).await)?;
    state.set_ready(Ready::Yes);
    let ended = {
        // Until the last run is over somebody else must not work.
        let lost = any_lost(&mut led);
        tokio::pin!(lost);
        let ended = tokio::select! {
            _ = stop.asked() => Ok(()),
            () = &mut lost => Err(lost_lease()),
            () = handle.failed() => Err(broken()),
        };
        state.set_ready(Ready::No);
        names.iter().for_each(|name| show(name, 0.0));
        match ended {
            Ok(()) => tokio::select! {
                () = handle.stop() => Ok(()),
                () = lost => Err(lost_lease()),
            },
            ended => ended,
        }
    };
    // Somebody else may work already, or nobody knows what goes on here: nothing is finished, and nothing freed.
    ended?;
    for leadership in led {
        leadership.release().await;
    }
    Ok(())
}

/// Asks the API server whether it is there and knows us, so that a wrong address or token ends the start.
async fn answers(client: &Client) -> Result<(), Failure> {
    match client.call(Call::new(Method::GET, "/api/v1".to_owned())).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::because("failed to reach the cluster", &error)
            .hint("`kubectl --kubeconfig FILE get namespaces` asks the same server in the same way")),
    }
}

fn lost_lease() -> Failure {
    Failure::new("leader election lost")
        .hint("another replica took over; this one ends so that it is started anew")
}

fn broken() -> Failure {
    Failure::new("a part of the controllers stopped unexpectedly")
        .hint("this is a fault of Sealfast: the log has a line that says where; this process ends so that it is started anew")
}

fn started<T>(result: Result<T, sealfast_controllers::error::Error>) -> Result<T, Failure> {
    result.map_err(|error| Failure::because("failed to start the controllers", &error))
}

/// Waits until all Leases are held, one after the other, and tells of each; none when one of them was lost again meanwhile.
async fn elected(leases: Vec<Candidate>, client: &Client, tell: impl Fn(&str)) -> Option<Vec<Leadership>> {
    let mut led: Vec<Leadership> = Vec::new();
    for candidate in leases {
        tracing::info!(target: "sealfast_cli", lease = candidate.name, "waiting for the lease");
        let name = candidate.name.clone();
        let next = candidate.elected(client.clone());
        tokio::pin!(next);
        tokio::select! {
            leadership = &mut next => {
                tell(&name);
                led.push(leadership);
            }
            () = any_lost(&mut led) => return None,
        }
    }
    Some(led)
}

/// Returns when one of the Leases is lost; never without any.
async fn any_lost(led: &mut [Leadership]) {
    if led.is_empty() {
        return std::future::pending().await;
    }
    let each = led.iter_mut().map(|leadership| Box::pin(leadership.lost()));
    futures::future::select_all(each).await;
}

async fn connect(args: &RunArgs) -> Result<Client, Failure> {
    if args.kubeconfig.is_none()
        && args.context.is_none()
        && let Ok(client) = Client::in_cluster()
    {
        return Ok(client);
    }
    let named = args.kubeconfig.as_ref().map(|file| file.to_string_lossy());
    let files = kubeconfig::files(named.as_deref());
    Client::from_kubeconfigs(&files, args.context.as_deref()).await.map_err(|error| {
        Failure::because("failed to connect to a cluster", &error)
            .hint("name a kubeconfig with `--kubeconfig FILE`, or try `sealfast up` without a cluster")
    })
}
