//! Vault with one transit key and the login of one account.
//!
//! Follows: the HTTP API of Vault (`auth/kubernetes/login`, `transit/encrypt`, `transit/decrypt`).

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::wire::{Answer, Asked, Server, Wire};
use super::{ACCOUNT, hide, is_account, show};

/// The path of the login.
pub const LOGIN: &str = "auth/kubernetes/login";
/// The name of the key.
pub const KEY: &str = "sops";
/// A token that may always do everything.
pub const ROOT: &str = "root";

const TOKEN: &str = "token-of-an-account";

/// Starts a Vault on loopback.
///
/// # Errors
/// When no port is free.
pub fn start() -> Result<Server> {
    Server::start(&Wire::Plain, answer)
}

fn answer(asked: &Asked) -> Answer {
    let result = if asked.path == format!("/v1/{LOGIN}") { login(asked) } else { transit(asked) };
    match result {
        Ok(body) => Answer::ok(&body),
        Err(error) => Answer::with(403, &json!({ "errors": [format!("{error:#}")] })),
    }
}

fn login(asked: &Asked) -> Result<Value> {
    let body = asked.json()?;
    let role = ACCOUNT.trim_start_matches("system:serviceaccount:").replace(':', "_");
    ensure!(body["role"] == role.as_str(), "role {} could not be found", body["role"]);
    let audience = format!("http://{}", asked.header("host"));
    ensure!(is_account(body["jwt"].as_str().unwrap_or_default(), &audience), "permission denied");
    Ok(json!({ "auth": { "client_token": TOKEN, "lease_duration": 3600 } }))
}

fn transit(asked: &Asked) -> Result<Value> {
    ensure!([TOKEN, ROOT].contains(&asked.header("x-vault-token")), "permission denied");
    let body = asked.json()?;
    let text = |name: &str| body[name].as_str().with_context(|| format!("no {name}"));
    match asked.path.strip_prefix("/v1/transit/").and_then(|path| path.strip_suffix(&format!("/{KEY}"))) {
        Some("encrypt") => {
            let hidden = STANDARD.encode(hide(KEY, &STANDARD.decode(text("plaintext")?)?));
            Ok(json!({ "data": { "ciphertext": format!("vault:v1:{hidden}") } }))
        }
        Some("decrypt") => {
            let hidden = text("ciphertext")?.strip_prefix("vault:v1:").context("no ciphertext")?;
            let shown = show(KEY, &STANDARD.decode(hidden)?).context("invalid ciphertext")?;
            Ok(json!({ "data": { "plaintext": STANDARD.encode(shown) } }))
        }
        _ => bail!("no handler for route {}", asked.path),
    }
}
