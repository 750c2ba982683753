//! AKS: where Azure says that a cluster is.
//!
//! Follows: `Get` and `listClusterUserCredential` of the REST reference of Azure Kubernetes Service.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::clusters::{Found, authority, canonical, other, step};
use super::{Error, Identities, Who};

/// What tokens for the clusters themselves are asked for.
pub(super) const SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
const VERSION: &str = "2024-09-01";
const PATTERN: &str = r"(?i)^/subscriptions/([^/]{36})/resourceGroups/([^/]{1,200})/providers/Microsoft\.ContainerService/managedClusters/([^/]{1,200})$";
static CLUSTER: LazyLock<sealfast_re2::Regex> =
    LazyLock::new(|| sealfast_re2::compile(PATTERN).expect("holds because a test compiles it"));

/// The path of a cluster.
fn path(cluster: &str) -> Result<String, Error> {
    let find = || {
        let parts: Vec<&str> = CLUSTER.is_match(cluster).then(|| cluster.split('/').collect())?;
        let (subscription, group, name) = (parts.get(2)?, parts.get(4)?, parts.get(8)?);
        let [subscription, group, name] = [step(subscription)?, step(group)?, step(name)?];
        Some(format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}"
        ))
    };
    find().ok_or_else(|| other(format!("invalid AKS cluster ID: '{cluster}'. must match {PATTERN}")))
}

/// Azure's resource manager in the cloud of a login host, and the scope of its tokens.
fn manager(login: &str) -> (&'static str, &'static str) {
    if login.contains("chinacloudapi.cn") {
        return ("https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn/.default");
    }
    if login.contains("microsoftonline.us") {
        return (
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/.default",
        );
    }
    ("https://management.azure.com", "https://management.core.windows.net//.default")
}

impl Identities {
    pub(super) async fn describe_aks(
        &self,
        who: &Who,
        cluster: &str,
        operation: &'static str,
    ) -> Result<Vec<Found>, Error> {
        let path = path(cluster)?;
        let places = &self.clouds.places;
        let (usual, scope) = manager(&places.entra);
        let place = places.azure_manager.as_deref().unwrap_or(usual);
        let token =
            self.azure(who, scope, operation).await.and_then(|lent| lent.text(who)).map_err(|error| {
                other(format!("failed to get access token for cluster: {}", error.chain()))
            })?;
        let http = self.http(who)?;
        let asked = http.get(format!("{place}{path}")).query(&[("api-version", VERSION)]);
        let described = self.ask_about(who, asked.bearer_auth(token.expose_secret())).await;
        let described = described.map_err(|why| other(format!("failed to describe AKS cluster: {why}")))?;
        if described["properties"]["aadProfile"].is_null() {
            return Err(other(format!(
                "AKS cluster {cluster} does not have Microsoft Entra ID integration enabled. See docs for enabling: https://learn.microsoft.com/en-us/azure/aks/enable-authentication-microsoft-entra-id"
            )));
        }
        let listed = http.post(format!("{place}{path}/listClusterUserCredential"));
        let listed = listed.query(&[("api-version", VERSION)]).header("content-length", "0");
        let listed = self.ask_about(who, listed.bearer_auth(token.expose_secret())).await.map_err(other)?;
        let configs = listed["kubeconfigs"].as_array().into_iter().flatten();
        let read = |(number, config)| {
            found(config).map_err(|why| other(format!("failed to parse kubeconfig[{number}]: {why}")))
        };
        configs.enumerate().map(read).collect()
    }
}

/// Where the current context of a kubeconfig leads; whose it is does not count.
fn found(config: &Value) -> Result<Found, String> {
    let text =
        STANDARD.decode(config["value"].as_str().unwrap_or_default()).map_err(|why| why.to_string())?;
    // The reader's own words could show what the file holds.
    let config = sealfast_yaml::json::from_yaml(&text).map_err(|_| "it is no YAML".to_owned())?;
    let named = |list: &str, name: &Value| {
        config[list].as_array().into_iter().flatten().find(|entry| entry["name"] == *name).cloned()
    };
    let context = named("contexts", &config["current-context"]).unwrap_or_default();
    let cluster = named("clusters", &context["context"]["cluster"]).unwrap_or_default();
    let address = cluster["cluster"]["server"].as_str().ok_or("its current context names no server")?;
    let data = cluster["cluster"]["certificate-authority-data"].as_str().unwrap_or_default();
    Ok(Found { address: canonical(address)?, authority: authority(data)? })
}

#[cfg(test)]
mod tests {
    use super::{manager, path};

    #[test]
    fn clusters_are_ids_whose_parts_lead_nowhere_else() {
        let id = |group: &str, name: &str| {
            format!(
                "/subscriptions/{}/resourcegroups/{group}/providers/microsoft.containerservice/managedclusters/{name}",
                "1".repeat(36)
            )
        };
        assert!(path(&id("g", "n")).is_ok_and(|path| {
            path.ends_with("/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/n")
        }));
        assert!(path(&id("g?x#", "n")).is_ok_and(|path| path.contains("/g%3Fx%23/")));
        for wrong in [id("..", "n"), id("g", "."), id("g", "a/b"), id("", "n"), String::new()] {
            assert!(path(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_cloud_of_azure_has_its_manager() {
        for (login, place) in [
            ("https://login.microsoftonline.com", "https://management.azure.com"),
            ("https://login.microsoftonline.us", "https://management.usgovcloudapi.net"),
            ("https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn"),
        ] {
            assert_eq!(manager(login).0, place);
        }
    }
}
