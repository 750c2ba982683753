//! Names, labels, annotations, finalizers and owners.

use serde_json::{Value, json};

use super::grammar::{label, label_value, qualified, segment, subdomain};
use crate::fields::{self, get, text};
use crate::kinds::Resource;
use crate::status_error::Cause;

/// What is wrong with the name of a new object.
pub(super) fn name(resource: &Resource, object: &Value) -> Vec<Cause> {
    let name = fields::name(object);
    if name.is_empty() {
        return vec![Cause::required("metadata.name", "name or generateName is required")];
    }
    let whys = if resource.group == "rbac.authorization.k8s.io" {
        segment(name)
    } else if matches!(&*resource.key, "namespaces" | "services" | "statefulsets.apps") {
        label(name)
    } else {
        subdomain(name)
    };
    whys.into_iter().map(|why| Cause::invalid("metadata.name", &json!(name), &why)).collect()
}

/// What is wrong with the rest of the metadata.
pub(super) fn rest(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let map = |key: &str| get(object, &["metadata", key]).and_then(Value::as_object);
    for (key, value) in map("labels").into_iter().flatten() {
        causes.extend(
            qualified(key).into_iter().map(|why| Cause::invalid("metadata.labels", &json!(key), &why)),
        );
        let value = value.as_str().unwrap_or_default();
        causes.extend(
            label_value(value).into_iter().map(|why| Cause::invalid("metadata.labels", &json!(value), &why)),
        );
    }
    let mut size = 0;
    for (key, value) in map("annotations").into_iter().flatten() {
        size += key.len() + value.as_str().unwrap_or_default().len();
        let lower = key.to_lowercase();
        causes.extend(
            qualified(&lower)
                .into_iter()
                .map(|why| Cause::invalid("metadata.annotations", &json!(key), &why)),
        );
    }
    if size > ANNOTATIONS {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {ANNOTATIONS} bytes"),
            field: "metadata.annotations".into(),
        });
    }
    for (at, finalizer) in fields::finalizers(object).into_iter().enumerate() {
        let field = format!("metadata.finalizers[{at}]");
        let whys = qualified(finalizer);
        if whys.is_empty()
            && !finalizer.contains('/')
            && !["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer)
            && !finalizer.contains('.')
        {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(field, &json!(finalizer), why));
        } else {
            causes.extend(whys.into_iter().map(|why| Cause::invalid(field.clone(), &json!(finalizer), &why)));
        }
    }
    causes.extend(owners(object));
    causes
}

fn owners(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let list = get(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    let mut controller: Option<&Value> = None;
    for reference in list.into_iter().flatten() {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if text(reference, &[key]).is_empty() {
                let shown = json!(text(reference, &[key]));
                let why = if key == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                causes.push(Cause::invalid(format!("metadata.ownerReferences.{key}"), &shown, why));
            }
        }
        let version = text(reference, &["apiVersion"]);
        if reference["kind"] == "Event"
            && ["v1", "events.k8s.io/v1", "events.k8s.io/v1beta1"].contains(&version)
        {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            let why = format!("{group}/{version}, Kind=Event is disallowed from being an owner");
            causes.push(Cause::invalid("metadata.ownerReferences", reference, &why));
        }
        if reference["controller"] == true {
            if let Some(first) = controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {}/{} and {}/{}",
                    text(first, &["kind"]),
                    text(first, &["name"]),
                    text(reference, &["kind"]),
                    text(reference, &["name"])
                );
                causes.push(Cause::invalid("metadata.ownerReferences", reference, &why));
            }
            controller = Some(reference);
        }
    }
    causes
}

const ANNOTATIONS: usize = 256 << 10;
