//! Does what is there differ from what a dry run gives.

use sealfast_k8s::object;
use serde_json::Value;

use crate::certificate;

/// The paths (RFC 6901) of an object that are not compared.
pub type Ignored = dyn Fn(&Value) -> Vec<String> + Send + Sync;

/// Whether labels, annotations or anything outside `metadata` and `status` differs.
pub fn differs(live: &Value, tried: &Value, ignored: &[String]) -> bool {
    if ignored.is_empty() {
        return !alike(live, tried);
    }
    let (mut live, mut tried) = (live.clone(), tried.clone());
    for path in ignored {
        take(&mut live, path);
        take(&mut tried, path);
    }
    !alike(&live, &tried)
}

fn alike(live: &Value, tried: &Value) -> bool {
    let empty = serde_json::Map::new();
    let map =
        |value: &'_ Value, place: &str| value["metadata"][place].as_object().cloned().unwrap_or_default();
    for place in ["labels", "annotations"] {
        if map(live, place) != map(tried, place) {
            return false;
        }
    }
    let (live, tried) = (live.as_object().unwrap_or(&empty), tried.as_object().unwrap_or(&empty));
    let counts = |key: &&String| key.as_str() != "metadata" && key.as_str() != "status";
    live.keys().filter(counts).all(|key| live.get(key) == tried.get(key))
        && tried.keys().filter(counts).all(|key| live.contains_key(key))
}

/// Takes out what nobody compares: the bookkeeping of fields, and ignored paths.
pub fn strip(object: &mut Value, ignored: &[String]) {
    for path in ["/metadata/managedFields"].into_iter().chain(ignored.iter().map(String::as_str)) {
        take(object, path);
    }
}

/// Removes what a pointer points at and returns it.
fn take(value: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, last) = pointer.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent)? {
        Value::Object(fields) => fields.shift_remove(&last),
        Value::Array(items) => {
            let at: usize = last.parse().ok()?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}

/// The payload for an object that has to be written although ignored paths of it differ: a path
/// that another applier owns is left out, any other is sent as it is there.
pub fn without_ignored(payload: Value, live: &Value, tried: &Value, ignored: &[String]) -> Value {
    let mut payload = payload;
    for path in ignored.iter().filter(|path| live.pointer(path) != tried.pointer(path)) {
        match live.pointer(path) {
            Some(there) if !others_own(live, path) => put(&mut payload, path, there),
            _ => {
                take(&mut payload, path);
            }
        }
    }
    payload
}

fn put(value: &mut Value, pointer: &str, new: &Value) {
    if let Some(old) = value.pointer_mut(pointer) {
        *old = new.clone();
        return;
    }
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(fields)) = value.pointer_mut(parent) {
        fields.insert(last.replace("~1", "/").replace("~0", "~"), new.clone());
    }
}

/// Whether an Apply manager other than ours owns the field.
fn others_own(live: &Value, pointer: &str) -> bool {
    let entries = live["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().any(|entry| {
        entry["operation"] == "Apply"
            && entry["subresource"].as_str().unwrap_or_default().is_empty()
            && entry["manager"] != "kustomize-controller"
            && owns(&entry["fieldsV1"], live, pointer)
    })
}

/// Follows a pointer through the object and through a set of fields, in which list items stand under their keys.
fn owns(fields: &Value, live: &Value, pointer: &str) -> bool {
    let (mut fields, mut live) = (fields, live);
    for part in pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")) {
        let (inner, next) = match live {
            Value::Array(items) => {
                let Some(item) = part.parse::<usize>().ok().and_then(|at| items.get(at)) else {
                    return false;
                };
                (item_fields(fields, item), Some(item))
            }
            _ => (fields.get(format!("f:{part}")), live.get(&part)),
        };
        match (inner, next) {
            (Some(inner), Some(next)) => (fields, live) = (inner, next),
            _ => return false,
        }
    }
    true
}

/// The fields of a list item under its key fields. A plain value is nobody's but ours, as in the reference.
fn item_fields<'a>(fields: &'a Value, item: &Value) -> Option<&'a Value> {
    fields.as_object()?.iter().find_map(|(name, inner)| {
        let keys: Value = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
        keys.as_object()?.iter().all(|(key, value)| item.get(key) == Some(value)).then_some(inner)
    })
}

/// A definition with a conversion certificate that is no certificate, without it; any other
/// object as it is.
pub fn mended(payload: &Value) -> Value {
    let mut payload = payload.clone();
    const BUNDLE: &str = "/spec/conversion/webhook/clientConfig/caBundle";
    if object::kind(&payload) == "CustomResourceDefinition"
        && payload.pointer(BUNDLE).is_some_and(|bundle| !is_certificate(bundle))
    {
        take(&mut payload, BUNDLE);
    }
    payload
}

fn is_certificate(bundle: &Value) -> bool {
    use base64::Engine;
    let decoded = bundle.as_str().and_then(|b| base64::engine::general_purpose::STANDARD.decode(b).ok());
    decoded.is_some_and(|pem| certificate::check(&pem).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_and_status_do_not_count() {
        let live = json!({"kind": "A", "metadata": {"resourceVersion": "1", "labels": {"a": "b"}}, "data": {"k": 1}, "status": {"x": 1}});
        let mut tried = json!({"kind": "A", "metadata": {"resourceVersion": "2", "labels": {"a": "b"}}, "data": {"k": 1}});
        assert!(!differs(&live, &tried, &[]));
        tried["metadata"]["annotations"] = json!({"n": "1"});
        assert!(differs(&live, &tried, &[]));
        tried["metadata"]["annotations"] = json!({});
        tried["data"]["k"] = 2.into();
        assert!(differs(&live, &tried, &[]));
        assert!(!differs(&live, &tried, &["/data/k".into()]));
        tried["more"] = 1.into();
        assert!(differs(&live, &tried, &["/data/k".into()]));
    }

    #[test]
    fn ignored_paths_keep_what_is_there() {
        let live = json!({"spec": {"replicas": 5, "other": 1}, "metadata": {"managedFields": []}});
        let payload = json!({"spec": {"replicas": 1, "other": 2}});
        let sent = without_ignored(payload.clone(), &live, &payload, &["/spec/replicas".into()]);
        assert_eq!(sent, json!({"spec": {"replicas": 5, "other": 2}}));
        let owned = json!({"spec": {"replicas": 5}, "metadata": {"managedFields": [
            {"manager": "hpa", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}});
        let sent = without_ignored(payload.clone(), &owned, &payload, &["/spec/replicas".into()]);
        assert_eq!(sent, json!({"spec": {"other": 2}}));
    }

    #[test]
    fn list_items_are_found_by_their_keys() {
        let owned = json!({"spec": {"containers": [{"name": "a", "image": "x:2"}]}, "metadata": {"managedFields": [
            {"manager": "updater", "operation": "Apply", "fieldsV1":
                {"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}}}}]}});
        let payload = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}]}});
        let sent = without_ignored(payload.clone(), &owned, &payload, &["/spec/containers/0/image".into()]);
        assert_eq!(sent, json!({"spec": {"containers": [{"name": "a"}]}}));
    }
}
