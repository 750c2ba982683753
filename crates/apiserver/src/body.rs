//! The body of a request -> an object of the kind that is wanted.
//!
//! Follows: the decoders of kube-apiserver 1.36, and their order: what cannot be read, then what it is, then its
//! fields. Their words go without the beginning of the body, which may be a secret's.

use std::collections::HashSet;

use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema;
use sealfast_yaml::parse::Limits;
use serde_json::{Value, json};

use crate::call::Call;
use crate::causes::Cause;
use crate::doubled;
use crate::fields;
use crate::json_fault;
use crate::protobuf;
use crate::status_error::Status;
use crate::typed;

/// What a body may be.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// A built-in kind in one of some versions; what does not say what it is is of the first.
    Builtin(&'a [GroupVersionKind]),
    /// A custom kind; it has to say so.
    Custom(&'a GroupVersionKind),
    /// Options of a deletion, in any group.
    Options,
}

/// An object, and what its text had twice.
pub(crate) struct Body {
    pub object: Value,
    pub doubled: HashSet<String>,
}

/// Reads the body of a request; the object says then of what kind it is.
///
/// # Errors
/// 415 for other types, 400 for what cannot be read or is of another kind.
pub(crate) fn read(call: &Call<'_>, wanted: Wanted<'_>) -> Result<Body, Status> {
    let body = &call.request.body;
    let kind = call.request.content_type();
    // Of YAML and protobuf nothing is told here.
    let once = |object| Body { object, doubled: HashSet::new() };
    let Body { mut object, doubled } = match kind.as_str() {
        "" | JSON => from_json(body).map_err(|why| wanted.unreadable(&why))?,
        YAML => once(from_yaml(body).map_err(|why| wanted.unreadable(&why))?),
        PROTOBUF => once(from_protobuf(body, wanted)?),
        _ => {
            return Err(Status::plain(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
    };
    let stated = stated_kind(&object).map_err(|why| wanted.unreadable(&why))?;
    let found = wanted.check(&stated, &object)?;
    object["apiVersion"] = found.api_version().into();
    object["kind"] = found.kind.into();
    Ok(Body { object, doubled })
}

/// A kind or version that is no text.
pub(crate) fn unreadable_kind(key: &str, found: &Value) -> String {
    let word = typed::go_word(found);
    format!("{NO_KIND}json: cannot unmarshal {word} into Go struct field .{key} of type string")
}

/// What is wrong with a YAML text that has keys twice, in the words of its reader.
pub(crate) fn doubled_in_yaml(body: &[u8]) -> Option<String> {
    sealfast_yaml::json::from_yaml_strict_within(body, &LIMITS).err().map(|error| error.to_string())
}

/// Reads YAML, or JSON; whole numbers are whole, however they are written.
pub(crate) fn yaml(body: &[u8]) -> Result<Value, String> {
    let mut value =
        sealfast_yaml::json::from_yaml_within(body, &LIMITS).map_err(|error| error.to_string())?;
    fields::whole_numbers(&mut value);
    counted(&value)?;
    Ok(value)
}

/// Refuses a value of too many.
fn counted(value: &Value) -> Result<(), String> {
    if fields::count(value) > fields::MOST_VALUES { Err(doubled::TOO_MANY.to_owned()) } else { Ok(()) }
}

fn from_json(body: &[u8]) -> Result<Body, String> {
    let (value, doubled) = doubled::read(body).map_err(|error| {
        let why = json_fault::describe(body).unwrap_or_else(|| error.to_string());
        format!("{NO_KIND}{why}")
    })?;
    Ok(Body { object: whole(value)?, doubled })
}

fn from_yaml(body: &[u8]) -> Result<Value, String> {
    whole(yaml(body)?)
}

/// Nothing at all is an object that says nothing.
fn whole(value: Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(json!({})),
        Value::Object(_) => Ok(value),
        other => Err(format!(
            "{NO_KIND}json: cannot unmarshal {} into Go value of type {HEAD}",
            typed::go_word(&other)
        )),
    }
}

/// Fields are read only of what is wanted; the others are refused for what they are.
fn from_protobuf(body: &[u8], wanted: Wanted<'_>) -> Result<Value, Status> {
    let envelope = protobuf::open(body).map_err(|fault| wanted.unreadable(&fault.to_string()))?;
    let mut stated = GroupVersionKind::from_api_version(&envelope.api_version, &envelope.kind);
    if stated.version.contains('/') {
        (stated.group, stated.version) = Default::default();
    }
    let mut object = json!({"apiVersion": stated.api_version(), "kind": stated.kind});
    let of = wanted.check(&stated, &object)?;
    let message = protobuf::message_of(&of).ok_or_else(|| wanted.unreadable("it has no protobuf form"))?;
    let fields = protobuf::fields_of(message, envelope.raw)
        .map_err(|fault| wanted.refused(&of, &fault.to_string()))?;
    if let Some(object) = object.as_object_mut() {
        object.extend(fields);
    }
    counted(&object).map_err(|why| wanted.refused(&of, &why))?;
    Ok(object)
}

/// What an object says it is.
fn stated_kind(object: &Value) -> Result<GroupVersionKind, String> {
    for key in ["apiVersion", "kind"] {
        if let Some(other) = object.get(key).filter(|value| !value.is_null() && !value.is_string()) {
            return Err(unreadable_kind(key, other));
        }
    }
    let version = fields::text(object, &["apiVersion"]);
    let stated = GroupVersionKind::from_api_version(version, fields::text(object, &["kind"]));
    match stated.version.contains('/') {
        true => Err(format!("unexpected GroupVersion string: {version}")),
        false => Ok(stated),
    }
}

impl Wanted<'_> {
    /// A body that does not even say what it is.
    fn unreadable(self, why: &str) -> Status {
        match self.kind() {
            Some(wanted) => {
                let kind = &wanted.kind;
                Status::bad_request(format!(
                    "the object provided is unrecognized (must be of type {kind}): {why}"
                ))
            }
            None => Status::bad_request(why),
        }
    }

    /// A body of some kind that is not what is wanted.
    fn refused(self, found: &GroupVersionKind, why: &str) -> Status {
        let GroupVersionKind { version, kind, .. } = found;
        match self.kind() {
            Some(wanted) => {
                let wanted = &wanted.kind;
                Status::bad_request(format!(
                    "{kind} in version \"{version}\" cannot be handled as a {wanted}: {why}"
                ))
            }
            None => Status::bad_request(why),
        }
    }

    fn kind(&self) -> Option<&GroupVersionKind> {
        match self {
            Self::Builtin(kinds) => kinds.first(),
            Self::Custom(kind) => Some(kind),
            Self::Options => None,
        }
    }

    /// The kind of an object that says this of itself.
    fn check(self, stated: &GroupVersionKind, object: &Value) -> Result<GroupVersionKind, Status> {
        match self {
            Self::Builtin(kinds) => self.check_builtin(stated, kinds),
            Self::Custom(wanted) => self.check_custom(stated, wanted, object),
            Self::Options => {
                let found = completed(stated, &GroupVersionKind::new("meta.k8s.io", "v1", "DeleteOptions"));
                match found.kind.as_str() {
                    "DeleteOptions" => Ok(found),
                    _ => Err(Status::bad_request(unknown(&found))),
                }
            }
        }
    }

    fn check_builtin(
        self,
        stated: &GroupVersionKind,
        kinds: &[GroupVersionKind],
    ) -> Result<GroupVersionKind, Status> {
        let Some(wanted) = kinds.first() else { return Ok(stated.clone()) };
        let found = completed(stated, wanted);
        if kinds.contains(&found) {
            return Ok(found);
        }
        // These two groups have registers of their own.
        let alone = ["apiextensions.k8s.io", "apiregistration.k8s.io"].contains(&wanted.group.as_str());
        if alone || !schema::is_known(&found) {
            return Err(self.refused(&found, &unknown(&found)));
        }
        if found.kind == wanted.kind {
            return Err(other_version(&found.api_version(), wanted));
        }
        let group = match wanted.group.as_str() {
            "" => "core",
            group => group.split('.').next().unwrap_or_default(),
        };
        let (version, kind, to) = (&found.version, &found.kind, &wanted.kind);
        Err(self
            .refused(&found, &format!("converting ({version}.{kind}) to ({group}.{to}): unknown conversion")))
    }

    fn check_custom(
        self,
        stated: &GroupVersionKind,
        wanted: &GroupVersionKind,
        object: &Value,
    ) -> Result<GroupVersionKind, Status> {
        if stated.kind.is_empty() {
            return Err(self.unreadable("Object 'Kind' is missing"));
        }
        if stated.api_version() != wanted.api_version() {
            return Err(other_version(&stated.api_version(), wanted));
        }
        if stated.kind != wanted.kind {
            let cause =
                Cause::invalid("kind", &stated.kind.as_str().into(), &format!("must be {}", wanted.kind));
            return Err(Status::invalid(&stated.group, &stated.kind, fields::name(object), vec![cause]));
        }
        Ok(stated.clone())
    }
}

/// What is not stated is taken from what is wanted.
fn completed(stated: &GroupVersionKind, wanted: &GroupVersionKind) -> GroupVersionKind {
    let kind = if stated.kind.is_empty() { &wanted.kind } else { &stated.kind };
    let of = if stated.version.is_empty() { wanted } else { stated };
    GroupVersionKind::new(&of.group, &of.version, kind)
}

fn unknown(found: &GroupVersionKind) -> String {
    let (kind, version) = (&found.kind, found.api_version());
    format!(
        "no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\""
    )
}

fn other_version(found: &str, wanted: &GroupVersionKind) -> Status {
    let wanted = wanted.api_version();
    Status::bad_request(format!(
        "the API version in the data ({found}) does not match the expected API version ({wanted})"
    ))
}

/// Bounds of a text in YAML, where keys are counted, too.
const LIMITS: Limits = Limits { bytes: usize::MAX, nodes: fields::MOST_VALUES };
const NO_KIND: &str = "couldn't get version/kind; json parse error: ";
/// What Go reads to learn of what kind a text is.
const HEAD: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
const JSON: &str = "application/json";
pub(crate) const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_yaml_are_counted_while_it_is_read() {
        let list = |count: usize| format!("a: [{}0]", "0,".repeat(count - 1));
        assert!(yaml(list(1_000).as_bytes()).is_ok());
        for why in [
            yaml(list(fields::MOST_VALUES).as_bytes()).err(),
            doubled_in_yaml(list(fields::MOST_VALUES).as_bytes()),
        ] {
            assert!(why.is_some_and(|why| why.contains("nodes")), "it says what there is too much of");
        }
    }
}
