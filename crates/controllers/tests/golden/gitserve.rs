//! Git over HTTP on loopback: plain, with credentials, with TLS.
//!
//! One thread a connection, one request a connection, `git http-backend` behind it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_testkit::{place, program};

/// Who may read below `/auth/`.
const CREDENTIALS: &str = "user:pass";
const TOKEN: &str = "token-1";

/// The three addresses, and the folder of bare repositories behind them.
pub(crate) struct Servers {
    pub(crate) root: PathBuf,
    pub(crate) plain: String,
    pub(crate) auth: String,
    pub(crate) tls: String,
}

impl Servers {
    /// Starts the servers; they end with the process.
    pub(crate) fn start(root: &Path) -> Result<Servers> {
        std::fs::create_dir_all(root)?;
        program::find("git")?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = listen(root, None)?;
        let tls = listen(root, Some(Arc::new(tls()?)))?;
        let plain = format!("http://127.0.0.1:{plain}");
        Ok(Servers {
            root: root.to_owned(),
            auth: format!("{plain}/auth"),
            plain,
            tls: format!("https://127.0.0.1:{tls}"),
        })
    }
}

fn tls() -> Result<rustls::ServerConfig> {
    let folder = place::golden("controllers").join("tls");
    let read = |name: &str| {
        std::fs::read(folder.join(name)).with_context(|| format!("reading {name} of {}", folder.display()))
    };
    let chain = rustls_pemfile::certs(&mut &read("server.crt")?[..]).collect::<Result<Vec<_>, _>>()?;
    let key = rustls_pemfile::private_key(&mut &read("server.key")?[..])?.context("server.key has no key")?;
    Ok(rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?)
}

fn listen(root: &Path, tls: Option<Arc<rustls::ServerConfig>>) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let root = root.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (root, tls) = (root.clone(), tls.clone());
            // Clients that refuse the certificate are part of the plan.
            std::thread::spawn(move || drop(serve(stream, &root, tls)));
        }
    });
    Ok(port)
}

fn serve(stream: TcpStream, root: &Path, tls: Option<Arc<rustls::ServerConfig>>) -> Result<()> {
    match tls {
        None => answer(&mut &stream, root),
        Some(config) => {
            let mut session = rustls::ServerConnection::new(config)?;
            let mut socket = stream;
            let mut both = rustls::Stream::new(&mut session, &mut socket);
            answer(&mut both, root)?;
            both.conn.send_close_notify();
            Ok(both.flush()?)
        }
    }
}

#[derive(Default)]
struct Head {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
}

impl Head {
    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

fn answer<S: Read + Write>(stream: &mut S, root: &Path) -> Result<()> {
    let mut reader = BufReader::new(&mut *stream);
    let head = head(&mut reader)?;
    let body = body(&mut reader, &head)?;
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let path = match path.strip_prefix("/auth/") {
        Some(_) if !is_allowed(head.field("authorization")) => {
            let refusal = "HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\n\r\n";
            return Ok(stream.write_all(refusal.as_bytes())?);
        }
        Some(rest) => format!("/{rest}"),
        None => path.to_owned(),
    };
    let out = backend(root, &head, &path, query, &body)?;
    let end = out.windows(4).position(|four| four == b"\r\n\r\n").context("no answer")?;
    let fields = String::from_utf8_lossy(&out[..end]).into_owned();
    let status = fields.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let rest: String = fields
        .lines()
        .filter(|line| !line.starts_with("Status: "))
        .map(|line| format!("{line}\r\n"))
        .collect();
    stream.write_all(format!("HTTP/1.0 {status}\r\n{rest}\r\n").as_bytes())?;
    stream.write_all(&out[end + 4..])?;
    Ok(stream.flush()?)
}

fn is_allowed(given: &str) -> bool {
    given == format!("Basic {}", STANDARD.encode(CREDENTIALS)) || given == format!("Bearer {TOKEN}")
}

fn head(reader: &mut impl BufRead) -> Result<Head> {
    let mut head = Head::default();
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    head.method = words.next().context("no request")?;
    head.target = words.next().context("no target")?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((key, value)) => head.fields.push((key.to_lowercase(), value.trim().to_owned())),
            None => return Ok(head),
        }
    }
}

fn body(reader: &mut impl BufRead, head: &Head) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if !head.field("transfer-encoding").eq_ignore_ascii_case("chunked") {
        let length = head.field("content-length").parse().unwrap_or(0);
        reader.take(length).read_to_end(&mut body)?;
        return Ok(body);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
        reader.take(length).read_to_end(&mut body)?;
        reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn backend(root: &Path, head: &Head, path: &str, query: &str, body: &[u8]) -> Result<Vec<u8>> {
    let mut command = Command::new(program::find("git")?);
    command
        .arg("http-backend")
        .env_clear()
        .env("PATH", program::search_path())
        .env("HOME", root)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &head.method)
        .env("CONTENT_TYPE", head.field("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for (field, variable) in [("git-protocol", "GIT_PROTOCOL"), ("content-encoding", "HTTP_CONTENT_ENCODING")]
    {
        if !head.field(field).is_empty() {
            command.env(variable, head.field(field));
        }
    }
    let mut child = command.spawn().context("starting git http-backend")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let body = body.to_vec();
    // A program that refuses the request does not read it.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let output = child.wait_with_output()?;
    drop(feeder.join());
    Ok(output.stdout)
}
