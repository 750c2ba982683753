//! Which kinds live outside namespaces: built-in ones and those of a named schema.
//!
//! Follows: `IsNamespaceScoped` of kyaml 0.21.1. What is built in always wins; of the other kinds
//! only those count that the `paths` of the schema know without a namespace in any of them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::id::{Gvk, GvkRef, Id};
use crate::resource::text;

/// The namespace that stands for "has none" when objects outside namespaces are compared.
pub const NOT_NAMESPACED: &str = "_non_namespaceable_";

/// What one build knows of scopes. All clones learn what one of them is told, as a base may name the schema after
/// objects were read.
#[derive(Clone, Debug, Default)]
pub struct Scopes(Option<Arc<OnceLock<Clusterwide>>>);

/// Kinds outside namespaces, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clusterwide(Vec<Gvk>);

impl Scopes {
    /// Returns what a build knows before any schema is named.
    pub(crate) fn of_build() -> Self {
        Self(Some(Arc::new(OnceLock::new())))
    }

    /// Takes in what a schema says, once.
    pub(crate) fn learn(&self, kinds: Clusterwide) {
        if let Some(own) = self.0.as_ref().filter(|_| !kinds.0.is_empty()) {
            _ = own.set(kinds);
        }
    }

    /// Whether a schema said something.
    pub(crate) fn have_learned(&self) -> bool {
        self.learned().is_some()
    }

    /// Whether objects of the kind are known to live outside namespaces.
    #[must_use]
    pub fn is_clusterwide(&self, gvk: GvkRef<'_>) -> bool {
        match self.learned() {
            Some(learned) if !gvk.has_known_scope() => learned.has(gvk),
            _ => gvk.is_cluster_scoped(),
        }
    }

    /// Returns the namespace that counts for an object of the kind: one for all without namespaces.
    #[must_use]
    pub fn effective_namespace<'a>(&self, gvk: GvkRef<'_>, namespace: &'a str) -> &'a str {
        if self.is_clusterwide(gvk) {
            NOT_NAMESPACED
        } else if namespace.is_empty() {
            "default"
        } else {
            namespace
        }
    }

    /// Returns the namespace that counts for an id.
    #[must_use]
    pub(crate) fn of_id<'a>(&self, id: &'a Id) -> &'a str {
        self.effective_namespace(id.gvk.borrowed(), &id.namespace)
    }

    fn learned(&self) -> Option<&Clusterwide> {
        self.0.as_ref()?.get()
    }
}

impl Clusterwide {
    /// Reads the `paths` of a Swagger 2 document: a kind that can be got in a namespace somewhere lives in namespaces.
    pub(crate) fn of_document(document: &Value) -> Self {
        let mut is_namespaced: BTreeMap<Gvk, bool> = BTreeMap::new();
        let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
        for (path, item) in paths.filter(|(path, _)| path.starts_with('/')) {
            let Some(kind) = item.get("get").and_then(|get| get.get("x-kubernetes-group-version-kind"))
            else {
                continue;
            };
            let part = |name: &str| text(kind, name).to_owned();
            let gvk = Gvk { group: part("group"), version: part("version"), kind: part("kind") };
            *is_namespaced.entry(gvk).or_default() |= path.contains("namespaces/{namespace}");
        }
        Self(
            is_namespaced
                .into_iter()
                .filter(|(_, is_namespaced)| !is_namespaced)
                .map(|(gvk, _)| gvk)
                .collect(),
        )
    }

    fn has(&self, gvk: GvkRef<'_>) -> bool {
        let wanted = (gvk.group, gvk.version, gvk.kind);
        let order =
            |known: &Gvk| (known.group.as_str(), known.version.as_str(), known.kind.as_str()).cmp(&wanted);
        self.0.binary_search_by(order).is_ok()
    }
}
