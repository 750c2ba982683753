//! What the cluster gave to the pod of `run`, and where clouds are.
//!
//! Keys in the environment, profiles and files of a home directory are nobody's identity here: only what is bound to the
//! pod's service account counts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealfast_controllers::identity::own::{Aws, Azure, Google, OWN_TOKEN, Own};
use sealfast_controllers::identity::{Clouds, Places};
use sealfast_keys::vault;
use serde_json::Value;

use crate::env;
use crate::sops::keyring::cloud::{vault_allowed, vault_way};

/// Whose identity is shown to clouds when an object names no service account.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum CloudIdentity {
    /// That of the pod.
    Pod,
    /// Nobody's.
    None,
}

/// How clouds are reached, and as whom.
pub(super) fn clouds(identity: CloudIdentity, vaults: Option<&str>) -> Result<Clouds, String> {
    let allowed = vault_allowed(vaults).map_err(|error| error.to_string())?;
    let everything = env::AWS_ENDPOINT_URL;
    let endpoint = |own: env::Variable| own.text().or_else(|| everything.text()).map(without_slash);
    let usual = Places::default();
    let machine = env::GCE_METADATA_HOST.text();
    let places = Places {
        sts: endpoint(env::AWS_ENDPOINT_URL_STS),
        entra: env::AZURE_AUTHORITY_HOST.text().map_or(usual.entra, without_slash),
        eks: endpoint(env::AWS_ENDPOINT_URL_EKS),
        google_machine: machine.map_or(usual.google_machine, |host| format!("http://{host}")),
        ..usual
    };
    Ok(Clouds {
        places,
        own: if identity == CloudIdentity::Pod { own() } else { Own::default() },
        vault: vault::Access { allowed, ..vault_way() },
        aws_kms: endpoint(env::AWS_ENDPOINT_URL_KMS),
        google_kms: env::SOPS_GCP_KMS_ENDPOINT.text(),
        ..Clouds::default()
    })
}

fn without_slash(url: String) -> String {
    url.trim_end_matches('/').to_owned()
}

fn own() -> Own {
    // Machines are asked in a cluster alone: elsewhere they are somebody's workstation.
    let in_cluster = env::KUBERNETES_SERVICE_HOST.text().is_some();
    let google = in_cluster || env::GCE_METADATA_HOST.text().is_some();
    Own {
        aws: aws(),
        azure: workload()
            .or_else(|| in_cluster.then(|| Azure::Machine { client: env::AZURE_CLIENT_ID.text() })),
        google: if google { Google::Machine } else { Google::Unknown },
        account: std::fs::read_to_string(OWN_TOKEN).ok().and_then(|token| subject(&token)),
    }
}

fn aws() -> Option<Aws> {
    if let (Some(role), Some(token_file)) =
        (env::AWS_ROLE_ARN.text(), env::AWS_WEB_IDENTITY_TOKEN_FILE.path())
    {
        return Some(Aws::Role { role, token_file });
    }
    let address = env::AWS_CONTAINER_CREDENTIALS_FULL_URI.text()?;
    Some(Aws::Agent { address, token_file: env::AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.path()? })
}

fn workload() -> Option<Azure> {
    Some(Azure::Workload {
        tenant: env::AZURE_TENANT_ID.text()?,
        client: env::AZURE_CLIENT_ID.text()?,
        token_file: env::AZURE_FEDERATED_TOKEN_FILE.path()?,
    })
}

/// Namespace and name of the service account that a token is about.
fn subject(token: &str) -> Option<(String, String)> {
    let payload = URL_SAFE_NO_PAD.decode(token.trim().split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let (namespace, name) =
        claims["sub"].as_str()?.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty()).then(|| (namespace.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is() {
        let token = |claims: &str| format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
        let owner = subject(&token(r#"{"sub": "system:serviceaccount:flux-system:kustomize-controller"}"#));
        assert_eq!(owner, Some(("flux-system".to_owned(), "kustomize-controller".to_owned())));
        for wrong in [r#"{"sub": "somebody"}"#, r#"{"sub": "system:serviceaccount::x"}"#, "{}", "["] {
            assert_eq!(subject(&token(wrong)), None, "{wrong}");
        }
        assert_eq!(subject("no token"), None);
    }
}
