//! The inventory names objects before they are written.
//!
//! Whoever dies in between leaves nothing that nobody prunes. A run that fails puts back the inventory that was there, as
//! kustomize-controller does; what else it may have written is noted in an annotation until a run succeeds.
//!
//! Differs: kustomize-controller writes the inventory after it applied, and forgets what a failed run made.

use std::collections::HashSet;
use std::sync::Arc;

use futures::FutureExt as _;
use sealfast_cluster::apply::Announce;
use sealfast_cluster::client::{Client, Patch};
use sealfast_cluster::error::Error;
use sealfast_cluster::inventory;
use sealfast_k8s::flux::inventory::{Entry, Inventory};
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::kustomization::shared::{MANAGER, kind};
use crate::status::{TRIES, Target};

/// What failed runs may have written and `status.inventory` does not name: a list of entries in JSON.
pub const LEFT: &str = "kustomize.sealfast.dev/left-behind";
/// Bytes of that list; annotations have 256 KiB altogether.
const MOST_LEFT: usize = 64 << 10;

/// What failed runs left behind.
pub fn left(typed: &Kustomization) -> Inventory {
    let noted = typed.metadata.annotations.get(LEFT);
    // Whatever somebody else made of it is no reason to stop.
    let entries = noted.and_then(|text| serde_json::from_str::<Vec<Entry>>(text).ok());
    Inventory { entries: entries.unwrap_or_default() }
}

/// The objects of the inventory and those that failed runs left behind.
pub fn owned(typed: &Kustomization) -> Vec<ObjectId> {
    let mut all = typed.status.inventory.clone().unwrap_or_default();
    extend(&mut all, left(typed).entries);
    inventory::objects(Some(&all))
}

/// Notes on the server what a failed run claimed beside its inventory. False when that is too much to be noted, so that
/// the inventory has to go on naming it.
///
/// # Errors
/// What the server says.
pub async fn leave(client: &Client, typed: &Kustomization, claimed: &Inventory) -> Result<bool, Error> {
    let before =
        typed.status.inventory.as_ref().map(|inventory| inventory.entries.as_slice()).unwrap_or_default();
    let named: HashSet<&str> = before.iter().map(|entry| entry.id.as_str()).collect();
    let mut more = left(typed);
    extend(
        &mut more,
        claimed.entries.iter().filter(|entry| !named.contains(entry.id.as_str())).cloned().collect(),
    );
    let text = serde_json::to_string(&more.entries).unwrap_or_default();
    if text.len() > MOST_LEFT {
        return Ok(false);
    }
    annotate(client, typed, text.into()).await.map(|()| true)
}

/// All that was left behind is gone, or in the inventory.
///
/// # Errors
/// What the server says.
pub async fn clear(client: &Client, typed: &Kustomization) -> Result<(), Error> {
    match typed.metadata.annotations.contains_key(LEFT) {
        true => annotate(client, typed, Value::Null).await,
        false => Ok(()),
    }
}

async fn annotate(client: &Client, typed: &Kustomization, text: Value) -> Result<(), Error> {
    // Another object of the name has no such past.
    let body = json!({"metadata": {"uid": typed.metadata.uid, "annotations": {LEFT: text}}});
    let metadata = &typed.metadata;
    let patched =
        client.patch(&kind(), &metadata.namespace, &metadata.name, &Patch::Merge(&body), MANAGER).await;
    patched.map(drop)
}

/// The inventory of a Kustomization while its objects are applied: what it had, and what is being added.
#[derive(Clone)]
pub struct Claims {
    client: Client,
    namespace: String,
    name: String,
    uid: String,
    known: Arc<Mutex<Claimed>>,
}

/// An inventory as it is known.
struct Claimed {
    inventory: Inventory,
    /// The version of the object that has it. Who was replaced by another leader adds nothing to what that one wrote.
    version: String,
    /// Whether it is another than the one that was read at first.
    is_other: bool,
}

impl Claims {
    /// Starts from the inventory of the last run.
    pub fn of(client: &Client, typed: &Kustomization) -> Claims {
        let metadata = typed.metadata.clone();
        let inventory = typed.status.inventory.clone().unwrap_or_default();
        let known = Claimed { inventory, version: metadata.resource_version, is_other: false };
        Claims {
            client: client.clone(),
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            known: Arc::new(Mutex::new(known)),
        }
    }

    /// The inventory as it was written; none when there was nothing to add.
    pub async fn written(&self) -> Option<Inventory> {
        let known = self.known.lock().await;
        known.is_other.then(|| known.inventory.clone())
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
        let Self { client, namespace, name, .. } = self;
        let target = Target { client, kind: kind(), namespace, name, manager: MANAGER };
        let mut known = self.known.lock().await;
        for tries in (0..TRIES).rev() {
            let mut inventory = known.inventory.clone();
            if extend(&mut inventory, inventory::of(objects).entries) == 0 {
                break;
            }
            match target.claim(&known.version, json!({"inventory": inventory})).await {
                Ok(object) => {
                    let version = object::metadata_text(&object, "resourceVersion").to_owned();
                    *known = Claimed { inventory, version, is_other: true };
                }
                Err(error) if error.is_conflict() && tries > 0 => self.follow(&mut known, error).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Somebody else wrote: what they own stays named, too. Another object of the name is not ours to claim for.
    async fn follow(&self, known: &mut Claimed, conflict: Error) -> Result<(), Error> {
        let live = self.client.get(&kind(), &self.namespace, &self.name).await?;
        if object::metadata_text(&live, "uid") != self.uid {
            return Err(conflict);
        }
        known.version = object::metadata_text(&live, "resourceVersion").to_owned();
        let theirs = Inventory::deserialize(&live["status"]["inventory"]).unwrap_or_default();
        known.is_other |= extend(&mut known.inventory, theirs.entries) > 0;
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
        // Somebody else wrote since it was read: another leader, say.
        let theirs = json!({"inventory": inventory::of(&[map("theirs")]), "foreign": 1});
        stand_in.scene.lock().others.push_back(json!({"status": theirs}));
        for objects in [vec![map("old")], vec![map("new"), map("old")], vec![map("new")], vec![map("last")]] {
            assert!(announced(objects).await.is_ok());
        }
        let object = stand_in.object();
        assert_eq!(
            ids(&object["status"]["inventory"]),
            ["ns_old__ConfigMap", "ns_theirs__ConfigMap", "ns_new__ConfigMap", "ns_last__ConfigMap"]
        );
        // The first one was refused.
        assert_eq!((stand_in.scene.lock().patches.len(), &object["status"]["foreign"]), (3, &json!(1)));
        assert_eq!(claims.written().await.map(|claimed| claimed.entries.len()), Some(4));
    }

    #[tokio::test]
    async fn what_could_not_be_claimed_is_not_made() {
        for change in [Value::Null, json!({"metadata": {"uid": "other"}})] {
            let stand_in = StandIn::with(json!({})).await;
            let claims = claims(&stand_in);
            stand_in.scene.lock().others.push_back(change);
            assert!(claims.announced()(vec![map("new")]).await.is_err());
            assert!(claims.written().await.is_none() && stand_in.object()["status"]["inventory"].is_null());
        }
    }

    #[tokio::test]
    async fn what_a_failed_run_left_is_noted_beside_the_inventory_until_it_is_cleared() {
        let stand_in = StandIn::with(json!({"inventory": inventory::of(&[map("a")])})).await;
        let read = || -> Kustomization { serde_json::from_value(stand_in.object()).expect("is one") };
        for claimed in [&[map("a"), map("b")], &[map("c"), map("b")]] {
            let noted = leave(&stand_in.client, &read(), &inventory::of(claimed)).await;
            assert!(noted.is_ok_and(|noted| noted));
        }
        assert_eq!(owned(&read()), [map("a"), map("b"), map("c")]);
        let many: Vec<ObjectId> = (0..MOST_LEFT / 16).map(|n| map(&format!("m{n}"))).collect();
        assert!(leave(&stand_in.client, &read(), &inventory::of(&many)).await.is_ok_and(|noted| !noted));
        assert!(clear(&stand_in.client, &read()).await.is_ok());
        assert_eq!((owned(&read()), left(&read()).entries.len()), (vec![map("a")], 0));
    }
}
