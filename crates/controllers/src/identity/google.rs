//! Google Cloud: a federated token, and the account in an annotation on top.
//!
//! Follows: RFC 8693 at Google's STS, `generateAccessToken` of IAM credentials, and the metadata server of GKE.

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::cache::{Lent, Token};
use super::own::Google;
use super::{Account, Error, Identities, UNKNOWN_END, Who, lent};

const EMAIL: &str = "iam.gke.io/gcp-service-account";
const EMAIL_PATTERN: &str = r"^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$";
const PROVIDER: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
const PROVIDER_PATTERN: &str =
    r"^projects/\d{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// By this GKE knows an account by its address and not by a number.
const EMAIL_SCOPE: &str = "https://www.googleapis.com/auth/userinfo.email";

/// What annotations say; empty for what they do not.
#[derive(Default)]
pub(super) struct Identity {
    /// The service account of Google that is impersonated.
    pub(super) email: String,
    /// The provider of a cluster that is none of GKE's.
    pub(super) provider: String,
}

/// The workload identity pool of a cluster of GKE, and its provider.
pub(super) struct Pool {
    name: String,
    audience: String,
}

/// Reads the annotations.
pub(super) fn identity(account: &Account) -> Result<Identity, Error> {
    let part = |key: &str, pattern: &str| {
        let text = account.annotation(key);
        let fits =
            text.is_empty() || sealfast_re2::compile(pattern).is_ok_and(|pattern| pattern.is_match(text));
        match fits {
            true => Ok(text.to_owned()),
            false => Err(account.wrong(format!("invalid {key} annotation: '{text}'. must match {pattern}"))),
        }
    };
    Ok(Identity { email: part(EMAIL, EMAIL_PATTERN)?, provider: part(PROVIDER, PROVIDER_PATTERN)? })
}

impl Identities {
    pub(super) async fn google_for(
        &self,
        who: &Who,
        account: &Account,
        identity: &Identity,
    ) -> Result<Lent, Error> {
        let (whom, audience) = if identity.provider.is_empty() {
            let pool = self.pool.get_or_try_init(|| self.find_pool(who)).await?;
            (pool.name.clone(), pool.audience.clone())
        } else {
            let provider = format!("//iam.googleapis.com/{}", identity.provider);
            (provider.clone(), provider)
        };
        let token = self.token(account, &whom).await?;
        // Who becomes somebody else says there what for.
        let both = format!("{SCOPE} {EMAIL_SCOPE}");
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", &audience),
            ("scope", if identity.email.is_empty() { &both } else { SCOPE }),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", token.expose_secret()),
        ];
        let url = format!("{}/v1/token", self.clouds.places.google_sts);
        let federated = lent(who, &self.ask_json(who, self.http(who)?.post(url).form(&form)).await?)?;
        match identity.email.as_str() {
            "" => Ok(federated),
            email => self.impersonate(who, email, &federated.token).await,
        }
    }

    async fn impersonate(&self, who: &Who, email: &str, token: &Token) -> Result<Lent, Error> {
        let Token::Text(token) = token else {
            return Err(who.refused("the answer has no token".to_owned()));
        };
        let place = &self.clouds.places.google_iam;
        let url = format!("{place}/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
        let body = json!({"scope": [SCOPE, EMAIL_SCOPE], "lifetime": "3600s"});
        let request = self.http(who)?.post(url).bearer_auth(token.expose_secret()).json(&body);
        let answer = self.ask_json(who, request).await?;
        let parts = (answer["accessToken"].as_str(), answer["expireTime"].as_str());
        let (Some(token), Some(until)) = parts else {
            return Err(who.refused("the answer has no token".to_owned()));
        };
        let lasts = until.parse().map_or(UNKNOWN_END, |until| self.clock().until(until));
        Ok(Lent { token: Token::Text(token.to_owned().into()), lasts })
    }

    /// Asks the machine which cluster this is.
    async fn find_pool(&self, who: &Who) -> Result<Pool, Error> {
        let mut parts = Vec::new();
        for (path, what) in [
            ("project/project-id", "project ID"),
            ("instance/attributes/cluster-location", "location"),
            ("instance/attributes/cluster-name", "name"),
        ] {
            let text = self.ask(who, self.machine(who, path)?).await.map_err(|error| match error {
                Error::Exchange { who, reason } => {
                    let reason =
                        format!("failed to get GKE cluster {what} from the metadata service: {reason}");
                    Error::Exchange { who, reason }
                }
                other => other,
            })?;
            parts.push(String::from_utf8_lossy(&text).trim().to_owned());
        }
        let name = format!("{}.svc.id.goog", parts[0]);
        let [project, location, cluster] = [&parts[0], &parts[1], &parts[2]];
        let provider = format!(
            "https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{cluster}"
        );
        Ok(Pool { audience: format!("identitynamespace:{name}:{provider}"), name })
    }

    pub(super) async fn own_google(&self, who: &Who) -> Result<Lent, Error> {
        if self.clouds.own.google == Google::Unknown {
            return Err(
                who.refused("no account of Google Cloud is bound to the pod of the controller".to_owned())
            );
        }
        let scopes = format!("{SCOPE},{EMAIL_SCOPE}");
        let request = self.machine(who, "instance/service-accounts/default/token")?;
        let request = request.query(&[("scopes", scopes)]);
        lent(who, &self.ask_json(who, request).await?)
    }

    fn machine(&self, who: &Who, path: &str) -> Result<reqwest::RequestBuilder, Error> {
        let url = format!("{}/computeMetadata/v1/{path}", self.clouds.places.google_machine);
        Ok(self.near(who)?.get(url).header("metadata-flavor", "Google"))
    }
}
