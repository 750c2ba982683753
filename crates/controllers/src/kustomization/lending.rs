//! Credentials of clouds for one object, got when a document needs them.
//!
//! What the decryption Secret holds comes first; then the service account that the object names, else our own pod.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Url;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::{aws_kms, azure_kv, gcp_kms, vault};
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::metadata::Metadata;

use crate::identity::{Error, Identities, Who};

/// A service that wraps data keys and wants to know who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// AWS KMS.
    Aws,
    /// Azure Key Vault.
    Azure,
    /// Google Cloud KMS.
    Google,
    /// Vault and OpenBao.
    Vault,
}

/// Who gets credentials, and for which services.
pub struct Lending {
    identities: Arc<Identities>,
    /// The object; why it has no identity otherwise.
    who: Result<Who, String>,
    /// Services for which the Secret has credentials.
    given: BTreeSet<Service>,
}

impl Lending {
    /// Lends for all services but those that are given.
    pub fn new(identities: Arc<Identities>, who: Result<Who, String>, given: BTreeSet<Service>) -> Lending {
        Lending { identities, who, given }
    }

    /// The keyring with credentials for the services of a document, and why some are missing. None when the document
    /// needs none.
    pub async fn lend(&self, keyring: &Keyring, metadata: &Metadata) -> Option<(Keyring, Vec<String>)> {
        let mut done = BTreeSet::new();
        let (mut keyring, mut problems, mut tokens) = (keyring.clone(), Vec::new(), Tokens::default());
        for key in metadata.master_keys() {
            let Some((service, place)) = place(key) else { continue };
            let needed = match service {
                Service::Vault => !self.given.contains(&service) && self.identities.knows_vaults(),
                _ => !self.given.contains(&service),
            };
            if !needed || !done.insert((service, place)) {
                continue;
            }
            let lent = match &self.who {
                Ok(who) => self.one(&keyring, who, key, &mut tokens).await.map_err(|error| error.chain()),
                Err(why) => Err(why.clone()),
            };
            match lent {
                Ok(with) => keyring = with,
                Err(why) if problems.contains(&why) => {}
                Err(why) => problems.push(why),
            }
        }
        (!done.is_empty()).then_some((keyring, problems))
    }

    async fn one(
        &self,
        keyring: &Keyring,
        who: &Who,
        key: &MasterKey,
        tokens: &mut Tokens,
    ) -> Result<Keyring, Error> {
        let clouds = self.identities.clouds();
        let keyring = keyring.clone();
        Ok(match key {
            MasterKey::Kms { arn, .. } => {
                // What is no ARN has no region; the key service says so.
                let Ok(region) = aws_kms::region(arn) else { return Ok(keyring) };
                let keys = self.identities.aws(who, region, "decrypt_with_aws").await?.keys(who)?;
                keyring.with_aws_kms(aws_kms::Access {
                    credentials: aws_kms::Credentials::Keys(keys),
                    endpoint: clouds.aws_kms.clone(),
                    ..aws_kms::Access::default()
                })
            }
            MasterKey::AzureKv { vault_url, .. } => {
                let Some(scope) = scope(vault_url) else { return Ok(keyring) };
                let token = self.identities.azure(who, &scope, "decrypt_with_azure").await?.text(who)?;
                tokens.azure.push(azure_kv::Login::Token { vault: vault_url.clone(), scope, token });
                let logins = tokens.azure.clone();
                keyring.with_azure_kv(azure_kv::Access { logins, ..azure_kv::Access::default() })
            }
            MasterKey::GcpKms { .. } => {
                let token = self.identities.google(who, "decrypt_with_gcp").await?.text(who)?;
                keyring.with_gcp_kms(gcp_kms::Access {
                    credentials: gcp_kms::Credentials::Token(token),
                    endpoint: clouds.google_kms.clone(),
                    ..gcp_kms::Access::default()
                })
            }
            MasterKey::Vault { vault_address, .. } => {
                let token = self.identities.vault(who, vault_address).await?;
                tokens.vault.push((vault_address.clone(), token));
                keyring.with_vault(vault::Access { tokens: tokens.vault.clone(), ..clouds.vault.clone() })
            }
            _ => keyring,
        })
    }
}

/// What was lent for the keys of a document, each for one address.
#[derive(Default)]
struct Tokens {
    azure: Vec<azure_kv::Login>,
    vault: Vec<(String, secrecy::SecretString)>,
}

/// The service of a key, and what credentials are asked for once for.
fn place(key: &MasterKey) -> Option<(Service, &str)> {
    match key {
        MasterKey::Kms { .. } => Some((Service::Aws, "")),
        MasterKey::AzureKv { vault_url, .. } => Some((Service::Azure, vault_url)),
        MasterKey::GcpKms { .. } => Some((Service::Google, "")),
        MasterKey::Vault { vault_address, .. } => Some((Service::Vault, vault_address)),
        _ => None,
    }
}

/// What a token for a vault is asked for: the service that its host belongs to, in each of Azure's clouds.
fn scope(vault_url: &str) -> Option<String> {
    // Read as who calls it reads it: `https://a.vault.azure.net:x@evil.example` is not Azure's.
    let url = Url::parse(vault_url).ok()?;
    if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let (_, service) = url.host_str()?.split_once('.')?;
    let known = [
        "vault.azure.net",
        "managedhsm.azure.net",
        "vault.azure.cn",
        "managedhsm.azure.cn",
        "vault.usgovcloudapi.net",
        "managedhsm.usgovcloudapi.net",
    ];
    known.contains(&service).then(|| format!("https://{service}/.default"))
}

#[cfg(test)]
mod tests {
    use sealfast_sops::master_key::MasterKey;
    use sealfast_sops::time::Time;

    use super::{place, scope};

    #[test]
    fn each_vault_has_a_token_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
        let created_at = Time::parse("2026-01-02T03:04:05Z")?;
        let key = |host: &str| MasterKey::AzureKv {
            vault_url: format!("https://{host}"),
            name: "k".to_owned(),
            version: "1".to_owned(),
            created_at,
            enc: String::new(),
        };
        assert_ne!(place(&key("a.vault.azure.net")), place(&key("evil.example")));
        Ok(())
    }

    #[test]
    fn tokens_are_asked_for_azures_own_hosts_alone() {
        let of = |url| scope(url).unwrap_or_default();
        assert_eq!(of("https://keys.vault.azure.net"), "https://vault.azure.net/.default");
        assert_eq!(of("https://keys.vault.azure.net:8443/"), "https://vault.azure.net/.default");
        assert_eq!(of("https://hsm.managedhsm.azure.net"), "https://managedhsm.azure.net/.default");
        assert_eq!(of("https://keys.vault.azure.cn"), "https://vault.azure.cn/.default");
        assert_eq!(of("https://vault.azure.net.evil.example"), "");
        assert_eq!(of("http://keys.vault.azure.net"), "");
        assert_eq!(of("https://keys.vault.azure.net:x@evil.example/"), "");
        assert_eq!(of("https://keys.vault.azure.net@evil.example/"), "");
    }
}
