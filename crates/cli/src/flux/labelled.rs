//! Objects that carry labels, such as those that are part of Flux.

use sealfast_cluster::client::{Client, Select};
use sealfast_cluster::error::Error;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

/// What Flux puts on everything that it is made of.
pub(super) const PART_OF: &str = "app.kubernetes.io/part-of=flux";

/// Lists what has the labels in a namespace, or everywhere.
pub(super) async fn list(
    client: &Client,
    gvk: &GroupVersionKind,
    namespace: &str,
    labels: &str,
) -> Result<Vec<Value>, Error> {
    let select = Select { labels: labels.to_owned(), ..Select::default() };
    Ok(client.list(gvk, namespace, &select).await?.items)
}
