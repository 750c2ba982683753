//! Git over SSH, in this process.
//!
//! No program, no file, no agent: only the key and the hosts that are given. A thread of its own drives the connection; it ends with the conversation or at the deadline.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;
use russh::client::{self, AuthResult, Handle};
use russh::kex;
use russh::keys::ssh_key::Algorithm;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey, decode_secret_key};
use russh::{Channel, ChannelMsg, Preferred};
use secrecy::{ExposeSecret as _, SecretString};

use super::known_hosts::{self, Doubt, HostKeys};
use super::pipe::{self, Task};
use super::remote::Way;
use super::verdict::{Said, Verdict};
use super::{Auth, Proxy, Request, dial, proxy};
use crate::error::{Error, chain};

/// The user when the address names none.
const DEFAULT_USER: &str = "git";
/// Bytes of the remote's complaints that are kept.
const LONGEST_COMPLAINT: usize = 4 << 10;

/// An SSH key, and the host keys that are trusted.
#[derive(Clone, Debug)]
pub struct Login {
    /// Private key: OpenSSH, PKCS #1 or PKCS #8, PEM.
    pub identity: SecretString,
    /// Opens the key.
    pub password: Option<SecretString>,
    /// Text of a `known_hosts` file.
    pub known_hosts: String,
}

/// What an SSH client offers, the best first; what is usual when a list is empty.
#[derive(Clone, Debug, Default)]
pub struct Algorithms {
    exchange: Vec<kex::Name>,
    host_keys: Vec<Algorithm>,
}

impl Algorithms {
    /// Reads the names of key exchanges and of host key algorithms.
    ///
    /// # Errors
    /// [`Error::SshAlgorithm`] with the first that is not known.
    pub fn parse(exchange: &[String], host_keys: &[String]) -> Result<Self, Error> {
        let unknown = |what, name: &str| Error::SshAlgorithm { what, name: name.to_owned() };
        let exchange = exchange.iter().map(|name| {
            // Without an exchange there is no secret.
            let known = kex::Name::try_from(name.as_str()).ok().filter(|known| *known != kex::NONE);
            known.ok_or_else(|| unknown("key exchange", name))
        });
        let host_keys = host_keys.iter().map(|name| {
            let known = Algorithm::new(name).ok().filter(|known| !matches!(known, Algorithm::Other(_)));
            known.ok_or_else(|| unknown("host key algorithm", name))
        });
        Ok(Self {
            exchange: exchange.collect::<Result<_, _>>()?,
            host_keys: host_keys.collect::<Result<_, _>>()?,
        })
    }
}

/// Whether a private key can be used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It can.
    Open,
    /// It needs a password.
    Locked,
    /// It is no key that is understood.
    Unreadable,
}

/// Looks at a private key in PEM.
#[must_use]
pub fn key_state(identity: &SecretString) -> KeyState {
    match decode_secret_key(identity.expose_secret(), None) {
        Ok(key) if key.is_encrypted() => KeyState::Locked,
        Ok(_) => KeyState::Open,
        Err(russh::keys::Error::KeyIsEncrypted) => KeyState::Locked,
        Err(_) if identity.expose_secret().contains("ENCRYPTED") => KeyState::Locked,
        Err(_) => KeyState::Unreadable,
    }
}

/// Makes the way to the remote of a request. What goes wrong later is told by the verdict.
pub(super) fn connect(request: &Request, deadline: Instant, verdict: &Verdict) -> Result<Way, Error> {
    let job = Job::new(request, verdict)?;
    let (blocking, mut task) = pipe::pair();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Protocol { text: error.to_string() })?;
    let path = job.path.clone();
    let verdict = verdict.clone();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let talk = tokio::time::timeout_at(deadline.into(), job.run(&mut task));
            match talk.await {
                Ok(Ok(())) => {}
                Ok(Err(said)) => verdict.say(said),
                Err(_) => verdict.say(Said::Deadline),
            }
            // Only now: the end of the pipe is when the other side asks for the verdict.
            drop(task);
        });
    });
    let url = request.address.bare().as_str().into();
    let connection = Connection::new(
        blocking.reader,
        blocking.writer,
        Protocol::V2,
        path,
        None::<(&str, _)>,
        ConnectMode::Process,
        false,
    );
    Ok(Box::new(connection.custom_url(Some(url))))
}

/// All that a connection needs.
struct Job {
    host: String,
    port: u16,
    user: String,
    path: String,
    key: Arc<PrivateKey>,
    hosts: HostKeys,
    algorithms: Algorithms,
    proxy: Option<Proxy>,
    verdict: Verdict,
}

impl Job {
    fn new(request: &Request, verdict: &Verdict) -> Result<Self, Error> {
        let Auth::Ssh(login) = &request.auth else { return Err(Error::Authentication { said: None }) };
        let (host, port) = request.address.host_and_port();
        let key = private_key(login).map_err(|text| Error::Login { text })?;
        if let Some(fault) = known_hosts::fault(&login.known_hosts) {
            return Err(Error::Login { text: format!("knownhosts: {fault}") });
        }
        let hosts = HostKeys::of(&login.known_hosts, host, port);
        let user = request.address.user().map(|(user, _)| user.clone()).filter(|user| !user.is_empty());
        Ok(Self {
            host: host.to_owned(),
            port,
            user: user.unwrap_or_else(|| DEFAULT_USER.to_owned()),
            path: crate::url::plain(request.address.bare().path()),
            key: Arc::new(key),
            hosts,
            algorithms: request.ssh.clone(),
            proxy: request.proxy.clone(),
            verdict: verdict.clone(),
        })
    }

    async fn run(&self, task: &mut Task) -> Result<(), Said> {
        let stream = proxy::connect(&self.host, self.port, self.proxy.as_ref()).await;
        let stream = stream.map_err(|error| Said::Failed(dial::failed(&self.host, self.port, &error)))?;
        if self.hosts.is_empty() {
            // Whatever key it shows.
            return Err(Said::Failed(doubted(Doubt::Unknown)));
        }
        let doubt = Arc::new(Mutex::new(None));
        let guard = Guard { hosts: self.hosts.clone(), doubt: Arc::clone(&doubt) };
        let connected = client::connect_stream(Arc::new(self.config()), stream, guard).await;
        let mut session =
            connected.map_err(|error| match *doubt.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(doubt) => Said::Failed(doubted(doubt)),
                None => Said::Failed(format!("ssh: handshake failed: {}", chain(&error))),
            })?;
        self.log_in(&mut session).await?;
        let channel = session.channel_open_session().await.map_err(failed)?;
        self.talk(channel, task).await
    }

    fn config(&self) -> client::Config {
        let mut preferred = Preferred { key: Cow::Owned(self.hosts.algorithms()), ..Preferred::DEFAULT };
        if !self.algorithms.host_keys.is_empty() {
            preferred.key = Cow::Owned(self.algorithms.host_keys.clone());
        }
        if !self.algorithms.exchange.is_empty() {
            let extensions = [kex::EXTENSION_SUPPORT_AS_CLIENT, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT];
            preferred.kex = Cow::Owned([self.algorithms.exchange.as_slice(), &extensions].concat());
        }
        client::Config { preferred, nodelay: true, ..client::Config::default() }
    }

    async fn log_in(&self, session: &mut Handle<Guard>) -> Result<(), Said> {
        let hash = session.best_supported_rsa_hash().await.map_err(failed)?.flatten();
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&self.key), hash);
        match session.authenticate_publickey(&self.user, key).await.map_err(failed)? {
            AuthResult::Success => Ok(()),
            AuthResult::Failure { .. } => Err(Said::Failed(
                "ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain"
                    .to_owned(),
            )),
        }
    }

    /// Runs the remote's program and moves bytes until one side has enough.
    async fn talk(&self, channel: Channel<client::Msg>, task: &mut Task) -> Result<(), Said> {
        // Servers that do not take the variable speak an older protocol, which is understood too.
        channel.set_env(false, "GIT_PROTOCOL", "version=2").await.map_err(failed)?;
        let command = format!("git-upload-pack '{}'", self.path.replace('\'', "'\\''"));
        channel.exec(true, command).await.map_err(failed)?;
        let (mut incoming, outgoing) = channel.split();
        let Task { answers, requests } = task;
        let feed = async {
            while let Some(chunk) = requests.recv().await {
                outgoing.data(chunk.as_ref()).await.map_err(failed)?;
            }
            Ok(())
        };
        let drain = async {
            let (mut complaint, mut status) = (Vec::new(), None);
            while let Some(message) = incoming.wait().await {
                match message {
                    ChannelMsg::Data { data } => {
                        // The verdict knows why when there is too much.
                        let has_room = self.verdict.received(data.len()).is_ok();
                        if !has_room || answers.send(Bytes::copy_from_slice(&data)).await.is_err() {
                            return Ok(());
                        }
                    }
                    ChannelMsg::ExtendedData { data, .. } => {
                        let room = LONGEST_COMPLAINT.saturating_sub(complaint.len());
                        complaint.extend_from_slice(&data[..data.len().min(room)]);
                    }
                    ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                    ChannelMsg::Failure => return Err(Said::Failed("the remote runs no Git".to_owned())),
                    _ => {}
                }
            }
            judge(status, &complaint)
        };
        tokio::select! {
            done = feed => done,
            done = drain => done,
        }
    }
}

/// The private key, or what is wrong with it.
fn private_key(login: &Login) -> Result<PrivateKey, String> {
    let identity = login.identity.expose_secret();
    let password = login.password.as_ref().map(|password| password.expose_secret());
    decode_secret_key(identity, password).map_err(|error| match (key_state(&login.identity), password) {
        _ if !identity.contains("-----BEGIN ") => "ssh: no key found".to_owned(),
        (KeyState::Locked, Some(_)) => "x509: decryption password incorrect".to_owned(),
        (KeyState::Locked, None) => "ssh: this private key is passphrase protected".to_owned(),
        _ => format!("ssh: {}", chain(&error)),
    })
}

/// Says what an end of the remote's program means.
fn judge(status: Option<u32>, complaint: &[u8]) -> Result<(), Said> {
    if status == Some(0) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(complaint);
    let text = text.trim();
    let lower = text.to_lowercase();
    let unknown =
        ["not found", "does not appear to be a git repository", "does not exist", "no such repository"];
    if unknown.iter().any(|words| lower.contains(words)) {
        return Err(Said::NoRepository);
    }
    match text.lines().next() {
        Some(line) => Err(Said::Failed(line.to_owned())),
        None => Err(Said::Failed("unexpected EOF".to_owned())),
    }
}

/// Lets in only hosts that are known.
struct Guard {
    hosts: HostKeys,
    doubt: Arc<Mutex<Option<Doubt>>>,
}

impl client::Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKey) -> Result<bool, Self::Error> {
        let verdict = self.hosts.check(shown);
        *self.doubt.lock().unwrap_or_else(PoisonError::into_inner) = verdict.err();
        Ok(verdict.is_ok())
    }
}

fn doubted(doubt: Doubt) -> String {
    let what = match doubt {
        Doubt::Unknown => "key is unknown",
        Doubt::Mismatch => "key mismatch",
        Doubt::Revoked => "key is revoked",
    };
    format!("ssh: handshake failed: knownhosts: {what}")
}

fn failed(error: russh::Error) -> Said {
    Said::Failed(chain(&error))
}
