//! Discovery: groups, versions and resources, in the old form and aggregated.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::http::{Answer, Content, Encoding, Form, Request, TYPES, negotiate};
use crate::kinds::{Group, Resource, Version, api_version};
use crate::status_error::Status;

/// Answers below `/api` and `/apis`.
pub(crate) fn serve(app: &Arc<App>, request: &Request, parts: &[String]) -> Result<Answer, Status> {
    let mut answer = found(app, request, parts)?;
    if let Content::Json(value) = &answer.content
        && let Ok((_, Encoding::Yaml)) = negotiate(&request.headers, TYPES)
    {
        answer.content = Content::Yaml(sealfast_yaml::json::to_yaml(value));
    }
    Ok(answer)
}

fn found(app: &Arc<App>, request: &Request, parts: &[String]) -> Result<Answer, Status> {
    let kinds = app.kinds.current();
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version) = match words.as_slice() {
        ["api"] | ["apis"] => {
            method(request)?;
            return roots(&kinds.groups, words[0], request);
        }
        ["api", version] => ("", Some(*version)),
        ["apis", group] => (*group, None),
        ["apis", group, version] => (*group, Some(*version)),
        _ => return Ok(Answer::no_page()),
    };
    let Some(group) = kinds.group(group).filter(|group| group.name.is_empty() == (words[0] == "api")) else {
        return Ok(Answer::no_page());
    };
    let version = match version {
        None => None,
        Some(version) => match group.versions.iter().find(|known| known.name == version) {
            None if group.custom => return Ok(Answer::no_page()),
            None => return Err(Status::no_resource()),
            found => found,
        },
    };
    method(request)?;
    negotiate(&request.headers, TYPES)?;
    let shown = version.map_or_else(|| group_json(group, Root::Yes), |version| resources(group, version));
    Ok(Answer::json(200, shown))
}

fn method(request: &Request) -> Result<(), Status> {
    match request.method {
        http::Method::GET => Ok(()),
        _ => Err(Status::method_not_allowed()),
    }
}

fn roots(groups: &[Group], word: &str, request: &Request) -> Result<Answer, Status> {
    let (form, _) = negotiate(&request.headers, TYPES)?;
    let core = |group: &&Group| group.name.is_empty() == (word == "api");
    if let Form::Discovery(version) = form {
        let items: Vec<Value> = groups.iter().filter(core).map(aggregated).collect();
        let list = json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
            "metadata": {}, "items": items,
        });
        let content_type =
            format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        let mut answer = Answer::json(200, Value::Null);
        let bytes = serde_json::to_vec(&list).unwrap_or_default();
        answer.content = Content::Bytes { content_type, bytes: bytes.into() };
        return Ok(answer);
    }
    if word == "api" {
        let host = request.header(&http::header::HOST);
        let addresses = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]);
        return Ok(Answer::json(
            200,
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}),
        ));
    }
    let list: Vec<Value> = groups.iter().filter(core).map(|group| group_json(group, Root::No)).collect();
    Ok(Answer::json(200, json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})))
}

#[derive(PartialEq)]
enum Root {
    Yes,
    No,
}

fn group_json(group: &Group, root: Root) -> Value {
    let version = |version: &Version| json!({"groupVersion": api_version(&group.name, &version.name), "version": version.name});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    let preferred = versions.first().cloned().unwrap_or(Value::Null);
    if root == Root::No {
        return json!({"name": group.name, "versions": versions, "preferredVersion": preferred});
    }
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": group.name, "versions": versions, "preferredVersion": preferred})
}

fn resources(group: &Group, version: &Version) -> Value {
    let mut list = Vec::new();
    for resource in &version.resources {
        list.push(resource_json(resource));
        for subresource in &resource.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural, subresource.name), "singularName": "",
                "namespaced": resource.namespaced, "kind": subresource.kind, "verbs": subresource.verbs,
            });
            if let Some((group, version)) = &subresource.api {
                entry["group"] = group.as_str().into();
                entry["version"] = version.as_str().into();
            }
            list.push(entry);
        }
    }
    let mut answer = json!({"kind": "APIResourceList"});
    // The oldest group does not say it.
    if !group.name.is_empty() {
        answer["apiVersion"] = "v1".into();
    }
    answer["groupVersion"] = api_version(&group.name, &version.name).into();
    answer["resources"] = list.into();
    answer
}

fn resource_json(resource: &Resource) -> Value {
    let mut entry = json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": resource.verbs,
    });
    names(&mut entry, resource);
    if !resource.hash.is_empty() {
        entry["storageVersionHash"] = resource.hash.as_str().into();
    }
    entry
}

fn names(entry: &mut Value, resource: &Resource) {
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
}

fn aggregated(group: &Group) -> Value {
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    let versions: Vec<Value> = group.versions.iter().map(aggregated_version).collect();
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_version(version: &Version) -> Value {
    let resources: Vec<Value> =
        version.resources.iter().map(|resource| aggregated_resource(resource)).collect();
    json!({"version": version.name, "resources": resources, "freshness": "Current"})
}

fn aggregated_resource(resource: &Resource) -> Value {
    // Built-in kinds leave group and version of their own version empty, custom ones state them.
    let (group, version) = if resource.custom.is_some() {
        (resource.group.as_str(), resource.version.as_str())
    } else {
        ("", "")
    };
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": {"group": group, "version": version, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    names(&mut entry, resource);
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|subresource| {
            let (group, version) = match &subresource.api {
                Some((group, version)) => (group.as_str(), version.as_str()),
                None => (group, version),
            };
            json!({
                "subresource": subresource.name,
                "responseKind": {"group": group, "version": version, "kind": subresource.kind},
                "verbs": subresource.verbs,
            })
        })
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}

/// The list of paths.
pub(crate) fn root(app: &Arc<App>) -> Answer {
    let mut paths: Vec<String> = ROOT_PATHS.iter().map(|&path| path.into()).collect();
    for group in &app.kinds.current().groups {
        if group.name.is_empty() {
            paths.push("/api/v1".into());
            continue;
        }
        paths.push(format!("/apis/{}", group.name));
        paths.extend(group.versions.iter().map(|version| format!("/apis/{}/{}", group.name, version.name)));
    }
    paths.sort();
    for_people(&json!({"paths": paths}))
}

/// What the server calls itself: the Kubernetes version whose behaviour it follows.
pub(crate) fn version() -> Answer {
    for_people(&json!({
        "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35", "gitVersion": concat!("v1.36.0+sealfast.", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "", "platform": concat!("linux/", "amd64"),
    }))
}

/// JSON with a field on each line.
fn for_people(value: &Value) -> Answer {
    let bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    Answer::bytes(200, "application/json", bytes.into())
}

/// How clients may check the tokens of service accounts: only by asking the server, which alone has the key.
pub(crate) fn openid(request: &Request) -> Value {
    let host = request.header(&http::header::HOST);
    json!({
        "issuer": crate::auth::token::ISSUER,
        "jwks_uri": format!("https://{host}/openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["HS256"],
    })
}

/// Paths that are no resources.
pub(crate) const ROOT_PATHS: [&str; 11] = [
    "/api",
    "/apis",
    "/healthz",
    "/healthz/ping",
    "/livez",
    "/livez/ping",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/readyz/ping",
    "/version",
];
