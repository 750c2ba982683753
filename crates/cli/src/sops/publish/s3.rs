//! Buckets of Amazon S3 and of stores that speak like it.
//!
//! Requests are signed here (AWS Signature Version 4).
//!
//! Differs: keys come from `AWS_ACCESS_KEY_ID` or the shared credentials file; roles are not assumed.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::env;
use crate::sops::publish::{client, percent, send};
use crate::sops::stop::Stop;

const USUAL_REGION: &str = "us-east-1";

struct Keys {
    id: String,
    secret: SecretString,
    session: Option<String>,
}

/// Uploads one object whole.
pub(super) fn put(bucket: &str, key: &str, content: Vec<u8>) -> Result<(), Stop> {
    let keys = keys().ok_or_else(|| {
        Stop::new("there are no keys for Amazon S3")
            .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials")
    })?;
    let region = env::AWS_REGION.text().or_else(|| env::AWS_DEFAULT_REGION.text());
    let region = region.unwrap_or_else(|| USUAL_REGION.to_owned());
    let endpoint = env::AWS_ENDPOINT_URL_S3.text().or_else(|| env::AWS_ENDPOINT_URL.text());
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
        ("host", host),
        ("x-amz-content-sha256", hex(&Sha256::digest(&content))),
        ("x-amz-date", time),
    ]);
    if let Some(session) = &keys.session {
        headers.insert("x-amz-security-token", session.clone());
    }
    let authorization = sign("PUT", &path, &headers, &keys, &region);
    let mut request =
        client()?.put(format!("{base}{path}")).header("Authorization", authorization).body(content);
    for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
        request = request.header(name, value);
    }
    send(request, &format!("s3://{bucket}/{key}")).map(drop)
}

/// The `Authorization` header of a request without a query.
fn sign(method: &str, path: &str, headers: &BTreeMap<&str, String>, keys: &Keys, region: &str) -> String {
    let header = |name| headers.get(name).map(String::as_str).unwrap_or_default();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let request = format!("{method}\n{path}\n\n{lines}\n{names}\n{}", header("x-amz-content-sha256"));
    let time = header("x-amz-date");
    let day = time.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let first = Zeroizing::new(format!("AWS4{}", keys.secret.expose_secret()));
    let steps = [day, region, "s3", "aws4_request"];
    let key = steps.iter().fold(Zeroizing::new(first.as_bytes().to_vec()), |key, step| {
        Zeroizing::new(hash(&key, step.as_bytes()))
    });
    let signature = hex(&hash(&key, text.as_bytes()));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", keys.id)
}

fn hash(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keys() -> Option<Keys> {
    if let (Some(id), Some(secret)) = (env::AWS_ACCESS_KEY_ID.text(), env::AWS_SECRET_ACCESS_KEY.text()) {
        return Some(Keys { id, secret: secret.into(), session: env::AWS_SESSION_TOKEN.text() });
    }
    let usual = || env::HOME.path().map(|home| home.join(".aws/credentials"));
    let file = env::AWS_SHARED_CREDENTIALS_FILE.path().or_else(usual)?;
    let text = Zeroizing::new(std::fs::read_to_string(file).ok()?);
    from_file(&text, env::AWS_PROFILE.text().as_deref().unwrap_or("default"))
}

/// The keys of a profile in a shared credentials file.
fn from_file(text: &str, profile: &str) -> Option<Keys> {
    let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
    let mut is_here = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_here = name.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_here) {
            fields.insert(name.trim(), value.trim());
        }
    }
    Some(Keys {
        id: (*fields.get("aws_access_key_id")?).to_owned(),
        secret: (*fields.get("aws_secret_access_key")?).into(),
        session: fields.get("aws_session_token").map(|token| (*token).to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Keys, from_file, sign};

    /// The example of Amazon's own description of signatures, "GET Object".
    #[test]
    fn requests_are_signed_as_described() {
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session: None,
        };
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let headers = BTreeMap::from([
            ("host", "examplebucket.s3.amazonaws.com".to_owned()),
            ("range", "bytes=0-9".to_owned()),
            ("x-amz-content-sha256", nothing.to_owned()),
            ("x-amz-date", "20130524T000000Z".to_owned()),
        ]);
        let signed = sign("GET", "/test.txt", &headers, &keys, "us-east-1");
        assert!(
            signed.ends_with("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{signed}"
        );
    }

    #[test]
    fn profiles_are_told_apart() {
        let text = "[default]\naws_access_key_id = A\naws_secret_access_key = a\n[other]\naws_access_key_id=B\naws_secret_access_key=b\naws_session_token=t\n";
        assert_eq!(from_file(text, "default").map(|keys| keys.id).as_deref(), Some("A"));
        let other = from_file(text, "other");
        assert_eq!(other.and_then(|keys| keys.session).as_deref(), Some("t"));
        assert!(from_file(text, "none").is_none());
    }
}
