//! What we left behind: payloads whose objects have not moved since.
//!
//! Applying the same payload to the same version of an object changes nothing, so neither a dry
//! run nor a write is needed. Entries age, because rights and admission rules may change without the object.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::Value;

/// An entry older than this no longer counts.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// How many objects are remembered.
const MOST: usize = 100_000;

struct Entry {
    uid: String,
    version: String,
    payload: [u64; 2],
    at: Instant,
}

/// Payloads applied through one identity, by object.
#[derive(Default)]
pub struct Known {
    entries: Mutex<HashMap<ObjectId, Entry>>,
    hashers: [RandomState; 2],
}

impl Known {
    /// Whether this payload is what made the live object what it is.
    pub fn holds(&self, payload: &Value, live: &Value) -> bool {
        let Ok(entries) = self.entries.lock() else { return false };
        entries.get(&object::id(payload)).is_some_and(|entry| {
            entry.at.elapsed() < LIFE
                && entry.uid == object::metadata_text(live, "uid")
                && entry.version == object::metadata_text(live, "resourceVersion")
                && entry.payload == self.digest(payload)
        })
    }

    /// Whatever was remembered of these objects is asked anew.
    pub fn forget(&self, payloads: &[Value]) {
        let Ok(mut entries) = self.entries.lock() else { return };
        payloads.iter().for_each(|payload| drop(entries.remove(&object::id(payload))));
    }

    /// Remembers that this payload leaves the live object as it is.
    pub fn keep(&self, payload: &Value, live: &Value) {
        let text = |field| object::metadata_text(live, field).to_owned();
        let entry = Entry {
            uid: text("uid"),
            version: text("resourceVersion"),
            payload: self.digest(payload),
            at: Instant::now(),
        };
        if let Ok(mut entries) = self.entries.lock() {
            if entries.len() >= MOST {
                entries.retain(|_, entry| entry.at.elapsed() < LIFE);
            }
            if entries.len() >= MOST {
                entries.clear();
            }
            entries.insert(object::id(payload), entry);
        }
    }

    /// Keyed, so that nothing about a Secret can be told from it.
    fn digest(&self, payload: &Value) -> [u64; 2] {
        let text = zeroize::Zeroizing::new(payload.to_string());
        [self.hashers[0].hash_one(text.as_str()), self.hashers[1].hash_one(text.as_str())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_difference_counts() {
        let known = Known::default();
        let payload =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}});
        let live = |version: &str| json!({"metadata": {"uid": "u", "resourceVersion": version}});
        known.keep(&payload, &live("5"));
        assert!(known.holds(&payload, &live("5")));
        assert!(!known.holds(&payload, &live("6")));
        let mut other = payload.clone();
        other["data"]["k"] = "2".into();
        assert!(!known.holds(&other, &live("5")));
        known.forget(std::slice::from_ref(&payload));
        assert!(!known.holds(&payload, &live("5")));
    }
}
