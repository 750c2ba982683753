//! What is wrong with an object, and how much of it an answer has room for.

use serde_json::{Value, json};

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

    /// The whole of it as text.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }

    /// One of the `causes` of a `v1.Status`.
    pub(crate) fn to_json(&self) -> Value {
        let mut out = json!({});
        if !self.reason.is_empty() {
            out["reason"] = self.reason.into();
        }
        out["message"] = self.message.as_str().into();
        if !self.field.is_empty() {
            out["field"] = self.field.as_str().into();
        }
        out
    }
}

/// Collects causes, and takes no more once there are many.
#[derive(Default)]
pub(crate) struct Causes {
    list: Vec<Cause>,
    bytes: usize,
}

impl Causes {
    /// What is told of these.
    pub(crate) fn bounded(causes: Vec<Cause>) -> Vec<Cause> {
        let mut out = Self::default();
        out.extend(causes);
        out.told()
    }

    /// One more.
    pub(crate) fn push(&mut self, cause: Cause) {
        if self.is_full() {
            return;
        }
        self.bytes += cause.message.len() + cause.field.len();
        // One that is too large by itself only says that there is more.
        if self.bytes < MOST_BYTES {
            self.list.push(cause);
        }
    }

    /// Several more; stops asking for them when there are enough.
    pub(crate) fn extend(&mut self, causes: impl IntoIterator<Item = Cause>) {
        for cause in causes {
            if self.is_full() {
                return;
            }
            self.push(cause);
        }
    }

    /// True when nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.is_full()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// True when nothing more is taken: who looks for more may stop.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// What was found; says at the end when there may be more.
    pub(crate) fn told(mut self) -> Vec<Cause> {
        if self.is_full() {
            let why = "there may be more faults than these; mend them to see the rest";
            self.list.push(Cause::omitted("metadata", why));
        }
        self.list
    }
}

/// Collects complaints about fields, and takes no more once there are many.
pub(crate) struct Complaints {
    list: Vec<String>,
    /// How many more there may be, and how many bytes of them.
    left: usize,
    bytes_left: usize,
}

impl Default for Complaints {
    fn default() -> Self {
        Self::at_most(MOST)
    }
}

impl Complaints {
    /// At most so many.
    pub(crate) fn at_most(left: usize) -> Self {
        Self { list: Vec::new(), left, bytes_left: MOST_BYTES }
    }

    /// One more, put into words only while there is room for it.
    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.is_full() {
            return;
        }
        let text = text();
        self.left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(text.len());
        self.list.push(text);
    }

    /// True when there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True when nothing more is taken: who looks for more may stop.
    pub(crate) fn is_full(&self) -> bool {
        self.left == 0 || self.bytes_left == 0
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Forgets all but the first ones.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.list.truncate(count);
    }

    /// What was noted.
    pub(crate) fn told(self) -> Vec<String> {
        self.list
    }
}

/// A value as JSON; of a very long one the beginning.
pub(crate) fn shown(value: &Value) -> String {
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
pub(crate) const MOST: usize = 1000;
pub(crate) const MOST_BYTES: usize = 1 << 20;
