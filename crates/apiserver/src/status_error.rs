//! The `Status` answers: one constructor per way of refusing a request.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::causes::{Cause, Causes};

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
            map.insert("causes".into(), self.causes.iter().map(Cause::to_json).collect());
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
