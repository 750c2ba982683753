//! Who an object is to a cloud: an account's token -> the cloud's credentials.
//!
//! Nothing is looked for in the environment, in home directories or in profiles: what the cluster gave to our own pod is
//! told by [`Own`].
//!
//! Follows: the `auth` package of fluxcd/pkg, in annotations, audiences and words. Differs: names of AWS sessions are cut
//! at the length that AWS takes.

use std::fmt;
use std::time::Duration;

use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use sealfast_keys::http::{self, Network};
use sealfast_keys::vault;
use sealfast_source::git::Proxy;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::gates::{Gate, Gates};
use crate::identity::cache::{Cache, Lent, Token};
pub use crate::identity::error::Error;
use crate::identity::own::Own;

mod aks;
mod aws;
mod azure;
pub mod cache;
pub mod clusters;
mod eks;
mod error;
mod gke;
mod google;
pub mod own;
pub mod shown;
mod vaults;

/// A token of a cloud that does not say when it ends is kept for so long.
const UNKNOWN_END: Duration = Duration::from_secs(300);
/// No token of a cloud is taken to hold for longer, whatever its answer says: a year.
const MOST_SECONDS: u64 = 365 * 24 * 3600;
/// How long a place that gives tokens may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How clouds are reached.
#[derive(Clone, Debug, Default)]
pub struct Clouds {
    /// Where tokens are exchanged.
    pub places: Places,
    /// What our own pod was given.
    pub own: Own,
    /// Certificates and addresses on the way to all of them.
    pub network: Network,
    /// How every Vault is asked; without a token.
    pub vault: vault::Access,
    /// AWS KMS elsewhere than at its own address.
    pub aws_kms: Option<String>,
    /// Google Cloud KMS elsewhere than at its own address.
    pub google_kms: Option<String>,
}

/// Where tokens are exchanged, and clusters are known: URLs without a slash at the end.
#[derive(Clone, Debug)]
pub struct Places {
    /// Another STS than that of the region.
    pub sts: Option<String>,
    /// Microsoft Entra.
    pub entra: String,
    /// The metadata of a machine of Azure.
    pub azure_machine: String,
    /// Google's STS.
    pub google_sts: String,
    /// Google's IAM credentials.
    pub google_iam: String,
    /// The metadata of a machine of Google.
    pub google_machine: String,
    /// Another EKS than that of the region.
    pub eks: Option<String>,
    /// Another resource manager of Azure than that of the cloud that Entra belongs to.
    pub azure_manager: Option<String>,
    /// Google's clusters.
    pub google_container: String,
}

impl Default for Places {
    fn default() -> Self {
        Places {
            sts: None,
            entra: "https://login.microsoftonline.com".to_owned(),
            azure_machine: "http://169.254.169.254".to_owned(),
            google_sts: "https://sts.googleapis.com".to_owned(),
            google_iam: "https://iamcredentials.googleapis.com".to_owned(),
            google_machine: "http://metadata.google.internal".to_owned(),
            eks: None,
            azure_manager: None,
            google_container: "https://container.googleapis.com".to_owned(),
        }
    }
}

/// A service account, as it was read.
#[derive(Clone, Debug)]
pub struct Account {
    /// `namespace/name`.
    pub place: String,
    /// What changes whenever the account does.
    pub version: String,
    namespace: String,
    name: String,
    annotations: Value,
    /// For whom its tokens are, instead of the cloud's usual audience.
    audiences: Vec<String>,
}

impl Account {
    /// The account with tokens for these audiences; none for what each cloud takes.
    pub fn for_audiences(self, audiences: Vec<String>) -> Account {
        Account { audiences, ..self }
    }

    /// An account that tokens are asked for without a look at it.
    fn unread((namespace, name): (String, String)) -> Account {
        let place = format!("{namespace}/{name}");
        let (version, annotations, audiences) = (String::new(), Value::Null, Vec::new());
        Account { place, version, namespace, name, annotations, audiences }
    }

    fn annotation(&self, key: &str) -> &str {
        self.annotations[key].as_str().unwrap_or_default()
    }

    fn wrong(&self, reason: String) -> Error {
        Error::Annotation { place: self.place.clone(), reason }
    }
}

/// Who asks, and for which object.
#[derive(Clone, Debug)]
pub struct Who {
    /// Kind of the object.
    pub kind: &'static str,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// The account; none for our own pod.
    pub account: Option<Account>,
    /// The way to places that give tokens.
    pub proxy: Option<Proxy>,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "service account '{}'", account.place),
            None => f.write_str("the controller"),
        }
    }
}

impl Who {
    fn refused(&self, reason: String) -> Error {
        Error::Exchange { who: self.to_string(), reason }
    }

    /// What tells one token from another.
    fn key(&self, parts: &[&str]) -> String {
        let account =
            self.account.as_ref().map(|account| (&account.place, &account.version, &account.audiences));
        let proxy = self.proxy.as_ref().map(|proxy| proxy.address.as_str());
        // A list, so that no text of a stranger passes for two.
        serde_json::json!([account, proxy, parts]).to_string()
    }
}

/// Exchanges tokens, and remembers what it got for them.
pub struct Identities {
    client: Client,
    clouds: Clouds,
    gates: Gates,
    cache: Cache,
    http: Result<reqwest::Client, String>,
    pool: OnceCell<google::Pool>,
    vault_map: Option<(String, String)>,
}

impl Identities {
    /// `vault_map` is namespace and name of the ConfigMap with the logins of Vaults.
    pub fn new(
        client: Client,
        clouds: Clouds,
        gates: Gates,
        cache: Cache,
        vault_map: Option<(String, String)>,
    ) -> Identities {
        let http = http_client(&clouds, None);
        let pool = OnceCell::new();
        Identities { client, clouds, gates, cache, http, pool, vault_map }
    }

    /// The time of day, by which tokens end and signatures count.
    pub fn clock(&self) -> &Clock {
        &self.cache.clock
    }

    /// How clouds are reached.
    pub fn clouds(&self) -> &Clouds {
        &self.clouds
    }

    /// A token that was got some other way, remembered like all of them.
    ///
    /// # Errors
    /// What getting a new one raises.
    pub async fn remembered(
        &self,
        who: &Who,
        key: &str,
        operation: &'static str,
        make: impl Future<Output = Result<Lent, Error>>,
    ) -> Result<SecretString, Error> {
        self.cache.text(who.key(&[key]), who, operation, make).await
    }

    /// Reads an account.
    ///
    /// # Errors
    /// [`Error::Gate`] when accounts are not used, [`Error::Account`] when it cannot be read.
    pub async fn account(&self, namespace: &str, name: &str) -> Result<Account, Error> {
        let place = format!("{namespace}/{name}");
        let kind = GroupVersionKind::new("", "v1", "ServiceAccount");
        let found = self.client.get(&kind, namespace, name).await;
        let mut object = found.map_err(|e| Error::Account { place: place.clone(), source: Box::new(e) })?;
        if !self.gates.has(Gate::ObjectLevelWorkloadIdentity) {
            return Err(Error::Gate);
        }
        let text = |field| object::metadata_text(&object, field);
        let version = format!("{}/{}", text("uid"), text("resourceVersion"));
        let annotations = object["metadata"]["annotations"].take();
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Ok(Account { place, version, namespace, name, annotations, audiences: Vec::new() })
    }

    /// Credentials of AWS, asked for in a region.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn aws(&self, who: &Who, region: &str, operation: &'static str) -> Result<Lent, Error> {
        let role = who.account.as_ref().map(aws::role).transpose()?;
        let key = who.key(&["aws", role.as_deref().unwrap_or_default(), region]);
        let make = async {
            match (&who.account, &role) {
                (Some(account), Some(role)) => {
                    let token = self.token(account, aws::AUDIENCE).await?;
                    let session = format!("{}.{}.{region}.fluxcd.io", account.name, account.namespace);
                    self.assume(who, role, &session, region, &token).await
                }
                _ => self.own_aws(who, region).await,
            }
        };
        self.cache.get(key, who, operation, make).await
    }

    /// A token of Microsoft Entra for a scope.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn azure(&self, who: &Who, scope: &str, operation: &'static str) -> Result<Lent, Error> {
        let identity = who.account.as_ref().map(azure::identity).transpose()?;
        let (tenant, client) = identity.unwrap_or_default();
        let key = who.key(&["azure", &tenant, &client, scope]);
        let make = async {
            match &who.account {
                Some(account) => {
                    let token = self.token(account, azure::AUDIENCE).await?;
                    self.entra(who, &tenant, &client, scope, &token).await
                }
                None => self.own_azure(who, scope).await,
            }
        };
        self.cache.get(key, who, operation, make).await
    }

    /// A token of Google Cloud.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn google(&self, who: &Who, operation: &'static str) -> Result<Lent, Error> {
        let identity = who.account.as_ref().map(google::identity).transpose()?.unwrap_or_default();
        let key = who.key(&["gcp", &identity.email, &identity.provider]);
        let make = async {
            match &who.account {
                Some(account) => self.google_for(who, account, &identity).await,
                None => self.own_google(who).await,
            }
        };
        self.cache.get(key, who, operation, make).await
    }

    /// A token of our own cluster for an account.
    async fn token(&self, account: &Account, audience: &str) -> Result<SecretString, Error> {
        let mut audiences: Vec<&str> = account.audiences.iter().map(String::as_str).collect();
        if audiences.is_empty() {
            audiences.push(audience);
        }
        let token = self.client.account_token(&account.namespace, &account.name, &audiences).await;
        token.map_err(|e| Error::Token { place: account.place.clone(), source: Box::new(e) })
    }

    /// How our own machine is asked: past the proxy of an object, which may be a tenant's. It would see our own pod's token.
    fn near(&self, who: &Who) -> Result<reqwest::Client, Error> {
        self.http.clone().map_err(|reason| who.refused(reason))
    }

    fn http(&self, who: &Who) -> Result<reqwest::Client, Error> {
        let client = match &who.proxy {
            Some(proxy) => http_client(&self.clouds, Some(proxy)),
            None => self.http.clone(),
        };
        client.map_err(|reason| who.refused(reason))
    }

    /// Sends a request and reads the answer, which has to be one of success.
    async fn ask(&self, who: &Who, request: reqwest::RequestBuilder) -> Result<Zeroizing<Vec<u8>>, Error> {
        let failed = |reason: String| who.refused(reason);
        let response = request.send().await.map_err(|error| failed(http::words(&error)))?;
        let status = response.status();
        let body = http::body(response).await.map_err(failed)?;
        if status.is_success() {
            return Ok(body);
        }
        let said = http::clean(&String::from_utf8_lossy(&body));
        Err(failed(format!("{status}: {said}").trim_end_matches([':', ' ']).to_owned()))
    }

    async fn ask_json(&self, who: &Who, request: reqwest::RequestBuilder) -> Result<Value, Error> {
        let body = self.ask(who, request).await?;
        // The parser's own words could show a part of the text.
        serde_json::from_slice(&body).map_err(|_| who.refused("the answer is no JSON".to_owned()))
    }
}

fn http_client(clouds: &Clouds, proxy: Option<&Proxy>) -> Result<reqwest::Client, String> {
    let mut builder = clouds.network.builder()?.timeout(PATIENCE);
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy.for_clients().map_err(|error| http::words(&error))?);
    }
    builder.build().map_err(|error| http::words(&error))
}

/// A token in an answer of OAuth, and for how many seconds it holds.
fn lent(who: &Who, answer: &Value) -> Result<Lent, Error> {
    let token = answer["access_token"].as_str().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| who.refused("the answer has no token".to_owned()))?;
    let number = &answer["expires_in"];
    let seconds = number.as_u64().or_else(|| number.as_str()?.parse().ok());
    let lasts = seconds.map_or(UNKNOWN_END, |seconds| Duration::from_secs(seconds.min(MOST_SECONDS)));
    Ok(Lent { token: Token::Text(token.to_owned().into()), lasts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_say_nothing_or_nonsense_of_an_end_are_kept_for_a_bounded_time() {
        let (kind, namespace, name) = ("Kustomization", "ns".to_owned(), "app".to_owned());
        let who = Who { kind, namespace, name, account: None, proxy: None };
        let lasts = |end: Value| {
            let answer = serde_json::json!({"access_token": "a", "expires_in": end});
            lent(&who, &answer).map(|lent| lent.lasts.as_secs()).unwrap_or_default()
        };
        assert_eq!((lasts(60.into()), lasts("70".into()), lasts(Value::Null)), (60, 70, 300));
        assert_eq!(lasts(u64::MAX.into()), MOST_SECONDS);
    }
}
