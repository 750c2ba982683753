//! Reading all that a fetch needs. Nothing is written.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::client::Client;
use sealfast_k8s::duration;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::git_repository::{GitRepository, Include, Spec, Status};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_source::git::{Auth, ClientCertificate, Proxy, Reference, Request};
use sealfast_source::url::Address;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::source::report::{Failure, Retry};

/// What a fetch is to bring.
pub struct Wanted {
    /// The remote, the commit, the credentials.
    pub request: Request,
    /// The artifact that is stored now.
    pub stored: Option<Artifact>,
    /// Whether the stored artifact was made by the rules that hold now.
    pub same_rules: bool,
    /// Artifacts whose content is copied in.
    pub included: Vec<(Include, Artifact)>,
}

type Keys = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Reads what a run needs.
///
/// # Errors
/// What the person has to mend, or what is not there yet.
pub async fn gather(
    client: &Client,
    typed: &GitRepository,
    stored: Option<Artifact>,
    settled: bool,
) -> Result<Wanted, Failure> {
    let spec = &typed.spec;
    refuse_unsupported(spec)?;
    let address = Address::parse(&spec.url).map_err(|error| {
        Failure::stalled("URLInvalid", format!("failed to parse url '{}': {error}", bare(&spec.url)))
    })?;
    let mut request = Request::new(address, reference(spec));
    request.timeout = spec
        .timeout
        .as_deref()
        .and_then(|text| duration::parse(text).ok())
        .unwrap_or(Duration::from_secs(60));
    let namespace = &typed.metadata.namespace;
    if let Some(name) = &spec.secret_ref {
        let keys = secret(client, namespace, &name.name).await?;
        authenticate(&mut request, &keys)?;
    }
    if let Some(name) = &spec.proxy_secret_ref {
        let keys = secret(client, namespace, &name.name).await?;
        request.proxy = Some(proxy(&keys, namespace, &name.name)?);
    }
    let included = included(client, namespace, &spec.include).await?;
    if settled {
        request.known_revision = stored.as_ref().map(|artifact| modern(&artifact.revision));
    }
    let same_rules = same_rules(spec, &typed.status, &included);
    Ok(Wanted { request, stored, same_rules, included })
}

fn refuse_unsupported(spec: &Spec) -> Result<(), Failure> {
    let not_yet = |what: &str| Failure::stalled("FeatureGateDisabled", format!("{what} is not supported"));
    match spec.provider.as_deref() {
        None | Some("" | "generic") => {}
        Some(provider) => return Err(not_yet(&format!("spec.provider '{provider}'"))),
    }
    if spec.verify.is_some() {
        return Err(not_yet("spec.verify"));
    }
    if spec.recurse_submodules {
        return Err(not_yet("spec.recurseSubmodules"));
    }
    Ok(())
}

/// Returns the address without anything between `//` and `@`.
fn bare(url: &str) -> String {
    match (url.find("//"), url.rfind('@')) {
        (Some(start), Some(end)) if start + 2 <= end => format!("{}{}", &url[..start + 2], &url[end + 1..]),
        _ => url.to_owned(),
    }
}

fn reference(spec: &Spec) -> Reference {
    let given = spec.reference.clone().unwrap_or_default();
    Reference {
        branch: given.branch,
        tag: given.tag,
        semver: given.semver,
        name: given.name,
        commit: given.commit,
    }
}

/// `main/<hash>` is how revisions were written once.
fn modern(revision: &str) -> String {
    let is_hash = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match revision.rsplit_once('/') {
        Some((name, hash)) if is_hash(hash) && !revision.contains('@') => format!("{name}@sha1:{hash}"),
        _ => revision.to_owned(),
    }
}

fn same_rules(spec: &Spec, status: &Status, included: &[(Include, Artifact)]) -> bool {
    let content = |artifact: &Artifact| (artifact.revision.clone(), artifact.digest.clone());
    spec.ignore == status.observed_ignore
        && spec.include == status.observed_include
        && spec.sparse_checkout == status.observed_sparse_checkout
        && spec.recurse_submodules == status.observed_recurse_submodules
        && included.len() == status.included_artifacts.len()
        && included.iter().zip(&status.included_artifacts).all(|((_, new), old)| content(new) == content(old))
}

async fn secret(client: &Client, namespace: &str, name: &str) -> Result<Keys, Failure> {
    let found = client.get(&GroupVersionKind::new("", "v1", "Secret"), namespace, name).await;
    let object = found.map_err(|error| {
        // The reference says it twice.
        let place = format!("failed to get secret '{namespace}/{name}'");
        Failure::fetch("AuthenticationFailed", format!("{place}: {place}: {}", error.chain()))
    })?;
    let data = object["data"].as_object().cloned().unwrap_or_default();
    let decode = |value: &serde_json::Value| STANDARD.decode(value.as_str().unwrap_or_default()).ok();
    Ok(data.iter().filter_map(|(key, value)| Some((key.clone(), Zeroizing::new(decode(value)?)))).collect())
}

fn text(keys: &Keys, key: &str) -> Option<SecretString> {
    let bytes = keys.get(key).filter(|bytes| !bytes.is_empty())?;
    Some(SecretString::from(String::from_utf8_lossy(bytes).into_owned()))
}

fn authenticate(request: &mut Request, keys: &Keys) -> Result<(), Failure> {
    let scheme = request.address.scheme().to_owned();
    let invalid = |what: &str| {
        let message = format!("failed to configure authentication options: {what}");
        Failure::fetch("AuthenticationFailed", message)
    };
    request.ca = keys.get("ca.crt").or_else(|| keys.get("caFile")).map(|pem| pem.to_vec());
    if let (Some(certificate), Some(key)) = (keys.get("tls.crt"), text(keys, "tls.key")) {
        request.client_certificate = Some(ClientCertificate { certificate: certificate.to_vec(), key });
    }
    if let Some(token) = text(keys, "bearerToken") {
        if request.address.user().is_some() {
            return Err(invalid(&format!(
                "invalid '{scheme}' auth option: basic auth and bearer token cannot be set at the same time"
            )));
        }
        request.auth = Auth::Bearer(token);
        return Ok(());
    }
    match (text(keys, "username"), text(keys, "password")) {
        (Some(username), password) => {
            let username = username.expose_secret().to_owned();
            request.auth = Auth::Basic { username, password: password.unwrap_or_default() };
            Ok(())
        }
        (None, Some(_)) => {
            Err(invalid(&format!("invalid '{scheme}' auth option: 'password' requires 'username' to be set")))
        }
        (None, None) => Ok(()),
    }
}

fn proxy(keys: &Keys, namespace: &str, name: &str) -> Result<Proxy, Failure> {
    let Some(address) = text(keys, "address") else {
        let message = format!("invalid proxy secret '{namespace}/{name}': key 'address' is missing");
        return Err(Failure::fetch("AuthenticationFailed", message));
    };
    let user = text(keys, "username")
        .map(|user| (user.expose_secret().to_owned(), text(keys, "password").unwrap_or_default()));
    Ok(Proxy { address: address.expose_secret().to_owned(), user })
}

async fn included(
    client: &Client,
    namespace: &str,
    wanted: &[Include],
) -> Result<Vec<(Include, Artifact)>, Failure> {
    let mut found = Vec::new();
    for include in wanted {
        let name = &include.repository.name;
        let unavailable = |reason: &'static str, message: String| Failure {
            condition: "IncludeUnavailable",
            reason,
            message,
            retry: Retry::Dependency,
        };
        let object = client.get(&crate::source::kind(), namespace, name).await.map_err(|error| {
            let text = error.chain().replace(
                "gitrepositories.source.toolkit.fluxcd.io",
                "GitRepository.source.toolkit.fluxcd.io",
            );
            unavailable("NotFound", format!("could not get resource for include '{name}': {text}"))
        })?;
        match serde_json::from_value::<Artifact>(object["status"]["artifact"].clone()) {
            Ok(artifact) if !artifact.path.is_empty() => found.push((include.clone(), artifact)),
            _ => {
                return Err(unavailable("NoArtifact", format!("no artifact available for include '{name}'")));
            }
        }
    }
    Ok(found)
}
