//! Buckets of Amazon S3 and of stores that speak like it.
//!
//! Requests are signed here (AWS Signature Version 4).
//!
//! Who asks is found as for keys of AWS KMS.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use sealfast_keys::aws_kms::{self, Found, Keys};
use sealfast_source::archive::hex;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::env;
use crate::sops::keyring::{self, Reach};
use crate::sops::publish::{client, percent, send};
use crate::sops::stop::Stop;

/// Uploads one object whole.
pub(super) fn put(bucket: &str, key: &str, content: Vec<u8>) -> Result<(), Stop> {
    let found = keyring::block_on(Reach::Services, aws_kms::find()).map_err(|wrong| {
        Stop::new(wrong.with_causes()).hint(
            "log in with `aws sso login`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    })?;
    let Found { keys, region, endpoint } = found;
    let endpoint = env::AWS_ENDPOINT_URL_S3.text().or(endpoint);
    let key_path = percent(key, true);
    let (base, path) = match endpoint {
        // Other stores seldom have a host name for each bucket.
        Some(endpoint) => {
            (endpoint.trim_end_matches('/').to_owned(), format!("/{}/{key_path}", percent(bucket, false)))
        }
        None => (format!("https://{bucket}.s3.{region}.amazonaws.com"), format!("/{key_path}")),
    };
    let host = base.split_once("://").map_or(base.as_str(), |(_, host)| host).to_owned();
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut headers = BTreeMap::from([
        ("host", Zeroizing::new(host)),
        ("x-amz-content-sha256", Zeroizing::new(hex(&Sha256::digest(&content)))),
        ("x-amz-date", Zeroizing::new(time)),
    ]);
    if let Some(session) = &keys.session_token {
        headers.insert("x-amz-security-token", Zeroizing::new(session.expose_secret().to_owned()));
    }
    let authorization = sign("PUT", &path, &headers, &keys, &region);
    let mut request =
        client()?.put(format!("{base}{path}")).header("Authorization", authorization).body(content);
    for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
        request = request.header(name, value.as_str());
    }
    send(request, &format!("s3://{bucket}/{key}")).map(drop)
}

/// The `Authorization` header of a request without a query.
fn sign(
    method: &str,
    path: &str,
    headers: &BTreeMap<&str, Zeroizing<String>>,
    keys: &Keys,
    region: &str,
) -> String {
    let header = |name| headers.get(name).map(|value| value.as_str()).unwrap_or_default();
    // As large as it gets, so that nothing is left where it was before it grew.
    let length = headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut lines = Zeroizing::new(String::with_capacity(length));
    for part in headers.iter().flat_map(|(name, value)| [name, ":", value.as_str(), "\n"]) {
        lines.push_str(part);
    }
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let content = header("x-amz-content-sha256");
    let mut request = Sha256::new();
    for part in [method, "\n", path, "\n\n", &lines, "\n", &names, "\n", content] {
        request.update(part);
    }
    let time = header("x-amz-date");
    let day = time.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&request.finalize()));
    let first = Zeroizing::new(format!("AWS4{}", keys.secret_access_key.expose_secret()));
    let steps = [day, region, "s3", "aws4_request"];
    let key = steps.iter().fold(Zeroizing::new(first.as_bytes().to_vec()), |key, step| {
        Zeroizing::new(hash(&key, step.as_bytes()))
    });
    let signature = hex(&hash(&key, text.as_bytes()));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        keys.access_key_id
    )
}

fn hash(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sealfast_keys::aws_kms::Keys;
    use zeroize::Zeroizing;

    use super::sign;

    /// The example of Amazon's own description of signatures, "GET Object".
    #[test]
    fn requests_are_signed_as_described() {
        let keys = Keys {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let headers = BTreeMap::from(
            [
                ("host", "examplebucket.s3.amazonaws.com".to_owned()),
                ("range", "bytes=0-9".to_owned()),
                ("x-amz-content-sha256", nothing.to_owned()),
                ("x-amz-date", "20130524T000000Z".to_owned()),
            ]
            .map(|(name, value)| (name, Zeroizing::new(value))),
        );
        let signed = sign("GET", "/test.txt", &headers, &keys, "us-east-1");
        assert!(
            signed.ends_with("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{signed}"
        );
    }
}
