//! Huawei Cloud: key service, projects and a machine's metadata on one port.
//!
//! Follows: the API references of KMS (`encrypt-data`, `decrypt-data`) and IAM (`projects`), and "Signing API requests with
//! AK/SK".

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::wire::{Answer, Asked, Server, Wire};
use super::{hide, show};

/// The id of the access key.
pub const ACCESS_KEY: &str = "AKEXAMPLE";
/// Its secret.
pub const SECRET_KEY: &str = "secret-of-the-access-key";
/// The token of the machine's temporary key.
pub const TOKEN: &str = "token-of-a-machine";
/// The project of the region.
pub const PROJECT: &str = "0a1b2c3d";
/// The region.
pub const REGION: &str = "tr-west-1";
/// The key.
pub const KEY: &str = "0d0466b0-e727-4d9c-b35d-f84bb474a37f";

/// Starts Huawei Cloud on loopback.
///
/// # Errors
/// When no port is free.
pub fn start() -> Result<Server> {
    let host = Arc::new(OnceLock::new());
    let known = Arc::clone(&host);
    let server = Server::start(&Wire::Plain, move |asked| answer(asked, known.get()))?;
    drop(host.set(server.address().to_string()));
    Ok(server)
}

fn answer(asked: &Asked, host: Option<&String>) -> Answer {
    if asked.path == "/openstack/latest/securitykey" {
        return Answer::ok(&json!({ "credential": {
            "access": ACCESS_KEY, "secret": SECRET_KEY, "securitytoken": TOKEN, "expires_at": "2100-01-01T00:00:00Z",
        } }));
    }
    if let Err(error) = authenticate(asked, host) {
        let words = format!("Incorrect IAM authentication information: {error:#}");
        return Answer::with(401, &json!({ "error_code": "APIGW.0301", "error_msg": words }));
    }
    match serve(asked) {
        Ok(body) => Answer::ok(&body),
        Err(error) => Answer::with(
            400,
            &json!({ "error": { "error_code": "KMS.0205", "error_msg": format!("{error:#}") } }),
        ),
    }
}

fn authenticate(asked: &Asked, host: Option<&String>) -> Result<()> {
    let given = asked.header("authorization").strip_prefix("SDK-HMAC-SHA256 ").context("no signature")?;
    let part = |name: &str| -> Result<&str> {
        let all = given.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        all.with_context(|| format!("no {name}"))
    };
    ensure!(part("Access")? == ACCESS_KEY, "unknown access key");
    let names: Vec<&str> = part("SignedHeaders")?.split(';').collect();
    ensure!(names.is_sorted(), "the headers are not sorted");
    ensure!(names.contains(&"host") && names.contains(&"x-sdk-date"), "host and time must be signed");
    let token = asked.header("x-security-token");
    ensure!(token.is_empty() || token == TOKEN && names.contains(&"x-security-token"), "another token");
    ensure!(Some(asked.header("host")) == host.map(String::as_str), "another host");
    let mut canonical = format!("{}\n{}/\n{}\n", asked.method, asked.path.trim_end_matches('/'), asked.query);
    for name in &names {
        canonical += &format!("{name}:{}\n", asked.header(name));
    }
    canonical += &format!("\n{}\n{}", names.join(";"), hex(&Sha256::digest(&asked.body)));
    let date = asked.header("x-sdk-date");
    let to_sign = format!("SDK-HMAC-SHA256\n{date}\n{}", hex(&Sha256::digest(canonical)));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET_KEY.as_bytes())?;
    mac.update(to_sign.as_bytes());
    ensure!(hex(&mac.finalize().into_bytes()) == part("Signature")?, "verify aksk signature fail");
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn serve(asked: &Asked) -> Result<Value> {
    let kms = format!("/v1.0/{PROJECT}/kms/");
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/v3/projects") => {
            let name = asked.parameter("name").unwrap_or_default();
            let projects =
                if name == REGION { vec![json!({ "id": PROJECT, "name": REGION })] } else { vec![] };
            Ok(json!({ "projects": projects }))
        }
        ("POST", path) if path.starts_with(&kms) => {
            let body = asked.json()?;
            ensure!(body["encryption_algorithm"] == "SYMMETRIC_DEFAULT", "another algorithm");
            ensure!(body["key_id"] == KEY, "the key does not exist");
            let text = |name: &str| body[name].as_str().with_context(|| format!("no {name}"));
            match &path[kms.len()..] {
                "encrypt-data" => {
                    let hidden = STANDARD.encode(hide(KEY, text("plain_text")?.as_bytes()));
                    Ok(json!({ "key_id": KEY, "cipher_text": hidden }))
                }
                "decrypt-data" => {
                    let hidden = STANDARD.decode(text("cipher_text")?)?;
                    let shown = show(KEY, &hidden).context("Decryption failed")?;
                    Ok(json!({ "key_id": KEY, "plain_text": String::from_utf8(shown)? }))
                }
                action => bail!("there is no action {action}"),
            }
        }
        (method, path) => bail!("there is no {method} {path}"),
    }
}
