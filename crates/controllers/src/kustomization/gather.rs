//! Reading all that a run needs: the artifact, keys, variables. Nothing is written.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::kustomization::{Decryption, Kustomization, PostBuild};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use sealfast_keys::keyring::Keyring;
use sealfast_kustomize::files::join;
use sealfast_source::archive::unpack::{Limits, unpack};
use sealfast_source::tree::{Entry, Memory};
use serde_json::Value;
use sha2::Digest;

use crate::kustomization::Shared;
use crate::kustomization::decrypt::{self, Entries, Opener};
use crate::options::Options;
use crate::report::{EventText, Failure};

/// Unpacked artifacts that nobody used for this long are let go.
const UNUSED: Duration = Duration::from_secs(60);

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
    pub opener: Option<Opener>,
    /// Variables for the substitution; none when the object does not ask for it. An error is
    /// only one when an object is to be substituted.
    pub variables: Option<Result<BTreeMap<String, String>, String>>,
}

/// Fetches artifacts and keeps those that were used lately unpacked, once for all who build from them.
pub struct Artifacts {
    storage: PathBuf,
    http: reqwest::Client,
    tries: u32,
    trees: Arc<Trees>,
}

/// Unpacked artifacts by digest, and those that somebody is unpacking.
struct Trees {
    most_bytes: u64,
    kept: Mutex<HashMap<String, Kept>>,
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

struct Kept {
    tree: Arc<Memory>,
    bytes: u64,
    used: Instant,
}

impl Trees {
    fn find(&self, digest: &str) -> Option<Arc<Memory>> {
        let mut kept = self.kept.lock();
        let found = kept.get_mut(digest)?;
        found.used = Instant::now();
        Some(found.tree.clone())
    }

    /// Keeps a tree; the ones used least lately go when there are too many bytes. One that is in use goes on living with
    /// those who use it.
    fn keep(self: &Arc<Self>, digest: &str, tree: &Arc<Memory>) {
        let mut kept = self.kept.lock();
        if kept.is_empty() {
            tokio::spawn(Arc::clone(self).forget());
        }
        kept.insert(digest.to_owned(), Kept { tree: tree.clone(), bytes: size(tree), used: Instant::now() });
        while kept.values().map(|k| k.bytes).sum::<u64>() > self.most_bytes {
            let oldest = kept.iter().min_by_key(|(_, k)| k.used).map(|(digest, _)| digest.clone());
            let Some(oldest) = oldest else { return };
            kept.remove(&oldest);
        }
    }

    /// Lets trees go that nobody used for a while, until there are none.
    async fn forget(self: Arc<Self>) {
        loop {
            tokio::time::sleep(UNUSED).await;
            let mut kept = self.kept.lock();
            kept.retain(|_, k| k.used.elapsed() < UNUSED);
            if kept.is_empty() {
                kept.shrink_to_fit();
                return;
            }
        }
    }
}

fn size(tree: &Memory) -> u64 {
    let one = |entry: &Entry| match entry {
        Entry::File { bytes, .. } => bytes.len() as u64,
        _ => 0,
    };
    tree.entries.iter().map(|(path, entry)| path.len() as u64 + one(entry)).sum()
}

impl Artifacts {
    /// Artifacts that lie below our own storage are read there, all others from their address.
    pub fn new(options: &Options) -> Artifacts {
        let trees =
            Trees { most_bytes: options.unpacked_bytes, kept: Mutex::default(), under_way: Mutex::default() };
        let storage = options.storage_dir.clone();
        Artifacts {
            storage,
            http: reqwest::Client::new(),
            tries: options.http_retry + 1,
            trees: Arc::new(trees),
        }
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
        if let Some(tree) = self.trees.find(&artifact.digest) {
            return Ok(tree);
        }
        let turn = self.trees.under_way.lock().entry(artifact.digest.clone()).or_default().clone();
        let _turn = turn.lock().await;
        if let Some(tree) = self.trees.find(&artifact.digest) {
            return Ok(tree);
        }
        let unpacked = self.unpacked(artifact, retry).await;
        if let Ok(tree) = &unpacked {
            self.trees.keep(&artifact.digest, tree);
        }
        self.trees.under_way.lock().remove(&artifact.digest);
        unpacked
    }

    async fn unpacked(&self, artifact: &Artifact, retry: Duration) -> Result<Arc<Memory>, Failure> {
        let bytes = match self.local(artifact).await {
            Some(bytes) => bytes,
            None => self.remote(artifact, retry).await?,
        };
        let unpacked = tokio::task::spawn_blocking(move || unpack(&bytes[..], &Limits::default())).await;
        let broken = |why: String| Failure::new("ArtifactFailed", format!("failed to untar artifact: {why}"));
        unpacked.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.chain())).map(Arc::new)
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
            if attempt >= self.tries {
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
pub async fn inputs(shared: &Shared, typed: &Kustomization, fetched: Fetched) -> Result<Gathered, Failure> {
    let (client, namespace) = (&shared.client, &typed.metadata.namespace);
    let opener = match &typed.spec.decryption {
        Some(decryption) => Some(opener(shared, namespace, decryption).await?),
        None => None,
    };
    let variables = match &typed.spec.post_build {
        Some(post_build) => Some(variables(client, namespace, post_build).await?),
        None => None,
    };
    Ok(Gathered { fetched, opener, variables })
}

/// The keys that an object may use: those of its own Secret, else those that the operator gave for all.
async fn opener(shared: &Shared, namespace: &str, decryption: &Decryption) -> Result<Opener, Failure> {
    let (secret, entries) = match (&decryption.secret_ref, &shared.options.sops_age_secret) {
        (Some(reference), _) => {
            let secret = decryption_secret(&shared.client, namespace, &reference.name).await?;
            (Some(secret), Entries::All)
        }
        (None, Some(name)) => {
            let secret = decryption_secret(&shared.client, &shared.options.own_namespace, name).await?;
            (Some(secret), Entries::Age)
        }
        (None, None) => (None, Entries::All),
    };
    let Some(secret) = secret else {
        let mut keyring = Keyring::empty();
        keyring.note_age_place("spec.decryption.secretRef");
        return Ok(Opener::new(keyring, None));
    };
    let text = |field| object::metadata_text(&secret, field);
    // A Secret that changes is another identity: what its former keys opened is asked anew.
    let identity = format!("{namespace}/{}/{}", text("uid"), text("resourceVersion"));
    let known = Some((Arc::clone(&shared.data_keys), identity));
    Ok(Opener::new(decrypt::keyring(&secret, entries)?, known))
}

async fn decryption_secret(client: &Client, namespace: &str, name: &str) -> Result<Value, Failure> {
    let kind = GroupVersionKind::new("", "v1", "Secret");
    client.get(&kind, namespace, name).await.map_err(|error| {
        if error.is_not_found() {
            Failure::new("BuildFailed", error.to_string()).hint(format!(
                "create the decryption Secret `{namespace}/{name}` with the private key in an entry that ends in `.agekey` or `.asc`"
            ))
        } else {
            let message = format!("cannot get sops decryption Secret '{namespace}/{name}': {}", error.chain());
            Failure::new("BuildFailed", message).blame(&error)
        }
    })
}

/// The outer error is the API server's; the inner one only counts when an object is to be substituted.
async fn variables(
    client: &Client,
    namespace: &str,
    post_build: &PostBuild,
) -> Result<Result<BTreeMap<String, String>, String>, Failure> {
    let mut variables = BTreeMap::new();
    for reference in &post_build.substitute_from {
        let kind = GroupVersionKind::new("", "v1", reference.kind.clone());
        let object = match client.get(&kind, namespace, &reference.name).await {
            Ok(object) => object,
            Err(error) if error.is_not_found() && reference.optional => continue,
            Err(error) => {
                let (kind, name) = (&reference.kind, &reference.name);
                let message = format!("substitute from '{kind}/{name}' error: {}", error.chain());
                if error.is_transient() {
                    return Err(Failure::new("BuildFailed", message).blame(&error));
                }
                return Ok(Err(message));
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
    Ok(Ok(variables))
}
