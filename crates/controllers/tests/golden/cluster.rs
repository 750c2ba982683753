//! The embedded server, the controllers and the Git server that all cases share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use http::Method;
use sealfast_apiserver::server::{self, Running};
use sealfast_cluster::client::Client;
use sealfast_cluster::client::request::Call;
use sealfast_controllers::options::{Options, SopsMac};
use sealfast_controllers::run::{self, Handle};
use sealfast_k8s::flux;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_testkit::scratch::Scratch;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::gitserve;

/// How many objects of a kind the controllers work on at a time.
const CONCURRENCY: usize = 16;

/// All that cases share.
pub(crate) struct House {
    pub(crate) git: gitserve::Servers,
    /// The kubeconfig as a JSON string, for cases that reach the server as a remote cluster.
    pub(crate) kubeconfig: String,
    client: Client,
    runtime: Runtime,
    resources: Mutex<HashMap<(String, String), (String, bool)>>,
    _running: (Running, Handle, Scratch),
}

/// Code and body of an answer.
pub(crate) type Answer = (u16, Value);

impl House {
    /// Starts everything; workloads become ready by themselves or never.
    pub(crate) fn start(ready_workloads: bool) -> Result<House> {
        let runtime = Runtime::new()?;
        let scratch = Scratch::new()?;
        let git = gitserve::Servers::start(&scratch.join("git"))?;
        let (running, handle, client, kubeconfig) = runtime.block_on(async {
            let running =
                server::start(server::Options::default().with_ready_workloads(ready_workloads)).await?;
            let text = running.kubeconfig();
            let client = Client::from_kubeconfig_text(&text, None).await?;
            for definition in flux::crds() {
                client.create(&definition, "golden").await?;
            }
            client.forget_kinds();
            let options = Options {
                storage_dir: scratch.join("artifacts"),
                concurrency: CONCURRENCY,
                // The reference never looks at a MAC.
                sops_mac: SopsMac::Ignore,
                ..Options::default()
            };
            let handle = run::start(client.clone(), options, Arc::default()).await?;
            anyhow::Ok((running, handle, client, Value::from(text).to_string()))
        })?;
        let resources = Mutex::default();
        Ok(House { git, kubeconfig, client, runtime, resources, _running: (running, handle, scratch) })
    }

    /// Sends a request; refusals are answers.
    pub(crate) fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        content_type: &'static str,
    ) -> Result<Answer> {
        let mut call = Call::new(method, path.to_owned());
        if let Some(body) = body {
            call.body(body, content_type);
        }
        match self.runtime.block_on(self.client.call(call)) {
            Ok(answer) => Ok((200, answer)),
            Err(error) => {
                let status = error.status().with_context(|| format!("{path}: {}", error.chain()))?;
                Ok((status.code, json!({"message": status.message, "reason": status.reason})))
            }
        }
    }

    /// Plural and scope of a kind; none when the server does not know it.
    fn resource(&self, version: &str, kind: &str) -> Option<(String, bool)> {
        let key = (version.to_owned(), kind.to_owned());
        if let Some(known) = self.resources.lock().unwrap().get(&key) {
            return Some(known.clone());
        }
        let gvk = GroupVersionKind::from_api_version(version, kind);
        let found = self.runtime.block_on(self.client.resource(&gvk)).ok()?;
        let found = (found.plural.to_string(), found.namespaced);
        self.resources.lock().unwrap().insert(key, found.clone());
        Some(found)
    }

    pub(crate) fn is_namespaced(&self, version: &str, kind: &str) -> bool {
        self.resource(version, kind).is_none_or(|(_, namespaced)| namespaced)
    }

    /// The address of an object, or of the collection when the name is empty.
    pub(crate) fn url(&self, version: &str, kind: &str, namespace: &str, name: &str) -> Option<String> {
        let (plural, namespaced) = self.resource(version, kind)?;
        let base = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
        let inside = if namespaced && !namespace.is_empty() {
            format!("/namespaces/{namespace}")
        } else {
            String::new()
        };
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("/{}", sealfast_cluster::client::request::encode(name))
        };
        Some(format!("{base}{inside}/{plural}{name}"))
    }

    pub(crate) fn get(
        &self,
        version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>> {
        let Some(url) = self.url(version, kind, namespace, name) else { return Ok(None) };
        let (code, object) = self.call(Method::GET, &url, None, "")?;
        Ok((code == 200).then_some(object))
    }

    pub(crate) fn list(&self, version: &str, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let Some(url) = self.url(version, kind, namespace, "") else { return Ok(Vec::new()) };
        let (code, list) = self.call(Method::GET, &url, None, "")?;
        let items = if code == 200 { list["items"].as_array().cloned() } else { None };
        Ok(items.unwrap_or_default())
    }
}
