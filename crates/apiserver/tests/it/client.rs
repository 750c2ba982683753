//! A client for the tests.

use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealfast_apiserver::server::{Options, Running, start};
use serde_json::Value;

/// A server that makes pods but runs none, and its administrator.
pub(crate) async fn server() -> anyhow::Result<(Running, Client)> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    Ok((running, client))
}

/// Talks to a running server as its administrator.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    token: String,
    user: Option<&'static str>,
}

impl Client {
    pub(crate) fn of(running: &Running) -> anyhow::Result<Self> {
        Self::by(&running.kubeconfig())
    }

    pub(crate) fn by(kubeconfig: &str) -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let line = |key: &str| {
            let found = kubeconfig.lines().find_map(|line| line.trim().strip_prefix(key));
            found.map(|text| text.trim().to_owned()).context("the kubeconfig is whole")
        };
        let ca = STANDARD.decode(line("certificate-authority-data:")?)?;
        let certificate = reqwest::Certificate::from_pem(&ca)?;
        let http = reqwest::Client::builder().tls_certs_only([certificate]).no_proxy();
        let http = http.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, server: line("server:")?, token: line("token:")?, user: None })
    }

    /// The same client in the name of somebody else.
    pub(crate) fn acting_as(&self, user: &'static str) -> Self {
        Self { user: Some(user), ..self.clone() }
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(u16, Value)> {
        match body {
            Some(body) => self.send(method, path, "application/json", body.to_string()).await,
            None => self.send(method, path, "", String::new()).await,
        }
    }

    /// An object, unless there is none.
    pub(crate) async fn find(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let (status, found) = self.call("GET", path, None).await?;
        anyhow::ensure!([200, 404].contains(&status), "GET {path}: {status} {found}");
        Ok((status == 200).then_some(found))
    }

    /// Waits so long, and no longer, until there is nothing at a path.
    pub(crate) async fn until_gone(&self, path: &str, limit: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + limit;
        while let Some(found) = self.find(path).await? {
            anyhow::ensure!(Instant::now() < end, "{path} stays: {found}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        media: &str,
        body: String,
    ) -> anyhow::Result<(u16, Value)> {
        let response = self.respond(method, path, media, body).await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(&response.bytes().await?).unwrap_or_default()))
    }

    pub(crate) async fn respond(
        &self,
        method: &str,
        path: &str,
        media: &str,
        body: String,
    ) -> anyhow::Result<reqwest::Response> {
        let mut request =
            self.http.request(method.parse()?, format!("{}{path}", self.server)).bearer_auth(&self.token);
        if let Some(user) = self.user {
            request = request.header("Impersonate-User", user);
        }
        if !media.is_empty() {
            request = request.header("Content-Type", media).body(body);
        }
        Ok(request.send().await?)
    }

    /// Sends headers of any bytes; one that authorizes takes the place of the administrator's.
    pub(crate) async fn with_headers(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &[u8])],
        body: Value,
    ) -> anyhow::Result<(u16, Value)> {
        let mut request = self.http.request(method.parse()?, format!("{}{path}", self.server));
        if headers.iter().all(|(name, _)| *name != "Authorization") {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, reqwest::header::HeaderValue::from_bytes(value)?);
        }
        let request = request.header("Content-Type", "application/json").body(body.to_string());
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(&response.bytes().await?).unwrap_or_default()))
    }

    /// Reads a path in one of the types that are accepted.
    pub(crate) async fn accept(&self, path: &str, media: &str) -> anyhow::Result<reqwest::Response> {
        let request = self.http.get(format!("{}{path}", self.server)).bearer_auth(&self.token);
        Ok(request.header("Accept", media).send().await?)
    }

    /// Reads a path again, of which a state is known.
    pub(crate) async fn unless(&self, path: &str, tag: &str) -> anyhow::Result<reqwest::Response> {
        let request = self.http.get(format!("{}{path}", self.server)).bearer_auth(&self.token);
        Ok(request.header("If-None-Match", tag).send().await?)
    }

    /// The cells of a table, row by row.
    pub(crate) async fn cells(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let media = "application/json;as=Table;g=meta.k8s.io;v=v1";
        let table: Value = serde_json::from_slice(&self.accept(path, media).await?.bytes().await?)?;
        Ok(table["rows"].as_array().into_iter().flatten().map(|row| row["cells"].clone()).collect())
    }

    pub(crate) async fn open(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        Ok(self.http.get(format!("{}{path}", self.server)).bearer_auth(&self.token).send().await?)
    }
}

/// The type of a merge patch.
pub(crate) const MERGE: &str = "application/merge-patch+json";

/// The type of a patch that knows the lists of a kind.
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// What an answer says.
pub(crate) fn message(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or_default()
}

/// Puts the fields of one map into another.
pub(crate) fn merged(mut into: Value, more: &Value) -> Value {
    if let (Some(into), Some(more)) = (into.as_object_mut(), more.as_object()) {
        into.extend(more.clone());
    }
    into
}
