//! EKS: where AWS says that a cluster is, and a signed question as the token.
//!
//! Follows: `DescribeCluster` of the API reference of EKS; the tokens of `aws-iam-authenticator`, which are the address of a
//! presigned `GetCallerIdentity`, signed together with the cluster's name.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sealfast_cluster::client::request::encode;
use sealfast_keys::aws_kms::Keys;
use sealfast_source::archive::hex;
use sealfast_source::provider::signature::{self, ALGORITHM, Scope};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::aws::{domain, is_label};
use super::cache::{Lent, Token};
use super::clusters::{Found, authority, canonical, other};
use super::{Error, Identities, Who};

const PATTERN: &str = r"^arn:aws[\w-]*:eks:([^:]{1,100}):[0-9]{1,30}:cluster/(.{1,200})$";
static CLUSTER: LazyLock<sealfast_re2::Regex> =
    LazyLock::new(|| sealfast_re2::compile(PATTERN).expect("holds because a test compiles it"));
const HEADER: &str = "x-k8s-aws-id";
/// EKS takes a token for so long.
const LASTS: Duration = Duration::from_secs(15 * 60);

/// A cluster by its ARN.
pub(super) struct Cluster<'a> {
    pub(super) region: &'a str,
    name: &'a str,
}

impl<'a> Cluster<'a> {
    /// Reads an ARN. A stranger wrote it, and both parts go into addresses.
    pub(super) fn parse(arn: &'a str) -> Result<Cluster<'a>, Error> {
        let find = || {
            let parts: Vec<&str> = CLUSTER.is_match(arn).then(|| arn.splitn(6, ':').collect())?;
            let (region, name) = (*parts.get(3)?, parts.get(5)?.strip_prefix("cluster/")?);
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            (is_label(region) && is_name).then_some(Cluster { region, name })
        };
        find().ok_or_else(|| other(format!("invalid EKS cluster ARN: '{arn}'. must match {PATTERN}")))
    }
}

impl Identities {
    pub(super) async fn describe_eks(
        &self,
        who: &Who,
        arn: &str,
        operation: &'static str,
    ) -> Result<Vec<Found>, Error> {
        let cluster = Cluster::parse(arn)?;
        let keys = self.aws(who, cluster.region, operation).await?;
        let failed = |why: String| other(format!("failed to describe EKS cluster '{arn}': {why}"));
        let usual = || format!("https://eks.{}.{}", cluster.region, domain(cluster.region));
        let place = self.clouds.places.eks.clone().unwrap_or_else(usual);
        let url = reqwest::Url::parse(&format!("{place}/clusters/{}", cluster.name));
        let url = url.map_err(|why| failed(why.to_string()))?;
        let mut request = self.http(who)?.get(url.clone());
        for (name, value) in signed(&url, cluster.region, &keys, Timestamp::now()) {
            request = request.header(name, value.expose_secret());
        }
        let answer = self.ask_about(who, request).await.map_err(failed)?;
        let cluster = &answer["cluster"];
        let address = cluster["endpoint"].as_str().ok_or_else(|| failed("it has no endpoint".to_owned()))?;
        let authority = authority(cluster["certificateAuthority"]["data"].as_str().unwrap_or_default())
            .map_err(|why| other(format!("failed to decode EKS CA certificate: {why}")))?;
        Ok(vec![Found { address: canonical(address).map_err(failed)?, authority }])
    }
}

/// The headers of a signed question to EKS that has no body.
fn signed(
    url: &reqwest::Url,
    region: &str,
    keys: &Keys,
    now: Timestamp,
) -> Vec<(&'static str, SecretString)> {
    let time = written(now);
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let mut names = "host;x-amz-date".to_owned();
    let mut lines = format!("host:{host}\nx-amz-date:{time}\n");
    if let Some(token) = &keys.session_token {
        names += ";x-amz-security-token";
        lines += &format!("x-amz-security-token:{}\n", token.expose_secret());
    }
    let canonical = format!("GET\n{}\n\n{lines}\n{names}\n{}", url.path(), nothing());
    let scope = Scope { time: &time, region, service: "eks" };
    let signature = signature::sign(&canonical, &scope, &keys.secret_access_key);
    let id = &keys.access_key_id;
    let shown = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    let mut headers = vec![("x-amz-date", time.into()), ("authorization", shown.into())];
    headers.extend(keys.session_token.clone().map(|token| ("x-amz-security-token", token)));
    headers
}

/// The token for a cluster: a question to STS that only whoever has the keys can ask, and only about that cluster. It
/// names STS of the region whatever stands in for that here, because the cluster sends it there.
pub(super) fn presign(cluster: &Cluster<'_>, keys: &Keys, now: Timestamp) -> Lent {
    let time = written(now);
    let host = format!("sts.{}.{}", cluster.region, domain(cluster.region));
    let scope = Scope { time: &time, region: cluster.region, service: "sts" };
    let names = format!("host;{HEADER}");
    let mut query = vec![
        ("Action", "GetCallerIdentity".to_owned()),
        ("Version", "2011-06-15".to_owned()),
        ("X-Amz-Algorithm", ALGORITHM.to_owned()),
        ("X-Amz-Credential", format!("{}/{scope}", keys.access_key_id)),
        ("X-Amz-Date", time.clone()),
        ("X-Amz-Expires", LASTS.as_secs().to_string()),
    ];
    if let Some(token) = &keys.session_token {
        query.push(("X-Amz-Security-Token", token.expose_secret().to_owned()));
    }
    query.push(("X-Amz-SignedHeaders", names.clone()));
    let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let query = pairs.join("&");
    let lines = format!("host:{host}\n{HEADER}:{}\n", cluster.name);
    let canonical = format!("GET\n/\n{query}\n{lines}\n{names}\n{}", nothing());
    let signature = signature::sign(&canonical, &scope, &keys.secret_access_key);
    let url = format!("https://{host}/?{query}&X-Amz-Signature={signature}");
    let token = format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url));
    Lent { token: Token::Text(token.into()), lasts: LASTS }
}

/// The digest of no body.
fn nothing() -> String {
    hex(&Sha256::digest(""))
}

fn written(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::Cluster;

    #[test]
    fn clusters_are_arns_whose_parts_lead_nowhere_else() {
        let parsed = Cluster::parse("arn:aws-cn:eks:cn-north-1:123456789012:cluster/a_b-1");
        assert!(parsed.is_ok_and(|cluster| cluster.region == "cn-north-1" && cluster.name == "a_b-1"));
        for wrong in [
            "",
            "arn:aws:eks:eu-west-1:1:cluster/",
            "arn:aws:eks:evil.example/:1:cluster/a",
            "arn:aws:eks:evil.example#:1:cluster/a",
            "arn:aws:eks:-x:1:cluster/a",
            "arn:aws:eks:eu-west-1:1:cluster/..",
            "arn:aws:eks:eu-west-1:1:cluster/a/b",
            "arn:aws:eks:eu-west-1:1:cluster/a?b",
            "arn:aws:kms:eu-west-1:1:cluster/a",
        ] {
            assert!(Cluster::parse(wrong).is_err(), "{wrong}");
        }
    }
}
