//! Connections: TLS, HTTP/1.1 and HTTP/2, limits, and the way of one request.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::again::again;
use super::answers::{self, Asker, Pace};
use super::health;
use crate::app::App;
use crate::auth::{self, Attributes};
use crate::http::{Answer, Body, Content, Query, Request, ResourcePath, Route, route};
use crate::metrics::Series;
use crate::request::list::reach;
use crate::room::{Bodies, Place, Room};
use crate::seats::{Guest, Guests, Visit};
use crate::status_error::Status;
use crate::storage::Key;
use crate::{discovery, keys, openapi, request};

/// Accepts connections until the server stops.
pub(crate) async fn run(app: Arc<App>, listener: TcpListener, acceptor: TlsAcceptor) {
    let mut stopping = app.stopping.subscribe();
    let mut connections = JoinSet::new();
    let guests = Arc::new(Guests::default());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // Who has said nothing that he is known by makes room for others.
                Ok((stream, _)) if connections.len() < app.limits.connections || guests.send_away() => {
                    let (app, acceptor, visit) = (Arc::clone(&app), acceptor.clone(), guests.come());
                    connections.spawn(async move {
                        connection(app, stream, acceptor, &visit).await;
                    });
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            () = crate::app::stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_millis(500), drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(app: Arc<App>, stream: TcpStream, acceptor: TlsAcceptor, visit: &Visit) {
    let Visit { guests, guest } = visit;
    let _ = stream.set_nodelay(true);
    let accepted = tokio::select! {
        accepted = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)) => accepted,
        () = guest.out.notified() => return,
    };
    let Ok(Ok(stream)) = accepted else { return };
    let mut stopping = app.stopping.subscribe();
    let limits = app.limits.clone();
    let asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&asked);
    let pace = Arc::new(Pace::default());
    let paces = Arc::clone(&pace);
    let (at, who) = (Arc::clone(guests), Arc::clone(guest));
    let service = service_fn(move |request| {
        asks.store(true, Ordering::Relaxed);
        let (app, pace) = (Arc::clone(&app), Arc::clone(&paces));
        let (guests, guest) = (Arc::clone(&at), Arc::clone(&who));
        async move {
            let asker = Connected { pace: &pace, guests: &guests, guest: &guest };
            Ok::<_, Infallible>(serve(&app, &asker, request).await)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Some(limits.head)).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(64 << 10)
        .max_send_buf_size(64 << 10)
        .max_concurrent_streams(Some(250));
    builder.http2().keep_alive_interval(Some(Duration::from_secs(30)));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = again(connection.as_mut()) => return,
        () = silence(&asked, limits.head) => return,
        () = guest.out.notified() => return,
        () = pace.stalled(limits.answer) => return,
        () = crate::app::stopped(&mut stopping) => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(Duration::from_millis(300), connection).await;
}

/// Returns when nothing was asked in all the time that a head may take; such a client keeps a place from others.
async fn silence(asked: &AtomicBool, time: Duration) {
    tokio::time::sleep(time).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// The connection over which a request came.
struct Connected<'a> {
    pace: &'a Arc<Pace>,
    guests: &'a Guests,
    guest: &'a Arc<Guest>,
}

async fn serve(
    app: &Arc<App>,
    connected: &Connected<'_>,
    incoming: hyper::Request<Incoming>,
) -> http::Response<Body> {
    let head = incoming.method() == http::Method::HEAD;
    let reads = head || incoming.method() == http::Method::GET;
    let mut user = String::new();
    let mut answer = answer(app, connected, incoming, &mut user).await.unwrap_or_else(Answer::from);
    // What was refused has written nothing.
    if !reads && answer.code < 300 && !app.until_flushed().await {
        answer = Status::internal(NOT_FLUSHED).into();
    }
    // A watch may wait for as long as nothing happens, and looks itself after who takes none of its events.
    let watches = matches!(answer.content, Content::Events(_));
    let mut response = answer.into_response();
    if head {
        *response.body_mut() = http_body_util::Full::new(Bytes::new()).boxed_unsync();
    } else if !watches {
        let (parts, body) = response.into_parts();
        let asker = Asker { user: &user, reads };
        response = match answers::paced(body, &app.answers, connected.pace, asker).await {
            Ok(body) => http::Response::from_parts(parts, body),
            Err(status) => Answer::from(status).into_response(),
        };
    }
    response
}

/// Nobody's body is kept before he is known and may do what he asks for.
async fn answer(
    app: &Arc<App>,
    connected: &Connected<'_>,
    incoming: hyper::Request<Incoming>,
    user: &mut String,
) -> Result<Answer, Status> {
    let (parts, body) = incoming.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let (mut request, route) = match admitted(app, connected, parts) {
        Ok(admitted) => admitted,
        Err(status) => {
            // A connection can be used again only when the body is out of the way.
            if length.is_none_or(|length| length <= UNIT) {
                drain(body, UNIT).await;
            }
            return Err(status);
        }
    };
    user.clone_from(&request.user.name);
    let (bytes, room) = read(app, user, body, length).await?;
    request.body = bytes;
    let request = Arc::new(request);
    match &route {
        Route::Resource(path) => of_resource(app, &request, path, room).await,
        Route::Discovery(parts) => discovery::serve(app, &request, parts),
        Route::Other if request.path.starts_with("/openapi/") => {
            let of = Arc::clone(app);
            let user = request.user.name.clone();
            aside(&app.documents, &user, room, async move { other(&of, &request) }).await
        }
        Route::Other => Ok(other(app, &request)),
        Route::Malformed => Ok(Answer::text(400, "400 Bad Request")),
    }
}

/// Answers a request for a resource, and counts it.
async fn of_resource(
    app: &Arc<App>,
    request: &Arc<Request>,
    path: &ResourcePath,
    room: Vec<Place>,
) -> Result<Answer, Status> {
    let since = std::time::Instant::now();
    let answer = if !takes_long(app, request, path) {
        let _room = room;
        request::serve(app, request, path).await
    } else if let Err(refused) = until_due(app, request).await {
        refused.into()
    } else {
        let (of, at, path) = (Arc::clone(app), Arc::clone(request), path.clone());
        let serving = async move { request::serve(&of, &at, &path).await };
        aside(&app.aside, &request.user.name, room, serving).await?
    };
    let verb = request::attributes(request, path).verb;
    if is_served(app, path) && !verb.is_empty() {
        app.metrics.answered(Series::of(&verb, path), answer.code, since.elapsed());
    }
    Ok(answer)
}

/// Whether a path leads somewhere; one that does not can hold anything, and must not become a series.
fn is_served(app: &App, path: &ResourcePath) -> bool {
    let kinds = app.kinds.current();
    kinds.resource(&path.group, &path.version, &path.resource).is_some_and(|resource| {
        path.subresource.as_ref().is_none_or(|name| resource.subresource(name).is_some())
    })
}

/// What may keep a thread busy for more than some milliseconds: large bodies and changes of large objects, whole
/// collections, rules of definitions, and reads in which much is not only copied.
fn takes_long(app: &App, request: &Request, path: &ResourcePath) -> bool {
    let kinds = app.kinds.current();
    let Some(resource) = kinds.resource(&path.group, &path.version, &path.resource) else { return false };
    let namespace = path.namespace.as_deref();
    let is_large = || match &path.name {
        Some(name) => {
            let key = Key::new(&resource.key, namespace.unwrap_or_default(), name);
            app.store.get(&key).is_some_and(|stored| stored.size() > LARGE)
        }
        None => app.store.holds_more(&resource.key, namespace, LARGE),
    };
    if matches!(request.method, http::Method::GET | http::Method::HEAD) {
        return request::reads_inside(request, resource, path.name.is_some()) && is_large();
    }
    let deletes_all = request.method == http::Method::DELETE && path.name.is_none();
    let has_rules = || resource.shape.has_rules() || *resource.key == *keys::DEFINITIONS;
    request.body.len() > LARGE
        || deletes_all
        || (!request.body.is_empty() && has_rules())
        || (path.name.is_some() && is_large())
}

/// Waits for the version that a read asks for: nobody keeps a turn while he waits until others have written.
async fn until_due(app: &App, request: &Request) -> Result<(), Status> {
    let reads = matches!(request.method, http::Method::GET | http::Method::HEAD);
    match request.query.text("resourceVersion").parse() {
        Ok(wanted) if reads && request.query.text("continue").is_empty() => reach(&app.store, wanted).await,
        _ => Ok(()),
    }
}

/// Serves a request on a thread of its own, so that others do not wait for it. The room of its body goes along: the
/// work is done to its end, also when nobody waits for the answer any more.
async fn aside<F>(turns: &Room, user: &str, room: Vec<Place>, serving: F) -> Result<Answer, Status>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let turn = turns.take(user, 1).await.ok_or_else(|| Status::internal(UNSERVED))?;
    let runtime = tokio::runtime::Handle::current();
    let serving = tokio::task::spawn_blocking(move || {
        let _held = (room, turn);
        runtime.block_on(serving)
    });
    serving.await.map_err(|_| Status::internal(UNSERVED))
}

/// Who sends the request, where it goes, and that it may.
fn admitted(
    app: &Arc<App>,
    connected: &Connected<'_>,
    parts: http::request::Parts,
) -> Result<(Request, Route), Status> {
    let caller = app.auth.caller(&parts.headers, &app.store)?;
    // Who is asked after its health keeps no place for that; who speaks for another has one of his own.
    if !is_public(parts.uri.path()) {
        connected.guests.seat(connected.guest, &app.connections, &caller)?;
    }
    let user = auth::impersonated(caller, &parts.headers, &app.store)?;
    let request = Request {
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        method: parts.method,
        headers: parts.headers,
        body: Bytes::new(),
        user,
        unread: Arc::clone(&connected.pace.unread),
    };
    let route = route(&request.path);
    authorize(app, &request, &route)?;
    Ok((request, route))
}

/// Reads a body whole, within the limits; its room is to be kept as long as the bytes are.
async fn read(
    app: &Arc<App>,
    user: &str,
    body: Incoming,
    stated: Option<u64>,
) -> Result<(Bytes, Vec<Place>), Status> {
    if stated.is_some_and(|length| length > BODY as u64) {
        drain(body, 8 * BODY as u64).await;
        return Err(Status::too_large(TOO_LARGE));
    }
    if body.is_end_stream() {
        return Ok((Bytes::new(), Vec::new()));
    }
    let late = || Status::plain(408, "Timeout", "the body of the request did not arrive in time");
    let most = stated.map_or(BODY, |length| length as usize);
    tokio::time::timeout(app.limits.body, collect(&app.bodies, user, body, most)).await.map_err(|_| late())?
}

/// Takes room when bytes arrive, and not for what is only announced: a little for the beginning and, once there is
/// more, the rest at once. Who waits for the rest holds nothing that another one who does might need.
async fn collect(
    rooms: &Bodies,
    user: &str,
    mut body: Incoming,
    most: usize,
) -> Result<(Bytes, Vec<Place>), Status> {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Status::bad_request("the body of the request could not be read"))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > BODY {
            return Err(Status::too_large(TOO_LARGE));
        }
        if places.is_empty() {
            places.extend(rooms.begun.take(user, 1).await);
        }
        if length > BEGUN && places.len() == 1 {
            places.extend(rooms.large.take(user, most.max(length).div_ceil(UNIT as usize)).await);
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.into(), places))
}

/// Reads on for a while, so that a client that sends first and reads later gets its answer.
async fn drain(body: Incoming, most: u64) {
    let reading = async {
        let (mut body, mut left) = (body, most);
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            let Some(rest) = left.checked_sub(length) else { break };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
}

fn authorize(app: &Arc<App>, request: &Request, route: &Route) -> Result<(), Status> {
    let wanted = match route {
        Route::Resource(path) => request::attributes(request, path),
        _ => Attributes {
            verb: request.method.as_str().to_ascii_lowercase(),
            path: Some(request.path.clone()),
            ..Attributes::default()
        },
    };
    if wanted.path.as_deref().is_some_and(is_public) {
        return Ok(());
    }
    auth::require(&request.user, &wanted, &app.store)
}

fn is_public(path: &str) -> bool {
    ["/healthz", "/livez", "/readyz", "/version"].contains(&path)
}

fn other(app: &Arc<App>, request: &Request) -> Answer {
    let path = request.path.trim_end_matches('/');
    let known = discovery::ROOT_PATHS.contains(&path) || path.is_empty() || path.starts_with("/openapi/");
    if known && !matches!(request.method, http::Method::GET | http::Method::HEAD) {
        return Status::method_not_allowed().into();
    }
    match path {
        "" => discovery::root(app),
        "/metrics" => Answer::bytes(
            200,
            "text/plain; version=0.0.4; charset=utf-8",
            app.metrics.text(app.store.counts()).into(),
        ),
        "/.well-known/openid-configuration" => Answer::json(200, discovery::openid(request)),
        "/openid/v1/jwks" => {
            Answer::bytes(200, "application/jwk-set+json", Bytes::from_static(b"{\"keys\":[]}"))
        }
        "/version" => discovery::version(),
        "/openapi/v2" => openapi::v2(app, request),
        "/openapi/v3" => openapi::index(app),
        _ => match path.strip_prefix("/openapi/v3/") {
            Some(rest) => openapi::document(app, request, rest),
            None => health::answer(app, request, path).unwrap_or_else(Answer::no_page),
        },
    }
}

const BODY: usize = 3 << 20;
/// Bytes of a body that is read and checked aside.
const LARGE: usize = 64 << 10;
const TOO_LARGE: &str = "Request entity too large: limit is 3145728";
const UNSERVED: &str = "the request could not be served";
const NOT_FLUSHED: &str = "the disk did not take the write, which may be lost";
/// Bytes of the beginning of a body.
const BEGUN: usize = 16 << 10;
/// Bytes of one unit of the room for large bodies.
const UNIT: u64 = 64 << 10;
const HANDSHAKE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::server::{Options, start};
    use crate::storage::Expect;

    fn request(method: http::Method, path: &str, accept: &'static str, body: usize) -> Request {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let accept = (http::header::ACCEPT, http::HeaderValue::from_static(accept));
        Request {
            method,
            path: path.to_owned(),
            query: Query::parse(query),
            headers: http::HeaderMap::from_iter([accept]),
            body: vec![b'x'; body].into(),
            user: Default::default(),
            unread: Default::default(),
        }
    }

    #[tokio::test]
    async fn what_is_stored_tells_whether_a_request_takes_long() {
        let running = start(Options::default()).await.expect("it starts");
        let app = &running.app;
        for (name, bytes) in [("large", LARGE), ("small", 1)] {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {"a": "x".repeat(bytes)}});
            let key = Key::new(&"configmaps".into(), "default", name);
            assert!(app.store.put(&key, &object, Expect::Absent).is_ok());
        }
        let (json, table) = ("application/json", "application/json;as=Table;v=v1;g=meta.k8s.io");
        let long = |method: http::Method, path: &str, accept: &'static str, body: usize| {
            let request = request(method, path, accept, body);
            let Route::Resource(at) = route(&request.path) else { panic!("{path} is one of a resource") };
            takes_long(app, &request, &at)
        };
        let (maps, core) = ("/api/v1/namespaces/default/configmaps", "/apis/apiextensions.k8s.io/v1");
        for (method, path, accept, body, wanted) in [
            (http::Method::PATCH, format!("{maps}/large"), json, 10, true),
            (http::Method::PATCH, format!("{maps}/small"), json, 10, false),
            (http::Method::DELETE, format!("{maps}/large"), json, 0, true),
            (http::Method::POST, maps.to_owned(), json, 10, false),
            (http::Method::POST, maps.to_owned(), json, LARGE + 1, true),
            (http::Method::POST, format!("{core}/customresourcedefinitions"), json, 10, true),
            (http::Method::GET, maps.to_owned(), json, 0, false),
            (http::Method::GET, maps.to_owned(), table, 0, true),
            (http::Method::GET, "/api/v1/namespaces/kube-system/configmaps".to_owned(), table, 0, false),
            (http::Method::GET, "/api/v1/configmaps".to_owned(), "application/yaml", 0, true),
            (http::Method::GET, format!("{maps}/small"), table, 0, false),
            (http::Method::GET, format!("{maps}/large"), table, 0, true),
            (http::Method::GET, format!("{maps}?watch=1"), table, 0, false),
        ] {
            assert_eq!(long(method.clone(), &path, accept, body), wanted, "{method} {path} {accept}");
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn nobody_takes_all_turns() {
        let running = start(Options::default()).await.expect("it starts");
        let app = &running.app;
        let taken: Vec<Place> = std::iter::from_fn(|| app.aside.take_now("a", 1)).collect();
        assert!(!taken.is_empty() && app.aside.take_now("b", 1).is_some());
        let document = app.documents.take_now("a", 1);
        assert!(
            document.is_some() && app.documents.take_now("b", 1).is_some(),
            "these are in no turn of writes"
        );
        running.stop().await;
    }
}
