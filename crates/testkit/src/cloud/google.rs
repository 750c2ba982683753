//! Google Cloud KMS, and the places that give tokens for it.
//!
//! Follows: the REST reference of `cloudkms.googleapis.com` v1; RFC 7523 (self-signed tokens of a service account), RFC
//! 6749 section 6 (refresh), RFC 8693 (exchange), and the metadata server of Compute Engine.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::Verifier as _;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use sha2::Sha256;

use super::wire::{Answer, Asked, Server, Wire};
use super::{hide, is_account, show};

/// The token that a refresh token of `gcloud` is good for.
const USER_TOKEN: &str = "token-of-a-user";
const EXCHANGED_TOKEN: &str = "token-of-a-workload";
/// What the machine gives.
pub const MACHINE_TOKEN: &str = "token-of-a-machine";
const FEDERATED_TOKEN: &str = "token-of-an-account-of-a-cluster";
/// What whoever becomes the account of Google gets.
pub const IMPERSONATED_TOKEN: &str = "token-of-an-account-of-google";
/// The account of Google that an account of the cluster may be.
pub const EMAIL: &str = "keys@example.iam.gserviceaccount.com";
/// The workload identity provider.
pub const PROVIDER: &str = "projects/1/locations/global/workloadIdentityPools/p/providers/q";
/// A token that the service takes from whoever has it.
pub const PLAIN_TOKEN: &str = "token-of-somebody";
/// What a workload shows to get a token.
pub const WORKLOAD: &str = "who-the-workload-is";
const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const VECTORS: &str = include_str!("../../vectors/google.json");

/// Google's services on loopback.
#[derive(Debug)]
pub struct Google {
    server: Server,
}

impl Google {
    /// Starts them. With `is_open` the key service asks for no token, as an emulator.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(is_open: Open) -> Result<Self> {
        Self::start_over(&Wire::Plain, is_open)
    }

    /// Starts them over TLS, as `localhost`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start_with_tls(is_open: Open) -> Result<Self> {
        Self::start_over(&Wire::Tls(vec!["localhost".to_owned()]), is_open)
    }

    fn start_over(wire: &Wire, is_open: Open) -> Result<Self> {
        let account = public_key()?;
        let server = Server::start(wire, move |asked| answer(asked, is_open, &account))?;
        Ok(Self { server })
    }

    /// Returns the URL in front of every path.
    #[must_use]
    pub fn url(&self) -> String {
        match self.server.certificate() {
            "" => format!("http://{}", self.server.address()),
            _ => format!("https://localhost:{}", self.server.address().port()),
        }
    }

    /// Returns the certificate to trust; empty without TLS.
    #[must_use]
    pub fn certificate(&self) -> &str {
        self.server.certificate()
    }

    /// Returns `host:port`, as the metadata server is named.
    #[must_use]
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// Returns what was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.server.asked()
    }

    /// Returns the JSON of the service account's key.
    ///
    /// # Errors
    /// When the vectors are broken.
    pub fn service_account(&self) -> Result<Value> {
        Ok(vectors()?["account"].clone())
    }

    /// Returns the JSON that `gcloud auth application-default login` leaves behind.
    #[must_use]
    pub fn authorized_user(&self) -> Value {
        json!({
            "type": "authorized_user",
            "client_id": "id.apps",
            "client_secret": "client-secret",
            "refresh_token": "refresh-secret",
            "token_uri": format!("{}/token", self.url()),
        })
    }

    /// Returns the JSON of workload identity federation, with the workload's proof in a file.
    #[must_use]
    pub fn external_account(&self, proof: &std::path::Path) -> Value {
        json!({
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/sts/v1/token", self.url()),
            "credential_source": { "file": proof },
        })
    }
}

/// Whether the key service wants to know who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It answers everybody, as an emulator.
    ToAll,
    /// It answers whoever shows a token that one of the places gave, or that the service account signed.
    WithToken,
}

fn vectors() -> Result<Value> {
    serde_json::from_str(VECTORS).context("vectors/google.json")
}

fn public_key() -> Result<RsaPublicKey> {
    let vectors = vectors()?;
    let pem = vectors["account"]["private_key"].as_str().context("no private key")?;
    Ok(RsaPrivateKey::from_pkcs8_pem(pem)?.to_public_key())
}

fn answer(asked: &Asked, open: Open, account: &RsaPublicKey) -> Answer {
    let result = match asked.path.as_str() {
        "/token" => refresh(asked),
        "/sts/v1/token" => exchange(asked),
        path if path.starts_with("/v1/projects/-/serviceAccounts/") => impersonate(asked),
        path if path.starts_with("/computeMetadata/v1/") => metadata(asked),
        _ => {
            let who = if open == Open::ToAll { Ok(()) } else { authenticate(asked, account) };
            match who {
                Ok(()) => kms(asked),
                Err(error) => return refusal(401, "UNAUTHENTICATED", &error),
            }
        }
    };
    match result {
        // The metadata server has plain texts.
        Ok(Value::String(body)) => {
            Answer { status: 200, headers: vec![("content-type", "application/text".to_owned())], body }
        }
        Ok(body) => Answer::ok(&body),
        Err(error) => refusal(400, "INVALID_ARGUMENT", &error),
    }
}

fn refusal(status: u16, name: &str, error: &anyhow::Error) -> Answer {
    let body = json!({ "error": { "code": status, "status": name, "message": format!("{error:#}") } });
    Answer::with(status, &body)
}

fn refresh(asked: &Asked) -> Result<Value> {
    // The SDK sends JSON where RFC 6749 has a form; the service takes both.
    let field = |name: &str| match asked.json() {
        Ok(body) => body[name].as_str().map(str::to_owned),
        Err(_) => asked.form(name),
    };
    for (name, wanted) in [
        ("grant_type", "refresh_token"),
        ("client_id", "id.apps"),
        ("client_secret", "client-secret"),
        ("refresh_token", "refresh-secret"),
    ] {
        ensure!(field(name).as_deref() == Some(wanted), "invalid_grant: {name}");
    }
    Ok(token(USER_TOKEN))
}

fn exchange(asked: &Asked) -> Result<Value> {
    for (name, wanted) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("scope", SCOPE),
    ] {
        ensure!(asked.form(name).as_deref() == Some(wanted), "invalid_request: {name}");
    }
    let proof = asked.form("subject_token").unwrap_or_default();
    let pool = "example.svc.id.goog";
    let cluster = "https://container.googleapis.com/v1/projects/example/locations/europe-west1/clusters/one";
    let given = match asked.form("audience").as_deref() {
        Some(AUDIENCE) if proof == WORKLOAD => EXCHANGED_TOKEN,
        Some(AUDIENCE) if is_account(&proof, AUDIENCE) => FEDERATED_TOKEN,
        Some(audience) if audience == format!("identitynamespace:{pool}:{cluster}") => {
            ensure!(is_account(&proof, pool), "invalid_grant: another account");
            FEDERATED_TOKEN
        }
        audience => bail!("invalid_grant: audience {audience:?}"),
    };
    let mut token = token(given);
    token["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token".into();
    Ok(token)
}

fn impersonate(asked: &Asked) -> Result<Value> {
    ensure!(asked.path.ends_with(&format!("/{EMAIL}:generateAccessToken")), "there is no {}", asked.path);
    let token = asked.header("authorization").strip_prefix("Bearer ");
    ensure!(token == Some(FEDERATED_TOKEN), "PERMISSION_DENIED: iam.serviceAccounts.getAccessToken");
    ensure!(asked.json()?["scope"][0] == SCOPE, "another scope");
    Ok(json!({ "accessToken": IMPERSONATED_TOKEN, "expireTime": "2100-01-01T00:00:00Z" }))
}

fn metadata(asked: &Asked) -> Result<Value> {
    ensure!(asked.header("metadata-flavor") == "Google", "the header Metadata-Flavor is missing");
    match asked.path.trim_start_matches("/computeMetadata/v1/") {
        "instance/service-accounts/default/token" => Ok(token(MACHINE_TOKEN)),
        "universe/universe-domain" => Ok("googleapis.com".into()),
        "project/project-id" => Ok("example".into()),
        "instance/attributes/cluster-location" => Ok("europe-west1".into()),
        "instance/attributes/cluster-name" => Ok("one".into()),
        path => bail!("there is no {path}"),
    }
}

fn token(text: &str) -> Value {
    json!({ "access_token": text, "expires_in": 3600, "token_type": "Bearer" })
}

fn authenticate(asked: &Asked, account: &RsaPublicKey) -> Result<()> {
    let token = asked.header("authorization").strip_prefix("Bearer ").context("there is no token")?;
    if [USER_TOKEN, EXCHANGED_TOKEN, IMPERSONATED_TOKEN, MACHINE_TOKEN, PLAIN_TOKEN].contains(&token) {
        return Ok(());
    }
    let claims = verified(token, account)?;
    ensure!(claims["iss"] == "sops@example.iam.gserviceaccount.com", "another issuer");
    ensure!(claims["sub"] == claims["iss"], "another subject");
    ensure!(claims["scope"].as_str() == Some(SCOPE), "another scope: {}", claims["scope"]);
    let (from, to) = (claims["iat"].as_i64().context("no iat")?, claims["exp"].as_i64().context("no exp")?);
    ensure!(from < to && to - from <= 3700, "a token is good for an hour");
    Ok(())
}

/// Checks the signature of a token and returns its claims.
fn verified(token: &str, key: &RsaPublicKey) -> Result<Value> {
    let (signed, signature) = token.rsplit_once('.').context("the token is neither known nor signed")?;
    let (head, claims) = signed.split_once('.').context("the token has no claims")?;
    let head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head)?)?;
    ensure!(head["alg"] == "RS256", "another algorithm");
    let signature = Signature::try_from(URL_SAFE_NO_PAD.decode(signature)?.as_slice())?;
    VerifyingKey::<Sha256>::new(key.clone()).verify(signed.as_bytes(), &signature)?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?)
}

fn kms(asked: &Asked) -> Result<Value> {
    ensure!(asked.method == "POST", "another method");
    ensure!(asked.header("content-type").starts_with("application/json"), "the body is not said to be JSON");
    let (name, action) =
        asked.path.strip_prefix("/v1/").and_then(|path| path.split_once(':')).context("no action")?;
    let steps: Vec<&str> = name.split('/').collect();
    let is_key = matches!(steps.as_slice(), ["projects", _, "locations", _, "keyRings", _, "cryptoKeys", _]);
    ensure!(is_key, "{name} is no key");
    let body = asked.json()?;
    let fields: Vec<&String> = body.as_object().context("no object")?.keys().collect();
    let value = |name: &str| -> Result<Vec<u8>> {
        ensure!(fields == [name], "unknown fields: {fields:?}");
        Ok(STANDARD.decode(body[name].as_str().context("no text")?)?)
    };
    match action {
        "encrypt" => Ok(json!({
            "name": format!("{name}/cryptoKeyVersions/1"),
            "ciphertext": STANDARD.encode(hide(name, &value("plaintext")?)),
        })),
        "decrypt" => {
            let plaintext = show(name, &value("ciphertext")?).context("the ciphertext is invalid")?;
            Ok(json!({ "plaintext": STANDARD.encode(plaintext) }))
        }
        _ => bail!("there is no action {action}"),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, Result};

    use super::{public_key, vectors, verified};

    #[test]
    fn a_token_of_another_implementation_is_verified() -> Result<()> {
        let (vectors, key) = (vectors()?, public_key()?);
        let token = vectors["token"].as_str().context("no token")?;
        assert_eq!(verified(token, &key)?["iss"], "sops@example.iam.gserviceaccount.com");
        let mut changed = token.to_owned();
        changed.replace_range(60..61, if &token[60..61] == "A" { "B" } else { "A" });
        assert!(verified(&changed, &key).is_err());
        Ok(())
    }
}
