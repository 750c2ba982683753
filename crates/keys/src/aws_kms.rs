//! AWS KMS: keys and aliases by ARN, roles, profiles, encryption contexts.
//!
//! The region comes from the ARN. A key that names a role is used after taking on that role (STS `AssumeRole`).
//!
//! Follows: `kms/keysource.go` of sops 3.13.2. Differs: with credentials that were given, profiles and the environment
//! are not looked at.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde_json::Value;

use crate::error::{CloudService, Error};

#[cfg(feature = "aws")]
mod call;

#[cfg(feature = "aws")]
pub(crate) use call::Clients;

/// As people name the service.
const SERVICE: &str = "AWS KMS";
/// As people name the cloud, where it is about no key.
#[cfg(feature = "aws")]
const CHAIN: &str = "AWS";
/// Where calls go when nothing names a region.
#[cfg(feature = "aws")]
const USUAL_REGION: &str = "us-east-1";

/// What is needed to ask AWS KMS.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Who asks.
    pub credentials: Credentials,
    /// A URL instead of the region's own, for stand-ins; none to ask the region, or what the chain of the SDK finds.
    pub endpoint: Option<String>,
    /// The name of this machine; it becomes part of the name of sessions when a role is taken on.
    pub host: String,
}

/// Who asks AWS KMS.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Nobody: AWS is not asked.
    #[default]
    None,
    /// An access key.
    Keys(Keys),
    /// Whoever the chain of the SDK finds: environment, profiles, SSO, web identity, container and instance metadata.
    Chain,
}

/// An access key.
#[derive(Clone)]
pub struct Keys {
    /// Its id, `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// The token of a session.
    pub session_token: Option<SecretString>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the fields that Flux's Secrets have: `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`.
    ///
    /// # Errors
    /// [`Error::Credentials`] when one of the first two is missing.
    pub fn from_fields(fields: &Value) -> Result<Self, Error> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let needed = |name: &'static str| {
            text(name).ok_or_else(|| Error::Credentials {
                service: SERVICE,
                reason: format!("`{name}` is missing"),
            })
        };
        Ok(Self {
            access_key_id: needed("aws_access_key_id")?.to_owned(),
            secret_access_key: SecretString::from(needed("aws_secret_access_key")?),
            session_token: text("aws_session_token").map(SecretString::from),
        })
    }
}

/// What the chain of the SDK found, for other services than KMS.
#[derive(Clone, Debug)]
pub struct Found {
    /// The access key: of a person, or of a session in a role.
    pub keys: Keys,
    /// The region of the environment or the profile, else `us-east-1`.
    pub region: String,
    /// The URL that the environment or the profile gives for all services.
    pub endpoint: Option<String>,
}

/// Asks the chain of the SDK who this is: environment, profiles with their roles, SSO, web identity, programs, container
/// and instance metadata.
///
/// # Errors
/// [`Error::Credentials`] when nothing gives an access key, [`Error::Unsupported`] without the feature `aws`.
pub async fn find() -> Result<Found, Error> {
    #[cfg(feature = "aws")]
    return Box::pin(call::find()).await;
    #[cfg(not(feature = "aws"))]
    std::future::ready(Err(Error::Unsupported { service: "kms" })).await
}

/// A key as a document names it.
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only read where AWS is part of the build"))]
pub(crate) struct Key<'a> {
    pub(crate) arn: &'a str,
    pub(crate) role: &'a str,
    pub(crate) context: &'a BTreeMap<String, String>,
    pub(crate) profile: &'a str,
}

/// Returns the region of the ARN of a key or an alias.
///
/// # Errors
/// [`Error::KeyId`] when it is no such ARN.
pub fn region(arn: &str) -> Result<&str, Error> {
    let find = || {
        let rest = arn.strip_prefix("arn:aws")?;
        let (partition, rest) = rest.split_once(":kms:")?;
        let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
        let (rest, name) = [":key/", ":alias/"].iter().find_map(|mark| rest.split_once(mark))?;
        let (region, account) = rest.rsplit_once(':')?;
        let is_account = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_host = !region.is_empty() && region.chars().all(is_word);
        (partition.chars().all(is_word) && is_host && is_account && !name.is_empty()).then_some(region)
    };
    find().ok_or_else(|| Error::KeyId { service: CloudService::Aws, text: arn.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::region;

    #[test]
    fn regions_come_from_keys_and_aliases_of_every_partition() {
        let found = |arn| region(arn).unwrap_or_default();
        assert_eq!(found("arn:aws:kms:eu-west-1:123:key/1234abcd"), "eu-west-1");
        assert_eq!(found("arn:aws-us-gov:kms:us-gov-west-1:123:alias/a/b"), "us-gov-west-1");
        assert_eq!(found("arn:aws-cn:kms:cn-north-1:123:key/mrk-1"), "cn-north-1");
        for wrong in [
            "arn:aws:sqs:x",
            "arn:aws:kms:eu-west-1:123:key/",
            "arn:aws:kms::123:key/a",
            "arn:aws:kms:eu-west-1:acc:key/a",
            "arn:aws:kms:evil.example/:123:key/a",
            " arn:aws:kms:eu-west-1:123:key/a",
            "",
        ] {
            assert!(region(wrong).is_err(), "{wrong}");
        }
    }
}
