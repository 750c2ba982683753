//! A TCP connection, straight or through a proxy.
//!
//! Follows: HTTP CONNECT (RFC 9110), SOCKS5 (RFC 1928, RFC 1929).

use std::io::{Error, ErrorKind, Result};

use base64::Engine as _;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::Proxy;

/// The longest head of an answer to CONNECT, in bytes.
const LONGEST_HEAD: usize = 16 << 10;

/// Connects to a host, through the proxy when there is one.
pub(super) async fn connect(host: &str, port: u16, proxy: Option<&Proxy>) -> Result<TcpStream> {
    let Some(proxy) = proxy else { return TcpStream::connect((host, port)).await };
    let address = url::Url::parse(&proxy.address).map_err(|_| refused("the proxy's address is no URL"))?;
    let own = address.host_str().ok_or_else(|| refused("the proxy's address has no host"))?;
    let default = if address.scheme() == "http" { 80 } else { 1080 };
    let at = (own.trim_start_matches('[').trim_end_matches(']'), address.port().unwrap_or(default));
    match address.scheme() {
        "http" => http(TcpStream::connect(at).await?, host, port, proxy).await,
        "socks5" | "socks5h" => socks(TcpStream::connect(at).await?, host, port, proxy).await,
        _ => Err(refused("for SSH the proxy must be http or socks5")),
    }
}

async fn http(mut stream: TcpStream, host: &str, port: u16, proxy: &Proxy) -> Result<TcpStream> {
    let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut head = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
    if let Some((user, password)) = &proxy.user {
        let both = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
        let encoded = base64::engine::general_purpose::STANDARD.encode(both.as_bytes());
        head.push_str(&format!("Proxy-Authorization: Basic {encoded}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    // Byte by byte, as what follows the head is the other side's already.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= LONGEST_HEAD {
            return Err(refused("the proxy's answer does not end"));
        }
        answer.push(stream.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&answer);
    match line.split_ascii_whitespace().nth(1) {
        Some(status) if status.starts_with('2') => Ok(stream),
        Some(status) => Err(refused(&format!("the proxy answered with status {status}"))),
        None => Err(refused("the proxy's answer is no HTTP")),
    }
}

async fn socks(mut stream: TcpStream, host: &str, port: u16, proxy: &Proxy) -> Result<TcpStream> {
    let method = if proxy.user.is_some() { 2 } else { 0 };
    stream.write_all(&[5, 1, method]).await?;
    if read::<2>(&mut stream).await? != [5, method] {
        return Err(refused("the proxy wants another way to log in"));
    }
    if let Some((user, password)) = &proxy.user {
        let mut login = Zeroizing::new(vec![1]);
        for text in [user.as_bytes(), password.expose_secret().as_bytes()] {
            login.push(length(text)?);
            login.extend_from_slice(text);
        }
        stream.write_all(&login).await?;
        if read::<2>(&mut stream).await?[1] != 0 {
            return Err(refused("the proxy refuses the user or the password"));
        }
    }
    let mut request = vec![5, 1, 0, 3, length(host.as_bytes())?];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).await?;
    let [_, status, _, kind] = read::<4>(&mut stream).await?;
    if status != 0 {
        return Err(refused(&format!("the proxy cannot connect, code {status}")));
    }
    let rest = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await?),
        _ => return Err(refused("the proxy's answer cannot be read")),
    };
    let mut bound = vec![0; rest + 2];
    stream.read_exact(&mut bound).await?;
    Ok(stream)
}

async fn read<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn length(text: &[u8]) -> Result<u8> {
    u8::try_from(text.len()).map_err(|_| refused("a name is too long for the proxy"))
}

fn refused(text: &str) -> Error {
    Error::new(ErrorKind::ConnectionRefused, text.to_owned())
}
