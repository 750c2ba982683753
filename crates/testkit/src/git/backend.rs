//! One request handed to `git http-backend` as a CGI program.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::program;

/// Where the program and the repositories are.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    program: PathBuf,
    repositories: PathBuf,
    home: PathBuf,
}

impl Backend {
    pub(super) fn new(repositories: &Path, home: &Path) -> Result<Self> {
        let folder = program::text(program::clean("git")?.arg("--exec-path"))?;
        let program = Path::new(&folder).join("git-http-backend");
        anyhow::ensure!(program.is_file(), "{} is missing: apt-get install git", program.display());
        Ok(Self { program, repositories: repositories.to_path_buf(), home: home.to_path_buf() })
    }

    pub(super) async fn answer(
        &self,
        parts: &Parts,
        body: Bytes,
        user: Option<&str>,
    ) -> Result<Response<Body>> {
        let mut child = self.command(parts, body.len(), user).spawn().context("starting git http-backend")?;
        let mut stdin = child.stdin.take().context("git http-backend has no standard input")?;
        let feeder = tokio::spawn(async move {
            // A program that refuses the request does not read it.
            drop(stdin.write_all(&body).await);
        });
        let output = child.wait_with_output().await?;
        feeder.await?;
        response(&output.stdout)
    }

    fn command(&self, parts: &Parts, length: usize, user: Option<&str>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", program::search_path())
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_PROJECT_ROOT", &self.repositories)
            .env("GIT_HTTP_EXPORT_ALL", "")
            .env("REQUEST_METHOD", parts.method.as_str())
            .env("PATH_INFO", parts.uri.path())
            .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
            .env("CONTENT_LENGTH", length.to_string())
            .env("REMOTE_ADDR", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(user) = user {
            command.env("REMOTE_USER", user);
        }
        let headers = [
            ("content-type", "CONTENT_TYPE"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
            ("accept", "HTTP_ACCEPT"),
        ];
        for (header, variable) in headers {
            if let Some(value) = text(&parts.headers, header) {
                command.env(variable, value);
            }
        }
        command
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Takes a CGI answer apart: header lines, an empty line, the body.
fn response(output: &[u8]) -> Result<Response<Body>> {
    let mut status = StatusCode::OK;
    let mut builder = Response::builder();
    let mut rest = output;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').context("git http-backend gave no answer")?;
        let line = std::str::from_utf8(&rest[..end])?.trim_end_matches('\r');
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').context("git http-backend gave a line that is no header")?;
        match name.eq_ignore_ascii_case("status") {
            true => status = value.trim().get(..3).context("short status")?.parse()?,
            false => builder = builder.header(name, value.trim()),
        }
    }
    Ok(builder.status(status).body(Body::from(rest.to_vec()))?)
}
