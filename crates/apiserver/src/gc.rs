//! The collector: what follows from a change without anybody asking.
//!
//! One task reads the change log and deletes dependents of what went, lets dependents go that are orphaned,
//! empties namespaces and definitions that are on their way out, and (if wanted) marks workloads ready.

mod emptying;
pub(crate) mod roles;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::app::{App, TRIES, stopped};
use crate::deletion::{self, FOREGROUND, ORPHAN};
use crate::fields;
use crate::follow_ups;
use crate::keys;
use crate::kin::{self, Kin, references};
use crate::storage::{Bonds, Change, Expect, Key, Refused, Stored};
use crate::workloads::{self, budget::Budgets};

/// Runs until the server stops. A panic about one object must not end it for all others.
pub(crate) async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.subscribe();
    loop {
        let mut task = JoinSet::new();
        task.spawn(follow(Arc::clone(&app)));
        if !task.join_next().await.is_some_and(|done| done.is_err_and(|error| error.is_panic())) {
            return;
        }
        // What it panicked with may tell of the object, and is not told.
        tracing::error!("the collector panicked and is started again");
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

async fn follow(app: Arc<App>) {
    let mut latest = app.store.subscribe();
    let mut stopping = app.stopping.subscribe();
    let mut place = None;
    loop {
        let worker = Arc::clone(&app);
        // It may have thousands of objects to look at; requests must not wait for it.
        let round = tokio::task::spawn_blocking(move || Collector::round(&worker, place)).await;
        let (collector, at) = match round {
            Ok(place) => place,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        let again = (!collector.again.is_empty() || collector.gathers).then_some(PAUSE);
        let pause = collector.budgets.pause().into_iter().chain(again).min();
        place = Some((collector, at));
        tokio::time::sleep(GATHER).await;
        tokio::select! {
            changed = latest.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

/// Time in which changes gather between two rounds, so that not every write wakes the collector.
const GATHER: Duration = Duration::from_millis(3);
/// From a Deployment to its ReplicaSet, its Pods and back to its status.
const LEADS_ON: usize = 4;

/// Time before the next try after a panic, or of what the disk did not take.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Collector {
    kin: Kin,
    /// Namespaces and definitions that are on their way out, by the resource they are stored under and name.
    leaving: HashSet<(Arc<str>, String)>,
    /// Those of them to be looked at once the changes at hand are through.
    touched: HashSet<(Arc<str>, String)>,
    /// Owners whose dependents are to be let go once the changes at hand are through.
    orphaning: HashSet<Key>,
    /// What was to follow from these could not be written.
    again: HashSet<Key>,
    budgets: Budgets,
    /// Whether a role was written or went, so that others may have to gather their rules anew.
    gathers: bool,
}

impl Collector {
    /// Takes in all changes since the last round; returns itself and the revision that it reached.
    fn round(app: &Arc<App>, place: Option<(Self, u64)>) -> (Self, u64) {
        let known = place.and_then(|(collector, at)| Some((collector, app.store.all_changes(at)?)));
        let (mut collector, mut at) = match known {
            Some((mut collector, (reached, changes))) => {
                collector.take_all(app, &changes);
                (collector, reached)
            }
            None => {
                let mut collector = Self::default();
                let at = collector.begin(app);
                collector.gathers = true;
                (collector, at)
            }
        };
        // What it writes itself leads on, and does not wait for the next round.
        for _ in 0..LEADS_ON {
            let Some((reached, changes)) = app.store.all_changes(at) else { break };
            collector.take_all(app, &changes);
            at = reached;
        }
        for key in std::mem::take(&mut collector.again) {
            if let Some(stored) = app.store.get(&key) {
                collector.look_at(app, &key, &stored, &stored.bonds());
            }
        }
        for key in std::mem::take(&mut collector.orphaning) {
            let done = collector.orphan(app, &key);
            collector.note(done, &key);
        }
        for (resource, name) in std::mem::take(&mut collector.touched) {
            let done = match &*resource {
                keys::NAMESPACES => emptying::namespace(app, &name),
                _ => emptying::definition(app, &name),
            };
            collector.note(done, &Key::new(&resource, "", &name));
        }
        collector.budgets.count_due(app);
        collector.gathers = collector.gathers && !roles::gather(app);
        (collector, at)
    }

    /// Notes that something in a namespace or of a kind was written or went, where that is to be emptied.
    fn touch(&mut self, key: &Key) {
        for place in [
            (Arc::from(keys::NAMESPACES), key.namespace.clone()),
            (Arc::from(keys::DEFINITIONS), key.resource.to_string()),
        ] {
            if self.leaving.contains(&place) {
                self.touched.insert(place);
            }
        }
    }

    fn begin(&mut self, app: &Arc<App>) -> u64 {
        let (revision, objects) = app.store.everything();
        for (key, stored) in &objects {
            self.kin.remember(key, &stored.bonds());
            self.budgets.note(key, true);
        }
        for (key, stored) in objects {
            self.look_at(app, &key, &stored, &stored.bonds());
        }
        revision
    }

    fn take_all(&mut self, app: &Arc<App>, changes: &[Change]) {
        for change in changes {
            if *app.stopping.borrow() {
                break;
            }
            self.take(app, change);
        }
    }

    fn take(&mut self, app: &Arc<App>, change: &Change) {
        if let Some(previous) = &change.previous {
            self.kin.forget(&change.key, &previous.bonds(), change.value.is_none());
        }
        match &change.value {
            Some(stored) => {
                let bonds = stored.bonds();
                self.kin.remember(&change.key, &bonds);
                self.look_at(app, &change.key, stored, &bonds);
            }
            None => self.gone(app, change),
        }
        self.budgets.note(&change.key, change.value.is_some());
        self.gathers |= &*change.key.resource == keys::CLUSTER_ROLES;
    }

    /// Something was written (or found at the start).
    fn look_at(&mut self, app: &Arc<App>, key: &Key, stored: &Stored, bonds: &Bonds) {
        if !self.leaving.is_empty() {
            self.touch(key);
        }
        if bonds.is_deleting() {
            match &*key.resource {
                keys::NAMESPACES | keys::DEFINITIONS => {
                    let place = (Arc::clone(&key.resource), key.name.clone());
                    self.leaving.insert(place.clone());
                    self.touched.insert(place);
                }
                // Nothing runs here that could use it.
                "persistentvolumeclaims" => {
                    self.note(deletion::drop_finalizer(app, key, crate::admit::PROTECTED_CLAIM), key);
                }
                "volumeattributesclasses.storage.k8s.io" => {
                    self.note(deletion::drop_finalizer(app, key, crate::admit::PROTECTED_CLASS), key);
                }
                "persistentvolumes" => {
                    self.note(deletion::drop_finalizer(app, key, crate::admit::PROTECTED_VOLUME), key);
                }
                _ => {}
            }
            let object = stored.object();
            let finalizers = fields::finalizers(&object);
            if finalizers.contains(&ORPHAN) {
                self.orphaning.insert(key.clone());
            } else if finalizers.contains(&FOREGROUND) {
                self.foreground(app, key, bonds.uid());
            }
        } else if kin::is_followed(key) && bonds.owners().next().is_some() {
            self.check_owners(app, key);
        }
        if [keys::NAMESPACES, keys::DEFINITIONS].contains(&&*key.resource) {
            self.note(follow_ups::complete(app, &key.resource, &stored.object()), key);
        }
        self.settle_workload(app, key, stored);
    }

    fn settle_workload(&mut self, app: &Arc<App>, key: &Key, stored: &Stored) {
        let refused = app.store.refused();
        workloads::settle(app, &mut self.kin, key, stored);
        self.note(app.store.refused() == refused, key);
    }

    /// Remembers an object whose consequences could not all be written.
    fn note(&mut self, done: bool, key: &Key) {
        if !done {
            self.again.insert(key.clone());
        }
    }

    /// Something is gone.
    fn gone(&mut self, app: &Arc<App>, change: &Change) {
        let Some(previous) = &change.previous else { return };
        let bonds = previous.bonds();
        let followed = kin::is_followed(&change.key);
        let dependents = if followed { self.kin.dependents(bonds.uid()) } else { Vec::new() };
        for dependent in dependents {
            self.check_owners(app, &dependent);
        }
        for owner in bonds.owners() {
            let Some(key) = self.kin.living(owner).cloned() else { continue };
            let Some(stored) = app.store.get(&key) else { continue };
            if fields::finalizers(&stored.object()).contains(&FOREGROUND) {
                self.foreground(app, &key, owner);
            } else {
                self.settle_workload(app, &key, &stored);
            }
        }
        self.leaving.remove(&(Arc::clone(&change.key.resource), change.key.name.clone()));
        if !self.leaving.is_empty() {
            self.touch(&change.key);
        }
        if &*change.key.resource == keys::SERVICE_ACCOUNTS && change.key.name == "default" {
            let home = Key::new(&Arc::from(keys::NAMESPACES), "", &change.key.namespace);
            if let Some(stored) = app.store.get(&home) {
                self.note(follow_ups::complete(app, &home.resource, &stored.object()), &home);
            }
        }
    }

    /// Deletes a dependent whose owners are all gone; drops references to some that are.
    fn check_owners(&mut self, app: &Arc<App>, key: &Key) {
        let Some(stored) = app.store.get(key) else { return };
        let object = stored.object();
        let references = references(&object);
        let lives = |reference: &&Value| self.owner_lives(app, reference, key);
        let (living, dead): (Vec<&Value>, Vec<&Value>) = references.iter().partition(lives);
        if dead.is_empty() || fields::is_deleting(&object) {
            return;
        }
        let solid = living.iter().any(|reference| !self.is_foreground(app, reference));
        let done = if !solid {
            // Whose own dependents are to be dealt with in some way, says so by a finalizer.
            deletion::delete(app, key, &stored, if living.is_empty() { "" } else { "Foreground" })
        } else {
            let_go(app, key, |reference| dead.contains(&reference))
        };
        self.note(done, key);
    }

    fn owner_lives(&self, app: &Arc<App>, reference: &Value, dependent: &Key) -> bool {
        let text = |field: &str| fields::text(reference, &[field]);
        let kinds = app.kinds.current();
        // Nobody can say yet whether an owner lives whose definition is not there.
        let Some(kind) = kinds.kind(text("apiVersion"), text("kind")) else { return true };
        let namespace = if kind.namespaced { dependent.namespace.as_str() } else { "" };
        let named = Key::new(&kind.key, namespace, text("name"));
        match self.kin.living(text("uid")) {
            Some(owner) => *owner == named && app.store.get(owner).is_some(),
            // Written after the change at hand: not known yet.
            None => app.store.get(&named).is_some_and(|stored| stored.bonds().uid() == text("uid")),
        }
    }

    fn is_foreground(&self, app: &Arc<App>, reference: &Value) -> bool {
        let key = self.kin.living(fields::text(reference, &["uid"]));
        key.is_some_and(|key| waits_for_dependents(app, key))
    }

    /// True when a dependent of an object waits for its own, and so perhaps for that object.
    fn leads_back(&self, app: &App, stored: &Stored) -> bool {
        let below = self.kin.dependents(stored.bonds().uid());
        below.iter().any(|dependent| waits_for_dependents(app, dependent))
    }

    /// Lets all dependents go, and then the owner; false when one of them could not be written.
    fn orphan(&self, app: &Arc<App>, key: &Key) -> bool {
        let Some(stored) = app.store.get(key) else { return true };
        let uid = stored.bonds().uid().to_owned();
        if !fields::finalizers(&stored.object()).contains(&ORPHAN) {
            return true;
        }
        let free = |dependent: &Key| let_go(app, dependent, |reference| reference["uid"] == *uid);
        let kept = self.kin.dependents(&uid).iter().filter(|dependent| !free(dependent)).count();
        kept == 0 && deletion::drop_finalizer(app, key, ORPHAN)
    }

    fn foreground(&mut self, app: &Arc<App>, key: &Key, uid: &str) {
        let (mut blocked, mut done) = (false, true);
        for dependent in self.kin.dependents(uid) {
            // An object that is its own owner waits for nobody.
            if dependent == *key {
                continue;
            }
            let Some(stored) = app.store.get(&dependent) else { continue };
            let object = stored.object();
            let references = references(&object);
            let Some(own) = references.iter().find(|reference| reference["uid"] == uid) else { continue };
            let other = references.iter().any(|reference| {
                reference["uid"] != uid
                    && self.owner_lives(app, reference, &dependent)
                    && !self.is_foreground(app, reference)
            });
            if other {
                done &= let_go(app, &dependent, |reference| reference["uid"] == uid);
                continue;
            }
            let mut blocks = own["blockOwnerDeletion"] == true;
            if blocks && self.leads_back(app, &stored) {
                // In a circle each would wait for the next.
                done &= unblock(app, &dependent);
                blocks = false;
            }
            let Some(stored) = app.store.get(&dependent) else { continue };
            if !stored.bonds().is_deleting() {
                done &= deletion::delete(app, &dependent, &stored, "Foreground");
            }
            blocked |= blocks && app.store.get(&dependent).is_some();
        }
        let done = done && (blocked || deletion::drop_finalizer(app, key, FOREGROUND));
        self.note(done, key);
    }
}

fn waits_for_dependents(app: &App, key: &Key) -> bool {
    app.store.get(key).is_some_and(|stored| {
        stored.bonds().is_deleting() && fields::finalizers(&stored.object()).contains(&FOREGROUND)
    })
}

/// Drops references of a dependent to owners; false when it could not be written.
fn let_go(app: &App, key: &Key, is_dropped: impl Fn(&Value) -> bool) -> bool {
    change_references(app, key, |references| references.retain(|reference| !is_dropped(reference)))
}

/// Has a dependent keep none of its owners; false when it could not be written.
fn unblock(app: &App, key: &Key) -> bool {
    change_references(app, key, |references| {
        for reference in references.iter_mut().filter(|reference| reference["blockOwnerDeletion"] == true) {
            reference["blockOwnerDeletion"] = false.into();
        }
    })
}

fn change_references(app: &App, key: &Key, change: impl Fn(&mut Vec<Value>)) -> bool {
    for _ in 0..TRIES {
        let Some(stored) = app.store.get(key) else { return true };
        let mut object = stored.object();
        let before = references(&object);
        let mut kept = before.clone();
        change(&mut kept);
        if kept == before {
            return true;
        }
        if kept.is_empty() {
            fields::metadata(&mut object).shift_remove("ownerReferences");
        } else {
            fields::set_meta(&mut object, "ownerReferences", kept.into());
        }
        match app.store.put(key, &object, Expect::Revision(stored.revision)) {
            Ok(_) => return true,
            Err(Refused::Changed) => {}
            Err(_) => return false,
        }
    }
    false
}
