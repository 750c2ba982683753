//! Which GitRepositories a change concerns: itself, and its includers.

use std::collections::BTreeMap;

use sealfast_cluster::client::watch::{Event, Watch};
use sealfast_k8s::flux::REQUESTED_AT;
use serde_json::Value;

use crate::queue::{Key, Priority, Queue};

/// Feeds the queue from a watch, for as long as the task lives, and tells which objects are gone.
pub(crate) async fn follow(mut watch: Watch, queue: Queue, gone: impl Fn(&Key)) {
    let mut known = Known::default();
    let mut is_start = true;
    loop {
        match watch.next().await {
            Event::Listed(objects) => {
                known.retain(&objects).iter().for_each(&gone);
                for object in &objects {
                    let priority = if is_start { Priority::at_start(object) } else { Priority::Ordinary };
                    known.applied(object).into_iter().for_each(|key| queue.add(key, priority));
                }
                is_start = false;
            }
            Event::Applied(object) => {
                known.applied(&object).into_iter().for_each(|key| queue.add(key, Priority::Ordinary));
            }
            Event::Deleted(object) => {
                let key = Key::of(&object);
                known.objects.remove(&key);
                gone(&key);
            }
        }
    }
}

/// The parts of an object that decide whether something has to be done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    generation: i64,
    requested_at: String,
    deleting: bool,
    revision: String,
    includes: Vec<String>,
}

impl Seen {
    fn of(object: &Value) -> Self {
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let includes = object["spec"]["include"].as_array().into_iter().flatten();
        Self {
            generation: metadata["generation"].as_i64().unwrap_or_default(),
            requested_at: text(&metadata["annotations"][REQUESTED_AT]),
            deleting: !metadata["deletionTimestamp"].is_null(),
            revision: text(&object["status"]["artifact"]["revision"]),
            includes: includes.map(|include| text(&include["repository"]["name"])).collect(),
        }
    }

    fn asks(&self, before: &Self) -> bool {
        self.generation != before.generation
            || self.requested_at != before.requested_at
            || self.deleting != before.deleting
    }
}

#[derive(Debug, Default)]
struct Known {
    objects: BTreeMap<Key, Seen>,
}

impl Known {
    /// Forgets what is in the list no more, and returns it.
    fn retain(&mut self, objects: &[Value]) -> Vec<Key> {
        let listed: std::collections::BTreeSet<Key> = objects.iter().map(Key::of).collect();
        self.objects.extract_if(.., |key, _| !listed.contains(key)).map(|(key, _)| key).collect()
    }

    /// Notes an object; returns the keys that have to be looked at because of it.
    fn applied(&mut self, object: &Value) -> Vec<Key> {
        let key = Key::of(object);
        let now = Seen::of(object);
        let mut keys = Vec::new();
        let before = self.objects.get(&key);
        if before.is_none_or(|before| now.asks(before)) {
            keys.push(key.clone());
        }
        if before.is_some_and(|before| before.revision != now.revision) {
            let includers = self.objects.iter().filter(|(other, seen)| {
                other.namespace == key.namespace && seen.includes.contains(&key.name)
            });
            keys.extend(includers.map(|(other, _)| other.clone()));
        }
        self.objects.insert(key, now);
        keys
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn repository(name: &str, generation: i64, revision: &str, include: &str) -> Value {
        json!({
            "metadata": {"namespace": "apps", "name": name, "generation": generation},
            "spec": {"include": [{"repository": {"name": include}}]},
            "status": {"artifact": {"revision": revision}},
        })
    }

    fn names(keys: Vec<Key>) -> Vec<String> {
        keys.into_iter().map(|key| key.name).collect()
    }

    #[test]
    fn own_writes_do_not_ask_for_another_run() {
        let mut known = Known::default();
        assert_eq!(names(known.applied(&repository("a", 1, "", ""))), ["a"]);
        assert!(known.applied(&repository("a", 1, "main@sha1:1", "")).is_empty());
        assert_eq!(names(known.applied(&repository("a", 2, "main@sha1:1", ""))), ["a"]);
    }

    #[test]
    fn a_new_revision_concerns_those_that_include_it() {
        let mut known = Known::default();
        known.applied(&repository("base", 1, "main@sha1:1", ""));
        known.applied(&repository("whole", 1, "main@sha1:9", "base"));
        assert_eq!(names(known.applied(&repository("base", 1, "main@sha1:2", ""))), ["whole"]);
    }
}
