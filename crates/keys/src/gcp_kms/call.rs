//! The calls to Google Cloud KMS.
//!
//! Follows: `gcpkms/keysource.go` of sops 3.13.2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::token::Tokens;
use super::{Access, SERVICE, check_resource_id};
use crate::error::Error;
use crate::http::{self, Question, Secret, clean};

/// Opens a wrapped data key or share.
pub(crate) async fn unwrap(
    resource_id: &str,
    enc: &str,
    access: &Access,
    tokens: &Tokens,
    client: &Client,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    if STANDARD.decode(enc).is_err() {
        return Err(failed("decrypt", "the wrapped data key is no base64"));
    }
    let question = Question::Unwrap(enc);
    let answer = ask(resource_id, "decrypt", &question, access, tokens, client).await?;
    let plaintext = answer.plaintext.as_ref().map(|text| STANDARD.decode(text.0.expose_secret()));
    match plaintext {
        Some(Ok(secret)) => Ok(Zeroizing::new(secret)),
        Some(Err(_)) => Err(failed("decrypt", "the answer's plaintext is no base64")),
        None => Err(failed("decrypt", "the answer has no plaintext")),
    }
}

/// Wraps a data key or share.
pub(crate) async fn wrap(
    resource_id: &str,
    secret: &[u8],
    access: &Access,
    tokens: &Tokens,
    client: &Client,
) -> Result<String, Error> {
    let plaintext = Zeroizing::new(STANDARD.encode(secret));
    let question = Question::Wrap(&plaintext);
    let answer = ask(resource_id, "encrypt", &question, access, tokens, client).await?;
    answer.ciphertext.ok_or_else(|| failed("encrypt", "the answer has no ciphertext"))
}

#[derive(Deserialize)]
struct Answer {
    ciphertext: Option<String>,
    plaintext: Option<Secret>,
}

/// What Google's services answer when they refuse.
#[derive(Deserialize)]
struct Refusal {
    error: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
}

async fn ask(
    resource_id: &str,
    action: &'static str,
    question: &Question<'_>,
    access: &Access,
    tokens: &Tokens,
    client: &Client,
) -> Result<Answer, Error> {
    check_resource_id(resource_id)?;
    let headers = tokens.headers(access).await?;
    let body = http::secret_json(question).map_err(|reason| failed(action, &reason))?;
    let request = client
        .post(format!("{}/v1/{resource_id}:{action}", access.base()))
        .headers(headers)
        .header("content-type", "application/json")
        .body(body);
    let response = request.send().await.map_err(|error| failed(action, &http::words(&error)))?;
    let status = response.status();
    let body = http::body(response).await.map_err(|reason| failed(action, &reason))?;
    if !status.is_success() {
        let words = serde_json::from_slice(&body)
            .map(|Refusal { error: Status { status, message } }| format!(": {status}: {message}"))
            .unwrap_or_default();
        return Err(failed(action, &clean(&format!("{status}{words}"))));
    }
    serde_json::from_slice(&body).map_err(|_| failed(action, "the answer is not what KMS answers"))
}

fn failed(action: &'static str, reason: &str) -> Error {
    Error::Cloud { action, service: format!("{SERVICE} key"), reason: reason.to_owned() }
}
