//! Objects -> cluster: marked, normalised, applied in stages.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use sealfast_cluster::apply::{self, Aside, Change, Migrate, Owner, Recreate};
use sealfast_cluster::known::Known;
use sealfast_cluster::{normalize, wait};
use sealfast_k8s::flux::kustomization::{CommonMetadata, Kustomization};
use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::Value;

use crate::expression::Health;
use crate::gates::Gate;
use crate::keeper::Keeper;
use crate::kustomization::acting::Acting;
use crate::kustomization::claim::Claims;
use crate::kustomization::render::Rendered;
use crate::kustomization::report::{Failure, Reason, Times};
use crate::kustomization::room::Held;
use crate::kustomization::unpacked::Artifacts;
use crate::kustomization::{decrypt, select};
use crate::options::Options;
use crate::workers::Turn;

/// What was applied.
pub struct Applied {
    /// Every object, in the order of application.
    pub changes: Vec<Change>,
    /// Those of them that go away by themselves once they are done.
    pub passing: Vec<ObjectId>,
}

/// Who owns the objects of a Kustomization.
pub fn owner(typed: &Kustomization) -> Owner {
    Owner { name: typed.metadata.name.clone(), namespace: typed.metadata.namespace.clone() }
}

/// Objects as they are applied.
pub struct Prepared(Vec<Value>);

impl Prepared {
    /// The objects.
    pub fn objects(&self) -> &[Value] {
        &self.0
    }
}

/// Marks, checks and normalises the objects.
///
/// # Errors
/// ReconciliationFailed for an object that is still encrypted.
pub fn prepared(rendered: Rendered, typed: &Kustomization) -> Result<Prepared, Failure> {
    let owner = owner(typed);
    let mut objects = rendered.objects;
    for built in &mut objects {
        owner.mark(built);
        refuse_encrypted(built, typed.spec.decryption.is_some())?;
        normalize::normalize(built);
        if let Some(common) = &typed.spec.common_metadata {
            add_common(built, common);
        }
    }
    Ok(Prepared(objects))
}

/// Looks before normalising, because a type forgets fields that it does not know.
///
/// # Errors
/// ReconciliationFailed with the object and what opens it.
pub fn refuse_encrypted(built: &Value, has_decryption: bool) -> Result<(), Failure> {
    let encrypted = sealfast_sops::document::is_encrypted_object(built)
        || (object::kind(built) == "Secret" && built.get("sops").is_some());
    if !encrypted || decrypt::is_disabled(built) {
        return Ok(());
    }
    let what = if object::kind(built) == "Secret" { "secret" } else { "object" };
    let id = object::id(built);
    let remedy = match has_decryption {
        true => "its `sops` block has no MAC: encrypt the file again".to_owned(),
        false => "add spec.decryption with provider `sops` and a secretRef to the Kustomization".to_owned(),
    };
    Err(Failure::new(
        Reason::ReconciliationFailed,
        format!(
            "{id} is SOPS encrypted, configuring decryption is required for this {what} to be reconciled"
        ),
    )
    .hint(format!("{id}, path `sops`: {remedy}")))
}

/// Sets the labels and annotations that all objects get.
pub fn add_common(built: &mut Value, common: &CommonMetadata) {
    for (key, value) in &common.labels {
        object::set_label(built, key, value);
    }
    for (key, value) in &common.annotations {
        object::set_annotation(built, key, value);
    }
}

/// How many identities are remembered; a kubeconfig that changes is another one each time.
const MOST_IDENTITIES: usize = 1024;
/// For how long one is that nobody acts as.
const UNUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// What earlier runs left behind, by the identity they acted as.
pub struct Memories(Arc<Keeper<String, Arc<Known>>>);

impl Default for Memories {
    fn default() -> Self {
        Memories(Keeper::new(MOST_IDENTITIES, UNUSED))
    }
}

impl Memories {
    /// The memory of one identity on one server.
    pub fn of(&self, identity: &str) -> Arc<Known> {
        self.0.find_or_keep(identity.to_owned(), Arc::default)
    }
}

/// What an apply goes by beside the object itself.
pub struct How<'a> {
    /// How the controllers are run.
    pub options: &'a Options,
    /// What earlier applies left behind.
    pub known: &'a Known,
    /// How objects are judged that later ones build on.
    pub health: &'a Health,
    /// Takes note of what is about to be written.
    pub claims: &'a Claims,
    /// Does long waits.
    pub place: Arc<Aside>,
}

/// Long waits of an apply let others work, as long as there is room for the objects that are kept meanwhile. Who comes back
/// holds none: those who have a place may wait for it.
pub fn place(turn: Turn, artifacts: Arc<Artifacts>, namespace: &str, held: Held) -> Arc<Aside> {
    let namespace = namespace.to_owned();
    apply::aside(move |bytes, wait| {
        let (turn, artifacts, namespace) = (turn.clone(), Arc::clone(&artifacts), namespace.clone());
        let held = held.clone();
        async move {
            let mut wait = wait;
            if turn.short(&mut wait).await.is_some() {
                return;
            }
            if turn.is_away() {
                return turn.aside(wait).await;
            }
            let Some(spared) = artifacts.spare(&namespace, bytes) else { return wait.await };
            held.let_go();
            let wait = async move {
                let _spared = spared;
                wait.await;
            };
            turn.aside(wait).await;
        }
        .boxed()
    })
}

/// Applies prepared objects.
///
/// # Errors
/// ReconciliationFailed; the message ends with what was done before.
pub async fn apply(
    acting: &Acting,
    prepared: Prepared,
    typed: &Kustomization,
    how: &How<'_>,
) -> Result<Applied, Failure> {
    let How { options: how, known, health, claims, place } = how;
    let (health, clock) = (Health::clone(health), how.clock.clone());
    let options = apply::Options {
        at_a_time: how.concurrent_ssa,
        also_take: how.override_managers.clone(),
        custom_kinds: how.custom_stage_kinds.clone(),
        migrate: if how.gates.has(Gate::MigrateAPIVersion) { Migrate::Yes } else { Migrate::No },
        recreate: if typed.spec.force { Recreate::All } else { Recreate::OnRequest },
        ignored: select::ignored(&typed.spec.ignore)
            .map_err(|why| Failure::new(Reason::ReconciliationFailed, format!("{why}\n")))?,
        announce: Some(claims.announced()),
        aside: Some(Arc::clone(place)),
        judge: Arc::new(move |live: &Value| health.judge(live, clock.now())),
        timeout: Times::of(&typed.spec).timeout,
        ..apply::Options::default()
    };
    let passing = wait::passing(&prepared.0);
    match apply::stages(&acting.client, prepared.0, &options, known).await {
        Ok(changes) => Ok(Applied { changes, passing }),
        Err(failed) => {
            let lines = change_lines(&failed.done);
            let done = if lines.is_empty() { lines } else { format!("{lines}\n") };
            let message = format!("{}\n{done}", failed.message);
            let hint = match failed.message.contains("namespace not specified") {
                true => {
                    "say where it goes: metadata.namespace in the source, or spec.targetNamespace of the Kustomization (`sealfast up --target-namespace NAME`)"
                }
                false => {
                    "mend the object in the source, or the right to write it; objects of earlier stages, and those of this stage that come before it, may have been written"
                }
            };
            let failure = Failure::new(Reason::ReconciliationFailed, message).hint(hint);
            Err(if failed.transient { failure.soon() } else { failure })
        }
    }
}

/// One line for each object that was created, configured or deleted; empty when none was.
pub fn change_lines(changes: &[Change]) -> String {
    use apply::Action;
    let counts = |c: &&Change| matches!(c.action, Action::Created | Action::Configured | Action::Deleted);
    changes.iter().filter(counts).map(Change::to_string).collect::<Vec<_>>().join("\n")
}

/// One line for each object that pruning looked at.
pub fn all_lines(changes: &[Change]) -> String {
    changes.iter().map(Change::to_string).collect::<Vec<_>>().join("\n")
}
