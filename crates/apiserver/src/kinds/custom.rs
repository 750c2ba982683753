//! Custom kinds: what a definition says, version by version.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Column, Custom, Resource, Subresource, api_version, priority};
use crate::fields;
use crate::shape::Shape;
use crate::storage;
use crate::validate;

/// A definition's resource in each version that is served.
pub(super) fn resources(definition: &Value) -> Vec<Arc<Resource>> {
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let served = versions.iter().filter(|version| version["served"] == true);
    served.filter_map(|version| custom(definition, version, versions)).map(Arc::new).collect()
}

fn custom(definition: &Value, version: &Value, versions: &[Value]) -> Option<Resource> {
    let names = definition.get("status")?.get("acceptedNames")?;
    let storage = versions.iter().find(|version| version["storage"] == true)?;
    let spec = definition.get("spec")?;
    let text = |value: &Value, key: &str| fields::text(value, &[key]).to_owned();
    let (group, plural, kind) = (text(spec, "group"), text(names, "plural"), text(names, "kind"));
    let schema = schema_of(version);
    let api = api_version(&group, fields::text(version, &["name"]));
    let unchanged = version["name"] == storage["name"] && !validate::has_defaults(&schema);
    Some(Resource {
        deprecation: (version["deprecated"] == true).then(|| deprecation(version, versions, &group, &kind)),
        shown_as_kept: unchanged.then(|| storage::head(&api, &kind)),
        version: text(version, "name"),
        singular: text(names, "singular"),
        list_kind: text(names, "listKind"),
        namespaced: fields::text(spec, &["scope"]) == "Namespaced",
        verbs: VERBS.iter().map(|&verb| verb.into()).collect(),
        short_names: strings(&names["shortNames"]),
        categories: strings(&names["categories"]),
        subresources: subresources(version, &kind),
        columns: columns(version),
        key: format!("{plural}.{group}").into(),
        hash: storage_hash(&group, fields::text(storage, &["name"]), &kind),
        shape: Shape::custom(&schema),
        custom: Some(Custom {
            terminating: fields::is_deleting(definition),
            storage_version: text(storage, "name"),
            storage_shape: Shape::custom(&schema_of(storage)),
            scale: version["subresources"].get("scale").cloned(),
            selectable: selectable(version),
            schema,
        }),
        group,
        plural,
        kind,
    })
}

fn schema_of(version: &Value) -> Value {
    version["schema"]["openAPIV3Schema"].clone()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Paths of the fields that objects may be selected by, as field selectors write them.
fn selectable(version: &Value) -> Vec<String> {
    let path =
        |field: &Value| field["jsonPath"].as_str().unwrap_or_default().trim_start_matches('.').to_owned();
    version["selectableFields"].as_array().into_iter().flatten().map(path).collect()
}

/// What is told of a version that is on its way out.
fn deprecation(version: &Value, versions: &[Value], group: &str, kind: &str) -> String {
    match fields::text(version, &["deprecationWarning"]) {
        "" => {
            let api = api_version(group, fields::text(version, &["name"]));
            let newer = successor(version, versions).map(|name| format!("; use {group}/{name} {kind}"));
            format!("{api} {kind} is deprecated{}", newer.unwrap_or_default())
        }
        stated => stated.to_owned(),
    }
}

/// The newest version that is served, newer than a deprecated one, and not deprecated itself.
fn successor<'a>(version: &Value, versions: &'a [Value]) -> Option<&'a str> {
    let rank = |version: &Value| priority(fields::text(version, &["name"]));
    let fit = |other: &&Value| {
        other["served"] == true && other["deprecated"] != true && rank(other) > rank(version)
    };
    versions.iter().filter(fit).max_by_key(|other| rank(other)).map(|other| fields::text(other, &["name"]))
}

/// Tells in which version objects are stored, without saying it.
fn storage_hash(group: &str, version: &str, kind: &str) -> String {
    let digest = Sha256::digest(format!("{group}/{version}/{kind}"));
    STANDARD.encode(&digest[..8])
}

fn subresources(version: &Value, kind: &str) -> Vec<Subresource> {
    let verbs = || ["get", "patch", "update"].map(str::to_owned).to_vec();
    let mut out = Vec::new();
    if version["subresources"].get("status").is_some() {
        out.push(Subresource { name: "status".into(), kind: kind.into(), verbs: verbs(), api: None });
    }
    if version["subresources"].get("scale").is_some() {
        let api = Some(("autoscaling".to_owned(), "v1".to_owned()));
        out.push(Subresource { name: "scale".into(), kind: "Scale".into(), verbs: verbs(), api });
    }
    out
}

fn columns(version: &Value) -> Vec<Column> {
    let column = |name: &str, kind: &str, format: &str| Column {
        name: name.into(),
        kind: kind.into(),
        priority: 0,
        format: format.into(),
        description: String::new(),
        path: String::new(),
    };
    let mut out = vec![column("Name", "string", "name")];
    out[0].description = "Name of the object, unique in its namespace.".into();
    let stated = version["additionalPrinterColumns"].as_array().filter(|list| !list.is_empty());
    let Some(stated) = stated else {
        let mut age = column("Age", "date", "");
        age.path = ".metadata.creationTimestamp".into();
        age.description = "Time since the object was created.".into();
        out.push(age);
        return out;
    };
    for stated in stated {
        let mut made = column(
            fields::text(stated, &["name"]),
            fields::text(stated, &["type"]),
            fields::text(stated, &["format"]),
        );
        made.path = fields::text(stated, &["jsonPath"]).into();
        made.priority = stated["priority"].as_i64().unwrap_or(0);
        made.description = match fields::text(stated, &["description"]) {
            "" => format!("Custom resource definition column (in JSONPath format): {}", made.path),
            text => text.into(),
        };
        out.push(made);
    }
    out
}

/// Order as the reference lists the verbs of custom kinds.
const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
