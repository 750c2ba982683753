//! The inventory names objects before they are written, so that whoever dies in between leaves nothing that nobody prunes.
//!
//! Differs: kustomize-controller writes the inventory after it applied.

use std::collections::HashSet;
use std::sync::Arc;

use futures::FutureExt as _;
use sealfast_cluster::apply::Announce;
use sealfast_cluster::client::{Client, Patch};
use sealfast_cluster::error::Error;
use sealfast_cluster::inventory;
use sealfast_k8s::flux::inventory::Inventory;
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::id::ObjectId;
use serde_json::json;
use tokio::sync::Mutex;

use crate::kustomization::{MANAGER, kind};

/// The inventory of a Kustomization while its objects are applied: what it had, and what is being added.
#[derive(Clone)]
pub struct Claims {
    client: Client,
    namespace: String,
    name: String,
    before: Inventory,
    claimed: Arc<Mutex<Option<Inventory>>>,
}

impl Claims {
    /// Starts from the inventory of the last run.
    pub fn of(client: &Client, typed: &Kustomization) -> Claims {
        Claims {
            client: client.clone(),
            namespace: typed.metadata.namespace.clone(),
            name: typed.metadata.name.clone(),
            before: typed.status.inventory.clone().unwrap_or_default(),
            claimed: Arc::default(),
        }
    }

    /// The inventory as it was written; none when there was nothing to add.
    pub async fn written(&self) -> Option<Inventory> {
        self.claimed.lock().await.clone()
    }

    /// Adds what an apply is about to write.
    pub fn announced(&self) -> Arc<Announce> {
        let claims = self.clone();
        Arc::new(move |objects| {
            let claims = claims.clone();
            async move { claims.add(&objects).await }.boxed()
        })
    }

    /// Writes only when there is something new.
    async fn add(&self, objects: &[ObjectId]) -> Result<(), Error> {
        let mut claimed = self.claimed.lock().await;
        let mut inventory = claimed.as_ref().unwrap_or(&self.before).clone();
        let known: HashSet<String> = inventory.entries.iter().map(|entry| entry.id.clone()).collect();
        let mut more = inventory::of(objects).entries;
        more.retain(|entry| !known.contains(&entry.id));
        if more.is_empty() {
            return Ok(());
        }
        inventory.entries.extend(more);
        let body = json!({"status": {"inventory": inventory}});
        self.client.patch_status(&kind(), &self.namespace, &self.name, &Patch::Merge(&body), MANAGER).await?;
        *claimed = Some(inventory);
        Ok(())
    }
}
