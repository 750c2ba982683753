//! Reading all that a run needs: the artifact, keys, variables. Nothing is written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_k8s::flux::kustomization::{Decryption, Kustomization, PostBuild};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use sealfast_kustomize::flux::Outermost;
use sealfast_source::lookup::Lookup;
use zeroize::Zeroizing;

use crate::identity::Who;
use crate::kustomization::import::{self, Entries};
use crate::kustomization::lending::Lending;
use crate::kustomization::opener::{Holder, Opener};
use crate::kustomization::report::{Failure, Reason};
use crate::kustomization::room::Room;
use crate::kustomization::shared::Shared;
use crate::kustomization::view::View;
use crate::kustomization::witness::Witness;
use crate::wiped::{self, Wiped};

/// An artifact, unpacked.
pub struct Fetched {
    /// Its files.
    pub tree: Arc<dyn Lookup>,
    /// The memory that they take.
    pub room: Room,
    /// Where they are mounted; only messages show it.
    pub root: String,
    /// The directory to build, below the root.
    pub path: String,
}

/// An artifact whose outermost kustomization is laid out.
pub struct LaidOut {
    /// Its files.
    pub view: View,
    /// The memory that they take.
    pub room: Room,
    /// Where they are mounted.
    pub root: String,
    /// The directory to build, below the root.
    pub path: String,
    /// What is built there.
    pub outermost: Outermost,
}

/// All that was read for a run.
pub struct Gathered {
    /// The artifact.
    pub laid_out: LaidOut,
    /// Keys that open what is encrypted; none when the object does not ask for decryption.
    pub opener: Option<Opener>,
    /// Variables for the substitution; none when the object does not ask for it. An error is
    /// only one when an object is to be substituted.
    pub variables: Option<Result<BTreeMap<String, String>, String>>,
    /// What must not be shown of all this.
    pub witness: Arc<Mutex<Witness>>,
}

/// Reads keys and variables. The witness sees what must not be shown.
///
/// # Errors
/// BuildFailed when the decryption Secret is missing or holds what is no key.
pub async fn inputs(
    shared: &Shared,
    typed: &Kustomization,
    laid_out: LaidOut,
    witness: &Arc<Mutex<Witness>>,
) -> Result<Gathered, Failure> {
    let (client, namespace) = (&shared.client, &typed.metadata.namespace);
    let opener = match &typed.spec.decryption {
        Some(decryption) => Some(opener(shared, typed, decryption, witness).await?),
        None => None,
    };
    let variables = match &typed.spec.post_build {
        Some(post_build) => Some(variables(client, namespace, post_build, witness).await?),
        None => None,
    };
    Ok(Gathered { laid_out, opener, variables, witness: Arc::clone(witness) })
}

/// The keys that an object may use: those of its own Secret, else those that the operator gave for all; and credentials of
/// clouds for the account that it names.
async fn opener(
    shared: &Shared,
    typed: &Kustomization,
    decryption: &Decryption,
    witness: &Arc<Mutex<Witness>>,
) -> Result<Opener, Failure> {
    let namespace = &typed.metadata.namespace;
    let secret = match (&decryption.secret_ref, &shared.options.sops_age_secret) {
        (Some(reference), _) => {
            let secret = decryption_secret(&shared.client, namespace, &reference.name).await?;
            Some((secret, Entries::All))
        }
        (None, Some(name)) => {
            let secret = decryption_secret(&shared.client, &shared.options.own_namespace, name).await?;
            Some((secret, Entries::Age))
        }
        (None, None) => None,
    };
    let who = who(shared, typed, decryption).await;
    let clouds = shared.identities.clouds();
    let ((keyring, given), version) = match &secret {
        Some((secret, entries)) => {
            let text = |field| object::metadata_text(secret, field);
            witness.lock().note_key_secret(text("uid"));
            let version = format!("{namespace}/{}/{}", text("uid"), text("resourceVersion"));
            (import::keyring(secret, *entries, clouds)?, version)
        }
        None => {
            let mut keyring = import::empty(clouds);
            keyring.note_age_place("spec.decryption.secretRef");
            ((keyring, BTreeSet::new()), format!("{namespace}/"))
        }
    };
    // A Secret or an account that changes is another identity: what the former one opened is asked anew.
    let account = who.as_ref().ok().and_then(|who| who.account.as_ref());
    let account = account.map(|account| format!("{}@{}", account.place, account.version));
    let identity = format!("{version}\n{}", account.unwrap_or_default());
    let holder = Holder { namespace: typed.metadata.namespace.clone(), identity };
    let known = Some((Arc::clone(&shared.data_keys), holder));
    let lending = Lending::new(Arc::clone(&shared.identities), who, given);
    let advice = match &secret {
        Some((secret, entries)) => import::advice(secret, *entries),
        None => {
            "name a Secret with a private key or credentials for it in spec.decryption.secretRef".to_owned()
        }
    };
    Ok(Opener::new(keyring, known).lent(lending).advising(advice).watched(Arc::clone(witness)))
}

/// The account that key services know the object by; none for the controller's own.
async fn who(shared: &Shared, typed: &Kustomization, decryption: &Decryption) -> Result<Who, String> {
    let metadata = &typed.metadata;
    let account = match decryption
        .service_account_name
        .as_deref()
        .or(shared.options.default_decryption_account.as_deref())
    {
        Some(name) => {
            Some(shared.identities.account(&metadata.namespace, name).await.map_err(|e| e.chain())?)
        }
        None => None,
    };
    let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
    Ok(Who { kind: "Kustomization", namespace, name, account, proxy: None })
}

async fn decryption_secret(client: &Client, namespace: &str, name: &str) -> Result<Wiped, Failure> {
    if name.is_empty() {
        let message =
            format!("cannot get sops decryption Secret '{namespace}/': resource name may not be empty");
        return Err(Failure::new(Reason::BuildFailed, message));
    }
    wiped::secret(client, namespace, name).await.map_err(|error| {
        if error.is_not_found() {
            Failure::new(Reason::BuildFailed, error.to_string()).hint(format!(
                "create the decryption Secret `{namespace}/{name}` with the private key in an entry that ends in `.agekey` or `.asc`"
            ))
        } else {
            let message = format!("cannot get sops decryption Secret '{namespace}/{name}': {}", error.chain());
            Failure::new(Reason::BuildFailed, message).blame(&error)
        }
    })
}

/// Reads the variables of a Kustomization. The outer error is the API server's; the inner one only counts when an object
/// is to be substituted.
///
/// # Errors
/// BuildFailed when the API server cannot answer for the moment.
pub async fn variables(
    client: &Client,
    namespace: &str,
    post_build: &PostBuild,
    witness: &Mutex<Witness>,
) -> Result<Result<BTreeMap<String, String>, String>, Failure> {
    let mut variables = BTreeMap::new();
    for reference in &post_build.substitute_from {
        let kind = GroupVersionKind::new("", "v1", reference.kind.clone());
        let object = match client.get(&kind, namespace, &reference.name).await {
            Ok(object) => Wiped::new(object),
            Err(error) if error.is_not_found() && reference.optional => continue,
            Err(error) => {
                let (kind, name) = (&reference.kind, &reference.name);
                let message = format!("substitute from '{kind}/{name}' error: {}", error.chain());
                if error.is_transient() {
                    return Err(Failure::new(Reason::BuildFailed, message).blame(&error));
                }
                return Ok(Err(message));
            }
        };
        if reference.kind == "Secret" {
            witness.lock().note_origin(object::metadata_text(&object, "uid"));
        }
        for (key, value) in object["data"].as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            let text = match reference.kind.as_str() {
                "Secret" => secret_text(&Zeroizing::new(STANDARD.decode(text).unwrap_or_default()), witness),
                _ => text.to_owned(),
            };
            variables.insert(key.clone(), text.replace('\n', ""));
        }
    }
    variables.extend(inline(post_build));
    Ok(Ok(variables))
}

/// The variables that a Kustomization writes out itself; they win over all others.
pub fn inline(post_build: &PostBuild) -> impl Iterator<Item = (String, String)> {
    post_build.substitute.iter().map(|(key, value)| (key.clone(), value.replace('\n', "")))
}

/// A value of a Secret as a variable. What is no text takes a character with it that YAML has no place for, so that it
/// fails wherever it is put in, as it does in the original, and is not changed without a word.
fn secret_text(value: &[u8], witness: &Mutex<Witness>) -> String {
    let text = String::from_utf8_lossy(value);
    witness.lock().add(&text);
    let mark = if matches!(text, Cow::Borrowed(_)) { "" } else { "\0" };
    format!("{text}{mark}")
}
