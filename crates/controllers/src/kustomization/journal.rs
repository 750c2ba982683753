//! What a run tells the log beside its events.

use std::collections::BTreeMap;

use sealfast_cluster::apply::Change;
use serde_json::{Value, json};

use crate::gates::Gate;
use crate::kustomization::shared::Run;

impl Run<'_> {
    /// Objects were applied: all of them with what was done to each.
    pub(super) fn log_applied(&self, changes: &[Change], revision: &str) {
        if changes.is_empty() {
            return;
        }
        let is_grouped = self.shared.options.gates.has(Gate::GroupChangeLog);
        let output = if is_grouped { by_action(changes) } else { by_object(changes) };
        let metadata = &self.typed.metadata;
        tracing::info!(
            controller = "kustomization",
            controllerGroup = "kustomize.toolkit.fluxcd.io",
            controllerKind = "Kustomization",
            namespace = metadata.namespace,
            name = metadata.name,
            revision,
            %output,
            "server-side apply completed"
        );
    }

    /// Objects were pruned.
    pub(super) fn log_pruned(&self, lines: &str) {
        let metadata = &self.typed.metadata;
        tracing::info!(
            controller = "kustomization",
            controllerGroup = "kustomize.toolkit.fluxcd.io",
            controllerKind = "Kustomization",
            namespace = metadata.namespace,
            name = metadata.name,
            "garbage collection completed: {lines}"
        );
    }
}

fn by_object(changes: &[Change]) -> Value {
    let each = changes.iter().map(|change| (change.object.to_string(), change.action.to_string()));
    json!(each.collect::<BTreeMap<_, _>>())
}

fn by_action(changes: &[Change]) -> Value {
    let mut grouped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for change in changes {
        grouped.entry(change.action.to_string()).or_default().push(change.object.to_string());
    }
    json!(grouped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealfast_cluster::apply::Action;
    use sealfast_k8s::id::{GroupVersionKind, ObjectId};

    #[test]
    fn changes_are_listed_by_object_or_by_action() {
        let change = |name: &str, action| {
            let gvk = GroupVersionKind::new("", "v1", "ConfigMap");
            Change { object: ObjectId { gvk, namespace: "ns".into(), name: name.into() }, action }
        };
        let changes =
            [change("b", Action::Created), change("a", Action::Created), change("c", Action::Unchanged)];
        let listed =
            json!({"ConfigMap/ns/a": "created", "ConfigMap/ns/b": "created", "ConfigMap/ns/c": "unchanged"});
        assert_eq!(by_object(&changes), listed);
        let grouped =
            json!({"created": ["ConfigMap/ns/b", "ConfigMap/ns/a"], "unchanged": ["ConfigMap/ns/c"]});
        assert_eq!(by_action(&changes), grouped);
    }
}
