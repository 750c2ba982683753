//! The side of the key service that answers, with a keyring of its own.
//!
//! Follows: `keyservice/server.go` of sops 3.13.2.

use std::convert::Infallible;
use std::fmt;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::time::Time;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, join, split};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::message::{
    DECRYPT, DecryptRequest, DecryptResponse, ENCRYPT, EncryptRequest, EncryptResponse, Key,
};
use crate::error::Error;
use crate::keyring::Keyring;
use crate::local;

/// No question is longer.
const MOST_BYTES: usize = 1 << 20;
/// Clients that are connected at the same time; the next one waits.
const MOST_CLIENTS: usize = 256;
/// What every client sends first, and how long it may take for that.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a client is asked whether it is still there, and how long it may take to say so.
const ALIVE: Duration = Duration::from_secs(30);
const ALIVE_PATIENCE: Duration = Duration::from_secs(20);
/// Questions of one client at the same time.
const MOST_QUESTIONS: u32 = 128;
/// After a client that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks a person whether a question may be answered; true for yes. It may wait for the person.
pub type Approve = Arc<dyn Fn(&Question) -> bool + Send + Sync>;

/// What somebody asks of a key service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// `encrypt` or `decrypt`.
    pub action: &'static str,
    /// The key as people name it, with its kind.
    pub key: String,
}

/// The socket on which a key service listens.
#[derive(Debug)]
pub struct Listener(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            drop(std::fs::remove_file(path));
        }
    }
}

impl Listener {
    /// Listens on a TCP address, `host:port`.
    ///
    /// # Errors
    /// [`Error::Service`] when the address is taken or is none.
    pub async fn tcp(address: &str) -> Result<Self, Error> {
        let bound = TcpListener::bind(address).await;
        bound.map(|socket| Self(Socket::Tcp(socket))).map_err(|error| refused(address, &error))
    }

    /// Listens on a socket in the file system, which is removed with the listener.
    ///
    /// # Errors
    /// [`Error::Service`] when the path exists or cannot be made.
    pub fn unix(path: &Path) -> Result<Self, Error> {
        let bound = UnixListener::bind(path);
        bound
            .map(|socket| Self(Socket::Unix(socket, path.to_owned())))
            .map_err(|error| refused(&path.to_string_lossy(), &error))
    }

    /// Returns the address that clients use.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.0 {
            Socket::Tcp(socket) => match socket.local_addr() {
                Ok(address) => format!("tcp://{address}"),
                Err(_) => "tcp://".to_owned(),
            },
            Socket::Unix(_, path) => format!("unix://{}", path.display()),
        }
    }

    /// Answers questions with the keyring until the future is dropped, and with it whoever is connected.
    ///
    /// `clock` tells the time at which keys must be valid; `approve` is asked after the work is done and before it is
    /// handed out.
    pub async fn serve(self, keyring: Keyring, clock: fn() -> Time, approve: Option<Approve>) {
        let answers = Answers { keyring, clock, approve };
        let mut clients = JoinSet::new();
        loop {
            while clients.try_join_next().is_some() {}
            if clients.len() >= MOST_CLIENTS {
                clients.join_next().await;
            }
            let accepted = match &self.0 {
                Socket::Tcp(socket) => {
                    socket.accept().await.map(|(stream, _)| clients.spawn(answers.clone().talk(stream)))
                }
                Socket::Unix(socket, _) => {
                    socket.accept().await.map(|(stream, _)| clients.spawn(answers.clone().talk(stream)))
                }
            };
            // A client that is gone before it is accepted is no reason to stop, and neither are too many open files, which
            // would be told again at once.
            if accepted.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn refused(address: &str, error: &std::io::Error) -> Error {
    Error::Service { address: address.to_owned(), reason: format!("it cannot be listened on: {error}") }
}

#[derive(Clone)]
struct Answers {
    keyring: Keyring,
    clock: fn() -> Time,
    approve: Option<Approve>,
}

impl Answers {
    async fn talk(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (mut input, output) = split(stream);
        let mut preface = [0; PREFACE.len()];
        let read = tokio::time::timeout(PATIENCE, input.read_exact(&mut preface)).await;
        if !matches!(read, Ok(Ok(_))) || preface != *PREFACE {
            return;
        }
        let stream = join(Cursor::new(preface).chain(input), output);
        let service = hyper::service::service_fn(move |request| {
            let answers = self.clone();
            async move { Ok::<_, Infallible>(answers.route(request).await) }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(ALIVE)
            .keep_alive_timeout(ALIVE_PATIENCE)
            .max_concurrent_streams(MOST_QUESTIONS);
        // Whatever breaks a connection is the client's to report.
        drop(builder.serve_connection(TokioIo::new(stream), service).await);
    }

    async fn route(self, request: http::Request<hyper::body::Incoming>) -> http::Response<Body> {
        match request.uri().path() {
            ENCRYPT => {
                let codec = ProstCodec::<EncryptResponse, EncryptRequest>::default();
                let service = service_fn(move |question| self.clone().encrypt(question));
                tonic::server::Grpc::new(codec)
                    .max_decoding_message_size(MOST_BYTES)
                    .unary(service, request)
                    .await
            }
            DECRYPT => {
                let codec = ProstCodec::<DecryptResponse, DecryptRequest>::default();
                let service = service_fn(move |question| self.clone().decrypt(question));
                tonic::server::Grpc::new(codec)
                    .max_decoding_message_size(MOST_BYTES)
                    .unary(service, request)
                    .await
            }
            _ => Status::unimplemented("there is no such method").into_http(),
        }
    }

    async fn encrypt(self, question: Request<EncryptRequest>) -> Result<Response<EncryptResponse>, Status> {
        let mut question = question.into_inner();
        let key = master_key(question.key.take(), Vec::new())?;
        let place = self.keyring.run.call().await;
        let wrapped = local::wrap(&key, &question.plaintext, &self.keyring, (self.clock)()).await;
        drop(place);
        let wrapped = wrapped.map_err(|error| Status::unknown(error.with_causes()))?;
        self.ask("encrypt", &key).await?;
        Ok(Response::new(EncryptResponse { ciphertext: wrapped.enc.into_bytes() }))
    }

    async fn decrypt(self, question: Request<DecryptRequest>) -> Result<Response<DecryptResponse>, Status> {
        let DecryptRequest { key, ciphertext } = question.into_inner();
        let key = master_key(key, ciphertext)?;
        let place = self.keyring.run.call().await;
        let secret = local::open(&key, &self.keyring).await;
        // The person who is asked may take long.
        drop(place);
        let secret = secret.map_err(|error| Status::unknown(error.with_causes()))?;
        self.ask("decrypt", &key).await?;
        Ok(Response::new(DecryptResponse { plaintext: secret.to_vec() }))
    }

    /// The person is asked on a thread of their own, so that others are answered meanwhile.
    async fn ask(&self, action: &'static str, key: &MasterKey) -> Result<(), Status> {
        let Some(approve) = self.approve.clone() else { return Ok(()) };
        let question = Question { action, key: words(key).to_string() };
        match tokio::task::spawn_blocking(move || approve(&question)).await {
            Ok(true) => Ok(()),
            _ => Err(Status::permission_denied("Request rejected by user")),
        }
    }
}

fn master_key(key: Option<Key>, enc: Vec<u8>) -> Result<MasterKey, Status> {
    let kind = key.and_then(|key| key.kind).ok_or_else(|| Status::not_found("Must provide a key"))?;
    let enc = String::from_utf8(enc).map_err(|_| Status::invalid_argument("the ciphertext is no text"))?;
    Ok(kind.with_enc(enc))
}

/// Names a key with its kind, in the words that people know.
fn words(key: &MasterKey) -> impl fmt::Display {
    let kind = match key {
        MasterKey::Age { .. } => "age key with recipient",
        MasterKey::Pgp { .. } => "PGP key with fingerprint",
        MasterKey::Kms { .. } => "AWS KMS key with ARN",
        MasterKey::GcpKms { .. } => "GCP KMS key with resource ID",
        MasterKey::HuaweiKms { .. } => "HuaweiCloud KMS key with ID",
        MasterKey::AzureKv { .. } => "Azure Key Vault key with URL",
        MasterKey::Vault { .. } => "Hashicorp Vault key with URI",
    };
    format!("{kind} {}", key.identity_string())
}
