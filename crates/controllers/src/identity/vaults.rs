//! Vault: the login of an account, at addresses that the operator named.
//!
//! Follows: the logins of kustomize-controller by `--sops-vault-configmap`. An address that is not listed is never asked,
//! because a tenant wrote it.

use sealfast_k8s::id::GroupVersionKind;
use sealfast_keys::http;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::cache::{Lent, Token};
use super::{Account, Error, Identities, Who};

const ENTRY: &str = "config.yaml";
const OPERATION: &str = "decrypt_with_vault";

impl Identities {
    /// Whether accounts log in to Vaults at all.
    pub fn knows_vaults(&self) -> bool {
        self.vault_map.is_some()
    }

    /// A token of the Vault at an address.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn vault(&self, who: &Who, address: &str) -> Result<SecretString, Error> {
        let path = self.login_path(address).await?;
        let account = match &who.account {
            Some(account) => account.clone(),
            None => self.own_account(who)?,
        };
        let key = who.key(&["vault", address, &path]);
        self.cache.text(key, who, OPERATION, self.log_in(who, address, &path, &account)).await
    }

    async fn log_in(&self, who: &Who, address: &str, path: &str, account: &Account) -> Result<Lent, Error> {
        let token = self.token(account, address).await?;
        let role = format!("{}_{}", account.namespace, account.name);
        let failed = |reason: String| {
            let reason = format!(
                "failed to authenticate with Vault '{address}' at login path '{path}' as role '{role}': {reason}"
            );
            Error::Other { reason }
        };
        let vault = &self.clouds.vault;
        let client = vault.client(&self.clouds.network).map_err(failed)?;
        let body = json!({"role": role, "jwt": token.expose_secret()});
        let mut request = client
            .put(format!("{}/v1/{}", address.trim_end_matches('/'), path.trim_matches('/')))
            .header("x-vault-request", "true")
            .json(&body);
        if let Some(namespace) = &vault.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        let answer = self.ask_json(who, request).await.map_err(|error| match error {
            Error::Exchange { reason, .. } => failed(reason),
            other => other,
        })?;
        let auth = &answer["auth"];
        let token = auth["client_token"].as_str().filter(|token| !token.is_empty()).ok_or_else(|| {
            let reason =
                format!("Vault '{address}' returned no token for login at '{path}' as role '{role}'");
            Error::Other { reason }
        })?;
        let lasts = std::time::Duration::from_secs(auth["lease_duration"].as_u64().unwrap_or_default());
        Ok(Lent { token: Token::Text(token.to_owned().into()), lasts })
    }

    /// The operator's login path for exactly this address.
    async fn login_path(&self, address: &str) -> Result<String, Error> {
        let missing = |reason: String| Error::Other { reason };
        let (namespace, name) = self.vault_map.as_ref().ok_or_else(|| {
            missing("no ConfigMap with the logins of Vaults was named when the controller was started".into())
        })?;
        let place = format!("{namespace}/{name}");
        let kind = GroupVersionKind::new("", "v1", "ConfigMap");
        let map = self.client.get(&kind, namespace, name).await;
        let map =
            map.map_err(|e| missing(format!("failed to get Vault ConfigMap '{place}': {}", e.chain())))?;
        let text = map["data"][ENTRY]
            .as_str()
            .ok_or_else(|| missing(format!("Vault ConfigMap '{place}' is missing the '{ENTRY}' key")))?;
        let config: Value = sealfast_yaml::json::from_yaml(text.as_bytes()).map_err(|error| {
            missing(format!(
                "failed to parse '{ENTRY}' in Vault ConfigMap '{place}': {}",
                http::clean(&error.to_string())
            ))
        })?;
        let instances = config["instances"].as_array().into_iter().flatten();
        let mut paths = instances.filter(|instance| instance["address"] == address);
        let path = paths.next_back().and_then(|instance| instance["loginPath"].as_str());
        path.filter(|path| !path.is_empty()).map(str::to_owned).ok_or_else(|| {
            missing(format!("no Vault login path configured for address '{address}' in ConfigMap '{place}'"))
        })
    }

    fn own_account(&self, who: &Who) -> Result<Account, Error> {
        let own = self.clouds.own.account.clone();
        own.map(Account::unread).ok_or_else(|| {
            who.refused("the controller does not run as a service account of the cluster".to_owned())
        })
    }
}
