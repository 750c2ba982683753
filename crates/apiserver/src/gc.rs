//! The collector: what follows from a change without anybody asking.
//!
//! One task reads the change log and deletes dependents of what went, lets dependents go that are orphaned,
//! empties namespaces and definitions that are on their way out, and (if wanted) marks workloads ready.

pub(crate) mod kin;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::fields;
use crate::request::delete::{FOREGROUND, ORPHAN};
use crate::request::update::mark_deleted;
use crate::server::App;
use crate::storage::{Bonds, Change, Expect, Key, Stored};
use crate::workloads::{self, budget::Budgets};
use kin::{Kin, references};

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
            () = crate::server::stopped(&mut stopping) => return,
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
        let pause = collector.budgets.pause();
        place = Some((collector, at));
        tokio::time::sleep(GATHER).await;
        tokio::select! {
            changed = latest.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            () = crate::server::stopped(&mut stopping) => return,
        }
    }
}

/// Time in which changes gather between two rounds, so that not every write wakes the collector.
const GATHER: Duration = Duration::from_millis(3);
/// From a Deployment to its ReplicaSet, its Pods and back to its status.
const LEADS_ON: usize = 4;

/// Time before the next try after a panic.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Collector {
    kin: Kin,
    /// Namespaces and definitions that are on their way out, by the resource they are stored under and name.
    leaving: HashSet<(Arc<str>, String)>,
    /// Those of them to be looked at once the changes at hand are through.
    touched: HashSet<(Arc<str>, String)>,
    budgets: Budgets,
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
                (collector, at)
            }
        };
        // What it writes itself leads on, and does not wait for the next round.
        for _ in 0..LEADS_ON {
            let Some((reached, changes)) = app.store.all_changes(at) else { break };
            collector.take_all(app, &changes);
            at = reached;
        }
        for (resource, name) in std::mem::take(&mut collector.touched) {
            match &*resource {
                "namespaces" => app.empty_namespace(&name),
                _ => app.empty_definition(&name),
            }
        }
        collector.budgets.settle(app);
        (collector, at)
    }

    /// Notes that something in a namespace or of a kind was written or went, where that is to be emptied.
    fn touch(&mut self, key: &Key) {
        for place in [
            (Arc::from("namespaces"), key.namespace.clone()),
            (Arc::from(crate::crds::KEY), key.resource.to_string()),
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
    }

    /// Something was written (or found at the start).
    fn look_at(&mut self, app: &Arc<App>, key: &Key, stored: &Stored, bonds: &Bonds) {
        if !self.leaving.is_empty() {
            self.touch(key);
        }
        if bonds.is_deleting() {
            match &*key.resource {
                "namespaces" | crate::crds::KEY => {
                    let place = (Arc::clone(&key.resource), key.name.clone());
                    self.leaving.insert(place.clone());
                    self.touched.insert(place);
                }
                // Nothing runs here that could use it.
                "persistentvolumeclaims" => app.drop_finalizer(key, crate::admit::PROTECTED_CLAIM),
                "persistentvolumes" => app.drop_finalizer(key, crate::admit::PROTECTED_VOLUME),
                _ => {}
            }
            let object = stored.object();
            let finalizers = fields::finalizers(&object);
            if finalizers.contains(&ORPHAN) {
                self.orphan(app, key, bonds.uid());
            } else if finalizers.contains(&FOREGROUND) {
                self.foreground(app, key, bonds.uid());
            }
        } else if kin::is_followed(key) && bonds.owners().next().is_some() {
            self.check_owners(app, key);
        }
        workloads::settle(app, &mut self.kin, key, stored);
    }

    /// Something is gone.
    fn gone(&mut self, app: &Arc<App>, change: &Change) {
        let Some(previous) = &change.previous else { return };
        let bonds = previous.bonds();
        let dependents = || self.kin.dependents(bonds.uid());
        for dependent in kin::is_followed(&change.key).then(dependents).into_iter().flatten() {
            self.check_owners(app, &dependent);
        }
        for owner in bonds.owners() {
            let Some(key) = self.kin.living(owner).cloned() else { continue };
            let Some(stored) = app.store.get(&key) else { continue };
            if fields::finalizers(&stored.object()).contains(&FOREGROUND) {
                self.foreground(app, &key, owner);
            } else {
                workloads::settle(app, &mut self.kin, &key, &stored);
            }
        }
        self.leaving.remove(&(Arc::clone(&change.key.resource), change.key.name.clone()));
        if !self.leaving.is_empty() {
            self.touch(&change.key);
        }
        if &*change.key.resource == "serviceaccounts" && change.key.name == "default" {
            app.restore_account(&change.key.namespace);
        }
    }

    /// Deletes a dependent whose owners are all gone; drops references to some that are.
    fn check_owners(&self, app: &Arc<App>, key: &Key) {
        let Some(stored) = app.store.get(key) else { return };
        let object = stored.object();
        let references = references(&object);
        let lives = |reference: &&Value| self.owner_lives(app, reference, key);
        let (living, dead): (Vec<&Value>, Vec<&Value>) = references.iter().partition(lives);
        if dead.is_empty() || references.is_empty() {
            return;
        }
        let solid = living.iter().any(|reference| !self.is_foreground(app, reference));
        if living.is_empty() || !solid {
            app.delete_stored(key, &stored, if living.is_empty() { "Background" } else { "Foreground" });
            return;
        }
        let kept: Vec<Value> = living.into_iter().cloned().collect();
        set_references(app, key, &stored, kept);
    }

    fn owner_lives(&self, app: &Arc<App>, reference: &Value, dependent: &Key) -> bool {
        let uid = fields::text(reference, &["uid"]);
        match self.kin.living(uid) {
            Some(owner) => {
                (owner.namespace.is_empty() || owner.namespace == dependent.namespace)
                    && app.store.get(owner).is_some()
            }
            // Written after the change at hand: not known yet, so look for it by name.
            None => {
                let kinds = app.kinds.current();
                let kind =
                    kinds.kind(fields::text(reference, &["apiVersion"]), fields::text(reference, &["kind"]));
                // Nobody can say yet whether an owner lives whose definition is not there.
                kind.is_none_or(|kind| {
                    let namespace = if kind.namespaced { dependent.namespace.as_str() } else { "" };
                    let key = Key::new(&kind.key, namespace, fields::text(reference, &["name"]));
                    app.store.get(&key).is_some_and(|stored| fields::uid(&stored.object()) == uid)
                })
            }
        }
    }

    fn is_foreground(&self, app: &Arc<App>, reference: &Value) -> bool {
        let key = self.kin.living(fields::text(reference, &["uid"]));
        key.and_then(|key| app.store.get(key)).is_some_and(|stored| {
            let owner = stored.object();
            fields::is_deleting(&owner) && fields::finalizers(&owner).contains(&FOREGROUND)
        })
    }

    fn orphan(&self, app: &Arc<App>, key: &Key, uid: &str) {
        for dependent in self.kin.dependents(uid) {
            if let Some(stored) = app.store.get(&dependent) {
                let mut kept = references(&stored.object());
                kept.retain(|reference| reference["uid"] != uid);
                set_references(app, &dependent, &stored, kept);
            }
        }
        app.drop_finalizer(key, ORPHAN);
    }

    fn foreground(&self, app: &Arc<App>, key: &Key, uid: &str) {
        let mut blocked = false;
        for dependent in self.kin.dependents(uid) {
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
                let kept = references.iter().filter(|reference| reference["uid"] != uid).cloned().collect();
                set_references(app, &dependent, &stored, kept);
                continue;
            }
            if !fields::is_deleting(&object) {
                app.delete_stored(&dependent, &stored, "Foreground");
            }
            blocked |= own["blockOwnerDeletion"] == true && app.store.get(&dependent).is_some();
        }
        if !blocked {
            app.drop_finalizer(key, FOREGROUND);
        }
    }
}

impl App {
    /// Deletes an object on the server's own account; retried by the next change when another write came between.
    pub(crate) fn delete_stored(&self, key: &Key, stored: &Stored, policy: &str) {
        let mut stored = stored.clone();
        for _ in 0..5 {
            let mut object = stored.object();
            let was_deleting = fields::is_deleting(&object);
            let mut finalizers: Vec<String> =
                fields::finalizers(&object).into_iter().map(str::to_owned).collect();
            if policy == "Foreground" && !was_deleting && !finalizers.iter().any(|name| name == FOREGROUND) {
                finalizers.push(FOREGROUND.into());
            }
            let defines = &*key.resource == crate::crds::KEY;
            if defines && !was_deleting && !finalizers.iter().any(|name| name == crate::crds::CLEANUP) {
                finalizers.push(crate::crds::CLEANUP.into());
            }
            if finalizers.is_empty() && &*key.resource != "namespaces" {
                if self.store.delete(key, stored.revision).is_ok() {
                    return;
                }
            } else if was_deleting {
                return;
            } else {
                let kind = self.kinds.current().stored_under(&key.resource).cloned();
                fields::set_finalizers(&mut object, finalizers);
                mark_deleted(&mut object, kind.is_some_and(|kind| kind.has_generation()));
                crate::namespaces::terminating(&key.resource, &mut object);
                crate::crds::terminating(&key.resource, &mut object);
                if self.store.put(key, &object, Expect::Revision(stored.revision)).is_ok() {
                    if defines {
                        self.establish(&key.name);
                    }
                    return;
                }
            }
            let Some(current) = self.store.get(key) else { return };
            stored = current;
        }
    }

    /// Takes one finalizer off; the object goes with its last.
    pub(crate) fn drop_finalizer(&self, key: &Key, finalizer: &str) {
        for _ in 0..5 {
            let Some(stored) = self.store.get(key) else { return };
            let mut object = stored.object();
            if !fields::finalizers(&object).contains(&finalizer) {
                return;
            }
            let kept: Vec<String> = fields::finalizers(&object)
                .into_iter()
                .filter(|name| *name != finalizer)
                .map(str::to_owned)
                .collect();
            fields::set_finalizers(&mut object, kept);
            let written = if crate::request::update::is_gone(&key.resource, &object) {
                self.store.delete(key, stored.revision).is_ok()
            } else {
                self.store.put(key, &object, Expect::Revision(stored.revision)).is_ok()
            };
            if written {
                if &*key.resource == crate::crds::KEY {
                    self.definitions_changed();
                }
                return;
            }
        }
    }

    /// Deletes the objects of a definition that is on its way out, then lets it go.
    pub(crate) fn empty_definition(&self, name: &str) {
        let key = Key::new(&Arc::from(crate::crds::KEY), "", name);
        let Some(stored) = self.store.get(&key) else { return };
        let definition = stored.object();
        if !fields::is_deleting(&definition)
            || !fields::finalizers(&definition).contains(&crate::crds::CLEANUP)
        {
            return;
        }
        let resource: Arc<str> = name.into();
        for stored in self.store.list(&resource, None).items {
            let object = stored.object();
            let key = Key::new(&resource, fields::meta(&object, "namespace"), fields::name(&object));
            self.delete_stored(&key, &stored, "Background");
        }
        if self.store.list(&resource, None).items.is_empty() {
            self.drop_finalizer(&key, crate::crds::CLEANUP);
        }
    }
}

fn set_references(app: &Arc<App>, key: &Key, stored: &Stored, kept: Vec<Value>) {
    let mut object = stored.object();
    if kept.is_empty() {
        fields::metadata(&mut object).shift_remove("ownerReferences");
    } else {
        fields::set_meta(&mut object, "ownerReferences", kept.into());
    }
    let _ = app.store.put(key, &object, Expect::Revision(stored.revision));
}
