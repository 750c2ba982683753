//! Azure Key Vault with one RSA key, and Entra, which gives tokens for it.
//!
//! Follows: the REST references of Key Vault 7.x (`encrypt`, `decrypt`, `getKey`), of the OAuth 2.0 client credentials flow
//! of Entra, and of the instance metadata service.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rsa::pss::{Signature, VerifyingKey};
use rsa::rand_core::OsRng;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{Oaep, RsaPrivateKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

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

/// What clusters of AKS take.
pub const CLUSTER_TOKEN: &str = "token-for-clusters";
/// What Azure's resource manager takes.
pub const MANAGER_TOKEN: &str = "token-for-the-manager";

const SCOPE: &str = "https://vault.azure.net/.default";
const DEV_OPS: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
const CLUSTERS: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
const MANAGER: &str = "https://management.core.windows.net//.default";
const TOKEN: &str = "token-of-an-application";
const MACHINE_TOKEN: &str = "token-of-a-machine";
const VECTORS: &str = include_str!("../../vectors/azure.json");

/// Key Vault and Entra on one loopback port, over TLS, and the metadata of a machine without.
#[derive(Debug)]
pub struct Azure {
    server: Server,
    machine: Server,
    application: Application,
}

/// The application's certificate, as files hold it.
#[derive(Clone, Debug)]
pub struct Application {
    /// The certificate, DER.
    der: Vec<u8>,
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub pkcs8: String,
    /// Its private key, PKCS#1.
    pub pkcs1: String,
    /// Its private key, PKCS#8 under [`PASSWORD`].
    pub encrypted: String,
}

/// What opens the encrypted private key of the application.
pub const PASSWORD: &str = "password-of-the-key";

impl Application {
    fn new() -> Result<Self> {
        let key = private_key()?;
        let pkcs8 = key.to_pkcs8_pem(LineEnding::LF)?.to_string();
        let pair = KeyPair::from_pkcs8_pem_and_sign_algo(&pkcs8, &PKCS_RSA_SHA256)?;
        let certificate =
            CertificateParams::new(vec!["application.example".to_owned()])?.self_signed(&pair)?;
        Ok(Self {
            der: certificate.der().to_vec(),
            certificate: certificate.pem(),
            pkcs8,
            pkcs1: key.to_pkcs1_pem(LineEnding::LF)?.to_string(),
            encrypted: key.to_pkcs8_encrypted_pem(OsRng, PASSWORD, LineEnding::LF)?.to_string(),
        })
    }

    /// Checks an assertion as Entra does.
    fn check(&self, assertion: &str, audience: &str) -> Result<()> {
        let parts: Vec<&str> = assertion.split('.').collect();
        let [header, claims, signature] = parts[..] else { bail!("AADSTS50027: not three parts") };
        let read =
            |part: &str| Ok::<Value, anyhow::Error>(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?);
        let (about, says) = (read(header)?, read(claims)?);
        ensure!(about["typ"] == "JWT" && about["alg"] == "PS256", "AADSTS50027: header {about}");
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&self.der));
        ensure!(about["x5t#S256"] == thumbprint.as_str(), "AADSTS700027: certificate is not registered");
        if let Some(chain) = about.get("x5c") {
            ensure!(chain[0] == STANDARD.encode(&self.der), "AADSTS700027: another certificate was sent");
        }
        let key = VerifyingKey::<Sha256>::new(private_key()?.to_public_key());
        let signature = URL_SAFE_NO_PAD.decode(signature)?;
        let signed = format!("{header}.{claims}");
        let is_signed = key.verify(signed.as_bytes(), &Signature::try_from(signature.as_slice())?).is_ok();
        ensure!(is_signed, "AADSTS700027: signature");
        ensure!(says["aud"] == audience, "AADSTS50027: audience {} is not {audience}", says["aud"]);
        ensure!(says["iss"] == CLIENT && says["sub"] == CLIENT, "AADSTS700021: issuer {}", says["iss"]);
        ensure!(says["jti"].as_str().is_some_and(|id| id.len() >= 16), "AADSTS50027: jti {}", says["jti"]);
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
        let time = |name: &str| says[name].as_i64().with_context(|| format!("AADSTS50027: no {name}"));
        let (begin, end) = (time("nbf")?, time("exp")?);
        ensure!(begin <= now + 300 && now < end, "AADSTS700024: not within its valid time range");
        ensure!(end - begin <= 24 * 3600, "AADSTS700024: lifetime {}", end - begin);
        Ok(())
    }
}

impl Azure {
    /// Starts them.
    ///
    /// # Errors
    /// When no port is free or the vectors are broken.
    pub fn start() -> Result<Self> {
        let (key, other) = (private_key()?, private_key()?);
        let application = Application::new()?;
        let (own, same) = (application.clone(), application.clone());
        let names = [VAULT, LOGIN, "localhost"].map(str::to_owned).to_vec();
        let server = Server::start(&Wire::Tls(names), move |asked| answer(asked, &key, &own))?;
        let machine = Server::start(&Wire::Plain, move |asked| answer(asked, &other, &same))?;
        Ok(Self { server, machine, application })
    }

    /// Returns the certificate of the application that may use the vault.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.application
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

fn answer(asked: &Asked, key: &RsaPrivateKey, application: &Application) -> Answer {
    if asked.path == format!("/{TENANT}/oauth2/v2.0/token") {
        return match token(asked, application) {
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

fn token(asked: &Asked, application: &Application) -> Result<Value> {
    ensure!(asked.method == "POST", "another method");
    ensure!(asked.form("grant_type").as_deref() == Some("client_credentials"), "AADSTS70003: grant type");
    ensure!(asked.form("client_id").as_deref() == Some(CLIENT), "AADSTS700016: no such application");
    let given = match asked.form("scope").as_deref() {
        Some(SCOPE) => TOKEN,
        Some(DEV_OPS) => DEV_OPS_TOKEN,
        Some(CLUSTERS) => CLUSTER_TOKEN,
        Some(MANAGER) => MANAGER_TOKEN,
        scope => bail!("AADSTS70011: scope {scope:?}"),
    };
    match (asked.form("client_secret"), asked.form("client_assertion")) {
        (Some(secret), None) => ensure!(secret == SECRET, "AADSTS7000215: Invalid client secret provided"),
        (None, Some(assertion)) => {
            let kind = asked.form("client_assertion_type");
            let wanted = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            ensure!(kind.as_deref() == Some(wanted), "AADSTS50027: assertion type");
            let is_known = assertion == ASSERTION || is_account(&assertion, "api://AzureADTokenExchange");
            if !is_known {
                ensure!(assertion.starts_with("ey"), "AADSTS70021: No matching federated identity record");
                let host = asked.header("host");
                application.check(&assertion, &format!("https://{host}{}", asked.path))?;
            }
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
