//! Defaults of the built-in kinds: what the server fills in.
//!
//! Follows: kube-apiserver 1.36, as the pairs in `golden/data/defaults` show it. Pure; what needs other objects
//! (addresses, ports, service accounts) is the server's business.

mod admission;
mod autoscaler;
mod workload;

pub(crate) use workload::TEMPLATE_NUMBER;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_k8s::object;
use serde_json::{Map, Value, json};

use crate::keys;

/// Fills in the defaults of an object's kind; other kinds stay as they are.
pub(crate) fn apply(object: &mut Value) {
    let gvk = object::gvk(object);
    if gvk.kind == "CustomResourceDefinition" && gvk.group == "apiextensions.k8s.io" {
        return crate::crds::default_names(object);
    }
    let Some(root) = object.as_object_mut() else { return };
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Secret") => secret(root),
        ("", "Namespace") => namespace(root),
        ("", "Service") => service(root),
        ("", "Pod") => workload::pod(root),
        ("", "PersistentVolumeClaim") => claim(root),
        ("", "PersistentVolume") => volume(root),
        ("", "Endpoints") => endpoints(root),
        ("apps", kind) => workload::apps(kind, root),
        ("batch", kind) => workload::batch(kind, root),
        (keys::RBAC, "RoleBinding" | "ClusterRoleBinding") => binding(root),
        ("networking.k8s.io", "NetworkPolicy") => network_policy(root),
        ("networking.k8s.io", "IngressClass") => {
            let parameters = root.get_mut("spec").and_then(|spec| spec.get_mut("parameters"));
            if let Some(parameters) = parameters.and_then(Value::as_object_mut) {
                set(parameters, "scope", json!("Cluster"));
            }
        }
        ("networking.k8s.io", "Ingress") => set(root, "status", json!({ "loadBalancer": {} })),
        ("storage.k8s.io", "StorageClass") => {
            set(root, "reclaimPolicy", json!("Delete"));
            set(root, "volumeBindingMode", json!("Immediate"));
        }
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::autoscaler(&gvk.version, root),
        ("", "LimitRange") => limit_range(root),
        ("", "ResourceQuota") => set(root, "status", json!({})),
        ("", "ReplicationController") => workload::replication(root),
        ("", "PodTemplate") => workload::template(root),
        ("policy", "PodDisruptionBudget") => {
            fill(root, "status", BUDGET.iter().map(|&name| (name.to_owned(), json!(0))).collect())
        }
        ("scheduling.k8s.io", "PriorityClass") => {
            set(root, "preemptionPolicy", json!("PreemptLowerPriority"));
        }
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice(root),
        ("admissionregistration.k8s.io", kind) => {
            admission::registration(kind, root);
            if kind == "ValidatingAdmissionPolicy" {
                set(root, "status", json!({}));
            }
        }
        ("apiregistration.k8s.io", "APIService") => root.get_mut("spec").into_iter().for_each(service_port),
        ("storage.k8s.io", "CSIDriver") => driver(root),
        ("flowcontrol.apiserver.k8s.io", kind) => flow(kind, root),
        ("", "Node") => node(root),
        _ => {}
    }
}

/// What is decided once it is noted who owns which fields: what a server that lacks a feature drops, and what follows
/// from other fields.
pub(crate) fn apply_late(object: &mut Value) {
    let gvk = object::gvk(object);
    let Some(root) = object.as_object_mut() else { return };
    let Some(spec) = root.get_mut("spec").and_then(Value::as_object_mut) else {
        if gvk.kind == "ServiceAccount" && gvk.group.is_empty() {
            // Of the Secrets of an account only their names are kept.
            items(root, "secrets").for_each(|secret| secret.retain(|field, _| field == "name"));
        }
        return;
    };
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("coordination.k8s.io", "Lease") => {
            // Nobody coordinates who leads.
            spec.retain(|field, _| field != "strategy" && field != "preferredHolder");
        }
        ("apps", "StatefulSet") => {
            // How many may be down at once is not looked at, and not kept.
            let strategy =
                spec.get_mut("updateStrategy").and_then(|strategy| strategy.get_mut("rollingUpdate"));
            if let Some(rolling) = strategy.and_then(Value::as_object_mut) {
                rolling.shift_remove("maxUnavailable");
            }
        }
        ("", "PersistentVolumeClaim") => data_source(spec),
        _ => {}
    }
}

/// Sets a field that is absent, or `null`.
fn set(fields: &mut Map<String, Value>, name: &str, value: Value) {
    match fields.get(name) {
        None | Some(Value::Null) => drop(fields.insert(name.to_owned(), value)),
        Some(_) => {}
    }
}

/// Returns a field as a map, made when it is absent.
fn map<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    set(fields, name, json!({}));
    fields.get_mut(name)?.as_object_mut()
}

/// Fills in the fields of a map that are absent.
fn fill(fields: &mut Map<String, Value>, name: &str, wanted: Value) {
    if let (Some(fields), Value::Object(wanted)) = (map(fields, name), wanted) {
        for (name, value) in wanted {
            set(fields, &name, value);
        }
    }
}

/// Iterates over the maps in a list field.
fn items<'a>(
    fields: &'a mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    fields.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Moves `stringData` into `data`; the plain form is never stored.
fn secret(root: &mut Map<String, Value>) {
    set(root, "type", json!("Opaque"));
    let Some(Value::Object(plain)) = root.shift_remove("stringData") else { return };
    if plain.is_empty() {
        return;
    }
    let Some(data) = map(root, "data") else { return };
    for (key, value) in plain {
        let text = value.as_str().unwrap_or_default();
        data.insert(key, Value::String(STANDARD.encode(text)));
    }
}

fn namespace(root: &mut Map<String, Value>) {
    let name =
        root.get("metadata").and_then(|metadata| metadata["name"].as_str()).unwrap_or_default().to_owned();
    if let Some(labels) = map(root, "metadata").and_then(|metadata| map(metadata, "labels")) {
        labels.insert("kubernetes.io/metadata.name".to_owned(), Value::String(name));
    }
}

/// Fills in what only a new Job gets: the labels of its pods, and the selector made of them.
pub(crate) fn new_job(object: &mut Value) {
    if let Some(root) = object.as_object_mut() {
        workload::job_labels(root);
    }
}

fn service(root: &mut Map<String, Value>) {
    let Some(spec) = map(root, "spec") else { return };
    set(spec, "sessionAffinity", json!("None"));
    set(spec, "type", json!("ClusterIP"));
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if spec.get("sessionAffinity") == Some(&json!("None")) {
        spec.shift_remove("sessionAffinityConfig");
    }
    if spec.get("sessionAffinity") == Some(&json!("ClientIP"))
        && let Some(config) = map(spec, "sessionAffinityConfig")
    {
        fill(config, "clientIP", json!({ "timeoutSeconds": 10800 }));
    }
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    let given = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || kind == "ClusterIP" && given {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    for port in items(spec, "ports") {
        set(port, "protocol", json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        let target = port.get("targetPort");
        if target.is_none_or(|target| target.is_null() || *target == json!(0) || *target == json!("")) {
            port.insert("targetPort".to_owned(), number);
        }
    }
    set(root, "status", json!({ "loadBalancer": {} }));
}

fn claim(root: &mut Map<String, Value>) {
    if let Some(spec) = map(root, "spec") {
        set(spec, "volumeMode", json!("Filesystem"));
    }
    set(root, "status", json!({ "phase": "Pending" }));
}

/// What a claim is filled from is stated in two fields, an older one for two kinds alone and a newer one.
fn data_source(spec: &mut Map<String, Value>) {
    let known = |source: &Value| {
        let (group, kind) = (source["apiGroup"].as_str().unwrap_or_default(), source["kind"].as_str());
        matches!(
            (group, kind),
            ("", Some("PersistentVolumeClaim")) | ("snapshot.storage.k8s.io", Some("VolumeSnapshot"))
        )
    };
    if !spec.contains_key("dataSourceRef") && spec.get("dataSource").is_some_and(|source| !known(source)) {
        spec.shift_remove("dataSource");
    }
    let elsewhere = |source: &Value| source.get("namespace").is_some_and(|namespace| !namespace.is_null());
    if spec.get("dataSourceRef").is_some_and(elsewhere) {
        return;
    }
    for (from, to) in [("dataSource", "dataSourceRef"), ("dataSourceRef", "dataSource")] {
        if let Some(source) = spec.get(from).cloned() {
            set(spec, to, source);
        }
    }
}

fn volume(root: &mut Map<String, Value>) {
    if let Some(spec) = map(root, "spec") {
        set(spec, "persistentVolumeReclaimPolicy", json!("Retain"));
        set(spec, "volumeMode", json!("Filesystem"));
        if let Some(path) = spec.get_mut("hostPath").and_then(Value::as_object_mut) {
            set(path, "type", json!(""));
        }
    }
    if let Some(status) = map(root, "status") {
        set(status, "phase", json!("Pending"));
    }
}

fn endpoints(root: &mut Map<String, Value>) {
    for subset in items(root, "subsets") {
        for port in items(subset, "ports") {
            set(port, "protocol", json!("TCP"));
        }
    }
}

fn binding(root: &mut Map<String, Value>) {
    if let Some(role) = map(root, "roleRef")
        && role.get("apiGroup").and_then(Value::as_str).is_none_or(str::is_empty)
    {
        role.insert("apiGroup".to_owned(), json!(keys::RBAC));
    }
    for subject in items(root, "subjects") {
        if matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
            set(subject, "apiGroup", json!(keys::RBAC));
        }
    }
}

fn network_policy(root: &mut Map<String, Value>) {
    let Some(spec) = map(root, "spec") else { return };
    set(spec, "podSelector", json!({}));
    let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    set(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
    for direction in ["ingress", "egress"] {
        for rule in items(spec, direction) {
            for port in items(rule, "ports") {
                set(port, "protocol", json!("TCP"));
            }
        }
    }
}

/// Containers: what is missing follows from the maximum, the default limit, the minimum.
fn limit_range(root: &mut Map<String, Value>) {
    let Some(spec) = map(root, "spec") else { return };
    for limit in items(spec, "limits").filter(|limit| limit.get("type") == Some(&json!("Container"))) {
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            if let Some(amounts @ Value::Object(_)) = limit.get(from).cloned() {
                fill(limit, to, amounts);
            }
        }
    }
}

fn endpoint_slice(root: &mut Map<String, Value>) {
    for endpoint in items(root, "endpoints") {
        set(endpoint, "conditions", json!({}));
        // What only an older version of the kind took.
        endpoint.shift_remove("deprecatedTopology");
    }
    for port in items(root, "ports") {
        set(port, "name", json!(""));
        set(port, "protocol", json!("TCP"));
    }
}

/// The port of a Service that is asked over TLS.
fn service_port(client: &mut Value) {
    if let Some(service) = client.get_mut("service").and_then(Value::as_object_mut) {
        set(service, "port", json!(443));
    }
}

fn driver(root: &mut Map<String, Value>) {
    let Some(spec) = map(root, "spec") else { return };
    set(spec, "attachRequired", json!(true));
    for field in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        set(spec, field, json!(false));
    }
    set(spec, "fsGroupPolicy", json!("ReadWriteOnceWithFSType"));
    if spec.get("volumeLifecycleModes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("volumeLifecycleModes".to_owned(), json!(["Persistent"]));
    }
}

/// FlowSchemas and the levels that they lead to; numbers of these count as absent when they are 0.
fn flow(kind: &str, root: &mut Map<String, Value>) {
    fn number(fields: &mut Map<String, Value>, name: &str, default: i64) {
        if fields.get(name).and_then(Value::as_i64).unwrap_or(0) == 0 {
            fields.insert(name.to_owned(), json!(default));
        }
    }
    let Some(spec) = root.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if kind == "FlowSchema" {
        return number(spec, "matchingPrecedence", 1000);
    }
    for (field, shares) in [("exempt", 0), ("limited", 30)] {
        let Some(part) = spec.get_mut(field).and_then(Value::as_object_mut) else { continue };
        set(part, "nominalConcurrencyShares", json!(shares));
        set(part, "lendablePercent", json!(0));
        let queuing = part.get_mut("limitResponse").and_then(|response| response.get_mut("queuing"));
        if let Some(queuing) = queuing.and_then(Value::as_object_mut) {
            number(queuing, "queues", 64);
            number(queuing, "handSize", 8);
            number(queuing, "queueLengthLimit", 50);
        }
    }
}

/// What a node has is there for pods, unless it says otherwise.
fn node(root: &mut Map<String, Value>) {
    let Some(status) = root.get_mut("status").and_then(Value::as_object_mut) else { return };
    if let Some(capacity) = status.get("capacity").filter(|capacity| capacity.is_object()).cloned() {
        set(status, "allocatable", capacity);
    }
}

const BUDGET: [&str; 4] = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_secret_values_are_stored_encoded() {
        let mut secret = json!({ "apiVersion": "v1", "kind": "Secret", "data": { "k": "dg==" }, "stringData": { "s": "text" } });
        apply(&mut secret);
        assert_eq!(
            secret,
            json!({ "apiVersion": "v1", "kind": "Secret", "data": { "k": "dg==", "s": "dGV4dA==" }, "type": "Opaque" })
        );
    }
}
