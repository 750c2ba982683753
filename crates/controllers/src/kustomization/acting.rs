//! As whom and in which cluster a Kustomization acts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::certificate;
use sealfast_cluster::client::Client;
use sealfast_k8s::flux::kustomization::{Kustomization, SecretKeyReference};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::kustomization::Shared;
use crate::kustomization::remotes::{Origin, Version};
use crate::kustomization::report::{Failure, Reason};
use crate::options::Options;
use crate::wiped;

/// The connection through which a Kustomization acts, and a name for it.
pub struct Acting {
    /// The connection.
    pub client: Client,
    /// Server and user, for [`Memories`].
    pub identity: String,
}

/// The account that an object names, else the one that the operator gave for all.
pub fn account<'a>(options: &'a Options, typed: &'a Kustomization) -> Option<&'a str> {
    typed.spec.service_account_name.as_deref().or(options.default_service_account.as_deref())
}

/// Finds the connection: another cluster when asked for, and an account on top of it.
///
/// # Errors
/// ReconciliationFailed with what is wrong with the kubeconfig.
pub async fn acting(shared: &Shared, typed: &Kustomization) -> Result<Acting, Failure> {
    let Shared { client, options, .. } = shared;
    let namespace = &typed.metadata.namespace;
    let mut acting = Acting { client: client.clone(), identity: client.address().to_owned() };
    if let Some(kube_config) = &typed.spec.kube_config {
        acting = match (&kube_config.secret_ref, &kube_config.config_map_ref) {
            (Some(reference), _) => by_kubeconfig(shared, namespace, reference).await?,
            (None, Some(reference)) => by_address(shared, namespace, &reference.name).await?,
            (None, None) => {
                return Err(no_client("spec.kubeConfig names neither a Secret nor a ConfigMap".into()));
            }
        };
    }
    if let Some(account) = account(options, typed) {
        let user = format!("system:serviceaccount:{namespace}:{account}");
        acting.client = acting.client.impersonating(&user);
        acting.identity = format!("{}@{}", user, acting.identity);
    }
    Ok(acting)
}

fn no_client(message: String) -> Failure {
    Failure {
        event_prefix: "failed to build kube client: ",
        ..Failure::new(Reason::ReconciliationFailed, message)
    }
}

async fn by_kubeconfig(
    shared: &Shared,
    namespace: &str,
    reference: &SecretKeyReference,
) -> Result<Acting, Failure> {
    let name = &reference.name;
    let secret = wiped::secret(&shared.client, namespace, name).await.map_err(|e| {
        no_client(format!("unable to read KubeConfig secret '{namespace}/{name}' error: {}", e.chain()))
            .blame(&e)
    })?;
    let entry = reference.key.as_deref();
    let text = kubeconfig_text(&secret, entry).ok_or_else(|| {
        let key = entry.unwrap_or("value");
        no_client(format!(
            "KubeConfig secret '{namespace}/{name}' does not contain a '{key}' key with a kubeconfig"
        ))
    })?;
    let make = async {
        let made = Client::from_foreign_kubeconfig(&text, shared.options.foreign).await;
        made.map_err(|e| no_client(e.chain()))
    };
    let client = shared.remotes.get(Origin::of(&secret, entry), Version::of(&secret, ""), make).await?;
    let identity = format!("{}#{}", client.address(), object::metadata_text(&secret, "resourceVersion"));
    Ok(Acting { client, identity })
}

/// A cluster by its address, reached with a token that our own cluster gives an account for it.
async fn by_address(shared: &Shared, namespace: &str, name: &str) -> Result<Acting, Failure> {
    let maps = GroupVersionKind::new("", "v1", "ConfigMap");
    let map = shared.client.get(&maps, namespace, name).await.map_err(|e| {
        no_client(format!("failed to get configmap {namespace}/{name}: {}", e.chain())).blame(&e)
    })?;
    let entry = |key: &str| map["data"][key].as_str().map(str::trim).filter(|text| !text.is_empty());
    let provider = entry("provider").unwrap_or_default();
    if provider != "generic" {
        let hint = "only the provider `generic` of a kubeconfig ConfigMap is known here";
        return Err(no_client(format!("provider '{provider}' not implemented")).hint(hint));
    }
    let address = entry("address").unwrap_or_default();
    let default = shared.options.default_kubeconfig_account.as_deref();
    let account = entry("serviceAccountName").or(default);
    let lines = entry("audiences").unwrap_or(address).lines();
    let audiences: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    let token = shared.identities.cluster_token(namespace, account, &audiences).await;
    let token =
        token.map_err(|e| no_client(format!("failed to get access token for cluster: {}", e.chain())))?;
    let host = canonical(address).map_err(no_client)?;
    if let Some(Err(why)) = entry("ca.crt").map(|ca| certificate::check(ca.as_bytes())) {
        let place = format!("key 'ca.crt' of ConfigMap '{namespace}/{name}'");
        return Err(no_client(format!("unable to load root certificates: {why}: {place}")));
    }
    let make = async {
        let made = Client::from_url(&host, Some(&token), entry("ca.crt")).await;
        made.map(Client::foreign).map_err(|e| no_client(e.chain()))
    };
    let version = Version::of(&map, token.expose_secret());
    let client = shared.remotes.get(Origin::of(&map, None), version, make).await?;
    let identity = format!("{host}#{}", object::metadata_text(&map, "resourceVersion"));
    Ok(Acting { client, identity })
}

/// The address of a cluster as `https://host:port`.
fn canonical(address: &str) -> Result<String, String> {
    if address.is_empty() {
        return Err("cluster address is required to create a REST config".to_owned());
    }
    let full = if address.starts_with("http") { address.to_owned() } else { format!("https://{address}") };
    let what = format!("failed to parse cluster address {address}");
    let url = reqwest::Url::parse(&full)
        .map_err(|why| format!("{what}: failed to parse Kubernetes API server address '{full}': {why}"))?;
    if url.scheme() != "https" {
        return Err(format!("{what}: the Kubernetes API server address '{full}' must use https scheme"));
    }
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    Ok(format!("https://{host}:{port}"))
}

fn kubeconfig_text(secret: &Value, key: Option<&str>) -> Option<zeroize::Zeroizing<String>> {
    let keys = match key {
        Some(key) => vec![key],
        None => vec!["value", "value.yaml"],
    };
    let encoded = keys.iter().find_map(|key| secret["data"][*key].as_str())?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok().map(zeroize::Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn addresses_of_clusters_are_https_with_a_port() {
        for (address, host) in [
            ("Example.com", "https://example.com:443"),
            ("https://10.0.0.1:6443/x?y", "https://10.0.0.1:6443"),
            ("https://[::1]", "https://[::1]:443"),
        ] {
            assert_eq!(canonical(address).as_deref(), Ok(host), "{address}");
        }
        let refused = "failed to parse cluster address http://x: the Kubernetes API server address 'http://x' must use https scheme";
        assert_eq!(canonical("http://x"), Err(refused.to_owned()));
        assert_eq!(canonical(""), Err("cluster address is required to create a REST config".to_owned()));
    }
}
