//! What is known about GitRepositories without reading them: who includes whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::follow::{self, Asked};
use crate::queue::Key;

/// The parts of an object that decide whether something has to be done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    asked: Asked,
    artifact: Artifact,
    includes: Vec<String>,
}

/// Other rules of what is left out make another archive of the same revision.
#[derive(Debug, Default, PartialEq, Eq)]
struct Artifact {
    revision: String,
    digest: String,
}

impl Seen {
    fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let includes = object["spec"]["include"].as_array().into_iter().flatten();
        Self {
            asked: Asked::of(object),
            artifact: Artifact {
                revision: text(&object["status"]["artifact"]["revision"]),
                digest: text(&object["status"]["artifact"]["digest"]),
            },
            includes: includes.map(|include| text(&include["repository"]["name"])).collect(),
        }
    }
}

/// All GitRepositories.
#[derive(Debug, Default)]
pub(crate) struct Known {
    objects: BTreeMap<Key, Seen>,
}

impl follow::Follows for Known {
    fn retain(&mut self, objects: &[Value]) -> Vec<Key> {
        let listed: BTreeSet<Key> = objects.iter().map(Key::of).collect();
        self.objects.extract_if(.., |key, _| !listed.contains(key)).map(|(key, _)| key).collect()
    }

    fn deleted(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    /// A new artifact concerns those who include it, too.
    fn applied(&mut self, object: &Value) -> Vec<Key> {
        let key = Key::of(object);
        let now = Seen::of(object);
        let mut keys = Vec::new();
        let before = self.objects.get(&key);
        if before.is_none_or(|before| now.asked != before.asked) {
            keys.push(key.clone());
        }
        if before.is_some_and(|before| before.artifact != now.artifact) {
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
    use crate::follow::Follows as _;

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
    fn a_new_artifact_concerns_those_that_include_it() {
        let mut known = Known::default();
        known.applied(&repository("base", 1, "main@sha1:1", ""));
        known.applied(&repository("whole", 1, "main@sha1:9", "base"));
        let mut base = repository("base", 1, "main@sha1:2", "");
        assert_eq!(names(known.applied(&base)), ["whole"]);
        base["status"]["artifact"]["digest"] = "sha256:2".into();
        assert_eq!(names(known.applied(&base)), ["whole"], "other rules of what is left out");
        assert!(known.applied(&base).is_empty());
    }
}
