//! What is known about Kustomizations without reading them: who waits for what.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::{condition, object};
use serde_json::Value;

use crate::follow::{Asked, Follows};
use crate::queue::Key;
use crate::shape;

/// A source: kind, namespace, name.
pub type Source = (String, String, String);

/// The part of a Kustomization that decides whether it has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    asked: Asked,
    source: Source,
    configs: Vec<(String, String)>,
    depends_on: Vec<Key>,
    waits_for_dependency: bool,
    ready: bool,
    in_flight: bool,
    attempted: String,
    applied: String,
}

impl Seen {
    fn of(object: &Value) -> Seen {
        let (typed, _) = shape::read::<Kustomization>(object).unwrap_or_default();
        let own = typed.metadata.namespace.clone();
        let spec = &typed.spec;
        let conditions = &typed.status.conditions;
        let mut configs = Vec::new();
        let mut secret = |name: &str| configs.push(("Secret".to_owned(), name.to_owned()));
        spec.decryption.iter().filter_map(|d| d.secret_ref.as_ref()).for_each(|r| secret(&r.name));
        spec.kube_config.iter().filter_map(|k| k.secret_ref.as_ref()).for_each(|r| secret(&r.name));
        let clusters = spec.kube_config.iter().filter_map(|k| k.config_map_ref.as_ref());
        configs.extend(clusters.map(|r| ("ConfigMap".to_owned(), r.name.clone())));
        let variables = spec.post_build.iter().flat_map(|p| &p.substitute_from);
        configs.extend(variables.map(|r| (r.kind.clone(), r.name.clone())));
        let dependency = |d: &sealfast_k8s::flux::kustomization::Dependency| Key {
            namespace: d.namespace.clone().unwrap_or_else(|| own.clone()),
            name: d.name.clone(),
        };
        Seen {
            asked: Asked::of(object),
            source: (
                spec.source_ref.kind.clone(),
                spec.source_ref.namespace.clone().unwrap_or_else(|| own.clone()),
                spec.source_ref.name.clone(),
            ),
            configs,
            depends_on: spec.depends_on.iter().map(dependency).collect(),
            waits_for_dependency: condition::find(conditions, "Ready")
                .is_some_and(|c| c.reason == "DependencyNotReady"),
            ready: condition::is_true(conditions, "Ready"),
            in_flight: condition::is_true(conditions, "Reconciling"),
            attempted: typed.status.last_attempted_revision,
            applied: typed.status.last_applied_revision,
        }
    }
}

/// A change this young may have been missed by a run that is only now over.
const RECENT: Duration = Duration::from_secs(10);

/// Brings keys into an order in which dependencies come first; those that depend on each other come last. It costs what
/// there are of keys and dependencies: a tenant may have long chains of them, and others wait meanwhile.
fn dependencies_first(seen: &BTreeMap<Key, Seen>, keys: &[&Key]) -> Vec<Key> {
    let mut waiting: BTreeMap<&Key, usize> = keys.iter().map(|key| (*key, 0)).collect();
    let mut needed_by: HashMap<&Key, Vec<&Key>> = HashMap::new();
    for &key in keys {
        let needed: Vec<&Key> =
            seen[key].depends_on.iter().filter(|needed| waiting.contains_key(needed)).collect();
        waiting.insert(key, needed.len());
        needed.into_iter().for_each(|needed| needed_by.entry(needed).or_default().push(key));
    }
    let mut order = Vec::with_capacity(keys.len());
    let mut free: Vec<&Key> = waiting.extract_if(.., |_, left| *left == 0).map(|(key, _)| key).collect();
    while !free.is_empty() {
        let mut next = Vec::new();
        for key in free.iter().flat_map(|key| needed_by.get(key)).flatten() {
            if let Some(left) = waiting.get_mut(key) {
                *left -= 1;
                if *left == 0 {
                    waiting.remove(key);
                    next.push(*key);
                }
            }
        }
        next.sort();
        order.extend(free.into_iter().cloned());
        free = next;
    }
    if !waiting.is_empty() {
        let names = waiting.keys().map(|key| key.to_string()).collect::<Vec<_>>().join(", ");
        tracing::error!(kustomizations = names, "Kustomizations depend on each other in a circle");
        order.extend(waiting.into_keys().cloned());
    }
    order
}

fn source(kind: &str, object: &Value) -> Source {
    (kind.to_owned(), object::namespace(object).to_owned(), object::name(object).to_owned())
}

/// The artifact of a source: its revision, and the digest of what was packed of it.
type Artifact = (String, String);

/// All Kustomizations, and the last artifact of each source.
#[derive(Default)]
pub struct Index {
    seen: Mutex<BTreeMap<Key, Seen>>,
    artifacts: Mutex<HashMap<Source, Artifact>>,
    /// When a Kustomization last became what others may wait for.
    news: Mutex<HashMap<Key, Instant>>,
}

impl Index {
    /// Notes an object; returns the keys that have to be looked at because of it.
    pub fn applied(&self, object: &Value) -> Vec<Key> {
        let key = Key::of(object);
        let now = Seen::of(object);
        let mut seen = self.seen.lock();
        let before = seen.insert(key.clone(), now.clone());
        let mut keys = Vec::new();
        let news = match &before {
            Some(before) => now.ready && (!before.ready || before.applied != now.applied),
            None => false,
        };
        // Its dependency may have become ready between the look at it and the word about that.
        let waits_anew = now.waits_for_dependency && before.as_ref().is_some_and(|b| !b.waits_for_dependency);
        let missed = waits_anew && self.any_recent(&now.depends_on);
        if missed || before.is_none_or(|before| now.asked != before.asked) {
            keys.push(key.clone());
        }
        if news {
            self.news.lock().insert(key.clone(), Instant::now());
            let waiting = seen.iter().filter(|(_, s)| s.waits_for_dependency && s.depends_on.contains(&key));
            keys.extend(waiting.map(|(key, _)| key.clone()));
        }
        keys
    }

    fn any_recent(&self, keys: &[Key]) -> bool {
        let news = self.news.lock();
        keys.iter().any(|key| news.get(key).is_some_and(|at| at.elapsed() < RECENT))
    }

    /// Forgets an object.
    pub fn deleted(&self, key: &Key) {
        self.seen.lock().remove(key);
        self.news.lock().remove(key);
    }

    /// Keeps only these objects; returns the keys of those that went.
    pub fn retain(&self, objects: &[Value]) -> Vec<Key> {
        let keys: HashSet<Key> = objects.iter().map(Key::of).collect();
        let mut gone = Vec::new();
        self.seen.lock().retain(|key, _| {
            let stays = keys.contains(key);
            gone.extend((!stays).then(|| key.clone()));
            stays
        });
        self.news.lock().retain(|key, _| keys.contains(key));
        gone
    }

    /// Keeps only these sources of a kind.
    pub fn retain_sources(&self, kind: &str, objects: &[Value]) {
        let keys: HashSet<Source> = objects.iter().map(|object| source(kind, object)).collect();
        self.artifacts.lock().retain(|source, _| source.0 != kind || keys.contains(source));
    }

    /// Notes a source; returns the Kustomizations that have not tried its artifact.
    pub fn source_changed(&self, kind: &str, object: &Value) -> Vec<Key> {
        let source = source(kind, object);
        let artifact = &object["status"]["artifact"];
        let Some(revision) = artifact["revision"].as_str() else {
            self.artifacts.lock().remove(&source);
            return Vec::new();
        };
        let digest = artifact["digest"].as_str().unwrap_or_default();
        let now = (revision.to_owned(), digest.to_owned());
        let before = self.artifacts.lock().insert(source.clone(), now.clone());
        if before.as_ref() == Some(&now) {
            return Vec::new();
        }
        // The same commit may be packed otherwise: more of it is ignored, or what it includes has changed.
        let is_other = before.is_some_and(|(former, _)| former == revision);
        let tried = |s: &Seen| (s.ready || s.in_flight) && s.attempted == revision && !is_other;
        let seen = self.seen.lock();
        let concerned: Vec<&Key> =
            seen.iter().filter(|(_, s)| s.source == source && !tried(s)).map(|(key, _)| key).collect();
        dependencies_first(&seen, &concerned)
    }

    /// Forgets a source.
    pub fn source_gone(&self, kind: &str, object: &Value) {
        self.artifacts.lock().remove(&source(kind, object));
    }

    /// The Kustomizations that read a Secret or ConfigMap.
    pub fn config_changed(&self, kind: &str, config: &Key) -> Vec<Key> {
        let reads = |s: &Seen| s.configs.iter().any(|(k, n)| k == kind && *n == config.name);
        let seen = self.seen.lock();
        seen.iter()
            .filter(|(key, s)| key.namespace == config.namespace && reads(s))
            .map(|(key, _)| key.clone())
            .collect()
    }
}

/// Others look at the same index.
impl Follows for Arc<Index> {
    fn applied(&mut self, object: &Value) -> Vec<Key> {
        Index::applied(self, object)
    }

    fn retain(&mut self, objects: &[Value]) -> Vec<Key> {
        Index::retain(self, objects)
    }

    fn deleted(&mut self, key: &Key) {
        Index::deleted(self, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealfast_k8s::flux::REQUESTED_AT;
    use serde_json::json;

    fn object(name: &str, more: Value) -> Value {
        let mut object = json!({"metadata": {"namespace": "ns", "name": name, "generation": 1},
            "spec": {"sourceRef": {"kind": "GitRepository", "name": "repo"}}, "status": {}});
        for (key, value) in more.as_object().into_iter().flatten() {
            object[key] = value.clone();
        }
        object
    }

    fn key(name: &str) -> Key {
        Key { namespace: "ns".into(), name: name.into() }
    }

    #[test]
    fn status_alone_asks_for_nothing() {
        let index = Index::default();
        assert_eq!(index.applied(&object("a", json!({}))), [key("a")]);
        assert!(index.applied(&object("a", json!({"status": {"lastAppliedRevision": "x"}}))).is_empty());
        let asked = json!({"metadata": {"namespace": "ns", "name": "a", "generation": 1, "annotations": {REQUESTED_AT: "1"}}});
        assert_eq!(index.applied(&object("a", asked)), [key("a")]);
    }

    #[test]
    fn another_object_of_the_name_asks_for_itself() {
        let index = Index::default();
        let made =
            |uid: &str| json!({"metadata": {"namespace": "ns", "name": "a", "generation": 1, "uid": uid}});
        for (uid, keys) in [("1", &[key("a")][..]), ("1", &[]), ("2", &[key("a")])] {
            // Nobody saw the one before go.
            assert!(index.retain(&[object("a", made(uid))]).is_empty());
            assert_eq!(index.applied(&object("a", made(uid))), keys, "{uid}");
        }
    }

    #[test]
    fn a_new_revision_wakes_those_who_have_not_tried_it() {
        let index = Index::default();
        index.applied(&object("a", json!({})));
        index.applied(&object("b", json!({"status": {"lastAttemptedRevision": "r1", "conditions": [{"type": "Ready", "status": "True"}]}})));
        let source = |revision: &str| json!({"metadata": {"namespace": "ns", "name": "repo"}, "status": {"artifact": {"revision": revision}}});
        assert_eq!(index.source_changed("GitRepository", &source("r1")), [key("a")]);
        assert!(index.source_changed("GitRepository", &source("r1")).is_empty());
        assert_eq!(index.source_changed("GitRepository", &source("r2")), [key("a"), key("b")]);
    }

    #[test]
    fn another_artifact_of_the_same_revision_is_another() {
        let index = Index::default();
        let mut tried = object("a", json!({}));
        tried["status"] =
            json!({"lastAttemptedRevision": "r1", "conditions": [{"type": "Ready", "status": "True"}]});
        index.applied(&tried);
        let source = |digest: &str| json!({"metadata": {"namespace": "ns", "name": "repo"}, "status": {"artifact": {"revision": "r1", "digest": digest}}});
        assert!(
            index.source_changed("GitRepository", &source("d1")).is_empty(),
            "it was tried before the start"
        );
        assert_eq!(index.source_changed("GitRepository", &source("d2")), [key("a")]);
        assert!(index.source_changed("GitRepository", &source("d2")).is_empty());
    }

    #[test]
    fn a_circle_of_some_holds_up_nobody_else() {
        let index = Index::default();
        for (name, needs) in [("a", "b"), ("b", "a"), ("c", "d"), ("d", "e")] {
            let mut object = object(name, json!({}));
            object["spec"]["dependsOn"] = json!([{"name": needs}]);
            index.applied(&object);
        }
        let source = json!({"metadata": {"namespace": "ns", "name": "repo"}, "status": {"artifact": {"revision": "r1"}}});
        assert_eq!(index.source_changed("GitRepository", &source), ["d", "c", "a", "b"].map(key));
    }

    #[test]
    fn a_long_chain_costs_nobody_else_their_time() {
        let index = Index::default();
        const MANY: usize = 5_000;
        for number in 0..MANY {
            let mut object = object(&format!("k{number:05}"), json!({}));
            object["spec"]["dependsOn"] = json!([{"name": format!("k{:05}", number + 1)}]);
            index.applied(&object);
        }
        let source = json!({"metadata": {"namespace": "ns", "name": "repo"}, "status": {"artifact": {"revision": "r1"}}});
        let began = Instant::now();
        let order = index.source_changed("GitRepository", &source);
        assert!(order.len() == MANY && order.is_sorted_by(|one, other| one > other));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }

    #[test]
    fn what_is_not_listed_any_more_is_forgotten() {
        let index = Index::default();
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        for name in ["a", "b"] {
            index.applied(&object(name, json!({})));
            index.applied(&object(name, ready.clone()));
        }
        let source = |name: &str| json!({"metadata": {"namespace": "ns", "name": name}, "status": {"artifact": {"revision": "r1"}}});
        for (kind, name) in [("GitRepository", "x"), ("GitRepository", "y"), ("Bucket", "x")] {
            index.source_changed(kind, &source(name));
        }
        assert_eq!(index.retain(&[object("b", json!({}))]), [key("a")]);
        let known = |keys: Vec<Key>| assert_eq!(keys, [key("b")]);
        known(index.seen.lock().keys().cloned().collect());
        known(index.news.lock().keys().cloned().collect());
        index.retain_sources("GitRepository", &[source("y")]);
        let mut left: Vec<_> =
            index.artifacts.lock().keys().map(|(kind, _, name)| format!("{kind}/{name}")).collect();
        left.sort();
        assert_eq!(left, ["Bucket/x", "GitRepository/y"]);
    }

    #[test]
    fn ready_dependencies_wake_who_waits() {
        let index = Index::default();
        let mut waiting = object(
            "b",
            json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "DependencyNotReady"}]}}),
        );
        waiting["spec"]["dependsOn"] = json!([{"name": "a"}]);
        index.applied(&object("a", json!({})));
        index.applied(&waiting);
        let ready = object("a", json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
        assert_eq!(index.applied(&ready), [key("b")]);
    }
}
