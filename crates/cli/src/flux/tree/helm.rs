//! What a Helm release installed, from where Helm keeps it.
//!
//! The storage holds the chart's values and Secrets in plaintext; only names are taken out of it, the rest is wiped.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use sealfast_cluster::client::{Client, Select};
use sealfast_k8s::id::{GroupVersionKind, ObjectId};
use sealfast_k8s::object;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::flux::known::HELM_RELEASE;
use crate::flux::secret::Secret;
use crate::flux::{Failed, told};

/// Lists the objects of a release; none when nothing is stored, or when it was installed elsewhere.
pub(super) async fn inventory(client: &Client, namespace: &str, name: &str) -> Result<Vec<ObjectId>, Failed> {
    let release = HELM_RELEASE.get(client, namespace, name).await?;
    let storage = release["status"]["storageNamespace"].as_str().unwrap_or_default();
    let history = release["status"]["history"].as_array().into_iter().flatten();
    let latest = history.max_by_key(|snapshot| snapshot["version"].as_i64());
    let (Some(latest), None, false) = (latest, release["spec"].get("kubeConfig"), storage.is_empty()) else {
        return Ok(Vec::new());
    };
    let text = |field: &str| latest[field].as_str().unwrap_or_default();
    let key =
        format!("sh.helm.release.v1.{}.v{}", text("name"), latest["version"].as_i64().unwrap_or_default());
    let about =
        |what: &str| format!("failed to {what} the Helm storage object for HelmRelease '{namespace}/{name}'");
    let secrets = GroupVersionKind::new("", "v1", "Secret");
    let found = client.find(&secrets, storage, &key).await;
    let found = found.map_err(|error| format!("{}: {}", about("find"), told(&error)))?;
    let Some(stored) = found.map(Secret::found) else { return Ok(Vec::new()) };
    let stored = stored.bytes("release").ok_or_else(|| about("decode"))?;
    let manifest = manifest(&stored).map_err(|why| format!("{}: {why}", about("decode")))?;
    let mut ids = objects(&manifest).map_err(|why| format!("{}: {why}", about("read")))?;
    for id in ids.iter_mut().filter(|id| id.namespace.is_empty()) {
        if client.resource(&id.gvk).await.is_ok_and(|resource| resource.namespaced) {
            id.namespace = text("namespace").to_owned();
        }
    }
    definitions(client, &release, &mut ids).await;
    Ok(ids)
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    manifest: String,
}

/// Base64, mostly compressed, JSON: Helm's own form.
fn manifest(stored: &[u8]) -> Result<Zeroizing<String>, String> {
    let mut json = Zeroizing::new(STANDARD.decode(stored).map_err(|error| error.to_string())?);
    if json.starts_with(&[0x1f, 0x8b, 8]) {
        json = opened(&json)?;
    }
    let stored: Stored = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(stored.manifest))
}

/// Opens what is compressed, twice: to know how much room it takes, and into that room. A buffer that grows would leave
/// parts of it behind.
fn opened(packed: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let opened = || GzDecoder::new(packed).take(LONGEST + 1);
    let size = std::io::copy(&mut opened(), &mut std::io::sink()).map_err(|error| error.to_string())?;
    if size > LONGEST {
        return Err(format!("it is larger than {LONGEST} bytes"));
    }
    let room = usize::try_from(size).map_err(|error| error.to_string())?;
    let mut bytes = Zeroizing::new(vec![0; room]);
    opened().read_exact(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// A Secret holds at most 1 MiB, which does not open to more than this in honest releases.
const LONGEST: u64 = 64 << 20;

fn objects(manifest: &str) -> Result<Vec<ObjectId>, String> {
    let documents = sealfast_yaml::json::documents(manifest.as_bytes()).map_err(|error| error.to_string())?;
    let mut ids = Vec::new();
    for document in documents {
        let document = Secret::found(document);
        let items = document.listed().map_or_else(|| vec![document.value()], |items| items.iter().collect());
        ids.extend(items.into_iter().filter(|item| is_object(item)).map(object::id));
    }
    Ok(ids)
}

fn is_object(item: &Value) -> bool {
    let gvk = object::gvk(item);
    let is_build = gvk.group == "kustomize.config.k8s.io" && gvk.kind == "Kustomization";
    !gvk.kind.is_empty() && !gvk.version.is_empty() && !object::name(item).is_empty() && !is_build
}

/// Definitions come with the chart but are no part of its manifest.
async fn definitions(client: &Client, release: &Value, ids: &mut Vec<ObjectId>) {
    let policy =
        |run: &str| release["spec"][run]["crds"].as_str().is_some_and(|crds| !matches!(crds, "" | "Skip"));
    if !policy("install") && !policy("upgrade") {
        return;
    }
    let group = HELM_RELEASE.gvk().group;
    let (name, namespace) = (object::name(release), object::namespace(release));
    let labels = format!("{group}/name={name},{group}/namespace={namespace}");
    let gvk = GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let listed = client.list(&gvk, "", &Select { labels, ..Select::default() }).await;
    for definition in listed.map(|listed| listed.items).unwrap_or_default() {
        let name = object::name(&definition);
        if !ids.iter().any(|id| id.name == name && id.gvk.kind == gvk.kind) {
            ids.push(ObjectId { gvk: gvk.clone(), namespace: String::new(), name: name.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const MANIFEST: &str = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: apps}\ndata: {k: dg==}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n---\nkind: nothing\n";

    #[test]
    fn names_come_out_of_what_helm_stores() {
        let json = serde_json::json!({ "name": "x", "manifest": MANIFEST, "config": { "password": "p" } })
            .to_string();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(json.as_bytes()).expect("into memory");
        let packed = STANDARD.encode(gzip.finish().expect("into memory"));
        for stored in [packed, STANDARD.encode(&json)] {
            let manifest = manifest(stored.as_bytes()).expect("it is stored right");
            let shown: Vec<String> =
                objects(&manifest).expect("it is YAML").iter().map(ToString::to_string).collect();
            assert_eq!(shown, ["Secret/apps/a", "ConfigMap/b"]);
        }
        assert!(manifest(b"!").is_err());
        let packed = |bytes: &[u8]| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(bytes).expect("into memory");
            gzip.finish().expect("into memory")
        };
        let plain = vec![b'x'; 100_000];
        let bytes = opened(&packed(&plain)).expect("it is packed right");
        assert!(*bytes == plain && bytes.capacity() == plain.len());
    }
}
