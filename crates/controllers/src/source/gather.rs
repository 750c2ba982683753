//! Reading all that a fetch needs. Nothing is written.

use std::time::Duration;

use sealfast_cluster::client::Client;
use sealfast_k8s::duration;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::git_repository::{GitRepository, Include, Spec, Status, Verify};
use sealfast_source::git::{Reference, Request};
use sealfast_source::storage::Storage;
use sealfast_source::url::{Address, without_user};
use sealfast_source::verify::{Keys, Mode};

use crate::report::Retry;
use crate::source::report::Failure;
use crate::source::secret::Secret;
use crate::source::{Shared, credentials};

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
    /// Whether they are others than those of the last run.
    pub includes_changed: bool,
    /// What must be signed, and by whom. Missing keys fail a run only once there is a commit to check.
    pub signatures: Option<(Mode, Result<Keys, Failure>)>,
}

/// Reads what a run needs.
///
/// # Errors
/// What the person has to mend, or what is not there yet.
pub async fn gather(
    shared: &Shared,
    typed: &GitRepository,
    stored: Option<Artifact>,
    settled: bool,
) -> Result<Wanted, Failure> {
    let (client, spec) = (&shared.client, &typed.spec);
    let namespace = &typed.metadata.namespace;
    let proxy = match &spec.proxy_secret_ref {
        Some(name) => Some(credentials::proxy(&proxy_secret(client, namespace, &name.name).await?)?),
        None => None,
    };
    let address = Address::parse(&spec.url).map_err(|error| {
        Failure::stalled("URLInvalid", format!("failed to parse url '{}': {error}", without_user(&spec.url)))
    })?;
    let ssh = shared.options.ssh.clone();
    let mut request = Request { proxy, ssh, ..Request::new(address, reference(spec)) };
    request.submodules = spec.recurse_submodules;
    request.timeout = spec
        .timeout
        .as_deref()
        .and_then(|text| duration::parse(text).ok())
        .unwrap_or(Duration::from_secs(60));
    let secret = match &spec.secret_ref {
        Some(name) => Some(secret(client, namespace, &name.name).await?),
        None => None,
    };
    credentials::authenticate(&mut request, secret.as_ref())?;
    credentials::provide(&mut request, typed, secret.as_ref(), shared).await?;
    let included = included(client, namespace, &spec.include).await?;
    let signatures = match spec.verify.as_ref().and_then(|verify| Some((mode(verify)?, verify))) {
        Some((mode, verify)) => Some((mode, keys(client, namespace, verify).await)),
        None => None,
    };
    if settled {
        request.known_revision = stored.as_ref().map(|artifact| modern(&artifact.revision));
    }
    let same_rules = same_rules(spec, &typed.status, &included);
    let includes_changed = changed(&included, &typed.status.included_artifacts);
    Ok(Wanted { request, stored, same_rules, included, includes_changed, signatures })
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

/// None without a mode: then nothing is checked.
fn mode(verify: &Verify) -> Option<Mode> {
    Mode::parse(verify.mode.as_deref().unwrap_or("HEAD"))
}

fn same_rules(spec: &Spec, status: &Status, included: &[(Include, Artifact)]) -> bool {
    let content = |artifact: &Artifact| (artifact.revision.clone(), artifact.digest.clone());
    let verified = spec.verify.as_ref().and_then(mode).is_none_or(|wanted| {
        let observed = status.source_verification_mode.as_deref().and_then(Mode::parse);
        observed.is_some_and(|observed| observed.covers(wanted))
    });
    verified
        && spec.ignore == status.observed_ignore
        && spec.include == status.observed_include
        && spec.sparse_checkout == status.observed_sparse_checkout
        && spec.recurse_submodules == status.observed_recurse_submodules
        && included.len() == status.included_artifacts.len()
        && included.iter().zip(&status.included_artifacts).all(|((_, new), old)| content(new) == content(old))
}

fn changed(now: &[(Include, Artifact)], before: &[Artifact]) -> bool {
    let is_known = |artifact: &Artifact| before.iter().any(|known| known.revision == artifact.revision);
    now.len() != before.len() || now.iter().any(|(_, artifact)| !is_known(artifact))
}

async fn secret(client: &Client, namespace: &str, name: &str) -> Result<Secret, Failure> {
    Secret::read(client, namespace, name).await.map_err(|error| {
        // The reference says it twice.
        let place = format!("failed to get secret '{namespace}/{name}'");
        Failure::authentication(format!("{place}: {place}: {}", error.chain()))
    })
}

async fn proxy_secret(client: &Client, namespace: &str, name: &str) -> Result<Secret, Failure> {
    Secret::read(client, namespace, name).await.map_err(|error| {
        let what = "failed to configure proxy options";
        Failure::authentication(match error.is_not_found() {
            true => format!("{what}: secret '{namespace}/{name}' not found"),
            false => format!("{what}: failed to get secret '{namespace}/{name}': {}", error.chain()),
        })
    })
}

async fn keys(client: &Client, namespace: &str, verify: &Verify) -> Result<Keys, Failure> {
    let secret = Secret::read(client, namespace, &verify.secret_ref.name).await.map_err(|error| {
        Failure::signature("VerificationError", format!("public keys secret error: {}", error.chain()))
    })?;
    let mut keys = Keys::default();
    secret.entries().for_each(|(name, content)| keys.add(name, content));
    Ok(keys)
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
            retry: Retry::Dependency,
            ..Failure::new("IncludeUnavailable", reason, message)
        };
        let object = client.get(&crate::source::kind(), namespace, name).await.map_err(|error| {
            let text = error.chain().replace(
                "gitrepositories.source.toolkit.fluxcd.io",
                "GitRepository.source.toolkit.fluxcd.io",
            );
            unavailable("NotFound", format!("could not get resource for include '{name}': {text}"))
        })?;
        match serde_json::from_value::<Artifact>(object["status"]["artifact"].clone()) {
            Ok(artifact) if Storage::is_of(&artifact.path, "GitRepository", namespace, name) => {
                found.push((include.clone(), artifact));
            }
            _ => {
                return Err(unavailable("NoArtifact", format!("no artifact available for include '{name}'")));
            }
        }
    }
    Ok(found)
}
