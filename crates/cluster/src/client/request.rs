//! One request as data: path, query, body, and the options of each verb.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// A request about to be sent. Debug does not show the body, which may be a Secret; it is wiped.
pub struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) accept: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Call {
    /// A request without query or body; `path` starts with a slash and is already encoded.
    pub fn new(method: Method, path: String) -> Call {
        let (accept, content_type) = ("application/json", "application/json");
        Call { method, path, accept, content_type, body: Bytes::new() }
    }

    /// Adds a query parameter; an empty value adds nothing.
    pub fn query(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let sign = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{sign}{key}={}", self.path, encode(value));
    }

    /// Sets the body and says what it is.
    pub fn body(&mut self, body: &Value, content_type: &'static str) {
        self.json(body);
        self.content_type = content_type;
    }

    /// Sets the body.
    pub fn json(&mut self, body: &Value) {
        self.body = Bytes::from_owner(written(body));
    }
}

/// A value as JSON. There is room for all of it from the start: what a buffer grew out of would not be wiped.
fn written(value: &Value) -> Zeroizing<Vec<u8>> {
    let mut length = Length(0);
    let mut bytes = Zeroizing::new(Vec::new());
    // A value that is held in memory can be written there.
    let _ = serde_json::to_writer(&mut length, value);
    bytes.reserve_exact(length.0);
    let _ = serde_json::to_writer(&mut *bytes, value);
    bytes
}

/// Counts what is written.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986. The text may be a secret: it never grows out of a buffer
/// that would not be wiped.
pub fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let length = text.bytes().map(|byte| if is_plain(byte) { 1 } else { 3 }).sum();
    let mut out = String::with_capacity(length);
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Which objects a list or watch is about.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// A label selector; empty for all.
    pub labels: String,
    /// A field selector; empty for all.
    pub fields: String,
    /// Only metadata is wanted, which keeps Secret values out of our memory.
    pub metadata_only: bool,
}

impl Select {
    pub(crate) fn accept(&self) -> &'static str {
        if self.metadata_only {
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
        } else {
            "application/json"
        }
    }

    pub(crate) fn accept_one(&self) -> &'static str {
        if self.metadata_only {
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
        } else {
            "application/json"
        }
    }

    pub(crate) fn write(&self, call: &mut Call) {
        call.query("labelSelector", &self.labels);
        call.query("fieldSelector", &self.fields);
    }
}

/// A patch and its kind.
#[derive(Debug, Clone, Copy)]
pub enum Patch<'a> {
    /// JSON merge patch (RFC 7396).
    Merge(&'a Value),
    /// JSON patch (RFC 6902): an array of operations.
    Json(&'a Value),
    /// Strategic merge patch, for kinds that the server knows by type.
    Strategic(&'a Value),
}

impl<'a> Patch<'a> {
    pub(crate) fn content_type(&self) -> &'static str {
        match self {
            Patch::Merge(_) => "application/merge-patch+json",
            Patch::Json(_) => "application/json-patch+json",
            Patch::Strategic(_) => "application/strategic-merge-patch+json",
        }
    }

    pub(crate) fn body(&self) -> &'a Value {
        match self {
            Patch::Merge(v) | Patch::Json(v) | Patch::Strategic(v) => v,
        }
    }
}

/// Whether a write is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DryRun {
    /// The write is stored.
    #[default]
    No,
    /// The server answers as if, and stores nothing.
    Yes,
}

impl DryRun {
    pub(crate) fn query(self) -> &'static str {
        match self {
            DryRun::No => "",
            DryRun::Yes => "All",
        }
    }
}

/// How to apply.
#[derive(Debug, Clone, Copy)]
pub struct Apply<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Take fields over from other managers.
    pub force: bool,
    /// Only try it.
    pub dry_run: DryRun,
}

/// What happens to the objects that an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// The server's collector takes them later.
    #[default]
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// How to delete.
#[derive(Debug, Clone, Default)]
pub struct Delete {
    /// What happens to dependants.
    pub propagation: Propagation,
    /// Only this very object (by uid), when given.
    pub uid: Option<String>,
}

impl Delete {
    pub(crate) fn body(&self) -> Value {
        let policy = match self.propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        let mut body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
        if let Some(uid) = &self.uid {
            body["preconditions"] = json!({"uid": uid});
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_texts_do_not_grow() {
        let encoded = encode("a/+=~é");
        assert_eq!((encoded.as_str(), encoded.capacity()), ("a%2F%2B%3D~%C3%A9", encoded.len()));
    }

    #[test]
    fn bodies_are_not_shown_and_do_not_grow() {
        let mut call = Call::new(Method::POST, "/api/v1/secrets".to_owned());
        let secret = json!({ "kind": "Secret", "stringData": { "a": "hidden \u{1}\"é" } });
        call.json(&secret);
        assert_eq!(serde_json::from_slice::<Value>(&call.body).ok(), Some(secret.clone()));
        assert_eq!(format!("{call:?}"), "Call { method: POST, path: \"/api/v1/secrets\", .. }");
        let bytes = written(&secret);
        assert_eq!(bytes.capacity(), bytes.len());
    }
}
