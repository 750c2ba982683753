//! What an object that events are about refers to.

use sealfast_cluster::client::Client;
use serde_json::Value;

use crate::flux::Failed;
use crate::flux::known::{Known, Reference};

/// An object by kind, name and namespace.
pub(super) type Referred = (String, String, String);

/// Reads an object, and what it is made from.
pub(super) async fn references(
    known: Known,
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Vec<Referred>, Failed> {
    let Some(reference) = known.refers else { return Ok(Vec::new()) };
    let gvk = known.served(client).await?;
    let object = client.get(&gvk, namespace, name).await?;
    let source = followed(reference, &object, namespace, name)?;
    let chart = || ("HelmChart".to_owned(), format!("{namespace}-{name}"), source.2.clone());
    let chart = (known.kind == "HelmRelease").then(chart);
    Ok([source].into_iter().chain(chart).collect())
}

fn followed(reference: Reference, object: &Value, namespace: &str, name: &str) -> Result<Referred, Failed> {
    let place = object.pointer(&format!("/{}", reference.path.replace('.', "/"))).unwrap_or(&Value::Null);
    let text = |field: &str| place[field].as_str();
    let required = |field: &str| {
        let missing = || format!("field '{}.{field}' for '{namespace}/{name}' not found", reference.path);
        text(field).ok_or_else(missing)
    };
    let kind = match reference.kind {
        Some(kind) => kind,
        None => required("kind")?,
    };
    let other = text("namespace").filter(|_| reference.crosses).unwrap_or(namespace);
    Ok((kind.to_owned(), required("name")?.to_owned(), other.to_owned()))
}
