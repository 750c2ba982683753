//! One request for a resource: its object, options and kind of answer.

pub(crate) mod create;
pub(crate) mod delete;
mod eviction;
pub(crate) mod get;
pub(crate) mod list;
mod parts;
pub(crate) mod patch;
pub(crate) mod pods;
pub(crate) mod scale;
mod show;
pub(crate) mod update;

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::auth::{self, Attributes};
use crate::fields;
use crate::go_text;
use crate::http::{Answer, Content, Encoding, Form, Request, ResourcePath};
use crate::kinds::Resource;
use crate::server::App;
use crate::status_error::{Cause, Status};
use crate::storage::{Key, Refused, Stored};
use crate::table;

pub(crate) use show::{Place, partial, selects, shown, write, write_json, write_partial};

/// A request whose resource is known.
pub(crate) struct Call<'a> {
    pub app: &'a Arc<App>,
    pub request: &'a Request,
    pub resource: Arc<Resource>,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
    pub form: Form,
    pub encoding: Encoding,
    /// What a client is told even when it is refused.
    pub told: Mutex<Vec<String>>,
    /// What a change leaves as wrong as it was, which a client is told in any case.
    pub tolerated: Mutex<Vec<String>>,
}

/// Options that writes share.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub dry_run: bool,
    pub manager: String,
    pub validation: Validation,
    pub force: bool,
}

/// What a write left behind.
pub(crate) enum Written {
    /// A version of the object that is kept.
    Kept(Stored),
    /// An object that is not kept (any more), in the version of the request.
    Unkept(Value),
}

/// What happens to unknown and duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    Ignore,
    Warn,
    Strict,
}

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
    let outcome = call.dispatch(path.namespace.is_some()).await;
    let refused = |status: Status| Answer::from(status).warned(std::mem::take(&mut *call.told.lock()));
    let mut answer = outcome.unwrap_or_else(refused);
    answer.warnings.append(&mut call.tolerated.lock());
    answer.warnings.splice(0..0, call.resource.deprecation.clone());
    Ok(answer)
}

/// A name is one part of a path, whatever it was written as.
fn check_name(name: &str) -> Result<(), Status> {
    let whys = crate::checks::path_segment(name);
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

impl Call<'_> {
    /// What is odd about an object that is written, or new in it.
    pub(crate) fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        let whole = self.subresource.is_empty();
        if whole { crate::checks::warnings(&self.resource, new, old) } else { Vec::new() }
    }

    /// Notes warnings about the body of the request.
    pub(crate) fn tell(&self, warnings: &[String]) {
        if !warnings.is_empty() {
            self.told.lock().extend_from_slice(warnings);
        }
    }

    /// A PUT or an apply that would make an object needs the right to create it as well.
    pub(crate) fn require_create(&self) -> Result<(), Status> {
        let wanted = Attributes {
            verb: "create".into(),
            group: self.resource.group.to_string(),
            resource: self.resource.plural.to_string(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            path: None,
        };
        auth::require(&self.request.user, &wanted, &self.app.store)
    }

    async fn dispatch(&self, in_namespace: bool) -> Result<Answer, Status> {
        if self.request.method == http::Method::HEAD {
            return Err(Status::method_not_allowed());
        }
        let verb = verb(self.request, &self.name);
        if !self.subresource.is_empty() {
            return self.dispatch_subresource(verb).await;
        }
        if verb.is_empty() || !self.resource.allows(verb) {
            return Err(Status::method_not_allowed());
        }
        let needs_namespace = matches!(verb, "create" | "deletecollection");
        if self.resource.namespaced && !in_namespace && needs_namespace {
            return Err(Status::method_not_allowed());
        }
        if verb == "create" && !self.name.is_empty() {
            return Err(Status::method_not_allowed());
        }
        if matches!(verb, "update" | "patch") && self.name.is_empty() {
            return Err(Status::method_not_allowed());
        }
        if crate::reviews::is_review(&self.resource) {
            return crate::reviews::create(self);
        }
        if &*self.resource.key == "bindings" {
            return pods::bind(self);
        }
        match verb {
            "get" => get::one(self).await,
            "list" => list::all(self).await,
            "watch" => crate::watch::start(self).await,
            "create" => create::from_request(self),
            "update" => update::from_request(self),
            "patch" => patch::from_request(self),
            "delete" => delete::one(self),
            "deletecollection" => delete::collection(self).await,
            _ => Err(Status::method_not_allowed()),
        }
    }

    async fn dispatch_subresource(&self, verb: &str) -> Result<Answer, Status> {
        let Some(subresource) = self.resource.subresource(&self.subresource) else {
            return self.unserved(verb);
        };
        if !subresource.verbs.iter().any(|known| known == verb) {
            return Err(Status::method_not_allowed());
        }
        match (self.subresource.as_str(), verb) {
            ("scale", _) => scale::serve(self, verb),
            ("token", "create") => crate::reviews::token(self),
            ("eviction", "create") => eviction::from_request(self),
            ("binding", "create") => pods::bind(self),
            ("finalize", "update") => update::from_request(self),
            // Nothing runs that could be reached; whoever may go there may not touch the object.
            ("proxy", _) => Err(Status::no_resource()),
            ("status" | "approval" | "ephemeralcontainers" | "resize", "get") => get::one(self).await,
            ("status" | "approval" | "ephemeralcontainers" | "resize", "update") => {
                update::from_request(self)
            }
            ("status" | "approval" | "ephemeralcontainers" | "resize", "patch") => patch::from_request(self),
            _ => Err(Status::method_not_allowed()),
        }
    }

    /// What only a node could answer: a pod that is on none has said nothing yet, and nobody talks to it.
    fn unserved(&self, verb: &str) -> Result<Answer, Status> {
        match (&*self.resource.key, self.subresource.as_str(), verb) {
            ("pods", "log", "get") => {
                self.existing()?;
                Ok(Answer::bytes(200, "text/plain", Vec::new().into()))
            }
            ("pods", "exec" | "attach" | "portforward", "get" | "create") => {
                self.existing()?;
                let name = &self.name;
                Err(Status::bad_request(format!("pod {name} does not have a host assigned")))
            }
            _ if self.resource.custom.is_some() => Err(self.not_found()),
            _ => Err(Status::no_resource()),
        }
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(&self.resource.key, &self.namespace, &self.name)
    }

    pub(crate) fn not_found(&self) -> Status {
        Status::not_found(&self.resource.group, &self.resource.plural, &self.name)
    }

    pub(crate) fn invalid(&self, name: &str, causes: Vec<Cause>) -> Status {
        // Events are told of as one kind, whatever they were sent as.
        let group = if &*self.resource.key == "events" { "" } else { &self.resource.group };
        Status::invalid(group, &self.resource.kind, name, causes)
    }

    pub(crate) fn conflict(&self, name: &str) -> Status {
        Status::conflict(&self.resource.group, &self.resource.plural, name, MODIFIED)
    }

    /// The stored object of the path.
    pub(crate) fn existing(&self) -> Result<Stored, Status> {
        self.app.store.get(&self.key()).ok_or_else(|| self.not_found())
    }

    /// A refusal of the store in the words of an answer.
    pub(crate) fn refused(&self, refused: Refused, name: &str) -> Status {
        let resource = &self.resource;
        match refused {
            Refused::Exists(stored) => exists(resource, name, &stored),
            Refused::Changed => self.conflict(name),
            Refused::TooLarge => Status::too_large("the object is larger than 3145728 bytes"),
            Refused::TooDeep => Status::bad_request("the object is nested too deeply"),
            Refused::NoNamespace => Status::not_found("", "namespaces", &self.namespace),
            Refused::Disk(error) => {
                let cause =
                    std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                tracing::error!(%error, cause, "cannot keep a write");
                Status::internal(format!(
                    "the state could not be written: {error}{cause}; writes are taken again once it can be"
                ))
            }
        }
    }

    /// A stored object in the version and with the defaults of the request.
    pub(crate) fn shown(&self, object: Value) -> Value {
        shown(&self.resource, object)
    }

    /// An answer with one stored object, in the form that was asked for.
    pub(crate) fn answer_stored(&self, code: u16, stored: &Stored) -> Answer {
        if self.encoding == Encoding::Yaml || matches!(self.form, Form::Table(_)) {
            return self.answer(code, self.shown(stored.object()));
        }
        let mut text = Vec::new();
        match self.form {
            Form::Partial => show::write_partial(stored, &mut text),
            _ => show::write(&self.resource, stored, Place::Alone, &mut text),
        }
        Answer::json_text(code, text)
    }

    /// What a write left behind, in the version of the request.
    pub(crate) fn written(&self, written: Written) -> Value {
        match written {
            Written::Kept(stored) => self.shown(stored.object()),
            Written::Unkept(object) => object,
        }
    }

    /// An answer with what a write left behind.
    pub(crate) fn answer_written(&self, code: u16, written: Written) -> Answer {
        match written {
            Written::Kept(stored) => self.answer_stored(code, &stored),
            Written::Unkept(object) => self.answer(code, object),
        }
    }

    /// An answer with one object, in the form that was asked for.
    pub(crate) fn answer(&self, code: u16, object: Value) -> Answer {
        let shown = match self.form {
            Form::Object | Form::Discovery(_) => object,
            Form::Partial | Form::PartialList => partial(&object),
            Form::Table(version) => {
                let policy = self.request.query.text("includeObject").to_owned();
                table::of_one(&self.resource, version, &object, &policy)
            }
        };
        self.encoded(code, shown)
    }

    pub(crate) fn encoded(&self, code: u16, value: Value) -> Answer {
        let mut answer = Answer::json(code, value);
        if self.encoding == Encoding::Yaml
            && let Content::Json(value) = &answer.content
        {
            answer.content = Content::Yaml(crate::objects::to_yaml(value));
        }
        answer
    }

    /// The options of a write; `kind` is `CreateOptions`, `UpdateOptions` or `PatchOptions`.
    pub(crate) fn options(&self, kind: &str) -> Result<Options, Status> {
        let query = &self.request.query;
        let mut causes = Vec::new();
        let dry_run = dry_run(&query.all("dryRun"), &mut causes);
        if let Some(stated) = query.get("timeout").filter(|text| !text.is_empty()) {
            check_timeout(stated)?;
        }
        let validation = match query.text("fieldValidation") {
            "Strict" => Validation::Strict,
            "Ignore" => Validation::Ignore,
            "" | "Warn" => Validation::Warn,
            other => {
                causes.push(Cause::not_supported(
                    "fieldValidation",
                    &json!(other),
                    &["", "Ignore", "Strict", "Warn"],
                ));
                Validation::Warn
            }
        };
        let manager = query.text("fieldManager");
        check_manager(manager, &mut causes);
        let applies = patch::is_apply(self.request);
        if kind == "PatchOptions" && applies && manager.is_empty() {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
        let force = query.flag("force");
        if kind == "PatchOptions" && !applies && query.get("force").is_some() {
            causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
        }
        if !causes.is_empty() {
            return Err(Status::invalid("meta.k8s.io", kind, "", causes));
        }
        let manager = if manager.is_empty() { self.request.agent() } else { manager.to_owned() };
        Ok(Options { dry_run, manager, validation, force })
    }
}

/// The refusal to create what is there.
pub(crate) fn exists(resource: &Resource, name: &str, stored: &Stored) -> Status {
    use crate::status_error::Deleting;
    let deleting = if fields::is_deleting(&stored.object()) { Deleting::Yes } else { Deleting::No };
    Status::already_exists(&resource.group, &resource.plural, name, deleting)
}

/// Reads `dryRun`: only `All` is known.
pub(crate) fn dry_run(values: &[&str], causes: &mut Vec<Cause>) -> bool {
    if values.iter().any(|value| *value != "All") {
        causes.push(Cause::not_supported("dryRun", &json!(values), &["All"]));
    }
    values.contains(&"All")
}

/// A time that a request may take is told in hours, minutes, seconds and their parts.
fn check_timeout(text: &str) -> Result<(), Status> {
    let (mut rest, mut known) = (text.trim_start_matches(['+', '-']), !text.is_empty());
    while known && !rest.is_empty() && rest != "0" {
        let digits =
            rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let behind = &rest[digits..];
        let unit = ["ns", "us", "ms", "h", "m", "s"].into_iter().find(|unit| behind.starts_with(unit));
        known = digits > 0 && unit.is_some();
        rest = &behind[unit.map_or(0, str::len)..];
    }
    if known {
        return Ok(());
    }
    let why = format!("invalid timeout specified in the request URL - time: invalid duration {text:?}");
    Err(Status::bad_request(why))
}

fn check_manager(manager: &str, causes: &mut Vec<Cause>) {
    if manager.len() > 128 {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: "Too long: may not be more than 128 bytes".into(),
            field: "fieldManager".into(),
        });
    }
    let odd = manager.char_indices().filter(|(_, letter)| !go_text::is_printable(*letter));
    causes.extend(odd.map(|(at, letter)| Cause {
        reason: "FieldValueInvalid",
        message: format!(
            "Invalid value: {}: invalid character U+{:04X} (at position {at})",
            go_text::quoted(manager),
            letter as u32
        ),
        field: "fieldManager".into(),
    }));
}

const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
