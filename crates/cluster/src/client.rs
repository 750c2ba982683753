//! Requests to an API server: JSON objects by kind, discovery, impersonation.
//!
//! Connection, TLS and credentials are the `kube` crate's; the requests are our own, because
//! objects stay JSON values here. A namespace is a `&str`, empty for none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Method, Request};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::certificate;
use crate::client::answer::{Pages, Unread};
use crate::client::discovery::{Discovery, Resource};
use crate::client::request::{Call, encode};
use crate::client::throttle::Throttle;
use crate::error::Error;

mod address;
mod answer;
pub mod discovery;
mod fence;
pub mod request;
mod throttle;
pub mod watch;
mod words;

pub use crate::client::fence::Fence;
pub use crate::client::request::{Apply, Delete, DryRun, Patch, Propagation, Select};
pub use crate::client::words::Served;

/// A connection to one API server, cheap to clone. Debug shows the address only.
#[derive(Clone)]
pub struct Client {
    http: kube::Client,
    config: Arc<kube::Config>,
    address: Arc<str>,
    discovery: Arc<Discovery>,
    requests: Arc<Requests>,
    throttle: Arc<Throttle>,
    fences: Arc<[Arc<Fence>]>,
    impersonate: Option<Arc<str>>,
    tokens: Option<Tokens>,
    /// The most bytes of one answer.
    largest: usize,
}

/// Gives the token that a request shows, or says why there is none.
pub type Tokens = Arc<dyn Fn() -> BoxFuture<'static, Result<SecretString, String>> + Send + Sync>;

/// How many requests were sent, by method and status code; without a code those that nobody answered.
type Requests = Mutex<BTreeMap<(&'static str, Option<u16>), u64>>;

/// What is honoured in a kubeconfig that a tenant wrote. Files are never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Foreign {
    /// Programs that give credentials.
    pub programs: Honoured,
    /// TLS without a check of the server.
    pub unchecked_tls: Honoured,
}

/// Whether something that a stranger wrote is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Honoured {
    /// It is left out.
    #[default]
    No,
    /// It is done.
    Yes,
}

/// How often a busy server is asked.
const TRIES: u32 = 6;
/// How long the head of an answer may take, and then its body.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address)
            .field("impersonate", &self.impersonate)
            .finish()
    }
}

/// A list with the version it shows.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The objects, each with `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// The version to watch from.
    pub resource_version: String,
}

impl Client {
    /// From kubeconfig files, of which what stands first counts and those that are not there do not, and a context (or
    /// the current one). Must run inside a Tokio runtime, as the other makers.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub async fn from_kubeconfigs(paths: &[PathBuf], context: Option<&str>) -> Result<Client, Error> {
        let shown = |paths: &[PathBuf]| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        let failed =
            |path: String| move |e: KubeconfigError| Error::Config { path: Some(path), source: Box::new(e) };
        let there: Vec<PathBuf> = paths.iter().filter(|path| path.exists()).cloned().collect();
        // Where none is, the first one says so.
        let read = if there.is_empty() { paths.first().into_iter().cloned().collect() } else { there };
        let mut all = Kubeconfig::default();
        for path in &read {
            let one = Kubeconfig::read_from(path).map_err(failed(path.display().to_string()))?;
            all = all.merge(one).map_err(failed(path.display().to_string()))?;
        }
        Client::from_parsed(all, context, Some(shown(&read)).filter(|shown| !shown.is_empty())).await
    }

    /// From the text of a kubeconfig.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub async fn from_kubeconfig_text(text: &str, context: Option<&str>) -> Result<Client, Error> {
        let kubeconfig =
            Kubeconfig::from_yaml(text).map_err(|e| Error::Config { path: None, source: Box::new(e) })?;
        Client::from_parsed(kubeconfig, context, None).await
    }

    /// From a kubeconfig that a tenant wrote: files in it are not read, and programs and unchecked TLS only honoured
    /// when that is allowed.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub async fn from_foreign_kubeconfig(text: &str, allowed: Foreign) -> Result<Client, Error> {
        // The reader's own words show the lines that it stumbled over.
        let unread = |_| Error::Kubeconfig { why: "it cannot be read as a kubeconfig in YAML".to_owned() };
        let is_empty = text.trim().is_empty();
        let mut kubeconfig =
            if is_empty { Kubeconfig::default() } else { Kubeconfig::from_yaml(text).map_err(unread)? };
        unwrap_lines(&mut kubeconfig);
        check(&kubeconfig)?;
        for user in kubeconfig.auth_infos.iter_mut().filter_map(|u| u.auth_info.as_mut()) {
            if allowed.programs == Honoured::No {
                user.exec = None;
                user.auth_provider = None;
            }
            user.token_file = None;
            user.client_certificate = None;
            user.client_key = None;
        }
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|c| c.cluster.as_mut()) {
            cluster.certificate_authority = None;
            if allowed.unchecked_tls == Honoured::No {
                cluster.insecure_skip_tls_verify = None;
            }
        }
        Ok(Client::from_parsed(kubeconfig, None, None).await?.foreign())
    }

    async fn from_parsed(
        mut kubeconfig: Kubeconfig,
        context: Option<&str>,
        path: Option<String>,
    ) -> Result<Client, Error> {
        unwrap_lines(&mut kubeconfig);
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|e| Error::Config { path: path.clone(), source: Box::new(e) })?;
        Client::from_config(config, path)
    }

    /// From the service account of the pod we run in.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn in_cluster() -> Result<Client, Error> {
        let config =
            kube::Config::incluster().map_err(|e| Error::Config { path: None, source: Box::new(e) })?;
        Client::from_config(config, None)
    }

    /// From an address, a bearer token and, for `https`, the certificates to trust (PEM).
    ///
    /// # Errors
    /// [`Error::Config`].
    pub async fn from_url(
        url: &str,
        token: Option<&SecretString>,
        ca_pem: Option<&str>,
    ) -> Result<Client, Error> {
        use kube::config::{Cluster, Context, NamedAuthInfo, NamedCluster, NamedContext};
        let token = token.map(|t| t.expose_secret().to_owned().into());
        let auth = AuthInfo { token, ..AuthInfo::default() };
        let cluster = Cluster {
            server: Some(url.to_owned()),
            certificate_authority_data: ca_pem.map(base64_text),
            ..Default::default()
        };
        let name = "cluster".to_owned();
        let context = Context { cluster: name.clone(), user: Some(name.clone()), ..Default::default() };
        let kubeconfig = Kubeconfig {
            clusters: vec![NamedCluster { name: name.clone(), cluster: Some(cluster), ..Default::default() }],
            auth_infos: vec![NamedAuthInfo {
                name: name.clone(),
                auth_info: Some(auth),
                ..Default::default()
            }],
            contexts: vec![NamedContext { name: name.clone(), context: Some(context), ..Default::default() }],
            current_context: Some(name),
            ..Default::default()
        };
        Client::from_parsed(kubeconfig, None, None).await
    }

    fn from_config(mut config: kube::Config, path: Option<String>) -> Result<Client, Error> {
        let address: Arc<str> = address::shown(&config.cluster_url).into();
        let loopback = matches!(config.cluster_url.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        config.disable_compression |= loopback;
        // Below us nothing is sent twice: whoever sleeps there does not look at the fences when it goes on, nor at how long
        // anything may take. `Client::answer` asks a busy server again.
        config.default_retry = false;
        let http = kube::Client::try_from(config.clone())
            .map_err(|e| Error::Config { path, source: Box::new(e) })?;
        Ok(Client {
            http,
            config: Arc::new(config),
            address,
            discovery: Arc::default(),
            requests: Arc::default(),
            throttle: Arc::default(),
            fences: Arc::default(),
            impersonate: None,
            tokens: None,
            largest: answer::LARGEST,
        })
    }

    /// A connection like this one that is really another: behind this one may be nobody any more, without anybody telling.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn anew(&self) -> Result<Client, Error> {
        let http = kube::Client::try_from(kube::Config::clone(&self.config));
        let http = http.map_err(|e| Error::Config { path: None, source: Box::new(e) })?;
        Ok(Client { http, ..self.clone() })
    }

    /// The same connection that sends so many requests a second on average, and so many at once. A server that says that it
    /// shares out its own time is sent as many as there are.
    pub fn throttled(&self, per_second: f64, at_once: f64) -> Client {
        Client { throttle: Arc::new(Throttle::new(per_second, at_once)), ..self.clone() }
    }

    /// The same connection, which sends nothing once one of these moments has come.
    pub fn fenced(&self, fences: impl IntoIterator<Item = Arc<Fence>>) -> Client {
        Client { fences: fences.into_iter().collect(), ..self.clone() }
    }

    /// The same connection, which sends nothing once another one may not.
    pub fn fenced_as(self, other: &Client) -> Client {
        Client { fences: Arc::clone(&other.fences), ..self }
    }

    /// The same connection to a server that a tenant chose: its answers may be some objects large.
    pub fn foreign(self) -> Client {
        Client { largest: answer::LARGEST_FOREIGN, ..self }
    }

    /// The same connection acting as another user (`Impersonate-User`).
    pub fn impersonating(&self, user: &str) -> Client {
        Client { impersonate: Some(user.into()), ..self.clone() }
    }

    /// The same connection, each request of which shows a token that is asked for anew: one may end before its work does.
    pub fn showing(self, tokens: Tokens) -> Client {
        Client { tokens: Some(tokens), ..self }
    }

    /// The server's address, without a trailing slash and without who logs in there.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many requests were sent so far, by method and status code; without a code those that nobody answered.
    pub fn requests(&self) -> Vec<((&'static str, Option<u16>), u64)> {
        let counts = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(key, count)| (*key, *count)).collect()
    }

    /// How the server serves a kind: plural and scope. Asked once per group and version, and again
    /// when a kind is not in the answer we hold.
    ///
    /// # Errors
    /// [`Error::NoMatch`] and what a request can raise.
    pub async fn resource(&self, gvk: &GroupVersionKind) -> Result<Resource, Error> {
        self.discovery.resource(self, gvk).await
    }

    /// The same kind in a version that the server has, the preferred one first; none when it has none.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn served(&self, gvk: &GroupVersionKind) -> Result<Option<GroupVersionKind>, Error> {
        let places = discovery::places(self).await?.into_iter().filter(|(group, _)| *group == gvk.group);
        for (_, version) in places {
            let other = GroupVersionKind { version, ..gvk.clone() };
            match self.resource(&other).await {
                Ok(_) => return Ok(Some(other)),
                Err(error) if error.is_no_match() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Every kind that the server has, by the words that people call it.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn kinds(&self) -> Result<Served, Error> {
        words::read(self).await
    }

    /// Forgets what is known about kinds, for example after a definition was applied.
    pub fn forget_kinds(&self) {
        self.discovery.clear();
    }

    /// One object.
    ///
    /// # Errors
    /// [`Error::Refused`] with code 404 when it does not exist, [`Error::Astray`] when it is not said that it is this one.
    pub async fn get(&self, gvk: &GroupVersionKind, namespace: &str, name: &str) -> Result<Value, Error> {
        let path = self.object_path(gvk, namespace, name).await?;
        let answer = self.call(Call::new(Method::GET, path)).await;
        // An object has no address without its namespace: what is not found there is the address.
        if namespace.is_empty() && self.resource(gvk).await?.namespaced {
            return answer;
        }
        self.about(gvk, name, answer).await
    }

    /// The answer to a request about one object that is there for all we know. "Not found" is believed when it names the
    /// object, or when its kind has gone: others answer so, too, for as long as there is no server behind them.
    async fn about(
        &self,
        gvk: &GroupVersionKind,
        name: &str,
        answer: Result<Value, Error>,
    ) -> Result<Value, Error> {
        match answer {
            Err(error) if error.is_not_found() && !error.is_absence_of(name) => {
                Err(self.unbelieved(gvk).await)
            }
            answer => answer,
        }
    }

    /// The answer to a request that may make something. "Not found" is believed when it names anything: the object, or what
    /// it needs, as its namespace.
    async fn making(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        answer: Result<Value, Error>,
    ) -> Result<Value, Error> {
        match answer {
            Err(error) if error.is_not_found() && !error.is_named() => {
                // As with `get`: without its namespace the object has no address.
                if namespace.is_empty() && self.resource(gvk).await?.namespaced {
                    return Err(error);
                }
                Err(self.unbelieved(gvk).await)
            }
            answer => answer,
        }
    }

    /// What a "not found" that is not believed is instead: the kind has gone, or nobody knows.
    async fn unbelieved(&self, gvk: &GroupVersionKind) -> Error {
        self.discovery.forget(gvk);
        self.resource(gvk).await.err().unwrap_or_else(|| self.astray())
    }

    /// One object, or none when it (or its kind) does not exist.
    ///
    /// # Errors
    /// Those of [`Client::get`] but for "not found".
    pub async fn find(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, Error> {
        match self.get(gvk, namespace, name).await {
            Ok(object) => Ok(Some(object)),
            Err(e) if e.is_not_found() || e.is_no_match() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// All objects of a kind, in one namespace or (empty) in all.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn list(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        select: &Select,
    ) -> Result<Listed, Error> {
        let path = self.resource(gvk).await?.collection_path(gvk, namespace);
        let mut listed = Listed { items: Vec::new(), resource_version: String::new() };
        let mut page = String::new();
        let mut pages = Pages::new();
        loop {
            let mut call = Call::new(Method::GET, path.clone());
            call.accept = select.accept();
            call.query("limit", "500");
            call.query("continue", &page);
            select.write(&mut call);
            let bytes = self.answer(&call).await?;
            if !pages.take(bytes.len()) {
                return Err(self.too_large());
            }
            let mut answer: Value = serde_json::from_slice(&bytes).map_err(Error::Answer)?;
            let text = |v: &Value, key: &str| v["metadata"][key].as_str().unwrap_or_default().to_owned();
            listed.resource_version = text(&answer, "resourceVersion");
            page = text(&answer, "continue");
            if let Some(Value::Array(items)) = answer.get_mut("items").map(Value::take) {
                listed.items.extend(items.into_iter().map(|item| with_kind(item, gvk)));
            }
            if page.is_empty() {
                return Ok(listed);
            }
        }
    }

    /// Follows a kind: first everything there is, then each change. See [`watch::Watch`].
    pub fn watch(&self, gvk: &GroupVersionKind, namespace: &str, select: Select) -> watch::Watch {
        watch::Watch::new(self.clone(), gvk.clone(), namespace.to_owned(), select)
    }

    /// Creates an object where its metadata says.
    ///
    /// # Errors
    /// [`Error::Incomplete`] without kind, and what a request can raise.
    pub async fn create(&self, object: &Value, manager: &str) -> Result<Value, Error> {
        let (gvk, namespace, _) = identity(object)?;
        let mut call = Call::new(Method::POST, self.resource(&gvk).await?.collection_path(&gvk, namespace));
        call.query("fieldManager", manager);
        call.json(object);
        self.making(&gvk, namespace, self.call(call).await).await
    }

    /// Replaces an object; its `resourceVersion`, when present, must be the current one.
    ///
    /// # Errors
    /// [`Error::Incomplete`] without kind or name, and what a request can raise.
    pub async fn update(&self, object: &Value, manager: &str) -> Result<Value, Error> {
        let (gvk, namespace, name) = identity(object)?;
        let mut call = Call::new(Method::PUT, self.object_path(&gvk, namespace, name).await?);
        call.query("fieldManager", manager);
        call.json(object);
        self.making(&gvk, namespace, self.call(call).await).await
    }

    /// Patches an object.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn patch(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
        patch: &Patch<'_>,
        manager: &str,
    ) -> Result<Value, Error> {
        self.patch_part(gvk, namespace, name, "", patch, manager).await
    }

    /// Patches the `status` subresource of an object.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn patch_status(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
        patch: &Patch<'_>,
        manager: &str,
    ) -> Result<Value, Error> {
        self.patch_part(gvk, namespace, name, "/status", patch, manager).await
    }

    async fn patch_part(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
        part: &str,
        patch: &Patch<'_>,
        manager: &str,
    ) -> Result<Value, Error> {
        let path = self.object_path(gvk, namespace, name).await? + part;
        let mut call = Call::new(Method::PATCH, path);
        call.query("fieldManager", manager);
        call.content_type = patch.content_type();
        call.json(patch.body());
        self.about(gvk, name, self.call(call).await).await
    }

    /// Server-side apply.
    ///
    /// # Errors
    /// [`Error::Incomplete`] without kind or name, and what a request can raise.
    pub async fn apply(&self, object: &Value, how: &Apply<'_>) -> Result<Value, Error> {
        let (gvk, namespace, name) = identity(object)?;
        let mut call = Call::new(Method::PATCH, self.object_path(&gvk, namespace, name).await?);
        call.query("fieldManager", how.manager);
        call.query("force", if how.force { "true" } else { "false" });
        call.query("dryRun", how.dry_run.query());
        call.content_type = "application/apply-patch+yaml";
        call.json(object);
        self.making(&gvk, namespace, self.call(call).await).await
    }

    /// Deletes an object; the answer is the object or a status.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn delete(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
        how: &Delete,
    ) -> Result<Value, Error> {
        let mut call = Call::new(Method::DELETE, self.object_path(gvk, namespace, name).await?);
        call.json(&how.body());
        self.about(gvk, name, self.call(call).await).await
    }

    /// A token of a service account for these audiences, good for an hour.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn account_token(
        &self,
        namespace: &str,
        account: &str,
        audiences: &[&str],
    ) -> Result<SecretString, Error> {
        let accounts = GroupVersionKind::new("", "v1", "ServiceAccount");
        let path = self.object_path(&accounts, namespace, account).await? + "/token";
        let mut call = Call::new(Method::POST, path);
        call.json(&serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": audiences, "expirationSeconds": 3600},
        }));
        let answer = self.making(&accounts, namespace, self.call(call).await).await?;
        let token = answer["status"]["token"].as_str().ok_or(Error::Incomplete { field: "status.token" })?;
        Ok(token.to_owned().into())
    }

    async fn object_path(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
    ) -> Result<String, Error> {
        let resource = self.resource(gvk).await?;
        Ok(format!("{}/{}", resource.collection_path(gvk, namespace), encode(name)))
    }

    /// Sends any request and reads the JSON answer: for what the other calls do not cover. A server that is busy and says
    /// for how long is asked again.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn call(&self, call: Call) -> Result<Value, Error> {
        serde_json::from_slice(&self.answer(&call).await?).map_err(Error::Answer)
    }

    /// The body of an answer that is no refusal.
    async fn answer(&self, call: &Call) -> Result<Bytes, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = match within(self.send(call)).await.unwrap_or_else(|| Err(self.silent())) {
                // A connection that the server closed meanwhile; whatever may be done twice is tried on a fresh one.
                Err(Error::Transport { .. }) if tries == 1 && call.method != Method::POST => continue,
                sent => sent?,
            };
            let pause = busy_for(&answer).filter(|_| tries < TRIES);
            let code = answer.status();
            let bytes = within(answer::read(answer, self.largest)).await.ok_or_else(|| self.silent())?;
            let bytes = bytes.map_err(|unread| match unread {
                Unread::TooLarge => self.too_large(),
                Unread::Broken(error) => self.unanswered(error),
            })?;
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None if code.is_success() => return Ok(bytes),
                None => return Err(self.refusal(code, &bytes)),
            }
        }
    }

    /// The server's own words, or those of whatever stands before it. Of a server that a tenant chose there are no more than
    /// somebody would read; they are not cut, because a secret in them could be cut in two and not be found any more.
    fn refusal(&self, code: http::StatusCode, body: &[u8]) -> Error {
        let mut said: kube::core::response::Status = serde_json::from_slice(body).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(body);
            kube::core::response::Status::failure(text.trim(), "").with_code(code.as_u16())
        });
        if self.largest == answer::LARGEST_FOREIGN && said.message.len() > answer::LONGEST_FOREIGN_MESSAGE {
            said.message =
                format!("the server said why in {} bytes, too many to repeat them", said.message.len());
        }
        Error::Refused(Box::new(said))
    }

    async fn send(&self, call: &Call) -> Result<Answer, Error> {
        self.throttle.turn().await;
        let request = self.request(call).await?.map(Into::into);
        // The last thing before it goes out: whoever stood still meanwhile may no longer send it.
        if self.fences.iter().any(|fence| fence.is_reached()) {
            return Err(Error::Fenced);
        }
        let answer = self.http.send(request).await;
        let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        let mut counts = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((word(&call.method), code)).or_default() += 1;
        drop(counts);
        let answer = answer.map_err(|error| self.unanswered(error))?;
        self.throttle.look(answer.headers());
        Ok(answer)
    }

    async fn request(&self, call: &Call) -> Result<Request<Bytes>, Error> {
        let mut request =
            Request::builder().method(&call.method).uri(&call.path).header(http::header::ACCEPT, call.accept);
        if !call.body.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, call.content_type);
        }
        if let Some(user) = &self.impersonate {
            request = request.header("Impersonate-User", &**user);
        }
        if let Some(tokens) = &self.tokens {
            let token = tokens().await.map_err(|reason| Error::Token { reason })?;
            let shown = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
            let mut shown = HeaderValue::from_str(&shown).map_err(|error| Error::Request(error.into()))?;
            shown.set_sensitive(true);
            request = request.header(http::header::AUTHORIZATION, shown);
        }
        request.body(call.body.clone()).map_err(Error::Request)
    }

    fn silent(&self) -> Error {
        Error::Silent { address: self.address.to_string() }
    }

    fn astray(&self) -> Error {
        Error::Astray { address: self.address.to_string() }
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { address: self.address.to_string() }
    }

    fn unanswered(&self, error: kube::Error) -> Error {
        match error {
            kube::Error::Api(status) => Error::Refused(status),
            other => Error::Transport { address: self.address.to_string(), reason: address::cause(&other) },
        }
    }

    /// Sends a request without a body and reads the answer line by line, for as long as the server sends.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn lines(
        &self,
        call: Call,
    ) -> Result<std::pin::Pin<Box<dyn futures::AsyncBufRead + Send>>, Error> {
        self.throttle.turn().await;
        let opened = within(self.http.request_stream(self.request(&call).await?.map(|_| Vec::new()))).await;
        let lines = opened.ok_or_else(|| self.silent())?;
        Ok(Box::pin(lines.map_err(|error| self.unanswered(error))?))
    }
}

/// What something gives, unless it takes longer than an answer may take.
async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(LONGEST_ANSWER, work).await.ok()
}

type Answer = http::Response<kube::client::Body>;

/// How long a server that refuses for now asks to be left alone; none for any other answer.
fn busy_for(answer: &Answer) -> Option<Duration> {
    if !matches!(answer.status().as_u16(), 429 | 503) {
        return None;
    }
    let seconds = answer.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "OTHER",
    }
}

/// Kind, namespace and name of an object as it stands.
fn identity(object: &Value) -> Result<(GroupVersionKind, &str, &str), Error> {
    let gvk = object::gvk(object);
    if gvk.version.is_empty() {
        return Err(Error::Incomplete { field: "apiVersion" });
    }
    if gvk.kind.is_empty() {
        return Err(Error::Incomplete { field: "kind" });
    }
    Ok((gvk, object::namespace(object), object::name(object)))
}

/// Items of a list come without kind; give it back, in front.
fn with_kind(item: Value, gvk: &GroupVersionKind) -> Value {
    let Value::Object(fields) = item else { return item };
    if fields.contains_key("kind") && fields.contains_key("apiVersion") {
        return Value::Object(fields);
    }
    let mut object = serde_json::Map::new();
    object.insert("apiVersion".to_owned(), gvk.api_version().into());
    object.insert("kind".to_owned(), gvk.kind.clone().into());
    object.extend(fields);
    Value::Object(object)
}

fn base64_text(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// Joins the lines of certificates and keys: client-go passes over line breaks in their base64, the `kube` crate does not.
fn unwrap_lines(kubeconfig: &mut Kubeconfig) {
    let clusters = kubeconfig.clusters.iter_mut().filter_map(|known| known.cluster.as_mut());
    for authority in clusters.filter_map(|cluster| cluster.certificate_authority_data.as_mut()) {
        authority.retain(|letter| !is_break(letter));
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|known| known.auth_info.as_mut()) {
        if let Some(certificate) = &mut user.client_certificate_data {
            certificate.retain(|letter| !is_break(letter));
        }
        if let Some(key) = &mut user.client_key_data
            && key.expose_secret().contains(is_break)
        {
            // As long as the original, so that it never moves and leaves a copy behind.
            let mut joined = Zeroizing::new(String::with_capacity(key.expose_secret().len()));
            key.expose_secret().split(is_break).for_each(|line| joined.push_str(line));
            *key = joined.as_str().into();
        }
    }
}

fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\r')
}

/// Whether a kubeconfig says where it leads, and whom to trust there, in the words of client-go.
fn check(kubeconfig: &Kubeconfig) -> Result<(), Error> {
    let refused = |why: String| Err(Error::Kubeconfig { why });
    let current = kubeconfig.current_context.as_deref().unwrap_or_default();
    if !current.is_empty() && !kubeconfig.contexts.iter().any(|known| known.name == current) {
        return refused(format!(
            "[context was not found for specified context: {current}, cluster has no server defined]"
        ));
    }
    let context = kubeconfig.contexts.iter().find(|known| known.name == current);
    let context = context.and_then(|known| known.context.as_ref());
    let cluster = kubeconfig.clusters.iter().find(|known| context.is_some_and(|c| c.cluster == known.name));
    let cluster = cluster.and_then(|known| known.cluster.as_ref());
    let nothing =
        kubeconfig.clusters.is_empty() && kubeconfig.contexts.is_empty() && kubeconfig.auth_infos.is_empty();
    if nothing || cluster.is_some_and(|cluster| cluster.server.as_deref().unwrap_or_default().is_empty()) {
        let why = "no configuration has been provided, try setting KUBERNETES_MASTER environment variable";
        return refused(why.to_owned());
    }
    match cluster.and_then(|cluster| cluster.certificate_authority_data.as_deref()) {
        None | Some("") => Ok(()),
        // What is no base64 is no certificate either.
        Some(data) => certificate::check(&base64_bytes(data).unwrap_or_default())
            .map_err(|why| Error::Authority { why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_and_keys_may_lie_over_several_lines() {
        let text = "clusters:\n- name: c\n  cluster:\n    certificate-authority-data: |\n      YWJj\n      ZGVm\n\
            users:\n- name: u\n  user:\n    client-certificate-data: \"Z2hp\\r\\namts\\r\\n\"\n    client-key-data: |\n      bW5v\n      cHFy\n";
        let mut kubeconfig = Kubeconfig::from_yaml(text).expect("well-formed");
        unwrap_lines(&mut kubeconfig);
        let cluster = kubeconfig.clusters[0].cluster.as_ref().expect("given");
        let user = kubeconfig.auth_infos[0].auth_info.as_ref().expect("given");
        assert_eq!(cluster.certificate_authority_data.as_deref(), Some("YWJjZGVm"));
        assert_eq!(user.client_certificate_data.as_deref(), Some("Z2hpamts"));
        assert_eq!(user.client_key_data.as_ref().map(|key| key.expose_secret()), Some("bW5vcHFy"));
    }
}
