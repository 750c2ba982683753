//! Requests for resources: which verb a request is, and who answers it.

pub(crate) mod create;
pub(crate) mod delete;
mod eviction;
pub(crate) mod get;
pub(crate) mod list;
mod parts;
pub(crate) mod patch;
pub(crate) mod pods;
mod reviews;
mod rights;
pub(crate) mod scale;
pub(crate) mod update;
mod watch;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::app::App;
use crate::auth::Attributes;
use crate::call::Call;
use crate::go_text;
use crate::http::{Answer, Form, Request, ResourcePath};
use crate::kinds::Resource;
use crate::select::Selection;
use crate::status_error::Status;

/// The verb that RBAC knows a request by; `name` is empty for collections.
fn verb(request: &Request, name: &str) -> &'static str {
    let named = !name.is_empty();
    match request.method.as_str() {
        "GET" | "HEAD" if named => "get",
        "GET" | "HEAD" if request.query.flag("watch") => "watch",
        "GET" | "HEAD" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if named => "delete",
        "DELETE" => "deletecollection",
        _ => "",
    }
}

/// Whether a read, of one object or a collection, looks into what is stored instead of copying it.
pub(crate) fn reads_inside(request: &Request, resource: &Resource, named: bool) -> bool {
    if !named && request.query.flag("watch") {
        return false;
    }
    let accepted: Vec<&str> = request
        .headers
        .get_all(http::header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let is_shaped = accepted.iter().any(|text| text.contains("as=Table") || text.contains("yaml"));
    let selected = request.query.text("fieldSelector");
    let selects_inside = || {
        let selection = Selection::parse("", selected, resource);
        selection.is_ok_and(|selection| !selection.looks_at_marks_alone())
    };
    is_shaped || resource.shown_as_kept.is_none() || (!named && !selected.is_empty() && selects_inside())
}

/// What RBAC is asked about a request.
pub(crate) fn attributes(request: &Request, path: &ResourcePath) -> Attributes {
    let resource = match &path.subresource {
        Some(sub) => format!("{}/{sub}", path.resource),
        None => path.resource.clone(),
    };
    let namespace = match (&path.namespace, path.resource.as_str(), &path.name) {
        (None, "namespaces", Some(name)) if path.group.is_empty() => name.clone(),
        (namespace, ..) => namespace.clone().unwrap_or_default(),
    };
    let verb = verb(request, path.name.as_deref().unwrap_or_default());
    let named = || crate::select::only_name(request.query.text("fieldSelector"));
    let selected = || SELECTING.contains(&verb).then(named).flatten();
    Attributes {
        verb: verb.into(),
        group: path.group.clone(),
        resource,
        namespace,
        name: path.name.clone().or_else(selected).unwrap_or_default(),
        path: None,
    }
}

/// Verbs over a collection that a field selector can narrow to one name, which they are then asked about; to delete
/// takes the right to delete them all.
const SELECTING: [&str; 2] = ["list", "watch"];

/// Answers a request for a resource.
pub(crate) async fn serve(app: &Arc<App>, request: &Request, path: &ResourcePath) -> Answer {
    answer(app, request, path).await.unwrap_or_else(Answer::from)
}

async fn answer(app: &Arc<App>, request: &Request, path: &ResourcePath) -> Result<Answer, Status> {
    let kinds = app.kinds.current();
    let Some(group) = kinds.group(&path.group) else { return Ok(Answer::no_page()) };
    let found = kinds.resource(&path.group, &path.version, &path.resource).cloned();
    let resource = match found {
        Some(resource) if resource.namespaced || path.namespace.is_none() => resource,
        _ if group.custom => return Ok(Answer::no_page()),
        _ => return Err(Status::no_resource()),
    };
    if resource.namespaced && path.namespace.is_none() && path.name.is_some() {
        return if group.custom { Ok(Answer::no_page()) } else { Err(Status::no_resource()) };
    }
    if let Some(name) = &path.name {
        if name.is_empty()
            && path.subresource.as_deref().is_none_or(|sub| resource.subresource(sub).is_none())
        {
            return Err(Status::no_resource());
        }
        check_name(name)?;
    }
    let lists = path.name.is_none() && request.method == http::Method::GET;
    let types = match (group.custom, lists) {
        (true, _) => "",
        (false, true) => crate::http::STREAM_TYPES,
        (false, false) => crate::http::TYPES,
    };
    let (form, encoding) = crate::http::negotiate(&request.headers, types)?;
    let form = fitting(form, request, path.name.is_some())?;
    let call = Call {
        app,
        request,
        resource,
        namespace: path.namespace.clone().unwrap_or_default(),
        name: path.name.clone().unwrap_or_default(),
        subresource: path.subresource.clone().unwrap_or_default(),
        form,
        encoding,
        told: Mutex::default(),
        tolerated: Mutex::default(),
    };
    let outcome = dispatch(&call, path.namespace.is_some()).await;
    let refused = |status: Status| Answer::from(status).warned(std::mem::take(&mut *call.told.lock()));
    let mut answer = outcome.unwrap_or_else(refused);
    answer.warnings.append(&mut call.tolerated.lock());
    // Of built-in kinds only what is served is called deprecated.
    let serves = call.subresource.is_empty()
        || call.resource.custom.is_some()
        || call.resource.subresource(&call.subresource).is_some();
    answer.warnings.splice(0..0, call.resource.deprecation.clone().filter(|_| serves));
    Ok(answer)
}

/// A name is one part of a path, whatever it was written as.
fn check_name(name: &str) -> Result<(), Status> {
    let whys = crate::grammar::segment(name);
    match name {
        "" => Err(Status::bad_request("name must be provided")),
        _ if whys.is_empty() => Ok(()),
        _ => Err(Status::bad_request(format!(
            "Name parameter invalid: {}: {}",
            go_text::quoted(name),
            whys.join(";")
        ))),
    }
}

/// The form of an answer to a request, where it can be given.
fn fitting(form: Form, request: &Request, named: bool) -> Result<Form, Status> {
    let reads = request.method == http::Method::GET;
    let lists = !named && !request.query.flag("watch");
    let misfit = |wanted: &str, found: &str| {
        let why = format!("you requested {wanted}, but the requested object is {found}");
        Err(Status::plain(406, "NotAcceptable", why))
    };
    match form {
        Form::Partial if reads && lists => misfit("PartialObjectMetadata", "a list"),
        Form::PartialList if reads && named => misfit("PartialObjectMetadataList", "not a list"),
        Form::PartialList => Ok(Form::Partial),
        Form::Table(_)
            if !["", "None", "Metadata", "Object"].contains(&request.query.text("includeObject")) =>
        {
            let stated = request.query.text("includeObject");
            Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: \"{stated}\": must be 'Metadata', 'Object', 'None', or empty"
            )))
        }
        form => Ok(form),
    }
}

async fn dispatch(call: &Call<'_>, in_namespace: bool) -> Result<Answer, Status> {
    if call.request.method == http::Method::HEAD {
        return Err(Status::method_not_allowed());
    }
    let verb = verb(call.request, &call.name);
    if !call.subresource.is_empty() {
        return subresource(call, verb).await;
    }
    if verb.is_empty() || !call.resource.allows(verb) {
        return Err(Status::method_not_allowed());
    }
    let needs_namespace = matches!(verb, "create" | "deletecollection");
    if call.resource.namespaced && !in_namespace && needs_namespace {
        return Err(Status::method_not_allowed());
    }
    if verb == "create" && !call.name.is_empty() {
        return Err(Status::method_not_allowed());
    }
    if matches!(verb, "update" | "patch") && call.name.is_empty() {
        return Err(Status::method_not_allowed());
    }
    if reviews::is_review(&call.resource) {
        return reviews::create(call);
    }
    if &*call.resource.key == "bindings" {
        return pods::bind(call);
    }
    match verb {
        "get" => get::one(call).await,
        "list" => list::all(call).await,
        "watch" => watch::start(call).await,
        "create" => create::from_request(call),
        "update" => update::from_request(call),
        "patch" => patch::from_request(call),
        "delete" => delete::one(call),
        "deletecollection" => delete::collection(call).await,
        _ => Err(Status::method_not_allowed()),
    }
}

async fn subresource(call: &Call<'_>, verb: &str) -> Result<Answer, Status> {
    let Some(subresource) = call.resource.subresource(&call.subresource) else {
        return unserved(call, verb);
    };
    if !subresource.verbs.iter().any(|known| known == verb) {
        return Err(Status::method_not_allowed());
    }
    match (call.subresource.as_str(), verb) {
        ("scale", _) => scale::serve(call, verb),
        ("token", "create") => reviews::token(call),
        ("eviction", "create") => eviction::from_request(call),
        ("binding", "create") => pods::bind(call),
        ("finalize", "update") => update::from_request(call),
        // Nothing runs that could be reached; whoever may go there may not touch the object.
        ("proxy", _) => Err(Status::no_resource()),
        ("status" | "approval" | "ephemeralcontainers" | "resize", "get") => get::one(call).await,
        ("status" | "approval" | "ephemeralcontainers" | "resize", "update") => update::from_request(call),
        ("status" | "approval" | "ephemeralcontainers" | "resize", "patch") => patch::from_request(call),
        _ => Err(Status::method_not_allowed()),
    }
}

/// What only a node could answer: a pod that is on none has said nothing yet, and nobody talks to it.
fn unserved(call: &Call<'_>, verb: &str) -> Result<Answer, Status> {
    match (&*call.resource.key, call.subresource.as_str(), verb) {
        ("pods", "log", "get") => {
            call.existing()?;
            Ok(Answer::bytes(200, "text/plain", Vec::new().into()))
        }
        ("pods", "exec" | "attach" | "portforward", "get" | "create") => {
            call.existing()?;
            let name = &call.name;
            Err(Status::bad_request(format!("pod {name} does not have a host assigned")))
        }
        _ if call.resource.custom.is_some() => Err(call.not_found()),
        _ => Err(Status::no_resource()),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, HeaderMap, HeaderValue};

    use super::*;
    use crate::http::Query;

    #[test]
    fn what_only_copies_does_not_read_inside() {
        let kinds = crate::kinds::Registry::new().current();
        let pods = kinds.resource("", "v1", "pods").expect("they are known");
        let reads = |query: &str, accept: &'static str, named: bool| {
            let request = Request {
                method: http::Method::GET,
                path: String::new(),
                query: Query::parse(query),
                headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]),
                body: Default::default(),
                user: Default::default(),
                unread: Default::default(),
            };
            reads_inside(&request, pods, named)
        };
        let (json, table) =
            ("application/json", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
        assert!(!reads("limit=5&labelSelector=a%3Db", json, false) && !reads("", json, true));
        assert!(!reads("fieldSelector=metadata.name%3Da", json, false));
        assert!(reads("fieldSelector=spec.nodeName%3Da", json, false));
        assert!(reads("", table, false) && reads("", table, true) && reads("", "application/yaml", false));
        assert!(!reads("watch=1", table, false), "a watch takes one after another");
    }
}
