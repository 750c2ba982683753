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
use zeroize::Zeroizing;

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
        let keys = self.aws(who, cluster.region, operation).await?.keys(who)?;
        let failed = |why: String| other(format!("failed to describe EKS cluster '{arn}': {why}"));
        let usual = || format!("https://eks.{}.{}", cluster.region, domain(cluster.region));
        let place = self.clouds.places.eks.clone().unwrap_or_else(usual);
        let url = reqwest::Url::parse(&format!("{place}/clusters/{}", cluster.name));
        let url = url.map_err(|why| failed(why.to_string()))?;
        let mut request = self.http(who)?.get(url.clone());
        for (name, value) in signed(&url, cluster.region, &keys, self.clock().now()) {
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
    let session = keys.session_token.as_ref().map(|token| token.expose_secret());
    let lines = match session {
        Some(token) => {
            names += ";x-amz-security-token";
            Zeroizing::new(["x-amz-security-token:", token, "\n"].concat())
        }
        None => Zeroizing::default(),
    };
    let head = format!("GET\n{}\n\nhost:{host}\nx-amz-date:{time}\n", url.path());
    let canonical = Zeroizing::new([&head, lines.as_str(), "\n", &names, "\n", &nothing()].concat());
    let scope = Scope { time: &time, region, service: "eks" };
    let signature = signature::sign(&canonical, &scope, &keys.secret_access_key);
    let id = &keys.access_key_id;
    let shown = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    let mut headers = vec![("x-amz-date", time.into()), ("authorization", shown.into())];
    headers.extend(keys.session_token.clone().map(|token| ("x-amz-security-token", token)));
    headers
}

/// The token for a cluster: a question to STS that only whoever has the keys can ask, and only about that cluster. It
/// names STS of the region whatever stands in for that here, because the cluster sends it there. It ends with the keys,
/// which `last` for so long.
pub(super) fn presign(cluster: &Cluster<'_>, keys: &Keys, last: Duration, now: Timestamp) -> Lent {
    let time = written(now);
    let host = format!("sts.{}.{}", cluster.region, domain(cluster.region));
    let scope = Scope { time: &time, region: cluster.region, service: "sts" };
    let names = format!("host;{HEADER}");
    let (credential, lasts) = (format!("{}/{scope}", keys.access_key_id), LASTS.as_secs().to_string());
    let mut query = vec![
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &time),
        ("X-Amz-Expires", &lasts),
    ];
    if let Some(token) = &keys.session_token {
        query.push(("X-Amz-Security-Token", token.expose_secret()));
    }
    query.push(("X-Amz-SignedHeaders", &names));
    let pair = |(name, value): &(&str, &str)| [name, "=", &Zeroizing::new(encode(value))].concat();
    let pairs: Zeroizing<Vec<String>> = Zeroizing::new(query.iter().map(pair).collect());
    let query = Zeroizing::new(pairs.join("&"));
    let rest = format!("\nhost:{host}\n{HEADER}:{}\n\n{names}\n{}", cluster.name, nothing());
    let canonical = Zeroizing::new(["GET\n/\n", &query, &rest].concat());
    let signature = signature::sign(&canonical, &scope, &keys.secret_access_key);
    let url = ["https://", &host, "/?", &query, "&X-Amz-Signature=", &signature].concat();
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(url).as_bytes()));
    Lent { token: Token::Text(["k8s-aws-v1.", &encoded].concat().into()), lasts: LASTS.min(last) }
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
    use std::time::Duration;

    use jiff::Timestamp;
    use sealfast_keys::aws_kms::Keys;

    use super::{Cluster, LASTS, presign};

    #[test]
    fn no_token_outlives_the_keys_that_signed_it() {
        let cluster = Cluster { region: "eu-west-1", name: "a" };
        let keys =
            Keys { access_key_id: "id".to_owned(), secret_access_key: "s".into(), session_token: None };
        for (last, wanted) in [(Duration::from_secs(90), Duration::from_secs(90)), (LASTS * 4, LASTS)] {
            assert_eq!(presign(&cluster, &keys, last, Timestamp::UNIX_EPOCH).lasts, wanted);
        }
    }

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
