//! Stored objects as clients see them, as text wherever that will do.

use serde_json::{Value, json};

use crate::convert;
use crate::fields;
use crate::kinds::Resource;
use crate::select::Selection;
use crate::storage::Stored;

/// Where the text of an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On its own, with its kind.
    Alone,
    /// In a list; items of built-in lists state no kind.
    List,
}

/// A stored object as a version of its resource shows it.
pub(crate) fn shown(resource: &Resource, object: Value) -> Value {
    let mut object = object;
    if let Some(custom) = &resource.custom {
        custom.storage_shape.default(&mut object);
        if custom.storage_version != resource.version {
            let _ = resource.shape.prune(&mut object, &Default::default());
        }
    }
    convert::from_storage(object, resource)
}

/// Kind, apiVersion and metadata alone.
pub(crate) fn partial(object: &Value) -> Value {
    json!({
        "kind": PARTIAL_KIND,
        "apiVersion": PARTIAL_VERSION,
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// Appends the JSON of [`shown`].
pub(crate) fn write(resource: &Resource, stored: &Stored, place: Place, out: &mut Vec<u8>) {
    if let Some(kept) = &resource.shown_as_kept
        && stored.write(kept, beginning(resource, place, kept), out)
    {
        return;
    }
    let mut object = shown(resource, stored.object());
    if is_bare(resource, place) {
        fields::remove(&mut object, "kind");
        fields::remove(&mut object, "apiVersion");
    }
    write_json(&object, out);
}

/// How the text of an object begins where the kept text begins with `kept`.
pub(super) fn beginning<'a>(resource: &Resource, place: Place, kept: &'a str) -> &'a str {
    if is_bare(resource, place) { "{\"metadata\":{" } else { kept }
}

fn is_bare(resource: &Resource, place: Place) -> bool {
    place == Place::List && resource.custom.is_none()
}

/// Appends the JSON of [`partial`].
pub(crate) fn write_partial(stored: &Stored, out: &mut Vec<u8>) {
    let head = format!("{{\"kind\":\"{PARTIAL_KIND}\",\"apiVersion\":\"{PARTIAL_VERSION}\",\"metadata\":");
    out.extend_from_slice(head.as_bytes());
    stored.write_partial(out);
    out.push(b'}');
}

/// Appends a value as JSON.
pub(crate) fn write_json(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a JSON value is written to memory");
}

/// True when a selection is about a stored object.
pub(crate) fn selects(selection: &Selection, resource: &Resource, stored: &Stored) -> bool {
    if selection.is_empty() {
        return true;
    }
    if selection.looks_at_marks_alone() {
        return selection.matches_marks(stored.marks());
    }
    selection.matches(&shown(resource, stored.object()))
}

const PARTIAL_KIND: &str = "PartialObjectMetadata";
const PARTIAL_VERSION: &str = "meta.k8s.io/v1";
