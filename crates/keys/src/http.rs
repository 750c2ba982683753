//! The one HTTP client of the key services, and how it reaches them.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use zeroize::Zeroizing;

/// No key service answers with more bytes.
const MOST_BYTES: usize = 1 << 20;
/// A question about a data key is shorter, so that nothing of it is left behind in a buffer that had to grow.
const USUAL_BYTES: usize = 4096;
/// A longer complaint of a service is cut.
const MOST_WORDS: usize = 1000;
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How key services are reached over HTTP: nothing in it is needed unless the machine's own settings do not do.
#[derive(Clone, Default)]
pub struct Network {
    /// Certificates, PEM, that are trusted beside those of the machine.
    pub roots: Vec<Vec<u8>>,
    /// Addresses of host names that the name service does not know; the port comes from the URL.
    pub addresses: Vec<(String, SocketAddr)>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots = self.roots.len();
        f.debug_struct("Network").field("roots", &roots).field("addresses", &self.addresses).finish()
    }
}

impl Network {
    /// Returns the beginning of a client; redirects are not followed, because they would carry a token away.
    ///
    /// # Errors
    /// What is wrong with a certificate.
    pub fn builder(&self) -> Result<ClientBuilder, String> {
        // The process may have chosen already; both choices are ring.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder =
            Client::builder().redirect(Policy::none()).timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
        for pem in &self.roots {
            builder = builder.tls_certs_merge(certificates(pem)?);
        }
        for (name, address) in &self.addresses {
            builder = builder.resolve(name, *address);
        }
        Ok(builder)
    }
}

/// What is asked of a service that names both texts so.
#[derive(Serialize)]
pub(crate) enum Question<'a> {
    /// To open a wrapped data key.
    #[serde(rename = "ciphertext")]
    Unwrap(&'a str),
    /// To wrap one, in base64.
    #[serde(rename = "plaintext")]
    Wrap(&'a str),
}

/// A secret text in an answer; it is copied out of the answer once.
pub(crate) struct Secret(pub(crate) SecretString);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret(SecretString::from(text)))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Secret, E> {
                self.visit_str(&Zeroizing::new(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Writes a question as JSON into memory that is wiped when it was sent.
pub(crate) fn secret_json(question: &impl Serialize) -> Result<Bytes, String> {
    let mut json = Zeroizing::new(Vec::with_capacity(USUAL_BYTES));
    serde_json::to_writer(&mut *json, question).map_err(|error| error.to_string())?;
    Ok(Bytes::from_owner(json))
}

/// Reads the certificates of a PEM file.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let found = Certificate::from_pem_bundle(pem).map_err(|error| words(&error))?;
    if found.is_empty() { Err("there is no certificate in the PEM file".to_owned()) } else { Ok(found) }
}

/// Reads an answer whole.
///
/// # Errors
/// What broke it off, or that it is too long.
pub async fn body(mut response: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, String> {
    let expected = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Zeroizing::new(Vec::with_capacity(expected.unwrap_or(USUAL_BYTES).min(MOST_BYTES)));
    while let Some(chunk) = response.chunk().await.map_err(|error| words(&error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Says what went wrong with a request, with its causes but without its URL.
#[must_use]
pub fn words(error: &reqwest::Error) -> String {
    let text = std::error::Error::source(error).map(chain).unwrap_or_default();
    if text.is_empty() { "the request failed".to_owned() } else { text }
}

/// Whether a text only names a layer of the client.
fn is_layer(words: &str) -> bool {
    words.starts_with("client error (") || matches!(words, "tcp connect error" | "dns error")
}

/// Joins an error and its causes, each said once, without those that only name a layer of the client.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        // The number means nothing to people.
        let words = words.split(" (os error ").next().unwrap_or_default();
        let is_told = !is_layer(words) || error.source().is_none();
        if is_told && !text.ends_with(words) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(words);
        }
        next = error.source();
    }
    clean(&text)
}

/// Makes one line of a text that a service sent, of a length to read.
#[must_use]
pub fn clean(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|char| !char.is_control()).collect();
    match line.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn foreign_texts_become_one_line_of_bounded_length() {
        assert_eq!(clean("a\n\t b\u{1b}[0m"), "a b[0m");
        assert_eq!(clean(&"x".repeat(5000)).chars().count(), 1001);
    }
}
