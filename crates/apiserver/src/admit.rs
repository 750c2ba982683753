//! What the server decides for single kinds: namespaces, addresses, pods, storage.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::addresses;
use crate::app::App;
use crate::call::Call;
use crate::causes::Cause;
use crate::clock;
use crate::fields;
use crate::keys;
use crate::kinds::Resource;
use crate::status_error::Status;

/// Fills in what only the server knows about a new object.
pub(crate) fn create(app: &Arc<App>, resource: &Resource, object: &mut Value) -> Result<(), Status> {
    crate::defaults::apply_late(object);
    match &*resource.key {
        keys::NAMESPACES => crate::namespaces::prepare(object),
        keys::SERVICES => addresses::assign(&app.addresses, &app.store, None, object)?,
        keys::PODS => {
            account(app, object)?;
            object["status"] =
                json!({"phase": "Pending", "qosClass": crate::quality::quality(&object["spec"])});
        }
        keys::DEFINITIONS => crate::crds::prepare(object),
        keys::JOBS => crate::defaults::new_job(object),
        "apiservices.apiregistration.k8s.io" if object["spec"].get("service").is_none_or(Value::is_null) => {
            object["status"] = json!({"conditions": [{
                "type": "Available", "status": "True", "lastTransitionTime": clock::now(),
                "reason": "Local", "message": "Local APIServices are always available",
            }]});
        }
        "limitranges" if fields::name(object).is_empty() => {
            let name = fields::uid(object).to_owned();
            fields::set_meta(object, "name", name.into());
        }
        "apiservices.apiregistration.k8s.io"
        | "flowschemas.flowcontrol.apiserver.k8s.io"
        | "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => object["status"] = json!({}),
        "nodes" => not_ready(object),
        "volumeattributesclasses.storage.k8s.io" => protect(object, PROTECTED_CLASS),
        "persistentvolumeclaims" => protect(object, PROTECTED_CLAIM),
        "persistentvolumes" => {
            protect(object, PROTECTED_VOLUME);
            object["status"]["lastPhaseTransitionTime"] = clock::now().into();
        }
        _ => {}
    }
    Ok(())
}

/// Nothing is scheduled to a new node until it says that it is ready.
fn not_ready(node: &mut Value) {
    let taint = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
    let taints = fields::child(node, "spec").entry("taints").or_insert(Value::Null);
    match taints {
        Value::Array(taints) if taints.iter().any(|known| is_same_taint(known, &taint)) => {}
        Value::Array(taints) => taints.push(taint),
        absent => *absent = json!([taint]),
    }
}

fn is_same_taint(one: &Value, other: &Value) -> bool {
    one["key"] == other["key"] && one["effect"] == other["effect"]
}

/// Storage goes only when nobody uses it, which a finalizer stands for.
fn protect(object: &mut Value, finalizer: &str) {
    let mut finalizers: Vec<String> = fields::finalizers(object).into_iter().map(str::to_owned).collect();
    if !finalizers.iter().any(|known| known == finalizer) {
        finalizers.push(finalizer.into());
        fields::set_finalizers(object, finalizers);
    }
}

/// The same for a change.
pub(crate) fn update(call: &Call<'_>, old: &Value, new: &mut Value) -> Result<(), Status> {
    crate::defaults::apply_late(new);
    crate::gates::drop_disabled(&call.resource.key, Some(old), new);
    match &*call.resource.key {
        keys::NAMESPACES => crate::namespaces::label(new),
        keys::SERVICES if call.subresource.is_empty() => {
            addresses::assign(&call.app.addresses, &call.app.store, Some(old), new)?
        }
        keys::PODS => {
            for key in ["priority", "preemptionPolicy"] {
                if let Some(value) = old["spec"].get(key).filter(|_| new["spec"].get(key).is_none()) {
                    fields::child(new, "spec").insert(key.into(), value.clone());
                }
            }
            if call.subresource.is_empty() {
                tolerate(fields::child(new, "spec"));
            }
        }
        "daemonsets.apps" if call.subresource.is_empty() => count_templates(old, new),
        keys::DEFINITIONS => {
            let mut causes = crate::crds::immutable(new, old);
            if call.subresource.is_empty() {
                crate::crds::remember_storage(new);
                causes.extend(crate::crds::stored_versions(new));
            }
            refuse(call, causes)?;
        }
        _ => {}
    }
    Ok(())
}

fn refuse(call: &Call<'_>, causes: Vec<Cause>) -> Result<(), Status> {
    if causes.is_empty() { Ok(()) } else { Err(call.invalid(&call.name, causes)) }
}

/// Refuses deletions that must not be.
pub(crate) fn delete(call: &Call<'_>, object: &Value) -> Result<(), Status> {
    if &*call.resource.key == keys::NAMESPACES && crate::namespaces::PROTECTED.contains(&fields::name(object))
    {
        return Err(Status::forbidden(
            "",
            "namespaces",
            fields::name(object),
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}

/// Pods run under an account, whose token they find in a volume.
fn account(app: &App, pod: &mut Value) -> Result<(), Status> {
    let namespace = fields::meta(pod, "namespace").to_owned();
    let pod_name = fields::name(pod).to_owned();
    let spec = fields::child(pod, "spec");
    let stated = spec
        .get("serviceAccountName")
        .or(spec.get("serviceAccount"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let name = if stated.is_empty() { "default" } else { stated }.to_owned();
    spec.insert("serviceAccountName".into(), name.as_str().into());
    spec.insert("serviceAccount".into(), name.as_str().into());
    let key = crate::storage::Key::new(&Arc::from(keys::SERVICE_ACCOUNTS), &namespace, &name);
    let Some(account) = app.store.get(&key) else {
        let why = format!(
            "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
        );
        return Err(Status::forbidden("", "pods", &pod_name, &why));
    };
    let wish = |object: &Value| object["automountServiceAccountToken"].as_bool();
    let pod_wish = spec.get("automountServiceAccountToken").and_then(Value::as_bool);
    if pod_wish.or_else(|| wish(&account.object())).unwrap_or(true) {
        mount_token(spec);
    }
    tolerate(spec);
    spec.entry("enableServiceLinks").or_insert(json!(true));
    priority(app, &pod_name, spec)
}

/// Templates of a DaemonSet are numbered.
fn count_templates(old: &Value, new: &mut Value) {
    const NUMBER: &str = crate::defaults::TEMPLATE_NUMBER;
    let before: i64 = fields::text(old, &["metadata", "annotations", NUMBER]).parse().unwrap_or(1);
    let now =
        if old["spec"]["template"] == new["spec"]["template"] { before } else { before.saturating_add(1) };
    let annotations = fields::metadata(new).entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(NUMBER.into(), now.to_string().into());
    }
}

/// Every pod stays for a while on a node that does not answer.
fn tolerate(spec: &mut serde_json::Map<String, Value>) {
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        if let Some(list) = tolerations.as_array_mut()
            && !list.iter().any(|toleration| toleration["key"] == key)
        {
            list.push(
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}),
            );
        }
    }
}

/// Pods have the priority of their class.
fn priority(app: &App, pod: &str, spec: &mut serde_json::Map<String, Value>) -> Result<(), Status> {
    let refused = |why: &str| Status::forbidden("", "pods", pod, why);
    let class = spec.get("priorityClassName").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (mut value, mut policy) = (json!(0), json!("PreemptLowerPriority"));
    if !class.is_empty() {
        let key = crate::storage::Key::new(&Arc::from(keys::PRIORITY_CLASSES), "", &class);
        let system = SYSTEM_PRIORITIES.iter().find(|(name, _)| *name == class).map(|(_, value)| *value);
        match (app.store.get(&key), system) {
            (Some(stored), _) => {
                let stored = stored.object();
                value = stored["value"].as_i64().unwrap_or(0).into();
                policy = stored.get("preemptionPolicy").cloned().unwrap_or(policy);
            }
            (None, Some(system)) => value = system.into(),
            (None, None) => {
                return Err(refused(&format!("no PriorityClass with name {class} was found")));
            }
        }
    }
    if let Some(stated) = spec.get("priority").filter(|stated| **stated != value) {
        return Err(refused(&format!(
            "the integer value of priority ({stated}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
        )));
    }
    if let Some(stated) = spec.get("preemptionPolicy").filter(|stated| **stated != policy) {
        return Err(refused(&format!(
            "the string value of PreemptionPolicy ({}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
            stated.as_str().unwrap_or_default(),
            policy.as_str().unwrap_or_default()
        )));
    }
    spec.insert("priority".into(), value);
    spec.insert("preemptionPolicy".into(), policy);
    Ok(())
}

/// Mounts the account's token into every container that has nothing in its place.
fn mount_token(spec: &mut serde_json::Map<String, Value>) {
    let volume = format!("kube-api-access-{}", clock::suffix(5));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
            let Some(mounts) = mounts.as_array_mut() else { continue };
            if mounts.iter().all(|mount| mount["mountPath"] != TOKEN_PATH) {
                mounts.push(json!({"name": volume, "readOnly": true, "mountPath": TOKEN_PATH}));
                mounted = true;
            }
        }
    }
    if !mounted {
        return;
    }
    let authority =
        |name: &str, file: &str| json!({"configMap": {"name": name, "items": [{"key": file, "path": file}]}});
    let namespace =
        json!({"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
    let sources = json!([
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        authority("kube-root-ca.crt", "ca.crt"),
        {"downwardAPI": {"items": [namespace]}},
        authority("openshift-service-ca.crt", "service-ca.crt"),
    ]);
    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
    if let Some(volumes) = volumes.as_array_mut() {
        volumes.push(json!({"name": volume, "projected": {"sources": sources, "defaultMode": 420}}));
    }
}

/// Priorities that are always there.
pub(crate) const SYSTEM_PRIORITIES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
/// Where a pod finds its account's token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Finalizers of storage that is asked for and of storage that is there.
pub(crate) const PROTECTED_CLASS: &str = "kubernetes.io/vac-protection";
pub(crate) const PROTECTED_CLAIM: &str = "kubernetes.io/pvc-protection";
pub(crate) const PROTECTED_VOLUME: &str = "kubernetes.io/pv-protection";
