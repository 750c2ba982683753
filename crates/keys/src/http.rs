//! The one HTTP client of the key services.

use std::time::Duration;

use reqwest::redirect::Policy;
use zeroize::Zeroizing;

/// No key service answers with more bytes.
const MOST_BYTES: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns a client; redirects are not followed, because they would carry a token away.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    // The process may have chosen already; both choices are ring.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().redirect(Policy::none()).timeout(TIMEOUT).build()
}

/// Reads an answer whole.
pub(crate) async fn body(mut response: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| words(&error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Says what went wrong with a request, with its causes but without its URL.
pub(crate) fn words(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}
