//! Azure: the application in annotations, which trusts the account.
//!
//! Follows: the OAuth 2.0 client credentials flow of Entra with a federated credential, and the instance metadata service.

use secrecy::{ExposeSecret as _, SecretString};

use super::cache::Lent;
use super::own::{self, Azure};
use super::{Account, Error, Identities, Who, lent};

/// Whom the account's token is for.
pub(super) const AUDIENCE: &str = "api://AzureADTokenExchange";
const TENANT: &str = "azure.workload.identity/tenant-id";
const CLIENT: &str = "azure.workload.identity/client-id";
const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Directory and application.
pub(super) fn identity(account: &Account) -> Result<(String, String), Error> {
    let part = |key: &str, what: &str| match account.annotation(key) {
        "" => {
            Err(account.wrong(format!("azure {what} ID is not set in the service account annotation {key}")))
        }
        id if is_id(id) => Ok(id.to_owned()),
        id => Err(account.wrong(format!("invalid {key} annotation: '{id}'"))),
    };
    Ok((part(TENANT, "tenant")?, part(CLIENT, "client")?))
}

/// An id becomes part of an address.
fn is_id(text: &str) -> bool {
    text.chars().all(|char| char.is_ascii_alphanumeric() || char == '-' || char == '.') && text.len() <= 128
}

impl Identities {
    /// Shows Entra the account's token.
    pub(super) async fn entra(
        &self,
        who: &Who,
        tenant: &str,
        client: &str,
        scope: &str,
        token: &SecretString,
    ) -> Result<Lent, Error> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("scope", scope),
            ("client_assertion_type", JWT),
            ("client_assertion", token.expose_secret()),
        ];
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.clouds.places.entra.trim_end_matches('/'));
        let answer = self.ask_json(who, self.http(who)?.post(url).form(&form)).await?;
        lent(who, &answer)
    }

    pub(super) async fn own_azure(&self, who: &Who, scope: &str) -> Result<Lent, Error> {
        match &self.clouds.own.azure {
            Some(Azure::Workload { tenant, client, token_file }) => {
                let token = own::token(token_file).await.map_err(|reason| who.refused(reason))?;
                self.entra(who, tenant, client, scope, &token).await
            }
            Some(Azure::Machine { client }) => {
                let mut query =
                    vec![("api-version", "2018-02-01"), ("resource", scope.trim_end_matches("/.default"))];
                query.extend(client.as_deref().map(|client| ("client_id", client)));
                let url = format!("{}/metadata/identity/oauth2/token", self.clouds.places.azure_machine);
                let request = self.near(who)?.get(url).header("metadata", "true").query(&query);
                lent(who, &self.ask_json(who, request).await?)
            }
            None => Err(who.refused("no identity of Azure is bound to the pod of the controller".to_owned())),
        }
    }
}
