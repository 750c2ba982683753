//! The finalizer by which an object waits for us before it goes.

use sealfast_cluster::client::Patch;
use sealfast_cluster::error::Error;
use sealfast_k8s::flux::FINALIZER;
use serde_json::{Value, json};

use crate::status::Target;

fn all(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten()
}

/// Whether an object waits for us.
pub(crate) fn is_on(object: &Value) -> bool {
    all(object).any(|name| name == FINALIZER)
}

/// Puts it on an object, and returns that.
///
/// # Errors
/// What the server says; a conflict when somebody else wrote meanwhile.
pub(crate) async fn add(target: &Target<'_>, object: &Value) -> Result<Value, Error> {
    set(target, object, all(object).cloned().chain([FINALIZER.into()]).collect()).await
}

/// Takes it off an object, which may be gone by then.
///
/// # Errors
/// What the server says; a conflict when somebody else wrote meanwhile.
pub(crate) async fn remove(target: &Target<'_>, object: &Value) -> Result<(), Error> {
    if !is_on(object) {
        return Ok(());
    }
    match set(target, object, all(object).filter(|name| *name != FINALIZER).cloned().collect()).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

async fn set(target: &Target<'_>, object: &Value, finalizers: Vec<Value>) -> Result<Value, Error> {
    // With the version: what others added meanwhile is not to be lost.
    let version = &object["metadata"]["resourceVersion"];
    let body = json!({"metadata": {"finalizers": finalizers, "resourceVersion": version}});
    let Target { client, kind, namespace, name, manager } = target;
    client.patch(kind, namespace, name, &Patch::Merge(&body), manager).await
}
