//! What is no longer built, or of an object that goes, is deleted.

use sealfast_cluster::apply::Action;
use sealfast_cluster::inventory;
use sealfast_cluster::prune::{self, Pruned};
use sealfast_k8s::flux::inventory::Entry;
use sealfast_k8s::id::ObjectId;

use crate::kustomization::acting::Acting;
use crate::kustomization::report::{Failure, Reason};
use crate::kustomization::shared::Run;
use crate::kustomization::{apply, at, claim};

impl Run<'_> {
    /// Deletes what is no longer built; until then the inventory has it, so that a run that is cut short is made up for.
    pub(super) async fn prune(&mut self, acting: &Acting, owned: &[ObjectId]) -> Result<(), Failure> {
        let stale = inventory::stale(&claim::owned(&self.typed), owned);
        let wanted = if self.typed.spec.prune { stale } else { Vec::new() };
        let pruned = self.delete_all(acting, &wanted).await;
        self.report.status.inventory = Some(inventory::of(owned));
        self.is_accounted_for = true;
        if wanted.is_empty() {
            return Ok(());
        }
        let Some(message) = pruned.message() else {
            let lines = apply::all_lines(&pruned.changes);
            self.log_pruned(&lines);
            self.report.changed(&lines);
            return Ok(());
        };
        if let Some(inventory) = &mut self.report.status.inventory {
            inventory.entries.extend(pruned.left().map(Entry::of));
        }
        let failure = Failure::new(Reason::PruneFailed, message).hint(
            "what is named here is no longer in the source and is still in the cluster: give the account that the Kustomization acts as the right to delete it, or `kubectl describe` it to see what holds it",
        );
        Err(if pruned.is_transient() { failure.soon() } else { failure })
    }

    /// Deletes all that an object owns, and returns what of it was there; else says why something cannot be deleted yet.
    pub(super) async fn delete(
        &mut self,
        acting: &Acting,
        owned: &[ObjectId],
    ) -> Result<Vec<ObjectId>, String> {
        let pruned = self.delete_all(acting, owned).await;
        if let Some(message) = pruned.message() {
            self.report.deletion_failed();
            return Err(message);
        }
        self.report.changed(&apply::all_lines(&pruned.changes));
        let deleted = pruned.changes.into_iter().filter(|change| change.action == Action::Deleted);
        Ok(deleted.map(|change| change.object).collect())
    }

    async fn delete_all(&self, acting: &Acting, wanted: &[ObjectId]) -> Pruned {
        // Nobody gives a place away for nothing.
        if wanted.is_empty() {
            return Pruned::default();
        }
        let owner = apply::owner(&self.typed);
        let deleting = prune::delete(&acting.client, wanted, &owner, self.times.timeout);
        at(&self.turn, &self.typed, deleting).await
    }
}
