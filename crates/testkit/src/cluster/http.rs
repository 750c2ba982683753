//! The wire of the stand-in cluster: discovery, lists, single objects, patches.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::kinds::{self, Kind};
use super::{Objects, Place, entry, group_versions};
use crate::loopback::Loopback;

/// Starts to serve the objects.
pub(super) fn serve(objects: Arc<Mutex<Objects>>) -> Result<Loopback> {
    Loopback::start(Router::new().fallback(answer).with_state(objects), None)
}

async fn answer(
    State(objects): State<Arc<Mutex<Objects>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
    let request = Request::read(&method, &uri, &headers, &body);
    let plural = request.as_ref().map_or("", |request| request.kind.plural);
    let refused = objects.refusal(&method, [uri.path(), plural]);
    let (status, value) = match refused.map_or(request, Err) {
        Ok(request) if request.subresource == "log" => return request.log(&objects).into_response(),
        Ok(request) => request.answer(&mut objects),
        Err(answer) => answer,
    };
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

type Answer = (StatusCode, Value);

impl Objects {
    /// The answer to a request that a test has refused.
    fn refusal(&self, method: &Method, asked: [&str; 2]) -> Option<Answer> {
        let fits = |(refused, what, ..): &&(String, String, u16, String)| {
            method == refused.as_str() && asked.contains(&what.as_str())
        };
        let (_, _, code, message) = self.refused.iter().find(fits)?;
        let status = StatusCode::from_u16(*code).ok()?;
        let reason = match *code {
            403 => "Forbidden",
            422 => "Invalid",
            _ => "InternalError",
        };
        let told = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        Some((status, told))
    }
}

/// One request about objects.
struct Request<'a> {
    method: &'a Method,
    kind: &'static Kind,
    namespace: String,
    name: String,
    subresource: String,
    query: String,
    applies: bool,
    body: Value,
}

impl<'a> Request<'a> {
    fn read(method: &'a Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Result<Self, Answer> {
        let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        let (group, rest) = match parts.as_slice() {
            ["version"] => return Err((StatusCode::OK, version())),
            ["api"] => {
                return Err((
                    StatusCode::OK,
                    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
                ));
            }
            ["apis"] => return Err((StatusCode::OK, groups())),
            ["apis", group] => return Err(one_group(group)),
            ["api", rest @ ..] => ("", rest),
            ["apis", group, rest @ ..] => (*group, rest),
            _ => return Err(unknown_path()),
        };
        let (version, namespace, rest) = match rest {
            [version, "namespaces", namespace, rest @ ..] if !rest.is_empty() => (*version, *namespace, rest),
            [version, rest @ ..] => (*version, "", rest),
            [] => return Err(unknown_path()),
        };
        let Some((plural, rest)) = rest.split_first() else { return Err(resources(group, version)) };
        let kind = kinds::at(group, version, plural).ok_or_else(unknown_path)?;
        let text = |name: header::HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        Ok(Self {
            method,
            kind,
            namespace: namespace.to_owned(),
            name: rest.first().copied().unwrap_or_default().to_owned(),
            subresource: rest.get(1).copied().unwrap_or_default().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            applies: text(header::CONTENT_TYPE).contains("apply-patch"),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
        })
    }

    fn answer(self, objects: &mut Objects) -> Answer {
        match *self.method {
            Method::GET if self.name.is_empty() => self.list(objects),
            Method::GET => match objects.all.get(&self.place()) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => self.missing(),
            },
            Method::DELETE => match objects.all.remove(&self.place()) {
                Some(_) => {
                    (StatusCode::OK, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
                }
                None => self.missing(),
            },
            _ => self.write(objects),
        }
    }

    fn place(&self) -> Place {
        (self.kind.group.to_owned(), self.kind.plural.to_owned(), self.namespace.clone(), self.name.clone())
    }

    fn list(&self, objects: &Objects) -> Answer {
        let fits = |((group, plural, namespace, _), object): &(&Place, &Value)| {
            *group == self.kind.group
                && *plural == self.kind.plural
                && (self.namespace.is_empty() || *namespace == self.namespace)
                && selected(object, &self.query)
        };
        let items: Vec<&Value> = objects.all.iter().filter(fits).map(|(_, object)| object).collect();
        let version = objects.version.to_string();
        let list = json!({
            "kind": format!("{}List", self.kind.kind), "apiVersion": api_version(self.kind),
            "metadata": {"resourceVersion": version}, "items": items,
        });
        (StatusCode::OK, list)
    }

    /// What a pod says: the text of its annotation `log`, with the query where it has `{query}`.
    fn log(&self, objects: &Objects) -> (StatusCode, String) {
        let Some(pod) = objects.all.get(&self.place()) else {
            let (status, value) = self.missing();
            return (status, value.to_string());
        };
        let text = pod["metadata"]["annotations"]["log"].as_str().unwrap_or_default();
        (StatusCode::OK, text.replace("{query}", &self.query))
    }

    fn missing(&self) -> Answer {
        let Kind { group, plural, .. } = self.kind;
        let resource = if group.is_empty() { (*plural).to_owned() } else { format!("{plural}.{group}") };
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404,
            "message": format!("{resource} {:?} not found", self.name),
            "details": {"name": self.name, "group": group, "kind": plural},
        });
        (StatusCode::NOT_FOUND, status)
    }

    fn write(mut self, objects: &mut Objects) -> Answer {
        if *self.method == Method::POST {
            self.name = self.body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if self.kind.namespaced {
                entry(&mut self.body, "metadata")
                    .insert("namespace".to_owned(), self.namespace.clone().into());
            }
        }
        let old = match *self.method {
            Method::POST => None,
            _ => objects.all.get(&self.place()).cloned(),
        };
        if old.is_none() && *self.method != Method::POST && !self.applies {
            return self.missing();
        }
        let mut new = match *self.method {
            Method::POST => self.body.clone(),
            Method::PUT => self.body.clone(),
            _ if self.applies => merged(old.clone().unwrap_or(json!({})), &cleaned(&self.body)),
            _ => merged(old.clone().unwrap_or(json!({})), &self.body),
        };
        if *self.method == Method::PUT && self.subresource != "status" {
            new["status"] = old.as_ref().map_or(Value::Null, |old| old["status"].clone());
        }
        let code = if old.is_some() { StatusCode::OK } else { StatusCode::CREATED };
        if self.query.contains("dryRun=All") {
            entry(&mut new, "metadata").entry("uid").or_insert(json!("dry"));
            return (code, new);
        }
        (code, objects.write(self.kind, old.as_ref(), new))
    }
}

/// What is applied without what a typed client adds and a real server would drop: nulls and empty maps.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), cleaned(value)));
            let says_nothing = |value: &Value| value.is_null() || *value == json!({});
            Value::Object(fields.filter(|(_, value)| !says_nothing(value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(cleaned).collect()),
        value => value.clone(),
    }
}

/// Merges a JSON merge patch.
fn merged(mut object: Value, patch: &Value) -> Value {
    let Some(patch) = patch.as_object() else { return patch.clone() };
    if !object.is_object() {
        object = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().map(|map| map.shift_remove(key));
        } else {
            object[key] = merged(object[key].take(), value);
        }
    }
    object
}

/// Label and field selectors of a query.
fn selected(object: &Value, query: &str) -> bool {
    let parameter = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decoded(value));
        found.unwrap_or_default()
    };
    let labels = &object["metadata"]["labels"];
    let holds = |term: &str, look: &dyn Fn(&str) -> Option<String>| {
        if let Some((key, value)) = term.split_once("!=") {
            look(key).as_deref() != Some(value)
        } else if let Some((key, value)) = term.split_once('=') {
            look(key).unwrap_or_default() == value.trim_start_matches('=')
        } else {
            look(term).is_some()
        }
    };
    let label = |key: &str| labels[key].as_str().map(str::to_owned);
    let field = |path: &str| {
        let value = object.pointer(&format!("/{}", path.replace('.', "/")))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let all = |selector: String, look: &dyn Fn(&str) -> Option<String>| {
        selector.split(',').filter(|term| !term.is_empty()).all(|term| holds(term, look))
    };
    all(parameter("labelSelector"), &label) && all(parameter("fieldSelector"), &field)
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = || u8::from_str_radix(std::str::from_utf8(more.get(..2)?).ok()?, 16).ok();
        match (first, code()) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            (first, _) => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn api_version(kind: &Kind) -> String {
    if kind.group.is_empty() { kind.version.to_owned() } else { format!("{}/{}", kind.group, kind.version) }
}

fn version() -> Value {
    json!({"major": "1", "minor": "34", "gitVersion": "v1.34.1", "platform": "linux/amd64"})
}

fn groups() -> Value {
    let known = group_versions().into_iter().filter(|(group, _)| !group.is_empty());
    let groups: Vec<Value> = known.map(|(name, version)| group(name, version)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn one_group(name: &str) -> Answer {
    match group_versions().into_iter().find(|(known, _)| *known == name) {
        Some((name, version)) => (StatusCode::OK, group(name, version)),
        None => unknown_path(),
    }
}

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str, version: &str) -> Answer {
    let served: Vec<&Kind> =
        kinds::ALL.iter().filter(|kind| kind.group == group && kind.version == version).collect();
    let Some(first) = served.first() else { return unknown_path() };
    let verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];
    let rows: Vec<Value> = served
        .iter()
        .map(|kind| {
            json!({
                "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": verbs, "shortNames": kinds::short_names(kind.plural),
            })
        })
        .collect();
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version(first), "resources": rows,
    });
    (StatusCode::OK, list)
}

fn unknown_path() -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": "the server could not find the requested resource",
    });
    (StatusCode::NOT_FOUND, status)
}
