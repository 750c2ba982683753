//! Bringing objects into the form in which they are compared and sent.
//!
//! A built-in kind passes through its type: unknown fields, nulls and empty lists and maps go,
//! a port without protocol speaks TCP, `stringData` becomes `data`, and structs that the
//! reference always writes are there. An object that does not fit its type is left for the
//! server to refuse. In each kind `status` goes (not in definitions) and an empty creation time.
//!
//! Follows: the normalisation of fluxcd/pkg/ssa. Differs: zero numbers, `false` and empty texts
//! stay where they were written, but for the fields that people write most.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealfast_k8s::object;
use sealfast_k8s::schema::{self, Field, Schema, Type};
use serde_json::{Map, Value};

/// Structs without pointer in the reference: present even when empty. Type, field.
const ALWAYS: [(&str, &str); 18] = [
    ("apps.v1.DeploymentSpec", "strategy"),
    ("apps.v1.DaemonSetSpec", "updateStrategy"),
    ("apps.v1.StatefulSetSpec", "updateStrategy"),
    ("core.v1.Container", "resources"),
    ("core.v1.EphemeralContainer", "resources"),
    ("core.v1.PersistentVolumeClaimSpec", "resources"),
    ("networking.v1.NetworkPolicySpec", "podSelector"),
    ("networking.v1.IngressServiceBackend", "port"),
    ("core.v1.PodTemplateSpec", "metadata"),
    ("core.v1.PodTemplateSpec", "spec"),
    ("batch.v1.JobTemplateSpec", "metadata"),
    ("batch.v1.JobTemplateSpec", "spec"),
    ("core.v1.PersistentVolumeClaim", "metadata"),
    ("core.v1.PersistentVolumeClaim", "spec"),
    ("core.v1.PersistentVolumeClaim", "status"),
    ("core.v1.PersistentVolumeClaimTemplate", "metadata"),
    ("core.v1.PersistentVolumeClaimTemplate", "spec"),
    ("batch.v1.CronJobSpec", "jobTemplate"),
];
/// Values without pointer in the reference that are no structs: their zero is written. Type, field.
const TARGET_PORT: (&str, &str) = ("core.v1.ServicePort", "targetPort");
const DIVISOR: (&str, &str) = ("core.v1.ResourceFieldSelector", "divisor");
/// Fields without pointer in the reference whose zero is not written: written out, they are left out again.
const NO_ZERO: [&str; 34] = [
    "clusterIP",
    "externalName",
    "failureThreshold",
    "healthCheckNodePort",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "hostname",
    "imagePullPolicy",
    "initialDelaySeconds",
    "loadBalancerIP",
    "medium",
    "minReadySeconds",
    "nodeName",
    "nodePort",
    "paused",
    "periodSeconds",
    "priorityClassName",
    "publishNotReadyAddresses",
    "readOnly",
    "schedulerName",
    "serviceAccount",
    "serviceAccountName",
    "sessionAffinity",
    "stdin",
    "stdinOnce",
    "subPath",
    "subdomain",
    "successThreshold",
    "terminationMessagePath",
    "timeoutSeconds",
    "tty",
    "workingDir",
];
/// An environment variable without a value and one with an empty value are the same.
const ENVIRONMENT: &str = "core.v1.EnvVar";
/// Types whose `protocol` is TCP when not said.
const PORTS: [&str; 2] = ["core.v1.ContainerPort", "core.v1.ServicePort"];
/// Groups that have a schema but no type in the reference's set.
const UNTYPED_GROUPS: [&str; 2] = ["apiextensions.k8s.io", "apiregistration.k8s.io"];
/// Deeper nesting than any kind has.
const DEEPEST: usize = 64;

/// Normalises one object in place.
pub fn normalize(object: &mut Value) {
    let gvk = object::gvk(object);
    if gvk.group == "rbac.authorization.k8s.io" && matches!(gvk.kind.as_str(), "Role" | "ClusterRole") {
        return;
    }
    if !UNTYPED_GROUPS.contains(&gvk.group.as_str())
        && let Some(root) = schema::builtin().root(&gvk)
        && let Some(mut typed) = through_struct(schema::builtin(), object, root, "", 0)
    {
        if gvk.group.is_empty() && gvk.kind == "Secret" {
            fold_string_data(&mut typed);
        }
        *object = typed;
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata.get("creationTimestamp").is_some_and(Value::is_null)
    {
        metadata.remove("creationTimestamp");
    }
    if gvk.kind != "CustomResourceDefinition"
        && let Some(fields) = object.as_object_mut()
    {
        fields.shift_remove("status");
    }
}

/// `stringData` wins over `data`, key by key.
fn fold_string_data(secret: &mut Value) {
    let Some(Value::Object(texts)) = secret.as_object_mut().and_then(|s| s.shift_remove("stringData")) else {
        return;
    };
    if let Some(data) = secret
        .as_object_mut()
        .map(|s| s.entry("data").or_insert_with(|| Value::Object(Map::new())))
        .and_then(Value::as_object_mut)
    {
        for (key, text) in texts {
            data.insert(key, STANDARD.encode(text.as_str().unwrap_or_default()).into());
        }
    }
}

/// The value as its type holds it; none when it does not fit.
fn through_struct(schema: &Schema, value: &Value, of: &Type, name: &str, depth: usize) -> Option<Value> {
    let fields = value.as_object()?;
    let mut out = Map::new();
    for (key, inner) in fields {
        let Some(field) = of.fields.get(key).filter(|_| !inner.is_null()) else { continue };
        let inner = through_field(schema, inner, field, depth + 1)?;
        let empty_collection = field.type_name().is_none()
            && (inner.as_object().is_some_and(Map::is_empty) || inner.as_array().is_some_and(Vec::is_empty));
        let is_zero = inner == 0 || inner == false || inner == "";
        let unwritten = NO_ZERO.contains(&key.as_str()) || (name == ENVIRONMENT && key == "value");
        if is_zero && unwritten {
            continue;
        }
        if !empty_collection || field.kind == "any" {
            out.insert(key.clone(), inner);
        }
    }
    for (_, key) in ALWAYS.iter().filter(|(in_type, _)| *in_type == name) {
        out.entry(*key).or_insert_with(|| Value::Object(Map::new()));
    }
    // The specification of an object itself is such a struct too.
    if name.is_empty() && of.fields.get("spec").is_some_and(|spec| spec.type_name().is_some()) {
        out.entry("spec").or_insert_with(|| Value::Object(Map::new()));
    }
    if PORTS.contains(&name) {
        out.entry("protocol").or_insert_with(|| "TCP".into());
    }
    if name == TARGET_PORT.0 {
        out.entry(TARGET_PORT.1).or_insert_with(|| 0.into());
    }
    if name == DIVISOR.0 {
        out.entry(DIVISOR.1).or_insert_with(|| "0".into());
    }
    Some(Value::Object(out))
}

fn through_field(schema: &Schema, value: &Value, field: &Field, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    if let Some(name) = field.type_name() {
        return match schema.named(name) {
            Some(of) => through_struct(schema, value, of, name, depth),
            None => Some(value.clone()),
        };
    }
    let fits = match field.kind.as_str() {
        "string" | "time" | "microtime" => value.is_string(),
        // Line breaks in the encoded text are left out, as a round trip through the type does.
        "bytes" => {
            return STANDARD
                .decode(value.as_str()?.replace(['\n', '\r'], ""))
                .ok()
                .map(|raw| STANDARD.encode(raw).into());
        }
        "int32" | "int64" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "bool" => value.is_boolean(),
        "int-or-string" | "quantity" => value.is_string() || value.is_number(),
        "list" => return through_list(schema, value, field, depth),
        "map" => return through_map(schema, value, field, depth),
        _ => true,
    };
    fits.then(|| value.clone())
}

fn through_list(schema: &Schema, value: &Value, field: &Field, depth: usize) -> Option<Value> {
    let items = value.as_array()?;
    let Some(of) = &field.of else { return Some(value.clone()) };
    let one = |item: &Value| match item.is_null() {
        true => Some(item.clone()),
        false => through_field(schema, item, of, depth + 1),
    };
    items.iter().map(one).collect::<Option<Vec<_>>>().map(Value::Array)
}

fn through_map(schema: &Schema, value: &Value, field: &Field, depth: usize) -> Option<Value> {
    let entries = value.as_object()?;
    let Some(of) = &field.of else { return Some(value.clone()) };
    let one = |(key, inner): (&String, &Value)| {
        let inner = match (inner.is_null(), of.kind.as_str()) {
            (true, "string" | "bytes") => "".into(),
            (true, _) => inner.clone(),
            (false, _) => through_field(schema, inner, of, depth + 1)?,
        };
        Some((key.clone(), inner))
    };
    entries.iter().map(one).collect::<Option<Map<_, _>>>().map(Value::Object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn normal(mut object: Value) -> Value {
        normalize(&mut object);
        object
    }

    #[test]
    fn string_data_wins() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "creationTimestamp": null},
            "data": {"a": "eA==", "b": "eA=="}, "stringData": {"b": "y"}, "sops": {"mac": "x"}});
        assert_eq!(
            normal(secret),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "eA==", "b": "eQ=="}})
        );
    }

    #[test]
    fn wrapped_base64_becomes_one_line() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "eHh4\neHh4\n"}});
        assert_eq!(normal(secret)["data"]["a"], "eHh4eHh4");
    }

    #[test]
    fn zeros_of_common_fields_go() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostNetwork": false,
            "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "env": [{"name": "E", "value": ""}],
            "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": false}]}]}});
        assert_eq!(
            normal(pod)["spec"],
            json!({"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "env": [{"name": "E"}],
                "volumeMounts": [{"name": "v", "mountPath": "/v"}], "resources": {}}]})
        );
    }

    #[test]
    fn what_the_type_always_has_is_written() {
        let normal = |object| normal(object)["spec"].clone();
        assert_eq!(
            normal(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})),
            json!({})
        );
        let service = json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}});
        assert_eq!(normal(service)["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 0}));
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_server() {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": 1}, "dta": {}});
        assert_eq!(normal(map.clone()), map);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "ENC[x]"}, "sops": {}});
        assert_eq!(normal(secret.clone()), secret);
    }

    #[test]
    fn a_deployment_loses_what_nobody_knows() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": {}},
            "spec": {"replcas": 3, "replicas": 0, "template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [{"name": "c", "args": [], "ports": [{"containerPort": 80}]}]}}}, "status": {"replicas": 1}});
        assert_eq!(
            normal(deployment),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                "spec": {"replicas": 0, "strategy": {}, "template": {"metadata": {}, "spec": {"volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [{"name": "c", "ports": [{"containerPort": 80, "protocol": "TCP"}], "resources": {}}]}}}})
        );
    }
}
