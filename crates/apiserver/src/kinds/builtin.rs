//! Built-in kinds: what the facts of the schema say of them.

use std::sync::Arc;

use sealfast_k8s::schema;
use serde_json::Value;

use super::{Column, Group, Resource, Subresource, Version, api_version, split_api_version};
use crate::fields;
use crate::shape::Shape;
use crate::storage;

/// All groups that are there without definitions.
pub(super) fn groups() -> Vec<Group> {
    schema::groups().iter().map(group).filter(|group| !group.versions.is_empty()).collect()
}

fn group(group: &schema::Group) -> Group {
    let version = |version: &schema::Version| {
        let kept = version.resources.iter().filter(|resource| !LEFT_OUT.contains(&&*resource.name));
        let resources: Vec<_> =
            kept.map(|resource| Arc::new(built(resource, &group.group, &version.version))).collect();
        Version { name: version.version.clone(), resources }
    };
    let versions: Vec<Version> =
        group.versions.iter().map(version).filter(|version| !version.resources.is_empty()).collect();
    Group { name: group.group.clone(), custom: false, versions }
}

fn built(fact: &schema::Resource, group: &str, version: &str) -> Resource {
    let subresource = |(name, fact): (&String, &Value)| Subresource {
        name: name.clone(),
        kind: fields::text(fact, &["kind"]).into(),
        verbs: fact["verbs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        api: fact["gvk"].as_str().map(|gvk| {
            let (group, version) = split_api_version(gvk);
            (group.to_owned(), version.to_owned())
        }),
    };
    let column = |(name, kind, priority, format): &(String, String, i32, String)| Column {
        description: format!("{name} of the object."),
        name: name.clone(),
        kind: kind.clone(),
        priority: i64::from(*priority),
        format: format.clone(),
        path: String::new(),
    };
    let kept = |(name, _): &(&String, &Value)| !SUBRESOURCES_LEFT_OUT.contains(&name.as_str());
    Resource {
        key: storage_key(group, &fact.name).into(),
        group: group.into(),
        version: version.into(),
        list_kind: format!("{}List", fact.kind),
        shape: Shape::builtin(group, version, &fact.kind),
        plural: fact.name.clone(),
        singular: fact.singular.clone(),
        kind: fact.kind.clone(),
        namespaced: fact.namespaced,
        verbs: fact.verbs.clone(),
        short_names: fact.short_names.clone(),
        categories: fact.categories.clone(),
        subresources: fact.subresources.iter().filter(kept).map(subresource).collect(),
        columns: fact.columns.iter().map(column).collect(),
        hash: fact.storage_version_hash.clone(),
        custom: None,
        deprecation: (fact.kind == "Endpoints").then(|| ENDPOINTS.to_owned()),
        shown_as_kept: Some(storage::head(&api_version(group, version), &fact.kind)),
    }
}

/// What a built-in resource is stored under.
fn storage_key(group: &str, plural: &str) -> String {
    match group {
        "" | "events.k8s.io" => plural.into(),
        _ => format!("{plural}.{group}"),
    }
}

/// The apiVersion in which a built-in kind is stored.
pub(super) fn stored_api_version(resource: &Resource) -> String {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("events.k8s.io", "Event") => "v1".into(),
        ("autoscaling", "HorizontalPodAutoscaler") => "autoscaling/v2".into(),
        _ => resource.api_version(),
    }
}

const ENDPOINTS: &str = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
/// Kinds that need a scheduler, a kubelet or an aggregator behind them.
const LEFT_OUT: [&str; 1] = ["componentstatuses"];
const SUBRESOURCES_LEFT_OUT: [&str; 4] = ["attach", "exec", "log", "portforward"];
