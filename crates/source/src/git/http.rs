//! HTTP for the Git protocol: our own TLS roots, credentials, proxy and deadline.
//!
//! Follows: the contract of gix's `Http`: a body is posted whole, and the answer is asked for when it is first read.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, Transport,
};
use reqwest::StatusCode;
use reqwest::blocking::{self, RequestBuilder, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use secrecy::ExposeSecret as _;

use super::remote::Way;
use super::verdict::{Said, Verdict};
use super::{Auth, Request, dial, trust};
use crate::error::{Error, chain};

/// Bytes of the words that a remote has for a refusal.
const LONGEST_WORDS: u64 = 1000;

/// Makes the way to the remote of a request.
pub(super) fn connect(request: &Request, deadline: Instant, verdict: &Verdict) -> Result<Way, Error> {
    let client = Client::new(request, deadline, verdict.clone())?;
    let url = gix::url::parse(request.address.bare().as_str())
        .map_err(|error| Error::Url { reason: chain(&error) })?;
    Ok(Box::new(Transport::new_http(client, url, Protocol::V2, false)))
}

/// The HTTP client of one conversation.
#[derive(Clone)]
struct Client {
    http: blocking::Client,
    /// Sent only to the origin that the address names.
    authorization: Option<HeaderValue>,
    origin: url::Origin,
    deadline: Instant,
    verdict: Verdict,
    redirected: Arc<Mutex<Option<String>>>,
    /// Who stands in between, by address.
    proxy: Option<String>,
}

impl Client {
    fn new(request: &Request, deadline: Instant, verdict: Verdict) -> Result<Self, Error> {
        let builder = builder(request)?
            .connect_timeout(remaining(deadline).min(Duration::from_secs(30)))
            .timeout(None)
            .redirect(redirects());
        Ok(Self {
            http: builder.build().map_err(setting("tls"))?,
            authorization: authorization(request)?,
            origin: request.address.bare().origin(),
            deadline,
            verdict,
            redirected: Arc::default(),
            proxy: request.proxy.as_ref().map(|proxy| proxy.address.clone()),
        })
    }

    fn send(&self, mut request: RequestBuilder, url: &str) -> io::Result<Response> {
        let target = url::Url::parse(url).map_err(io::Error::other)?;
        let left = remaining(self.deadline);
        if left.is_zero() {
            return Err(self.late(&target));
        }
        request = request.timeout(left);
        if let Some(value) = self.authorization.as_ref().filter(|_| target.origin() == self.origin) {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let response = request.send().map_err(|error| self.failed(&target, &error))?;
        if let Some(text) = astray(&target, response.url()) {
            self.verdict.say(Said::Failed(text.clone()));
            return Err(io::Error::other(text));
        }
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let (address, body) = (dial::shown(&target), words(response));
        self.verdict.say(Said::Status { status: status.as_u16(), address, body });
        let kind = if status == StatusCode::UNAUTHORIZED {
            io::ErrorKind::PermissionDenied
        } else {
            io::ErrorKind::Other
        };
        Err(io::Error::new(kind, format!("status code: {}", status.as_u16())))
    }

    fn failed(&self, url: &url::Url, error: &reqwest::Error) -> io::Error {
        if error.is_timeout() && remaining(self.deadline).is_zero() {
            return self.late(url);
        }
        // The address is part of our own message already, and its query says nothing.
        let text = || std::error::Error::source(error).map_or_else(|| error.to_string(), chain);
        let text = dial::failed_request(url, self.proxy.as_deref(), error).unwrap_or_else(text);
        self.verdict.say(Said::Failed(text.clone()));
        io::Error::other(text)
    }

    /// There was no time left for an answer from there.
    fn late(&self, url: &url::Url) -> io::Error {
        self.verdict.say(Said::Failed(format!("{}: {}", dial::asked(url), Error::Deadline)));
        io::ErrorKind::TimedOut.into()
    }

    fn body(&self, response: Response) -> Body {
        Body { inner: Some(BufReader::new(Answer::new(response, self.clone()))), later: None }
    }
}

impl Http for Client {
    type Headers = Headers;
    type ResponseBody = Body;
    type PostBody = Upload;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Headers, Body>> {
        let request = self.http.get(url).headers(parse(headers));
        let response = self.send(request, url).map_err(gix::Error::from_error)?;
        let (tail, actual) = (url.strip_prefix(base_url).unwrap_or_default(), response.url().as_str());
        if actual != url
            && let Some(base) = actual.strip_suffix(tail)
        {
            *self.redirected.lock().unwrap_or_else(PoisonError::into_inner) = Some(base.to_owned());
        }
        Ok(GetResponse { headers: Headers::Known(lines(&response)), body: self.body(response) })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Headers, Body, Upload>> {
        let exchange = Exchange {
            client: self.clone(),
            url: url.to_owned(),
            headers: parse(headers),
            upload: Vec::new(),
            response: None,
        };
        let exchange = Arc::new(Mutex::new(exchange));
        Ok(PostResponse {
            post_body: Upload(Arc::clone(&exchange)),
            headers: Headers::Later(Arc::clone(&exchange)),
            body: Body { inner: None, later: Some(exchange) },
        })
    }

    fn configure(&mut self, _config: &dyn std::any::Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A request that is sent when its answer is first read.
struct Exchange {
    client: Client,
    url: String,
    headers: HeaderMap,
    upload: Vec<u8>,
    response: Option<Response>,
}

impl Exchange {
    fn send(&mut self) -> io::Result<()> {
        if self.response.is_none() {
            let upload = std::mem::take(&mut self.upload);
            let request = self.client.http.post(&self.url).headers(self.headers.clone()).body(upload);
            self.response = Some(self.client.send(request, &self.url)?);
        }
        Ok(())
    }
}

/// Takes the body of a request.
struct Upload(Arc<Mutex<Exchange>>);

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).upload.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The headers of an answer, a line each.
enum Headers {
    Known(Cursor<Vec<u8>>),
    Later(Arc<Mutex<Exchange>>),
}

impl Headers {
    fn known(&mut self) -> io::Result<&mut Cursor<Vec<u8>>> {
        if let Self::Later(exchange) = self {
            let lines = {
                let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
                exchange.send()?;
                exchange.response.as_ref().map(lines).unwrap_or_default()
            };
            *self = Self::Known(lines);
        }
        match self {
            Self::Known(lines) => Ok(lines),
            Self::Later(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.known()?.read(buffer)
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.known()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Self::Known(lines) = self {
            lines.consume(amount);
        }
    }
}

/// The body of an answer.
struct Body {
    inner: Option<BufReader<Answer>>,
    later: Option<Arc<Mutex<Exchange>>>,
}

struct Answer {
    response: Response,
    client: Client,
    /// Whether it says neither how long it is nor comes in parts; told before it is read, as nobody can later.
    is_open_ended: bool,
}

impl Answer {
    fn new(response: Response, client: Client) -> Self {
        let is_open_ended =
            response.content_length().is_none() && !response.headers().contains_key(TRANSFER_ENCODING);
        Self { response, client, is_open_ended }
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if remaining(self.client.deadline).is_zero() {
            self.client.verdict.say(Said::Deadline);
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = match self.response.read(buffer) {
            Ok(count) => count,
            // Where the end of the connection is that of the answer, many servers say no goodbye; what they sent tells by
            // itself whether it is whole.
            Err(error) if is_without_goodbye(&error) && self.is_open_ended => 0,
            Err(error) => {
                if remaining(self.client.deadline).is_zero() {
                    self.client.verdict.say(Said::Deadline);
                }
                return Err(error);
            }
        };
        self.client.verdict.received(count)?;
        Ok(count)
    }
}

/// Whether TLS ended with the connection and not by itself.
fn is_without_goodbye(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let ended =
            error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::UnexpectedEof);
        if ended && error.to_string().contains("close_notify") {
            return true;
        }
        // What an I/O error holds is not what it names as its source.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

impl Body {
    fn inner(&mut self) -> io::Result<&mut BufReader<Answer>> {
        if let Some(exchange) = self.later.take() {
            let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
            exchange.send()?;
            if let Some(response) = exchange.response.take() {
                let client = exchange.client.clone();
                self.inner = Some(BufReader::new(Answer::new(response, client)));
            }
        }
        self.inner.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner()?.read(buffer)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(inner) = &mut self.inner {
            inner.consume(amount);
        }
    }
}

/// Why an answer is not to what was asked: somebody led to a page for people, say, or the address has a query of its own.
fn astray(asked: &url::Url, answered: &url::Url) -> Option<String> {
    const LIST: &str = "/info/refs";
    let asked_for_list = asked.as_str().contains(LIST);
    let path = crate::url::plain(answered.path());
    (asked_for_list && !path.ends_with(LIST))
        .then(|| format!("http redirect: target {path:?} does not end with {LIST}"))
}

/// What an answer says beside its status, to its first bytes.
fn words(answer: Response) -> String {
    let mut body = Vec::new();
    // What cannot be read was not said.
    let _ = answer.take(LONGEST_WORDS).read_to_end(&mut body);
    String::from_utf8_lossy(&body).into_owned()
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Returns a client that trusts, shows and goes through what the request says.
pub(crate) fn builder(request: &Request) -> Result<blocking::ClientBuilder, Error> {
    // Fails when a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = blocking::Client::builder().user_agent("git/sealfast");
    if let Some(ca) = &request.ca {
        builder = builder.tls_backend_preconfigured(trust::config(ca, request.client_certificate.as_ref())?);
    } else if let Some(own) = &request.client_certificate {
        own.check()?;
        let mut pem = zeroize::Zeroizing::new(own.key.expose_secret().as_bytes().to_vec());
        pem.push(b'\n');
        pem.extend_from_slice(&own.certificate);
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(setting("tls.crt"))?);
    }
    if let Some(proxy) = &request.proxy {
        builder = builder.proxy(proxy.for_clients().map_err(setting("proxy"))?);
    }
    Ok(builder)
}

/// At most ten, and never from `https` to `http`.
fn redirects() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let was_secure = attempt.previous().last().is_some_and(|from| from.scheme() == "https");
        if was_secure && attempt.url().scheme() != "https" {
            return attempt.error("redirected from https to http");
        }
        if attempt.previous().len() > 10 {
            return attempt.error("too many redirects");
        }
        attempt.follow()
    })
}

fn authorization(request: &Request) -> Result<Option<HeaderValue>, Error> {
    let basic = |user: &str, password: &str| {
        zeroize::Zeroizing::new(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
    };
    let text = match (&request.auth, request.address.user()) {
        (Auth::Basic { username, password }, _) => basic(username, password.expose_secret()),
        (Auth::Bearer(token), _) => zeroize::Zeroizing::new(format!("Bearer {}", token.expose_secret())),
        (Auth::None, Some((user, password))) => basic(user, password.expose_secret()),
        (Auth::None, None) | (Auth::Ssh(_), _) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&text).map_err(setting("credentials"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn setting<E: std::error::Error + Send + Sync + 'static>(setting: &'static str) -> impl FnOnce(E) -> Error {
    move |error| Error::Setting { setting, source: Box::new(error) }
}

fn parse(headers: impl IntoIterator<Item = impl AsRef<str>>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in headers {
        let Some((name, value)) = line.as_ref().split_once(':') else { continue };
        if let (Ok(name), Ok(value)) =
            (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim()))
        {
            map.append(name, value);
        }
    }
    map
}

fn lines(response: &Response) -> Cursor<Vec<u8>> {
    let mut text = Vec::new();
    for (name, value) in response.headers() {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    Cursor::new(text)
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_without_goodbye_is_told_from_others() {
        let text = "peer closed connection without sending TLS close_notify";
        let inner = io::Error::new(io::ErrorKind::UnexpectedEof, text);
        assert!(is_without_goodbye(&io::Error::other(inner)));
        assert!(!is_without_goodbye(&io::ErrorKind::UnexpectedEof.into()));
        assert!(!is_without_goodbye(&io::Error::other(text)));
    }
}
