//! What is wrong with an object, in the reference's words.

mod admission;
mod aggregation;
mod at;
mod autoscaling;
mod batch;
mod container;
mod data;
mod definition;
mod difference;
mod drivers;
mod event;
mod facts;
mod flow;
mod handler;
mod metadata;
mod networking;
mod odd;
mod pod;
mod pod_change;
mod quota;
mod ranges;
mod resources;
mod rights;
pub(crate) mod scaled;
mod schedule;
mod scheduling;
mod security;
mod selector;
mod service;
mod signing;
mod small;
mod sources;
mod storage;
mod volume;
mod webhook;
mod workload;

use serde_json::{Value, json};

use crate::causes::{Cause, Causes};
use crate::convert;
use crate::fields::{self, text};
use crate::grammar;
use crate::keys;
use crate::kinds::Resource;
use crate::path::Path;

pub(crate) use definition::schemas_of;
pub(crate) use metadata::owners_once;
pub(crate) use service::{needs_health_port, stated_addresses};

/// What is wrong with a new object.
pub(crate) fn create(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    let first = !metadata::Rounds::of(resource).is_late();
    if first {
        causes.extend(metadata::name(resource, object));
        causes.extend(metadata::rest(resource, object));
    }
    of_kind(resource, object, None, &mut causes);
    fresh(resource, object, &mut causes);
    if !first && causes.is_empty() {
        causes.extend(metadata::name(resource, object));
        causes.extend(metadata::rest(resource, object));
    }
    causes.told()
}

/// How often the reference says that metadata must not change.
pub(crate) fn rounds_over_changes(resource: &Resource) -> usize {
    metadata::Rounds::of(resource).over_changes()
}

/// What is wrong with a change.
pub(crate) fn update(resource: &Resource, new: &Value, old: &Value, subresource: &str) -> Vec<Cause> {
    let rounds = metadata::Rounds::of(resource);
    let mut causes = Causes::default();
    causes.extend(metadata::rest(resource, new).into_iter().flat_map(|cause| {
        let times = rounds.over(&cause);
        std::iter::repeat_n(cause, times)
    }));
    causes.extend(metadata::any_generate_name(new));
    for _ in 0..rounds.over_names() {
        causes.extend(metadata::generate_name(resource, new));
    }
    for _ in 0..metadata::Rounds::over_kinds(resource) {
        of_kind(resource, new, Some(old), &mut causes);
    }
    if resource.custom.is_none() {
        changed(resource, new, old, subresource, &mut causes);
    }
    causes.told()
}

/// What is wrong with a resource within a custom object, at a path.
pub(crate) fn embedded(path: &Path<'_>, resource: &Value, out: &mut Causes) {
    let mut causes = Vec::new();
    for key in ["apiVersion", "kind"] {
        let Some(stated) = resource[key].as_str() else { continue };
        let why = match key {
            _ if stated.is_empty() => Some("must not be empty".to_owned()),
            "apiVersion" => {
                (stated.matches('/').count() > 1).then(|| format!("unexpected GroupVersion string: {stated}"))
            }
            _ => {
                let whys = grammar::label_1035(&stated.to_lowercase());
                let head = "may have mixed case, but should otherwise match: ";
                (!whys.is_empty()).then(|| format!("{head}{}", whys.join(",")))
            }
        };
        causes.extend(why.map(|why| Cause::invalid(key, &json!(stated), &why)));
    }
    causes.extend(metadata::of_any(resource));
    out.extend(causes.into_iter().map(|cause| Cause { field: format!("{path}.{}", cause.field), ..cause }));
}

/// What is wrong with labels and annotations.
pub(crate) fn metadata_of(object: &Value) -> Vec<Cause> {
    metadata::of_any(object)
}

/// What is taken and yet odd about an object, or new in it.
pub(crate) fn warnings(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<String> {
    if &*resource.key == keys::DEFINITIONS {
        return crate::crds::warnings(new, old);
    }
    match resource.custom {
        Some(_) => metadata::warnings(new, old),
        None => odd::warnings(resource, new, old),
    }
}

fn of_kind(resource: &Resource, object: &Value, old: Option<&Value>, out: &mut Causes) {
    match &*resource.key {
        "configmaps" => out.extend(data::config_map(object)),
        "secrets" => out.extend(data::secret(object)),
        "services" => service::service(object, old, out),
        "events" => event::event(object, old, out),
        "endpoints" => small::endpoints(object, out),
        "nodes" => small::node(object, old, out),
        "namespaces" => small::namespace(object, old, out),
        "resourcequotas" => quota::quota(object, old, out),
        "limitranges" => quota::limits(object, out),
        "persistentvolumeclaims" => storage::claim(object, out),
        "persistentvolumes" => storage::volume(object, out),
        "pods" => pod::pod(object, out),
        "podtemplates" => pod::template(at::At::root(&object["template"], "template"), out),
        "replicationcontrollers" => workload::replication(object, out),
        "deployments.apps" => workload::deployment(object, out),
        "replicasets.apps" => workload::replica_set(object, out),
        "statefulsets.apps" => workload::stateful_set(object, out),
        "daemonsets.apps" => workload::daemon_set(object, out),
        "controllerrevisions.apps" => small::revision(object, old, out),
        "jobs.batch" => batch::job(object, out),
        "cronjobs.batch" => batch::cron_job(object, old, out),
        "horizontalpodautoscalers.autoscaling" => {
            autoscaling::autoscaler(&convert::to_storage(object.clone(), resource), old, out);
        }
        "poddisruptionbudgets.policy" => small::budget(object, out),
        "leases.coordination.k8s.io" => small::lease(object, out),
        "ingresses.networking.k8s.io" => networking::ingress(object, out),
        "ingressclasses.networking.k8s.io" => networking::ingress_class(object, old, out),
        "networkpolicies.networking.k8s.io" => networking::policy(object, out),
        "endpointslices.discovery.k8s.io" => small::slice(object, out),
        "storageclasses.storage.k8s.io" => storage::class(object, out),
        // A change is asked only for what may not change.
        "priorityclasses.scheduling.k8s.io" if old.is_some() => {}
        "priorityclasses.scheduling.k8s.io" => small::priority(object, out),
        "runtimeclasses.node.k8s.io" => small::runtime(object, out),
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => {
            out.extend(rights::role(object));
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            out.extend(rights::binding(object));
        }
        keys::DEFINITIONS => match list(&object["spec"], "versions").len() {
            count if count > MOST_ITEMS => out.push(Cause::too_many("spec.versions", count, MOST_ITEMS)),
            _ => definition::check(object, out),
        },
        _ if resource.custom.is_some() => {}
        _ => match (too_long(object, ""), &*resource.group) {
            (Some(cause), _) => out.push(cause),
            (None, "admissionregistration.k8s.io") => admission::check(resource, object, old, out),
            (None, _) => by_item(resource, object, out),
        },
    }
}

/// Kinds whose lists are compared item by item.
fn by_item(resource: &Resource, object: &Value, out: &mut Causes) {
    let root = at::At::root(object, "");
    let spec = root.get("spec");
    let name = fields::name(object);
    match &*resource.key {
        "csidrivers.storage.k8s.io" => drivers::csi_driver(spec, out),
        "csinodes.storage.k8s.io" => drivers::csi_node(spec, out),
        "csistoragecapacities.storage.k8s.io" => drivers::capacity(root, out),
        "volumeattachments.storage.k8s.io" => drivers::attachment(spec, out),
        "volumeattributesclasses.storage.k8s.io" => drivers::attributes(root, out),
        "flowschemas.flowcontrol.apiserver.k8s.io" => flow::flow_schema(name, spec, out),
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => flow::level(name, spec, out),
        "apiservices.apiregistration.k8s.io" => aggregation::api_service(object, spec, out),
        "ipaddresses.networking.k8s.io" => ranges::parent(spec.get("parentRef"), out),
        "servicecidrs.networking.k8s.io" => ranges::ranges(spec.get("cidrs"), out),
        keys::CERTIFICATE_REQUESTS => signing::certificate_request(root, out),
        _ => {}
    }
}

/// What may not change in them.
fn by_item_changed(resource: &Resource, new: &Value, old: &Value, out: &mut Causes) {
    let (root, before) = (at::At::root(new, ""), at::At::root(old, ""));
    let (spec, old_spec) = (root.get("spec"), before.get("spec"));
    match &*resource.key {
        "csidrivers.storage.k8s.io" => drivers::driver_changed(spec, old_spec, out),
        "csistoragecapacities.storage.k8s.io" => {
            workload::fixed(new, old, "", &["nodeTopology", "storageClassName"], out);
        }
        "volumeattachments.storage.k8s.io" => workload::fixed(new, old, "", &["spec"], out),
        "volumeattributesclasses.storage.k8s.io" => drivers::attributes_changed(root, old, out),
        "ipaddresses.networking.k8s.io" => {
            workload::fixed(&new["spec"], &old["spec"], "spec", &["parentRef"], out)
        }
        "servicecidrs.networking.k8s.io" => {
            ranges::ranges_changed(spec.get("cidrs"), old_spec.get("cidrs"), out);
        }
        _ => {}
    }
}

/// Lists of the kinds that are checked item by item, some of which are compared with each other, have no more than these;
/// those of custom kinds have as many as a schema lets them.
const MOST_ITEMS: usize = 1000;

/// A list anywhere below that has too many items.
fn too_long(value: &Value, path: &str) -> Option<Cause> {
    match value {
        Value::Array(items) if items.len() > MOST_ITEMS => {
            Some(Cause::too_many(path, items.len(), MOST_ITEMS))
        }
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, item)| too_long(item, &format!("{path}[{at}]")))
        }
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            too_long(value, &path)
        }),
        _ => None,
    }
}

/// What is refused in new objects alone.
fn fresh(resource: &Resource, object: &Value, out: &mut Causes) {
    match &*resource.key {
        "pods" => pod::new(object, out),
        "jobs.batch" => batch::new_job(object, out),
        "cronjobs.batch" => batch::new_cron_job(object, out),
        "ingresses.networking.k8s.io" => networking::new_ingress(object, out),
        _ => {}
    }
}

fn changed(resource: &Resource, new: &Value, old: &Value, subresource: &str, out: &mut Causes) {
    match &*resource.key {
        "secrets" | "configmaps" => {
            if resource.kind == "Secret" && new["type"] != old["type"] {
                out.push(Cause::invalid("type", &new["type"], "field is immutable"));
            }
            out.extend(data::frozen(new, old));
        }
        "statefulsets.apps" => workload::stateful_set_changed(new, old, out),
        "deployments.apps" | "daemonsets.apps" | "replicasets.apps" => {
            workload::fixed(&new["spec"], &old["spec"], "spec", &["selector"], out);
        }
        "jobs.batch" => batch::job_changed(new, old, out),
        keys::CERTIFICATE_REQUESTS => signing::changed(new, old, subresource, out),
        "pods" => pod_change::changed(new, old, subresource, out),
        "persistentvolumeclaims" => storage::claim_changed(new, old, out),
        "persistentvolumes" => storage::volume_changed(new, old, out),
        "storageclasses.storage.k8s.io" => workload::fixed(new, old, "", &storage::CLASS_FIXED, out),
        "priorityclasses.scheduling.k8s.io" => small::priority_changed(new, old, out),
        "endpointslices.discovery.k8s.io" => workload::fixed(new, old, "", &["addressType"], out),
        "runtimeclasses.node.k8s.io" => workload::fixed(new, old, "", &["handler"], out),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io"
            if new["roleRef"] != old["roleRef"] =>
        {
            let role = |key: &str| text(new, &["roleRef", key]).to_owned();
            let shown = json!({"APIGroup": role("apiGroup"), "Kind": role("kind"), "Name": role("name")});
            out.push(Cause::invalid("roleRef", &shown, "cannot change roleRef"));
        }
        _ => by_item_changed(resource, new, old, out),
    }
}

/// The items of a list field.
fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_resources_at_long_paths_are_told_of_in_part() {
        let key = "k".repeat(10_000);
        let mut causes = Causes::default();
        for at in 0..2_000 {
            let path = Path::Field(&Path::Root, &key);
            embedded(&Path::Item(&path, at), &json!({"apiVersion": "a/b/c"}), &mut causes);
        }
        let told = causes.told();
        assert_eq!(told.len(), 105);
        assert!(told[0].field.ends_with("k[0].apiVersion"));
    }
}
