//! As whom and in which cluster a Kustomization acts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::certificate;
use sealfast_cluster::client::Client;
use sealfast_k8s::flux::kustomization::{Kustomization, SecretKeyReference};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use crate::identity::clusters::{Provider, Wanted, Word};
use crate::identity::shown::Shown;
use crate::identity::{Account, Error, Who};
use crate::kustomization::remotes::{Origin, Version};
use crate::kustomization::report::{Failure, Reason};
use crate::kustomization::shared::Shared;
use crate::options::Options;
use crate::wiped;

const NO_DEFAULT: &str = "the specified default service account does not exist in the object namespace. your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help";

/// The connection through which a Kustomization acts, and a name for it.
pub struct Acting {
    /// The connection.
    pub client: Client,
    /// Server and user, for [`Memories`].
    pub identity: String,
}

/// The account that an object names, else the one that the operator gave for all.
pub fn account<'a>(options: &'a Options, typed: &'a Kustomization) -> Option<&'a str> {
    typed.spec.service_account_name.as_deref().or(options.default_service_account.as_deref())
}

/// Finds the connection: another cluster when asked for, and an account on top of it.
///
/// # Errors
/// ReconciliationFailed with what is wrong with the kubeconfig.
pub async fn acting(shared: &Shared, typed: &Kustomization) -> Result<Acting, Failure> {
    let Shared { client, options, .. } = shared;
    let namespace = &typed.metadata.namespace;
    let mut acting = Acting { client: client.clone(), identity: client.address().to_owned() };
    if let Some(kube_config) = &typed.spec.kube_config {
        acting = match (&kube_config.secret_ref, &kube_config.config_map_ref) {
            (Some(reference), _) => by_kubeconfig(shared, namespace, reference).await?,
            (None, Some(reference)) => by_address(shared, typed, &reference.name).await?,
            (None, None) => {
                return Err(no_client("spec.kubeConfig names neither a Secret nor a ConfigMap".into()));
            }
        };
    }
    if let Some(account) = account(options, typed) {
        let user = format!("system:serviceaccount:{namespace}:{account}");
        acting.client = acting.client.impersonating(&user);
        acting.identity = format!("{}@{}", user, acting.identity);
    }
    Ok(acting)
}

fn no_client(message: String) -> Failure {
    Failure {
        event_prefix: "failed to build kube client: ",
        ..Failure::new(Reason::ReconciliationFailed, message)
    }
}

async fn by_kubeconfig(
    shared: &Shared,
    namespace: &str,
    reference: &SecretKeyReference,
) -> Result<Acting, Failure> {
    let name = &reference.name;
    let secret = wiped::secret(&shared.client, namespace, name).await.map_err(|e| {
        no_client(format!("unable to read KubeConfig secret '{namespace}/{name}' error: {}", e.chain()))
            .blame(&e)
    })?;
    let entry = reference.key.as_deref();
    let text = kubeconfig_text(&secret, entry).ok_or_else(|| {
        let key = entry.unwrap_or("value");
        no_client(format!(
            "KubeConfig secret '{namespace}/{name}' does not contain a '{key}' key with a kubeconfig"
        ))
    })?;
    let make = async {
        let made = Client::from_foreign_kubeconfig(&text, shared.options.foreign).await;
        made.map(|client| client.fenced_as(&shared.client)).map_err(|e| no_client(e.chain()))
    };
    let client = shared.remotes.get(Origin::of(&secret, entry), Version::of(&secret, ""), make).await?;
    let identity = format!("{}#{}", client.address(), object::metadata_text(&secret, "resourceVersion"));
    Ok(Acting { client, identity })
}

/// A cluster that a ConfigMap tells of, reached with a token that nobody keeps.
async fn by_address(shared: &Shared, typed: &Kustomization, name: &str) -> Result<Acting, Failure> {
    let namespace = &typed.metadata.namespace;
    let maps = GroupVersionKind::new("", "v1", "ConfigMap");
    let map = shared.client.get(&maps, namespace, name).await.map_err(|e| {
        no_client(format!("failed to get configmap {namespace}/{name}: {}", e.chain())).blame(&e)
    })?;
    let mut wanted = wanted(&map)?;
    let account = remote_account(shared, namespace, entry(&map, "serviceAccountName")).await?;
    if account.is_none() && *namespace != shared.options.own_namespace {
        wanted.word = Word::Clouds;
    }
    let who = Who {
        kind: "Kustomization",
        namespace: namespace.clone(),
        name: typed.metadata.name.clone(),
        account: account.map(|account| account.for_audiences(wanted.audiences.clone())),
        proxy: None,
    };
    let identities = &shared.identities;
    let shown = Shown::new(identities, &who, &wanted).await.map_err(|e| no_client(e.chain()))?;
    let found = identities.find_cluster(&who, &wanted).await.map_err(|e| no_client(e.chain()))?;
    let authority = Some(found.authority.as_str()).filter(|text| !text.is_empty());
    if let Some(Err(why)) = authority.map(|ca| certificate::check(ca.as_bytes())) {
        let of_map = format!("key 'ca.crt' of ConfigMap '{namespace}/{name}'");
        let told = format!("cluster '{}'", wanted.cluster);
        let place = if wanted.authority == found.authority { of_map } else { told };
        return Err(no_client(format!("unable to load root certificates: {why}: {place}")));
    }
    let make = async {
        let made = Client::from_url(&found.address, None, authority).await;
        made.map(|client| client.foreign().fenced_as(&shared.client)).map_err(|e| no_client(e.chain()))
    };
    let version = Version::of(&map, &format!("{}#{}", found.address, found.authority));
    let client = shared.remotes.get(Origin::of(&map, None), version, make).await?;
    let identity = format!("{}#{}", found.address, object::metadata_text(&map, "resourceVersion"));
    Ok(Acting { client: client.showing(shown.tokens()), identity })
}

fn entry<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    map["data"][key].as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// What a ConfigMap says of a cluster, whose word on where that is counts.
fn wanted(map: &Value) -> Result<Wanted, Failure> {
    let text = |key: &str| entry(map, key).unwrap_or_default().to_owned();
    let named = text("provider");
    let provider =
        Provider::named(&named).ok_or_else(|| no_client(format!("provider '{named}' not implemented")))?;
    let audiences = text("audiences");
    let audiences = audiences.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(Wanted {
        provider,
        cluster: text("cluster"),
        address: text("address"),
        authority: text("ca.crt"),
        audiences: audiences.map(str::to_owned).collect(),
        word: Word::Anybodys,
    })
}

/// The account that reaches another cluster: the one that is named, else the one that the operator gave for all.
async fn remote_account(
    shared: &Shared,
    namespace: &str,
    named: Option<&str>,
) -> Result<Option<Account>, Failure> {
    let default = shared.options.default_kubeconfig_account.as_deref();
    let Some(name) = named.or(default) else { return Ok(None) };
    let account = shared.identities.account(namespace, name).await.map_err(|error| {
        let why = match &error {
            Error::Account { place, source } if named.is_none() && source.is_not_found() => {
                format!("failed to get service account '{place}': {NO_DEFAULT}")
            }
            error => error.chain(),
        };
        no_client(format!("failed to get access token for cluster: {why}"))
    })?;
    Ok(Some(account))
}

fn kubeconfig_text(secret: &Value, key: Option<&str>) -> Option<zeroize::Zeroizing<String>> {
    let keys = match key {
        Some(key) => vec![key],
        None => vec!["value", "value.yaml"],
    };
    let encoded = keys.iter().find_map(|key| secret["data"][*key].as_str())?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok().map(zeroize::Zeroizing::new)
}
