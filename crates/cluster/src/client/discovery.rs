//! How the server serves each kind: one request per group and version, kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use crate::client::Client;
use crate::client::request::{Call, encode};
use crate::error::Error;

/// An answer younger than this is believed when it lacks a kind.
const FRESH: Duration = Duration::from_millis(100);

/// How many kinds are known at a time. A server has some thousands at most; one that a tenant made
/// may name more, to fill our memory.
const MOST_KINDS: usize = 50_000;

/// How one kind is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The plural in addresses.
    pub plural: Arc<str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// The address of the collection, in one namespace or (empty) over all.
    pub fn collection_path(&self, gvk: &GroupVersionKind, namespace: &str) -> String {
        let base = version_path(&gvk.group, &gvk.version);
        if self.namespaced && !namespace.is_empty() {
            format!("{base}/namespaces/{}/{}", encode(namespace), self.plural)
        } else {
            format!("{base}/{}", self.plural)
        }
    }
}

pub(super) fn version_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

type Kinds = HashMap<String, Resource>;
/// When it was read, and what was found. Who asks holds it, so that nobody else asks for the same; other groups and
/// versions do not wait for one whose server is slow.
type Version = tokio::sync::Mutex<Option<(Instant, Kinds)>>;
/// By group and version.
#[derive(Default)]
struct Versions {
    known: HashMap<(String, String), Arc<Version>>,
    /// How many kinds were found since the last time that all was forgotten.
    found: usize,
}

/// What is known so far. Shared by all clones of a client, whoever they act as.
#[derive(Default)]
pub struct Discovery {
    versions: Mutex<Versions>,
}

impl Discovery {
    pub(crate) async fn resource(&self, client: &Client, gvk: &GroupVersionKind) -> Result<Resource, Error> {
        let version = self.version(gvk);
        let mut known = version.lock().await;
        if let Some((at, kinds)) = &*known {
            match kinds.get(&gvk.kind) {
                Some(resource) => return Ok(resource.clone()),
                None if at.elapsed() < FRESH => return Err(no_match(gvk)),
                None => {}
            }
        }
        let kinds = match ask(client, gvk).await {
            Ok(kinds) => kinds,
            Err(error) => {
                // What is not served has no place here: anybody can make up names.
                if known.is_none() {
                    self.forget(gvk);
                }
                return Err(error);
            }
        };
        let found = kinds.get(&gvk.kind).cloned();
        self.count(kinds.len());
        *known = Some((Instant::now(), kinds));
        found.ok_or_else(|| no_match(gvk))
    }

    fn version(&self, gvk: &GroupVersionKind) -> Arc<Version> {
        let key = (gvk.group.clone(), gvk.version.clone());
        Arc::clone(self.versions().known.entry(key).or_default())
    }

    /// Forgets everything once too much is known; what has just been found goes with whoever asked for it.
    fn count(&self, more: usize) {
        let mut versions = self.versions();
        // A version without kinds takes some memory, too.
        versions.found += more + 1;
        if versions.found > MOST_KINDS {
            *versions = Versions::default();
        }
    }

    pub(crate) fn forget(&self, gvk: &GroupVersionKind) {
        let key = (gvk.group.clone(), gvk.version.clone());
        self.versions().known.remove(&key);
    }

    pub(crate) fn clear(&self) {
        *self.versions() = Versions::default();
    }

    fn versions(&self) -> MutexGuard<'_, Versions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_match(gvk: &GroupVersionKind) -> Error {
    Error::NoMatch { kind: gvk.kind.clone(), api_version: gvk.api_version() }
}

async fn ask(client: &Client, gvk: &GroupVersionKind) -> Result<Kinds, Error> {
    let call = Call::new(Method::GET, version_path(&encode(&gvk.group), &encode(&gvk.version)));
    match client.call(call).await {
        Ok(answer) if answer["kind"] == "APIResourceList" => Ok(read(&answer)),
        Ok(_) => Err(client.astray()),
        // Only a server that knows itself can tell what it does not have.
        Err(error) if error.is_not_found() => {
            let is_there = places(client).await?.contains(&(gvk.group.clone(), gvk.version.clone()));
            Err(if is_there { client.astray() } else { no_match(gvk) })
        }
        Err(error) => Err(error),
    }
}

/// A group and a version of it.
pub(crate) type Place = (String, String);

/// All that the server has: the core group first, then groups in its order, the preferred version of each first.
pub(crate) async fn places(client: &Client) -> Result<Vec<Place>, Error> {
    let listed = client.call(Call::new(Method::GET, "/apis".to_owned())).await;
    match listed {
        Ok(groups) if groups["kind"] == "APIGroupList" => Ok(every_version(&groups)),
        Err(error) if !error.is_not_found() => Err(error),
        _ => Err(client.astray()),
    }
}

/// Groups and versions of an `APIGroupList`, which leaves out the core group.
fn every_version(groups: &Value) -> Vec<Place> {
    let mut every: Vec<Place> = vec![(String::new(), "v1".to_owned())];
    for group in groups["groups"].as_array().into_iter().flatten() {
        let name = group["name"].as_str().unwrap_or_default();
        let listed = group["versions"].as_array().into_iter().flatten();
        for version in std::iter::once(&group["preferredVersion"]).chain(listed) {
            let known = (name.to_owned(), version["version"].as_str().unwrap_or_default().to_owned());
            if !known.1.is_empty() && !every.contains(&known) {
                every.push(known);
            }
        }
    }
    every
}

/// Kinds of an `APIResourceList`; subresources are left out.
fn read(answer: &Value) -> Kinds {
    let resources = answer["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |entry: &Value| {
        let plural = entry["name"].as_str().filter(|name| !name.contains('/'))?;
        let namespaced = entry["namespaced"].as_bool().unwrap_or_default();
        Some((entry["kind"].as_str()?.to_owned(), Resource { plural: plural.into(), namespaced }))
    };
    resources.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded() {
        let (discovery, mut most) = (Discovery::default(), 0);
        for number in 0..100_u32 {
            drop(discovery.version(&GroupVersionKind::new(format!("g{number}"), "v1", "Kind")));
            discovery.count(MOST_KINDS / 10);
            most = most.max(discovery.versions().known.len());
        }
        assert!((5..=10).contains(&most), "{most}");
        discovery.count(MOST_KINDS);
        assert_eq!(discovery.versions().known.len(), 0);
    }
}
