//! The `Status` answers: one constructor per way of refusing a request.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::causes::Causes;

/// A refusal, rendered as a `v1.Status` object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason; empty when the server states none.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
    /// Details; absent for a few reasons.
    pub details: Option<Details>,
}

/// What a refusal is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Details {
    /// Name of the object.
    pub name: String,
    /// API group.
    pub group: String,
    /// Plural resource, or the kind for `Invalid`.
    pub kind: String,
    /// Uid of the object.
    pub uid: String,
    /// One entry per field.
    pub causes: Vec<Cause>,
    /// Seconds after which to try again.
    pub retry_after: u32,
    /// Where a list goes on that is too old to be gone on with; it stands in the metadata of the refusal.
    pub goes_on: String,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, …
    pub reason: &'static str,
    /// Message without the field: `Invalid value: "x": must be …`.
    pub message: String,
    /// Path of the field.
    pub field: String,
}

impl Cause {
    /// A value that is not allowed; `value` is shown as JSON.
    #[must_use]
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {}: {why}", shown(value)),
            field: field.into(),
        }
    }

    /// A value that is not allowed and not shown.
    #[must_use]
    pub(crate) fn omitted(field: impl Into<String>, why: &str) -> Self {
        let message = format!("Invalid value: {why}");
        Self { reason: "FieldValueInvalid", message, field: field.into() }
    }

    /// A value that is missing.
    #[must_use]
    pub(crate) fn required(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".into() } else { format!("Required value: {why}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// What cannot be looked at.
    #[must_use]
    pub(crate) fn internal(field: impl Into<String>, why: &str) -> Self {
        Self { reason: "InternalError", message: format!("Internal error: {why}"), field: field.into() }
    }

    /// Something that may not be set.
    #[must_use]
    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {why}"), field: field.into() }
    }

    /// A value outside a closed set; `supported` are quoted already or plain words.
    #[must_use]
    pub(crate) fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|word| format!("\"{word}\"")).collect();
        Self {
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {}: supported values: {}", shown(value), list.join(", ")),
            field: field.into(),
        }
    }

    /// A value that stands twice.
    #[must_use]
    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", shown(value));
        Self { reason: "FieldValueDuplicate", message, field: field.into() }
    }

    /// More bytes than there may be.
    #[must_use]
    pub(crate) fn too_long(field: impl Into<String>, most: usize) -> Self {
        let message = format!("Too long: may not be more than {most} bytes");
        Self { reason: "FieldValueTooLong", message, field: field.into() }
    }

    /// More items than there may be.
    #[must_use]
    pub(crate) fn too_many(field: impl Into<String>, count: usize, most: usize) -> Self {
        let message = format!("Too many: {count}: must have at most {most} items");
        Self { reason: "FieldValueTooMany", message, field: field.into() }
    }

    /// A name of nothing.
    #[must_use]
    pub(crate) fn not_found(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Not found: {}", shown(value));
        Self { reason: "FieldValueNotFound", message, field: field.into() }
    }

    fn line(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }
}

impl Status {
    /// A refusal without details.
    #[must_use]
    pub(crate) fn plain(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    /// 400 with reason `BadRequest`.
    #[must_use]
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::plain(400, "BadRequest", message)
    }

    /// 500 without a reason, as the reference answers some plain mistakes.
    #[must_use]
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::plain(500, "", message)
    }

    /// 500 with reason `InternalError` and what went wrong as its cause.
    #[must_use]
    pub(crate) fn internal_error(why: &str) -> Self {
        let cause = Cause { reason: "", message: why.into(), field: String::new() };
        Self::plain(500, "InternalError", format!("Internal error occurred: {why}")).with_causes(vec![cause])
    }

    /// 404 for an object; `resource` is the plural.
    #[must_use]
    pub(crate) fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::about(
            404,
            "NotFound",
            format!("{} \"{name}\" not found", qualified(resource, group)),
            group,
            resource,
            name,
        )
    }

    /// 404 for a path below a known group.
    #[must_use]
    pub(crate) fn no_resource() -> Self {
        Self {
            code: 404,
            reason: "NotFound",
            message: "the server could not find the requested resource".into(),
            details: Some(Details::default()),
        }
    }

    /// 405.
    #[must_use]
    pub(crate) fn method_not_allowed() -> Self {
        Self {
            code: 405,
            reason: "MethodNotAllowed",
            message: "the server does not allow this method on the requested resource".into(),
            details: Some(Details::default()),
        }
    }

    /// 413.
    #[must_use]
    pub(crate) fn too_large(message: &str) -> Self {
        let details = Some(Details::default());
        Self { code: 413, reason: "RequestEntityTooLarge", message: message.into(), details }
    }

    /// 429: the client may come again in a second.
    #[must_use]
    pub(crate) fn too_many(message: &str) -> Self {
        let details = Some(Details { retry_after: 1, ..Details::default() });
        Self { code: 429, reason: "TooManyRequests", message: message.into(), details }
    }

    /// 409 for a second object of the same name.
    #[must_use]
    pub(crate) fn already_exists(group: &str, resource: &str, name: &str, deleting: Deleting) -> Self {
        let lead = if deleting == Deleting::Yes { "object is being deleted: " } else { "" };
        let message = format!("{lead}{} \"{name}\" already exists", qualified(resource, group));
        Self::about(409, "AlreadyExists", message, group, resource, name)
    }

    /// 409 for a stale version or another precondition.
    #[must_use]
    pub(crate) fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(resource, group));
        Self::about(409, "Conflict", message, group, resource, name)
    }

    /// 403 for an object or a collection (`name` empty).
    #[must_use]
    pub(crate) fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{} is forbidden: {why}", qualified(resource, group))
        } else {
            format!("{} \"{name}\" is forbidden: {why}", qualified(resource, group))
        };
        Self::about(403, "Forbidden", message, group, resource, name)
    }

    /// 422 with one cause per field; `kind` is the Kind.
    #[must_use]
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let causes = Causes::bounded(causes);
        let mut seen = HashSet::new();
        let unique: Vec<String> =
            causes.iter().map(Cause::line).filter(|line| seen.insert(line.clone())).collect();
        let text = match unique.as_slice() {
            [one] => one.clone(),
            _ => format!("[{}]", unique.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {text}", qualified(kind, group));
        let mut status = Self::about(422, "Invalid", message, group, kind, name);
        if let Some(details) = &mut status.details {
            details.causes = causes;
        }
        status
    }

    /// The reason and message of an uncommon refusal about one object.
    #[must_use]
    pub(crate) fn about(
        code: u16,
        reason: &'static str,
        message: String,
        group: &str,
        kind: &str,
        name: &str,
    ) -> Self {
        let details =
            Details { name: name.into(), group: group.into(), kind: kind.into(), ..Details::default() };
        Self { code, reason, message, details: Some(details) }
    }

    /// The same refusal with these causes.
    #[must_use]
    pub(crate) fn with_causes(mut self, causes: Vec<Cause>) -> Self {
        self.details.get_or_insert_default().causes = causes;
        self
    }

    /// The `v1.Status` object.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        let mut out = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message});
        let Some(map) = out.as_object_mut() else { return out };
        if !self.reason.is_empty() {
            map.insert("reason".into(), self.reason.into());
        }
        match &self.details {
            Some(details) if !details.goes_on.is_empty() => {
                map.insert("metadata".into(), json!({"continue": details.goes_on}));
            }
            Some(details) => drop(map.insert("details".into(), details.to_json())),
            None => {}
        }
        map.insert("code".into(), self.code.into());
        out
    }
}

impl Details {
    fn to_json(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in
            [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)]
        {
            if !text.is_empty() {
                map.insert(key.into(), text.as_str().into());
            }
        }
        if !self.causes.is_empty() {
            map.insert("causes".into(), self.causes.iter().map(cause_json).collect());
        }
        if self.retry_after > 0 {
            map.insert("retryAfterSeconds".into(), self.retry_after.into());
        }
        Value::Object(map)
    }
}

/// Whether the object that is in the way is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deleting {
    /// It has a deletionTimestamp.
    Yes,
    /// It has none.
    No,
}

/// The answer of a deletion that is complete.
#[must_use]
pub(crate) fn success(group: &str, resource: &str, name: &str, uid: &str) -> Value {
    let details = Details {
        name: name.into(),
        group: group.into(),
        kind: resource.into(),
        uid: uid.into(),
        ..Details::default()
    };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details.to_json()})
}

/// `deployments.apps`, or `configmaps` in the core group.
#[must_use]
pub(crate) fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.into() } else { format!("{resource}.{group}") }
}

fn cause_json(cause: &Cause) -> Value {
    let mut out = json!({});
    if !cause.reason.is_empty() {
        out["reason"] = cause.reason.into();
    }
    out["message"] = cause.message.as_str().into();
    if !cause.field.is_empty() {
        out["field"] = cause.field.as_str().into();
    }
    out
}

/// A value as JSON; of a very long one the beginning.
fn shown(value: &Value) -> String {
    let mut room = Room(Vec::new());
    let whole = serde_json::to_writer(&mut room, value).is_ok();
    let mut text = String::from_utf8_lossy(&room.0).into_owned();
    if !whole {
        text.push('…');
    }
    text
}

/// Takes so many bytes.
struct Room(Vec<u8>);

impl std::io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(MOST_SHOWN - self.0.len());
        self.0.extend_from_slice(&bytes[..taken]);
        if taken < bytes.len() { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How many bytes of a value a cause shows.
const MOST_SHOWN: usize = 8192;
