//! Other clusters: where a cloud says that one is, and the token shown there.
//!
//! Follows: the `auth` package of fluxcd/pkg, in patterns, questions, scopes and words. Differs: addresses are `https`
//! whatever they begin with, and an object that borrows our own pod's identity from another namespace goes where the
//! cloud says and nowhere else: it could name a server of its own.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sealfast_cluster::client::request::encode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::cache::{Lent, Token};
use super::own::OWN_TOKEN;
use super::{Account, Error, Identities, Who};

/// What metrics call the purpose of a token.
const OPERATION: &str = "fetch_kubeconfig";
/// What a cloud says of a cluster is asked for anew after so long.
const TOLD_FOR: Duration = Duration::from_secs(15 * 60);
/// A token that does not say when it ends is shown for so long.
const UNKNOWN_END: Duration = Duration::from_secs(600);

/// Who knows a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Nobody but itself: it trusts tokens of our own cluster.
    Generic,
    /// EKS.
    Aws,
    /// AKS.
    Azure,
    /// GKE.
    Google,
}

impl Provider {
    /// The provider of that name.
    pub fn named(name: &str) -> Option<Provider> {
        match name {
            "generic" => Some(Provider::Generic),
            "aws" => Some(Provider::Aws),
            "azure" => Some(Provider::Azure),
            "gcp" => Some(Provider::Google),
            _ => None,
        }
    }
}

/// Whose word counts on where a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// That of whoever named the cluster, and the cloud's for what is left open.
    Anybodys,
    /// The cloud's alone.
    Clouds,
}

/// A cluster, as it was named; empty for what was left open.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who knows it.
    pub provider: Provider,
    /// Its name in the cloud.
    pub cluster: String,
    /// Its address.
    pub address: String,
    /// Certificates to trust, PEM.
    pub authority: String,
    /// Audiences of tokens of our own cluster.
    pub audiences: Vec<String>,
    /// Whose word counts.
    pub word: Word,
}

impl Wanted {
    fn is_told(&self) -> bool {
        self.word == Word::Anybodys && !self.address.is_empty() && !self.authority.is_empty()
    }
}

/// Where a cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `https://host:port`.
    pub address: String,
    /// Certificates to trust, PEM; empty for those of the machine.
    pub authority: String,
}

pub(super) fn other(reason: String) -> Error {
    Error::Other { reason }
}

/// A token was refused: what for.
fn access<T>(got: Result<T, Error>) -> Result<T, Error> {
    got.map_err(|error| Error::Access { source: Box::new(error) })
}

impl Identities {
    /// The token that the cluster is shown now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn cluster_token(&self, who: &Who, wanted: &Wanted) -> Result<Lent, Error> {
        match wanted.provider {
            Provider::Generic => access(self.generic_token(who, wanted).await),
            Provider::Aws => {
                let cluster = super::eks::Cluster::parse(&wanted.cluster)?;
                let make = async {
                    let lent = access(self.aws(who, cluster.region, OPERATION).await)?;
                    let lasts = lent.lasts;
                    let keys = lent.keys(who)?;
                    Ok(super::eks::presign(&cluster, &keys, lasts, self.clock().now()))
                };
                self.cache.get(who.key(&["eks", &wanted.cluster]), who, OPERATION, make).await
            }
            Provider::Azure => access(self.azure(who, super::aks::SCOPE, OPERATION).await),
            Provider::Google => access(self.google(who, OPERATION).await),
        }
    }

    /// Where the cluster is.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn find_cluster(&self, who: &Who, wanted: &Wanted) -> Result<Found, Error> {
        if wanted.provider == Provider::Generic || wanted.is_told() {
            let address = given(&wanted.address)?;
            return Ok(Found { address, authority: wanted.authority.clone() });
        }
        choose(wanted, self.described(who, wanted).await?)
    }

    /// What the cloud says: each address with its authority.
    async fn described(&self, who: &Who, wanted: &Wanted) -> Result<Vec<Found>, Error> {
        let make = async {
            let found = match wanted.provider {
                Provider::Aws => self.describe_eks(who, &wanted.cluster, OPERATION).await?,
                Provider::Azure => self.describe_aks(who, &wanted.cluster, OPERATION).await?,
                Provider::Google => self.describe_gke(who, &wanted.cluster, OPERATION).await?,
                Provider::Generic => Vec::new(),
            };
            let pairs: Vec<_> = found.iter().map(|found| [&found.address, &found.authority]).collect();
            Ok(Lent { token: Token::Text(json!(pairs).to_string().into()), lasts: TOLD_FOR })
        };
        let key = who.key(&["described", &format!("{:?}", wanted.provider), &wanted.cluster]);
        let text = self.cache.text(key, who, OPERATION, make).await?;
        let pairs: Vec<[String; 2]> = serde_json::from_str(text.expose_secret()).unwrap_or_default();
        Ok(pairs.into_iter().map(|[address, authority]| Found { address, authority }).collect())
    }

    /// A token of our own cluster for the account, or for the controller itself when none is named.
    async fn generic_token(&self, who: &Who, wanted: &Wanted) -> Result<Lent, Error> {
        let account = match &who.account {
            Some(account) => account.clone(),
            None => self.account_of_controller(&who.namespace)?,
        };
        let address = [wanted.address.as_str()];
        let audiences: Vec<&str> = match wanted.audiences.as_slice() {
            [] => address.to_vec(),
            named => named.iter().map(String::as_str).collect(),
        };
        let make = async {
            let token = self.client.account_token(&account.namespace, &account.name, &audiences).await;
            let token =
                token.map_err(|e| Error::Token { place: account.place.clone(), source: Box::new(e) })?;
            let lasts = ends(&token).map_or(UNKNOWN_END, |end| self.clock().until(end));
            Ok(Lent { token: Token::Text(token), lasts })
        };
        let key = who.key(&["generic", &account.place, &json!(audiences).to_string()]);
        self.cache.get(key, who, OPERATION, make).await
    }

    /// The controller's own account, for objects of its own namespace: a tenant could send its token wherever it likes.
    fn account_of_controller(&self, namespace: &str) -> Result<Account, Error> {
        let failed = |reason: String| Error::Exchange { who: "the controller".to_owned(), reason };
        let own = self.clouds.own.account.clone().ok_or_else(|| {
            failed(format!("failed to read service account token file {OWN_TOKEN}: open {OWN_TOKEN}: no such file or directory"))
        })?;
        if own.0 != namespace {
            return Err(failed(format!(
                "its own account is for objects of namespace '{}' alone: name one of namespace '{namespace}' in serviceAccountName",
                own.0
            )));
        }
        Ok(Account::unread(own))
    }

    /// Asks a service about a cluster.
    pub(super) async fn ask_about(
        &self,
        who: &Who,
        request: reqwest::RequestBuilder,
    ) -> Result<Value, String> {
        self.ask_json(who, request).await.map_err(|error| match error {
            Error::Exchange { reason, .. } => reason,
            other => other.chain(),
        })
    }
}

/// Picks among the addresses of a cluster.
fn choose(wanted: &Wanted, told: Vec<Found>) -> Result<Found, Error> {
    let is_checked = wanted.provider == Provider::Azure || wanted.word == Word::Clouds;
    let asked =
        match wanted.address.as_str() {
            "" => None,
            address if wanted.provider == Provider::Azure => Some(canonical(address).map_err(|why| {
                other(format!("failed to parse specified cluster address '{address}': {why}"))
            })?),
            address => Some(given(address)?),
        };
    let is_right = |found: &&Found| !is_checked || asked.as_ref().is_none_or(|asked| *asked == found.address);
    let found = told.iter().find(is_right).cloned().ok_or_else(|| nowhere(wanted, &told))?;
    let keeps = wanted.word == Word::Anybodys && !wanted.authority.is_empty();
    Ok(Found {
        address: asked.unwrap_or(found.address),
        authority: if keeps { wanted.authority.clone() } else { found.authority },
    })
}

fn nowhere(wanted: &Wanted, told: &[Found]) -> Error {
    let (what, cluster) = match wanted.provider {
        Provider::Azure => ("kubeconfig found for AKS", &wanted.cluster),
        Provider::Aws => ("address found for EKS", &wanted.cluster),
        _ => ("address found for GKE", &wanted.cluster),
    };
    if wanted.address.is_empty() {
        return other(format!("no {what} cluster {cluster}"));
    }
    let addresses: Vec<_> = told.iter().map(|found| format!("'{}'", found.address)).collect();
    other(format!(
        "no {what} cluster {cluster} matching the specified address '{}'. cluster addresses: [{}]",
        wanted.address,
        addresses.join(", ")
    ))
}

fn given(address: &str) -> Result<String, Error> {
    if address.is_empty() {
        return Err(other("cluster address is required to create a REST config".to_owned()));
    }
    canonical(address).map_err(|why| other(format!("failed to parse cluster address {address}: {why}")))
}

/// The address of a cluster as `https://host:port`.
pub(super) fn canonical(address: &str) -> Result<String, String> {
    let full = if address.starts_with("http") { address.to_owned() } else { format!("https://{address}") };
    let url = reqwest::Url::parse(&full)
        .map_err(|why| format!("failed to parse Kubernetes API server address '{full}': {why}"))?;
    if url.scheme() != "https" {
        return Err(format!("the Kubernetes API server address '{full}' must use https scheme"));
    }
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    Ok(format!("https://{host}:{port}"))
}

/// A text that a stranger wrote as one step of a path; none for those that lead elsewhere.
pub(super) fn step(text: &str) -> Option<String> {
    (!matches!(text, "." | "..")).then(|| encode(text))
}

/// An authority in base64, as clouds write it.
pub(super) fn authority(text: &str) -> Result<String, String> {
    let bytes = STANDARD.decode(text).map_err(|why| why.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is no text".to_owned())
}

/// When a token of Kubernetes ends.
fn ends(token: &SecretString) -> Option<Timestamp> {
    let claims = URL_SAFE_NO_PAD.decode(token.expose_secret().split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims["exp"].as_i64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(provider: Provider, address: &str, authority: &str, word: Word) -> Wanted {
        let (cluster, audiences) = ("c".to_owned(), Vec::new());
        let (address, authority) = (address.to_owned(), authority.to_owned());
        Wanted { provider, cluster, address, authority, audiences, word }
    }

    fn found(address: &str, authority: &str) -> Found {
        Found { address: address.to_owned(), authority: authority.to_owned() }
    }

    #[test]
    fn addresses_of_clusters_are_https_with_a_port() {
        for (address, host) in [
            ("Example.com", "https://example.com:443"),
            ("https://10.0.0.1:6443/x?y", "https://10.0.0.1:6443"),
            ("https://[::1]", "https://[::1]:443"),
        ] {
            assert_eq!(canonical(address).as_deref(), Ok(host), "{address}");
        }
        let why = |address| given(address).map_err(|error| error.chain());
        let refused = "failed to parse cluster address http://x: the Kubernetes API server address 'http://x' must use https scheme";
        assert_eq!(why("http://x"), Err(refused.to_owned()));
        assert_eq!(why(""), Err("cluster address is required to create a REST config".to_owned()));
    }

    #[test]
    fn what_is_left_open_is_the_clouds_to_say() {
        let told = || vec![found("https://a:443", "A"), found("https://b:443", "B")];
        let got = |provider, address, authority, word| {
            choose(&wanted(provider, address, authority, word), told()).map_err(|error| error.chain())
        };
        for provider in [Provider::Aws, Provider::Azure, Provider::Google] {
            assert_eq!(got(provider, "", "", Word::Anybodys), Ok(found("https://a:443", "A")));
            assert_eq!(got(provider, "", "mine", Word::Anybodys), Ok(found("https://a:443", "mine")));
            // Who borrows the identity of our pod says nothing of certificates.
            assert_eq!(got(provider, "b", "mine", Word::Clouds), Ok(found("https://b:443", "B")));
            assert!(got(provider, "evil.example", "mine", Word::Clouds).is_err());
        }
        assert_eq!(got(Provider::Azure, "B", "", Word::Anybodys), Ok(found("https://b:443", "B")));
        let refused = "no kubeconfig found for AKS cluster c matching the specified address 'x'. cluster addresses: ['https://a:443', 'https://b:443']";
        assert_eq!(got(Provider::Azure, "x", "", Word::Anybodys), Err(refused.to_owned()));
        assert_eq!(got(Provider::Google, "x", "", Word::Anybodys), Ok(found("https://x:443", "A")));
        let none = choose(&wanted(Provider::Azure, "", "", Word::Anybodys), Vec::new());
        assert_eq!(
            none.map_err(|error| error.chain()),
            Err("no kubeconfig found for AKS cluster c".to_owned())
        );
    }
}
