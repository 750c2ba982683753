//! Reading all that a run needs: the artifact, keys, variables. Nothing is written.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::kustomization::{Kustomization, PostBuild};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_keys::keyring::Keyring;
use sealfast_kustomize::files::join;
use sealfast_source::archive::unpack::{Limits, unpack};
use sealfast_source::tree::{Entry, Memory};
use serde_json::Value;
use sha2::Digest;

use crate::kustomization::decrypt;
use crate::report::{EventText, Failure};

/// How often an address that does not answer is asked.
const TRIES: u32 = 10;

/// An artifact, unpacked.
pub struct Fetched {
    /// Its files.
    pub tree: Arc<Memory>,
    /// Where they are mounted; only messages show it.
    pub root: String,
    /// The directory to build, below the root.
    pub path: String,
}

/// All that was read for a run.
pub struct Gathered {
    /// The artifact.
    pub fetched: Fetched,
    /// Keys that open what is encrypted; none when the object does not ask for decryption.
    pub keyring: Option<Keyring>,
    /// Variables for the substitution; none when the object does not ask for it. An error is
    /// only one when an object is to be substituted.
    pub variables: Option<Result<BTreeMap<String, String>, String>>,
}

/// Fetches artifacts and keeps those in use unpacked, once for all who build from them.
pub struct Artifacts {
    storage: PathBuf,
    http: reqwest::Client,
    trees: Mutex<HashMap<String, Weak<Memory>>>,
}

impl Artifacts {
    /// Artifacts that lie below `storage` are read there, all others from their address.
    pub fn new(storage: PathBuf) -> Artifacts {
        Artifacts { storage, http: reqwest::Client::new(), trees: Mutex::default() }
    }

    /// Fetches, checks and unpacks an artifact and finds the path in it.
    ///
    /// # Errors
    /// ArtifactFailed with the reason; a missing artifact is waited for.
    pub async fn fetch(&self, artifact: &Artifact, path: &str, retry: Duration) -> Result<Fetched, Failure> {
        let tree = self.tree(artifact, retry).await?;
        let digest = artifact.digest.rsplit(':').next().unwrap_or_default();
        let root = format!("/kustomization-{}", digest.get(..12).unwrap_or(digest));
        let dir = join("/", path);
        let inside = dir.trim_start_matches('/');
        let full = format!("{root}{}", if inside.is_empty() { "" } else { &dir });
        match tree.entries.get(inside) {
            _ if inside.is_empty() => {}
            Some(Entry::Directory) => {}
            Some(_) => {
                return Err(Failure::new(
                    "ArtifactFailed",
                    format!("kustomization path not found: {full} is not a directory"),
                )
                .hint(format!("spec.path `{path}` is a file of the source; name its directory")));
            }
            None => {
                return Err(Failure::new(
                    "ArtifactFailed",
                    format!("kustomization path not found: stat {full}: no such file or directory"),
                )
                .hint(format!("spec.path `{path}` does not exist in revision {}", artifact.revision)));
            }
        }
        Ok(Fetched { tree, root, path: full })
    }

    async fn tree(&self, artifact: &Artifact, retry: Duration) -> Result<Arc<Memory>, Failure> {
        if let Some(tree) = self.trees.lock().get(&artifact.digest).and_then(Weak::upgrade) {
            return Ok(tree);
        }
        let bytes = match self.local(artifact).await {
            Some(bytes) => bytes,
            None => self.remote(artifact, retry).await?,
        };
        let unpacked = tokio::task::spawn_blocking(move || unpack(&bytes[..], &Limits::default())).await;
        let broken = |why: String| Failure::new("ArtifactFailed", format!("failed to untar artifact: {why}"));
        let tree = unpacked.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.chain()))?;
        let tree = Arc::new(tree);
        let mut trees = self.trees.lock();
        trees.retain(|_, tree| tree.strong_count() > 0);
        trees.insert(artifact.digest.clone(), Arc::downgrade(&tree));
        Ok(tree)
    }

    /// The archive from our own storage, when it is there and is the right one.
    async fn local(&self, artifact: &Artifact) -> Option<Bytes> {
        let relative = Path::new(&artifact.path);
        let safe = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if self.storage.as_os_str().is_empty() || !safe {
            return None;
        }
        let bytes = tokio::fs::read(self.storage.join(relative)).await.ok()?;
        check(artifact, &bytes).ok()?;
        Some(bytes.into())
    }

    async fn remote(&self, artifact: &Artifact, retry: Duration) -> Result<Bytes, Failure> {
        let mut pause = Duration::from_millis(500);
        for attempt in 1.. {
            let why = match self.http.get(&artifact.url).send().await {
                Ok(answer) if answer.status() == reqwest::StatusCode::NOT_FOUND => {
                    return Err(not_there(retry));
                }
                Ok(answer) if answer.status().is_success() => match answer.bytes().await {
                    Ok(bytes) => {
                        check(artifact, &bytes)?;
                        return Ok(bytes);
                    }
                    Err(error) => error.without_url().to_string(),
                },
                Ok(answer) if !answer.status().is_server_error() => {
                    return Err(download_failed(&answer.status().to_string()));
                }
                Ok(answer) => answer.status().to_string(),
                Err(error) => error.without_url().to_string(),
            };
            if attempt >= TRIES {
                return Err(download_failed(&why));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(30));
        }
        Err(download_failed("no answer"))
    }
}

fn not_there(retry: Duration) -> Failure {
    let text = format!(
        "Source is not ready, artifact not found, retrying in {}",
        sealfast_k8s::duration::format(retry)
    );
    Failure::waiting("ArtifactFailed", text.clone(), EventText::Notice(text))
}

fn download_failed(why: &str) -> Failure {
    Failure::new("ArtifactFailed", format!("failed to download archive: {why}")).hint(
        "the artifact's address has to be reachable from here; look at the source's status.artifact.url",
    )
}

fn check(artifact: &Artifact, bytes: &[u8]) -> Result<(), Failure> {
    let broken = |why: String| Failure::new("ArtifactFailed", format!("failed to verify archive: {why}"));
    let Some((algorithm, wanted)) = artifact.digest.split_once(':') else {
        return Err(broken(format!("invalid digest '{}'", artifact.digest)));
    };
    let found = match algorithm {
        "sha256" => hex(&sha2::Sha256::digest(bytes)),
        "sha384" => hex(&sha2::Sha384::digest(bytes)),
        "sha512" => hex(&sha2::Sha512::digest(bytes)),
        other => return Err(broken(format!("unsupported digest algorithm '{other}'"))),
    };
    if found == wanted {
        return Ok(());
    }
    Err(broken(format!("computed digest doesn't match provided '{}'", artifact.digest)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads keys and variables.
///
/// # Errors
/// BuildFailed when the decryption Secret is missing or holds what is no key.
pub async fn inputs(client: &Client, typed: &Kustomization, fetched: Fetched) -> Result<Gathered, Failure> {
    let namespace = &typed.metadata.namespace;
    let keyring = match &typed.spec.decryption {
        Some(decryption) => Some(match &decryption.secret_ref {
            Some(reference) => {
                decrypt::keyring(&decryption_secret(client, namespace, &reference.name).await?)?
            }
            None => Keyring::empty(),
        }),
        None => None,
    };
    let variables = match &typed.spec.post_build {
        Some(post_build) => Some(variables(client, namespace, post_build).await),
        None => None,
    };
    Ok(Gathered { fetched, keyring, variables })
}

async fn decryption_secret(client: &Client, namespace: &str, name: &str) -> Result<Value, Failure> {
    let kind = GroupVersionKind::new("", "v1", "Secret");
    client.get(&kind, namespace, name).await.map_err(|error| {
        if error.is_not_found() {
            Failure::new("BuildFailed", error.to_string()).hint(format!(
                "create the decryption Secret `{namespace}/{name}` with the private key in an entry that ends in `.agekey` or `.asc`"
            ))
        } else {
            Failure::new(
                "BuildFailed",
                format!("cannot get sops decryption Secret '{namespace}/{name}': {}", error.chain()),
            )
        }
    })
}

async fn variables(
    client: &Client,
    namespace: &str,
    post_build: &PostBuild,
) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    for reference in &post_build.substitute_from {
        let kind = GroupVersionKind::new("", "v1", reference.kind.clone());
        let object = match client.get(&kind, namespace, &reference.name).await {
            Ok(object) => object,
            Err(error) if error.is_not_found() && reference.optional => continue,
            Err(error) => {
                return Err(format!(
                    "substitute from '{}/{}' error: {}",
                    reference.kind,
                    reference.name,
                    error.chain()
                ));
            }
        };
        for (key, value) in object["data"].as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            let text = match reference.kind.as_str() {
                "Secret" => String::from_utf8_lossy(&STANDARD.decode(text).unwrap_or_default()).into_owned(),
                _ => text.to_owned(),
            };
            variables.insert(key.clone(), text.replace('\n', ""));
        }
    }
    for (key, value) in &post_build.substitute {
        variables.insert(key.clone(), value.replace('\n', ""));
    }
    Ok(variables)
}
