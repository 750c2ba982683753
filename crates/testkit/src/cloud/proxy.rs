//! A proxy that takes every host for one of two servers.
//!
//! Behind `CONNECT` it is the one with TLS, otherwise the plain one. A host with a port of its own is that port of this machine. It may ask for a user and a password.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A running proxy; it takes nothing more after it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What all connections of a proxy know.
#[derive(Clone)]
struct Ways {
    tls: SocketAddr,
    plain: SocketAddr,
    /// The value of the header that every first request must bring.
    login: Option<String>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts a proxy in front of a server with TLS and a plain one.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(tls: SocketAddr, plain: SocketAddr) -> Result<Self> {
        Self::start_for(tls, plain, None)
    }

    /// The same, for those alone who bring a user and a password.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start_for(tls: SocketAddr, plain: SocketAddr, login: Option<(&str, &str)>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no loopback port is free")?;
        let address = listener.local_addr()?;
        let (ended, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let login = login.map(|(user, password)| STANDARD.encode(format!("{user}:{password}")));
        let ways = Ways { tls, plain, login, seen: Arc::clone(&seen) };
        let stop = Arc::clone(&ended);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let ways = ways.clone();
                // A connection that breaks is the client's to report.
                std::thread::spawn(move || drop(carry(stream, &ways)));
            }
        });
        Ok(Self { address, ended, seen })
    }

    /// Returns the first line of each connection's first request, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns its URL, as `HTTPS_PROXY` has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn carry(mut client: TcpStream, ways: &Ways) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let first = text.lines().next().unwrap_or_default().to_owned();
    ways.seen.lock().unwrap_or_else(PoisonError::into_inner).push(first);
    if ways.login.as_ref().is_some_and(|login| !text.contains(&format!("Basic {login}\r\n"))) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    let mut server = if head.starts_with(b"CONNECT ") {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        let port = text.split(' ').nth(1).and_then(|place| place.rsplit(':').next()?.parse::<u16>().ok());
        match port.filter(|port| *port != 443) {
            Some(port) => TcpStream::connect(("127.0.0.1", port))?,
            None => TcpStream::connect(ways.tls)?,
        }
    } else {
        let mut server = TcpStream::connect(ways.plain)?;
        server.write_all(&head)?;
        server
    };
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from_client, &mut to_server));
        drop(to_server.shutdown(Shutdown::Write));
    });
    std::io::copy(&mut server, &mut client).map(drop)
}
