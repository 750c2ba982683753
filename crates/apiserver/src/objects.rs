//! The pure steps of a write: decode, prune, default, patch, check.

use std::collections::HashSet;

use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema;
use serde_json::{Value, json};

use crate::body::{self, Body, Wanted};
use crate::call::{Call, Validation, WriteOptions};
use crate::causes::Cause;
use crate::checks;
use crate::clock;
use crate::doubled;
use crate::fields;
use crate::go_text;
use crate::json_fault;
use crate::kinds::Resource;
use crate::managed_fields::{self, Force, Operation};
use crate::owners::{self, Actor};
use crate::patch as patches;
use crate::shape::Shape;
use crate::status_error::Status;
use crate::typed;

/// A body that was read.
pub(crate) struct Decoded {
    pub object: Value,
    pub warnings: Vec<String>,
}

/// The four kinds of patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// A patch that was read.
pub(crate) struct Patch {
    kind: PatchKind,
    value: Value,
    /// Fields that stand twice in its text.
    doubled: HashSet<String>,
}

impl Patch {
    /// Which of the patches it is.
    pub(crate) fn kind(&self) -> PatchKind {
        self.kind
    }

    /// True when the patch holds a resourceVersion, and so must not be tried again.
    pub(crate) fn states_version(&self) -> bool {
        self.kind != PatchKind::Json && !fields::meta(&self.value, "resourceVersion").is_empty()
    }
}

/// Reads the body of a POST or PUT.
///
/// # Errors
/// 415 for other types, 400 for what cannot be read or is of another kind.
pub(crate) fn decode(call: &Call<'_>, options: &WriteOptions) -> Result<Decoded, Status> {
    let resource = &call.resource;
    let kind = GroupVersionKind::new(&*resource.group, &*resource.version, &*resource.kind);
    let kinds = std::slice::from_ref(&kind);
    let wanted = if resource.custom.is_some() { Wanted::Custom(&kind) } else { Wanted::Builtin(kinds) };
    let Body { mut object, doubled } = body::read(call, wanted)?;
    check_metadata(resource, &mut object)?;
    let mut complaints = resource.shape.prune(&mut object, &doubled).map_err(|why| {
        let (kind, version) = (&resource.kind, &resource.version);
        Status::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"))
    })?;
    if call.request.content_type() == body::YAML
        && let Some(why) = body::doubled_in_yaml(&call.request.body)
    {
        let strict = options.validation == Validation::Strict;
        complaints.splice(0..0, if strict { vec![why] } else { yaml_warnings(&why) });
    }
    let warnings = judge((&resource.kind, &resource.version), complaints, options)?;
    call.tell(&warnings);
    Ok(Decoded { object, warnings })
}

/// Reads a body of another built-in kind than the path's, in one of its versions: Scale, TokenRequest.
pub(crate) fn decode_other(
    call: &Call<'_>,
    kinds: &[GroupVersionKind],
    options: &WriteOptions,
) -> Result<Decoded, Status> {
    let Body { mut object, doubled } = body::read(call, Wanted::Builtin(kinds))?;
    let (kind, version) = (fields::text(&object, &["kind"]), fields::text(&object, &["apiVersion"]));
    let (kind, version) = (kind.to_owned(), crate::kinds::split_api_version(version).1.to_owned());
    // All versions of such a kind are alike.
    let shape = Shape::Builtin(kinds.first().cloned().unwrap_or_default());
    let complaints = shape.prune(&mut object, &doubled).map_err(|why| {
        Status::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"))
    })?;
    let warnings = judge((&kind, &version), complaints, options)?;
    Ok(Decoded { object, warnings })
}

/// Reads DeleteOptions; they may be of any group.
pub(crate) fn decode_options(call: &Call<'_>) -> Result<Value, Status> {
    let mut options = body::read(call, Wanted::Options)?.object;
    if let Some(kind) = schema::builtin().named("meta.DeleteOptions") {
        typed::check(kind, &mut options, &HashSet::new()).map_err(Status::bad_request)?;
    }
    Ok(options)
}

/// The lines of what is wrong with a YAML text, a warning each.
fn yaml_warnings(text: &str) -> Vec<String> {
    text.trim_start_matches("yaml: unmarshal errors:\n").lines().map(|line| line.trim().to_owned()).collect()
}

/// There is always some metadata.
fn check_metadata(resource: &Resource, object: &mut Value) -> Result<(), Status> {
    let metadata = &mut object["metadata"];
    if metadata.is_null() {
        *metadata = json!({});
    }
    if metadata.is_object() {
        return Ok(());
    }
    let (kind, version, word) = (&resource.kind, &resource.version, typed::go_word(metadata));
    let place = match resource.custom {
        Some(_) => "value".to_owned(),
        None => format!("struct field {kind}.metadata"),
    };
    Err(Status::bad_request(format!(
        "{kind} in version \"{version}\" cannot be handled as a {kind}: json: cannot unmarshal {word} into Go {place} of type v1.ObjectMeta"
    )))
}

/// What unknown and duplicate fields lead to.
fn judge(
    (kind, version): (&str, &str),
    complaints: Vec<String>,
    options: &WriteOptions,
) -> Result<Vec<String>, Status> {
    match options.validation {
        Validation::Ignore => Ok(Vec::new()),
        Validation::Warn => Ok(complaints),
        Validation::Strict if complaints.is_empty() => Ok(Vec::new()),
        Validation::Strict => {
            let list = complaints.join(", ");
            Err(Status::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {list}",
            )))
        }
    }
}

/// Reads the body of a PATCH that is no apply.
pub(crate) fn decode_patch(call: &Call<'_>, kind: PatchKind) -> Result<Patch, Status> {
    let body = &call.request.body;
    let (value, doubled) = doubled::read(body).map_err(|error| {
        let why = json_fault::describe(body).unwrap_or_else(|| error.to_string());
        let head = if kind == PatchKind::Strategic { "" } else { "error decoding patch: " };
        Status::bad_request(format!("{head}{why}"))
    })?;
    let value = match (kind, value) {
        // Nothing at all changes nothing.
        (PatchKind::Json, Value::Null) => json!([]),
        (PatchKind::Strategic, Value::Null) => json!({}),
        (PatchKind::Strategic, mut value) => {
            fields::whole_numbers(&mut value);
            value
        }
        (_, value) => value,
    };
    let fits = match kind {
        PatchKind::Json => value.as_array().is_some_and(|list| list.iter().all(Value::is_object)),
        _ => value.is_object(),
    };
    if !fits {
        let wanted = if kind == PatchKind::Json { "a list of operations" } else { "an object" };
        return Err(Status::bad_request(format!("error decoding patch: it must be {wanted}")));
    }
    if let Some(count) = value.as_array().map(Vec::len).filter(|count| *count > MOST_OPERATIONS) {
        return Err(Status::too_large(&format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {count}"
        )));
    }
    let doubled = if kind == PatchKind::Json { HashSet::new() } else { doubled };
    Ok(Patch { kind, value, doubled })
}

/// The configuration of an apply.
pub(crate) struct Configuration {
    pub object: Value,
    /// It is JSON that has nothing twice; of YAML that is not known yet.
    is_clean: bool,
}

/// Reads the configuration of an apply.
pub(crate) fn decode_apply(call: &Call<'_>) -> Result<Configuration, Status> {
    let body = &call.request.body;
    let (value, is_clean) = match doubled::read(body) {
        Ok((mut value, doubled)) => {
            fields::whole_numbers(&mut value);
            (value, doubled.is_empty())
        }
        Err(error) if error.is_data() => {
            return Err(Status::bad_request(format!("error decoding YAML: {error}")));
        }
        Err(_) => {
            let value = body::yaml(body).map_err(|why| {
                Status::bad_request(format!("error decoding YAML: error converting YAML to JSON: {why}"))
            })?;
            (value, false)
        }
    };
    match value {
        Value::Object(_) => Ok(Configuration { object: value, is_clean }),
        Value::Null => Ok(Configuration { object: json!({}), is_clean }),
        other => Err(Status::bad_request(format!(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            typed::go_word(&other)
        ))),
    }
}

/// What keys that stand twice in a configuration lead to.
pub(crate) fn judge_apply(
    call: &Call<'_>,
    config: &Configuration,
    options: &WriteOptions,
) -> Result<Vec<String>, Status> {
    if config.is_clean {
        return Ok(Vec::new());
    }
    match body::doubled_in_yaml(&call.request.body) {
        Some(why) if options.validation == Validation::Strict => Err(Status::bad_request(format!(
            "error strict decoding YAML: error converting YAML to JSON: {why}"
        ))),
        Some(why) if options.validation == Validation::Warn => Ok(yaml_warnings(&why)),
        _ => Ok(Vec::new()),
    }
}

/// The object after a patch.
pub(crate) fn patched(call: &Call<'_>, old: &Value, patch: &Patch) -> Result<Value, Status> {
    let result = match patch.kind {
        PatchKind::Json => patches::json_patch(old, &patch.value),
        PatchKind::Strategic => {
            let gvk =
                GroupVersionKind::new(&*call.resource.group, &*call.resource.version, &*call.resource.kind);
            match schema::builtin().root(&gvk) {
                Some(kind) => patches::strategic_merge_patch(kind, old, &patch.value),
                None => Ok(patches::merge_patch(old, &patch.value)),
            }
        }
        PatchKind::Merge | PatchKind::Apply => Ok(patches::merge_patch(old, &patch.value)),
    };
    result.map_err(|error| match error {
        patches::Error::Malformed(why) => Status::bad_request(why),
        patches::Error::Rejected => {
            let details = Some(crate::status_error::Details::default());
            Status { code: 422, reason: "Invalid", message: error.to_string(), details }
        }
        patches::Error::Strategic(why) => Status::internal(why),
    })
}

/// A patch makes no other kind of an object.
pub(crate) fn check_same_kind(call: &Call<'_>, new: &Value, by: PatchKind) -> Result<(), Status> {
    let resource = &call.resource;
    for key in ["apiVersion", "kind"] {
        if let Some(other) = new.get(key).filter(|value| !value.is_null() && !value.is_string()) {
            let why = body::unreadable_kind(key, other);
            return Err(Status::invalid(
                "",
                "",
                "",
                vec![Cause::invalid("patch", &json!(new.to_string()), &why)],
            ));
        }
    }
    let (version, kind) = (fields::text(new, &["apiVersion"]), fields::text(new, &["kind"]));
    let wanted = resource.api_version();
    // What a built-in object does not say is taken from the path; a strategic patch cannot say it at all.
    let unsaid = |text: &str| resource.custom.is_none() && (text.is_empty() || by == PatchKind::Strategic);
    if (version == wanted || unsaid(version)) && (kind == resource.kind || unsaid(kind)) {
        return Ok(());
    }
    if resource.custom.is_none() {
        let why =
            format!("converting ({version}.{kind}) to ({wanted}.{}): unknown conversion", resource.kind);
        return Err(Status::invalid(
            "",
            "",
            "",
            vec![Cause::invalid("patch", &new.to_string().into(), &why)],
        ));
    }
    let pairs = [("apiVersion", version, wanted.as_str()), ("kind", kind, resource.kind.as_str())];
    let wrong = pairs.into_iter().filter(|(_, found, wanted)| found != wanted);
    Err(other_kind(resource, new, wrong.collect()))
}

/// The refusal of a custom object that says it is another; it is told of as what it says.
fn other_kind(resource: &Resource, object: &Value, wrong: Vec<(&str, &str, &str)>) -> Status {
    let (version, kind) = (fields::text(object, &["apiVersion"]), fields::text(object, &["kind"]));
    let group = if version.is_empty() { &resource.group } else { crate::kinds::split_api_version(version).0 };
    let causes = wrong
        .into_iter()
        .map(|(field, found, wanted)| Cause::invalid(field, &found.into(), &format!("must be {wanted}")));
    Status::invalid(group, kind, fields::name(object), causes.collect())
}

/// Unknown fields that a patch brought in.
pub(crate) fn check_fields(
    shape: &Shape,
    new: &mut Value,
    patch: &Patch,
    options: &WriteOptions,
) -> Result<Vec<String>, Status> {
    // A strategic patch is shown itself, of the others what they lead to.
    let shown = |new: &Value| match patch.kind {
        PatchKind::Strategic => go_text::of(&patch.value),
        _ if matches!(shape, Shape::Custom(..)) => fields::sorted(new).to_string(),
        _ => new.to_string(),
    };
    let before = new.clone();
    let invalid = |why: &str| {
        let cause = Cause::invalid("patch", &shown(&before).into(), why);
        Status::invalid("", "", "", vec![cause])
    };
    let mut complaints: Vec<String> =
        patch.doubled.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
    complaints.sort();
    if patch.kind == PatchKind::Json {
        complaints.extend(unknown_keys(&patch.value));
    }
    let unreadable = |why: String| match patch.kind {
        PatchKind::Strategic => invalid(&unconverted(&why)),
        _ => invalid(&why),
    };
    complaints.extend(shape.prune(new, &HashSet::new()).map_err(unreadable)?);
    match options.validation {
        Validation::Ignore => Ok(Vec::new()),
        Validation::Strict if !complaints.is_empty() => {
            Err(invalid(&format!("strict decoding error: {}", complaints.join(", "))))
        }
        _ => Ok(complaints),
    }
}

/// Keys that an operation of a JSON patch does not have.
fn unknown_keys(operations: &Value) -> Vec<String> {
    let operations = operations.as_array().into_iter().flatten().enumerate();
    let keys = operations.flat_map(|(at, operation)| {
        operation.as_object().into_iter().flatten().map(move |(key, _)| (at, key))
    });
    keys.filter(|(_, key)| !["op", "path", "from", "value"].contains(&key.as_str()))
        .map(|(at, key)| format!("json patch unknown field \"[{at}].{key}\""))
        .collect()
}

/// The object after an apply of a configuration as it was sent, in the version of the request, with its owners.
pub(crate) fn applied(
    call: &Call<'_>,
    live: Option<&Value>,
    config: &Value,
    options: &WriteOptions,
    actor: &Actor,
) -> Result<Value, Status> {
    let resource = &call.resource;
    let misfit = |why: String| {
        Status::internal(format!("failed to create typed patch object ({}): {why}", place(resource, config)))
    };
    let now = clock::now();
    let api_version = resource.api_version();
    let writer = owners::writer(resource, actor, &api_version, &call.subresource, &now);
    let last = (actor.manager == "kubectl").then(|| live.and_then(last_applied)).flatten();
    let force = match &last {
        _ if options.force => Force::Always,
        Some(before) => Force::WhereApplied(before.clone()),
        None => Force::Never,
    };
    let applied = managed_fields::apply(&resource.shape.merge(), live, config, &force, &writer);
    let mut object = applied.map_err(|error| match error {
        managed_fields::Error::Conflicts(conflicts) => conflict_status(&conflicts),
        managed_fields::Error::Shape(why) => misfit(why),
    })?;
    if resource.custom.is_none() {
        resource
            .shape
            .prune(&mut config.clone(), &HashSet::new())
            .map_err(|why| unconvertible(resource, config, &why))?;
    }
    resource.shape.prune(&mut object, &HashSet::new()).map_err(misfit)?;
    if last.is_some() {
        // Kept in step for those who go back to client-side apply.
        object["metadata"]["annotations"][LAST_APPLIED] = format!("{}\n", fields::sorted(config)).into();
    }
    Ok(object)
}

/// An applied object in messages: its names, and its kind.
fn place(resource: &Resource, stated: &Value) -> String {
    let (home, name) = (fields::meta(stated, "namespace"), fields::name(stated));
    format!("{home}/{name}; {}, Kind={}", shown_version(resource), resource.kind)
}

/// A configuration that fits the schema and holds what its kind cannot hold.
fn unconvertible(resource: &Resource, stated: &Value, why: &str) -> Status {
    let (version, kind) = (shown_version(resource), &resource.kind);
    let why = unconverted(why);
    Status::internal(format!(
        "failed to convert new object ({}) to proper version: unable to convert unstructured object to {version}, Kind={kind}: {why}",
        place(resource, stated)
    ))
}

/// Why a value is none of its kind, where it was read as a map before.
fn unconverted(why: &str) -> String {
    let head = if why.starts_with("illegal base64") { "error decoding from json: " } else { "" };
    format!("{head}{why}")
}

/// What kubectl's client-side apply noted on the object.
fn last_applied(live: &Value) -> Option<Value> {
    let text = fields::text(live, &["metadata", "annotations", LAST_APPLIED]);
    serde_json::from_str(text).ok().filter(Value::is_object)
}

fn conflict_status(conflicts: &managed_fields::Conflicts) -> Status {
    let causes = conflicts.told().flat_map(|(owner, paths)| {
        paths.iter().map(move |path| Cause {
            reason: "FieldManagerConflict",
            message: format!("conflict with {owner}"),
            field: path.clone(),
        })
    });
    Status::plain(409, "Conflict", conflicts.to_string()).with_causes(causes.collect())
}

/// `/v1` or `apps/v1`.
fn shown_version(resource: &Resource) -> String {
    let text = resource.api_version();
    if resource.group.is_empty() { format!("/{text}") } else { text }
}

/// Fills in the defaults of a kind.
pub(crate) fn default(resource: &Resource, object: &mut Value, operation: Operation) {
    match operation {
        Operation::Update => resource.shape.default(object),
        Operation::Apply => resource.shape.fill_in(object),
    }
}

/// What is wrong with a new object.
pub(crate) fn validate_create(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = checks::create(resource, object);
    causes.extend(problems(resource, object, None).0);
    causes.extend(scaled(resource, object, ""));
    causes
}

/// What is wrong with a change, and what was wrong before, too.
pub(crate) fn validate_update(
    resource: &Resource,
    new: &Value,
    old: &Value,
    subresource: &str,
) -> (Vec<Cause>, Vec<String>) {
    let mut causes = checks::update(resource, new, old, subresource);
    let (mut problems, tolerated) = problems(resource, new, Some(old));
    if subresource == "status" {
        // The status is checked as a value of its own: texts name places inside it.
        for cause in &mut problems {
            cause.message =
                cause.message.replacen(": status.", ": ", 1).replacen(": status in body", ":  in body", 1);
        }
    }
    causes.extend(problems);
    causes.extend(scaled(resource, new, subresource));
    (causes, tolerated)
}

/// What a custom object and the resources within it break of their schema, and what it broke before, too.
fn problems(resource: &Resource, new: &Value, old: Option<&Value>) -> (Vec<Cause>, Vec<String>) {
    let (mut causes, tolerated) = resource.shape.problems(new, old);
    resource.shape.each_embedded(new, &mut |path, resource| checks::embedded(path, resource, &mut causes));
    (causes.told(), tolerated)
}

/// What is wrong with the replicas that a custom object states.
fn scaled(resource: &Resource, object: &Value, subresource: &str) -> Vec<Cause> {
    let scale = resource.custom.as_ref().and_then(|custom| custom.scale.as_ref());
    scale.map(|scale| checks::scaled::causes(scale, object, subresource)).unwrap_or_default()
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const MOST_OPERATIONS: usize = 10_000;
