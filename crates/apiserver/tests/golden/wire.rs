//! Requests over HTTPS, watches included.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A client of the server of a kubeconfig.
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    token: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| Value::String(self.text.clone()))
    }
}

/// A request of a case, placeholders filled in.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a Value,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) auth: Option<&'a str>,
}

impl Client {
    pub(crate) fn new(kubeconfig: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let line = |key: &str| {
            let found = kubeconfig.lines().find_map(|line| line.trim().strip_prefix(key));
            found.expect("the kubeconfig has it").trim().to_owned()
        };
        let ca = STANDARD.decode(line("certificate-authority-data:")).expect("base64");
        let certificate = reqwest::Certificate::from_pem(&ca).expect("a certificate");
        let http = reqwest::Client::builder()
            .tls_certs_only([certificate])
            .no_proxy()
            .http1_only()
            .build()
            .expect("a client");
        Self { http, server: line("server:"), token: line("token:") }
    }

    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<reqwest::Response, String> {
        let method = request.method.parse().map_err(|_| "no such method".to_owned())?;
        let mut builder = self.http.request(method, format!("{}{}", self.server, request.path));
        let mut headers = vec![
            ("User-Agent".to_owned(), "golden/1.0".to_owned()),
            ("Accept".into(), "application/json".into()),
        ];
        match request.auth {
            None => headers.push(("Authorization".into(), format!("Bearer {}", self.token))),
            Some(auth) => headers.extend(
                auth.strip_prefix("bearer ").map(|token| ("Authorization".into(), format!("Bearer {token}"))),
            ),
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        for (name, value) in request.headers.as_object().into_iter().flatten() {
            headers.retain(|(known, _)| known != name);
            headers.extend(value.as_str().map(|value| (name.clone(), value.to_owned())));
        }
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        builder.send().await.map_err(|error| format!("{error:?}"))
    }

    pub(crate) async fn request(&self, request: &Request<'_>) -> Result<Answer, String> {
        let response = self.send(request).await?;
        let (status, headers) = head(&response);
        let text = response.text().await.map_err(|error| error.to_string())?;
        Ok(Answer { status, headers, text })
    }

    /// Reads a watch until `events` events came, it ended, or the time is over.
    pub(crate) async fn watch(
        &self,
        request: &Request<'_>,
        events: usize,
        seconds: f64,
        started: impl FnOnce(),
    ) -> Result<Answer, String> {
        let mut response = self.send(request).await?;
        started();
        let (status, headers) = head(&response);
        if status != 200 {
            let text = response.text().await.map_err(|error| error.to_string())?;
            return Ok(Answer { status, headers, text });
        }
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let (mut out, mut rest, mut ended) = (Vec::new(), Vec::new(), false);
        while out.len() < events && !ended {
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, response.chunk()).await {
                Err(_) => break,
                Ok(Ok(Some(bytes))) => rest.extend_from_slice(&bytes),
                Ok(_) => ended = true,
            }
            while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=at).collect();
                let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
                let marked =
                    event["object"]["metadata"]["annotations"].get("k8s.io/initial-events-end").is_some();
                if (event["type"] != "BOOKMARK" || marked) && out.len() < events {
                    out.push(event);
                }
            }
        }
        let body = if ended && out.len() < events {
            json!({"events": out, "ended": true})
        } else {
            json!({"events": out})
        };
        Ok(Answer { status, headers, text: body.to_string() })
    }
}

fn head(response: &reqwest::Response) -> (u16, Vec<(String, String)>) {
    let headers = response.headers().iter();
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    (
        response.status().as_u16(),
        headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
    )
}
