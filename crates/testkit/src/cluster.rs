//! A stand-in cluster for command lines: objects in memory, answered over HTTP.
//!
//! It plays Flux's controllers too: a requested run is handled at once, a created object is ready at once, a new spec has
//! been observed. `golden/flux-cli` was recorded against the same behaviour.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

mod http;
mod kinds;
mod state;

pub use state::{Facts, difference, facts};

use crate::loopback::Loopback;
use kinds::Kind;

/// Where an object lies: group, plural, namespace, name.
pub(crate) type Place = (String, String, String, String);

/// A served cluster; it ends on drop.
pub struct Cluster {
    objects: Arc<Mutex<Objects>>,
    loopback: Loopback,
}

impl Cluster {
    /// Starts a cluster that holds these objects.
    ///
    /// # Errors
    /// When an object is of an unknown kind, or no port is free.
    pub fn start(documents: Vec<Value>) -> Result<Self> {
        let mut objects = Objects::default();
        for document in documents.into_iter().filter(|document| !document.is_null()) {
            let kind = kinds::of(&document).with_context(|| format!("unknown kind in {document}"))?;
            objects.put(kind, document);
        }
        let objects = Arc::new(Mutex::new(objects));
        let loopback = http::serve(Arc::clone(&objects))?;
        Ok(Self { objects, loopback })
    }

    /// Returns its address, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.loopback.address())
    }

    /// Returns a kubeconfig with the contexts `demo` (current, namespace `team-b`) and `plain` (no namespace).
    #[must_use]
    pub fn kubeconfig(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "demo",
            "clusters": [{"name": "demo", "cluster": {"server": self.url()}}],
            "users": [{"name": "demo", "user": {"token": "t"}}],
            "contexts": [
                {"name": "demo", "context": {"cluster": "demo", "user": "demo", "namespace": "team-b"}},
                {"name": "plain", "context": {"cluster": "demo", "user": "demo"}},
            ],
        })
    }

    /// Has requests of a method refused from now on, with a code and a message: those for a path, or for a kind by its
    /// plural.
    pub fn refuse(&self, method: &str, what: &str, code: u16, message: &str) {
        let refused = (method.to_owned(), what.to_owned(), code, message.to_owned());
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).refused.push(refused);
    }

    /// Returns all objects as they are now.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<Place, Value> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Objects {
    all: BTreeMap<Place, Value>,
    version: u64,
    /// Method, path or plural, code and message of what is refused.
    refused: Vec<(String, String, u16, String)>,
}

impl Objects {
    fn put(&mut self, kind: &Kind, mut object: Value) -> Value {
        self.version += 1;
        let number = 1000 + self.version;
        let metadata = entry(&mut object, "metadata");
        metadata.insert("resourceVersion".to_owned(), number.to_string().into());
        metadata.entry("uid").or_insert_with(|| format!("00000000-0000-0000-0000-{number:012}").into());
        metadata.entry("generation").or_insert(json!(1));
        metadata.entry("creationTimestamp").or_insert(json!(BORN));
        let text = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let namespace = if kind.namespaced { text("namespace") } else { String::new() };
        let place = (kind.group.to_owned(), kind.plural.to_owned(), namespace, text("name"));
        self.all.insert(place, object.clone());
        object
    }

    /// Creates, replaces or patches an object; what the controllers would then do has been done.
    fn write(&mut self, kind: &Kind, old: Option<&Value>, mut new: Value) -> Value {
        if kind.kind == "Secret" {
            encode(&mut new);
        }
        if kind.group.ends_with("toolkit.fluxcd.io") {
            reconcile(kind, old, &mut new);
        }
        self.put(kind, new)
    }
}

/// Moves `stringData` into `data`.
fn encode(secret: &mut Value) {
    let Some(texts) = secret.as_object_mut().and_then(|secret| secret.remove("stringData")) else { return };
    let data = entry(secret, "data");
    for (key, text) in texts.as_object().into_iter().flatten() {
        data.insert(key.clone(), base64(text.as_str().unwrap_or_default().as_bytes()).into());
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let word =
            part.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for place in 0..4 {
            let index = (word >> (18 - 6 * place)) & 63;
            out.push(if place <= part.len() { char::from(LETTERS[index as usize]) } else { '=' });
        }
    }
    out
}

fn reconcile(kind: &Kind, old: Option<&Value>, new: &mut Value) {
    let requested = new["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].clone();
    if let Some(old) = old
        && old["spec"] != new["spec"]
    {
        let before = old["metadata"]["generation"].as_i64().unwrap_or(1);
        entry(new, "metadata").insert("generation".to_owned(), json!(before + 1));
    }
    let generation = new["metadata"]["generation"].as_i64().unwrap_or(1);
    let status = entry(new, "status");
    if !requested.is_null() {
        status.insert("lastHandledReconcileAt".to_owned(), requested);
    }
    if old.is_none() {
        status.extend(first_run(kind));
    }
    status.insert("observedGeneration".to_owned(), json!(generation));
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        condition["observedGeneration"] = json!(generation);
    }
}

fn first_run(kind: &Kind) -> Map<String, Value> {
    let mut status = Map::new();
    if kind.kind == "Kustomization" {
        status.insert("lastAppliedRevision".to_owned(), json!(REVISION));
        status.insert("lastAttemptedRevision".to_owned(), json!(REVISION));
    } else {
        let artifact = json!({
            "revision": REVISION, "digest": "sha256:00", "path": "p", "url": "u", "lastUpdateTime": BORN,
        });
        status.insert("artifact".to_owned(), artifact);
    }
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Succeeded", "message": "done", "lastTransitionTime": BORN,
    });
    status.insert("conditions".to_owned(), json!([ready]));
    status
}

/// Returns the map in a field, made when it is not there.
fn entry<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    let place = &mut object[field];
    if !place.is_object() {
        *place = json!({});
    }
    place.as_object_mut().unwrap_or_else(|| unreachable!("was just made a map"))
}

/// Names of all kinds, for discovery.
pub(crate) fn group_versions() -> BTreeSet<(&'static str, &'static str)> {
    kinds::ALL.iter().map(|kind| (kind.group, kind.version)).collect()
}

const BORN: &str = "2026-01-02T03:04:05Z";
const REVISION: &str = "main@sha1:1111111111111111111111111111111111111111";
