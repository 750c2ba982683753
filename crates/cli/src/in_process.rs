//! The mark of a cluster whose controllers run inside `sealfast up`.

use sealfast_cluster::client::Client;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

/// The namespace that has it.
const NAMESPACE: &str = "flux-system";
/// The annotation, with the version of the program.
const MARK: &str = "sealfast/controllers-in-process";

/// Puts the mark on the namespace.
pub(crate) fn mark(namespace: &mut Value) {
    object::set_annotation(namespace, MARK, env!("CARGO_PKG_VERSION"));
}

/// The version that runs inside `sealfast up`; none in every other cluster.
pub(crate) async fn version(client: &Client) -> Option<String> {
    let namespace = client.find(&GroupVersionKind::new("", "v1", "Namespace"), "", NAMESPACE).await;
    let namespace = namespace.ok().flatten()?;
    namespace["metadata"]["annotations"][MARK].as_str().map(str::to_owned)
}
