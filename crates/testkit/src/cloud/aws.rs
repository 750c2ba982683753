//! AWS KMS and STS: one key, one role, signatures checked.
//!
//! Follows: the API references of KMS (`Encrypt`, `Decrypt`), S3 (`PutObject`) and STS (`AssumeRole`, `AssumeRoleWithWebIdentity`), and
//! "Signature Version 4" of the general reference.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::wire::{Answer, Asked, Server, Wire};
use super::{hide, is_account, show};

/// The id of the access key that may use the key and take on the role.
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
/// Its secret.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// The role.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/keys";
/// What the workload shows for the role.
pub const WORKLOAD: &str = "who-the-workload-is";
/// The region of the key.
pub const REGION: &str = "eu-central-1";
/// The key.
pub const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// An alias of the key.
pub const ALIAS: &str = "arn:aws:kms:eu-central-1:123456789012:alias/sops";

const SESSION_KEY: &str = "ASIAEXAMPLE";
const SESSION_SECRET: &str = "secret-of-a-session";
const SESSION_TOKEN: &str = "token-of-a-session";

/// Starts KMS and STS on loopback.
///
/// # Errors
/// When no port is free.
pub fn start() -> Result<Server> {
    Server::start(&Wire::Plain, answer)
}

fn answer(asked: &Asked) -> Answer {
    let target = asked.header("x-amz-target");
    if let Some(action) = target.strip_prefix("TrentService.") {
        return match kms(asked, action) {
            Ok(body) => Answer::ok(&body),
            Err(error) => {
                let words = format!("{error:#}");
                let (kind, message) = words.split_once(": ").unwrap_or(("ValidationException", &words));
                Answer::with(400, &json!({ "__type": kind, "message": message }))
            }
        };
    }
    let done = if asked.method == "PUT" { upload(asked) } else { sts(asked) };
    match done {
        Ok(body) => Answer { status: 200, headers: vec![("content-type", "text/xml".to_owned())], body },
        Err(error) => {
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{error:#}</Message></Error>\
                 </ErrorResponse>"
            );
            Answer { status: 403, headers: vec![("content-type", "text/xml".to_owned())], body }
        }
    }
}

fn kms(asked: &Asked, action: &str) -> Result<Value> {
    ensure!(asked.header("content-type") == "application/x-amz-json-1.1", "another content type");
    authenticate(asked, "kms")?;
    let body = asked.json()?;
    let key = body["KeyId"].as_str().context("no KeyId")?;
    ensure!([KEY, ALIAS].contains(&key), "NotFoundException: Key '{key}' does not exist");
    let context: BTreeMap<String, String> =
        serde_json::from_value(body.get("EncryptionContext").cloned().unwrap_or_else(|| json!({})))?;
    let name = format!("{KEY} {context:?}");
    let bytes =
        |name: &str| Ok::<_, anyhow::Error>(STANDARD.decode(body[name].as_str().context("no bytes")?)?);
    match action {
        "Encrypt" => {
            let blob = STANDARD.encode(hide(&name, &bytes("Plaintext")?));
            Ok(json!({ "KeyId": KEY, "CiphertextBlob": blob, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }))
        }
        "Decrypt" => {
            let shown =
                show(&name, &bytes("CiphertextBlob")?).context("InvalidCiphertextException: it is not")?;
            let plaintext = STANDARD.encode(shown);
            Ok(json!({ "KeyId": KEY, "Plaintext": plaintext, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }))
        }
        action => bail!("UnknownOperationException: {action}"),
    }
}

fn sts(asked: &Asked) -> Result<String> {
    let field = |name: &str| asked.form(name).unwrap_or_default();
    ensure!(
        field("RoleArn") == ROLE,
        "User is not authorized to perform: sts:AssumeRole on {}",
        field("RoleArn")
    );
    ensure!((2..=64).contains(&field("RoleSessionName").len()), "RoleSessionName");
    let action = field("Action");
    match action.as_str() {
        "AssumeRole" => authenticate(asked, "sts")?,
        "AssumeRoleWithWebIdentity" => {
            let token = field("WebIdentityToken");
            ensure!(token == WORKLOAD || is_account(&token, "sts.amazonaws.com"), "InvalidIdentityToken");
        }
        action => bail!("there is no action {action}"),
    }
    Ok(format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{SESSION_KEY}</AccessKeyId><SecretAccessKey>{SESSION_SECRET}</SecretAccessKey>\
         <SessionToken>{SESSION_TOKEN}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>A:{0}</AssumedRoleId><Arn>{ROLE}/{0}</Arn></AssumedRoleUser>\
         </{action}Result></{action}Response>",
        field("RoleSessionName")
    ))
}

/// Takes an object for a bucket of S3.
fn upload(asked: &Asked) -> Result<String> {
    authenticate(asked, "s3")?;
    let digest = hex(&Sha256::digest(&asked.body));
    ensure!(asked.header("x-amz-content-sha256") == digest, "XAmzContentSHA256Mismatch");
    Ok(String::new())
}

/// Checks a request's signature, region and service.
///
/// # Errors
/// What is wrong with them.
pub fn authenticate(asked: &Asked, service: &str) -> Result<()> {
    const NO: &str = "MissingAuthenticationTokenException: the request is not signed";
    let given = asked.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").context(NO)?;
    let part = |name: &str| {
        let all = given.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        all.context(NO)
    };
    let scope: Vec<&str> = part("Credential")?.split('/').collect();
    let [id, day, region, named, end] = scope.as_slice() else { bail!("InvalidSignatureException: scope") };
    ensure!(*named == service && *end == "aws4_request", "InvalidSignatureException: service {named}");
    ensure!(*region == REGION, "InvalidSignatureException: region {region}");
    let secret = secret_of(id, asked.header("x-amz-security-token"))
        .context("UnrecognizedClientException: The security token included in the request is invalid.")?;
    let signature = sign(asked, part("SignedHeaders")?, secret, [day, region, service])?;
    ensure!(signature == part("Signature")?, "InvalidSignatureException: The signature does not match");
    Ok(())
}

/// Checks the token that a cluster of EKS is shown, as `aws-iam-authenticator` and then STS do.
///
/// # Errors
/// What is wrong with it.
pub fn caller(token: &str, cluster: &str) -> Result<()> {
    let encoded = token.strip_prefix("k8s-aws-v1.").context("it is no token of EKS")?;
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded)?)?;
    let host = format!("sts.{REGION}.amazonaws.com");
    let query = url.strip_prefix(&format!("https://{host}/?")).context("it names another host")?;
    let (query, given) = query.split_once("&X-Amz-Signature=").context("it is not signed")?;
    let pairs: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let field = |name: &str| pairs.get(name).map(AsRef::as_ref).unwrap_or_default();
    let names = "host;x-k8s-aws-id";
    for (name, wanted) in [
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Expires", "900"),
        ("X-Amz-SignedHeaders", names),
    ] {
        ensure!(field(name) == wanted, "{name} is {}", field(name));
    }
    let scope: Vec<&str> = field("X-Amz-Credential").split('/').collect();
    let [id, day, region, "sts", "aws4_request"] = scope.as_slice() else { bail!("scope") };
    ensure!(*region == REGION, "region {region}");
    let secret = secret_of(id, field("X-Amz-Security-Token")).context("nobody knows the key")?;
    let empty = hex(&Sha256::digest(""));
    let canonical = format!("GET\n/\n{query}\nhost:{host}\nx-k8s-aws-id:{cluster}\n\n{names}\n{empty}");
    let wanted = signature(&canonical, field("X-Amz-Date"), secret, [day, region, "sts"])?;
    ensure!(given == wanted, "the signature does not match");
    Ok(())
}

fn sign(asked: &Asked, names: &str, secret: &str, scope: [&str; 3]) -> Result<String> {
    let mut canonical = format!("{}\n{}\n{}\n", asked.method, asked.path, asked.query);
    for name in names.split(';') {
        canonical += &format!("{name}:{}\n", asked.header(name).trim());
    }
    canonical += &format!("\n{names}\n{}", hex(&Sha256::digest(&asked.body)));
    signature(&canonical, asked.header("x-amz-date"), secret, scope)
}

/// Signs a canonical request; the scope is day, region and service.
pub(crate) fn signature(canonical: &str, date: &str, secret: &str, scope: [&str; 3]) -> Result<String> {
    let [day, region, service] = scope;
    let place = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{place}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = format!("AWS4{secret}").into_bytes();
    for step in [day, region, service, "aws4_request"] {
        key = mac(&key, step)?;
    }
    Ok(hex(&mac(&key, &to_sign)?))
}

/// The secret of an access key and, for one of a session, its token.
pub(crate) fn secret_of(id: &str, token: &str) -> Option<&'static str> {
    match (id, token) {
        (ACCESS_KEY, "") => Some(SECRET_KEY),
        (SESSION_KEY, SESSION_TOKEN) => Some(SESSION_SECRET),
        _ => None,
    }
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use axum::body::Bytes;
    use axum::http::HeaderMap;

    use super::{Asked, SECRET_KEY, sign};

    /// The vector `get-vanilla` of the published test suite of Signature Version 4.
    #[test]
    fn signatures_are_those_of_the_published_suite() -> Result<()> {
        let mut headers = HeaderMap::new();
        headers.insert("host", "example.amazonaws.com".parse()?);
        headers.insert("x-amz-date", "20150830T123600Z".parse()?);
        let (method, path) = ("GET".to_owned(), "/".to_owned());
        let asked = Asked { method, path, query: String::new(), headers, body: Bytes::new() };
        let signature = sign(&asked, "host;x-amz-date", SECRET_KEY, ["20150830", "us-east-1", "service"])?;
        assert_eq!(signature, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        Ok(())
    }
}
