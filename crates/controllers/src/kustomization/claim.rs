//! The inventory names objects before they are written.
//!
//! Whoever dies in between leaves nothing that nobody prunes. A run that fails puts back the inventory that was there, as
//! kustomize-controller does; what it had written is remembered here for as long as this process lives.
//!
//! Differs: kustomize-controller writes the inventory after it applied.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::FutureExt as _;
use sealfast_cluster::apply::Announce;
use sealfast_cluster::client::Client;
use sealfast_cluster::error::Error;
use sealfast_cluster::inventory;
use sealfast_k8s::flux::inventory::{Entry, Inventory};
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::id::ObjectId;
use serde_json::json;
use tokio::sync::Mutex;

use crate::kustomization::{MANAGER, kind};
use crate::status::Target;

/// What failed runs may have written, by uid, until a run of the same Kustomization succeeds.
#[derive(Default)]
pub struct Leftovers(parking_lot::Mutex<HashMap<String, Inventory>>);

impl Leftovers {
    /// Remembers what a run claimed, beside what earlier ones did.
    pub fn keep(&self, uid: &str, claimed: Inventory) {
        let mut left = self.0.lock();
        extend(left.entry(uid.to_owned()).or_default(), claimed.entries);
    }

    /// The objects of an inventory and those that failed runs left behind.
    pub fn with(&self, uid: &str, inventory: Option<&Inventory>) -> Vec<ObjectId> {
        let mut objects = inventory::objects(inventory);
        let left = inventory::objects(self.0.lock().get(uid));
        let more = inventory::stale(&left, &objects);
        objects.extend(more);
        objects
    }

    /// The inventory has it all, or there is nothing any more.
    pub fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

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
        if extend(&mut inventory, inventory::of(objects).entries) == 0 {
            return Ok(());
        }
        let Self { client, namespace, name, .. } = self;
        let target = Target { client, kind: kind(), namespace, name, manager: MANAGER };
        target.claim(json!({"inventory": inventory})).await?;
        *claimed = Some(inventory);
        Ok(())
    }
}

/// Adds the entries that are not there yet; returns how many.
fn extend(inventory: &mut Inventory, more: Vec<Entry>) -> usize {
    let known: HashSet<String> = inventory.entries.iter().map(|entry| entry.id.clone()).collect();
    let before = inventory.entries.len();
    inventory.entries.extend(more.into_iter().filter(|entry| !known.contains(&entry.id)));
    inventory.entries.len() - before
}

#[cfg(test)]
mod tests {
    use sealfast_k8s::id::GroupVersionKind;
    use serde_json::Value;

    use super::*;
    use crate::stand_in::StandIn;

    fn map(name: &str) -> ObjectId {
        ObjectId {
            gvk: GroupVersionKind::new("", "v1", "ConfigMap"),
            namespace: "ns".into(),
            name: name.into(),
        }
    }

    fn claims(stand_in: &StandIn) -> Claims {
        let typed: Kustomization = serde_json::from_value(stand_in.object()).expect("is one");
        Claims::of(&stand_in.client, &typed)
    }

    fn ids(inventory: &Value) -> Vec<&str> {
        let entries = inventory["entries"].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["id"].as_str()).collect()
    }

    #[tokio::test]
    async fn what_is_new_is_claimed_once_beside_what_was_there_whoever_else_writes() {
        let stand_in = StandIn::with(json!({"inventory": inventory::of(&[map("old")])})).await;
        let claims = claims(&stand_in);
        let announced = claims.announced();
        // Somebody else wrote since it was read.
        stand_in.scene.lock().others.push_back(json!({"status": {"foreign": 1}}));
        for objects in [vec![map("old")], vec![map("new"), map("old")], vec![map("new")], vec![map("last")]] {
            assert!(announced(objects).await.is_ok());
        }
        let object = stand_in.object();
        assert_eq!(
            ids(&object["status"]["inventory"]),
            ["ns_old__ConfigMap", "ns_new__ConfigMap", "ns_last__ConfigMap"]
        );
        assert_eq!((stand_in.scene.lock().patches.len(), &object["status"]["foreign"]), (2, &json!(1)));
        assert_eq!(claims.written().await.map(|claimed| claimed.entries.len()), Some(3));
    }

    #[tokio::test]
    async fn what_could_not_be_claimed_is_not_made() {
        let stand_in = StandIn::with(json!({})).await;
        let claims = claims(&stand_in);
        stand_in.scene.lock().others.push_back(Value::Null);
        assert!(claims.announced()(vec![map("new")]).await.is_err());
        assert!(claims.written().await.is_none());
    }

    #[test]
    fn what_failed_runs_left_is_known_until_one_succeeds() {
        let left = Leftovers::default();
        left.keep("u", inventory::of(&[map("a")]));
        left.keep("u", inventory::of(&[map("a"), map("b")]));
        let known = inventory::of(&[map("b"), map("c")]);
        assert_eq!(left.with("u", Some(&known)), [map("b"), map("c"), map("a")]);
        assert!(left.with("other", None).is_empty());
        left.forget("u");
        assert!(left.with("u", None).is_empty());
    }
}
