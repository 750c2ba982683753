//! The wire: paths, queries, what a client accepts, and answers as bytes.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures::StreamExt;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use crate::clock;
use crate::escapes::{decoded, decoded_path};
use crate::status_error::Status;
use crate::user::User;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request after its body was read and its user is known.
pub(crate) struct Request {
    pub method: Method,
    pub path: String,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub user: User,
    /// Closes the connection, when told that nobody takes the events of a watch.
    pub unread: Arc<Notify>,
}

impl Request {
    /// A header as text; empty when absent.
    pub(crate) fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The media type of the body, without parameters.
    pub(crate) fn content_type(&self) -> String {
        self.header(&CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// True for a server-side apply.
    pub(crate) fn is_apply(&self) -> bool {
        self.content_type() == APPLY_TYPE
    }

    /// The name that writes are recorded under when the query has none.
    pub(crate) fn agent(&self) -> String {
        let agent = self.header(&http::header::USER_AGENT);
        let name: String = agent
            .split('/')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|letter| !letter.is_control())
            .take(128)
            .collect();
        if name.is_empty() { "unknown".into() } else { name }
    }
}

/// The query of a request, decoded.
#[derive(Debug, Default, Clone)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(key), decoded(value))
        };
        Self(text.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_default()
    }

    pub(crate) fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == key).map(|(_, value)| value.as_str()).collect()
    }

    /// Everything but `false`, `0` and nothing at all is yes.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !value.eq_ignore_ascii_case("false") && value != "0")
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<i64>, Status> {
        match self.get(key) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
            }),
        }
    }
}

/// A path without its escapes; `None` when one of them is none.
fn whole(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(path.into());
    }
    let hex = |behind: &str| behind.len() >= 2 && behind.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    path.split('%').skip(1).all(hex).then(|| decoded_path(path).into())
}

/// Where a path below `/api` or `/apis` points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub group: String,
    pub version: String,
    pub namespace: Option<String>,
    pub resource: String,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A resource or a collection.
    Resource(ResourcePath),
    /// `/apis`, `/apis/G`, `/apis/G/V`, `/api`, `/api/V` with the parts after the root.
    Discovery(Vec<String>),
    /// Anything else.
    Other,
    /// No path at all.
    Malformed,
}

/// Splits a path.
///
/// As the reference does it: escapes are read before the path is split, so that `%2F` divides as `/` does, and nothing
/// is resolved: `..` is a name, which no object has. Between two slashes is an empty part.
pub(crate) fn route(path: &str) -> Route {
    let Some(path) = whole(path) else { return Route::Malformed };
    if path.starts_with("//") {
        return Route::Other;
    }
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match words.as_slice() {
        ["api" | "apis", "", ..] | ["apis", _, "", ..] => return Route::Other,
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        ["api", ..] | ["apis", ..] if words.len() <= 3 => {
            return Route::Discovery(words.into_iter().map(str::to_owned).collect());
        }
        _ => return Route::Other,
    };
    let made = |namespace: Option<&str>, resource: &str, name: Option<&&str>, subresource: Option<&&str>| {
        Route::Resource(ResourcePath {
            group: group.into(),
            version: version.into(),
            namespace: namespace.filter(|namespace| !namespace.is_empty()).map(str::to_owned),
            resource: resource.into(),
            name: name.map(|&name| name.to_owned()),
            subresource: subresource.map(|&name| name.to_owned()),
        })
    };
    match rest {
        ["namespaces", name, sub @ ("status" | "finalize")] => {
            made(None, "namespaces", Some(name), Some(sub))
        }
        ["namespaces", namespace, resource] => made(Some(namespace), resource, None, None),
        ["namespaces", namespace, resource, name] => made(Some(namespace), resource, Some(name), None),
        ["namespaces", namespace, resource, name, sub] => {
            made(Some(namespace), resource, Some(name), Some(sub))
        }
        [resource] => made(None, resource, None, None),
        [resource, name] => made(None, resource, Some(name), None),
        [resource, name, sub] => made(None, resource, Some(name), Some(sub)),
        // Below a known group this is no resource, and elsewhere no page.
        _ => made(None, "", None, None),
    }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As stored.
    Object,
    /// A `meta.k8s.io/v1` or `v1beta1` Table.
    Table(&'static str),
    /// Metadata alone, of one object or (once it is known that it fits) a list.
    Partial,
    /// Metadata alone, of a list.
    PartialList,
    /// Aggregated discovery of this version.
    Discovery(&'static str),
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Yaml,
}

/// The first form of `Accept` that can be given, by a door that has these types; custom objects have none of their own.
///
/// # Errors
/// 406 when none can.
pub(crate) fn negotiate(headers: &HeaderMap, types: &str) -> Result<(Form, Encoding), Status> {
    let texts: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let text = texts.join(",");
    if text.trim().is_empty() {
        return Ok((Form::Object, Encoding::Json));
    }
    let known = |range: &str| KNOWN_TYPES.contains(&range.split(';').next().unwrap_or_default().trim());
    if !types.is_empty() && !text.split(',').any(known) {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {types}");
        let details = Some(crate::status_error::Details::default());
        return Err(Status { code: 406, reason: "NotAcceptable", message, details });
    }
    text.split(',').find_map(accepted).ok_or_else(not_acceptable)
}

/// 406 for forms that cannot be given.
pub(crate) fn not_acceptable() -> Status {
    Status::plain(406, "NotAcceptable", format!("only the following media types are accepted: {TYPES}"))
}

/// Types of answers, and of those that may be streams.
pub(crate) const TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
pub(crate) const STREAM_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
/// Types of which some form can be asked for.
const KNOWN_TYPES: [&str; 5] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/*", "*/*"];

fn accepted(range: &str) -> Option<(Form, Encoding)> {
    let mut parts = range.split(';').map(str::trim);
    let encoding = match parts.next()? {
        "application/json" | "*/*" | "application/*" => Encoding::Json,
        "application/yaml" => Encoding::Yaml,
        _ => return None,
    };
    let (mut form, mut group, mut version) = ("", "", "");
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim() {
            "as" => form = value.trim(),
            "g" => group = value.trim(),
            "v" => version = value.trim(),
            _ => {}
        }
    }
    let form = match (form, group, version) {
        ("", ..) => Form::Object,
        ("Table", "meta.k8s.io", "v1") => Form::Table("meta.k8s.io/v1"),
        ("Table", "meta.k8s.io", "v1beta1") => Form::Table("meta.k8s.io/v1beta1"),
        ("PartialObjectMetadata", "meta.k8s.io", "v1" | "v1beta1") => Form::Partial,
        ("PartialObjectMetadataList", "meta.k8s.io", "v1" | "v1beta1") => Form::PartialList,
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Form::Discovery("v2"),
        _ => return None,
    };
    Some((form, encoding))
}

/// An answer before it is bytes.
pub(crate) struct Answer {
    pub code: u16,
    pub content: Content,
    pub warnings: Vec<String>,
    pub headers: Vec<(HeaderName, String)>,
}

/// The content of an answer.
pub(crate) enum Content {
    Json(Value),
    Yaml(String),
    Bytes {
        content_type: String,
        bytes: Bytes,
    },
    /// JSON that is made while it is taken.
    Parts(Body),
    /// Events of a watch.
    Events(mpsc::Receiver<Bytes>),
}

impl Answer {
    pub(crate) fn json(code: u16, value: Value) -> Self {
        Self { code, content: Content::Json(value), warnings: Vec::new(), headers: Vec::new() }
    }

    /// JSON that is text already, with the line end that answers have.
    pub(crate) fn json_text(code: u16, mut text: Vec<u8>) -> Self {
        text.push(b'\n');
        Self::bytes(code, "application/json", text.into())
    }

    pub(crate) fn text(code: u16, text: &str) -> Self {
        Self::bytes(code, "text/plain; charset=utf-8", Bytes::copy_from_slice(text.as_bytes()))
    }

    pub(crate) fn bytes(code: u16, content_type: &str, bytes: Bytes) -> Self {
        let content = Content::Bytes { content_type: content_type.into(), bytes };
        Self { code, content, warnings: Vec::new(), headers: Vec::new() }
    }

    /// The plain text of a path that is nowhere.
    pub(crate) fn no_page() -> Self {
        Self::text(404, "404 page not found\n")
    }

    pub(crate) fn warned(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let full = |bytes: Bytes| Full::new(bytes).boxed_unsync();
        let (content_type, body) = match self.content {
            Content::Json(value) => {
                let mut bytes = serde_json::to_vec(&value).unwrap_or_default();
                bytes.push(b'\n');
                ("application/json".to_owned(), full(bytes.into()))
            }
            Content::Yaml(text) => ("application/yaml".to_owned(), full(text.into())),
            Content::Bytes { content_type, bytes } => (content_type, full(bytes)),
            Content::Parts(body) => ("application/json".to_owned(), body),
            Content::Events(receiver) => ("application/json".to_owned(), streamed(receiver)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&content_type)
            && !content_type.is_empty()
        {
            headers.insert(CONTENT_TYPE, value);
        }
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        for (name, value) in FLOW.iter() {
            headers.insert(name, value.clone());
        }
        for warning in shortened(self.warnings) {
            if let Ok(value) = HeaderValue::from_str(&format!("299 - {}", quoted(&warning))) {
                headers.append(HeaderName::from_static("warning"), value);
            }
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// What a request was sorted into, by which clients know that the server guards itself and that they need not slow
/// themselves down. Everything is in one flow here, bounded as a whole.
static FLOW: LazyLock<[(HeaderName, HeaderValue); 2]> = LazyLock::new(|| {
    ["x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid"].map(|name| {
        let uid = HeaderValue::from_str(&clock::uuid()).unwrap_or(HeaderValue::from_static(""));
        (HeaderName::from_static(name), uid)
    })
});

/// Each warning once; when they are long altogether, the beginning of each, and not all of them.
fn shortened(warnings: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let once: Vec<String> = warnings.into_iter().filter(|text| seen.insert(text.clone())).collect();
    let length = |text: &String| text.chars().count();
    if once.iter().map(length).sum::<usize>() <= LONGEST_WARNINGS {
        return once;
    }
    let mut written = 0;
    let begun = once.into_iter().map(|text| text.chars().take(LONGEST_WARNING).collect::<String>());
    begun
        .take_while(|text| {
            let fits = written < LONGEST_WARNINGS;
            written += length(text);
            fits
        })
        .collect()
}

/// Letters of all warnings of an answer, and of one when there are more.
const LONGEST_WARNINGS: usize = 4096;
const LONGEST_WARNING: usize = 256;

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        let mut answer = Self::json(status.code, status.to_json());
        if let Some(seconds) =
            status.details.map(|details| details.retry_after).filter(|&seconds| seconds > 0)
        {
            answer.headers.push((http::header::RETRY_AFTER, seconds.to_string()));
        }
        answer
    }
}

/// Events in pieces. They are copied: a connection may hold what it sent last until there is more to send, and what is
/// held so must not count as unread.
fn streamed(receiver: mpsc::Receiver<Bytes>) -> Body {
    let frames = futures::stream::unfold((receiver, Bytes::new()), |(mut receiver, mut rest)| async move {
        if rest.is_empty() {
            rest = receiver.recv().await?;
        }
        let piece = Bytes::copy_from_slice(&rest.split_to(rest.len().min(PIECE)));
        Some((piece, (receiver, rest)))
    });
    StreamBody::new(frames.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)))).boxed_unsync()
}

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " "))
}

/// The media type of a server-side apply.
pub(crate) const APPLY_TYPE: &str = "application/apply-patch+yaml";
