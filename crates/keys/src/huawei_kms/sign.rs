//! Signatures of requests to Huawei Cloud: `SDK-HMAC-SHA256`.
//!
//! Follows: "Signing API requests with AK/SK" of the cloud's developer guide.

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use reqwest::Method;
use sealfast_sops::time::Time;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::Keys;

const ALGORITHM: &str = "SDK-HMAC-SHA256";
const JSON: &str = "application/json";

/// A request before it is signed.
pub(super) struct Unsigned<'a> {
    pub(super) method: Method,
    /// `scheme://host[:port]`.
    pub(super) base: &'a str,
    pub(super) path: &'a str,
    /// Sorted and escaped.
    pub(super) query: &'a str,
    pub(super) body: Bytes,
}

impl Unsigned<'_> {
    pub(super) fn url(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{}", self.base, self.path, self.query)
    }

    fn host(&self) -> &str {
        self.base.split_once("://").map_or(self.base, |(_, host)| host)
    }
}

/// Returns the headers of a signed request; the client adds the host by itself.
pub(super) fn headers(
    request: &Unsigned<'_>,
    project: Option<&str>,
    keys: &Keys,
    now: Time,
) -> Result<Vec<(&'static str, String)>, &'static str> {
    let date: String = now.to_seconds().chars().filter(|char| !"-:".contains(*char)).collect();
    if date.len() != "20060102T150405Z".len() {
        return Err("the clock is not in UTC");
    }
    // In the order of their names, as they are signed.
    let mut headers = vec![("content-type", JSON.to_owned()), ("host", request.host().to_owned())];
    headers.extend(project.map(|project| ("x-project-id", project.to_owned())));
    headers.push(("x-sdk-date", date.clone()));
    if let Some(token) = &keys.security_token {
        headers.push(("x-security-token", token.expose_secret().to_owned()));
    }
    let authorization = authorization(request, &headers, &date, keys)?;
    headers.retain(|(name, _)| *name != "host");
    headers.push(("authorization", authorization));
    Ok(headers)
}

fn authorization(
    request: &Unsigned<'_>,
    headers: &[(&str, String)],
    date: &str,
    keys: &Keys,
) -> Result<String, &'static str> {
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let slash = if request.path.ends_with('/') { "" } else { "/" };
    let canonical = format!(
        "{}\n{}{slash}\n{}\n{lines}\n{names}\n{}",
        request.method,
        request.path,
        request.query,
        hex(&Sha256::digest(&request.body))
    );
    let to_sign = format!("{ALGORITHM}\n{date}\n{}", hex(&Sha256::digest(canonical)));
    let mut mac = Hmac::<Sha256>::new_from_slice(keys.secret_key.expose_secret().as_bytes())
        .map_err(|_| "the secret key cannot sign")?;
    mac.update(to_sign.as_bytes());
    let signature = hex(&mac.finalize().into_bytes());
    Ok(format!("{ALGORITHM} Access={}, SignedHeaders={names}, Signature={signature}", keys.access_key))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::Method;
    use sealfast_sops::time::Time;
    use secrecy::SecretString;

    use super::{Keys, Unsigned, headers};

    /// The worked example of the developer guide.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let request = Unsigned {
            method: Method::GET,
            base: "https://service.region.example.com",
            path: "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs",
            query: "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
            body: Bytes::new(),
        };
        let keys = Keys {
            access_key: "QTWAOYTTINDUT2QVKYUC".to_owned(),
            secret_key: SecretString::from("MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"),
            security_token: None,
        };
        let Ok(now) = Time::parse("2019-11-15T03:36:55Z") else { unreachable!("the time is good") };
        let headers = headers(&request, None, &keys, now).unwrap_or_default();
        let authorization = headers.last().map(|(_, value)| value.as_str()).unwrap_or_default();
        assert_eq!(
            authorization,
            "SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders=content-type;host;x-sdk-date, \
             Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
        );
    }
}
