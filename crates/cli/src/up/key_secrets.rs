//! Key Secrets that Kustomizations of the source name and that nobody has made.
//!
//! A fleet's own key Secrets are never in Git: on a real cluster somebody put them there. Here the identities that `up`
//! was given stand in for them.

use std::collections::HashSet;

use sealfast_cluster::client::watch::Event;
use sealfast_cluster::client::{Client, Patch};
use sealfast_k8s::flux::REQUESTED_AT;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::{Value, json};

use super::bootstrap::MANAGER;
use super::identity::Identity;
use super::{follow, objects};
use crate::output;

/// Makes each Secret that a Kustomization decrypts with and that is not there when it is first named, without end.
pub(super) async fn stand_in(client: &Client, identities: &[Identity]) -> ! {
    if identities.is_empty() {
        std::future::pending::<()>().await;
    }
    let kind = follow::kustomizations();
    let mut watch = client.watch(&kind, "", Default::default());
    let mut named = HashSet::new();
    loop {
        let changed = match watch.next().await {
            Event::Listed(objects) => objects,
            Event::Applied(object) => vec![object],
            Event::Deleted(_) => continue,
        };
        for kustomization in &changed {
            let secret = &kustomization["spec"]["decryption"]["secretRef"]["name"];
            let Some(secret) = secret.as_str() else { continue };
            if named.insert((object::namespace(kustomization).to_owned(), secret.to_owned())) {
                make_for(client, &kind, kustomization, secret, identities).await;
            }
        }
    }
}

async fn make_for(
    client: &Client,
    kind: &GroupVersionKind,
    kustomization: &Value,
    secret: &str,
    identities: &[Identity],
) {
    let (namespace, name) = (object::namespace(kustomization), object::name(kustomization));
    // One that is there already, from whomever, is left as it is.
    if client.create(&objects::key_secret(namespace, secret, identities), MANAGER).await.is_err() {
        return;
    }
    output::talk(&format!(
        "the Secret `{namespace}/{secret}` that Kustomization `{namespace}/{name}` decrypts with is not there: it is made from the identities given to `up`"
    ));
    // Its first run may have failed for want of the Secret.
    let asked = json!({"metadata": {"annotations": {REQUESTED_AT: jiff::Timestamp::now().to_string()}}});
    if let Err(error) = client.patch(kind, namespace, name, &Patch::Merge(&asked), MANAGER).await {
        tracing::debug!(%error, "the Kustomization is run at its next retry");
    }
}
