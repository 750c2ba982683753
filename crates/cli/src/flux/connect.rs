//! A client for the cluster that the flags and the kubeconfig name.

use std::path::PathBuf;
use std::time::Duration;

use sealfast_cluster::client::Client;

use super::Failed;
use super::args::Args;

/// Runs a command against the cluster, within `--timeout`.
pub(super) fn with_client<F, T>(args: &Args, command: impl FnOnce(Client) -> F) -> Result<T, Failed>
where
    F: Future<Output = Result<T, Failed>>,
{
    let limit = args.duration("timeout").unwrap_or(Duration::from_secs(300));
    runtime()?.block_on(async {
        let work = async {
            let client = client(args).await?;
            command(client).await
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err("context deadline exceeded".into()))
    })
}

/// Runs a command that only the person ends.
pub(super) fn forever<F>(args: &Args, command: impl FnOnce(Client) -> F) -> Result<(), Failed>
where
    F: Future<Output = ()>,
{
    runtime()?.block_on(async {
        let client = client(args).await?;
        tokio::select! {
            () = command(client) => {}
            () = crate::up::stopped() => {}
        }
        Ok(())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failed::from_error(&error))
}

async fn client(args: &Args) -> Result<Client, Failed> {
    if let Some(server) = args.filled("server") {
        let token = args.filled("token").map(secrecy::SecretString::from);
        let client = Client::from_url(server, token.as_ref(), None).await;
        return client.map_err(|error| Failed::from_error(&error));
    }
    let file = args.filled("kubeconfig").map(PathBuf::from);
    if file.is_none() && !has_kubeconfig() {
        let client = Client::in_cluster().or(Client::from_url(NO_CONFIGURATION, None, None).await);
        return client.map_err(|error| Failed::from_error(&error));
    }
    let client = Client::from_kubeconfig(file.as_deref(), args.filled("context")).await;
    client.map_err(|error| Failed::from_error(&error))
}

fn has_kubeconfig() -> bool {
    kubeconfig_files(None).iter().any(|file| file.is_file())
}

/// The files that kubectl would read, in order.
fn kubeconfig_files(flag: Option<&str>) -> Vec<PathBuf> {
    if let Some(file) = flag {
        return vec![PathBuf::from(file)];
    }
    match crate::env::KUBECONFIG.text() {
        Some(list) => std::env::split_paths(&list).collect(),
        None => {
            crate::env::HOME.text().map(|home| PathBuf::from(home).join(".kube/config")).into_iter().collect()
        }
    }
}

/// Returns the namespace of the chosen context; none when the kubeconfig names none.
pub(super) fn context_namespace(args: &Args) -> Option<String> {
    let files = kubeconfig_files(args.filled("kubeconfig"));
    let read = |file: &PathBuf| sealfast_yaml::json::from_yaml(&std::fs::read(file).ok()?).ok();
    let configs: Vec<serde_json::Value> = files.iter().filter_map(read).collect();
    let current = || configs.iter().find_map(|config| config["current-context"].as_str());
    let wanted = args.filled("context").or_else(current)?;
    let contexts = configs.iter().filter_map(|config| config["contexts"].as_array()).flatten();
    let context = contexts.into_iter().find(|context| context["name"] == wanted)?;
    context["context"]["namespace"].as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Where kubectl and flux look when nothing names a cluster.
const NO_CONFIGURATION: &str = "http://localhost:8080";
