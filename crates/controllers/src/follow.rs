//! From what is seen of a kind to the keys of those that have to be looked at.

use std::sync::Arc;

use sealfast_cluster::client::watch::{Event, Watch};
use sealfast_k8s::flux::REQUESTED_AT;
use sealfast_k8s::object;
use serde_json::Value;

use crate::metrics::{Controller, Metrics};
use crate::queue::{Key, Priority, Queue};

/// What asks for a run over an object, of the object itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Another object of the name asks for itself.
    uid: String,
    generation: i64,
    token: Option<String>,
    is_deleted: bool,
}

impl Asked {
    /// What an object asks for.
    pub(crate) fn of(found: &Value) -> Asked {
        let metadata = &found["metadata"];
        Asked {
            uid: object::metadata_text(found, "uid").to_owned(),
            generation: object::generation(found),
            token: metadata["annotations"][REQUESTED_AT].as_str().map(str::to_owned),
            is_deleted: !metadata["deletionTimestamp"].is_null(),
        }
    }
}

/// What is known of the objects of a kind without reading them.
pub(crate) trait Follows {
    /// Notes an object; returns the keys that have to be looked at because of it.
    fn applied(&mut self, object: &Value) -> Vec<Key>;

    /// Forgets what is not among these objects, and returns it.
    fn retain(&mut self, objects: &[Value]) -> Vec<Key>;

    /// Forgets an object.
    fn deleted(&mut self, key: &Key);
}

/// Who is told of the objects of a kind.
pub(crate) struct Follower {
    /// Works on them.
    pub(crate) controller: Controller,
    /// Where their keys go.
    pub(crate) queue: Queue,
    /// Counts them.
    pub(crate) metrics: Arc<Metrics>,
}

impl Follower {
    /// Feeds the queue from a watch, for as long as the task lives.
    pub(crate) async fn follow(self, mut watch: Watch, mut known: impl Follows) {
        let mut is_start = true;
        loop {
            match watch.next().await {
                Event::Listed(objects) => {
                    known.retain(&objects).iter().for_each(|key| self.gone(key));
                    for object in &objects {
                        let priority = if is_start { Priority::at_start(object) } else { Priority::Ordinary };
                        self.add(known.applied(object), object, priority);
                    }
                    is_start = false;
                }
                Event::Applied(object) => self.add(known.applied(&object), &object, Priority::Ordinary),
                Event::Deleted(object) => {
                    let key = Key::of(&object);
                    known.deleted(&key);
                    self.gone(&key);
                }
            }
        }
    }

    fn add(&self, keys: Vec<Key>, object: &Value, priority: Priority) {
        let own = Key::of(object);
        for key in keys {
            match key == own {
                true => self.queue.add(key, priority),
                false => self.queue.add_because(key, &format!("{}/{own}", self.controller.kind)),
            }
        }
    }

    fn gone(&self, key: &Key) {
        self.queue.forget(key);
        self.metrics.forget(self.controller, key);
    }
}
