//! Who owns which fields of an object after a write.

use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use crate::clock;
use crate::fields;
use crate::kinds::Resource;
use crate::managed_fields::{self, Operation, Writer};
use crate::shape::Shape;

/// Who writes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub manager: String,
    pub operation: Operation,
}

/// Who owns what after a write: the `managedFields` of the object to store. `live` and `sent` are in the request's
/// version; what was applied over nothing says it itself.
pub(crate) fn after(
    resource: &Resource,
    live: Option<&Value>,
    sent: &Value,
    actor: &Actor,
    subresource: &str,
) -> Option<Value> {
    if actor.operation == Operation::Apply && live.is_none() {
        return fields::get(sent, &["metadata", "managedFields"]).cloned();
    }
    let now = clock::now();
    let api_version = resource.api_version();
    let writer = writer(resource, actor, &api_version, subresource, &now);
    managed_fields::update(&resource.shape.merge(), live, sent, &writer)
}

/// Notes who wrote an object that is answered and not kept.
pub(crate) fn track_once(
    kind: &GroupVersionKind,
    sent: &Value,
    new: &mut Value,
    manager: &str,
    subresource: &str,
) {
    let (now, api_version) = (clock::now(), kind.api_version());
    let shape = Shape::Builtin(kind.clone());
    let writer = Writer {
        manager,
        api_version: &api_version,
        subresource,
        now: &now,
        has_status: false,
        is_custom: false,
    };
    let owners = managed_fields::update(&shape.merge(), None, sent, &writer);
    fields::put_meta(new, "managedFields", owners);
}

/// A writer of an object of this resource, as its managed fields name it.
pub(crate) fn writer<'a>(
    resource: &Resource,
    actor: &'a Actor,
    api_version: &'a str,
    subresource: &'a str,
    now: &'a str,
) -> Writer<'a> {
    let has_status = resource.subresource("status").is_some();
    let is_custom = resource.custom.is_some();
    Writer { manager: &actor.manager, api_version, subresource, now, has_status, is_custom }
}
