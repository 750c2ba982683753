//! A client for the cluster that the flags and the kubeconfig name.

use std::time::Duration;

use sealfast_cluster::client::Client;

use super::Failed;
use super::args::Args;
use crate::kubeconfig;
use crate::sops::files;

/// Runs a command against the cluster, within `--timeout`.
pub(super) fn with_client<F, T>(args: &Args, command: impl FnOnce(Client) -> F) -> Result<T, Failed>
where
    F: Future<Output = Result<T, Failed>>,
{
    within(args, async {
        let client = client(args).await?;
        command(client).await
    })
}

/// Runs a command that bounds itself, or that only the person ends.
pub(super) fn without_limit<F, T>(args: &Args, command: impl FnOnce(Client) -> F) -> Result<T, Failed>
where
    F: Future<Output = Result<T, Failed>>,
{
    runtime()?.block_on(async {
        let client = client(args).await?;
        command(client).await
    })
}

/// Runs a command that asks no cluster, within `--timeout` unless that is no time at all.
pub(super) fn without_client<T>(
    args: &Args,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    if limit(args).is_zero() {
        return runtime()?.block_on(work);
    }
    within(args, work)
}

fn within<T>(args: &Args, work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let late = |_| Err(LATE.into());
    runtime()?.block_on(async { tokio::time::timeout(limit(args), work).await.unwrap_or_else(late) })
}

/// What is said when `--timeout` is over.
pub(super) const LATE: &str = "context deadline exceeded";

/// What `--timeout` allows: nothing at all when it is zero or negative.
pub(super) fn limit(args: &Args) -> Duration {
    match args.span("timeout") {
        None => Duration::from_secs(300),
        Some((true, _)) => Duration::ZERO,
        Some((false, limit)) => limit,
    }
}

/// Fails when the kubeconfig that a flag names is not there.
pub(super) fn is_named(args: &Args) -> Result<(), Failed> {
    let Some(file) = args.filled("kubeconfig") else { return Ok(()) };
    std::fs::metadata(file).map_err(|error| format!("stat {file}: {}", files::reason(&error)))?;
    Ok(())
}

/// Drives what waits.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime?)
}

/// Connects as the person that `--as` names.
async fn client(args: &Args) -> Result<Client, Failed> {
    if let Some(flag) = UNSUPPORTED.into_iter().find(|flag| args.filled(flag).is_some_and(|on| on != "false"))
    {
        let mend = "name a context of the kubeconfig with --context, or a person with --as";
        return Err(format!("--{flag} is not supported: {mend}").into());
    }
    let client = throttled(args, connected(args).await?);
    Ok(match args.filled("as") {
        Some(user) => client.impersonating(user),
        None => client,
    })
}

/// Holds requests back when `--kube-api-qps` or `--kube-api-burst` asks for it; one alone goes with flux's other one.
fn throttled(args: &Args, client: Client) -> Client {
    let number = |flag: &str| args.filled(flag).and_then(|text| text.parse::<f64>().ok());
    match (number("kube-api-qps"), number("kube-api-burst")) {
        (None, None) => client,
        (rate, burst) => client.throttled(rate.unwrap_or(50.0), burst.unwrap_or(300.0)),
    }
}

async fn connected(args: &Args) -> Result<Client, Failed> {
    if let Some(server) = args.filled("server") {
        let token = args.filled("token").map(secrecy::SecretString::from);
        let authority = args.filled("certificate-authority").map(std::fs::read_to_string).transpose();
        let authority = authority.map_err(|error| format!("unable to load root certificates: {error}"))?;
        return Ok(Client::from_url(server, token.as_ref(), authority.as_deref()).await?);
    }
    is_named(args)?;
    if args.filled("kubeconfig").is_none() && !kubeconfig::is_there() {
        return Ok(Client::in_cluster().or(Client::from_url(NO_CONFIGURATION, None, None).await)?);
    }
    let files = kubeconfig::files(args.filled("kubeconfig"));
    Ok(Client::from_kubeconfigs(&files, args.filled("context")).await?)
}

/// Flags of flux that the kubeconfig has to stand in for.
const UNSUPPORTED: [&str; 9] = [
    "as-group",
    "as-uid",
    "as-user-extra",
    "client-certificate",
    "client-key",
    "cluster",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "user",
];

/// Where kubectl and flux look when nothing names a cluster.
pub(super) const NO_CONFIGURATION: &str = "http://localhost:8080";
