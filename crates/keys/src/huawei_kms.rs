//! Huawei Cloud KMS: two calls of its REST interface, signed with an access key.
//!
//! A key is named `region:uuid`; the region gives the host. The project is looked up by the name of the region unless it
//! is known.
//!
//! Follows: `hckms/keysource.go` of sops 3.13.2, and for credentials and projects the provider chain of the SDK it uses.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::{Client, Method};
use sealfast_sops::time::Time;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::error::{CloudService, Error};
use crate::http::{self, Secret, clean};

mod sign;

use sign::Unsigned;

/// As people name the service.
const SERVICE: &str = "HuaweiCloud KMS";
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";
/// How long an access key of the machine is used when it does not say, in seconds.
const USUAL_LIFE: i64 = 3600;
/// So many seconds before its end another one is asked for.
const EARLY: i64 = 300;
/// Where a machine of the cloud finds what it may do.
const METADATA: &str = "http://169.254.169.254";

/// What is needed to ask Huawei Cloud KMS.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Who asks.
    pub credentials: Credentials,
    /// The project; it is looked up by the name of the region when it is not given.
    pub project: Option<String>,
    /// URLs instead of the region's own, for stand-ins.
    pub endpoints: Option<Endpoints>,
    /// Where the time of a signature comes from; nothing can be signed without it.
    pub clock: Option<fn() -> Time>,
}

/// Who asks Huawei Cloud KMS.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Nobody: Huawei is not asked.
    #[default]
    None,
    /// An access key.
    Keys(Keys),
    /// The agency of the machine that this process runs on.
    Machine,
}

/// An access key.
#[derive(Clone)]
pub struct Keys {
    /// Its id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretString,
    /// The token of a temporary key.
    pub security_token: Option<SecretString>,
}

/// Where the services are, as URLs without a slash at their end.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The key service.
    pub kms: String,
    /// The service that knows projects.
    pub iam: String,
    /// The service that knows the machine.
    pub metadata: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What was looked up in this run: the access key of the machine, projects by region.
#[derive(Default)]
pub(crate) struct Known {
    keys: Mutex<Option<Lent>>,
    projects: Mutex<HashMap<String, String>>,
}

/// An access key that the machine gave, and the second since 1970 in which another one is asked for.
struct Lent {
    keys: Keys,
    until: i64,
}

/// A key as a document names it.
#[derive(Debug)]
pub(crate) struct Key<'a> {
    region: &'a str,
    uuid: &'a str,
}

#[derive(Serialize)]
struct EncryptData<'a> {
    key_id: &'a str,
    plain_text: &'a str,
    encryption_algorithm: &'a str,
}

#[derive(Serialize)]
struct DecryptData<'a> {
    cipher_text: &'a str,
    encryption_algorithm: &'a str,
    key_id: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    cipher_text: Option<String>,
    plain_text: Option<Secret>,
}

#[derive(Deserialize)]
struct ProjectList {
    projects: Vec<Project>,
}

#[derive(Deserialize)]
struct Project {
    id: String,
}

#[derive(Deserialize)]
struct MachineKeys {
    credential: MachineKey,
}

#[derive(Deserialize)]
struct MachineKey {
    access: String,
    secret: Secret,
    securitytoken: Secret,
    expires_at: Option<String>,
}

/// Checks that a text is the id of a key.
///
/// # Errors
/// [`Error::KeyId`] when it is not `region:uuid`.
pub fn check_key_id(text: &str) -> Result<(), Error> {
    Key::parse(text).map(drop)
}

/// A call that goes out: what to do is the last step of its path.
struct Call<'a> {
    access: &'a Access,
    known: &'a Known,
    client: &'a Client,
    action: &'static str,
}

impl<'a> Key<'a> {
    /// Takes a key id apart.
    pub(crate) fn parse(key_id: &'a str) -> Result<Self, Error> {
        let is_region = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        match key_id.split_once(':').map(|(region, uuid)| (region.trim(), uuid.trim())) {
            Some((region, uuid)) if is_region(region) && !uuid.is_empty() => Ok(Self { region, uuid }),
            _ => Err(Error::KeyId { service: CloudService::Huawei, text: key_id.to_owned() }),
        }
    }

    /// Opens a wrapped data key or share.
    pub(crate) async fn unwrap(
        &self,
        enc: &str,
        access: &Access,
        known: &Known,
        client: &Client,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let call = Call { access, known, client, action: "decrypt" };
        let question = DecryptData { cipher_text: enc, encryption_algorithm: ALGORITHM, key_id: self.uuid };
        let answer = call.kms(self.region, &question).await?;
        match answer.plain_text.map(|text| STANDARD.decode(text.0.expose_secret())) {
            Some(Ok(secret)) => Ok(Zeroizing::new(secret)),
            Some(Err(_)) => Err(call.failed("the answer's plaintext is no base64")),
            None => Err(call.failed("the answer has no plaintext")),
        }
    }

    /// Wraps a data key or share.
    pub(crate) async fn wrap(
        &self,
        secret: &[u8],
        access: &Access,
        known: &Known,
        client: &Client,
    ) -> Result<String, Error> {
        let call = Call { access, known, client, action: "encrypt" };
        let plaintext = Zeroizing::new(STANDARD.encode(secret));
        let question =
            EncryptData { key_id: self.uuid, plain_text: &plaintext, encryption_algorithm: ALGORITHM };
        let answer = call.kms(self.region, &question).await?;
        answer.cipher_text.ok_or_else(|| call.failed("the answer has no ciphertext"))
    }
}

impl Endpoints {
    /// The cloud's own hosts of a region.
    fn of(region: &str) -> Self {
        let country =
            if region.starts_with("eu-west-1") && region.len() > "eu-west-1".len() { "eu" } else { "com" };
        Self {
            kms: format!("https://kms.{region}.myhuaweicloud.{country}"),
            iam: format!("https://iam.{region}.myhuaweicloud.{country}"),
            metadata: METADATA.to_owned(),
        }
    }
}

impl Call<'_> {
    async fn kms(&self, region: &str, question: &impl Serialize) -> Result<Answer, Error> {
        let endpoints = self.access.endpoints.clone().unwrap_or_else(|| Endpoints::of(region));
        let keys = self.keys(&endpoints).await?;
        let project = self.project(region, &endpoints, &keys).await?;
        let body = http::secret_json(question).map_err(|reason| self.failed(&reason))?;
        let path = format!("/v1.0/{project}/kms/{}-data", self.action);
        let unsigned = Unsigned { method: Method::POST, base: &endpoints.kms, path: &path, query: "", body };
        self.ask(&unsigned, Some(&project), &keys).await
    }

    async fn keys(&self, endpoints: &Endpoints) -> Result<Keys, Error> {
        match &self.access.credentials {
            Credentials::None => Err(missing("none were given")),
            Credentials::Keys(keys) => Ok(keys.clone()),
            Credentials::Machine => {
                let now = seconds(&self.now()?.to_string()).unwrap_or_default();
                // Who comes meanwhile waits for the same key.
                let mut known = self.known.keys.lock().await;
                match &*known {
                    Some(lent) if now < lent.until => Ok(lent.keys.clone()),
                    _ => {
                        let lent = self.machine(&endpoints.metadata, now).await?;
                        Ok(known.insert(lent).keys.clone())
                    }
                }
            }
        }
    }

    fn now(&self) -> Result<Time, Error> {
        Ok(self.access.clock.ok_or_else(|| self.failed("there is no clock to sign with"))?())
    }

    async fn machine(&self, metadata: &str, now: i64) -> Result<Lent, Error> {
        let url = format!("{metadata}/openstack/latest/securitykey");
        let response = self.client.get(url).send().await.map_err(|error| missing(&http::words(&error)))?;
        let status = response.status();
        if !status.is_success() {
            return Err(missing(&format!("the metadata service answered {status}")));
        }
        let body = http::body(response).await.map_err(|reason| missing(&reason))?;
        let keys: MachineKeys =
            serde_json::from_slice(&body).map_err(|_| missing("the metadata service gave no access key"))?;
        let MachineKey { access, secret, securitytoken, expires_at } = keys.credential;
        let end = expires_at.as_deref().and_then(seconds).unwrap_or(now + USUAL_LIFE);
        let keys = Keys { access_key: access, secret_key: secret.0, security_token: Some(securitytoken.0) };
        Ok(Lent { keys, until: end - EARLY })
    }

    async fn project(&self, region: &str, endpoints: &Endpoints, keys: &Keys) -> Result<String, Error> {
        if let Some(project) = &self.access.project {
            return Ok(project.clone());
        }
        let mut projects = self.known.projects.lock().await;
        if let Some(project) = projects.get(region) {
            return Ok(project.clone());
        }
        let query = format!("name={region}");
        let unsigned = Unsigned {
            method: Method::GET,
            base: &endpoints.iam,
            path: "/v3/projects",
            query: &query,
            body: Bytes::new(),
        };
        let list: ProjectList = self.ask(&unsigned, None, keys).await?;
        let project = list.projects.into_iter().next().map(|project| project.id);
        let project = project.ok_or_else(|| missing(&format!("there is no project for region {region}")))?;
        projects.insert(region.to_owned(), project.clone());
        Ok(project)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        unsigned: &Unsigned<'_>,
        project: Option<&str>,
        keys: &Keys,
    ) -> Result<T, Error> {
        let now = self.now()?;
        let headers = sign::headers(unsigned, project, keys, now).map_err(|reason| self.failed(reason))?;
        let mut request =
            self.client.request(unsigned.method.clone(), unsigned.url()).body(unsigned.body.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| self.failed(&http::words(&error)))?;
        let status = response.status();
        let body = http::body(response).await.map_err(|reason| self.failed(&reason))?;
        if !status.is_success() {
            return Err(self.failed(&clean(&format!("{status}{}", complaint(&body)))));
        }
        serde_json::from_slice(&body).map_err(|_| self.failed("the answer is not what the service answers"))
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Cloud { action: self.action, service: SERVICE.to_owned(), reason: reason.to_owned() }
    }
}

/// Reads the code and the message of a refusal; services put them at one of two places.
fn complaint(body: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let inner = answer.get("error").unwrap_or(&answer);
    let text = |name| inner.get(name).and_then(serde_json::Value::as_str);
    let parts = [text("error_code").or(text("code")), text("error_msg").or(text("message"))];
    parts.into_iter().flatten().map(|part| format!(": {part}")).collect()
}

/// Reads a time as seconds since 1970.
fn seconds(time: &str) -> Option<i64> {
    time.parse().map(jiff::Timestamp::as_second).ok()
}

fn missing(reason: &str) -> Error {
    Error::Credentials { service: SERVICE, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Endpoints, Key};

    #[test]
    fn key_ids_are_a_region_and_a_name() {
        assert!(
            Key::parse("tr-west-1:1234").is_ok_and(|key| key.region == "tr-west-1" && key.uuid == "1234")
        );
        for wrong in ["", "a", ":b", "a:", "evil.example/:b"] {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Endpoints::of("tr-west-1").kms, "https://kms.tr-west-1.myhuaweicloud.com");
        assert_eq!(Endpoints::of("eu-west-101").kms, "https://kms.eu-west-101.myhuaweicloud.eu");
    }
}
