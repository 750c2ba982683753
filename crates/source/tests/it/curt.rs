//! A server over TLS that ends each answer with the connection, without a goodbye.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sealfast_testkit::git::tls::Certificates;

/// Starts one before `host:port`; returns its address.
pub(crate) fn before(upstream: &str, certificates: &Certificates) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("https://{}", listener.local_addr()?);
    let (upstream, config) = (upstream.to_owned(), certificates.server()?);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (upstream, config) = (upstream.clone(), Arc::clone(&config));
            // Whoever does not trust it is gone before it answers.
            std::thread::spawn(move || drop(answer(socket, &upstream, config)));
        }
    });
    Ok(address)
}

fn answer(socket: TcpStream, upstream: &str, config: Arc<ServerConfig>) -> Result<()> {
    let mut client = StreamOwned::new(ServerConnection::new(config)?, socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head)?;
    let length = head.lines().find_map(length_of).map_or(Ok(0), |length| length.parse::<usize>())?;
    let mut body = vec![0; length];
    client.read_exact(&mut body)?;
    let mut server = TcpStream::connect(upstream)?;
    server.write_all(head.replacen("HTTP/1.1", "HTTP/1.0", 1).as_bytes())?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").context("an answer has a head")?;
    for line in String::from_utf8_lossy(&answer[..end]).lines().filter(|line| length_of(line).is_none()) {
        client.write_all(format!("{line}\r\n").as_bytes())?;
    }
    client.write_all(b"\r\n")?;
    client.write_all(&answer[end + 4..])?;
    client.flush()?;
    Ok(())
}

fn length_of(line: &str) -> Option<String> {
    line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned)
}
