//! What is done with a pod: bound to a node, given more containers, resized.
//!
//! Nothing runs, so a pod that is bound stays as it is, and what it is given is there at once.

use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

use crate::call::{Call, RETRIES, WriteOptions};
use crate::fields;
use crate::http::Answer;
use crate::keys;
use crate::objects;
use crate::status_error::Status;
use crate::storage::{Expect, Key, Refused};

/// Binds a pod to a node: `POST …/pods/NAME/binding` or `POST …/bindings`.
///
/// # Errors
/// For a pod that is bound already, goes, or is held by gates.
pub(crate) fn bind(call: &Call<'_>) -> Result<Answer, Status> {
    let options = call.options("CreateOptions")?;
    let kind = GroupVersionKind::new("", "v1", "Binding");
    let decoded = objects::decode_other(call, &[kind], &options)?;
    let mut binding = decoded.object;
    super::create::check_namespace(call, &mut binding)?;
    let name = fields::name(&binding).to_owned();
    if !call.name.is_empty() && call.name != name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    let target = &binding["target"];
    let target_kind = fields::text(target, &["kind"]);
    if !["", "Node"].contains(&target_kind) {
        let why = format!(
            "target.kind: Unsupported value: \"{target_kind}\": supported values: \"<empty>\", \"Node\""
        );
        return Err(Status::internal(why));
    }
    if fields::text(target, &["name"]).is_empty() {
        return Err(Status::internal("target.name: Required value"));
    }
    assign(call, &name, &binding, &options)?;
    Ok(Answer::json(
        201,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    )
    .warned(decoded.warnings))
}

fn assign(call: &Call<'_>, name: &str, binding: &Value, options: &WriteOptions) -> Result<(), Status> {
    let key = Key::new(&keys::PODS.into(), &call.namespace, name);
    let conflict = |resource: &str, why: &str| Status::conflict("", resource, name, why);
    for _ in 0..RETRIES {
        let stored = call.app.store.get(&key).ok_or_else(|| Status::not_found("", "pods", name))?;
        let mut pod = stored.object();
        for (word, field) in [("UID", "uid"), ("ResourceVersion", "resourceVersion")] {
            let (wanted, found) = (fields::meta(binding, field), fields::meta(&pod, field));
            if !wanted.is_empty() && wanted != found {
                let why = format!(
                    "Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {found}"
                );
                return Err(conflict("pods", &why));
            }
        }
        if let Some(why) = held(&pod, name) {
            return Err(conflict("pods/binding", &why));
        }
        fields::child(&mut pod, "spec").insert("nodeName".into(), binding["target"]["name"].clone());
        for (key, value) in binding["metadata"]["annotations"].as_object().into_iter().flatten() {
            pod["metadata"]["annotations"][key.as_str()] = value.clone();
        }
        // Labels say who owns a pod and who finds it: those that it has stay.
        for (key, value) in binding["metadata"]["labels"].as_object().into_iter().flatten() {
            if fields::get(&pod, &["metadata", "labels", key]).is_none() {
                pod["metadata"]["labels"][key.as_str()] = value.clone();
            }
        }
        let causes = crate::checks::metadata_of(&pod);
        if !causes.is_empty() {
            return Err(Status::invalid("", "Binding", name, causes));
        }
        scheduled(&mut pod);
        if options.dry_run {
            return Ok(());
        }
        match call.app.store.put(&key, &pod, Expect::Revision(stored.revision)) {
            Ok(_) => return Ok(()),
            Err(Refused::Changed) => {}
            Err(other) => return Err(call.refused(other, name)),
        }
    }
    Err(conflict("pods/binding", "the pod changes all the time"))
}

/// Why a pod cannot go to a node.
fn held(pod: &Value, name: &str) -> Option<String> {
    let node = fields::text(pod, &["spec", "nodeName"]);
    if fields::is_deleting(pod) {
        return Some(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if !node.is_empty() {
        return Some(format!("pod {name} is already assigned to node \"{node}\""));
    }
    let gates = pod["spec"]["schedulingGates"].as_array();
    gates
        .is_some_and(|gates| !gates.is_empty())
        .then(|| format!("pod {name} has non-empty .spec.schedulingGates"))
}

fn scheduled(pod: &mut Value) {
    let condition = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": crate::clock::now(),
    });
    if !crate::conditions::holds(pod, "PodScheduled") {
        crate::conditions::put(&mut pod["status"]["conditions"], condition);
    }
}

/// Through the door of its temporary containers or its sizes, nothing else of a pod changes.
pub(crate) fn keep_rest(subresource: &str, old: &Value, new: &mut Value) {
    let managed = fields::get(new, &["metadata", "managedFields"]).cloned();
    let wanted = new["spec"].take();
    let mut kept = old.clone();
    if subresource == "ephemeralcontainers" {
        fields::copy_field(&mut kept["spec"], &wanted, "ephemeralContainers");
    } else {
        resize(&mut kept, &wanted);
    }
    if let Some(managed) = managed {
        fields::set_meta(&mut kept, "managedFields", managed);
    }
    *new = kept;
}

/// Takes over the sizes of containers; other containers than before are left to the checks.
fn resize(pod: &mut Value, wanted: &Value) {
    let names = |spec: &Value| -> Vec<Vec<Value>> {
        ["containers", "initContainers"]
            .map(|list| spec[list].as_array().into_iter().flatten().map(|one| one["name"].clone()).collect())
            .into()
    };
    if names(&pod["spec"]) != names(wanted) {
        pod["spec"] = wanted.clone();
        return;
    }
    fields::copy_field(&mut pod["spec"], wanted, "resources");
    for list in ["containers", "initContainers"] {
        let sizes = wanted[list].as_array().cloned().unwrap_or_default();
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, size) in containers.zip(sizes) {
            for field in ["resources", "resizePolicy"] {
                fields::copy_field(container, &size, field);
            }
        }
    }
}
