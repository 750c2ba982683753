//! AWS: the role in an annotation, taken on by STS.
//!
//! Follows: the API reference of STS (`AssumeRoleWithWebIdentity`), and EKS Pod Identity.

use std::sync::LazyLock;

use sealfast_keys::aws_kms::Keys;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::cache::{Lent, Token};
use super::own::{self, Aws};
use super::{Account, Error, Identities, Who};
use crate::clock::Clock;

/// Whom the account's token is for.
pub(super) const AUDIENCE: &str = "sts.amazonaws.com";
const ANNOTATION: &str = "eks.amazonaws.com/role-arn";
const PATTERN: &str = r"^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$";
static ROLE: LazyLock<sealfast_re2::Regex> =
    LazyLock::new(|| sealfast_re2::compile(PATTERN).expect("holds because a test compiles it"));
/// The longest name of a session.
const LONGEST_SESSION: usize = 64;

/// The role that the account may take on.
pub(super) fn role(account: &Account) -> Result<String, Error> {
    let role = account.annotation(ANNOTATION);
    if is_role(role) {
        return Ok(role.to_owned());
    }
    Err(account.wrong(format!("invalid {ANNOTATION} annotation: '{role}'. must match {PATTERN}")))
}

fn is_role(text: &str) -> bool {
    ROLE.is_match(text)
}

/// Whether a region may be a part of a host name: no more than that.
pub(super) fn is_label(region: &str) -> bool {
    let is_inside = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_inside && !region.is_empty() && !region.starts_with('-') && !region.ends_with('-')
}

/// The end of host names in a region.
pub(super) fn domain(region: &str) -> &'static str {
    let domains = [
        ("cn-", "amazonaws.com.cn"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("eusc-", "amazonaws.eu"),
    ];
    let found = domains.iter().find(|(start, _)| region.starts_with(start));
    found.map_or("amazonaws.com", |(_, domain)| domain)
}

impl Identities {
    /// Takes on a role.
    pub(super) async fn assume(
        &self,
        who: &Who,
        role: &str,
        session: &str,
        region: &str,
        token: &SecretString,
    ) -> Result<Lent, Error> {
        if !is_label(region) {
            return Err(who.refused(format!("'{region}' is no region of AWS")));
        }
        let sts = self.clouds.places.sts.clone();
        let sts = sts.unwrap_or_else(|| format!("https://sts.{region}.{}", domain(region)));
        let session: String = session.chars().take(LONGEST_SESSION).collect();
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", &session),
            ("WebIdentityToken", token.expose_secret()),
        ];
        let answer = self.ask(who, self.http(who)?.post(format!("{sts}/")).form(&form)).await?;
        let text = std::str::from_utf8(&answer).unwrap_or_default();
        let part = |name| element(text, name).ok_or_else(|| incomplete(who));
        credentials(
            self.clock(),
            part("AccessKeyId")?,
            part("SecretAccessKey")?,
            part("SessionToken")?,
            part("Expiration")?,
        )
        .ok_or_else(|| incomplete(who))
    }

    pub(super) async fn own_aws(&self, who: &Who, region: &str) -> Result<Lent, Error> {
        match &self.clouds.own.aws {
            Some(Aws::Role { role, token_file }) => {
                let token = own::token(token_file).await.map_err(|reason| who.refused(reason))?;
                self.assume(who, role, "sealfast", region, &token).await
            }
            Some(Aws::Agent { address, token_file }) => {
                let token = own::token(token_file).await.map_err(|reason| who.refused(reason))?;
                let request = self.near(who)?.get(address).header("authorization", token.expose_secret());
                let answer = self.ask_json(who, request).await?;
                from_agent(self.clock(), &answer).ok_or_else(|| incomplete(who))
            }
            None => Err(who.refused("no IAM role is bound to the pod of the controller".to_owned())),
        }
    }
}

fn incomplete(who: &Who) -> Error {
    who.refused("the answer has no credentials".to_owned())
}

fn from_agent(clock: &Clock, answer: &Value) -> Option<Lent> {
    let part = |name: &str| answer[name].as_str();
    credentials(clock, part("AccessKeyId")?, part("SecretAccessKey")?, part("Token")?, part("Expiration")?)
}

fn credentials(clock: &Clock, id: &str, secret: &str, session: &str, until: &str) -> Option<Lent> {
    let lasts = clock.until(until.parse().ok()?);
    let keys = Keys {
        access_key_id: id.to_owned(),
        secret_access_key: SecretString::from(secret),
        session_token: Some(SecretString::from(session)),
    };
    Some(Lent { token: Token::Aws(keys), lasts })
}

/// The text of an element of XML that has none within.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    (!text.is_empty() && !text.contains(['<', '&'])).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{domain, element, is_label, is_role};

    #[test]
    fn roles_are_arns_of_every_partition() {
        for (role, region, end) in [
            ("arn:aws:iam::123456789012:role/keys", "eu-west-1", "amazonaws.com"),
            ("arn:aws-us-gov:iam::1:role/a/b", "us-gov-west-1", "amazonaws.com"),
            ("arn:aws-cn:iam::1:role/a", "cn-north-1", "amazonaws.com.cn"),
        ] {
            assert!(is_role(role) && is_label(region) && domain(region) == end, "{role}");
        }
        for wrong in ["", "arn:aws:iam::123:user/a", "arn:aws:iam::x:role/a", "arn:aws:iam::1:role/"] {
            assert!(!is_role(wrong), "{wrong}");
        }
    }

    #[test]
    fn elements_hold_plain_text() {
        assert_eq!(element("<a><b>x</b></a>", "b"), Some("x"));
        assert_eq!(element("<a><b>x</b></a>", "a"), None);
        assert_eq!(element("<a></a>", "a"), None);
    }
}
