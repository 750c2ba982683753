//! What the cluster holds first: namespaces, definitions, the key Secret.

use std::time::Duration;

use sealfast_cluster::client::{Apply, Client, DryRun};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::identity::Identity;
use super::objects;
use crate::diagnostic::Failure;
use crate::{in_process, manifests};

/// Field manager of everything that `up` writes itself.
pub(super) const MANAGER: &str = "sealfast-up";

/// Puts the namespaces and Flux's definitions in place, and waits until their kinds are served.
pub(super) async fn cluster(client: &Client) -> Result<(), Failure> {
    apply(client, &objects::namespace("default")).await?;
    let mut own = objects::namespace(objects::NAMESPACE);
    in_process::mark(&mut own);
    apply(client, &own).await?;
    let definitions = manifests::definitions();
    for definition in &definitions {
        apply(client, definition).await?;
    }
    client.forget_kinds();
    for definition in &definitions {
        served(client, definition).await?;
    }
    Ok(())
}

async fn served(client: &Client, definition: &Value) -> Result<(), Failure> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let gvk = GroupVersionKind::new(text(&spec["group"]), "v1", text(&spec["names"]["kind"]));
    for _ in 0..100 {
        if client.list(&gvk, "", &Default::default()).await.is_ok() {
            return Ok(());
        }
        client.forget_kinds();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(Failure::new(format!(
        "the server does not serve the kind {} two seconds after it was defined",
        gvk.kind
    )))
}

/// Puts the identities into the key Secret; without any there is no Secret.
pub(super) async fn identities(client: &Client, identities: &[Identity]) -> Result<(), Failure> {
    if identities.is_empty() {
        return Ok(());
    }
    apply(client, &objects::key_secret(objects::NAMESPACE, objects::IDENTITIES, identities)).await
}

/// Applies an object, whoever else owns parts of it.
pub(super) async fn apply(client: &Client, wanted: &Value) -> Result<(), Failure> {
    let how = Apply { manager: MANAGER, force: true, dry_run: DryRun::No };
    match client.apply(wanted, &how).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::because(format!("failed to apply {}", object::id(wanted)), &error)),
    }
}
