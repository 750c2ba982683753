//! One Kustomization compared with the cluster, and those among its objects.

use std::path::Path;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use sealfast_cluster::client::Client;
use sealfast_cluster::preview::{self, Outcome, Preview};
use sealfast_cluster::{apply, inventory, normalize, order};
use sealfast_controllers::kustomization::mask::Masks;
use sealfast_controllers::kustomization::select;
use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::Value;

use super::lines::{Colour, Tint};
use super::{human, secret};
use crate::flux::Failed;
use crate::flux::local::plan::Plan;
use crate::flux::local::subject::{self, Subject, is_kustomization};
use crate::flux::secret::Secret;
use crate::output::Spinner;

/// What differs, so far.
#[derive(Default)]
pub(super) struct Found {
    /// For people.
    pub(super) text: String,
    /// Whether anything would change.
    pub(super) has_changes: bool,
    /// What could not be compared; the rest was.
    pub(super) errors: Vec<String>,
}

impl Found {
    /// Covers values of Secrets in names and in what a server says.
    fn cover(&mut self, masks: &Masks) {
        self.text = masks.message(&self.text);
        self.errors.iter_mut().for_each(|why| *why = masks.message(why));
    }
}

/// All that a comparison needs.
pub(super) struct Trip<'a> {
    pub(super) plan: &'a Plan,
    pub(super) client: &'a Client,
    pub(super) spinner: &'a Spinner,
    pub(super) colour: Colour,
    /// Of the terminal.
    pub(super) width: usize,
}

impl Trip<'_> {
    /// Compares one Kustomization. `above` names those that led here.
    pub(super) fn one<'a>(
        &'a self,
        subject: &'a Subject,
        directory: &'a Path,
        above: &'a mut Vec<(String, String)>,
    ) -> LocalBoxFuture<'a, Result<Found, Failed>> {
        async move {
            let mut objects = self.plan.one(subject, directory).await?;
            let masks = self.plan.masks();
            objects.iter_mut().for_each(normalize::normalize);
            let options = apply::Options {
                ignored: select::ignored(&subject.typed.spec.ignore)?,
                ..apply::Options::default()
            };
            let mut found = Found::default();
            let mut ids = Vec::with_capacity(objects.len());
            above.push(subject.id());
            for built in objects.iter() {
                match preview::object(self.client, built, &options).await {
                    Ok(preview) => {
                        let is_new = matches!(preview.outcome, Outcome::Created);
                        ids.push(preview.object.clone());
                        self.note(&mut found, built, preview, &masks);
                        if self.plan.follows && is_kustomization(built) && !is_new {
                            self.follow(&mut found, built, above).await;
                        }
                    }
                    Err(why) => found.errors.push(why),
                }
            }
            above.pop();
            self.note_deleted(&mut found, subject, &ids);
            found.cover(&masks);
            Ok(found)
        }
        .boxed_local()
    }

    fn line(&self, found: &mut Found, tint: Tint, line: &str) {
        found.text.push_str(&self.colour.shown(tint, line));
        found.text.push('\n');
    }

    /// Takes what would be done to one object.
    fn note(&self, found: &mut Found, built: &Value, preview: Preview, masks: &Masks) {
        let id = preview.object;
        match preview.outcome {
            Outcome::Unchanged => {}
            Outcome::Skipped => self.line(found, Tint::Changed, &format!("► {id} skipped")),
            Outcome::Created => {
                found.has_changes = true;
                self.line(found, Tint::Added, &format!("► {id} created"));
            }
            Outcome::Drifted { live, merged } => {
                let Some((live, merged)) = secret::masked(built, Secret::found(live), Secret::found(merged))
                else {
                    return;
                };
                found.has_changes = true;
                self.line(found, Tint::Plain, &format!("► {id} drifted"));
                let report = human::report(live.value(), merged.value(), masks, self.width);
                found.text.push_str(&report.shown(self.colour));
            }
        }
    }

    /// Compares a Kustomization that was found among the objects.
    async fn follow(&self, found: &mut Found, built: &Value, above: &mut Vec<(String, String)>) {
        if above.contains(&subject::id(built)) {
            return;
        }
        let id = object::id(built);
        if built.pointer("/spec/kubeConfig").is_some_and(|remote| !remote.is_null()) {
            let line = format!("⚠️ {id} skipped: diff not supported for remote clusters");
            self.line(found, Tint::Changed, &line);
            return;
        }
        self.spinner.waits_for(&format!("running dry-run in {}", id.name));
        match self.below(built, above).await {
            Ok(inner) => {
                found.errors.extend(inner.errors);
                if inner.has_changes {
                    found.has_changes = true;
                    self.line(found, Tint::Plain, &format!("📁 {id} changed"));
                    found.text.push_str(&inner.text);
                }
            }
            Err(Failed(why)) => found.errors.push(why),
        }
        self.spinner.waits_for("running dry-run");
    }

    async fn below(&self, built: &Value, above: &mut Vec<(String, String)>) -> Result<Found, Failed> {
        let directory = self.plan.source(built)?;
        let next = self.plan.subject(object::name(built), object::namespace(built), None).await?;
        self.one(&next, &directory, above).await
    }

    /// Takes what was applied before and is not built any more. Who could not look at all objects cannot tell.
    fn note_deleted(&self, found: &mut Found, subject: &Subject, ids: &[ObjectId]) {
        if !subject.typed.spec.prune || !found.errors.is_empty() {
            return;
        }
        let applied = inventory::objects(subject.typed.status.inventory.as_ref());
        let mut stale = inventory::stale(&applied, ids);
        order::sort_for_deletion(&mut stale);
        found.has_changes |= !stale.is_empty();
        for id in stale.iter().rev() {
            self.line(found, Tint::Removed, &format!("► {id} deleted"));
        }
    }
}
