//! A status on its way to the server: only what differs is sent.

use sealfast_cluster::client::{Client, Patch};
use sealfast_cluster::error::Error;
use sealfast_k8s::id::GroupVersionKind;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The object whose status it is.
pub(crate) struct Target<'a> {
    pub(crate) client: &'a Client,
    pub(crate) kind: GroupVersionKind,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) manager: &'static str,
}

impl Target<'_> {
    /// Brings the server up to date. What it does not take stays to be written with the next try; an object that is gone
    /// needs no status.
    pub(crate) async fn write<S>(&self, written: &mut S, status: &S) -> Result<(), Error>
    where
        S: Serialize + Clone,
    {
        let Some(patch) = difference(written, status) else { return Ok(()) };
        let Self { client, kind, namespace, name, manager } = self;
        match client.patch_status(kind, namespace, name, &Patch::Merge(&patch), manager).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => {
                written.clone_from(status);
                Ok(())
            }
        }
    }
}

/// The patch that makes one status of another; none when they are alike.
fn difference<S: Serialize>(old: &S, new: &S) -> Option<Value> {
    let (old, new) = (fields(old), fields(new));
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let fresh = new.iter().filter(|(key, value)| old.get(*key) != Some(*value));
    let changed: Map<String, Value> =
        fresh.map(|(key, value)| (key.clone(), value.clone())).chain(gone).collect();
    (!changed.is_empty()).then(|| json!({"status": changed}))
}

fn fields(status: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_sent() {
        let (old, new) = (json!({"a": 1, "b": 2, "c": 3}), json!({"a": 1, "b": 4}));
        assert_eq!(difference(&old, &new), Some(json!({"status": {"b": 4, "c": null}})));
        assert_eq!(difference(&new, &new), None);
    }
}
