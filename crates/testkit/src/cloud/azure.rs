//! Azure Key Vault with one RSA key, and Entra, which gives tokens for it.
//!
//! Follows: the REST references of Key Vault 7.x (`encrypt`, `decrypt`, `getKey`), of the OAuth 2.0 client credentials flow
//! of Entra, and of the instance metadata service.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts as _;
use rsa::{Oaep, RsaPrivateKey};
use serde_json::{Value, json};
use sha2::Sha256;

use super::is_account;
use super::proxy::Proxy;
use super::wire::{Answer, Asked, Server, Wire};

/// The host of the vault; its port is the server's.
pub const VAULT: &str = "sealfast.vault.azure.net";
/// The host that gives tokens.
pub const LOGIN: &str = "login.microsoftonline.com";
/// The directory, the application and its secret.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// The application.
pub const CLIENT: &str = "66666666-7777-8888-9999-000000000000";
/// The secret of the application.
pub const SECRET: &str = "application-secret";
/// What Kubernetes says of a service account that the application trusts.
pub const ASSERTION: &str = "who-the-service-account-is";
/// The token that `az` would print.
pub const CLI_TOKEN: &str = "token-of-az";
/// The name of the key and of its newest version.
pub const KEY: &str = "sops";
/// The newest version.
pub const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// What repositories of Azure DevOps take.
pub const DEV_OPS_TOKEN: &str = "token-for-repositories";

const SCOPE: &str = "https://vault.azure.net/.default";
const DEV_OPS: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
const TOKEN: &str = "token-of-an-application";
const MACHINE_TOKEN: &str = "token-of-a-machine";
const VECTORS: &str = include_str!("../../vectors/azure.json");

/// Key Vault and Entra on one loopback port, over TLS, and the metadata of a machine without.
#[derive(Debug)]
pub struct Azure {
    server: Server,
    machine: Server,
}

impl Azure {
    /// Starts them.
    ///
    /// # Errors
    /// When no port is free or the vectors are broken.
    pub fn start() -> Result<Self> {
        let (key, other) = (private_key()?, private_key()?);
        let names = [VAULT, LOGIN, "localhost"].map(str::to_owned).to_vec();
        let server = Server::start(&Wire::Tls(names), move |asked| answer(asked, &key))?;
        let machine = Server::start(&Wire::Plain, move |asked| answer(asked, &other))?;
        Ok(Self { server, machine })
    }

    /// Starts a proxy through which every host is Azure.
    ///
    /// # Errors
    /// When no port is free.
    pub fn proxy(&self) -> Result<Proxy> {
        Proxy::start(self.server.address(), self.machine.address())
    }

    /// Returns the address of both hosts.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// Returns the certificate to trust.
    #[must_use]
    pub fn certificate(&self) -> &str {
        self.server.certificate()
    }

    /// Returns the URL of the vault.
    #[must_use]
    pub fn vault(&self) -> String {
        format!("https://{VAULT}:{}", self.server.address().port())
    }

    /// Returns the URL of the login host.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("https://{LOGIN}:{}", self.server.address().port())
    }

    /// Returns what was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.server.asked()
    }
}

/// Returns a data key and what another implementation made of it under the key of the vault.
///
/// # Errors
/// When the vectors are broken.
pub fn vector() -> Result<(Vec<u8>, String)> {
    let vectors: Value = serde_json::from_str(VECTORS).context("vectors/azure.json")?;
    let hex = vectors["plaintext"].as_str().context("no plaintext")?;
    let byte = |at: usize| Ok(u8::from_str_radix(hex.get(at..at + 2).context("odd")?, 16)?);
    let plaintext = (0..hex.len()).step_by(2).map(byte).collect::<Result<_>>()?;
    Ok((plaintext, vectors["enc"].as_str().context("no enc")?.to_owned()))
}

fn private_key() -> Result<RsaPrivateKey> {
    let vectors: Value = serde_json::from_str(VECTORS).context("vectors/azure.json")?;
    Ok(RsaPrivateKey::from_pkcs8_pem(vectors["key"].as_str().context("no key")?)?)
}

fn answer(asked: &Asked, key: &RsaPrivateKey) -> Answer {
    if asked.path == format!("/{TENANT}/oauth2/v2.0/token") {
        return match token(asked) {
            Ok(body) => Answer::ok(&body),
            Err(error) => Answer::with(
                401,
                &json!({ "error": "invalid_client", "error_description": format!("{error:#}") }),
            ),
        };
    }
    if asked.path == "/metadata/identity/oauth2/token" {
        return match machine(asked) {
            Ok(body) => Answer::ok(&body),
            Err(error) => Answer::with(400, &json!({ "error": format!("{error:#}") })),
        };
    }
    let bearer = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    if ![TOKEN, MACHINE_TOKEN, CLI_TOKEN].contains(&bearer) {
        return challenge(bearer, &asked.body);
    }
    match vault(asked, key) {
        Ok(body) => Answer::ok(&body),
        Err(error) => Answer::with(
            400,
            &json!({ "error": { "code": "BadParameter", "message": format!("{error:#}") } }),
        ),
    }
}

/// A vault that is asked without token says where to get one, and looks at no body.
fn challenge(bearer: &str, body: &[u8]) -> Answer {
    let words = match (bearer, body) {
        ("", b"") => "AKV10000: Request is missing a Bearer or PoP token.",
        ("", _) => "a body was sent before the vault was known to take tokens of this kind",
        _ => "AKV10032: Invalid issuer.",
    };
    let mut answer = Answer::with(401, &json!({ "error": { "code": "Unauthorized", "message": words } }));
    let resource = "https://vault.azure.net";
    answer.headers.push((
        "www-authenticate",
        format!("Bearer authorization=\"https://{LOGIN}/{TENANT}\", resource=\"{resource}\""),
    ));
    answer
}

fn token(asked: &Asked) -> Result<Value> {
    ensure!(asked.method == "POST", "another method");
    ensure!(asked.form("grant_type").as_deref() == Some("client_credentials"), "AADSTS70003: grant type");
    ensure!(asked.form("client_id").as_deref() == Some(CLIENT), "AADSTS700016: no such application");
    let given = match asked.form("scope").as_deref() {
        Some(SCOPE) => TOKEN,
        Some(DEV_OPS) => DEV_OPS_TOKEN,
        scope => bail!("AADSTS70011: scope {scope:?}"),
    };
    match (asked.form("client_secret"), asked.form("client_assertion")) {
        (Some(secret), None) => ensure!(secret == SECRET, "AADSTS7000215: Invalid client secret provided"),
        (None, Some(assertion)) => {
            let kind = asked.form("client_assertion_type");
            let wanted = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            ensure!(kind.as_deref() == Some(wanted), "AADSTS50027: assertion type");
            let is_known = assertion == ASSERTION || is_account(&assertion, "api://AzureADTokenExchange");
            ensure!(is_known, "AADSTS70021: No matching federated identity record");
        }
        _ => bail!("AADSTS7000218: the request has neither secret nor assertion"),
    }
    Ok(json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": given }))
}

fn machine(asked: &Asked) -> Result<Value> {
    ensure!(asked.header("metadata") == "true", "Required metadata header not specified");
    ensure!(asked.parameter("resource").as_deref() == Some("https://vault.azure.net"), "another resource");
    ensure!(asked.parameter("api-version").is_some(), "no api-version");
    // Numbers are texts here.
    Ok(json!({
        "access_token": MACHINE_TOKEN, "expires_in": "3599", "expires_on": "4102444800",
        "resource": "https://vault.azure.net", "token_type": "Bearer",
    }))
}

fn vault(asked: &Asked, key: &RsaPrivateKey) -> Result<Value> {
    let version = asked.parameter("api-version").unwrap_or_default();
    ensure!(version.starts_with("7.") || version.starts_with("202"), "api-version {version}");
    let steps: Vec<&str> = asked.path.split('/').filter(|step| !step.is_empty()).collect();
    let port = asked.header("host").rsplit_once(':').map_or("443", |(_, port)| port);
    let kid = format!("https://{VAULT}:{port}/keys/{KEY}/{VERSION}");
    match (asked.method.as_str(), steps.as_slice()) {
        ("GET", ["keys", name] | ["keys", name, _]) => {
            ensure!(*name == KEY, "KeyNotFound: A key with (name/id) {name} was not found in this key vault");
            let [n, e] = [key.n(), key.e()].map(|number| URL_SAFE_NO_PAD.encode(number.to_bytes_be()));
            Ok(json!({
                "key": { "kid": kid, "kty": "RSA", "key_ops": ["encrypt", "decrypt"], "n": n, "e": e },
                "attributes": { "enabled": true },
            }))
        }
        ("POST", ["keys", name, version, action]) => {
            ensure!(*name == KEY && *version == VERSION, "KeyNotFound: {name}/{version}");
            let body = asked.json()?;
            ensure!(body["alg"] == "RSA-OAEP-256", "algorithm {}", body["alg"]);
            let value = URL_SAFE_NO_PAD.decode(body["value"].as_str().context("no value")?)?;
            let result = match *action {
                "encrypt" => key.to_public_key().encrypt(&mut OsRng, Oaep::new::<Sha256>(), &value)?,
                "decrypt" => key.decrypt(Oaep::new::<Sha256>(), &value)?,
                action => bail!("there is no action {action}"),
            };
            Ok(json!({ "kid": kid, "value": URL_SAFE_NO_PAD.encode(result) }))
        }
        _ => bail!("there is no {} {}", asked.method, asked.path),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use rsa::Oaep;
    use sha2::Sha256;

    use super::{private_key, vector};

    #[test]
    fn a_key_that_another_implementation_wrapped_is_opened() -> Result<()> {
        let (plaintext, enc) = vector()?;
        let opened = private_key()?.decrypt(Oaep::new::<Sha256>(), &URL_SAFE_NO_PAD.decode(enc)?)?;
        assert_eq!(opened, plaintext);
        Ok(())
    }
}
