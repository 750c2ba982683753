//! Names, labels, annotations, finalizers and owners.

use serde_json::{Value, json};

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
    } else if matches!(&*resource.key, "namespaces" | "services") {
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
                causes.push(Cause::invalid(
                    format!("metadata.ownerReferences.{key}"),
                    &shown,
                    "must not be empty",
                ));
            }
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

fn segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|part| name.contains(**part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// A lower-case label of at most 63 bytes.
pub(super) fn label(name: &str) -> Vec<String> {
    if name.contains('.') {
        return vec!["must not contain dots".into()];
    }
    let mut whys = Vec::new();
    if name.len() > 63 {
        whys.push("must be no more than 63 bytes".into());
    }
    if !is_label(name) {
        whys.push(LABEL.into());
    }
    whys
}

/// Labels joined by dots, at most 253 bytes.
pub(super) fn subdomain(name: &str) -> Vec<String> {
    let mut whys = Vec::new();
    if name.len() > 253 {
        whys.push("must be no more than 253 characters".into());
        return whys;
    }
    if !name.split('.').all(is_label) {
        whys.push(SUBDOMAIN.into());
    }
    whys
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|&byte| inner(byte))
        && bytes.last().is_some_and(|&byte| inner(byte))
        && bytes.iter().all(|&byte| inner(byte) || byte == b'-')
}

fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// What is wrong with the key of a label or annotation, or the name of a finalizer.
pub(crate) fn qualified(key: &str) -> Vec<String> {
    let mut whys = Vec::new();
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                whys.push("prefix part must be non-empty".into());
            } else {
                whys.extend(subdomain(prefix).into_iter().map(|why| format!("prefix part {why}")));
            }
            *name
        }
        _ => {
            return vec![format!(
                "a qualified name {WORD} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        whys.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        whys.push("name part must be no more than 63 bytes".into());
    }
    if !is_word(name) {
        whys.push(format!("name part {WORD}"));
    }
    whys
}

/// What is wrong with the value of a label.
pub(crate) fn label_value(value: &str) -> Vec<String> {
    let mut whys = Vec::new();
    if value.len() > 63 {
        whys.push("must be no more than 63 bytes".into());
    }
    if !value.is_empty() && !is_word(value) {
        whys.push(LABEL_VALUE.into());
    }
    whys
}

const ANNOTATIONS: usize = 256 << 10;
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const WORD: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
