//! Requests to an API server: JSON objects by kind, discovery, impersonation.
//!
//! Connection, TLS and credentials are the `kube` crate's; the requests are our own, because
//! objects stay JSON values here. A namespace is a `&str`, empty for none.

use std::path::Path;
use std::sync::Arc;

use http::{Method, Request};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::client::discovery::{Discovery, Resource};
use crate::client::request::{Call, encode};
use crate::error::Error;

pub mod discovery;
pub mod request;
pub mod watch;

pub use crate::client::request::{Apply, Delete, DryRun, Patch, Propagation, Select};

/// A connection to one API server, cheap to clone. Debug shows the address only.
#[derive(Clone)]
pub struct Client {
    http: kube::Client,
    address: Arc<str>,
    discovery: Arc<Discovery>,
    impersonate: Option<Arc<str>>,
}

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
    /// From a kubeconfig file (or the one the environment names when `path` is none) and a context
    /// (or the current one). Must run inside a Tokio runtime, as the other makers.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub async fn from_kubeconfig(path: Option<&Path>, context: Option<&str>) -> Result<Client, Error> {
        let shown = path.map(|p| p.display().to_string());
        let read = match path {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let kubeconfig = read.map_err(|e| Error::Config { path: shown.clone(), source: Box::new(e) })?;
        Client::from_parsed(kubeconfig, context, shown).await
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

    /// From a kubeconfig that a tenant wrote: programs, files and unchecked TLS in it are not honoured.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub async fn from_foreign_kubeconfig(text: &str) -> Result<Client, Error> {
        let mut kubeconfig =
            Kubeconfig::from_yaml(text).map_err(|e| Error::Config { path: None, source: Box::new(e) })?;
        for user in kubeconfig.auth_infos.iter_mut().filter_map(|u| u.auth_info.as_mut()) {
            user.exec = None;
            user.auth_provider = None;
            user.token_file = None;
            user.client_certificate = None;
            user.client_key = None;
        }
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|c| c.cluster.as_mut()) {
            cluster.certificate_authority = None;
            cluster.insecure_skip_tls_verify = None;
        }
        Client::from_parsed(kubeconfig, None, None).await
    }

    async fn from_parsed(
        kubeconfig: Kubeconfig,
        context: Option<&str>,
        path: Option<String>,
    ) -> Result<Client, Error> {
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
        token: Option<&secrecy::SecretString>,
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
        let address: Arc<str> = config.cluster_url.to_string().trim_end_matches('/').into();
        let loopback = matches!(config.cluster_url.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        config.disable_compression |= loopback;
        let http = kube::Client::try_from(config).map_err(|e| Error::Config { path, source: Box::new(e) })?;
        Ok(Client { http, address, discovery: Arc::default(), impersonate: None })
    }

    /// The same connection acting as another user (`Impersonate-User`).
    pub fn impersonating(&self, user: &str) -> Client {
        Client { impersonate: Some(user.into()), ..self.clone() }
    }

    /// The server's address, without a trailing slash.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How the server serves a kind: plural and scope. Asked once per group and version, and again
    /// when a kind is not in the answer we hold.
    ///
    /// # Errors
    /// [`Error::NoMatch`] and what a request can raise.
    pub async fn resource(&self, gvk: &GroupVersionKind) -> Result<Resource, Error> {
        self.discovery.resource(self, gvk).await
    }

    /// Forgets what is known about kinds, for example after a definition was applied.
    pub fn forget_kinds(&self) {
        self.discovery.clear();
    }

    /// One object.
    ///
    /// # Errors
    /// [`Error::Refused`] with code 404 when it does not exist.
    pub async fn get(&self, gvk: &GroupVersionKind, namespace: &str, name: &str) -> Result<Value, Error> {
        let path = self.object_path(gvk, namespace, name).await?;
        self.call(Call::new(Method::GET, path)).await
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
        loop {
            let mut call = Call::new(Method::GET, path.clone());
            call.accept = select.accept();
            call.query("limit", "500");
            call.query("continue", &page);
            select.write(&mut call);
            let mut answer = self.call(call).await?;
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
        self.call(call).await
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
        self.call(call).await
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
        self.call(call).await
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
        self.call(call).await
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
        self.call(call).await
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

    /// Sends any request and reads the JSON answer: for what the other calls do not cover.
    ///
    /// # Errors
    /// What a request can raise.
    pub async fn call(&self, call: Call) -> Result<Value, Error> {
        let text = self.http.request_text(self.request(call)?).await?;
        serde_json::from_str(&text).map_err(Error::Answer)
    }

    fn request(&self, call: Call) -> Result<Request<Vec<u8>>, Error> {
        let mut request =
            Request::builder().method(call.method).uri(call.path).header(http::header::ACCEPT, call.accept);
        if !call.body.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, call.content_type);
        }
        if let Some(user) = &self.impersonate {
            request = request.header("Impersonate-User", &**user);
        }
        request.body(call.body).map_err(Error::Request)
    }

    pub(crate) async fn lines(
        &self,
        call: Call,
    ) -> Result<std::pin::Pin<Box<dyn futures::AsyncBufRead + Send>>, Error> {
        Ok(Box::pin(self.http.request_stream(self.request(call)?).await?))
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
